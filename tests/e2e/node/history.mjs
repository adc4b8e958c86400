// Answers that come back as history, with what the provider needs back.

import { client, equal, OpenAI, raised, run, truth, user } from './case.mjs';

const model = 'echo/echo-reasoning';

async function thought() {
  return (await client().chat.completions.create({ model, messages: [user('one')] })).choices[0].message;
}

async function aThoughtTravelsByteForByte() {
  const message = await thought();
  truth(message.reasoning_content && message.reasoning_details.length === 1, message);
  const answer = await client().chat.completions.create({ model, messages: [user('one'), message, user('two')] });
  equal(answer.choices[0].message.content, 'two');
}

async function aThoughtFromAStreamTravelsToo() {
  const stream = client().chat.completions.stream({ model, messages: [user('one')] });
  const message = (await stream.finalChatCompletion()).choices[0].message;
  const answer = await client().chat.completions.create({ model, messages: [user('one'), message, user('two')] });
  equal(answer.choices[0].message.content, 'two');
}

async function aChangedThoughtIsNoticed() {
  const message = await thought();
  message.reasoning_details[0].text += '!';
  const messages = [user('one'), message, user('two')];
  const error = await raised(OpenAI.BadRequestError, () => client().chat.completions.create({ model, messages }));
  equal(error.error.fault, 'client');
}

await run(aThoughtTravelsByteForByte, aThoughtFromAStreamTravelsToo, aChangedThoughtIsNoticed);
