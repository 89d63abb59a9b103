// The package of the agent class, packed as `npm publish` does it, and its example of React components: installed,
// built and used as its README says.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { launchBrowser } from '../web/support/browser.mjs';
import { startLocal } from '../web/support/local.mjs';
import { freePorts, HERE, start } from './app.mjs';
import { commands, installed } from './page.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE = join(ROOT, 'packages/ag-ui-websocket');
/** The lock file of what the README installs, other than the package itself. */
const LOCKED = join(HERE, 'ag-ui-websocket');
const NPM = ['--no-audit', '--no-fund', '--prefer-offline', '--strict-peer-deps'];
const execute = promisify(execFile);

const manifestIn = async (folder) => JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));

describe('the package of the agent class', { timeout: 600_000 }, () => {
  let packed;
  let archive;
  let manifest;
  const made = join(LOCKED, 'made');
  before(async () => {
    await rm(made, { recursive: true, force: true });
    await mkdir(made, { recursive: true });
    const { stdout } = await execute('npm', ['pack', '--json', '--pack-destination', made], { cwd: PACKAGE });
    [packed] = Object.values(JSON.parse(stdout));
    archive = join(made, packed.filename);
    manifest = await manifestIn(PACKAGE);
  });

  it('has all that it needs and nothing else', async () => {
    const names = packed.files.map(({ path }) => path).sort();
    const source = names.filter((path) => !path.startsWith('examples/'));
    const expected = [
      'LICENSE-APACHE',
      'LICENSE-MIT',
      'README.md',
      'package.json',
      'src/websocket-agent.d.mts',
      'src/websocket-agent.mjs',
    ];
    assert.deepEqual(source, expected);
    for (const path of Object.values(manifest.exports['.'])) assert.ok(names.includes(path.slice('./'.length)), path);
    for (const path of names)
      assert.match(path, /^(?:[^/]+|src\/[\w.-]+|examples\/react\/src\/(?:relay\/)?\w+\.(?:tsx?|css))$/);
  });

  it("has the repository's licences word for word", async () => {
    for (const name of ['LICENSE-MIT', 'LICENSE-APACHE']) {
      assert.equal(await readFile(join(PACKAGE, name), 'utf8'), await readFile(join(ROOT, name), 'utf8'), name);
    }
  });

  it("is for the versions of AG-UI's client that it is tested with", async () => {
    const { devDependencies: tested } = await manifestIn(join(ROOT, 'tests/web'));
    const versions = ['@ag-ui/client', 'agui-old-client', 'agui-older-client'].map((name) =>
      tested[name].split('@').at(-1),
    );
    for (const front of ['copilotkit', 'assistant-ui']) {
      versions.push((await manifestIn(join(HERE, front))).dependencies['@ag-ui/client']);
    }
    const install = async (version) => {
      const folder = await mkdtemp(join(tmpdir(), 'peers-'));
      try {
        await writeFile(join(folder, 'package.json'), '{"private":true}');
        const client = `@ag-ui/client@${version}`;
        await execute('npm', ['install', '--package-lock-only', ...NPM, archive, client, 'rxjs@7.8.1'], {
          cwd: folder,
        });
      } finally {
        await rm(folder, { recursive: true });
      }
    };
    for (const version of new Set(versions)) await install(version);
    await assert.rejects(install('0.0.42'), /ERESOLVE/);
  });

  describe('in an empty application of Vite', () => {
    let browser;
    let local;
    let timelines;
    let server;
    let address;
    before(async () => {
      timelines = await mkdtemp(join(tmpdir(), 'timelines-'));
      await writeFile(join(timelines, 'hostile.jsonl'), HOSTILE.map((line) => `${JSON.stringify(line)}\n`).join(''));
      const [port] = await freePorts(1);
      address = `http://localhost:${port}/`;
      local = await startLocal('--allowed-origins', address.slice(0, -1), '--timelines', timelines);
      const folder = await makeExample(local, archive);
      const preview = ['run', 'preview', '--', '--host', 'localhost', '--port', String(port), '--strictPort'];
      [browser, server] = await Promise.all([launchBrowser(), start('npm', preview, folder, /localhost:/)]);
    });
    after(async () => {
      await browser?.close();
      await server?.stop();
      await local?.stop();
      if (timelines) await rm(timelines, { recursive: true });
    });

    it('shows an answer, its sources and its trace', async () => {
      const chat = await openExample(browser, address);
      const turn = await chat.ask('hello');
      await turn.getByText('How this answer reaches you').waitFor();
      const sources = turn.getByRole('list', { name: 'Sources' });
      await sources.getByText('s3://relay-handbook/gateway/limits.md').waitFor();
      assert.equal(
        await sources.getByText('It waits 29 seconds for an answer and no longer.', { exact: true }).count(),
        1,
      );
      await sources.getByText('Passage').first().click();
      await sources.getByText('The limit cannot be raised.').waitFor();
      await chat.ends();
      await turn.getByText(/^Trace: \d{2} events$/).click();
      await turn.getByText('To explain the relay I need the notes about its limits.', { exact: true }).waitFor();
      await turn.getByText('Invocation input: Knowledge base lookup input').click();
      await turn.locator('pre').getByText('"knowledgeBaseId": "RELAYNOTES"').waitFor();
      await chat.close();
    });

    it('shows files, which can be saved', async () => {
      const chat = await openExample(browser, address);
      const turn = await chat.ask('/file');
      const files = turn.getByRole('list', { name: 'Files' });
      const saved = chat.page.waitForEvent('download');
      await files.getByRole('link', { name: 'forecast.csv' }).click();
      const download = await saved;
      assert.equal(download.suggestedFilename(), 'forecast.csv');
      assert.match(await readFile(await download.path(), 'utf8'), /^day,high_celsius,rain_mm\nMon,9,0\.0\n/);
      const picture = files.getByRole('img', { name: 'forecast.png' });
      await picture.waitFor();
      await picture.evaluate((image) => image.decode());
      assert.ok(await picture.evaluate(({ naturalWidth }) => naturalWidth > 0));
      await chat.close();
    });

    it('is not led astray by what an agent says', async () => {
      const chat = await openExample(browser, address);
      const turn = await chat.ask('/play hostile.jsonl');
      await chat.ends();
      const names = await turn
        .getByRole('list', { name: 'Files' })
        .getByRole('link')
        .evaluateAll((links) => links.map(({ download }) => download));
      assert.deepEqual(names, ['invoicefdp.exe', 'passwd', 'file', 'page.svg']);
      assert.equal(await turn.getByText('broken.txt arrived damaged').count(), 1);
      // A picture that can run scripts is none.
      assert.equal(await turn.getByRole('img').count(), 0);
      const sources = turn.getByRole('list', { name: 'Sources' });
      const links = await sources
        .getByRole('link')
        .evaluateAll((all) => all.map(({ href, rel, textContent }) => [href, rel, textContent]));
      const rel = 'noopener noreferrer nofollow';
      assert.deepEqual(links, [['https://xn--pple-43d.com/a%20b?q=1', rel, 'xn--pple-43d.com/a%20b?q=1']]);
      for (const shown of [
        "javascript:alert('x')",
        'https://bank.example@evil.example/',
        'a\\u{202e}txt.exe',
        'A source without an address',
      ]) {
        assert.equal(await sources.getByText(shown, { exact: true }).count(), 1, shown);
      }
      await sources.getByText('Passage').first().click();
      await sources.getByText('<img src=x onerror=alert(1)>').waitFor();
      await turn.getByText(/^Trace: /).click();
      await turn.getByText('<script>alert(2)</script>\\u{202e}').waitFor();
      for (const unknown of ['Hologram', 'bedrock-agent']) {
        assert.equal(await turn.getByRole('listitem').getByText(unknown, { exact: true }).count(), 1, unknown);
      }
      await turn.getByText('Failure', { exact: false }).getByText('It broke <b>down</b>.').waitFor();
      assert.equal(await chat.page.locator('script:not([src]), article b').count(), 0);
      await chat.close();
    });

    it('shows an error, and stops', async () => {
      const chat = await openExample(browser, address);
      const failed = await chat.ask('/error throttlingException 3');
      await failed.getByRole('alert').getByText('too many requests').waitFor();
      const stopped = await chat.ask('/tokens 400 50');
      await stopped.getByText('1 2 3').waitFor();
      await chat.page.getByRole('button', { name: 'Stop' }).click();
      await chat.ends();
      assert.equal(await stopped.getByRole('alert').count(), 0);
      const next = await chat.ask('/slow 0');
      await next.getByText(/turn 3/).waitFor();
      await chat.close();
    });
  });
});

/** What no agent should say, and one may be made to. */
const reference = (kind, member, where, text) => ({
  location: { [kind]: { [member]: where } },
  ...(text && { content: { text } }),
});
const file = (name, type, bytes = 'aGVsbG8=') => ({ name, type, bytes });
const HOSTILE = [
  { trace: { orchestrationTrace: { rationale: { text: '<script>alert(2)</script>\u202e', traceId: '1' } } } },
  { trace: { failureTrace: { metadata: { totalTimeMs: 1 }, failureReason: 'It broke <b>down</b>.' } } },
  { trace: { hologramTrace: 7 } },
  { trace: 'not an object' },
  {
    chunk: 'Look at these.',
    citations: [
      {
        retrievedReferences: [
          reference('webLocation', 'url', "javascript:alert('x')", '<img src=x onerror=alert(1)>'),
          reference('webLocation', 'url', 'https://bank.example@evil.example/'),
          reference('webLocation', 'url', 'https://аpple.com/a b?q=1'),
          reference('s3Location', 'uri', 'a\u202etxt.exe'),
          { location: 'nowhere' },
          {},
        ],
      },
      { retrievedReferences: 'none' },
    ],
  },
  {
    files: [
      file('C:\\temp\\invoice\u202efdp.exe', 'application/pdf'),
      file('../../etc/passwd', 'text/plain'),
      file('...', 'text/html', 'PHNjcmlwdD5hbGVydCgzKTwvc2NyaXB0Pg=='),
      file('page.svg', 'image/svg+xml', 'PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4='),
      file('broken.txt', 'text/plain', 'no base64!'),
    ],
  },
];

/** Does what the README says, with the archive in place of the published package and the relay of this test. */
async function makeExample(local, archive) {
  const readme = await readFile(join(PACKAGE, 'README.md'), 'utf8');
  const all = commands(readme.slice(readme.indexOf('\n## React\n')));
  const [create, enter, install, copy, dev] = all;
  assert.equal(all.length, 5);
  const [, version, name, options] = /^npm create vite@(\S+) (\S+) -- (.*)$/.exec(create);
  assert.equal(enter, `cd ${name}`);
  assert.equal(dev, 'npm run dev');

  const made = join(LOCKED, 'made');
  const folder = join(made, name);
  assert.equal((await manifestIn(join(HERE, 'node_modules/create-vite'))).version, version);
  await execute(process.execPath, [join(HERE, 'node_modules/create-vite/index.js'), name, ...options.split(' ')], {
    cwd: made,
  });

  const { name: own, version: ownVersion } = await manifestIn(PACKAGE);
  const { [own]: ownInstalled, ...others } = installed(install);
  assert.equal(ownInstalled, ownVersion);
  const [template, locked] = [await manifestIn(folder), await manifestIn(LOCKED)];
  assert.deepEqual(
    locked.dependencies,
    { ...template.dependencies, ...others },
    'the locked packages are those of the README',
  );
  assert.deepEqual(locked.devDependencies, template.devDependencies, "the locked tools are those of Vite's template");
  await copyFile(join(LOCKED, 'package-lock.json'), join(folder, 'package-lock.json'));
  const parameters = install.replace(`${own}@${ownVersion}`, archive).split(' ').slice(1);
  await execute('npm', [...parameters, ...NPM], { cwd: folder });
  const { stdout } = await execute('npm', ['ls', '--json', '--all', '@ag-ui/client', 'rxjs'], { cwd: folder });
  for (const [found, wanted] of Object.entries(others)) {
    const versions = new Set();
    JSON.parse(stdout, (key, value) => {
      if (key === found) versions.add(value.version);
      return value;
    });
    assert.deepEqual([...versions], [wanted], `there is one ${found}`);
  }

  await execute('sh', ['-c', copy], { cwd: folder });
  const app = join(folder, 'src/App.tsx');
  const code = await readFile(app, 'utf8');
  assert.ok(code.includes("'ws://127.0.0.1:8080/local'"));
  await writeFile(app, code.replace('ws://127.0.0.1:8080', local.page.replace('http', 'ws')));
  await execute('npm', ['run', 'build'], { cwd: folder }).catch(({ stdout: said, stderr }) => {
    throw new Error(`The example was not built:\n${said}\n${stderr}`);
  });
  return folder;
}

/** Opens the example, which must not complain. */
async function openExample(browser, address) {
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  const complaints = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    return dialog.dismiss();
  });
  await page.goto(address);
  return {
    page,
    /** Says something, and gives what is shown of that turn. */
    async ask(prompt) {
      await page.getByRole('button', { name: 'Send' }).waitFor();
      await page.getByLabel('Prompt').fill(prompt);
      await page.getByLabel('Prompt').press('Enter');
      const turn = page.getByRole('article').last();
      await turn.getByRole('heading', { name: prompt, exact: true }).waitFor();
      return turn;
    },
    /** Waits until the run is over. */
    ends: () => page.getByRole('button', { name: 'Send' }).waitFor(),
    async close() {
      await page.close();
      assert.deepEqual(complaints, []);
    },
  };
}
