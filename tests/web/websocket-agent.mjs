import { AbstractAgent } from '@ag-ui/client';
import { Observable } from 'rxjs';

/** An AG-UI agent behind Agent Relay: `new WebSocketAgent({ url, credential })`, one connection for each run. */
export class WebSocketAgent extends AbstractAgent {
  constructor({ url, credential, ...config }) {
    super(config);
    Object.assign(this, { url, credential });
  }

  run(input) {
    return new Observable((subscriber) => {
      const socket = new WebSocket(this.url, protocols(this.credential));
      const fail = (reason) => subscriber.error(new Error(reason));
      const pieces = [];
      let expected = 0;
      this.stop = () => subscriber.error(new DOMException('The run was stopped.', 'AbortError'));
      socket.onopen = () => socket.send(JSON.stringify({ ...input, messages: latest(input) }));
      socket.onmessage = ({ data }) => {
        let event = JSON.parse(data);
        // API Gateway's own messages have no type: it was too busy, or could not call the function.
        if (!event.type) return fail(event.message);
        // A frame can arrive twice, since API Gateway's answer to a post can be lost.
        const { seq } = event.metadata.relay;
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
      socket.onerror = () => fail(`There is no connection to ${this.url}.`);
      socket.onclose = ({ code }) => fail(`The connection was closed (${code}) in mid-run.`);
      return () => socket.close();
    });
  }

  abortRun() {
    this.stop?.();
  }

  clone() {
    return Object.assign(super.clone(), { url: this.url, credential: this.credential });
  }
}

/** An access code or a token travels as a subprotocol, since addresses end up in logs. */
function protocols(credential) {
  if (!credential) return [];
  const binary = String.fromCharCode(...new TextEncoder().encode(credential));
  return ['agent-relay', `token.${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`];
}

/** The last prompt, or the last results: Bedrock keeps the history, and a frame has 32 KiB at most. */
function latest({ messages }) {
  const before = messages.at(-1)?.role === 'tool' ? 'assistant' : 'user';
  return messages.slice(messages.findLastIndex(({ role }) => role === before));
}
