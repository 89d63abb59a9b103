// Loads the page's script, and again where the server is busy: left to itself, a browser asks once. The theme
// comes with it, so that a remembered one is there before the first paint.

import './settings/theme.js';

const ATTEMPTS = 5;
/** The longest wait before the second attempt, in milliseconds; it doubles with each further one. */
const FIRST_WAIT_MS = 600;

/** @param {number} [attempt] @returns {Promise<unknown>} */
function load(attempt = 1) {
  // Some browsers remember that a module could not be loaded, so each attempt has an address of its own.
  const address = new URL(attempt === 1 ? 'main.js' : `main.js?attempt=${attempt}`, document.baseURI);
  return import(address.href).catch(async (error) => {
    // What a user reads then is in index.html, and style.css shows it.
    if (attempt === ATTEMPTS) return console.error(error);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * FIRST_WAIT_MS * 2 ** (attempt - 1)));
    return load(attempt + 1);
  });
}

void load();
