// The page on a server that knows nothing of it: Python's, which serves the files of a folder.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Serves a copy of the page on a free port of this machine, below a path. @param {string} source its folder */
export async function serveStatically(source) {
  const root = await mkdtemp(join(tmpdir(), 'page-'));
  const folder = join(root, 'chat');
  await cp(source, folder, { recursive: true });
  const program = spawn('python3', ['-u', '-m', 'http.server', '0', '--bind', '127.0.0.1', '--directory', root], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(program, 'exit');
  /** @type {string} */
  const page = await new Promise((resolve, reject) => {
    program.once('error', (cause) => reject(new Error('python3 did not start', { cause })));
    program.once('exit', (code) => reject(new Error(`python3 ended with ${code}`)));
    createInterface({ input: program.stdout }).on('line', (line) => {
      const address = /http:\/\/127\.0\.0\.1:\d+\//.exec(line);
      if (address !== null) resolve(`${address[0]}chat/`);
    });
  });
  return {
    page,

    /** Puts config.json beside the page, or takes it away. @param {string} [config] */
    async configure(config) {
      const file = join(folder, 'config.json');
      if (config === undefined) await rm(file, { force: true });
      else await writeFile(file, config);
    },

    async stop() {
      program.kill();
      await exited;
      await rm(root, { recursive: true });
    },
  };
}
