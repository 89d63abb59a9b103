// The real curl against the local AWS, by HTTP.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { isTerminal, runAgentInput, startLocal } from './agui-support.mjs';

const CODE = 'correct horse battery staple';
const JSON_TYPE = ['-H', 'content-type: application/json'];
const BEARER = ['-H', `authorization: Bearer ${CODE}`];

for (const source of ['agent', 'runtime'])
  describe(`curl before the ${source}`, { concurrency: true, timeout: 60_000 }, () => {
    let local;
    before(async () => {
      local = await startLocal('--source', source, '--access-code', CODE);
    });
    after(() => local?.stop());

    it('shows the first text before the agent has ended, with -N', async () => {
      const input = runAgentInput('/tokens 60 40');
      const curl = start('-N', ...JSON_TYPE, ...BEARER, '-d', JSON.stringify(input));
      const hasEnded = () =>
        local.output().includes(`run_id="${input.runId}"`) &&
        /run ended/.test(local.output().split(`run_id="${input.runId}"`).at(-1));
      let isFirst = true;
      const events = [];
      for await (const line of createInterface({ input: curl.stdout })) {
        if (line === '') continue;
        assert.match(line, /^data: \{/);
        events.push(JSON.parse(line.slice(6)));
        if (events.at(-1).type !== 'TEXT_MESSAGE_CONTENT' || !isFirst) continue;
        isFirst = false;
        assert.ok(!hasEnded() && curl.exitCode === null, 'the text came only at the end');
      }
      const text = events.filter(({ type }) => type === 'TEXT_MESSAGE_CONTENT').map(({ delta }) => delta);
      assert.ok(text.length > 5, `${text.length} pieces`);
      assert.deepEqual(
        text.join('').trim().split(/\s+/).map(Number),
        Array.from({ length: 60 }, (_, index) => index + 1),
      );
      assert.ok(isTerminal(events.at(-1).type));
    });

    it('is told who may come in: 401', async () => {
      for (const wrong of [[], ['-H', 'authorization: Bearer open sesame'], ['-u', `user:${CODE}`]]) {
        const { status, body } = await ask(...JSON_TYPE, ...wrong, '-d', JSON.stringify(runAgentInput('hello')));
        assert.equal(status, 401);
        assert.match(JSON.parse(body).message, /credential|code|Bearer/i);
      }
    });

    it('is told what to send: 415 without a header, 405 without a body', async () => {
      // What -d alone makes of the content's type.
      const { status, body } = await ask(...BEARER, '-d', JSON.stringify(runAgentInput('hello')));
      assert.equal(status, 415);
      assert.match(JSON.parse(body).message, /Content-Type application\/json/);
      const read = await ask(...BEARER);
      assert.equal(read.status, 405);
      assert.match(JSON.parse(read.body).message, /POST/);
    });

    it('is told what was not understood, with 200', async () => {
      const { status, body } = await ask(...JSON_TYPE, ...BEARER, '-d', 'hello');
      assert.equal(status, 200);
      const [event, ...more] = body.split('\n\n').filter(Boolean);
      const { type, code } = JSON.parse(event.replace(/^data: /, ''));
      assert.deepEqual([type, code, more], ['RUN_ERROR', 'invalid_request', []]);
    });

    const start = (...parameters) =>
      spawn('curl', ['-sS', '--noproxy', '*', ...parameters, `${local.page}/agui`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });

    /** Calls curl and returns the status and the body of the response. */
    async function ask(...parameters) {
      const curl = start('-w', '\n%{http_code}', ...parameters);
      const exited = once(curl, 'exit');
      const output = (await curl.stdout.setEncoding('utf8').toArray()).join('');
      assert.deepEqual(await exited, [0, null]);
      const end = output.lastIndexOf('\n');
      return { status: Number(output.slice(end + 1)), body: output.slice(0, end) };
    }
  });
