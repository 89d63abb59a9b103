// The same as http-join.test.mjs with the version of AG-UI's client that many front ends still have.

import assert from 'node:assert/strict';
import { register } from 'node:module';
import { it } from 'node:test';
import { HttpAgent as Expected } from 'agui-old-client';

const hooks = `export const resolve = (specifier, context, next) =>
  next(specifier === '@ag-ui/client' ? 'agui-old-client' : specifier, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

await import('./http-join.test.mjs');
const { HttpAgent } = await import('@ag-ui/client');

it('is the old client that was tested', () => {
  assert.equal(HttpAgent, Expected);
});
