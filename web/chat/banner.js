// The line above the chat: what is wrong with the connection or the settings, and what can be done about it.

import { byId, write } from '../lib/dom.js';
import { t } from '../lib/words.js';

const banner = byId('banner', HTMLElement);
const words = byId('banner-text', HTMLElement);
const action = byId('banner-retry', HTMLButtonElement);
/** What is wrong with the settings. */
let standing = '';

/** @param {string} text @param {string} [label] of what can be done about it @param {() => void} [act] does it */
export function showBanner(text, label = '', act = () => {}) {
  write(words, text);
  action.hidden = label === '';
  action.textContent = label;
  action.onclick = act;
  banner.hidden = false;
}

/** Takes away what it says now. What was to stand there until it was read is seen again. */
export function hideBanner() {
  if (standing !== '') return showBanner(standing, t('Hide'), () => keepInBanner(''));
  banner.hidden = true;
  words.textContent = '';
}

/** Says something whenever nothing else is to be said, until the user hides it. @param {string} text or an empty one */
export function keepInBanner(text) {
  standing = text;
  hideBanner();
}
