import { useState } from 'react';
import { at, textAt, visible } from './shown';
import type { TraceEvent } from './useRunEvents';

/** What is shown of one event's JSON, in UTF-16 units; a model's prompt can have hundreds of thousands. */
const MOST_SHOWN = 200_000;

/** What holds another step. */
const NESTED =
  /^(?:(?:orchestration|preProcessing|postProcessing|routingClassifier)Trace|invocationInput|observation)$/;

/** The steps of a run (`RAW` events), each with its JSON to unfold. They are there where the trace is asked for and allowed. */
export function Trace({ trace }: { trace: readonly TraceEvent[] }) {
  if (trace.length === 0) return null;
  return (
    <details className="relay-trace">
      <summary>Trace: {trace.length === 1 ? '1 event' : `${trace.length} events`}</summary>
      <ol>
        {trace.map((event, index) => (
          // The list only grows at its end, so an event's place is its key.
          <Step key={index} event={event} />
        ))}
      </ol>
    </details>
  );
}

function Step({ event }: { event: TraceEvent }) {
  // What nobody looks at is not laid out.
  const [isOpen, setOpen] = useState(false);
  const { name, agent, words } = stepOf(event);
  return (
    <li>
      <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>
          {visible(agent ? `${agent} – ${name}` : name)}
          {words && <q>{visible(words)}</q>}
        </summary>
        {isOpen && <pre>{jsonOf(event.event)}</pre>}
      </details>
    </li>
  );
}

/** What an event is about, also one of a type that does not exist yet. */
function stepOf({ source, event }: TraceEvent) {
  const part = at(event, 'trace');
  // The trace of a Bedrock agent is nested: the kind of trace, the phase of a step, and for two of these what they hold.
  const names: string[] = [];
  let body: unknown = at(part, 'trace') ?? event;
  while (names.length === 0 || NESTED.test(names.at(-1) ?? '')) {
    const members = Object.entries(isObject(body) ? body : {});
    // Beside a step may stand its id, its time and the like.
    const member = members.find(([, value]) => isObject(value)) ?? (names.length === 0 ? members[0] : undefined);
    if (!member) break;
    names.push(member[0]);
    body = member[1];
  }
  return {
    name: names.length > 0 ? names.slice(-2).map(inWords).join(': ') : source || 'Event',
    agent: textAt(part, 'collaboratorName'),
    words: names.at(-1) === 'rationale' ? textAt(body, 'text') : textAt(body, 'failureReason'),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `modelInvocationInput` is "Model invocation input", and `failureTrace` "Failure". */
function inWords(name: string): string {
  const words = name
    .replace(/(?<=.)Trace$/, '')
    .replace(/(?<=[a-z\d])[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function jsonOf(event: unknown): string {
  const json = JSON.stringify(event, null, 2) ?? '';
  const shown = visible(json.slice(0, MOST_SHOWN));
  return json.length > MOST_SHOWN ? `${shown}\n… and ${json.length - MOST_SHOWN} characters more` : shown;
}
