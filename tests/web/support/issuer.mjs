// A provider of users' tokens, for tests: it has one key, and names whoever it is told to.

import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

/** @import { AddressInfo } from 'node:net' */

const AUDIENCE = 'this-chat';

/** Starts it on a free port of this machine. */
export async function startIssuer() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' }] };
  const server = createServer(({ url: path }, response) => {
    const known = { '/.well-known/openid-configuration': { issuer: url, jwks_uri: `${url}/keys` }, '/keys': keys }[
      path ?? ''
    ];
    response
      .writeHead(known === undefined ? 404 : 200, { 'content-type': 'application/json' })
      .end(JSON.stringify(known ?? {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${/** @type {AddressInfo} */ (server.address()).port}`;

  return {
    /** The options of the local AWS with which it asks for these tokens. */
    options: ['--oidc-issuer', url, '--oidc-audience', AUDIENCE],

    /** A token that says who someone is. @param {string} subject */
    token(subject) {
      const now = Math.floor(Date.now() / 1000);
      const parts = [
        { alg: 'ES256', typ: 'JWT', kid: 'one' },
        { iss: url, aud: AUDIENCE, sub: subject, iat: now, exp: now + 600 },
      ];
      const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
      return `${text}.${sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    },

    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
