// Long plain text that grows. A browser lays a block out again when its text changes, and one block of
// a megabyte takes it a minute (measured in Chromium), so the text is spread over many blocks.

/** From this length on a block ends with its line, in UTF-16 units. */
const LINE_END = 4_000;
/** From this length on it ends with a word: a line this long wraps anyway. */
const WORD_END = 12_000;
/** At this length it ends wherever it is. */
const ANYWHERE = 16_000;

/** Appends text to an element, as blocks of text nodes. Line breaks count: use it under `white-space: pre-wrap`. */
export class TextFlow {
  #parent;
  #name;
  /** @type {Text | undefined} */
  #last;

  /**
   * @param {HTMLElement} parent
   * @param {'div' | 'span'} [name] of the blocks, which CSS must make blocks
   */
  constructor(parent, name = 'div') {
    this.#parent = parent;
    this.#name = name;
  }

  /** @param {string} text */
  append(text) {
    let rest = text;
    while (rest !== '') {
      this.#last ??= this.#add();
      const { end, full } = blockEnd(this.#last.length, rest);
      this.#last.appendData(rest.slice(0, end));
      if (full) this.#last = undefined;
      rest = rest.slice(end);
    }
  }

  #add() {
    const text = document.createTextNode('');
    const block = document.createElement(this.#name);
    block.append(text);
    this.#parent.append(block);
    return text;
  }
}

/**
 * How much of a text goes into a block that has some already, and whether the block is full then.
 *
 * @param {number} length of what the block has
 * @param {string} text not empty
 * @returns {{end: number, full: boolean}}
 */
export function blockEnd(length, text) {
  const room = Math.max(ANYWHERE - length, 1);
  const window = text.slice(0, room);
  const line = window.indexOf('\n', LINE_END - length);
  const word = window.indexOf(' ', WORD_END - length);
  const found = [line, word].filter((at) => at !== -1);
  if (found.length > 0) return { end: Math.min(...found) + 1, full: true };
  if (text.length < room) return { end: text.length, full: false };
  // A character of two units stays whole.
  const pair = (text.codePointAt(room - 1) ?? 0) > 0xffff;
  return { end: pair ? room + 1 : room, full: true };
}
