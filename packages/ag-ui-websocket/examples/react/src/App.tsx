import { WebSocketAgent } from '@agent-relay/ag-ui-websocket';
import { type FormEvent, useState } from 'react';
import { Citations } from './relay/Citations';
import { Files } from './relay/Files';
import { Trace } from './relay/Trace';
import { useRunEvents } from './relay/useRunEvents';

const agent = new WebSocketAgent({ url: 'ws://127.0.0.1:8080/local' });

interface Turn {
  runId: string;
  prompt: string;
  answer: string;
  error?: string;
}

export default function App() {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [prompt, setPrompt] = useState('');
  const [isRunning, setRunning] = useState(false);
  const runs = useRunEvents(agent);

  async function ask(event: FormEvent) {
    event.preventDefault();
    if (isRunning || prompt.trim() === '') return;
    const runId = crypto.randomUUID();
    const change = (change: (turn: Turn) => Partial<Turn>) =>
      setTurns((all) => all.map((turn) => (turn.runId === runId ? { ...turn, ...change(turn) } : turn)));
    setTurns((all) => [...all, { runId, prompt, answer: '' }]);
    setPrompt('');
    setRunning(true);
    agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: prompt });
    try {
      await agent.runAgent(
        { runId, forwardedProps: { trace: true } },
        {
          onTextMessageContentEvent: ({ event: { delta } }) => change(({ answer }) => ({ answer: answer + delta })),
          onRunErrorEvent: ({ event: { message } }) => change(() => ({ error: message })),
        },
      );
    } catch (error) {
      change((turn) => ({ error: turn.error ?? String(error) }));
    } finally {
      setRunning(false);
    }
  }

  return (
    <main>
      {turns.map(({ runId, prompt, answer, error }) => {
        const { files, citations, trace } = runs.get(runId) ?? { files: [], citations: [], trace: [] };
        return (
          <article key={runId}>
            <h2>{prompt}</h2>
            <p className="answer">{answer}</p>
            {error && <p role="alert">{error}</p>}
            <Files files={files} />
            <Citations citations={citations} />
            <Trace trace={trace} />
          </article>
        );
      })}
      <form onSubmit={ask}>
        <input
          aria-label="Prompt"
          placeholder="Ask the agent"
          value={prompt}
          onChange={(event) => setPrompt(event.target.value)}
        />
        {isRunning ? (
          <button type="button" onClick={() => agent.abortRun()}>
            Stop
          </button>
        ) : (
          <button type="submit">Send</button>
        )}
      </form>
    </main>
  );
}
