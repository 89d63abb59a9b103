// The page's connection: real WebSockets on this machine, and for the waits a clock of its own.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
// @ts-expect-error: the package carries no types.
import { WebSocket, WebSocketServer } from 'ws';
import { Connection } from '../../web/relay/socket.js';

/** `ws` throws a refused handshake at whoever does not listen; a browser only closes. */
class QuietWebSocket extends WebSocket {
  /** @param {string} url */
  constructor(url) {
    super(url);
    /** @type {any} */ (this).on('error', () => {});
  }
}

/** What a connection reported, and a way to wait for it. */
function ears() {
  /** @type {(string | number)[]} */
  const heard = [];
  /** @type {(() => void)[]} */
  const waiting = [];
  const note = (/** @type {string | number} */ what) => {
    heard.push(what);
    for (const resume of waiting.splice(0)) resume();
  };
  return {
    heard,
    listener: {
      /** @param {string} state @param {number} _failures */
      stateChanged: (state, _failures) => note(state),
      /** @param {string} text */
      received: (text) => note(`text ${text}`),
      /** @param {number} code */
      closed: (code) => note(code),
      /** @param {number} failures */
      failed: (failures) => note(`failed ${failures}`),
    },
    /** @param {string | number} what @param {number} times */
    async until(what, times = 1) {
      while (heard.filter((entry) => entry === what).length < times) {
        await new Promise((resolve) => waiting.push(() => resolve(undefined)));
      }
    },
  };
}

describe('over a real socket', () => {
  /** @type {any} */
  let server;
  let url = '';
  /** @type {Connection[]} */
  let connections = [];

  beforeEach(async () => {
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    url = `ws://127.0.0.1:${server.address().port}/local`;
    connections = [];
  });
  afterEach(() => {
    for (const connection of connections) connection.close();
    for (const client of server.clients) client.terminate();
    server.close();
  });

  /** @param {ReturnType<typeof ears>} on @param {object} [more] */
  const connect = (on, more = {}) => {
    const connection = new Connection(url, () => [], on.listener, {
      WebSocket: /** @type {any} */ (QuietWebSocket),
      hidden: () => false,
      random: () => 0,
      ...more,
    });
    connections.push(connection);
    connection.connect();
    return connection;
  };

  test('connects, sends, receives', async () => {
    server.on('connection', (/** @type {any} */ peer) =>
      peer.on('message', (/** @type {Buffer} */ data) => peer.send(`echo ${data}`)),
    );
    const on = ears();
    const connection = connect(on);
    assert.equal(connection.send('too early'), false);
    await on.until('open');
    assert.equal(connection.send('hello'), true);
    await on.until('text echo hello');
    assert.deepEqual(on.heard, ['connecting', 'open', 'text echo hello']);
  });

  test('comes back after a close, tells its code, and sends nothing again', async () => {
    /** @type {string[]} */
    const got = [];
    server.on('connection', (/** @type {any} */ peer) =>
      peer.on('message', (/** @type {Buffer} */ data) => {
        got.push(String(data));
        peer.close(1001);
      }),
    );
    const on = ears();
    const connection = connect(on);
    await on.until('open');
    connection.send('once');
    await on.until('open', 2);
    assert.deepEqual(on.heard, ['connecting', 'open', 'waiting', 1001, 'connecting', 'open']);
    assert.equal(connection.send('next'), true);
    await on.until(1001, 2);
    assert.deepEqual(got, ['once', 'next']);
  });

  test('reconnect leaves the old connection at once and ignores what still comes of it', async () => {
    const on = ears();
    const connection = connect(on);
    const [old] = await once(server, 'connection');
    await on.until('open');
    const gone = once(old, 'close');
    const next = once(server, 'connection');
    connection.reconnect();
    old.send('late');
    const [fresh] = await next;
    await gone;
    await on.until('open', 2);
    fresh.send('new');
    await on.until('text new');
    assert.deepEqual(on.heard, ['connecting', 'open', 'connecting', 'open', 'text new']);
  });

  test('a refused handshake is told, and tried again', async () => {
    let refusals = 2;
    server.options.verifyClient = () => refusals-- <= 0;
    const on = ears();
    connect(on);
    await on.until('open');
    assert.deepEqual(on.heard, [
      'connecting',
      'waiting',
      'failed 1',
      'connecting',
      'waiting',
      'failed 2',
      'connecting',
      'open',
    ]);
  });

  test('a connection that closes is no failure of a handshake, however often, and one that opens ends the failures', async () => {
    let refusals = 0;
    server.options.verifyClient = () => refusals-- <= 0;
    server.on('connection', (/** @type {any} */ peer) => peer.close(1001));
    /** @type {number[]} */
    const counted = [];
    const on = ears();
    /** @param {string} state @param {number} failures */
    const stateChanged = (state, failures) => {
      counted.push(failures);
      on.listener.stateChanged(state, failures);
    };
    connect({ ...on, listener: { ...on.listener, stateChanged } });
    await on.until(1001, 3);
    assert.deepEqual(new Set(counted), new Set([0]));
    refusals = 1;
    await on.until('failed 1');
    await on.until(1001, on.heard.filter((entry) => entry === 1001).length + 1);
    refusals = 1;
    await on.until('failed 1', 2);
    assert.equal(on.heard.includes('failed 2'), false);
  });

  test('a hidden tab does not reconnect until connect is called', async () => {
    let hidden = true;
    const on = ears();
    const connection = connect(on, { hidden: () => hidden });
    const [peer] = await once(server, 'connection');
    await on.until('open');
    peer.close(1001);
    await on.until('asleep');
    hidden = false;
    connection.connect();
    await on.until('open', 2);
  });
});

describe('the waits', () => {
  /** Sockets that never open by themselves. @type {FakeSocket[]} */
  let sockets = [];
  class FakeSocket extends EventTarget {
    constructor() {
      super();
      sockets.push(this);
    }
    /** @param {string} _text */
    send(_text) {}
    close() {
      this.dispatchEvent(Object.assign(new Event('close'), { code: 1006 }));
    }
    open() {
      this.dispatchEvent(new Event('open'));
    }
  }

  beforeEach(() => {
    sockets = [];
    mock.timers.enable({ apis: ['setTimeout'] });
  });
  afterEach(() => mock.timers.reset());

  /** @param {number} random */
  const connect = (random) => {
    const connection = new Connection('ws://unused', () => [], ears().listener, {
      WebSocket: /** @type {any} */ (FakeSocket),
      hidden: () => false,
      random: () => random,
    });
    connection.connect();
    return connection;
  };
  const last = () => /** @type {FakeSocket} */ (sockets.at(-1));

  /** Fails the current attempt and returns how long the next one takes to come, in milliseconds. */
  function waitAfterClose() {
    const before = sockets.length;
    last().close();
    let waited = 0;
    while (sockets.length === before && waited < 60_000) {
      mock.timers.tick(1);
      waited += 1;
    }
    return waited;
  }

  test('double from half a second up to half a minute, times a random factor', () => {
    connect(1);
    assert.deepEqual(Array.from({ length: 8 }, waitAfterClose), [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    connect(0.5);
    assert.deepEqual(Array.from({ length: 3 }, waitAfterClose), [250, 500, 1000]);
  });

  test('start over with the first frame, whatever becomes of the connection then', () => {
    connect(1);
    for (let count = 0; count < 3; count += 1) {
      last().open();
      last().dispatchEvent(Object.assign(new Event('message'), { data: '{}' }));
      assert.equal(waitAfterClose(), 500);
    }
  });

  test('start over only after a stable connection, not when it opens', () => {
    connect(1);
    assert.equal(waitAfterClose(), 500);
    last().open();
    mock.timers.tick(9_000);
    assert.equal(waitAfterClose(), 1000);
    last().open();
    mock.timers.tick(10_000);
    assert.equal(waitAfterClose(), 500);
  });

  test('a handshake that hangs is given up', () => {
    const connection = connect(1);
    mock.timers.tick(14_999);
    assert.equal(connection.state, 'connecting');
    mock.timers.tick(1);
    assert.equal(connection.state, 'waiting');
  });

  test('connect ends the wait, and does nothing while connecting or open', () => {
    const connection = connect(1);
    connection.connect();
    assert.equal(sockets.length, 1);
    last().open();
    connection.connect();
    assert.equal(sockets.length, 1);
    last().close();
    connection.connect();
    assert.equal(sockets.length, 2);
    mock.timers.tick(14_999);
    assert.equal(sockets.length, 2, 'the wait that was cut short does not connect once more');
  });
});
