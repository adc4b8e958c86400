// Vectors. The package asks for base64 unless it is told otherwise.

import { client, equal, OpenAI, raised, run, truth } from './case.mjs';

async function severalTexts() {
  const answer = await client().embeddings.create({ model: 'echo/echo', input: ['a red fox', 'a', 'a red fox'] });
  equal(answer.data.map((item) => item.index), [0, 1, 2]);
  equal(answer.data[0].embedding.length, 64);
  equal(answer.data[0].embedding, answer.data[2].embedding);
  truth(answer.data[0].embedding.every((x) => typeof x === 'number'), answer);
  equal(answer.usage, { prompt_tokens: 7, total_tokens: 7 });
}

async function floats() {
  const ask = { model: 'echo/echo', input: 'one two', dimensions: 8 };
  const [packed, written] = [
    await client().embeddings.create(ask),
    await client().embeddings.create({ ...ask, encoding_format: 'float' }),
  ];
  equal(packed.data[0].embedding, written.data[0].embedding.map(Math.fround));
}

async function aModelThatIsNotAllowed() {
  const error = await raised(OpenAI.PermissionDeniedError, () =>
    client({ apiKey: 'llmh-test-key-narrow' }).embeddings.create({ model: 'echo/echo', input: 'a' }),
  );
  equal(error.code, 'forbidden');
}

await run(severalTexts, floats, aModelThatIsNotAllowed);
