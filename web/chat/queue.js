// Prompts that were sent while an answer ran: they wait for its end, in their order, above the prompt box. Nothing
// is sent without a word after a failure, a stop or a reload: then they stay until the user says so.

import { announce, button, byId, element, iconButton, write } from '../lib/dom.js';
import { oneLine } from '../lib/format.js';
import { getList, parseJson } from '../lib/json.js';
import { visible } from '../lib/visible.js';
import { t } from '../lib/words.js';
import { isCut, isOpen } from '../relay/turn.js';
import { draftOf, keepDraft } from './drafts.js';

/** @import { Turn } from '../types.d.ts' */

const MAX_PROMPTS = 10;
const CROSS = 'M5 5l10 10M15 5L5 15';
const PENCIL = 'M4 16l.9-3.6 8.2-8.2a1.6 1.6 0 0 1 2.2 0l.5.5a1.6 1.6 0 0 1 0 2.2l-8.2 8.2z';

/**
 * @typedef {object} QueueActions
 * @property {() => string} thread the id of the conversation
 * @property {() => Turn | undefined} last turn of the conversation
 * @property {() => boolean} isConnected
 * @property {(prompt: string, isAsked: boolean) => string} send at once, for its turn has come or the user asks for it; gives why it could not be sent, or an empty text
 * @property {(prompt: string) => void} edit takes it back into the prompt box
 * @property {() => void} rest puts the focus where it belongs when its control is gone
 */

/** The prompts that wait. */
export class Queue {
  #actions;
  /** @type {string[]} */
  #prompts = [];
  #list = element('ol');
  #why = element('p', 'queue-why');
  #now = button('quiet small', t('Send now'), () => this.#sendNow());
  #box = element('section', 'queue', element('div', 'queue-head', this.#why, this.#now), this.#list);
  /** Why nothing goes out until the user says so. */
  #held = '';

  /** @param {QueueActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#box.setAttribute('aria-label', t('Queued prompts'));
    byId('composer', HTMLElement).firstElementChild?.prepend(this.#box);
    this.open();
  }

  /** Shows the queue of the conversation that is there now. */
  open() {
    this.#prompts = getList({ kept: parseJson(draftOf(this.#name) ?? '[]') }, 'kept').map(String);
    const last = this.#actions.last();
    this.#held = last === undefined || !isOpen(last) ? t('Not sent: the conversation was left before.') : '';
    this.#draw();
  }

  get #name() {
    return `queue ${this.#actions.thread()}`;
  }

  /** Gives why a prompt cannot wait here, or an empty text. @param {string} prompt */
  add(prompt) {
    if (this.#prompts.length >= MAX_PROMPTS)
      return t('{count} prompts wait already. Wait for the answer, or take one of them back.', { count: MAX_PROMPTS });
    // What waits goes out before it, once more in its turn.
    this.#held = '';
    this.#prompts.push(prompt);
    this.#draw();
    announce(t('Queued: it is sent when the answer is complete.'));
    return '';
  }

  /** To be called whenever something changed: sends the next prompt where the one before was answered. */
  update() {
    const [next] = this.#prompts;
    if (next === undefined) return;
    const why = this.#obstacle();
    if (why === '') {
      this.#held = this.#actions.send(next, false);
      if (this.#held === '') this.#take(0);
    }
    this.#explain();
  }

  /** What the next prompt waits for, or an empty text. */
  #obstacle() {
    const last = this.#actions.last();
    if (this.#held !== '') return this.#held;
    if (last === undefined) return '';
    if (isOpen(last)) return t('Sent when the answer is complete.');
    if (last.status === 'stopped') return t('Not sent: you stopped the answer.');
    if (last.status === 'moved') return t('Not sent: the answer goes on in another window.');
    if (last.status !== 'done')
      return isCut(last) ? t('Not sent: the answer was cut short.') : t('Not sent: the answer before it failed.');
    if (!last.overtaken && last.calls.some(({ reply }) => reply === undefined))
      return t('Waits: the agent asks you for something first.');
    return this.#actions.isConnected() ? '' : t('Sent when the page is connected again.');
  }

  #sendNow() {
    const [next] = this.#prompts;
    if (next === undefined) return;
    const problem = this.#actions.send(next, true);
    if (problem === '') {
      this.#held = '';
      this.#take(0);
    } else this.#explain(problem);
    this.#actions.rest();
  }

  /** @param {number} index */
  #take(index) {
    const [taken = ''] = this.#prompts.splice(index, 1);
    this.#draw();
    return taken;
  }

  #draw() {
    keepDraft(this.#name, this.#prompts.length === 0 ? '' : JSON.stringify(this.#prompts));
    this.#list.replaceChildren(
      ...this.#prompts.map((prompt, index) => {
        const place = { number: index + 1 };
        const edit = iconButton(t('Edit queued prompt {number}', place), PENCIL, () => {
          this.#actions.edit(this.#take(index));
          this.#actions.rest();
        });
        const remove = iconButton(t('Remove queued prompt {number}', place), CROSS, () => {
          this.#take(index);
          announce(t('Removed.'));
          const next = this.#list.children[Math.min(index, this.#prompts.length - 1)]?.lastElementChild;
          if (next instanceof HTMLElement) next.focus();
          else this.#actions.rest();
        });
        return element('li', '', element('span', 'queue-text', visible(oneLine(prompt, 300))), edit, remove);
      }),
    );
    this.#box.hidden = this.#prompts.length === 0;
    this.#explain();
  }

  #explain(why = this.#obstacle()) {
    write(this.#why, why);
    const last = this.#actions.last();
    this.#now.hidden = last !== undefined && isOpen(last);
  }
}
