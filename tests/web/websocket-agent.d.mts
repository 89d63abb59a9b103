import { AbstractAgent, type AgentConfig, type RunAgentInput } from '@ag-ui/client';

export interface WebSocketAgentConfig extends AgentConfig {
  /** Where the relay listens: `wss://…`, or `ws://127.0.0.1:8080/local` for `cargo run`. */
  url: string;
  /** The access code or the user's token. A function is asked before each run, so that a token can be renewed. */
  credential?: string | (() => string | Promise<string>) | undefined;
  /** Whether the context goes to the agent as attributes, which an AgentCore harness does not take. */
  attributes?: boolean | undefined;
  /** Whether all that AG-UI has is sent, as an agent on an AgentCore runtime wants it: history, tools, state and context. */
  wholeInput?: boolean | undefined;
}

export declare class WebSocketAgent extends AbstractAgent {
  url: string;
  credential: WebSocketAgentConfig['credential'];
  attributes: boolean;
  wholeInput: boolean;
  constructor(config: WebSocketAgentConfig);
  run(input: RunAgentInput): ReturnType<AbstractAgent['run']>;
  clone(): WebSocketAgent;
}
