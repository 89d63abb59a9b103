// The same as agui-runtime-client.test.mjs with the version of AG-UI's client that many front ends still have.

import assert from 'node:assert/strict';
import { register } from 'node:module';
import { it } from 'node:test';
import * as oldClient from 'agui-old-client';

const hooks = `export const resolve = (specifier, context, next) =>
  next(specifier === '@ag-ui/client' ? 'agui-old-client' : specifier, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

await import('./agui-runtime-client.test.mjs');
const { WebSocketAgent } = await import('../../packages/ag-ui-websocket/src/websocket-agent.mjs');

it('is the old client that was tested', () => {
  assert.ok(WebSocketAgent.prototype instanceof oldClient.AbstractAgent);
});
