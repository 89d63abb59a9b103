// Shows the turns: follows their state, at the pace of a typewriter.

import { button, copy, element, write } from '../lib/dom.js';
import { duration } from '../lib/format.js';
import { t } from '../lib/words.js';
import { MarkdownStream, SLICE } from '../markdown/stream.js';
import { keysOf, markersOf, passageKeys, sourcesOf } from '../relay/citations.js';
import { asksElsewhere, awaitsUser, ELSEWHERE_NOTE, isOpen, notesOf, stoppedNote } from '../relay/turn.js';
import { activityOf } from './activity.js';
import { sentFiles } from './attachments.js';
import { fileCard } from './files.js';
import { promptArticle, ReplacedTurns } from './prompt-actions.js';
import { ReasoningBlock } from './reasoning.js';
import { SourcePreview } from './source-preview.js';
import { toolForm } from './tool-form.js';
import { actions, clock } from './turn-actions.js';
import { failureBox, movedBox, sourceList, timing } from './turn-foot.js';
import { reveal } from './typewriter.js';

/** @import { CitationMarker, Message, Reasoning, Turn } from '../types.d.ts' */
/** @import { TurnActions } from './turn-actions.js' */

/**
 * One message of an answer, as far as it is shown.
 *
 * @typedef {object} AnswerPart
 * @property {MarkdownStream} stream
 * @property {number} shown how much of its text, in UTF-16 units
 * @property {number} due how much is to be shown once it is drawn
 * @property {CitationMarker[]} markers
 * @property {string} cited how many citations the answer had when they were placed, and whether it was at its end
 * @property {number} next when it may be drawn
 * @property {number} finished how much of it was when it was drawn for good
 * @property {boolean} done whether all that was due is drawn
 */

/**
 * The elements of one turn, and how much of its state they show already.
 *
 * @typedef {object} AnswerView
 * @property {HTMLElement} prompt
 * @property {HTMLElement} answer
 * @property {HTMLElement} body
 * @property {HTMLElement} thinking
 * @property {HTMLElement} state
 * @property {HTMLElement} doing
 * @property {HTMLElement} notes
 * @property {HTMLElement} extras
 * @property {HTMLElement} files
 * @property {HTMLElement} foot
 * @property {Map<Message, AnswerPart>} messages
 * @property {Map<Reasoning, ReasoningBlock>} reasoning
 * @property {string} noted
 * @property {number} extra how many citations, files and calls are shown
 * @property {number} events how many events were looked at
 * @property {number} drawn when it was
 * @property {number} grown when text came last
 * @property {string | undefined} ended which end is shown, if any
 * @property {number} restarts how often the turn had been emptied before what is shown
 * @property {boolean} replaced whether it is shown as one whose place an edited prompt took
 */

/** After so much silence in an answer, what the agent is doing is shown again, in milliseconds. */
const SILENCE_MS = 2_500;
/** A longer gap between two pictures does not count: the text that came meanwhile is no backlog. */
const MAX_STEP_MS = 50;
/** Drawing that takes longer than this is done less often, so that the page stays quick. */
const SLOW_MS = 8;
/** What the elements of a turn cost, without its text, in the steps of a `MarkdownStream`. */
const TURN_STEPS = 2_000;

/** The list of turns. */
export class Transcript {
  #list;
  #turnActions;
  #replaced;
  /** @type {Map<Turn, AnswerView>} */
  #views = new Map();
  /** What may still be done for this picture, in the steps of a `MarkdownStream`. */
  steps = 1;
  /** The same at its beginning. */
  #slice = 0;
  /** Whether there is a connection: what does not go on yet is on its way. */
  isConnected = false;
  #still = window.matchMedia('(prefers-reduced-motion: reduce)');

  /**
   * @param {HTMLElement} list
   * @param {TurnActions} turnActions
   */
  constructor(list, turnActions) {
    this.#list = list;
    this.#turnActions = turnActions;
    this.#replaced = new ReplacedTurns(turnActions.forgets);
    const preview = new SourcePreview(list, (mark) => this.#sourceOf(mark));
    list.addEventListener('click', (event) => {
      const { target } = event;
      if (!(target instanceof HTMLButtonElement)) return;
      if (target.matches('.copy-code'))
        void copy(target, target.closest('.code')?.querySelector('pre')?.textContent ?? '');
      if (target.matches('.note-mark')) return showTarget(target, noteOf(target));
      if (!target.matches('.mark') || preview.tapped(target, event)) return;
      preview.hide();
      showTarget(target, target.closest('article')?.querySelectorAll('.sources li')[Number(target.dataset.source) - 1]);
    });
  }

  /** To be called for each picture. @param {boolean} hasMore whether the one before was not enough */
  begin(hasMore) {
    // What may be the first of its kind takes much longer than what goes on: fonts are fetched for it.
    this.#slice = hasMore ? Math.min(SLICE, this.#slice * 4) : SLICE / 16;
    // A hidden page is drawn seldom, and there is nobody to keep waiting.
    this.steps = document.hidden ? SLICE * 10 : this.#slice;
  }

  /**
   * Brings the elements of a turn closer to its state.
   *
   * @param {Turn} turn
   * @param {number} now
   * @param {Turn} [next] the turn that it stands before, if that is there
   * @returns {boolean} whether they are there; else it is to be called again for the next picture
   */
  update(turn, now, next) {
    const view = this.#views.get(turn) ?? this.#add(turn, now, next);
    const isAnew = view.restarts !== turn.restarts;
    // What stood there before a reload stays until as much has come to take its place.
    if (isAnew && isOpen(turn) && lengthOf(turn) < lengthOf({ messages: [...view.messages.keys()] })) {
      showActivity(view, turn, now, this.isConnected);
      return true;
    }
    if (isAnew) empty(view, turn);
    // An end that was drawn may be another one by now: of a gateway that gave up too early, or of a question
    // that was answered.
    if (view.ended !== undefined && view.ended !== endOf(turn)) takeBackEnd(view, turn);
    const extra =
      turn.files.length + turn.calls.length + turn.messages.reduce((sum, { citations }) => sum + citations.length, 0);
    const flush =
      isAnew || turn.restored || !isOpen(turn) || document.hidden || this.#still.matches || extra !== view.extra;
    const elapsed = Math.min(now - view.drawn, MAX_STEP_MS);
    view.drawn = now;
    let complete = true;
    const last = turn.messages.length - 1;
    for (const [index, message] of turn.messages.entries()) {
      showReasoning(view, turn, index);
      // Nothing is typed in two places at once.
      const done = showText(view, turn, message, flush || index < last ? Infinity : elapsed, now, this);
      complete &&= done;
    }
    showReasoning(view, turn, last + 1);
    if (extra !== view.extra) this.#showExtras(view, turn, extra);
    showNotes(view, turn);
    if (!isOpen(turn) && view.ended === undefined && complete) this.#end(view, turn);
    showActivity(view, turn, now, this.isConnected);
    if (turn.replaced && !view.replaced) this.#replaced.add(view.prompt, view.answer);
    view.replaced = turn.replaced === true;
    return complete;
  }

  /** What a mark stands for. @param {HTMLElement} mark */
  #sourceOf(mark) {
    const answer = mark.closest('article');
    const [turn] = [...this.#views].find(([, view]) => view.answer === answer) ?? [];
    return turn && sourcesOf(turn.messages.flatMap(({ citations }) => citations))[Number(mark.dataset.source) - 1];
  }

  /** Shows a source of an answer. @param {Turn} turn @param {number} number from 1 @param {() => void} back what the way back from it does */
  showSource(turn, number, back) {
    const source = this.#views.get(turn)?.answer.querySelectorAll('.sources li')[number - 1];
    if (source instanceof HTMLElement) lead(source, t('Back to the trace'), back);
  }

  clear() {
    this.#views.clear();
    this.#list.replaceChildren();
  }

  /** Says something about the turns before. @param {string} words @param {...HTMLElement} controls */
  note(words, ...controls) {
    this.#list.append(element('p', 'transcript-note', words, ' ', ...controls));
  }

  /** @param {Turn} turn @param {number} now @param {Turn | undefined} next */
  #add(turn, now, next) {
    this.steps -= TURN_STEPS;
    const prompt = promptArticle(turn, this.#turnActions);
    if (turn.attached?.length) prompt.lastChild?.before(sentFiles(turn.attached));
    const [state, doing] = [element('span'), element('span', 'doing')];
    const thinking = element('p', 'thinking', element('span', 'pulse'), state, doing);
    const [body, notes, files, extras, foot] = [
      element('div', 'body'),
      element('ul', 'notes'),
      element('ul', 'files'),
      element('div', 'extras'),
      element('div', 'foot'),
    ];
    files.setAttribute('aria-label', t('Files'));
    notes.hidden = files.hidden = true;
    const answer = element(
      'article',
      'turn agent',
      element('h2', 'visually-hidden', t('Agent')),
      body,
      thinking,
      notes,
      files,
      extras,
      foot,
    );
    answer.setAttribute('aria-label', t('Agent'));
    answer.setAttribute('aria-busy', 'true');

    const before = next && this.#views.get(next)?.prompt;
    // A line that stands for several turns is of them only.
    const place = before?.closest('.replaced') ?? before;
    if (place) {
      for (const part of [prompt, answer]) part.classList.add('early');
      place.before(prompt, answer);
    } else this.#list.append(prompt, answer);
    /** @type {AnswerView} */
    const view = {
      prompt,
      answer,
      body,
      thinking,
      state,
      doing,
      notes,
      extras,
      files,
      foot,
      messages: new Map(),
      reasoning: new Map(),
      noted: '',
      extra: 0,
      events: 0,
      drawn: now,
      grown: now,
      ended: undefined,
      restarts: turn.restarts,
      replaced: false,
    };
    this.#views.set(turn, view);
    return view;
  }

  /** @param {AnswerView} view @param {Turn} turn @param {number} extra */
  #showExtras(view, turn, extra) {
    view.extra = extra;
    view.files.append(...turn.files.slice(view.files.children.length).map(fileCard));
    view.files.hidden = turn.files.length === 0;
  }

  /** @param {AnswerView} view @param {Turn} turn */
  #end(view, turn) {
    view.ended = endOf(turn);
    view.answer.setAttribute('aria-busy', 'false');
    // Not before: below text that grows, the list would move with every line.
    const citations = turn.messages.flatMap((message) => message.citations);
    // A trace has thousands of events: they are looked through only for what is cited.
    const [keys, found] = [keysOf(citations), passageKeys(citations.length > 0 ? turn.events : [])];
    const sources = sourceList(sourcesOf(citations), (number) =>
      found.has(keys[number - 1] ?? '')
        ? [button('quiet small in-trace', t('In the trace'), () => this.#turnActions.showPassage(turn, number))]
        : [],
    );
    view.extras.replaceChildren(sources ?? '');
    const silent = turn.messages.every((message) => message.text === '') && turn.files.length + turn.calls.length === 0;
    if (turn.status === 'done' && silent)
      view.foot.append(element('p', 'empty', t('The agent finished without any text.')));
    if (turn.status === 'stopped') view.foot.append(element('p', 'empty', stoppedNote(turn)));
    if (turn.status === 'moved') view.foot.append(movedBox(turn, this.#turnActions));
    if (turn.failure) view.foot.append(failureBox(turn, turn.failure));
    if (turn.calls.length > 0) view.foot.append(toolForm(turn, (answers) => this.#turnActions.answer(turn, answers)));
    if (asksElsewhere(turn)) view.foot.append(element('p', 'empty', t(ELSEWHERE_NOTE)));
    const { row, box } = actions(turn, this.#turnActions);
    view.foot.append(
      element('div', 'foot-row', row, this.#turnActions.tells ? timing(turn) : '', ...clock(turn.endedOn)),
      box,
    );
  }
}

/**
 * @param {AnswerView} view
 * @param {Turn} turn
 * @param {Message} message
 * @param {number} elapsed since the last picture; without end to show everything
 * @param {number} now
 * @param {{steps: number}} left what may be done, of which is taken what is
 * @returns {boolean} whether all of it is shown
 */
function showText(view, turn, message, elapsed, now, left) {
  let part = view.messages.get(message);
  if (part === undefined) {
    const text = element('div', 'prose');
    part = {
      stream: new MarkdownStream(text),
      shown: 0,
      due: 0,
      markers: [],
      cited: '',
      next: 0,
      finished: -1,
      done: false,
    };
    view.messages.set(message, part);
    view.body.append(text);
  }
  const all = message.citations.length > 0 ? turn.messages.flatMap(({ citations }) => citations) : [];
  // Others of the answer may change the numbers, and more of the text the places.
  const cited = `${all.length} ${!isOpen(turn)}`;
  const ended = !isOpen(turn) && (part.finished !== message.text.length || part.cited !== cited);
  if (!ended && part.done && part.shown === message.text.length && part.cited === cited) return true;
  part.due = elapsed === Infinity ? message.text.length : reveal(message.text, part.due, elapsed);
  if (now < part.next && !ended) return false;
  const before = performance.now();
  if (part.cited !== cited || part.markers.at(-1)?.at === Infinity)
    part.markers = markersOf(message, all, !isOpen(turn));
  part.cited = cited;
  part.shown = part.due;
  const { stream } = part;
  const { steps } = stream;
  part.done = ended
    ? stream.finish(message.text, part.markers, left.steps)
    : stream.grow(message.text.slice(0, part.shown), part.markers, left.steps);
  left.steps -= stream.steps - steps;
  part.finished = ended && part.done ? message.text.length : -1;
  const took = performance.now() - before;
  // What is left of a long text comes with the next picture; the same text again may wait.
  part.next = part.done && took > SLOW_MS ? now + took * 8 : 0;
  view.grown = now;
  return part.done && part.shown === message.text.length;
}

/**
 * Shows what the model thought before one of its messages.
 *
 * @param {AnswerView} view
 * @param {Turn} turn
 * @param {number} before how many messages come before it
 */
function showReasoning(view, turn, before) {
  for (const reasoning of turn.reasoning) {
    // Of what is redacted there is nothing to read.
    if (reasoning.before !== before || reasoning.text === '') continue;
    let block = view.reasoning.get(reasoning);
    if (block === undefined) {
      block = new ReasoningBlock(reasoning);
      view.reasoning.set(reasoning, block);
      view.body.append(block.details);
    }
    block.update(isOpen(turn));
  }
}

/**
 * Says that the agent is at work, on what, and for how long, while there is nothing else to see.
 *
 * @param {AnswerView} view
 * @param {Turn} turn
 * @param {number} now
 * @param {boolean} isConnected
 */
function showActivity(view, turn, now, isConnected) {
  const waits = turn.reconnecting || turn.firstTextAt === undefined || now - view.grown > SILENCE_MS;
  // What is set again to what it was makes a browser work out anew how everything looks.
  view.thinking.toggleAttribute('hidden', !isOpen(turn) || !waits);
  view.body.classList.toggle('growing', isOpen(turn) && !waits);
  if (view.thinking.hidden) return;
  const state = !turn.reconnecting ? t('Thinking') : isConnected ? t('Loading the answer…') : t('Reconnecting…');
  write(view.state, state);
  view.thinking.classList.toggle('reconnecting', turn.reconnecting);
  view.doing.hidden = turn.reconnecting;
  const known = turn.events.slice(view.events).map(activityOf).filter(Boolean).at(-1);
  view.events = turn.events.length;
  if (known !== undefined) view.doing.dataset.activity = known;
  const seconds = Math.floor((now - turn.sentAt) / 1000);
  const words = [view.doing.dataset.activity, seconds > 0 ? duration(seconds * 1000, 0) : '']
    .filter((part) => part && part !== state)
    .join(' · ');
  write(view.doing, words);
}

/**
 * @param {AnswerView} view
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

/** How much text there is. @param {Pick<Turn, 'messages'>} turn */
function lengthOf({ messages }) {
  return messages.reduce((sum, { text }) => sum + text.length, 0);
}

/** Which end of a turn there is to show. @param {Turn} turn */
function endOf(turn) {
  const late = turn.overtaken && awaitsUser(turn);
  return isOpen(turn) ? 'open' : `${turn.status} ${turn.endedAt} ${turn.failure?.code} ${late} ${turn.elsewhere}`;
}

/** What is shown is of before a reload, and comes anew. @param {AnswerView} view @param {Turn} turn */
function empty(view, turn) {
  for (const part of [view.body, view.files, view.extras]) part.replaceChildren();
  Object.assign(view, { messages: new Map(), reasoning: new Map(), extra: 0, events: 0, restarts: turn.restarts });
}

/** @param {AnswerView} view @param {Turn} turn */
function takeBackEnd(view, turn) {
  view.ended = undefined;
  view.answer.setAttribute('aria-busy', String(isOpen(turn)));
  view.foot.replaceChildren();
}

/** The footnote that a mark in the text leads to: the first one of its name. @param {HTMLElement} mark */
function noteOf(mark) {
  return [...(mark.closest('.prose')?.querySelectorAll('.footnote') ?? [])].find(
    (one) => one instanceof HTMLElement && one.dataset.note === mark.dataset.note,
  );
}

/**
 * Leads to a source or a footnote, which is marked until another one is, and offers the way back.
 *
 * @param {HTMLElement} mark
 * @param {Element | undefined} source
 */
function showTarget(mark, source) {
  if (!(source instanceof HTMLElement)) return;
  lead(source, t('Back to the text'), () => {
    mark.focus({ preventScroll: true });
    mark.scrollIntoView({ block: 'center' });
  });
}

/** @param {HTMLElement} source @param {string} words @param {() => void} act goes back */
function lead(source, words, act) {
  for (const shown of source.closest('.transcript')?.querySelectorAll('.shown-source') ?? []) leaveSource(shown);
  source.classList.add('shown-source');
  source.append(
    button('quiet small back', words, () => {
      leaveSource(source);
      act();
    }),
  );
  source.tabIndex = -1;
  source.focus({ preventScroll: true });
  source.scrollIntoView({ block: 'nearest' });
}

/** @param {Element} source */
function leaveSource(source) {
  source.classList.remove('shown-source');
  source.querySelector('.back')?.remove();
}
