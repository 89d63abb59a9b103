// Building elements without a line of HTML text.

/**
 * A new element with classes and children; strings become text.
 *
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

/**
 * The element of index.html with this id and kind.
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

/**
 * Keeps the end of a scrolling element in view for as long as the reader stays there. Whoever scrolls up
 * is left alone until they come back to the end.
 */
export class Follower {
  #scroller;
  #following = true;
  #last = 0;

  /** @param {HTMLElement} scroller */
  constructor(scroller) {
    this.#scroller = scroller;
    scroller.addEventListener('scroll', () => {
      const { scrollTop, scrollHeight, clientHeight } = scroller;
      // Zoomed pages scroll by fractions, so the end is where less than two pixels are left.
      if (scrollHeight - scrollTop - clientHeight < 2) this.#following = true;
      else if (scrollTop < this.#last) this.#following = false;
      this.#last = scrollTop;
    });
    // A keyboard that comes up, or a panel that opens, changes where the end is.
    new ResizeObserver(() => this.follow()).observe(scroller);
  }

  /** To be called when something was added. */
  follow() {
    if (this.#following) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  /** Goes to the end and stays there. */
  attach() {
    this.#following = true;
    this.follow();
  }
}
