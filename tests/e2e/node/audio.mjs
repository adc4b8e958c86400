// Sound from text, and text from sound.

import { toFile } from 'openai';
import { client, equal, run, truth } from './case.mjs';

async function spoken() {
  const answer = await client().audio.speech.create({ model: 'echo/echo', voice: 'any', input: 'one two' });
  equal(answer.headers.get('content-type'), 'audio/wav');
  let length = 0;
  for await (const piece of answer.body) length += piece.length;
  equal(length, 44 + 800);
}

async function writtenDown() {
  const ask = async (format) =>
    client().audio.transcriptions.create({
      model: 'echo/echo',
      file: await toFile(Buffer.from('RIFF0000'), 'speech.wav', { type: 'audio/wav' }),
      response_format: format,
    });
  const text = '[speech.wav, audio/wav, 8 bytes]';
  equal((await ask('json')).text, text);
  equal((await ask('verbose_json')).segments.length, 4);
  equal(await ask('text'), `${text}\n`);
  truth((await ask('vtt')).startsWith('WEBVTT\n'), 'vtt');
}

await run(spoken, writtenDown);
