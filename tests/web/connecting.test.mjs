// What docs/connecting.md says beside the applications, which tests/front-ends makes: the class' files,
// its scripts, its transcripts of curl and wscat, and what does not work. Its Python is run by
// tests/python.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { commands, files, installed, opening, section } from '../front-ends/page.mjs';
import { isTerminal, listening, startLocal } from './agui-support.mjs';
import { WebSocketAgent } from '../../packages/ag-ui-websocket/src/websocket-agent.mjs';

globalThis.WebSocket = WebSocket;

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PACKAGE = fileURLToPath(new URL('../../packages/ag-ui-websocket', import.meta.url));

describe('the page about front ends', { timeout: 60_000 }, () => {
  let local;
  before(async () => {
    local = await startLocal('--concurrency', '16');
  });
  after(() => local?.stop());

  for (const name of ['websocket-agent.mjs', 'websocket-agent.d.mts']) {
    it(`has ${name} word for word`, async () => {
      const code = await readFile(join(PACKAGE, 'src', name), 'utf8');
      assert.equal(files(opening('## The agent class')).get(`src/${name}`), code);
    });
  }

  it('installs the package of this repository', async () => {
    const { name, version } = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8'));
    // As `npm pack` names its archive.
    const archive = `./${name.slice(1).replace('/', '-')}-${version}.tgz`;
    assert.deepEqual(commands(opening('## The agent class')), [`npm install ${name}`, `npm install ${archive}`]);
  });

  const fromPackage = [["'./src/websocket-agent.mjs'", "'@agent-relay/ag-ui-websocket'"]];
  // Over HTTP its agent is another, and nothing else.
  const overHttp = [
    ["import { WebSocketAgent } from './src/websocket-agent.mjs';", "import { HttpAgent } from '@ag-ui/client';"],
    [
      "new WebSocketAgent({ url: 'ws://127.0.0.1:8080/local' })",
      "new HttpAgent({ url: 'http://127.0.0.1:8080/agui' })",
    ],
  ];
  for (const [way, lines] of Object.entries({
    'a WebSocket': [],
    'a WebSocket, from the package': fromPackage,
    HTTP: overHttp,
  })) {
    it(`has a script that runs over ${way}`, async () => {
      let code = files(section("## AG-UI's client alone")).get('ask.mjs');
      for (const [from, to] of lines) {
        assert.ok(code.includes(from), from);
        code = code.replace(from, to);
      }
      const { stdout, stderr } = await execute(code);
      assert.equal(stderr, '');
      assert.match(stdout, /`weather get_weather` returned `\{"city":"Zürich","temperature":21\}`/);
      assert.match(stdout, /You \*\*confirmed\*\* `bookings cancel_booking`/);
      assert.doesNotMatch(stdout, /declined/);
      assert.match(stdout, /\bturn 5\b/);
    });
  }

  it('has a script for HTTP that runs, and shows its credential', async () => {
    const code = files(opening('### HttpAgent')).get('http-ask.mjs');
    const answered = await execute(code);
    assert.deepEqual([answered.stderr, /\bturn 1\b/.test(answered.stdout)], ['', true]);
    const closed = await startLocal('--access-code', 'open sesame');
    try {
      const { stdout } = await execute(code, closed, { ACCESS_CODE: 'open sesame' });
      assert.match(stdout, /\bturn 1\b/);
      await assert.rejects(execute(code, closed), /HTTP 401/);
    } finally {
      await closed.stop();
    }
  });

  it('has a command of curl that streams', async () => {
    const [first, ...more] = commands(opening('## Over HTTP'));
    const command = [first, ...more].join('\n').replace('http://127.0.0.1:8080', local.page);
    assert.match(first, /^curl -N /);
    const { stdout, stderr } = await promisify(execFile)('sh', ['-c', command.replace('-N', '-sSN')]);
    assert.equal(stderr, '');
    assert.match(stdout, /^data: \{"type":"RUN_STARTED","threadId":"conversation-1","runId":"run-1"/);
    assert.match(stdout, /\n\ndata: \{"type":"RUN_FINISHED".*\n\n$/);
  });

  /** Runs a script of the page, at the local AWS in place of the one in the page. */
  async function execute(code, at = local, environment = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'connecting-'));
    try {
      const app = join(folder, 'app');
      await mkdir(join(app, 'src'), { recursive: true });
      await mkdir(join(app, 'node_modules/@agent-relay'), { recursive: true });
      await cp(join(PACKAGE, 'src/websocket-agent.mjs'), join(app, 'src/websocket-agent.mjs'));
      await symlink(PACKAGE, join(app, 'node_modules/@agent-relay/ag-ui-websocket'));
      await symlink(join(HERE, 'node_modules'), join(folder, 'node_modules'));
      const moved = code
        .replaceAll('ws://127.0.0.1:8080/local', at.socket)
        .replaceAll('http://127.0.0.1:8080', at.page);
      await writeFile(join(app, 'script.mjs'), moved);
      const env = { ...process.env, ...environment };
      return await promisify(execFile)(process.execPath, ['script.mjs'], { cwd: app, env });
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  it('names the packages of this folder for its scripts', async () => {
    const { devDependencies } = JSON.parse(await readFile(join(HERE, 'package.json'), 'utf8'));
    for (const heading of ["## AG-UI's client alone", '### HttpAgent']) {
      for (const [name, version] of Object.entries(installed(section(heading)))) {
        assert.equal(version, devDependencies[name], name);
      }
    }
  });

  it('has a transcript of wscat that happens', async () => {
    const [, transcript] = /^```\n(> .*?)^```$/ms.exec(section('## wscat and scripts'));
    const socket = new WebSocket(local.socket);
    await new Promise((resolve) => socket.once('open', resolve));
    let toolCallId;
    let frames = [];
    for (const line of transcript.trim().split('\n').filter(Boolean)) {
      const shown = line.slice(2);
      if (line.startsWith('> ')) {
        frames = await answers(socket, shown.replace('eyJzIjo…', toolCallId));
        assert.equal(frames.at(-1).type, 'RUN_FINISHED');
      } else {
        const [, type] = /"type":"(\w+)"/.exec(shown);
        const [, name] = /"toolCallName":"(\w+)"/.exec(shown) ?? [];
        const frame = frames.find((each) => each.type === type && each.toolCallName === name);
        assert.ok(frame, `${line} is among ${JSON.stringify(frames)}`);
        toolCallId = frame.toolCallId ?? toolCallId;
      }
    }
    const [, failure] = /A failure is `(.*)`/.exec(section('## wscat and scripts'));
    [{ toolCallId }] = (await answers(socket, '{"prompt":"/tool"}')).filter((frame) => frame.toolCallId);
    const failed = await answers(socket, `{"toolResults":[${failure.replace('eyJzIjo…', toolCallId)}]}`);
    assert.equal(failed.at(-1).code, 'dependency_failed');
    socket.close();
  });

  const connect = () => new WebSocketAgent({ url: local.socket });

  it('is right that the agent does not know a history from elsewhere', async () => {
    const agent = connect();
    await ask(agent, '/slow 0');
    const copy = connect();
    copy.setMessages(agent.messages);
    assert.match(await ask(copy, '/slow 0'), /\bturn 1\b/);
  });

  it('is right that asking again is one more turn', async () => {
    const agent = connect();
    await ask(agent, '/slow 0');
    agent.messages.pop();
    const { newMessages } = await agent.runAgent();
    assert.match(newMessages.at(-1).content, /\bturn 2\b/);
  });

  /** The error that a part of a message is refused with. */
  async function refusal(agent, part) {
    let error;
    agent.addMessage({ id: 'm1', role: 'user', content: [{ type: 'text', text: 'Who is this?' }, part] });
    await listening([], () => agent.runAgent({}, { onRunErrorEvent: ({ event }) => void (error = event) }));
    assert.equal(error.code, 'invalid_request');
    return error.message;
  }

  it('is right that a part that is an address is refused', async () => {
    const part = { type: 'image', source: { type: 'url', value: 'https://example.com/cat.png' } };
    assert.match(await refusal(connect(), part), /is an address/);
  });

  it('is right that a harness gets no files', async () => {
    const harness = await startLocal('--source', 'harness');
    try {
      for (const [type, mimeType] of [
        ['document', 'application/pdf'],
        ['audio', 'audio/wav'],
      ]) {
        const part = { type, source: { type: 'data', value: 'aGVsbG8=', mimeType } };
        assert.match(await refusal(new WebSocketAgent({ url: harness.socket }), part), /the agent takes only text/);
      }
    } finally {
      await harness.stop();
    }
  });
});

async function ask(agent, content) {
  agent.addMessage({ id: crypto.randomUUID(), role: 'user', content });
  const { newMessages } = await agent.runAgent();
  return newMessages.at(-1).content;
}

/** Sends a message, and returns the frames of its run. */
function answers(socket, message) {
  const frames = [];
  return new Promise((resolve) => {
    const take = (data) => {
      frames.push(JSON.parse(data));
      if (!isTerminal(frames.at(-1).type)) return;
      socket.off('message', take);
      resolve(frames);
    };
    socket.on('message', take);
    socket.send(message);
  });
}
