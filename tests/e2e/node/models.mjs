// The list of models.

import { client, equal, OpenAI, raised, run, truth } from './case.mjs';

async function theList() {
  const ids = [];
  for await (const model of client().models.list()) ids.push(model.id);
  truth(ids.includes('echo/echo'), ids);
}

async function oneByItsName() {
  equal((await client().models.retrieve('echo/echo')).id, 'echo/echo');
  const error = await raised(OpenAI.NotFoundError, () => client().models.retrieve('echo/nobody'));
  equal(error.code, 'model_not_found');
}

await run(theList, oneByItsName);
