// Light, dark, or as the system says. Loaded before the first paint, so a remembered theme does not flash.

import { recall, store, whenStored } from '../lib/storage.js';

const THEMES = ['system', 'light', 'dark'];

show();

/** @param {HTMLButtonElement} button goes through the themes and names the current one */
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
  whenStored('theme', () => {
    show();
    name();
  });
}

function theme() {
  const remembered = recall('local', 'theme');
  return THEMES.find((theme) => theme === remembered) ?? 'system';
}

function show() {
  document.documentElement.dataset.theme = theme();
}
