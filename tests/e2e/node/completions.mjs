// Continuations of texts: the older API.

import { client, equal, OpenAI, raised, run } from './case.mjs';

async function whole() {
  const answer = await client().completions.create({ model: 'echo/echo', prompt: ['one two three', 'four'], max_tokens: 2 });
  equal(answer.choices.map((choice) => [choice.index, choice.text, choice.finish_reason]), [
    [0, 'one two', 'length'],
    [1, 'four', 'stop'],
  ]);
  equal(answer.usage.total_tokens, 7);
}

async function streamed() {
  const texts = [];
  for await (const chunk of await client().completions.create({ model: 'echo/echo', prompt: 'one two', stream: true })) {
    texts.push(chunk.choices[0].text);
  }
  equal(texts, ['one', ' two', '']);
}

async function broken() {
  const texts = [];
  const stream = await client().completions.create({ model: 'echo/echo', prompt: 'error after 1 timeout', stream: true });
  const error = await raised(OpenAI.APIError, async () => {
    for await (const chunk of stream) texts.push(chunk.choices[0].text);
  });
  equal([texts, error.code], [['error'], 'provider_timeout']);
}

await run(whole, streamed, broken);
