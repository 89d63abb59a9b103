// Building elements without a line of HTML text.

import { t } from './words.js';

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} [classes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, classes = '', ...children) {
  const made = document.createElement(name);
  if (classes !== '') made.className = classes;
  made.append(...children);
  return made;
}

/** @param {string} classes @param {string} words @param {() => void} act */
export function button(classes, words, act) {
  const made = element('button', classes, words);
  made.type = 'button';
  made.addEventListener('click', act);
  return made;
}

/** An icon of 20 by 20, drawn with lines. @param {string} lines */
export function icon(lines) {
  const [svg, path] = /** @type {[SVGElement, SVGElement]} */ (
    ['svg', 'path'].map((name) => document.createElementNS('http://www.w3.org/2000/svg', name))
  );
  svg.setAttribute('viewBox', '0 0 20 20');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', lines);
  svg.append(path);
  return svg;
}

/** A button with an icon only; what it does is its name, and shown beside a pointer. @param {string} label @param {string} lines @param {() => void} act */
export function iconButton(label, lines, act) {
  const made = button('quiet small icon-only', '', act);
  made.append(icon(lines));
  nameButton(made, label);
  return made;
}

/** @param {HTMLButtonElement} button @param {string} label */
function nameButton(button, label) {
  button.title = label;
  button.setAttribute('aria-label', label);
}

/**
 * The element of index.html.
 *
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`);
  return found;
}

/** Writes words where they are others than before: what is written is laid out again, and may be read out again. @param {Element} place @param {string} words */
export function write(place, words) {
  if (place.textContent !== words) place.textContent = words;
}

/** What a screen reader reads out, in the one region for it, which is not seen. @param {string} words */
export function announce(words) {
  byId('status', HTMLElement).textContent = words;
}

/** The buttons that say what came of a copy, with the words that they go back to. @type {WeakMap<HTMLButtonElement, {words: string, label: string | null, timer: ReturnType<typeof setTimeout> | undefined}>} */
const copied = new WeakMap();

/** Puts a text on the clipboard, and says so on the button. @param {HTMLButtonElement} button @param {string} text */
export async function copy(button, text) {
  // A second click finds the words of the first one on the button: they are not its own.
  const own = copied.get(button) ?? {
    words: button.textContent ?? '',
    label: button.getAttribute('aria-label'),
    timer: undefined,
  };
  copied.set(button, own);
  clearTimeout(own.timer);
  const said = await navigator.clipboard.writeText(text).then(
    () => t('Copied'),
    () => t('Not allowed'),
  );
  // What has an icon in place of words says it above itself.
  const isIcon = button.firstElementChild !== null;
  if (isIcon) button.dataset.said = said;
  else button.textContent = said;
  if (own.label !== null) button.setAttribute('aria-label', said);
  announce(said === t('Copied') ? t('Copied.') : t('The browser does not allow copying.'));
  clearTimeout(own.timer);
  own.timer = setTimeout(() => {
    copied.delete(button);
    if (isIcon) delete button.dataset.said;
    else button.textContent = own.words;
    if (own.label !== null) button.setAttribute('aria-label', own.label);
  }, 1500);
}

/** Whether what points is a finger: then a focused text field brings a keyboard over half of the screen. */
export function isTouch() {
  return window.matchMedia('(pointer: coarse)').matches;
}

/**
 * Gives the focus a new place when the control that has it goes away: the browser leaves it nowhere, and the next
 * key starts at the top of the page.
 *
 * @param {() => HTMLElement} fallback
 */
export function keepFocus(fallback) {
  /** @type {Element | undefined} */
  let last;
  document.addEventListener('focusin', ({ target }) => (last = target instanceof Element ? target : undefined));
  // By a click on what takes none, it is left on purpose.
  document.addEventListener('pointerdown', () => (last = undefined));
  const check = () => {
    if (last === undefined || (document.activeElement !== last && document.activeElement !== document.body)) return;
    if (last.isConnected && !last.matches(':disabled') && last.checkVisibility()) return;
    fallback().focus({ preventScroll: true });
  };
  // Whether something is seen takes a layout to tell: it is asked where it may have changed.
  const observer = new MutationObserver((changes) => {
    if (changes.some(({ target }) => target.contains(last ?? null))) check();
  });
  // Text that is written changes neither of these; what is removed stands in the foot of an answer.
  observer.observe(document.body, { subtree: true, attributeFilter: ['hidden', 'disabled'] });
  return {
    /** For when something may be gone: the browser takes the focus away from it. */
    check() {
      if (document.activeElement !== last) check();
    },
  };
}

/** Keeps the end of a scrolling element in view, but leaves whoever scrolls up alone until they come back. */
export class StickToBottom {
  #scroller;
  #following = false;
  /** Whether the reader left the end; in the beginning nobody was there yet. */
  #left = false;
  #last = 0;
  /** The end as it was when the reader set out for it: text that comes meanwhile moves it on. */
  #goal = 0;
  #scrolledAt = 0;
  #changed;

  /**
   * @param {HTMLElement} scroller
   * @param {(following: boolean) => void} [changed]
   * @param {HTMLElement[]} [content] what is followed as well when it grows by itself, as a picture does
   */
  constructor(scroller, changed = () => {}, content = []) {
    this.#scroller = scroller;
    this.#changed = changed;
    scroller.addEventListener('scroll', ({ timeStamp }) => {
      const { scrollTop, scrollHeight } = scroller;
      if (timeStamp - this.#scrolledAt > PAUSE_MS) this.#goal = scrollHeight;
      this.#scrolledAt = timeStamp;
      if (this.#isAtEnd(scrollTop > this.#last ? this.#goal : scrollHeight)) this.attach();
      else if (scrollTop < this.#last) this.#set(false);
      this.#last = scroller.scrollTop;
    });
    // The key asks for the end, wherever that is by the time the page gets there.
    scroller.addEventListener('keydown', ({ key, target }) => {
      if (key === 'End' && target === scroller) this.attach();
    });
    // A keyboard that comes up, or a panel that opens, changes where the end is.
    const observer = new ResizeObserver(() => {
      this.follow();
      if (this.#left && this.#isAtEnd(scroller.scrollHeight)) this.#set(true);
    });
    for (const one of [scroller, ...content]) observer.observe(one);
  }

  /** For when something was added. */
  follow() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Goes to the end and stays there. */
  attach() {
    this.#set(true);
    this.follow();
  }

  /** Zoomed pages scroll by fractions, so the end is where less than two pixels are left. @param {number} end */
  #isAtEnd(end) {
    return end - this.#scroller.scrollTop - this.#scroller.clientHeight < 2;
  }

  /** Stays where it is, until the reader goes to the end. */
  detach() {
    this.#set(false);
  }

  /** @param {boolean} following */
  #set(following) {
    if (following === this.#following) return;
    this.#following = following;
    this.#left = !following;
    this.#changed(following);
  }
}

/** Scroll events further apart belong to different moves of the reader. */
const PAUSE_MS = 200;
