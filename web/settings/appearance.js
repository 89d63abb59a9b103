// How a deployment wants the page to look and speak.

import { byId, element } from '../lib/dom.js';
import { directionOf, speak, translate } from '../lib/words.js';
import { anchor, safeAddress } from '../markdown/links.js';
import { accentColours } from './colours.js';

/** @import { Config } from '../types.d.ts' */

/** @param {Config} config */
export function applyAppearance({ title, logo, colours, greeting, introduction, footer, language, strings, version }) {
  const root = document.documentElement;
  // English words without a translation stay English, and numbers beside them are written as the language does.
  speak(language, strings);
  root.lang = language;
  root.dir = directionOf(language);
  translate(document.body);

  if (title !== undefined) {
    document.title = title;
    byId('brand-name', HTMLElement).textContent = title;
  }
  if (logo !== undefined) showLogo(logo);
  if (greeting !== undefined) byId('greeting', HTMLElement).textContent = greeting;
  if (introduction !== undefined) byId('introduction', HTMLElement).textContent = introduction;
  byId('version', HTMLElement).hidden = version === undefined;
  byId('version', HTMLElement).textContent = `Agent Relay ${version}`;
  byId('footer', HTMLElement).hidden = footer === undefined;
  byId('footer', HTMLElement).replaceChildren(...withLinks(footer ?? ''));

  // The scheme that has no colour of its own keeps that of the page.
  for (const scheme of /** @type {const} */ (['light', 'dark'])) {
    const accent = colours[scheme];
    if (accent === undefined) continue;
    for (const [name, value] of Object.entries(accentColours(accent, scheme)))
      root.style.setProperty(`--${scheme}-${name}`, value);
  }
}

/** @param {string} address */
function showLogo(address) {
  const image = element('img', 'logo');
  // The name stands beside it.
  image.alt = '';
  image.src = address;
  byId('brand-logo', HTMLElement).replaceChildren(image);
  const icon = document.querySelector('link[rel="icon"]');
  if (!(icon instanceof HTMLLinkElement)) return;
  icon.removeAttribute('type');
  icon.href = address;
}

/** A text whose links are links: `[Privacy](https://example.com/privacy)`. @param {string} text */
function withLinks(text) {
  // Every third piece is the text of a link, and the next one where it leads.
  const pieces = text.split(/\[([^[\]]{1,200})\]\(([^\s()]{1,2000})\)/);
  return pieces.flatMap((piece, index) => {
    if (index % 3 !== 0) return [];
    const [name = '', href = ''] = pieces.slice(index + 1, index + 3);
    const address = safeAddress(href);
    return [piece, address === undefined ? name : anchor(address, name)];
  });
}
