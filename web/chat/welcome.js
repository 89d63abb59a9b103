// What helps whoever has not sent anything yet: prompts to begin with, and how to send one.

import { button, byId, element, isTouch } from '../lib/dom.js';
import { recall, store } from '../lib/storage.js';
import { t } from '../lib/words.js';

/** @import { Starter } from '../types.d.ts' */

/** So many are read at a glance; the others come when asked for. */
const MAX_STARTERS = 4;

/** @param {Starter[]} starters @param {(prompt: string) => void} choose */
export function offerStarters(starters, choose) {
  const items = starters.map(({ title, explanation, prompt }) => {
    const starter = button('suggestion', '', () => choose(prompt));
    starter.append(
      explanation ? element('strong', '', title) : title,
      explanation ? element('span', '', explanation) : '',
    );
    starter.dir = 'auto';
    return element('li', '', starter);
  });
  const list = byId('suggestions', HTMLElement);
  const more = byId('more-suggestions', HTMLButtonElement);
  list.replaceChildren(...items.slice(0, MAX_STARTERS));
  more.hidden = items.length <= MAX_STARTERS;
  more.addEventListener('click', () => {
    more.hidden = true;
    list.append(...items.slice(MAX_STARTERS));
    items[MAX_STARTERS]?.querySelector('button')?.focus();
  });
}

/** How to send, for who has not sent anything yet, and for screen readers in any case. */
export function showHint() {
  const hint = byId('prompt-hint', HTMLElement);
  hint.textContent = isTouch()
    ? t('Enter starts a new line, the button sends')
    : t('Enter sends, Shift+Enter starts a new line');
  hint.classList.toggle('visually-hidden', recall('local', 'knows-keys') === 'yes');
}

/** Whoever has sent something knows how. */
export function forgetHint() {
  store('local', 'knows-keys', 'yes');
  showHint();
}
