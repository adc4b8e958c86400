// Failures, as the client's own exceptions.

import { client, equal, OpenAI, raised, run, truth, user } from './case.mjs';

const ask = (fields = {}, options = {}) =>
  client(options).chat.completions.create({ model: 'echo/echo', messages: [user('hi')], ...fields });

async function noSuchModel() {
  const error = await raised(OpenAI.NotFoundError, () => ask({ model: 'nobody/nothing' }));
  equal([error.code, error.param], ['model_not_found', 'model']);
}

async function aWrongRequest() {
  const error = await raised(OpenAI.BadRequestError, () => ask({ messages: [{ role: 'robot', content: 'hi' }] }));
  equal([error.param, error.type], ['messages[0].role', 'invalid_request_error']);
}

async function aWrongKey() {
  const error = await raised(OpenAI.AuthenticationError, () => ask({}, { apiKey: 'sk-wrong-and-secret' }));
  equal(error.code, 'invalid_api_key');
  truth(!JSON.stringify(error.error).includes('sk-wrong-and-secret'), error.error);
}

async function theProvidersFailures() {
  const table = [
    ['context-length', OpenAI.BadRequestError, 'context_length_exceeded'],
    ['permission', OpenAI.PermissionDeniedError, 'provider_permission'],
    ['rate-limited 1500', OpenAI.RateLimitError, 'rate_limit_exceeded'],
    ['quota-exhausted', OpenAI.RateLimitError, 'insufficient_quota'],
    ['authentication', OpenAI.InternalServerError, 'provider_authentication'],
    ['overloaded', OpenAI.InternalServerError, 'provider_overloaded'],
  ];
  for (const [kind, expected, code] of table) {
    const error = await raised(expected, () => ask({ messages: [user(`error ${kind}`)] }));
    equal([kind, error.code], [kind, code]);
    truth(error.requestID, kind);
  }
}

async function whatCannotGetBetterIsNotTriedAgain() {
  const tries = async (kind) => {
    let asked = 0;
    const counting = (...request) => { asked += 1; return fetch(...request); };
    const messages = [user(`error ${kind}`)];
    await raised(OpenAI.APIError, () => ask({ messages }, { maxRetries: 2, fetch: counting }));
    return asked;
  };
  equal(await tries('rate-limited 1'), 3);
  equal(await tries('quota-exhausted'), 1);
  equal(await tries('authentication'), 1);
}

await run(noSuchModel, aWrongRequest, aWrongKey, theProvidersFailures, whatCannotGetBetterIsNotTriedAgain);
