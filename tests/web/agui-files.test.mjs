// Files of the user, sent by AG-UI's own client through the agent class that docs/connecting.md shows, and by curl.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { HttpAgent } from '@ag-ui/client';
import WebSocket from 'ws';
import { section } from '../front-ends/page.mjs';
import { startLocal } from './agui-support.mjs';
import { WebSocketAgent } from '../../packages/ag-ui-websocket/src/websocket-agent.mjs';

/** What each message of an agent's connections was about, and whether a connection is lost behind that many. */
const sent = [];
let loseBehind = Infinity;

globalThis.WebSocket = class extends WebSocket {
  send(data) {
    const message = JSON.parse(data);
    sent.push(message.upload ? 'piece' : 'run');
    if (sent.length === loseBehind) return this.terminate();
    super.send(data);
  }
};

const data = (part) => Buffer.from(part.source?.value ?? part.data, 'base64');
const line = (name, part) => {
  const bytes = data(part);
  return `\`${name}\`, ${part.source?.mimeType ?? part.mimeType}, ${bytes.length} bytes, CHAT, SHA-256 \`${createHash('sha256').update(bytes).digest('hex')}\``;
};

const document = (length, name = 'a.pdf') => ({
  type: 'document',
  source: { type: 'data', value: randomBytes(length).toString('base64'), mimeType: 'application/pdf' },
  metadata: { filename: name },
});
const binary = (length) => ({
  type: 'binary',
  mimeType: 'image/png',
  filename: 'b.png',
  data: randomBytes(length).toString('base64'),
});

describe('files of the user', { timeout: 120_000 }, () => {
  let local;
  before(async () => {
    local = await startLocal('--concurrency', '4');
  });
  after(() => local?.stop());

  async function ask(agent, ...parts) {
    sent.length = 0;
    agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: [{ type: 'text', text: '/files' }, ...parts] });
    await agent.runAgent();
    return agent.messages.at(-1).content;
  }
  const connect = (options) => new WebSocketAgent({ url: local.socket, storage: null, reconnectDelay: 10, ...options });

  it('that are small go in the message', async () => {
    const parts = [document(5000), binary(3000)];
    const said = await ask(connect(), ...parts);
    assert.ok(said.includes(line('a.pdf', parts[0])) && said.includes(line('b.png', parts[1])), said);
    assert.deepEqual(sent, ['run']);
  });

  it('that are large go before it, in pieces', async () => {
    const agent = connect();
    const parts = [document(200_000), binary(30_001)];
    const said = await ask(agent, ...parts);
    assert.ok(said.includes(line('a.pdf', parts[0])) && said.includes(line('b.png', parts[1])), said);
    assert.deepEqual(sent, [...Array.from({ length: 11 }, () => 'piece'), 'run']);
    // They are not sent again with what comes next.
    assert.match(await ask(agent), /No file came/);
    assert.deepEqual(sent, ['run']);
  });

  it('that are large go on over another connection', async () => {
    const part = document(200_000);
    loseBehind = 4;
    const said = await ask(connect(), part);
    loseBehind = Infinity;
    assert.ok(said.includes(line('a.pdf', part)), said);
    assert.deepEqual(sent, [...Array.from({ length: 10 }, () => 'piece'), 'run']);
  });

  it('go over HTTP in one piece', async () => {
    const part = document(1_000_000);
    const said = await ask(new HttpAgent({ url: `${local.page}/agui` }), part);
    assert.ok(said.includes(line('a.pdf', part)), said);
  });

  it('that are addresses are refused with a sentence', async () => {
    const part = { type: 'image', source: { type: 'url', value: 'https://a.example/b.png', mimeType: 'image/png' } };
    const agent = connect();
    const errors = [];
    const subscription = agent.subscribe({ onRunErrorEvent: ({ event }) => void errors.push(event) });
    await ask(agent, part).catch(() => {});
    subscription.unsubscribe();
    assert.equal(errors[0].code, 'invalid_request');
    assert.match(errors[0].message, /source` is an address/);
  });

  it('are shown by name in the conversation that is kept', async () => {
    const storage = new Map();
    const options = {
      storage: { getItem: (name) => storage.get(name) ?? null, setItem: (name, value) => storage.set(name, value) },
    };
    const first = connect(options);
    await ask(first, document(100, 'report.pdf'));
    const second = connect({ ...options, threadId: first.threadId });
    await second.connectAgent();
    assert.deepEqual(second.messages[0].content, [
      { type: 'text', text: '/files' },
      { type: 'text', text: '[File: report.pdf (application/pdf)]' },
    ]);
  });

  it('go by the command of curl in the page', async () => {
    const [, command] = /^```sh\n(.*?)^```$/ms.exec(section('### Files of the user'));
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      command.replace('http://127.0.0.1:8080', local.page).replace('-N', '-sSN --noproxy "*"'),
    ]);
    const text = stdout
      .split('\n')
      .filter((line) => line.startsWith('data: '))
      .map((line) => JSON.parse(line.slice(6)).delta ?? '')
      .join('');
    const bytes = Buffer.from('day,sum\nMon,12\n');
    assert.ok(
      text.includes(
        `sales.csv\`, text/csv, 15 bytes, CHAT, SHA-256 \`${createHash('sha256').update(bytes).digest('hex')}\``,
      ),
      text,
    );
  });
});
