// Whole answers.

import { client, equal, run, truth, user } from './case.mjs';

async function aTextComesBack() {
  const messages = [{ role: 'developer', content: 'Be brief.' }, user('Hello big world')];
  const { data, response } = await client().chat.completions.create({ model: 'echo/echo', messages }).withResponse();
  equal(data.choices[0].message.content, 'Hello big world');
  equal(data.choices[0].finish_reason, 'stop');
  equal([data.object, data.model], ['chat.completion', 'echo']);
  equal([data.usage.prompt_tokens, data.usage.completion_tokens, data.usage.total_tokens], [5, 3, 8]);
  equal(response.headers.get('x-llm-host-provider'), 'echo');
  truth(data._request_id === response.headers.get('x-request-id'), data._request_id);
}

async function limitsAndChoices() {
  const answer = await client().chat.completions.create({
    model: 'echo/echo', messages: [user('one two three')], max_tokens: 2, n: 2,
  });
  equal(answer.choices.map((choice) => [choice.message.content, choice.finish_reason]),
    [['one two', 'length'], ['one two', 'length']]);
}

async function whatDoesNotReachTheProviderIsNamed() {
  const { response } = await client().chat.completions
    .create({ model: 'echo/echo', messages: [user('x')], made_up: 1, logit_bias: { 1: 1 } }).withResponse();
  equal(response.headers.get('x-llm-host-dropped').split(', ').sort(), ['logit_bias', 'made_up']);
}

await run(aTextComesBack, limitsAndChoices, whatDoesNotReachTheProviderIsNamed);
