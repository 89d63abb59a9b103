// Records the trace events of the scripted agent for the tests: node support/record-traces.mjs

import { writeFile } from 'node:fs/promises';
// @ts-expect-error: ws comes without types.
import { WebSocket } from 'ws';
import { startLocal } from './local.mjs';

const PROMPTS = {
  answer: 'What are the limits?',
  team: '/team',
  guardrail: '/guardrail',
  tool: '/tool',
  file: '/file',
  unknown: '/unknown',
};

const local = await startLocal();
const socket = new WebSocket(`${local.page.replace('http', 'ws')}/local`, { origin: local.page });
await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
/** @type {Record<string, {usage: unknown, events: {at: number, source: string, event: unknown}[]}>} */
const traces = {};
for (const [name, prompt] of Object.entries(PROMPTS)) {
  const begun = performance.now();
  /** @type {(typeof traces)[string]} */
  const trace = (traces[name] = { usage: undefined, events: [] });
  socket.send(JSON.stringify({ prompt, sessionId: `recorded-${name}`, trace: true }));
  await new Promise((resolve) => {
    socket.on('message', function take(/** @type {Buffer} */ message) {
      const frame = JSON.parse(message.toString());
      if (frame.type === 'RAW')
        trace.events.push({ at: Math.round(performance.now() - begun), source: frame.source, event: frame.event });
      if (frame.type !== 'RUN_FINISHED') return;
      trace.usage = frame.usage?.[0];
      socket.off('message', take);
      resolve(undefined);
    });
  });
}
socket.close();
await local.stop();
await writeFile(new URL('../fixtures/traces.json', import.meta.url), `${JSON.stringify(traces, null, 1)}\n`);
