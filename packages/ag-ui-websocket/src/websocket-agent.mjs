import { AbstractAgent } from '@ag-ui/client';
import { Observable } from 'rxjs';

/** What API Gateway takes in one frame, and a browser sends a message as one frame. */
const MAX_BYTES = 32_768;

/** So much base64 of a file goes into a message of its own: 24,000 bytes. */
const PIECE_LENGTH = 32_000;

/** How long a connection stays open for a run that is stopped, which takes about a second, in milliseconds. */
const STOP_TIMEOUT = 5_000;

/** An AG-UI agent behind Agent Relay: `new WebSocketAgent({ url, credential })`, one connection at a time for each run. */
export class WebSocketAgent extends AbstractAgent {
  constructor({
    url,
    credential,
    attributes = true,
    wholeInput = false,
    storage = sessionStorageOrNull(),
    reconnectAttempts = 8,
    reconnectDelay = 500,
    silenceTimeout = 40_000,
    ...config
  }) {
    super(config);
    Object.assign(this, {
      url,
      credential,
      attributes,
      wholeInput,
      storage,
      reconnectAttempts,
      reconnectDelay,
      silenceTimeout,
    });
  }

  run(input) {
    return new Observable((subscriber) => {
      let message = this.wholeInput ? JSON.stringify(input) : messageOf(input, this.attributes);
      const pieces = [];
      if (!this.wholeInput && bytesOf(message) > MAX_BYTES) {
        message = messageOf(
          { ...input, messages: latest(input.messages, input.resume).map((each) => withUploads(each, pieces)) },
          this.attributes,
        );
      }
      const bytes = bytesOf(message);
      if (bytes > MAX_BYTES)
        throw new Error(`The message has ${bytes} bytes, and API Gateway takes ${MAX_BYTES} at most.`);
      return begin(new ActiveRun(this, subscriber, input.threadId, message, pieces));
    });
  }

  /** The conversation so far, and what the agent goes on to say: AG-UI's `connectAgent` asks for it. */
  connect({ threadId }) {
    return new Observable((subscriber) => begin(new ActiveRun(this, subscriber, threadId)));
  }

  abortRun() {
    this.stop?.();
  }

  async getCapabilities() {
    return { transport: { streaming: true, websocket: true, resumable: true } };
  }

  clone() {
    const { url, credential, attributes, wholeInput, storage, reconnectAttempts, reconnectDelay, silenceTimeout } =
      this;
    const options = {
      url,
      credential,
      attributes,
      wholeInput,
      storage,
      reconnectAttempts,
      reconnectDelay,
      silenceTimeout,
    };
    return Object.assign(super.clone(), options);
  }
}

function begin(active) {
  active.agent.stop = () => active.stop();
  active.connect();
  return () => active.close();
}

/** A run, or a conversation that is shown again, over as many connections as it takes. */
class ActiveRun {
  /** The number of the last frame that arrived. */
  last = -1;
  /** The fragments of a frame that is not whole yet. */
  pieces = [];
  /** How many connections were lost since then. */
  attempts = 0;
  /** The run as `join` and `stop` name it, once it can be joined. */
  target;
  /** The events of a conversation that is not whole yet. */
  history = [];

  /** Without a message of its own it asks for the conversation. Pieces of files go before the message. */
  constructor(agent, subscriber, threadId, message, uploads = []) {
    Object.assign(this, { agent, subscriber, threadId, message, uploads });
    if (message !== undefined) this.history = undefined;
  }

  connect() {
    this.open().catch((error) => this.lose(error));
  }

  async open() {
    const { url, credential } = this.agent;
    const shown = typeof credential === 'function' ? await credential() : credential;
    if (this.subscriber.closed && !(this.isStopped && this.target)) return;
    const isStop = this.isStopped;
    const message = this.firstMessage(shown);
    if (message === undefined) return this.subscriber.complete();
    const socket = new WebSocket(url, protocols(shown));
    this.socket = socket;
    this.watch();
    // A browser says no more than this; the log of the function, or of `cargo run`, has the reason.
    let refused = `There is no connection to ${url}: nobody listens there, or the credential or this page's origin was refused.`;
    socket.onopen = () => {
      refused = undefined;
      socket.send(isStop ? message : (this.uploads[0] ?? message));
      if (isStop) this.leaveSoon();
    };
    socket.onmessage = ({ data }) => {
      this.watch();
      try {
        this.receive(JSON.parse(data));
      } catch {
        this.fail(`What arrived is no event: ${String(data).slice(0, 200)}`);
      }
    };
    // The connection closes then.
    socket.onerror = () => {};
    socket.onclose = ({ code }) => this.lose(refused ?? `The connection was closed (${code}) in mid-run.`);
  }

  /** What is sent over a new connection; nothing where no conversation is known. */
  firstMessage(credential) {
    if (this.isStopped) return JSON.stringify({ stop: this.target });
    this.isJoining = this.target !== undefined;
    if (this.isJoining) return JSON.stringify({ join: { ...this.target, after: this.last } });
    if (!this.history) return this.message;
    const key = this.stored((storage, name) => storage.getItem(name));
    this.conversation = isToken(credential) ? { threadId: this.threadId } : key && { key };
    Object.assign(this, { last: -1, pieces: [], history: [] });
    return this.conversation ? JSON.stringify({ history: this.conversation }) : undefined;
  }

  receive(event) {
    const { key } = event.metadata?.relay ?? {};
    if (this.isStopped && this.uploads.length > 0) return this.leave();
    if (this.isStopped) return isTerminal(event) ? this.leave() : this.sendStop(key && { key });
    if (event.name === 'relay.upload') {
      // The next piece, or the message; a piece that is sent again is confirmed again.
      if (!this.uploads[0]?.includes(`"index":${event.value.index},`)) return;
      this.uploads.shift();
      this.attempts = 0;
      return this.socket.send(this.uploads[0] ?? this.message);
    }
    // API Gateway's own messages have no type: it was too busy, or could not call the function.
    if (!event.type) return this.lose(event.message ?? 'A message that arrived has no type.');
    // A frame can arrive twice, since API Gateway's answer to a post can be lost. One that is sent again can
    // stand for all behind the number `after`.
    const { seq = this.last + 1, after = seq - 1 } = event.metadata?.relay ?? {};
    if (seq <= this.last) return;
    if (after > this.last && this.target) {
      // The relay has just sent all that it has.
      if (this.isJoining) return this.fail('A part of the answer is kept no longer.');
      return this.lose('A part of the answer did not arrive.');
    }
    Object.assign(this, { last: seq, isJoining: false });
    if (!this.history) this.attempts = 0;
    if (event.name === 'relay.fragment') {
      this.pieces.push(event.value.data);
      if (this.pieces.length < event.value.count) return;
      event = JSON.parse(this.pieces.splice(0).join(''));
    }
    if (key) {
      this.target = { key };
      this.stored((storage, name) => storage.setItem(name, key));
      this.watch();
    }
    if (this.history) return this.receiveHistory(event);
    this.subscriber.next(event);
    if (isTerminal(event)) this.subscriber.complete();
  }

  /** A conversation comes as a run of its own, and behind it what messages can't show: a run that is under way, or waits. */
  receiveHistory(event) {
    this.history.push(event);
    if (!isTerminal(event)) return;
    if (event.code === 'no_such_run') return this.subscriber.complete();
    const events = this.history;
    this.history = undefined;
    for (const each of events) this.subscriber.next(each);
    if (!event.metadata?.relay?.follows) return this.subscriber.complete();
    Object.assign(this, { last: -1, target: this.conversation });
    this.watch();
  }

  /** Goes on over another connection, unless nothing can be joined yet: the agent may have acted already. */
  lose(reason) {
    this.leave();
    if (this.subscriber.closed) return;
    const { reconnectAttempts, reconnectDelay } = this.agent;
    if (!this.isJoinable() || this.attempts >= reconnectAttempts) return this.fail(reason);
    // Not all at once, when many have lost their connections.
    const delay = reconnectDelay * 2 ** this.attempts * (0.5 + Math.random() / 2);
    this.attempts += 1;
    this.timer = setTimeout(() => this.connect(), delay);
  }

  /** A connection can die without a word: the relay is never silent for long. */
  watch() {
    if (this.subscriber.closed || !this.isJoinable()) return;
    const timeout = this.agent.silenceTimeout;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.lose(`Nothing has arrived for ${timeout / 1000} seconds.`), timeout);
  }

  isJoinable() {
    return this.target !== undefined || this.history !== undefined || this.uploads.length > 0;
  }

  fail(reason) {
    this.leave();
    this.subscriber.error(reason instanceof Error ? reason : new Error(reason));
  }

  /** A run that the user stops has ended well. */
  stop() {
    if (this.subscriber.closed) return;
    this.isStopped = true;
    this.subscriber.complete();
  }

  /** Nobody listens any more. */
  close() {
    const isOpen = this.socket?.readyState === 1;
    if (!this.isStopped || (!isOpen && !this.target)) return this.leave();
    clearTimeout(this.timer);
    if (!isOpen) {
      // Over a connection of its own.
      this.leave();
      this.connect();
    } else if (this.target || this.last >= 0) {
      this.sendStop(this.target);
    }
    // Else the run is about to begin, and then it is stopped.
  }

  sendStop(target) {
    if (this.isLeaving) return;
    if (!target) return this.leave();
    this.socket.send(JSON.stringify({ stop: target }));
    this.leaveSoon();
  }

  /** A message can be lost whose connection is closed at once. */
  leaveSoon() {
    this.isLeaving = true;
    this.timer = setTimeout(() => this.leave(), STOP_TIMEOUT);
  }

  leave() {
    clearTimeout(this.timer);
    const { socket } = this;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.socket = undefined;
  }

  /** The key of the conversation's newest run. A storage may be full, or refused by the browser. */
  stored(access) {
    try {
      return this.agent.storage
        ? access(this.agent.storage, `agent-relay ${this.agent.url} ${this.threadId}`)
        : undefined;
    } catch {
      return undefined;
    }
  }
}

/** It outlives a reload of the page, but not the tab. Node has none, and a browser may refuse it. */
function sessionStorageOrNull() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

const isTerminal = ({ type }) => type === 'RUN_FINISHED' || type === 'RUN_ERROR';

/** Whether it is a JSON Web Token: whoever has a name finds their conversations by it, on any device. */
const isToken = (credential) => /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(credential ?? '');

const bytesOf = (text) => new TextEncoder().encode(text).length;

/** An access code or a token travels as a subprotocol, since addresses end up in logs. */
function protocols(credential) {
  if (!credential) return [];
  const binary = String.fromCharCode(...new TextEncoder().encode(credential));
  return ['agent-relay', `token.${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`];
}

/** What the relay reads and nothing else, which could make the message too long. */
function messageOf({ threadId, runId, messages, resume, context, forwardedProps }, takesAttributes) {
  const withAttributes = (attributes) =>
    JSON.stringify({
      threadId,
      runId,
      messages: latest(messages, resume),
      resume,
      forwardedProps: attributes ? { ...forwardedProps, promptSessionAttributes: attributes } : forwardedProps,
    });
  // The context goes to the agent as attributes, which are texts by name, as far as there is room.
  let attributes = forwardedProps?.promptSessionAttributes;
  for (const { description, value } of takesAttributes ? (context ?? []) : []) {
    const more = { [description]: value, ...attributes };
    if (typeof value === 'string' && bytesOf(withAttributes(more)) <= MAX_BYTES) attributes = more;
  }
  return withAttributes(attributes);
}

/** The results at the end, or else the last prompt: whoever answers keeps the history. */
function latest(messages, resume) {
  const results = messages.slice(messages.findLastIndex(({ role }) => role !== 'tool') + 1);
  if (results.length > 0) return results;
  const prompt = messages.findLastIndex(({ role }) => role === 'user');
  const call = messages.findLastIndex(({ toolCalls }) => toolCalls?.length > 0);
  if (call > prompt && resume?.length) return [];
  // The user said something, and the agent has not gone on from its calls. The relay knows that by the calls, however
  // long ago they were, and by their results, which may not have reached the agent.
  const since = messages.slice(call + 1, prompt);
  const isOpen = call >= 0 && call < prompt && since.every(({ role }) => role === 'tool');
  const waits = isOpen || resume?.length;
  const calls = waits ? messages.slice(call, call + 1).map(withoutArguments) : [];
  return [
    ...calls,
    ...(waits ? since.filter(({ role }) => role === 'tool') : []),
    ...messages.slice(prompt, prompt + 1),
  ];
}

/** A message whose files are named by the ids of uploads, and the messages that upload them. */
function withUploads(message, pieces) {
  if (!Array.isArray(message.content)) return message;
  const upload = (data) => {
    const id = crypto.randomUUID();
    const [count, size] = [Math.ceil(data.length / PIECE_LENGTH), (data.replace(/=+$/, '').length * 3) >> 2];
    for (let index = 0; index < count; index += 1) {
      const piece = data.slice(index * PIECE_LENGTH, (index + 1) * PIECE_LENGTH);
      pieces.push(JSON.stringify({ upload: { id, index, count, size, data: piece } }));
    }
    return id;
  };
  const content = message.content.map((part) => {
    const { data, source, ...rest } = part;
    if (part.type === 'binary' && data) return { ...rest, id: upload(data) };
    return source?.type === 'data'
      ? { ...rest, source: { ...source, type: 'file', value: upload(source.value) } }
      : part;
  });
  return { ...message, content };
}

function withoutArguments({ id, role, toolCalls }) {
  return {
    id,
    role,
    toolCalls: toolCalls.map((call) => ({ ...call, function: { ...call.function, arguments: '{}' } })),
  };
}
