// What a mark stands for, beside the mark: the passage, and where it comes from. It is there while a mouse or the
// keyboard is on the mark, and after a first tap; the second one leads to the list.

import { element } from '../lib/dom.js';
import { oneLine } from '../lib/format.js';
import { visible } from '../lib/visible.js';
import { number, t } from '../lib/words.js';

/** @import { Source } from '../types.d.ts' */

/** So much of a passage is shown. */
const MAX_PASSAGE = 1_000;
/** A mouse on its way over a text means no mark of it, and on its way from the mark to the preview it means both. */
const HOVER_MS = 150;
/** Between the mark, the preview, and the edge of the window, in pixels. */
const GAP = 8;

/** The one preview of a list of turns. */
export class SourcePreview {
  #box = element('div', 'source-preview');
  #sourceOf;
  /** @type {HTMLElement | undefined} */
  #mark;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {HTMLElement} list @param {(mark: HTMLElement) => Source | undefined} sourceOf */
  constructor(list, sourceOf) {
    this.#sourceOf = sourceOf;
    this.#box.id = 'source-preview';
    this.#box.setAttribute('role', 'tooltip');
    this.#box.popover = 'manual';
    document.body.append(this.#box);
    list.addEventListener('pointerover', ({ target, pointerType }) => {
      if (pointerType === 'mouse') this.#later(() => (isMark(target) ? this.show(target) : this.hide()));
    });
    list.addEventListener('pointerleave', () => this.#later(() => this.hide()));
    this.#box.addEventListener('pointerenter', () => clearTimeout(this.#timer));
    this.#box.addEventListener('pointerleave', () => this.#later(() => this.hide()));
    list.addEventListener(
      'focusin',
      ({ target }) => isMark(target) && target.matches(':focus-visible') && this.show(target),
    );
    list.addEventListener('focusout', () => this.hide());
    document.addEventListener('scroll', ({ target }) => target !== this.#box && this.hide(), {
      capture: true,
      passive: true,
    });
    document.addEventListener(
      'pointerdown',
      ({ target }) => target !== this.#mark && !(target instanceof Node && this.#box.contains(target)) && this.hide(),
    );
    window.addEventListener('resize', () => this.hide());
    // Before what else Escape does: it takes away one thing at a time.
    document.addEventListener(
      'keydown',
      (event) => {
        if (event.key !== 'Escape' || this.#mark === undefined) return;
        event.preventDefault();
        this.hide();
      },
      { capture: true },
    );
  }

  /**
   * Shows the preview for a tap on a mark that has none yet. A mouse had it before.
   *
   * @param {HTMLElement} mark
   * @param {MouseEvent} event
   */
  tapped(mark, event) {
    const isTap = /** @type {PointerEvent} */ (event).pointerType === 'touch';
    if (!isTap || this.#mark === mark) return false;
    return this.show(mark);
  }

  /** @param {HTMLElement} mark @returns {boolean} whether there is something to show */
  show(mark) {
    clearTimeout(this.#timer);
    if (mark === this.#mark) return true;
    this.hide();
    const source = this.#sourceOf(mark);
    if (source === undefined) return false;
    const { label, where, excerpt, score } = source;
    const about = [
      score === undefined ? '' : t('score {score}', { score: number(score, 2) }),
      visible(oneLine(where, 200)),
    ]
      .filter(Boolean)
      .join(' · ');
    this.#box.replaceChildren(element('strong', 'source-name', label));
    if (about !== '') this.#box.append(element('span', 'source-about', about));
    if (excerpt !== '') this.#box.append(element('span', 'excerpt', visible(oneLine(excerpt, MAX_PASSAGE))));
    this.#box.showPopover();
    this.#mark = mark;
    mark.setAttribute('aria-describedby', this.#box.id);
    this.#place(mark.getBoundingClientRect());
    this.#box.scrollTop = 0;
    return true;
  }

  hide() {
    clearTimeout(this.#timer);
    if (this.#mark === undefined) return;
    this.#mark.removeAttribute('aria-describedby');
    this.#mark = undefined;
    this.#box.hidePopover();
  }

  /** Below the mark, or above it where there is more room. @param {DOMRect} mark */
  #place({ top, bottom, left }) {
    const { style } = this.#box;
    const below = innerHeight - bottom - 2 * GAP;
    const above = top - 2 * GAP;
    style.maxHeight = '';
    const height = this.#box.offsetHeight;
    const isAbove = height > below && above > below;
    style.maxHeight = `${Math.max(isAbove ? above : below, 80)}px`;
    style.top = isAbove ? `${Math.max(top - GAP - Math.min(height, above), GAP)}px` : `${bottom + GAP}px`;
    style.left = `${Math.max(Math.min(left - 2 * GAP, innerWidth - this.#box.offsetWidth - GAP), GAP)}px`;
  }

  /** @param {() => void} act */
  #later(act) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, HOVER_MS);
  }
}

/** @param {EventTarget | null} target @returns {target is HTMLElement} */
function isMark(target) {
  return target instanceof HTMLElement && target.matches('.mark');
}
