import { AbstractAgent } from '@ag-ui/client';
import { Observable } from 'rxjs';

/** What API Gateway takes in one frame, and a browser sends a message as one frame. */
const MAX_BYTES = 32_768;

/** An AG-UI agent behind Agent Relay: `new WebSocketAgent({ url, credential })`, one connection for each run. */
export class WebSocketAgent extends AbstractAgent {
  constructor({ url, credential, attributes = true, wholeInput = false, ...config }) {
    super(config);
    Object.assign(this, { url, credential, attributes, wholeInput });
  }

  run(input) {
    return new Observable((subscriber) => {
      const fail = (reason) => subscriber.error(new Error(reason));
      const pieces = [];
      let expected = 0;
      let socket;
      const receive = (event) => {
        // API Gateway's own messages have no type: it was too busy, or could not call the function.
        if (!event.type) return fail(event.message ?? 'A message that arrived has no type.');
        // A frame can arrive twice, since API Gateway's answer to a post can be lost.
        const { seq = expected } = event.metadata?.relay ?? {};
        if (seq < expected) return;
        expected = seq + 1;
        if (event.name === 'relay.fragment') {
          pieces.push(event.value.data);
          if (pieces.length < event.value.count) return;
          event = JSON.parse(pieces.splice(0).join(''));
        }
        subscriber.next(event);
        if (event.type === 'RUN_FINISHED' || event.type === 'RUN_ERROR') subscriber.complete();
      };
      const connect = async (message) => {
        const bytes = bytesOf(message);
        if (bytes > MAX_BYTES) throw new Error(`The message has ${bytes} bytes, and API Gateway takes ${MAX_BYTES} at most.`);
        const credential = typeof this.credential === 'function' ? await this.credential() : this.credential;
        if (subscriber.closed) return;
        socket = new WebSocket(this.url, protocols(credential));
        socket.onopen = () => socket.send(message);
        socket.onmessage = ({ data }) => {
          try {
            receive(JSON.parse(data));
          } catch {
            fail(`What arrived is no event: ${String(data).slice(0, 200)}`);
          }
        };
        // A browser says no more than this; the log of the function, or of `cargo run`, has the reason.
        socket.onerror = () => fail(`There is no connection to ${this.url}: nobody listens there, or the credential or this page's origin was refused.`);
        socket.onclose = ({ code }) => fail(`The connection was closed (${code}) in mid-run.`);
      };
      // A run that the user stops has ended well.
      this.stop = () => subscriber.complete();
      const message = this.wholeInput ? JSON.stringify(input) : messageOf(input, this.attributes);
      connect(message).catch((error) => subscriber.error(error));
      return () => socket?.close();
    });
  }

  abortRun() {
    this.stop?.();
  }

  clone() {
    const { url, credential, attributes, wholeInput } = this;
    return Object.assign(super.clone(), { url, credential, attributes, wholeInput });
  }
}

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
  return [...calls, ...(waits ? since.filter(({ role }) => role === 'tool') : []), ...messages.slice(prompt, prompt + 1)];
}

function withoutArguments({ id, role, toolCalls }) {
  return { id, role, toolCalls: toolCalls.map((call) => ({ ...call, function: { ...call.function, arguments: '{}' } })) };
}
