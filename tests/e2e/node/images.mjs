// Pictures.

import { toFile } from 'openai';
import { client, equal, OpenAI, raised, run, truth } from './case.mjs';

const PICTURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255]);
const file = () => toFile(PICTURE, 'a.png', { type: 'image/png' });
const bytes = (item) => Buffer.from(item.b64_json, 'base64');

async function drawn() {
  const answer = await client().images.generate({ model: 'echo/echo', prompt: 'a red fox', size: '32x16' });
  truth(bytes(answer.data[0]).toString().includes('width="32" height="16"'), answer);
}

async function edited() {
  const answer = await client().images.edit({ model: 'echo/echo', prompt: 'more', image: await file() });
  equal(bytes(answer.data[0]), PICTURE);
}

async function varied() {
  const answer = await client().images.createVariation({ model: 'echo/echo', image: await file(), n: 2 });
  equal(answer.data.map(bytes), [PICTURE, PICTURE]);
}

async function refused() {
  const error = await raised(OpenAI.BadRequestError, () =>
    client().images.generate({ model: 'echo/echo', prompt: 'x', stream: true }),
  );
  equal([error.code, error.param], ['unsupported', 'stream']);
}

await run(drawn, edited, varied, refused);
