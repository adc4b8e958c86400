// Tools: calls, results, several at once, streamed.

import { client, equal, run, truth, user, WEATHER } from './case.mjs';

const ask = { model: 'echo/echo', tools: [WEATHER] };
const two = [user('call weather {"city":"A"}\ncall weather {"city":"B"}')];
const cities = (calls) => calls.map((call) => JSON.parse(call.function.arguments).city);

async function callResultAnswer() {
  const messages = [user('call weather {"city":"Zürich"}')];
  const choice = (await client().chat.completions.create({ ...ask, messages })).choices[0];
  equal([choice.finish_reason, choice.message.content], ['tool_calls', null]);
  equal(cities(choice.message.tool_calls), ['Zürich']);
  messages.push(choice.message, { role: 'tool', tool_call_id: choice.message.tool_calls[0].id, content: 'sunny' });
  const answer = (await client().chat.completions.create({ ...ask, messages })).choices[0];
  equal([answer.message.content, answer.finish_reason], ['weather: sunny', 'stop']);
}

async function severalAtOnce() {
  const message = (await client().chat.completions.create({ ...ask, messages: two })).choices[0].message;
  equal(cities(message.tool_calls), ['A', 'B']);
  truth(message.tool_calls[0].id !== message.tool_calls[1].id, message);
}

async function gatheredFromAStream() {
  const answer = await client().chat.completions.stream({ ...ask, messages: two }).finalChatCompletion();
  equal(answer.choices[0].finish_reason, 'tool_calls');
  equal(cities(answer.choices[0].message.tool_calls), ['A', 'B']);
}

async function runByTheClient() {
  const asked = [];
  const weather = {
    ...WEATHER,
    function: { ...WEATHER.function, parse: JSON.parse, function: ({ city }) => (asked.push(city), 'sunny') },
  };
  const runner = client().chat.completions.runTools({ model: 'echo/echo', messages: two, tools: [weather] });
  truth((await runner.finalContent()).includes('weather: sunny'), runner.messages);
  equal(asked, ['A', 'B']);
}

await run(callResultAnswer, severalAtOnce, gatheredFromAStream, runByTheClient);
