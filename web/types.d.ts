// The shapes that modules of the page hand to one another. For editors and `tsc`; browsers never load it.

import type { Fragments } from './relay/fragments.js';
import type { MarkdownStream } from './markdown/stream.js';

/** The page's settings. */
export interface Config {
  /** The WebSocket address of the relay. */
  endpoint: string;
  /** How a reader is let in. */
  access: 'open' | 'code' | 'oidc';
  /** Whose tokens are taken, with `oidc`. */
  issuer?: string | undefined;
  /** Whom they must be made out for, with `oidc`. */
  audience?: string | undefined;
  /** Whether the relay hands out traces. */
  allowTrace: boolean;
  /** Prompts offered in an empty chat. */
  suggestions: string[];
}

/**
 * `waiting` means that the last attempt failed and the next one comes by itself; `asleep` that it comes
 * once the tab is looked at, so that a forgotten tab does not reconnect after each idle time-out.
 */
export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'asleep';

/** Who hears of a connection. */
export interface Listener {
  /** With the failed attempts in a row. */
  stateChanged(state: ConnectionState, failures: number): void;
  received(text: string): void;
  /** An open connection, with its close code. */
  closed(code: number): void;
  /** A handshake, with the failures in a row. */
  failed(failures: number): void;
}

/** What a connection needs of the browser; tests hand in their own. */
export interface Environment {
  WebSocket: new (url: string, protocols: string[]) => WebSocket;
  /** Whether nobody looks at the page. */
  hidden(): boolean;
  /** From 0 up to, not including, 1. */
  random(): number;
}

/**
 * How far a turn is: sent but not yet heard of, running, or over in one of four ways. `interrupted`
 * means that the connection closed first: whether the agent finished is not known. `stopped` is the
 * reader's doing.
 */
export type Status = 'sent' | 'running' | 'done' | 'failed' | 'interrupted' | 'stopped';

/** One message of the agent. A turn mostly has one. */
export interface Message {
  id: string;
  /** What has arrived so far; it only grows. */
  text: string;
  /** As Bedrock sent them. */
  citations: unknown[];
}

/** One event that is not text: a trace, or something this page has no better place for. */
export interface AgentEvent {
  /** When it arrived. */
  at: number;
  /** `bedrock-agent`, `relay`, or the type of the frame. */
  source: string;
  /** The JSON as it came. */
  event: unknown;
}

/** Why a turn ended without success. */
export interface Failure {
  /** A sentence for the reader. */
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
}

/** An action that the agent hands to the reader. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON. */
  arguments: string;
  /** Whether the reader has to confirm it. */
  asks: boolean;
  /** Whether its result is wanted; of an action that is to be confirmed, only then. */
  returns: boolean;
}

/** What came of such an action: its result, or whether it is confirmed, or both. */
export interface ToolAnswer {
  id: string;
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
}

/** A prompt and all that came of it. */
export interface Turn {
  runId: string;
  prompt: string;
  /** To the tool calls before; with them, the prompt only says so in words. */
  answers: ToolAnswer[];
  /** Whether traces were asked for. */
  trace: boolean;
  status: Status;
  messages: Message[];
  events: AgentEvent[];
  files: AgentFile[];
  calls: ToolCall[];
  /** Whether the reader answered the calls. */
  answered: boolean;
  /** Whether a guardrail did. */
  intervened: boolean;
  /** Tokens. */
  usage: { input: number; output: number } | undefined;
  failure: Failure | undefined;
  /** What the relay counted. */
  stats: { chunks: number | undefined; frames: number | undefined } | undefined;
  sentAt: number;
  firstTextAt: number | undefined;
  endedAt: number | undefined;
  /** The sequence number that the next frame should have. */
  nextSeq: number;
  /** Frames that never came. */
  missing: number;
  /** Frames that came and made no sense. */
  unreadable: number;
  /** What the gateway said before the answer came all the same. */
  gatewayMessage: string | undefined;
  fragments: Fragments;
}

/**
 * What a frame did: the turn that it changed, or a problem that belongs to no turn, or neither (a
 * duplicate, or a late frame of a run that is over).
 */
export interface Change {
  turn?: Turn;
  problem?: string;
}

/** How long the browser remembers: as long as the tab, reloads included, or for all tabs and visits. */
export type Span = 'tab' | 'local';

/** What a user can do with a turn. */
export interface TurnActions {
  retry(turn: Turn): void;
  answer(turn: Turn, answers: ToolAnswer[]): boolean;
}

/** A reference at a place of the source text: the numbers of the sources that what stands before rests on. */
export interface CitationMarker {
  at: number;
  numbers: number[];
}

/** Link definitions by their label, as marked keeps them. */
export type Links = Record<string, { href: string; title: string | null }>;

/** What the trace viewer needs to know of a turn. */
export type Trace = Pick<Turn, 'prompt' | 'status' | 'events' | 'failure' | 'sentAt' | 'firstTextAt' | 'endedAt'>;

/** The kinds of steps. */
export type Kind =
  | 'pre-processing'
  | 'routing'
  | 'rationale'
  | 'model'
  | 'knowledge-base'
  | 'action-group'
  | 'return-control'
  | 'code'
  | 'collaborator'
  | 'guardrail'
  | 'reprompt'
  | 'post-processing'
  | 'answer'
  | 'custom'
  | 'failure'
  | 'unknown';

/** What one trace event says. */
export interface TraceInfo {
  kind: Kind;
  /** One line. */
  name: string;
  /** Which phase of a step begins or ends with this event; unset when the step has only this one. */
  phase?: string;
  /** Whether the phase ends with it. */
  output?: boolean;
  /** The innermost object. */
  body: unknown;
  status?: 'failed' | 'intervened';
  /** Why, one line. */
  reason?: string;
}

/** `unfinished` means that the turn was stopped or interrupted before the step's end was heard of. */
export type StepStatus = 'running' | 'done' | 'failed' | 'intervened' | 'unfinished';

/** What the agent did at one time: an input and its output are one step. */
export interface Step {
  /** Counts from 0 in the order of appearance. */
  id: number;
  kind: Kind;
  /** One line. */
  name: string;
  status: StepStatus;
  /** Why it failed, one line. */
  reason: string | undefined;
  start: number;
  /** Undefined while it runs. */
  end: number | undefined;
  /** Undefined while it runs, and for what has none, such as a rationale. */
  duration: number | undefined;
  /** Whether the times come from when the events were sent or arrived. */
  estimated: boolean;
  tokens: { input: number; output: number } | undefined;
  /** The collaborator's step that it belongs to. */
  parent: Step | undefined;
  children: Step[];
  events: AgentEvent[];
}

/** One message of an answer, as far as it is shown. */
export interface AnswerPart {
  stream: MarkdownStream;
  /** How much of its text, in UTF-16 units. */
  shown: number;
  /** How much is to be shown once it is drawn. */
  due: number;
  markers: CitationMarker[];
  /** How many citations they stand for. */
  cited: number;
  /** When it may be drawn. */
  next: number;
}

/** The elements of one turn, and how much of its state they show already. */
export interface AnswerView {
  answer: HTMLElement;
  body: HTMLElement;
  thinking: HTMLElement;
  doing: HTMLElement;
  notes: HTMLElement;
  extras: HTMLElement;
  files: HTMLElement;
  foot: HTMLElement;
  messages: Map<Message, AnswerPart>;
  noted: string;
  /** How many citations, files and calls are shown. */
  extra: number;
  /** How many events were looked at. */
  events: number;
  /** When it was. */
  drawn: number;
  /** When text came last. */
  grown: number;
  ended: boolean;
}
