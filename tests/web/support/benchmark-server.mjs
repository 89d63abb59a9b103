// Serves the real page, with the headers that it really has, and plays frames to it at an exact schedule.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
// @ts-expect-error: ws comes without types.
import { WebSocketServer } from 'ws';
import { startLocal } from './local.mjs';

/** @import { TraceEvent } from './benchmark-workloads.mjs' */

/** What the naive page reads Markdown with. */
const MARKED = new URL('../node_modules/marked/lib/marked.esm.js', import.meta.url);
/** The relay cuts frames that are longer into fragments of about this, in UTF-16 units. */
const FRAGMENT_LENGTH = 24_000;

/**
 * What is sent one after the other: text, or an event.
 *
 * @typedef {string | TraceEvent} Piece
 */

/**
 * What came of a run. Times are in microseconds of the system's monotonic clock, as in Chromium's traces.
 *
 * @typedef {object} Played
 * @property {number[]} sentAt for each piece
 * @property {number} late the worst delay of a piece behind its schedule, in ms
 */

/** The microseconds of the monotonic clock. */
export const monotonic = () => Number(process.hrtime.bigint() / 1000n);

/**
 * @typedef {object} Stage
 * @property {string} page its address
 * @property {string} reference the address of the page that does it the naive way
 * @property {(pieces: Piece[], rate: number, whole?: boolean) => Promise<Played>} play what the next prompt is answered
 *   with, at so many pieces a second, and whether the answer ends after them; resolves when all are sent
 * @property {() => Promise<void>} stop
 */

/** @returns {Promise<Stage>} */
export async function startStage() {
  const local = await startLocal();
  /** @type {{pieces: Piece[], rate: number, whole: boolean, done: (played: Played) => void} | undefined} */
  let next;

  const server = createServer(async (request, response) => {
    const path = request.url ?? '/';
    if (path === '/marked.js')
      return void response.writeHead(200, { 'content-type': 'text/javascript' }).end(await readFile(MARKED));
    if (path === '/reference')
      return void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(REFERENCE);
    const found = await fetch(`${local.page}${path}`);
    const body = Buffer.from(await found.arrayBuffer());
    const headers = Object.fromEntries(
      [...found.headers].filter(
        ([name]) => !/^(?:content-length|transfer-encoding|connection|keep-alive|date)$/.test(name),
      ),
    );
    // Only the address of the relay is another one: the page's own origin, which its policy allows.
    const settings =
      path === '/config.json'
        ? JSON.stringify({ ...JSON.parse(body.toString()), endpoint: `ws://${request.headers.host}/local` })
        : undefined;
    response.writeHead(found.status, headers).end(settings ?? body);
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on('connection', (/** @type {any} */ socket) => {
    socket.on('message', async (/** @type {Buffer} */ message) => {
      const { runId, threadId } = JSON.parse(message.toString());
      const wanted = next;
      next = undefined;
      if (wanted === undefined) return;
      wanted.done(await play(socket, threadId, runId, wanted.pieces, wanted.rate, wanted.whole));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`;
  return {
    page: `${origin}/`,
    reference: `${origin}/reference`,
    play: (pieces, rate, whole = true) => new Promise((done) => (next = { pieces, rate, whole, done })),
    async stop() {
      sockets.close();
      server.closeAllConnections();
      server.close();
      await local.stop();
    },
  };
}

/**
 * @param {any} socket
 * @param {string} threadId
 * @param {string} runId
 * @param {Piece[]} pieces
 * @param {number} rate
 * @param {boolean} whole
 * @returns {Promise<Played>}
 */
async function play(socket, threadId, runId, pieces, rate, whole) {
  let seq = 0;
  const tagged = (/** @type {object} */ frame) =>
    JSON.stringify({ ...frame, metadata: { relay: { runId, seq: seq++ } } });
  const begin = tagged({ type: 'RUN_STARTED', threadId, runId });
  // Made before the first is sent, so that nothing but the schedule decides when they go.
  const frames = pieces.map((piece) => {
    if (typeof piece === 'string')
      return [tagged({ type: 'TEXT_MESSAGE_CHUNK', messageId: `answer-${runId}`, role: 'assistant', delta: piece })];
    const whole = { type: 'RAW', event: piece.event, source: piece.source };
    const text = JSON.stringify({ ...whole, metadata: { relay: { runId, seq } } });
    if (text.length < FRAGMENT_LENGTH) return [tagged(whole)];
    const count = Math.ceil(text.length / FRAGMENT_LENGTH);
    const id = `${runId}:${seq}`;
    return Array.from({ length: count }, (_, index) =>
      tagged({
        type: 'CUSTOM',
        name: 'relay.fragment',
        value: { id, index, count, data: text.slice(index * FRAGMENT_LENGTH, (index + 1) * FRAGMENT_LENGTH) },
      }),
    );
  });
  const end = tagged({ type: 'RUN_FINISHED', threadId, runId });
  socket.send(begin);
  /** @type {number[]} */
  const sentAt = [];
  let late = 0;
  const start = performance.now();
  await new Promise((resolve) => {
    const tick = () => {
      for (
        let due;
        sentAt.length < frames.length && (due = start + (sentAt.length * 1000) / rate) <= performance.now();
      ) {
        late = Math.max(late, performance.now() - due);
        for (const frame of frames[sentAt.length] ?? []) socket.send(frame);
        sentAt.push(monotonic());
      }
      if (sentAt.length === frames.length || socket.readyState !== socket.OPEN) resolve(undefined);
      else setTimeout(tick, 1);
    };
    tick();
  });
  if (whole) socket.send(end);
  return { sentAt, late };
}

/** How it is mostly done: for each chunk, the whole text is read again, and its HTML replaces what was there. */
const REFERENCE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Reference</title>
<link rel="stylesheet" href="style.css">
<div id="answer" class="prose"></div>
<script type="module">
import { marked } from './marked.js';
const answer = document.getElementById('answer');
const socket = new WebSocket('ws://' + location.host + '/local');
let text = '';
let chunks = 0;
socket.onopen = () => socket.send('{"runId":"run","threadId":"thread"}');
socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  if (frame.type === 'RUN_FINISHED') document.title = 'Done';
  if (frame.type !== 'TEXT_MESSAGE_CHUNK') return;
  text += frame.delta;
  answer.innerHTML = marked.parse(text);
  document.documentElement.scrollTop = document.documentElement.scrollHeight;
  chunks += 1;
  performance.mark('chunk', { detail: chunks });
};
</script>
`;
