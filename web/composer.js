// The prompt box: grows with its text, Enter sends, Shift+Enter starts a new line.

/** The prompt box and its button. */
export class Composer {
  #prompt;
  #send;
  #stop;
  #problem;

  /**
   * @param {object} parts
   * @param {HTMLFormElement} parts.form
   * @param {HTMLTextAreaElement} parts.prompt
   * @param {HTMLButtonElement} parts.send
   * @param {HTMLButtonElement} parts.stop in the place of `send` while an answer is written
   * @param {HTMLElement} parts.problem where a refusal is explained
   * @param {(prompt: string) => boolean} submit sends a prompt; false keeps it in the box
   */
  constructor({ form, prompt, send, stop, problem }, submit) {
    this.#prompt = prompt;
    this.#send = send;
    this.#stop = stop;
    this.#problem = problem;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.explain('');
      if (submit(prompt.value)) this.fill('');
      prompt.focus();
    });
    prompt.addEventListener('keydown', (event) => {
      // The Enter that ends an input method's composition belongs to the input method; some browsers
      // tell it only by the key code.
      const composing = event.isComposing || event.keyCode === 229;
      if (event.key !== 'Enter' || event.shiftKey || composing) return;
      event.preventDefault();
      if (!send.disabled) form.requestSubmit();
    });
    prompt.addEventListener('input', () => {
      this.explain('');
      this.#grow();
    });
  }

  /** @param {boolean} ready whether a prompt can be sent now */
  set ready(ready) {
    this.#send.disabled = !ready;
  }

  /** @param {boolean} busy whether an answer can be stopped */
  set busy(busy) {
    if (busy !== this.#stop.hidden) return;
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
