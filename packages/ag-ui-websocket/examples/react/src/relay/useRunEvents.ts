import type { AbstractAgent } from '@ag-ui/client';
import { useEffect, useState } from 'react';
import { listAt, textAt } from './shown';

/** A file that the agent made. */
export interface AgentFile {
  name: string;
  /** Its media type, as the agent says. */
  type: string;
  /** Base64. */
  bytes: string;
}

/** An event of the agent in its own JSON. */
export interface TraceEvent {
  /** Who says it: `bedrock-agent`, `agentcore-harness` or `agentcore-runtime`. */
  source: string;
  event: unknown;
}

/** What a run has beside its text, in the order of its arrival. */
export interface RunEvents {
  files: readonly AgentFile[];
  /** Citations of Bedrock: what is cited in `generatedResponsePart`, and from where in `retrievedReferences`. */
  citations: readonly unknown[];
  trace: readonly TraceEvent[];
}

const NONE: RunEvents = { files: [], citations: [], trace: [] };

/** Files, citations and trace of each run that the agent has had since it is shown, by the run's id. */
export function useRunEvents(agent: AbstractAgent): ReadonlyMap<string, RunEvents> {
  const [runs, setRuns] = useState<ReadonlyMap<string, RunEvents>>(new Map());
  useEffect(() => {
    const change = (runId: string, change: (run: RunEvents) => Partial<RunEvents>) =>
      setRuns((before) => {
        const run = before.get(runId) ?? NONE;
        return new Map(before).set(runId, { ...run, ...change(run) });
      });
    const { unsubscribe } = agent.subscribe({
      onCustomEvent({ event: { name, value }, input: { runId } }) {
        if (name === 'bedrock.file') {
          const file = fileOf(value);
          if (file) change(runId, ({ files }) => ({ files: [...files, file] }));
        } else if (name === 'bedrock.citations') {
          change(runId, ({ citations }) => ({ citations: [...citations, ...listAt(value, 'citations')] }));
        }
      },
      onRawEvent({ event: { source = '', event }, input: { runId } }) {
        // The relay itself says only that it is there.
        if (source !== 'relay') change(runId, ({ trace }) => ({ trace: [...trace, { source, event }] }));
      },
    });
    return () => {
      unsubscribe();
      setRuns(new Map());
    };
  }, [agent]);
  return runs;
}

function fileOf(value: unknown): AgentFile | undefined {
  const [name, type, bytes] = [textAt(value, 'name'), textAt(value, 'type'), textAt(value, 'bytes')];
  return bytes === undefined ? undefined : { name: name ?? '', type: type ?? '', bytes };
}
