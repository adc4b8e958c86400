// Leaving in the middle of an answer.

import { client, equal, OpenAI, raised, run, user } from './case.mjs';

const request = { model: 'openai/gpt-x', messages: [user('go on')] };

async function byBreakingOff() {
  const stream = await client().chat.completions.create({ ...request, stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) {
      equal(chunk.choices[0].delta.content, 'one ');
      break;
    }
  }
}

async function byAborting() {
  const stream = await client().chat.completions.create({ ...request, stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) stream.controller.abort();
  }
}

async function byLosingPatienceWithAWholeAnswer() {
  await raised(OpenAI.APIConnectionTimeoutError, () => client({ timeout: 2000 }).chat.completions.create(request));
}

async function byBreakingOffANativeStream() {
  const baseURL = process.env.LLM_HOST_URL.replace(/\/v1$/, '/providers/openai/v1');
  const stream = await client({ baseURL }).chat.completions.create({ ...request, model: 'gpt-x', stream: true });
  for await (const chunk of stream) {
    if (chunk.choices[0].delta.content) break;
  }
}

await run(byBreakingOff, byAborting, byLosingPatienceWithAWholeAnswer, byBreakingOffANativeStream);
