// The shapes that the folders of the page hand to one another; others stand beside their use. For editors and
// `tsc`: browsers never load it.

import type { Translation } from './lib/words.js';
import type { Fragments } from './relay/fragments.js';

/** Dollars for a million tokens, by the beginning of a model's id. Without a price of their own, tokens that a cache had a part in cost as much as others of the input. */
export type Prices = Record<
  string,
  { input: number; output: number; cached?: number | undefined; cacheWrite?: number | undefined }
>;

/** The page's settings. */
export interface Config {
  /** The WebSocket address of the relay. */
  endpoint: string;
  /** What a connection needs: nothing, an access code, or a token. */
  access: 'open' | 'code' | 'oidc';
  /** Who issues the tokens, with `oidc`. */
  issuer?: string | undefined;
  /** The audience that they must name, with `oidc`. */
  audience?: string | undefined;
  /** Whether the relay hands out traces. */
  allowTrace: boolean;
  /** What is offered in an empty chat. */
  starters: Starter[];
  /** What models cost, by the beginnings of their ids. */
  prices: Prices;
  /** The longest silence of the relay while an answer runs, in seconds. */
  keepaliveSeconds: number;
  /** What the page is called. */
  title: string | undefined;
  /** The address of an image on the page's own server. */
  logo: string | undefined;
  /** The colour of what can be pressed, on light and dark, as `#rrggbb`. */
  colours: { light?: string | undefined; dark?: string | undefined };
  /** The headline of an empty chat. */
  greeting: string | undefined;
  /** The sentences below it. */
  introduction: string | undefined;
  /** A line below the prompt box, with links as in Markdown. */
  footer: string | undefined;
  /** Of the interface, as BCP 47 has it. */
  language: string;
  /** The words of the interface by the English ones. */
  strings: Map<string, Translation>;
  /** Where votes on answers are sent. */
  votes: string | undefined;
  /** Whether the times and counts of a turn stand below it: where traces are allowed, or in any case. */
  telemetry: 'with-trace' | 'always' | 'never';
  /** The files that can go with a prompt; none where the agent takes none. */
  files?: FileLimits | undefined;
  /** Of the relay: `0.2.0`. */
  version: string | undefined;
  /** What is wrong with the settings, in sentences. */
  notes: string[];
}

/** A prompt that an empty chat offers. */
export interface Starter {
  title: string;
  explanation: string | undefined;
  prompt: string;
}

/** How many files can go with a prompt. */
export interface FileLimits {
  maxFiles: number;
  /** All of them together. */
  maxBytes: number;
  /** Whether the relay takes them in pieces; else all of them go in the message with the prompt. */
  uploads: boolean;
}

/** A file as a message names it: with the id of its upload, or its base64. */
export interface AttachedFile {
  name: string;
  type: string;
  upload?: string;
  data?: string;
}

/** What is shown of a file that was sent. */
export interface SentFile {
  name: string;
  type: string;
  bytes: number;
}

/**
 * `waiting` means that the last attempt failed and the next one comes by itself; `asleep` that it comes
 * once the tab is looked at, so that a forgotten tab does not reconnect after each idle time-out.
 */
export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'asleep';

/**
 * How far a turn is: sent without a frame yet, running, or over in one of five ways. `interrupted`
 * means that the connection closed first: whether the agent finished is not known. `stopped` is the
 * user's doing. `moved` means that it goes on in another window, which joined it.
 */
export type Status = 'sent' | 'running' | 'done' | 'failed' | 'interrupted' | 'stopped' | 'moved';

/** One message of the agent. A turn mostly has one. */
export interface Message {
  id: string;
  /** What has arrived so far; it only grows. */
  text: string;
  /** As Bedrock sent them. */
  citations: unknown[];
}

/** What a model thought before it spoke or called a tool. */
export interface Reasoning {
  id: string;
  /** What has arrived so far; it only grows. */
  text: string;
  /** How many messages there were before it. */
  before: number;
  startedAt: number;
  endedAt: number | undefined;
  /** Whether it began or ended before it came, so that how long it took is not known. */
  late?: boolean;
}

/** One event that is not text: a trace, or something this page has no better place for. */
export interface AgentEvent {
  /** When it arrived. */
  at: number;
  /** `bedrock-agent`, `agentcore-harness`, `agentcore-runtime`, or the type of the frame. */
  source: string;
  /** What it says, its numbers as JavaScript holds them. */
  event: unknown;
  /** The frame that it came in, of which the event is what stands at `path`: there its numbers have all their digits. */
  json?: string;
  path?: string[];
  /** Whether it came at once with others after a join: when it was sent is not known. */
  late?: boolean;
}

/** Why a turn ended without success. */
export interface Failure {
  /** A sentence for the user. */
  message: string;
  /** Stable, for machines and support. */
  code: string;
  retryable: boolean;
  /** Who reported it. */
  source: 'relay' | 'gateway' | 'connection';
}

/** A file that the agent made. */
export interface AgentFile {
  /** As the agent calls it. */
  name: string;
  /** Its media type. */
  type: string;
  /** Base64. */
  bytes: string;
  /** How many bytes it had that were not kept over a reload. */
  dropped?: number;
}

/** An action that the agent hands to the user. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON. */
  arguments: string;
  /** Whether the user has to confirm it. */
  asks: boolean;
  /** Whether its result is wanted; of an action that is to be confirmed, only then. */
  returns: boolean;
  /** The question of an agent that speaks AG-UI, about this call or by itself. */
  interrupt?: Interrupt;
  /** What the user did about it; it is withdrawn by another prompt. */
  reply?: ToolAnswer | 'withdrawn';
  /** The result as far as it is typed. */
  draft?: string;
}

/** A question that ends a run, and what its answer must be. */
export interface Interrupt {
  id: string;
  message: string | undefined;
  /** The members of the answer, as far as they have names. */
  names: string[];
  /** The type of the only member, or of the answer as a whole. */
  type: string | undefined;
  /** What it can be, where it is one of several texts. */
  choices?: string[];
}

/** What came of such an action: its result, or whether it is confirmed, or both. */
export interface ToolAnswer {
  id: string;
  /** The answer to an interrupt, as AG-UI has it. */
  resume?: { interruptId: string; status: 'resolved' | 'cancelled'; payload?: unknown };
  content?: string;
  failed?: boolean;
  confirmed?: boolean | undefined;
}

/** Something that an answer rests on. */
export interface Source {
  /** What to call it: the file's or page's name. */
  label: string;
  /** Its full address or id; empty when Bedrock gave none. */
  where: string;
  /** Only for http and https. */
  href: string | undefined;
  /** The passage that was used. */
  excerpt: string;
  /** How well it fits the question, where the agent tells. */
  score?: number | undefined;
}

/** A prompt and all that came of it. */
export interface Turn {
  runId: string;
  prompt: string;
  /** To the tool calls before; with them, the prompt only says so in words. */
  answers: ToolAnswer[];
  /** The files that went with the prompt. */
  attached?: SentFile[];
  /** Whether traces were asked for. */
  trace: boolean;
  /** With it the run is joined over another connection, and stopped; none where the relay keeps no runs. */
  key: string | undefined;
  status: Status;
  /** Whether its connection was lost, until the next frame comes over another one. */
  reconnecting: boolean;
  /** When it went on last after it was joined: what had been said meanwhile comes then at once. */
  resumedAt?: number;
  /** How often it was joined since its last frame. */
  joins: number;
  /** How often it was emptied, to come anew from its beginning. */
  restarts: number;
  messages: Message[];
  reasoning: Reasoning[];
  events: AgentEvent[];
  files: AgentFile[];
  /** What is the user's to do. */
  calls: ToolCall[];
  /** Calls of which it is not known yet who carries them out, with their frames: it is the user once the run is over. */
  openCalls: { call: ToolCall; events: AgentEvent[] }[];
  /** What kind of agent answers, as far as its events tell: their source. */
  agent: string | undefined;
  /** Why its model stopped, where it tells. */
  stopReason: string | undefined;
  /** Whether another turn came after it, so that its calls cannot be answered any more. */
  overtaken: boolean;
  /** Whether it is as it was kept: its events are read when they are looked at. */
  restored?: boolean;
  /** How many events of it the browser has kept, where they were not read yet. */
  keptEvents?: number | undefined;
  /** Whether there was no room for all of its events. */
  traceCut?: boolean;
  /** Whether the conversation that it is of is another window's: only there its calls can be answered. */
  elsewhere?: boolean;
  /** Whether not all of its text and passages were kept over a reload. */
  cut?: boolean;
  /** Whether a guardrail did. */
  intervened: boolean;
  /** Tokens. */
  usage: { input: number; output: number; cached: number } | undefined;
  failure: Failure | undefined;
  /** What the relay counted. */
  stats: { chunks: number | undefined; frames: number | undefined } | undefined;
  /** What the user said of the answer, as it arrived where votes are sent. */
  vote?: 'up' | 'down' | undefined;
  /** Whether an edited prompt took the place of it, or of one before it. */
  replaced?: boolean;
  /** When it was sent and when it ended, in milliseconds since 1970: for readers. */
  sentOn?: number;
  endedOn?: number;
  sentAt: number;
  firstTextAt: number | undefined;
  endedAt: number | undefined;
  /** The sequence number that the next frame should have. */
  nextSeq: number;
  /** Frames that never came. */
  missing: number;
  /** The frame for which the run was joined again, since it and others had not come. */
  missedSeq: number | undefined;
  /** Frames that came and made no sense. */
  unreadable: number;
  /** What the gateway said before the answer came all the same. */
  gatewayMessage: string | undefined;
  fragments: Fragments;
}

/** A reference at a place of the source text: the numbers of the sources that what stands before rests on. */
export interface CitationMarker {
  at: number;
  numbers: number[];
}
