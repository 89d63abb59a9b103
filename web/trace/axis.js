// The axis of time above the rows: round times, what belongs to no step, and where the pointer is.

import { element } from '../lib/dom.js';
import { duration } from '../lib/format.js';
import { moment, ticks } from './times.js';

/** @import { Spent } from './times.js' */

/** How many marks there are: each needs room for its words, and minutes have longer ones. */
const [MOST_TICKS, MOST_LONG_TICKS, LONG_MS] = [6, 4, 60_000];
/** Behind this part of the axis there is no room for words. */
const LATE = 0.84;
/** A shorter gap is not seen, as a part of the axis. */
const LEAST_GAP = 0.005;

export class Axis {
  #track = element('div', 'axis-track');
  #gaps = element('div', 'axis-gaps');
  #pointer = element('div', 'axis-pointer');
  /** What stands in the scroller above the list. */
  box = element('div', 'axis', this.#track);
  #scale = 0;
  #shown = '';

  #most;

  /** @param {HTMLElement} scroller @param {number} [most] how many marks there are */
  constructor(scroller, most = MOST_TICKS) {
    this.#most = most;
    this.box.role = 'img';
    this.box.hidden = this.#pointer.hidden = true;
    this.box.ariaLabel = 'Time axis';
    scroller.addEventListener('pointermove', ({ clientX, pointerType }) => {
      const { left, width } = this.#track.getBoundingClientRect();
      const part = (clientX - left) / width;
      this.#pointer.hidden = this.#scale === 0 || pointerType === 'touch' || !(part >= 0 && part <= 1);
      if (this.#pointer.hidden) return;
      this.#pointer.style.setProperty('--at', String(part));
      this.#pointer.textContent = moment(part * this.#scale);
    });
    scroller.addEventListener('pointerleave', () => (this.#pointer.hidden = true));
  }

  /** @param {number} scale in ms: 0 for a trace without times @param {HTMLElement} list */
  rescale(scale, list) {
    if (scale === this.#scale) return;
    this.#scale = scale;
    this.box.hidden = scale === 0;
    if (scale === 0) return;
    const marks = ticks(scale, scale > LONG_MS ? Math.min(MOST_LONG_TICKS, this.#most) : this.#most);
    list.style.setProperty('--tick', String((marks[1] ?? scale) / scale));
    const words = marks.map((time) => {
      const mark = element(
        'span',
        time > scale * LATE ? 'axis-tick late' : 'axis-tick',
        time === 0 ? '0' : duration(time),
      );
      mark.style.setProperty('--at', String(time / scale));
      return mark;
    });
    this.#track.replaceChildren(...words, this.#gaps, this.#pointer);
    this.#shown = '';
  }

  /** @param {Spent | undefined} spent where the time went, once that is known */
  showGaps(spent) {
    const { gaps = [], between = 0 } = spent ?? {};
    const seen = gaps.filter(({ from, to }) => to - from >= this.#scale * LEAST_GAP);
    const key = seen.map(({ from, to }) => `${Math.round(from)}-${Math.round(to)}`).join();
    if (key === this.#shown) return;
    this.#shown = key;
    this.box.ariaLabel = between >= 1 ? `Time axis. ${duration(between)} belong to no step.` : 'Time axis';
    this.#gaps.replaceChildren(
      ...seen.map(({ from, to }) => {
        const gap = element('span', 'axis-gap');
        gap.title = `${duration(to - from)} in no step, from ${moment(from)} to ${moment(to)}`;
        gap.style.setProperty('--at', String(from / this.#scale));
        gap.style.setProperty('--took', String((to - from) / this.#scale));
        return gap;
      }),
    );
  }
}
