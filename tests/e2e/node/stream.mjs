// Streamed answers.

import { client, equal, OpenAI, raised, run, truth, user } from './case.mjs';

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const texts = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content).filter(Boolean);

async function wordByWord() {
  const request = { model: 'echo/echo', messages: [user('one two three')], stream: true };
  const chunks = await collect(await client().chat.completions.create(request));
  equal(chunks[0].choices[0].delta.role, 'assistant');
  equal(texts(chunks), ['one', ' two', ' three']);
  equal(chunks.at(-1).choices[0].finish_reason, 'stop');
}

async function usageWhenAskedFor() {
  const chunks = await collect(await client().chat.completions.create({
    model: 'echo/echo', messages: [user('one two')], stream: true, stream_options: { include_usage: true },
  }));
  equal(chunks.at(-1).choices, []);
  equal(chunks.at(-1).usage.total_tokens, 4);
  truth(chunks.slice(0, -1).every((chunk) => chunk.usage === null), chunks);
}

async function theGatheredAnswerIsTheWholeOne() {
  const request = { model: 'echo/echo-reasoning', messages: [user('one two three')] };
  const whole = (await client().chat.completions.create(request)).choices[0];
  const stream = client().chat.completions.stream(request);
  const gathered = (await stream.finalChatCompletion()).choices[0];
  equal(gathered.finish_reason, whole.finish_reason);
  equal(gathered.message.content, whole.message.content);
  // The helper keeps the last piece of a field it does not know: what comes once comes whole.
  equal(gathered.message.reasoning_details, whole.message.reasoning_details);
}

async function aFailureOnTheWayIsRaised() {
  const got = [];
  const error = await raised(OpenAI.APIError, async () => {
    const stream = await client().chat.completions.create({
      model: 'echo/echo', messages: [user('error after 2 overloaded')], stream: true,
    });
    for await (const chunk of stream) got.push(chunk);
  });
  equal([error.code, error.type], ['provider_overloaded', 'overloaded_error']);
  equal(texts(got).length, 2);
}

await run(wordByWord, usageWhenAskedFor, theGatheredAnswerIsTheWholeOne, aFailureOnTheWayIsRaised);
