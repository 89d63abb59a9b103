// Shows the turns: follows their state, and only ever adds text nodes while an answer streams.

import { sourcesOf } from './citations.js';
import { element } from './dom.js';
import { counted, duration, oneLine } from './format.js';
import { TextFlow } from './text-flow.js';
import { isOpen, notesOf } from './turn.js';

/** @import { Message, Turn } from './turn.js' */

/**
 * The elements of one turn, and how much of its state they show already.
 *
 * @typedef {object} View
 * @property {HTMLElement} answer
 * @property {HTMLElement} body
 * @property {HTMLElement} thinking
 * @property {HTMLElement} notes
 * @property {HTMLElement} foot
 * @property {Map<Message, {flow: TextFlow, shown: number}>} messages
 * @property {string} noted
 * @property {boolean} ended
 */

/** The list of turns. */
export class Transcript {
  #list;
  /** @type {Map<Turn, View>} */
  #views = new Map();

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /**
   * Brings the elements of a turn up to its state.
   *
   * @param {Turn} turn
   */
  update(turn) {
    const view = this.#views.get(turn) ?? this.#add(turn);
    for (const message of turn.messages) showText(view, message);
    showNotes(view, turn);
    if (!isOpen(turn) && !view.ended) showEnd(view, turn);
    if (isOpen(turn) && view.ended) takeBackEnd(view);
    view.thinking.hidden = turn.firstTextAt !== undefined || !isOpen(turn);
  }

  clear() {
    this.#views.clear();
    this.#list.replaceChildren();
  }

  /** @param {Turn} turn */
  #add(turn) {
    const prompt = element('article', 'turn user', element('p', 'visually-hidden', 'You'), element('div', 'text', turn.prompt));
    prompt.setAttribute('aria-label', 'You');

    const thinking = element('p', 'thinking', element('span', 'pulse'), 'Thinking');
    const [body, notes, foot] = [element('div', 'body'), element('ul', 'notes'), element('div', 'foot')];
    notes.hidden = true;
    const answer = element('article', 'turn agent', element('p', 'visually-hidden', 'Agent'), thinking, body, notes, foot);
    answer.setAttribute('aria-label', 'Agent');
    answer.setAttribute('aria-busy', 'true');

    this.#list.append(prompt, answer);
    /** @type {View} */
    const view = { answer, body, thinking, notes, foot, messages: new Map(), noted: '', ended: false };
    this.#views.set(turn, view);
    return view;
  }
}

/**
 * @param {View} view
 * @param {Message} message
 */
function showText(view, message) {
  let part = view.messages.get(message);
  if (part === undefined) {
    const text = element('div', 'text');
    part = { flow: new TextFlow(text), shown: 0 };
    view.messages.set(message, part);
    view.body.append(text);
  }
  if (message.text.length === part.shown) return;
  part.flow.append(message.text.slice(part.shown));
  part.shown = message.text.length;
}

/**
 * @param {View} view
 * @param {Turn} turn
 */
function showNotes(view, turn) {
  const notes = notesOf(turn);
  const noted = notes.join('\n');
  if (noted === view.noted) return;
  view.noted = noted;
  view.notes.hidden = notes.length === 0;
  view.notes.replaceChildren(...notes.map((note) => element('li', '', note)));
}

/**
 * @param {View} view
 * @param {Turn} turn
 */
function showEnd(view, turn) {
  view.ended = true;
  view.answer.setAttribute('aria-busy', 'false');
  const sources = sourceList(turn);
  const failure = failureBox(turn);
  const empty = turn.status === 'done' && turn.messages.every((message) => message.text === '');
  if (empty) view.foot.append(element('p', 'empty', 'The agent finished without any text.'));
  if (sources) view.foot.append(sources);
  if (failure) view.foot.append(failure);
  view.foot.append(timing(turn));
}

/** @param {View} view */
function takeBackEnd(view) {
  view.ended = false;
  view.answer.setAttribute('aria-busy', 'true');
  view.foot.replaceChildren();
}

/** @param {Turn} turn */
function sourceList(turn) {
  const sources = sourcesOf(turn.messages.flatMap((message) => message.citations));
  if (sources.length === 0) return undefined;
  const items = sources.map((source) => {
    const name = source.href === undefined ? element('span', 'source-name', source.label) : link(source.href, source.label);
    if (source.where !== '') name.title = source.where;
    const item = element('li', '', name);
    if (source.excerpt !== '') item.append(element('span', 'excerpt', oneLine(source.excerpt, 220)));
    return item;
  });
  const title = element('h3', '', counted(sources.length, 'source'));
  return element('section', 'sources', title, element('ol', '', ...items));
}

/**
 * @param {string} href
 * @param {string} label
 */
function link(href, label) {
  const made = element('a', 'source-name', label);
  made.href = href;
  made.target = '_blank';
  made.rel = 'noopener noreferrer nofollow';
  return made;
}

/** @param {Turn} turn */
function failureBox(turn) {
  if (turn.failure === undefined) return undefined;
  const { message, code, retryable, source } = turn.failure;
  const interrupted = turn.status === 'interrupted';
  const title = interrupted ? 'Interrupted' : source === 'gateway' ? 'The gateway reported an error' : 'The agent could not finish';
  const box = element('div', `failure${interrupted ? ' interrupted' : ''}`, element('p', 'failure-title', title), element('p', '', message));
  const advice = retryable ? 'Sending the prompt again may help.' : '';
  box.append(element('p', 'failure-code', element('code', '', code), advice));
  box.setAttribute('role', 'alert');
  return box;
}

/** @param {Turn} turn */
function timing(turn) {
  const parts = [];
  if (turn.firstTextAt !== undefined) parts.push(`first token after ${duration(turn.firstTextAt - turn.sentAt)}`);
  if (turn.endedAt !== undefined) {
    const words = turn.status === 'done' ? 'complete' : 'ended';
    parts.push(`${words} after ${duration(turn.endedAt - turn.sentAt)}`);
  }
  const { chunks, frames } = turn.stats ?? {};
  if (chunks !== undefined && frames !== undefined) parts.push(`${counted(chunks, 'chunk')} in ${counted(frames, 'frame')}`);
  return element('p', 'timing', sentence(parts.join(' · ')));
}

/** @param {string} words */
function sentence(words) {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
