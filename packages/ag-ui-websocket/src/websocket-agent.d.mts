import { AbstractAgent, type AgentCapabilities, type AgentConfig, type RunAgentInput } from '@ag-ui/client';

export interface WebSocketAgentConfig extends AgentConfig {
  /** Where the relay listens: `wss://…`, or `ws://127.0.0.1:8080/local` for `cargo run`. */
  url: string;
  /** The access code or the user's token. A function is asked before each run, so that a token can be renewed. */
  credential?: string | (() => string | Promise<string>) | undefined;
  /** Whether the context goes to the agent as attributes, which an AgentCore harness does not take. */
  attributes?: boolean | undefined;
  /** Whether all that AG-UI has is sent, as an agent on an AgentCore runtime wants it: history, tools, state and context. */
  wholeInput?: boolean | undefined;
  /** Where the keys of runs are kept for a reload, such as `localStorage`; `sessionStorage` if it is not given, and nowhere if it is null. */
  storage?: RunKeyStorage | null | undefined;
  /** How many connections may be lost one after the other before a run fails: 8. */
  reconnectAttempts?: number | undefined;
  /** How long the first of them waits, in milliseconds, and each one twice as long as that before it: 500. */
  reconnectDelay?: number | undefined;
  /** After how many milliseconds without a frame a connection counts as lost: 40,000, since the relay says something every 25 seconds. */
  silenceTimeout?: number | undefined;
}

/** What is used of the Web Storage interface. */
export interface RunKeyStorage {
  getItem(name: string): string | null;
  setItem(name: string, key: string): void;
}

export declare class WebSocketAgent extends AbstractAgent {
  url: string;
  credential: WebSocketAgentConfig['credential'];
  attributes: boolean;
  wholeInput: boolean;
  storage: RunKeyStorage | null;
  reconnectAttempts: number;
  reconnectDelay: number;
  silenceTimeout: number;
  constructor(config: WebSocketAgentConfig);
  run(input: RunAgentInput): ReturnType<AbstractAgent['run']>;
  protected connect(input: RunAgentInput): ReturnType<AbstractAgent['run']>;
  getCapabilities(): Promise<AgentCapabilities>;
  clone(): WebSocketAgent;
}
