// What the browser remembers. Private windows may refuse storage; the page then remembers until reload.

/** How long the browser remembers: as long as the tab, reloads included, or for all tabs and visits. @typedef {'tab' | 'local'} Span */

const PREFIX = 'agent-relay.';
/** @type {Map<string, string>} */
const memory = new Map();

/** @param {Span} span @param {string} key */
export function recall(span, key) {
  try {
    return storageFor(span).getItem(PREFIX + key) ?? undefined;
  } catch {
    return memory.get(key);
  }
}

/** @param {Span} span @param {string} key @param {string} value */
export function store(span, key, value) {
  memory.set(key, value);
  try {
    storageFor(span).setItem(PREFIX + key, value);
  } catch {
    // Then it is in memory only.
  }
}

/** Calls back when another tab stores something for all of them. @param {string} key @param {() => void} changed */
export function whenStored(key, changed) {
  window.addEventListener('storage', (event) => {
    if (event.key === PREFIX + key && event.storageArea === localStorage) changed();
  });
}

/** Throws where the browser refuses storage. @param {Span} span */
function storageFor(span) {
  return span === 'tab' ? sessionStorage : localStorage;
}
