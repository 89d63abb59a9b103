// Light, dark, or as the system says. Loaded before the first paint, so a remembered theme does not flash.

import { recall, store } from './storage.js';

const THEMES = ['system', 'light', 'dark'];

show();

/**
 * Makes a button go through the themes and name the current one.
 *
 * @param {HTMLButtonElement} button
 */
export function themeSwitch(button) {
  const name = () => {
    button.setAttribute('aria-label', `Theme: ${theme()}. Change it`);
    button.title = `Theme: ${theme()}`;
  };
  button.addEventListener('click', () => {
    store('local', 'theme', THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length] ?? 'system');
    show();
    name();
  });
  name();
}

function theme() {
  const remembered = recall('local', 'theme');
  return THEMES.find((theme) => theme === remembered) ?? 'system';
}

function show() {
  document.documentElement.dataset.theme = theme();
}
