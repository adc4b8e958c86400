// Structured output.

import { client, equal, run, truth, user } from './case.mjs';

const schema = {
  type: 'object',
  properties: { count: { type: 'integer', minimum: 3 }, mood: { type: 'string', enum: ['good', 'bad'] } },
  required: ['count', 'mood'],
  additionalProperties: false,
};
const request = {
  model: 'echo/echo',
  messages: [user('plan')],
  response_format: { type: 'json_schema', json_schema: { name: 'plan', schema, strict: true } },
};

async function parsedIntoAnObject() {
  const answer = await client().chat.completions.parse(request);
  const plan = JSON.parse(answer.choices[0].message.content);
  truth(plan.count >= 3 && ['good', 'bad'].includes(plan.mood), plan);
}

async function anyObject() {
  const answer = await client().chat.completions.create({ ...request, response_format: { type: 'json_object' } });
  equal(JSON.parse(answer.choices[0].message.content), { echo: 'plan' });
}

await run(parsedIntoAnObject, anyObject);
