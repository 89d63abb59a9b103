// The trace panel: beside the chat on wide screens, a drawer over it on narrow ones.

import { byId } from '../lib/dom.js';
import { recall, store } from '../lib/storage.js';

export class Panel {
  #stage = byId('stage', HTMLElement);
  #panel = byId('traces', HTMLElement);
  #toggle = byId('traces-toggle', HTMLButtonElement);
  #close = byId('traces-close', HTMLButtonElement);
  /** Whether there is room for both: the same width as in style.css. */
  #wide = window.matchMedia('(min-width: 60rem)');
  #opened;

  /** @param {() => void} opened is called whenever it opens */
  constructor(opened) {
    this.#opened = opened;
    const width = recall('local', 'trace-width') ?? '';
    if (/^\d+(?:\.\d+)?vw$/.test(width)) this.#stage.style.setProperty('--traces-width', width);
    byId('traces-open', HTMLButtonElement).addEventListener('click', () =>
      byId('traces-file', HTMLInputElement).click(),
    );
    this.#toggle.addEventListener('click', () => this.#choose(Boolean(this.#panel.hidden)));
    this.#close.addEventListener('click', () => this.#leave());
    this.#panel.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      // The rest of the page does not see it: there it stops the answer. A search is left first.
      event.stopPropagation();
      if (event.target instanceof HTMLInputElement && event.target.value !== '') return;
      this.#leave();
    });
  }

  offer() {
    this.#toggle.hidden = false;
  }

  /**
   * As it was left at the last visit, and open for who has not left it yet and wants traces.
   *
   * @param {boolean} wanted
   */
  restore(wanted) {
    const left = recall('local', 'trace-panel');
    if (this.#wide.matches) this.#set(left === undefined ? wanted : left === 'open');
  }

  open() {
    this.#choose(true);
  }

  /** Where it hides the chat. */
  closeDrawer() {
    if (!this.#wide.matches) this.#set(false);
  }

  /** Only where it hides nothing. */
  openBeside() {
    if (this.#wide.matches) this.#choose(true);
  }

  #leave() {
    this.#choose(false);
    this.#toggle.focus();
  }

  /** @param {boolean} open */
  #choose(open) {
    this.#set(open);
    // A drawer has to be closed to see the chat.
    if (this.#wide.matches) store('local', 'trace-panel', open ? 'open' : 'closed');
  }

  /** @param {boolean} open */
  #set(open) {
    this.#panel.hidden = !open;
    this.#stage.classList.toggle('with-traces', open);
    this.#toggle.ariaExpanded = String(open);
    if (open) this.#opened();
    if (open && !this.#wide.matches) this.#close.focus();
  }
}
