// Light, dark, or as the system says. Loaded before the first paint, so a remembered theme does not flash.

import { recall, store, whenStored } from '../lib/storage.js';
import { t } from '../lib/words.js';

const THEMES = ['system', 'light', 'dark'];

show();

/**
 * @param {HTMLButtonElement} button goes through the themes and names the current one
 * @returns names it anew, in another language
 */
export function themeSwitch(button) {
  const name = () => {
    button.setAttribute('aria-label', t('Theme: {theme}. Change it', { theme: inWords() }));
    button.title = t('Theme: {theme}', { theme: inWords() });
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
  return name;
}

function inWords() {
  return { system: t('system'), light: t('light'), dark: t('dark') }[theme()] ?? '';
}

function theme() {
  const remembered = recall('local', 'theme');
  return THEMES.find((theme) => theme === remembered) ?? 'system';
}

function show() {
  document.documentElement.dataset.theme = theme();
}
