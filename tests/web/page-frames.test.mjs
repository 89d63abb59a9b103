// Frames that come twice, and frames of an answer that the user has stopped, in Chromium against the real
// local AWS: nothing of them is seen.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answer, connected, send, traceSwitch, useChat } from './support/chat.mjs';
import { FrameGate } from './support/frames.mjs';

/** @import { Page } from 'playwright-core' */

/**
 * Everything of a conversation and its trace that frames bring; not its times.
 *
 * @param {Page} page
 */
async function shown(page) {
  // What came is seen with the next picture.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const texts = (/** @type {string} */ selector) => page.locator(selector).allTextContents();
  return {
    answers: await texts('article.agent .body'),
    busy: await page.locator('article.agent').evaluateAll((all) => all.map((one) => one.getAttribute('aria-busy'))),
    notes: await texts('.notes li'),
    feet: (await texts('article.agent .foot')).map((foot) => foot.replace(/[\d.]+ m?s|in \d+ frames/g, '…')),
    sources: await texts('.source-name'),
    files: await texts('.file'),
    steps: await texts('.step-title'),
    counted: await page.locator('#traces-count').textContent(),
  };
}

/** The numbers from 1, as `/tokens` says them. @param {number} count */
const numbers = (count) => Array.from({ length: count }, (_, index) => index + 1).join(' ');
/** @param {string | undefined} text */
const words = (text) => text?.split(/\s+/).join(' ');

describe('an answer whose frames come twice', () => {
  describe('because the network lost the answers to posts', () => {
    const { open } = useChat('--lose-answers', '0.4');

    test('is shown once, and without a gap', async () => {
      /** How often each frame came. @type {Map<string, number>} */
      const times = new Map();
      /** The kinds of frames that came twice. @type {Set<string>} */
      const twice = new Set();
      const listen = async (/** @type {Page} */ page) =>
        void page.on('websocket', (socket) =>
          socket.on('framereceived', ({ payload }) => {
            const { type, name, metadata } = JSON.parse(String(payload));
            const { runId, seq } = metadata.relay;
            const before = times.get(`${runId} ${seq}`) ?? 0;
            times.set(`${runId} ${seq}`, before + 1);
            if (before > 0) twice.add(name ?? type);
          }),
        );
      const page = await open({ prepare: listen });
      await traceSwitch(page).check();
      for (let turns = 1; !twice.has('TEXT_MESSAGE_CHUNK') || !twice.has('relay.fragment'); turns += 1) {
        await send(page, '/tokens 60 100 60');
        assert.equal(words(await answer(page, turns)), numbers(60));
        const { notes, steps } = await shown(page);
        assert.deepEqual(notes, []);
        assert.deepEqual(steps, Array(6).fill('Rationale'));
      }
    });
  });

  const { open } = useChat();

  /** After each frame comes the one before it again, and then it comes again itself. @param {Page} page */
  const repeat = (page) =>
    page.routeWebSocket(/./, (client) => {
      /** @type {string | Buffer} */
      let before;
      client.connectToServer().onMessage((message) => {
        for (const one of [message, before ?? message, message]) client.send(one);
        before = message;
      });
    });

  for (const [what, prompt] of /** @type {const} */ ([
    ['text, trace, and citations', 'hello'],
    ['fragments', '/trace 200'],
    ['files', '/file'],
    ['a tool call', '/tool'],
    ['an error', '/error throttling 3'],
  ])) {
    test(`looks like one whose frames come once: ${what}`, async () => {
      const [one, two] = [await open(), await open({ prepare: repeat })];
      const [once, again] = await Promise.all(
        [one, two].map(async (page) => {
          await traceSwitch(page).check();
          await send(page, prompt);
          await answer(page);
          return shown(page);
        }),
      );
      assert.deepEqual(again, once);
      assert.deepEqual(again?.notes, []);
    });
  }
});

describe('late frames of an answer that was stopped', () => {
  const { open } = useChat();
  const NO_FRAME = '{}';

  for (const [what, prompt, first, end] of /** @type {const} */ ([
    ['text, trace and end', '/tokens 60 100 60', /^1\b/, 'RUN_FINISHED'],
    ['text and an error', '/error throttling 60', /^chunk 1\b/, 'RUN_ERROR'],
  ])) {
    test(`change nothing, neither there nor in the next one: ${what}`, async () => {
      const gate = new FrameGate();
      const page = await open({ prepare: (page) => gate.guard(page) });
      /** Brings the late frames, and waits until the page has seen a message that came after them. */
      const late = async () => {
        const banner = page.locator('#banner');
        await banner.evaluate((box) => box.setAttribute('hidden', ''));
        gate.deliver(...frames, NO_FRAME);
        await banner.filter({ hasText: 'no frame of the relay' }).waitFor();
      };
      const heard = () => page.getByRole('status').textContent();
      await traceSwitch(page).check();
      await send(page, prompt);
      await gate.until('TEXT_MESSAGE_CHUNK');
      const frames = await gate.take(end);
      assert.ok(frames.length > 1, `${frames.length} frames are late`);
      await page.getByRole('button', { name: 'Stop' }).click();
      assert.match(await answer(page), first);
      await connected(page);
      const stopped = await shown(page);
      assert.match(stopped.feet[0] ?? '', /^Stopped\b.*stopped after …/);

      await late();
      assert.deepEqual(await shown(page), stopped);
      assert.match((await heard()) ?? '', /^Stopped\b/);

      await send(page, '/tokens 20 100');
      await gate.until('RUN_STARTED');
      gate.deliver(...frames);
      await gate.until('TEXT_MESSAGE_CHUNK');
      await late();
      const between = await shown(page);
      assert.deepEqual(between.busy, ['false', 'true']);
      assert.deepEqual([between.answers[0], between.feet[0]], [stopped.answers[0], stopped.feet[0]]);
      gate.open();
      assert.equal(words(await answer(page, 2)), numbers(20));
      assert.match((await heard()) ?? '', /^Answer complete/);
      const next = await shown(page);
      assert.deepEqual(
        [next.answers[0], next.feet[0], next.notes, next.counted],
        [stopped.answers[0], stopped.feet[0], [], stopped.counted],
      );
      assert.match(next.feet[1] ?? '', /complete after …/);

      await late();
      assert.deepEqual(await shown(page), next);
    });
  }
});
