// A Vite application, made as docs/connecting.md says.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commands, exchanges, files, installed, opening } from './page.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const execute = promisify(execFile);
/** Where the applications were built, by their sources. */
const built = new Map();

/**
 * Makes, builds and serves an application. Its packages are those beside the lock file in the folder
 * of its name, which are the ones that the page installs.
 *
 * @param {string} heading of the page's section
 * @param {{variant?: string, http?: boolean, changes?: [string, string][], port: number}} options `variant`
 *   is the heading of a section with other files, `http` tells that it needs no agent class of the page's,
 *   and `changes` are addresses of the page and of this test
 */
export async function makeApp(heading, { variant, http, changes, port }) {
  const text = opening(heading);
  const [create] = commands(text).filter((line) => line.startsWith('npm create vite@'));
  const [, version, name, options] = /vite@(\S+) (\S+) -- (.*)$/.exec(create);
  const made = join(HERE, name, 'made');
  const target = variant ? variant.toLowerCase().replaceAll(/\W+/g, '-').slice(1) : name;
  const folder = join(made, target);
  await rm(folder, { recursive: true, force: true });
  await mkdir(made, { recursive: true });

  const manifest = async (path) => JSON.parse(await readFile(join(HERE, path, 'package.json'), 'utf8'));
  assert.equal((await manifest('node_modules/create-vite')).version, version);
  await execute(process.execPath, [join(HERE, 'node_modules/create-vite/index.js'), target, ...options.split(' ')], {
    cwd: made,
  });
  const { dependencies, devDependencies } = await manifest(join(name, 'made', target));
  const locked = await manifest(name);
  assert.deepEqual(
    locked.dependencies,
    { ...dependencies, ...installed(text) },
    'the locked packages are those of the page',
  );
  assert.deepEqual(locked.devDependencies, devDependencies, "the locked tools are those of Vite's template");

  const texts = [...(http ? [] : [opening('## The agent class')]), text, ...(variant ? [opening(variant)] : [])];
  const sources = new Map(texts.flatMap((each) => [...files(each)]));
  for (const [path, lines] of exchanges(variant ? opening(variant) : '')) {
    for (const [from, to] of lines) {
      assert.ok(sources.get(path).includes(from), `${path} has the lines that are exchanged: ${from}`);
      sources.set(
        path,
        sources.get(path).replace(from, () => to),
      );
    }
  }
  for (const [path, code] of sources) {
    const own = changes.reduce((whole, [from, to]) => whole.replaceAll(from, to), code);
    sources.set(path, own);
    await writeFile(join(folder, path), own);
  }

  // What is shown in the browser may be that of an application before, and its files of the class unused.
  const shown = [...sources].filter(([path]) => path.startsWith('src/') && !path.includes('websocket-agent'));
  const key = JSON.stringify([name, shown]);
  if (built.has(key)) {
    await cp(join(built.get(key), 'dist'), join(folder, 'dist'), { recursive: true });
  } else {
    await execute('npm', ['run', 'build'], { cwd: folder }).catch(({ stdout, stderr }) => {
      throw new Error(`${name} was not built:\n${stdout}\n${stderr}`);
    });
    built.set(key, folder);
  }
  const server = await start(
    'npm',
    ['run', 'preview', '--', '--host', 'localhost', '--port', String(port), '--strictPort'],
    folder,
    /localhost:/,
  );
  return { folder, address: `http://localhost:${port}/`, stop: () => server.stop() };
}

/** Starts a program that goes on, and waits until it prints something, or, without that, just starts it. */
export async function start(command, parameters, cwd, ready) {
  const environment = { ...process.env, COPILOTKIT_TELEMETRY_DISABLED: 'true', NO_COLOR: '1', BROWSER: 'none' };
  const program = spawn(command, parameters, {
    cwd,
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const exited = once(program, 'exit');
  let output = '';
  program.stderr.setEncoding('utf8').on('data', (text) => (output += text));
  await new Promise((resolve, reject) => {
    createInterface({ input: program.stdout }).on('line', (line) => {
      output += `${line}\n`;
      if (ready.test(line)) resolve();
    });
    program.once('error', reject);
    program.once('exit', (code) => reject(new Error(`${command} ended with ${code}:\n${output}`)));
  });
  return {
    output: () => output,
    async stop() {
      // npm starts a shell, and that the program: they are a group of their own.
      if (program.exitCode === null && program.signalCode === null) process.kill(-program.pid);
      await exited;
    },
  };
}

/** Ports of this machine that nobody listens at. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => (server.close(), once(server, 'close'))));
  return ports;
}

export { HERE };
