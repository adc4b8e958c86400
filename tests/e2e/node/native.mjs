// Providers' own APIs behind the host, with their own packages.

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { equal, raised, run } from './case.mjs';

const root = process.env.LLM_HOST_URL.replace(/\/v1$/, '');
const apiKey = process.env.LLM_HOST_KEY;
const gpt = () => new OpenAI({ baseURL: `${root}/providers/openai/v1`, apiKey, maxRetries: 0 });
const claude = () => new Anthropic({ baseURL: `${root}/providers/anthropic`, apiKey, maxRetries: 0 });
const messages = [{ role: 'user', content: 'hello' }];

async function aWholeAnswer() {
  const answer = await gpt().chat.completions.create({ model: 'gpt-x', messages });
  equal(answer.choices[0].message.content, 'hi');
}

async function aStream() {
  let text = '';
  for await (const chunk of await gpt().chat.completions.create({ model: 'gpt-x', messages, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? '';
  }
  equal(text, 'one two');
}

async function errorsComeAsTheyAre() {
  const error = await raised(OpenAI.RateLimitError, () => gpt().chat.completions.create({ model: 'limited', messages }));
  equal([error.code, error.headers.get('retry-after')], ['theirs', '7']);
}

async function anothersPackage() {
  const message = await claude().messages.create({ model: 'claude-x', max_tokens: 9, messages });
  equal(message.content[0].text, 'hi');
  const stream = claude().messages.stream({ model: 'claude-x', max_tokens: 9, messages });
  equal(await stream.finalText(), 'one two');
}

await run(aWholeAnswer, aStream, errorsComeAsTheyAre, anothersPackage);
