// What every script shares: a client of the host, and running each case of a script.

import { isDeepStrictEqual, inspect } from 'node:util';
import OpenAI from 'openai';

export { OpenAI };

export const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

export function client(options = {}) {
  return new OpenAI({
    baseURL: process.env.LLM_HOST_URL,
    apiKey: process.env.LLM_HOST_KEY,
    maxRetries: 0,
    timeout: 60_000,
    ...options,
  });
}

export const user = (content) => ({ role: 'user', content });

export function equal(got, expected) {
  if (!isDeepStrictEqual(got, expected)) {
    throw new Error(`expected ${inspect(expected, { depth: 9 })}, got ${inspect(got, { depth: 9 })}`);
  }
}

export function truth(value, what) {
  if (!value) throw new Error(`not so: ${inspect(what, { depth: 9 })}`);
}

export async function raised(kind, action) {
  try {
    await action();
  } catch (error) {
    truth(error instanceof kind, error);
    return error;
  }
  throw new Error(`no ${kind.name}`);
}

export async function run(...cases) {
  let failed = 0;
  for (const one of cases) {
    try {
      await one();
      console.log(`ok: ${one.name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED: ${one.name}`);
      console.log(error);
    }
  }
  process.exit(failed ? 1 : 0);
}
