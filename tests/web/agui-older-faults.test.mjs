// The same as agui-faults.test.mjs with the first version of AG-UI's client that joins all chunks of a
// message. It knows no interrupts.

import assert from 'node:assert/strict';
import { register } from 'node:module';
import { it } from 'node:test';
import * as olderClient from 'agui-older-client';

const hooks = `export const resolve = (specifier, context, next) =>
  next(specifier === '@ag-ui/client' ? 'agui-older-client' : specifier, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

await import('./agui-faults.test.mjs');
const { WebSocketAgent } = await import('../../packages/ag-ui-websocket/src/websocket-agent.mjs');

it('is the older client that was tested', () => {
  assert.ok(WebSocketAgent.prototype instanceof olderClient.AbstractAgent);
});
