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
      socket.onopen = () => socket.send(JSON.stringify({ ...input, messages: latest(input.messages, input.resume) }));
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

/** The results at the end, or else the last prompt: Bedrock keeps the history. */
function latest(messages, resume) {
  const results = messages.slice(messages.findLastIndex(({ role }) => role !== 'tool') + 1);
  if (results.length > 0) return results;
  const prompt = messages.findLastIndex(({ role }) => role === 'user');
  if (!resume?.length) return messages.slice(prompt, prompt + 1);
  const call = messages.findLastIndex(({ toolCalls }) => toolCalls?.length > 0);
  if (call > prompt) return [];
  // The user said something instead of confirming. The relay knows that by the call before it, however long that was.
  return [...messages.slice(call, call + 1).map(withoutArguments), ...messages.slice(prompt, prompt + 1)];
}

function withoutArguments({ id, role, toolCalls }) {
  return { id, role, toolCalls: toolCalls.map((call) => ({ ...call, function: { ...call.function, arguments: '{}' } })) };
}
