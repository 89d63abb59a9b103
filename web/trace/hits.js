// The words that are searched for, marked where they can be read, without a change to the elements.

import { inSlices } from './slices.js';

/** So many marks there are at most. */
const MAX_HITS = 1000;
/** So much text is looked through at most, in UTF-16 units. */
const MAX_TEXT = 2_000_000;
/** So many texts are looked through in one piece of work. */
const PIECE = 60;
/** What is opened is written bit by bit: the marks follow. */
const DELAY_MS = 150;

export class Hits {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #stop = () => {};

  /** @param {HTMLElement[]} boxes @param {string} words in any case */
  mark(boxes, words) {
    clearTimeout(this.#timer);
    this.#stop();
    if (!('highlights' in CSS)) return;
    CSS.highlights.delete('trace-hit');
    if (words === '') return;
    this.#timer = setTimeout(() => {
      this.#stop = inSlices(rangesOf(boxes, words.toLowerCase()), (ranges) =>
        CSS.highlights.set('trace-hit', new Highlight(...ranges)),
      );
    }, DELAY_MS);
  }
}

/** @param {HTMLElement[]} boxes @param {string} needle @returns {Generator<void, Range[]>} */
function* rangesOf(boxes, needle) {
  /** @type {Range[]} */
  const ranges = [];
  const places = boxes.flatMap((box) => [
    ...box.querySelectorAll(
      '.step:not(.out) > details > :is(summary .step-title, summary .step-name, summary .step-reason), .step:not(.out) > details > .step-detail, .traces-pane > .step-detail',
    ),
  ]);
  let [looked, texts] = [0, 0];
  for (const place of places) {
    const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      if ((texts += 1) % PIECE === 0) yield;
      const text = (node.nodeValue ?? '').toLowerCase();
      // A few letters have another length in lower case: their marks would stand beside them.
      if (text.length !== node.nodeValue?.length) continue;
      looked += text.length;
      for (let at = text.indexOf(needle); at !== -1; at = text.indexOf(needle, at + needle.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + needle.length);
        ranges.push(range);
        if (ranges.length >= MAX_HITS) return ranges;
      }
      if (looked > MAX_TEXT) return ranges;
    }
  }
  return ranges;
}
