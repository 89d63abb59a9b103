// The prompt box: grows with its text, Enter sends, Shift+Enter starts a new line. On a phone Enter starts one,
// since there is no other key for it, and the button sends. Up in an empty box brings back what was sent last, and
// again what was sent before that.

import { byId, isTouch } from '../lib/dom.js';
import { getList, parseJson } from '../lib/json.js';
import { recall, store } from '../lib/storage.js';
import { t } from '../lib/words.js';
import { threadId } from '../relay/thread.js';
import { draftOf, keepDraft } from './drafts.js';

/** So many prompts are brought back, of so many characters in all. */
const [MAX_SENT, MAX_SENT_LENGTH] = [50, 100_000];

/** The prompt box and its buttons. */
export class Composer {
  #prompt = byId('prompt', HTMLTextAreaElement);
  #send = byId('send', HTMLButtonElement);
  #stop = byId('stop', HTMLButtonElement);
  #form = byId('composer', HTMLFormElement);
  #problem = byId('composer-problem', HTMLElement);
  #isBusy = false;
  #submit;
  /** What was sent, and which of it is in the box. @type {string[]} */
  #sent = getList({ sent: parseJson(recall('tab', 'sent') ?? '[]') }, 'sent').map(String);
  #recalled = this.#sent.length;

  /** @param {(prompt: string) => boolean} submit sends a prompt, or queues it; false keeps it in the box, with a reason */
  constructor(submit) {
    this.#submit = submit;
    const send = () => {
      this.submit();
      this.focus();
    };
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      send();
    });
    this.#prompt.addEventListener('keydown', (event) => {
      // The Enter that ends an input method's composition belongs to the input method; some browsers
      // tell it only by the key code.
      if (event.isComposing || event.keyCode === 229) return;
      if (/^Arrow(?:Up|Down)$/.test(event.key) && !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey)
        return this.#recall(event);
      if (event.key !== 'Enter' || event.shiftKey) return;
      if (isTouch() && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      send();
    });
    this.#prompt.addEventListener('input', () => {
      this.explain('');
      this.#changed();
    });
    if (isTouch()) this.#prompt.enterKeyHint = 'enter';
    this.#send.disabled = false;
    this.#send.removeAttribute('aria-describedby');
    // What was typed before a reload; while the page was being loaded, more may have been.
    this.open(this.#prompt.value);
  }

  /** Shows the draft of the conversation that is there now, unless there is another one to go on with. @param {string} [draft] */
  open(draft = '') {
    this.fill(draft || (draftOf(`prompt ${threadId()}`) ?? ''));
  }

  /**
   * @param {string} problem why nothing can be sent, or an empty text
   * @param {boolean} busy whether an answer can be stopped, and what is sent waits for its end
   */
  offer(problem, busy) {
    this.#isBusy = busy;
    // The button can be pressed all the same, and then says why.
    this.#send.setAttribute('aria-disabled', String(problem !== '' && !busy));
    this.#send.title = busy ? t('Send when the answer is complete') : problem;
    this.#stop.hidden = !busy;
    this.#offerSend();
  }

  #offerSend() {
    this.#send.toggleAttribute('hidden', this.#isBusy && this.#prompt.value === '');
  }

  /** Sends what is in the box, as the button does, and leaves the focus where it is. */
  submit() {
    this.explain('');
    const { value } = this.#prompt;
    if (!this.#submit(value)) return;
    this.#remember(value);
    this.fill('');
  }

  /** @param {string} text */
  fill(text) {
    this.#prompt.value = text;
    this.#changed();
  }

  get isEmpty() {
    return this.#prompt.value === '';
  }

  /** Puts a text before what is in the box. @param {string} text */
  takeBack(text) {
    // What was said of the box before is not about this.
    this.explain('');
    this.fill([text, this.#prompt.value].filter(Boolean).join('\n\n'));
  }

  /** Goes through what was sent as a shell does: as long as none of it was changed. @param {KeyboardEvent} event */
  #recall(event) {
    const { value, selectionStart, selectionEnd } = this.#prompt;
    const isOwn = value !== (this.#sent[this.#recalled] ?? '');
    const isWithin = selectionStart !== selectionEnd || (selectionStart > 0 && selectionEnd < value.length);
    const next = this.#recalled + (event.key === 'ArrowUp' ? -1 : 1);
    if (isOwn || isWithin || next < 0 || next > this.#sent.length) return;
    event.preventDefault();
    this.explain('');
    this.#recalled = next;
    this.fill(this.#sent[next] ?? '');
  }

  /** @param {string} prompt */
  #remember(prompt) {
    if (this.#sent.at(-1) !== prompt) this.#sent.push(prompt);
    this.#sent = this.#sent
      .slice(-MAX_SENT)
      .filter((_, index, kept) => kept.slice(index).reduce((sum, one) => sum + one.length, 0) <= MAX_SENT_LENGTH);
    this.#recalled = this.#sent.length;
    store('tab', 'sent', JSON.stringify(this.#sent));
  }

  /** Lets the user type on, but brings up no keyboard of a phone, which would cover what is to be read. */
  focus() {
    if (!isTouch()) this.#prompt.focus();
  }

  /** @param {string} problem a sentence, or an empty text to take the last one back */
  explain(problem) {
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === '';
  }

  #changed() {
    keepDraft(`prompt ${threadId()}`, this.#prompt.value);
    if (this.#prompt.value === '') this.#recalled = this.#sent.length;
    this.#offerSend();
    this.#prompt.style.height = 'auto';
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
  }
}
