// The applications of docs/connecting.md, word for word but for addresses: made with Vite, compiled with
// the settings of its template, served on this machine, and used in Chromium against the local AWS.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { launchBrowser } from '../web/support/browser.mjs';
import { startLocal } from '../web/support/local.mjs';
import { HERE, freePorts, makeApp, start } from './app.mjs';
import { installed, opening } from './page.mjs';

/** It only ends what hangs; how many at once is for a machine with two cores. */
const RUNS = { concurrency: 3, timeout: 180_000 };
const LICENCE = /`selfManagedAgents` is part of CopilotKit's Enterprise Intelligence tier/;
const execute = promisify(execFile);

let browser;
let local;
let ports;
before(async () => {
  const [runtime, server, self, assistantUi, httpRuntime, httpServer, httpSelf, httpAssistantUi] = await freePorts(8);
  ports = { runtime, server, self, assistantUi, httpRuntime, httpServer, httpSelf, httpAssistantUi };
  // The page of CopilotKit's runtime is a stranger: only its server connects.
  const origins = [self, assistantUi, httpSelf, httpAssistantUi].map((port) => `http://localhost:${port}`).join();
  [browser, local] = await Promise.all([
    launchBrowser(),
    startLocal('--concurrency', '16', '--allowed-origins', origins),
  ]);
});
after(async () => {
  await browser?.close();
  await local?.stop();
});

/** What differs here from the page. */
const addresses = (runtime) => [
  ['ws://127.0.0.1:8080/local', `${local.page.replace('http', 'ws')}/local`],
  ['http://127.0.0.1:8080/agui', `${local.page}/agui`],
  ['127.0.0.1:4000', `127.0.0.1:${runtime}`],
  ["listen(4000, '127.0.0.1')", `listen(${runtime}, '127.0.0.1')`],
];

for (const [variant, { http, own }] of Object.entries({
  '## CopilotKit': { own: true },
  '### Without a server of your own': {},
  '### CopilotKit over HTTP': { http: true, own: true },
  '### CopilotKit over HTTP, without a server of your own': { http: true },
})) {
  describe(`CopilotKit: ${variant.replace(/^#+ /, '')}`, RUNS, () => {
    let app;
    let server;
    before(async () => {
      const runtime = http ? ports.httpRuntime : ports.runtime;
      const port = http ? (own ? ports.httpServer : ports.httpSelf) : own ? ports.server : ports.self;
      const options = { http, changes: addresses(runtime), port };
      app = await makeApp('## CopilotKit', variant === '## CopilotKit' ? options : { ...options, variant });
      if (own) server = await start(process.execPath, ['--eval', SERVER], app.folder, /ready/);
    });
    after(async () => {
      await app?.stop();
      await server?.stop();
    });
    const visit = (options) =>
      openChat(app.address, { ...options, box: 'textarea', expected: own ? undefined : LICENCE });

    // What the page and the front end do, whatever the way to the relay is, is seen once.
    const once = http ? () => {} : it;

    if (http) it("goes without the page's class", () => hasNoClass(app, own ? 'server.mjs' : 'src/App.tsx'));

    once('asked for a licence, of which the page said nothing', async () => {
      const chat = await openChat(app.address, { box: 'textarea', expected: LICENCE });
      await chat.ready();
      assert.equal(chat.expectedComplaints.length > 0, !own);
      assert.match(opening('### Without a server of your own'), /publicLicenseKey/);
      await chat.close();
    });

    once('had no styles', async () => {
      const chat = await visit();
      await chat.ask('/slow 0');
      await chat.says('turn 1');
      const style = (of) =>
        chat.page
          .getByText(of)
          .first()
          .evaluate((element) => {
            const { textAlign, fontFamily } = getComputedStyle(element);
            return { textAlign, fontFamily };
          });
      const { textAlign, fontFamily } = await style('This is turn 1');
      assert.notEqual(textAlign, 'center');
      assert.doesNotMatch(fontFamily, /Times/);
      await chat.close();
    });

    once('turned white where a hook did not find the agent', async () => {
      const chat = await visit();
      for (let time = 0; time < 2; time += 1) {
        await chat.ready();
        await chat.page.reload();
      }
      await chat.close();
    });

    it('shows an answer while it arrives', async () => {
      const chat = await visit();
      await chat.ask('/tokens 97 20');
      await chat.says('1 2 3');
      assert.doesNotMatch(await chat.text(), /\b96\b/);
      await chat.says('95 96 97');
      await chat.close();
    });

    it('lets the agent use a tool of the page', async () => {
      const chat = await visit();
      await chat.ask('/tool');
      await chat.says('weather get_weather returned 21 °C in Zürich');
      await chat.close();
    });

    once('left the agent waiting for a tool that failed', async () => {
      const outcomes = { 'returns what went wrong': '"no sensor"', throws: '(()=>{throw new Error("no sensor")})()' };
      for (const [what, code] of Object.entries(outcomes)) {
        const chat = await visit({ handler: code, complaint: what === 'throws' ? /no sensor/ : undefined });
        await chat.ask('/tool');
        if (what === 'throws') {
          // As the page says of this version: no second run begins.
          await chat.waits('copilot-send-button');
          assert.doesNotMatch(await chat.text(), /Thank you/);
        } else {
          await chat.says('weather get_weather returned no sensor');
        }
        await chat.close();
      }
    });

    for (const [button, outcome] of [
      ['Confirm', 'You confirmed bookings cancel_booking'],
      ['Deny', 'You declined bookings cancel_booking'],
    ]) {
      it(`asks the user, who presses ${button}`, async () => {
        const chat = await visit();
        await chat.ask('/confirm');
        await chat.press(button);
        await chat.says(outcome);
        await chat.close();
      });
    }

    for (const prompt of http ? ['/confirm'] : ['/confirm', '/confirm api', '/confirm result']) {
      it(`swallowed what was typed instead of confirming: ${prompt}`, async () => {
        const chat = await visit({ complaint: /pending interrupt/ });
        await chat.ask(prompt);
        await chat.page.getByRole('button', { name: 'Deny', exact: true }).waitFor();
        await chat.ask('/slow 0');
        await chat.press('Deny');
        await chat.says('turn 2');
        assert.doesNotMatch(await chat.text(), /declined/);
        await chat.close();
      });
    }

    once('confirms nothing when something was typed, and says so', async () => {
      const chat = await visit({ complaint: /pending interrupt|Send one after the other/ });
      await chat.ask('/confirm');
      await chat.page.getByRole('button', { name: 'Confirm', exact: true }).waitFor();
      await chat.ask('/slow 0');
      await chat.press('Confirm');
      await chat.complains(/Send one after the other/);
      assert.doesNotMatch(await chat.text(), /confirmed/);
      await chat.close();
    });

    it('shows an error, and the text before it', async () => {
      const chat = await visit({ complaint: /too many requests/ });
      await chat.ask('/error throttlingException 3');
      await chat.says('chunk 1 chunk 2 chunk 3');
      await chat.complains(/too many requests/);
      await chat.ask('/slow 0');
      await chat.says('turn 2');
      await chat.close();
    });

    it('lost the conversation with a reload, and with another thread', async () => {
      const chat = await visit();
      await chat.ask('/slow 0');
      await chat.says('turn 1');
      await chat.page.reload();
      await chat.says('turn 1');
      await chat.page.getByText('New thread').click();
      await chat.forgets('turn 1');
      await chat.ask('/slow 0');
      await chat.says('turn 1');
      await chat.page.goBack();
      await chat.ask('/slow 0');
      await chat.says('turn 2');
      await chat.says('turn 1');
      await chat.close();
    });

    it('lost an answer with a reload', async () => {
      const chat = await visit();
      await chat.ask('/tokens 97 20');
      await chat.says('1 2 3');
      await chat.page.reload();
      await chat.says('95 96 97');
      assert.equal((await chat.text()).split('1 2 3 4').length, 2, 'it is there once');
      const threadId = new URL(chat.page.url()).hash.slice(1);
      assert.equal(local.output().match(new RegExp(`agent +invoked .* ${threadId}`, 'g')).length, 1);
      await chat.close();
    });

    it('reported Stop as an error', async () => {
      const chat = await visit();
      await chat.ask('/tokens 400 50');
      await chat.says('1 2 3');
      await chat.page.getByTestId('copilot-send-button').click();
      await chat.ask('/slow 0');
      await chat.says('turn 2');
      assert.match(await chat.text(), /1 2 3/);
      assert.doesNotMatch(await chat.text(), /abort|error/i);
      await chat.close();
    });
  });
}

for (const http of [false, true]) {
  describe(`assistant-ui${http ? ' over HTTP' : ''}`, RUNS, () => {
    let app;
    before(async () => {
      const over = http
        ? { http, variant: '### assistant-ui over HTTP', port: ports.httpAssistantUi }
        : { port: ports.assistantUi };
      app = await makeApp('## assistant-ui', { changes: addresses(), ...over });
    });
    const once = http ? () => {} : it;
    after(() => app?.stop());
    const visit = (options) => openChat(app.address, { ...options, box: 'section:not([hidden]) textarea' });

    if (http) it("goes without the page's class", () => hasNoClass(app, 'src/App.tsx'));

    it('shows an answer while it arrives', async () => {
      const chat = await visit();
      await chat.ask('/tokens 97 20');
      await chat.says('1 2 3');
      assert.doesNotMatch(await chat.text(), /\b96\b/);
      await chat.says('95 96 97');
      await chat.close();
    });

    it('lets the agent use a tool of the page', async () => {
      const chat = await visit();
      await chat.ask('/tool');
      await chat.says('`weather get_weather` returned `21 °C in Zürich`');
      await chat.close();
    });

    once('lets the agent go on with what a tool says that went wrong, and ends the turn where it throws', async () => {
      const told = await visit({ handler: '"no sensor"' });
      await told.ask('/tool');
      await told.says('returned `no sensor`');
      await told.close();
      const thrown = await visit({ handler: '(()=>{throw new Error("no sensor")})()' });
      await thrown.ask('/tool');
      await thrown.says('Something the agent depends on failed');
      await thrown.close();
    });

    for (const [button, outcome] of [
      ['Confirm', 'You **confirmed** `bookings cancel_booking`'],
      ['Deny', 'You **declined** `bookings cancel_booking`'],
    ]) {
      it(`asks the user, who presses ${button}`, async () => {
        const chat = await visit();
        await chat.ask('/confirm');
        await chat.press(button);
        await chat.says(outcome);
        await chat.close();
      });
    }

    for (const prompt of http ? ['/confirm'] : ['/confirm', '/confirm api', '/confirm result']) {
      it(`swallowed what was typed instead of confirming: ${prompt}`, async () => {
        const chat = await visit();
        await chat.ask(prompt);
        const instead = chat.page.getByPlaceholder('Or say something else');
        await instead.fill('/slow 0');
        await instead.press('Enter');
        await chat.says('turn 2');
        assert.doesNotMatch(await chat.text(), /declined/);
        await chat.close();
      });
    }

    it('shows an error, and the text before it', async () => {
      const chat = await visit();
      await chat.ask('/error throttlingException 3');
      await chat.says('chunk 1 chunk 2 chunk 3');
      await chat.says('too many requests');
      await chat.ask('/slow 0');
      await chat.says('turn 2');
      await chat.close();
    });

    it('reported Stop as an error', async () => {
      const chat = await visit();
      await chat.ask('/tokens 400 50');
      await chat.says('1 2 3');
      await chat.press('Stop');
      await chat.ask('/slow 0');
      await chat.says('turn 2');
      assert.match(await chat.text(), /1 2 3/);
      assert.doesNotMatch(await chat.text(), /abort|error/i);
      await chat.close();
    });

    it('had one conversation for all threads', async () => {
      const chat = await visit();
      const turn = async (number) => {
        await chat.ask('/slow 0');
        await chat.says(`turn ${number}`);
      };
      await turn(1);
      await chat.press('New thread');
      await turn(1);
      await turn(2);
      await chat.press('New thread');
      await turn(1);
      // The first one goes on where it was, with its text.
      await chat.press('Thread 1');
      await chat.says('turn 1');
      await turn(2);
      await chat.close();
    });

    once('had one conversation for all threads, also for two that run at the same time', async () => {
      const chat = await visit();
      await chat.ask('/tokens 100 30');
      await chat.says('1 2 3');
      await chat.press('New thread');
      await chat.ask('/slow 0');
      await chat.says('turn 1');
      await chat.press('Thread 1');
      await chat.says('99 100');
      await chat.close();
    });

    once('lost its conversations with a reload', async () => {
      const chat = await visit();
      await chat.ask('/slow 0');
      await chat.says('turn 1');
      await chat.press('New thread');
      await chat.ask('/tokens 97 20');
      await chat.says('1 2 3');
      await chat.page.reload();
      await chat.says('turn 1');
      await chat.ask('/slow 0');
      await chat.says('turn 2');
      await chat.press('Thread 2');
      await chat.says('95 96 97');
      assert.equal((await chat.text()).split('1 2 3 4').length, 2, 'it is there once');
      await chat.close();
    });

    once('closed the connection for a long message, with a number and no words', async () => {
      const chat = await visit({ complaint: /Agent execution failed/ });
      await chat.ask('y'.repeat(40_000));
      await chat.says('bytes, and API Gateway takes 32768 at most');
      await chat.close();
    });

    once('had no connection from another origin, and no hint', async () => {
      const foreign = app.address.replace('localhost', '127.0.0.1');
      const served = await start(
        'npm',
        ['run', 'preview', '--', '--host', '127.0.0.1', '--port', String(ports.server)],
        app.folder,
        /127\.0\.0\.1:/,
      );
      try {
        const address = foreign.replace(String(ports.assistantUi), String(ports.server));
        const chat = await openChat(address, {
          box: 'section:not([hidden]) textarea',
          complaint: /WebSocket|Agent execution failed/,
        });
        await chat.ask('hello');
        await chat.says("the credential or this page's origin was refused");
        await chat.close();
      } finally {
        await served.stop();
      }
      assert.match(local.output(), /origin.*http:\/\/127\.0\.0\.1/i);
      assert.match(opening('## Letting your page in'), /cargo run -- --allowed-origins http:\/\/localhost:5173/);
    });
  });
}

describe('the packages of the page', RUNS, () => {
  for (const [name, heading] of [
    ['copilotkit', '## CopilotKit'],
    ['assistant-ui', '## assistant-ui'],
  ]) {
    it(`were two copies of AG-UI's client: ${name}`, async () => {
      const { stdout } = await execute('npm', ['ls', '--json', '--all', '@ag-ui/client', 'rxjs'], {
        cwd: join(HERE, name),
      });
      const versions = { '@ag-ui/client': new Set(), rxjs: new Set() };
      JSON.parse(stdout, (key, value) => {
        if (key in versions && value.version) versions[key].add(value.version);
        return value;
      });
      const { '@ag-ui/client': client, rxjs } = installed(opening(heading));
      assert.deepEqual(versions, { '@ag-ui/client': new Set([client]), rxjs: new Set([rxjs]) });
    });
  }
});

/** The application asks with AG-UI's own agent, and has no other. */
async function hasNoClass({ folder }, file) {
  const sources = await readdir(join(folder, 'src'));
  assert.deepEqual(
    sources.filter((name) => name.includes('agent')),
    [],
  );
  const code = await readFile(join(folder, file), 'utf8');
  assert.match(code, /new (Kept)?HttpAgent\(/);
  assert.doesNotMatch(code, /WebSocket/);
}

/** The server of the page, which says nothing when it listens. */
const SERVER = "import('./server.mjs').then(() => console.log('ready'))";

/**
 * Opens an application that must not complain, other than `complaint` says.
 *
 * `handler` is JavaScript that takes the place of what the page's tool returns, and `expected` a complaint
 * that always comes.
 */
async function openChat(address, { box, complaint, expected, handler }) {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  const expectedComplaints = [];
  const all = [];
  const note = (words) => {
    all.push(words);
    if (expected?.test(words)) expectedComplaints.push(words);
    else if (!complaint?.test(words)) complaints.push(words);
  };
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && note(message.text()));
  page.on('pageerror', (error) => note(String(error)));
  if (handler) {
    await page.route('**/assets/*.js', async (route) => {
      const response = await route.fetch();
      const code = await response.text();
      await route.fulfill({ response, body: code.replace(/`21 °C in \$\{\w+\}`/, () => handler) });
    });
  }
  await page.goto(address);
  return {
    page,
    expectedComplaints,
    text: () => page.innerText('body'),
    /**
     * Says something, and waits until the page shows it. A front end that has just been loaded forgets what
     * is said before it knows its agents, as a user sees, who says it again.
     */
    async ask(prompt) {
      const times = (wanted) => document.body.innerText.split(wanted).length;
      const before = await page.evaluate(times, prompt);
      const isShown = ([wanted, least]) => document.body.innerText.split(wanted).length > least;
      for (let attempt = 1; ; attempt += 1) {
        await page.locator(box).first().fill(prompt);
        await page.locator(box).first().press('Enter');
        try {
          await page.waitForFunction(isShown, [prompt, before], { timeout: 8000 });
          return;
        } catch (error) {
          if (attempt === 3) throw error;
        }
      }
    },
    /** Waits until something can be said. */
    ready: () => page.locator(box).first().waitFor(),
    /** Waits until the words are seen no more. */
    async forgets(words) {
      await page.waitForFunction((wanted) => !document.body.innerText.includes(wanted), words);
    },
    press: (name) => page.getByRole('button', { name, exact: true }).click(),
    /** Waits until the words are to be seen, however they are marked up. */
    async says(words) {
      await page.waitForFunction((wanted) => document.body.innerText.replace(/\s+/g, ' ').includes(wanted), words);
    },
    /** Waits until the console has the words. */
    async complains(words) {
      while (!all.some((each) => words.test(each))) await page.waitForEvent('console');
    },
    /** Waits until the run is over. */
    async waits(button) {
      await page.waitForTimeout(500);
      await page.getByTestId(button).waitFor();
      await page.waitForTimeout(1500);
    },
    async close() {
      await page.close();
      assert.deepEqual(complaints, []);
    },
  };
}
