// The prompt box: grows with its text, Enter sends, Shift+Enter starts a new line. On a phone Enter starts one,
// since there is no other key for it, and the button sends. Up in an empty box brings back what was sent last.

import { byId, isTouch } from '../lib/dom.js';
import { recall, store } from '../lib/storage.js';

/** The prompt box and its buttons. */
export class Composer {
  #prompt = byId('prompt', HTMLTextAreaElement);
  #send = byId('send', HTMLButtonElement);
  #stop = byId('stop', HTMLButtonElement);
  #form = byId('composer', HTMLFormElement);
  #problem = byId('composer-problem', HTMLElement);
  /** Whether the problem is over once a prompt can be sent. */
  #passing = false;

  /** @param {(prompt: string) => boolean} submit sends a prompt; false keeps it in the box, with a reason */
  constructor(submit) {
    const send = () => {
      this.explain('');
      const { value } = this.#prompt;
      if (submit(value)) {
        store('tab', 'sent', value);
        this.fill('');
      }
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
      if (event.key === 'ArrowUp' && this.#prompt.value === '' && !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey) {
        const sent = recall('tab', 'sent') ?? '';
        if (sent === '') return;
        event.preventDefault();
        this.explain('');
        return this.fill(sent);
      }
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
    // What was typed before a reload; while the page was being loaded, more may have been.
    this.fill(this.#prompt.value || (recall('tab', 'draft') ?? ''));
  }

  /**
   * @param {boolean} ready whether a prompt can be sent
   * @param {boolean} busy whether an answer can be stopped
   */
  offer(ready, busy) {
    this.#send.disabled = !ready;
    this.#stop.hidden = !busy;
    this.#send.hidden = busy;
    if (ready && this.#passing) this.explain('');
  }

  /** Sends what is in the box, as the button does. */
  submit() {
    this.#form.requestSubmit();
  }

  /** @param {string} text */
  fill(text) {
    this.#prompt.value = text;
    this.#changed();
  }

  /** Lets the user type on, but brings up no keyboard of a phone, which would cover what is to be read. */
  focus() {
    if (!isTouch()) this.#prompt.focus();
  }

  /**
   * @param {string} problem a sentence, or an empty text to take the last one back
   * @param {boolean} [passing] whether it is over once a prompt can be sent
   */
  explain(problem, passing = false) {
    this.#passing = passing;
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === '';
  }

  #changed() {
    store('tab', 'draft', this.#prompt.value);
    this.#prompt.style.height = 'auto';
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
  }
}
