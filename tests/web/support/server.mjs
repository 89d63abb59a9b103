// The page on a server that sends it as the function does: with the function's headers, and its settings.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

/** @import { AddressInfo } from 'node:net' */

/** The plain modules. */
export const MODULES = fileURLToPath(new URL('../../../web/', import.meta.url));
/** What `scripts/bundle-page` makes of them. */
export const BUNDLE = fileURLToPath(new URL('../../../dist/page/', import.meta.url));

const TYPES = new Map([
  ['.css', 'text/css; charset=utf-8'],
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);

/** Whether a request is refused, by its path below the page and by how often that was asked for. @typedef {(path: string, times: number) => boolean} Refuses */

/**
 * Serves the files of a folder below a path, as a stage of an API has one.
 *
 * @param {string} folder
 * @param {string} original the address of the page that the function serves
 */
export async function serveAsTheFunction(folder, original) {
  const prefix = '/stage/';
  /** @type {string[]} */
  let requests = [];
  /** @type {Refuses} */
  let refuses = () => false;

  const server = createServer(async ({ url = '' }, response) => {
    const { pathname, search } = new URL(url, original);
    const path = pathname.slice(prefix.length);
    requests.push(path + search);
    if (!pathname.startsWith(prefix)) return void response.writeHead(404).end();
    if (refuses(path, requests.filter((one) => one.split('?')[0] === path).length)) {
      return void response
        .writeHead(503, { 'content-type': 'application/json' })
        .end('{"message":"Service Unavailable"}');
    }
    const theirs = await fetch(`${original}${path === 'config.json' ? path : ''}`);
    const names = [
      'cache-control',
      'content-security-policy',
      'cross-origin-opener-policy',
      'referrer-policy',
      'x-content-type-options',
    ];
    const headers = Object.fromEntries(names.map((name) => [name, theirs.headers.get(name) ?? '']));
    if (path === 'config.json')
      return void response.writeHead(200, { ...headers, 'content-type': 'application/json' }).end(await theirs.text());
    const name = normalize(path || 'index.html');
    const body = name.startsWith('..') ? undefined : await readFile(join(folder, name)).catch(() => undefined);
    if (body === undefined) return void response.writeHead(404).end();
    response
      .writeHead(200, { ...headers, 'content-type': TYPES.get(extname(name)) ?? 'application/octet-stream' })
      .end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {AddressInfo} */ (server.address());

  return {
    page: `http://127.0.0.1:${port}${prefix}`,

    /** What was asked for since the last `reset`: paths below the page, the page itself being the empty one. */
    requests: () => requests,

    /** Forgets the requests, and refuses some from now on. @param {Refuses} [which] */
    reset(which = () => false) {
      requests = [];
      refuses = which;
    },

    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
