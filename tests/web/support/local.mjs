// The real local AWS, started for a test on a free port and stopped after it.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The program, unless AGENT_RELAY_LOCAL names another. */
const PROGRAM = process.env.AGENT_RELAY_LOCAL ?? fileURLToPath(new URL('../../../target/debug/local', import.meta.url));
/** After this long without an address the program counts as hanging, in milliseconds. */
const START_MS = 120_000;

/**
 * A running local AWS.
 *
 * @typedef {object} Local
 * @property {string} page the address of the page, such as `http://127.0.0.1:4711`
 * @property {number} port
 * @property {() => string} output what it has printed so far
 * @property {() => Promise<void>} stop ends it and its function
 */

/**
 * Starts the local AWS and reads the page's address from what it prints.
 *
 * @param {...string} options of its command line
 * @returns {Promise<Local>}
 */
export async function startLocal(...options) {
  const port = options.includes('--port') ? [] : ['--port', '0'];
  const program = spawn(PROGRAM, [...port, ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
  /** @type {string[]} */
  const output = [];
  program.stderr.setEncoding('utf8').on('data', (text) => output.push(text));
  const exited = new Promise((resolve) => program.once('exit', resolve));

  const page = await new Promise((resolve, reject) => {
    const fail = (/** @type {string} */ reason) => {
      program.kill('SIGKILL');
      reject(new Error(`${PROGRAM} ${reason}\n${output.join('')}`));
    };
    const timer = setTimeout(() => fail(`printed no address within ${START_MS / 1000} s`), START_MS);
    // The reader goes on after the address was found, so that the pipe never fills.
    createInterface({ input: program.stdout }).on('line', (line) => {
      output.push(`${line}\n`);
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
      if (address === null) return;
      clearTimeout(timer);
      resolve(address[0]);
    });
    program.once('error', (cause) => {
      clearTimeout(timer);
      reject(new Error(`${PROGRAM} did not start; \`cargo build\` makes it`, { cause }));
    });
    program.once('exit', (code) => {
      clearTimeout(timer);
      fail(`ended with ${code} before it printed an address`);
    });
  });

  return {
    page,
    port: Number(new URL(page).port),
    output: () => output.join(''),
    async stop() {
      if (program.exitCode === null && program.signalCode === null) program.kill('SIGINT');
      await exited;
    },
  };
}
