// The prompt box: grows with its text, Enter sends, Shift+Enter starts a new line.

import { byId } from '../lib/dom.js';

/** The prompt box and its buttons. */
export class Composer {
  #prompt = byId('prompt', HTMLTextAreaElement);
  #send = byId('send', HTMLButtonElement);
  #stop = byId('stop', HTMLButtonElement);
  #problem = byId('composer-problem', HTMLElement);

  /** @param {(prompt: string) => boolean} submit sends a prompt; false keeps it in the box */
  constructor(submit) {
    const form = byId('composer', HTMLFormElement);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.explain('');
      if (submit(this.#prompt.value)) this.fill('');
      this.focus();
    });
    this.#prompt.addEventListener('keydown', (event) => {
      // The Enter that ends an input method's composition belongs to the input method; some browsers
      // tell it only by the key code.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      if (!this.#send.disabled) form.requestSubmit();
    });
    this.#prompt.addEventListener('input', () => {
      this.explain('');
      this.#grow();
    });
  }

  /**
   * @param {boolean} ready whether a prompt can be sent
   * @param {boolean} busy whether an answer can be stopped
   */
  offer(ready, busy) {
    this.#send.disabled = !ready;
    this.#stop.hidden = !busy;
    this.#send.hidden = busy;
  }

  /** @param {string} text */
  fill(text) {
    this.#prompt.value = text;
    this.#grow();
  }

  focus() {
    this.#prompt.focus();
  }

  /** @param {string} problem a sentence, or an empty text to take the last one back */
  explain(problem) {
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === '';
  }

  #grow() {
    this.#prompt.style.height = 'auto';
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
  }
}
