// What a model thinks before it speaks: a block among the words of the answer, folded until the reader opens it.

import { element, write } from '../lib/dom.js';
import { duration } from '../lib/format.js';
import { TextFlow } from '../lib/text-flow.js';
import { t } from '../lib/words.js';

/** @import { Reasoning } from '../types.d.ts' */

export class ReasoningBlock {
  #reasoning;
  #summary = element('summary');
  #text = element('div', 'text');
  #flow = new TextFlow(this.#text);
  details = element('details', 'reasoning', this.#summary, this.#text);
  /** Whether there may be more of it. */
  #isOpenEnded = true;
  /** How much of it is shown, in UTF-16 units. */
  #shown = 0;

  /** @param {Reasoning} reasoning */
  constructor(reasoning) {
    this.#reasoning = reasoning;
    this.details.addEventListener('toggle', () => {
      this.#append();
      // Who reads it anew begins at its start, wherever the page went with the end of the conversation.
      if (this.details.open && !this.#isOpenEnded)
        requestAnimationFrame(() => requestAnimationFrame(() => this.#summary.scrollIntoView({ block: 'nearest' })));
    });
  }

  /** Brings the block up to what has come. @param {boolean} runs whether there may be more of the answer */
  update(runs) {
    const { startedAt, endedAt, late } = this.#reasoning;
    this.#isOpenEnded = runs && endedAt === undefined;
    // How long it took is not known of what was joined.
    const words = this.#isOpenEnded
      ? t('Reasoning…')
      : [t('Reasoning'), ...(endedAt === undefined || late ? [] : [duration(endedAt - startedAt)])].join(' · ');
    write(this.#summary, words);
    this.#append();
  }

  /** What nobody reads is not laid out. */
  #append() {
    if (!this.details.open) return;
    this.#flow.append(this.#reasoning.text.slice(this.#shown));
    this.#shown = this.#reasoning.text.length;
  }
}
