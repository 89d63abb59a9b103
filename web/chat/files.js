// Files of the agent, and those that the page makes. A download never opens in the page.

import { button, element } from '../lib/dom.js';
import { size } from '../lib/format.js';
import { visible, withoutHidden } from '../lib/visible.js';
import { t } from '../lib/words.js';
import { typeInWords } from './file-types.js';

/** @import { AgentFile } from '../types.d.ts' */

/** What a browser decodes without running anything. */
export const IMAGES = /^image\/(?:png|jpeg|gif|webp|avif)$/;
const MAX_PREVIEW_BYTES = 6 * 1024 * 1024;
/** A download reads its address some time after the click. */
const REVOKE_MS = 60_000;

/** @param {AgentFile} file */
export function fileCard(file) {
  const name = safeName(file.name);
  const { dropped } = file;
  const about = element(
    'span',
    'file-about',
    `${typeInWords(file.type)} · ${size(dropped ?? fileSize(file))}${dropped === undefined ? '' : ` · ${t('not kept over the reload')}`}`,
  );
  about.title = visible(file.type);
  const save = button('quiet', t('Download'), () => {
    const bytes = decode(file.bytes);
    if (bytes) download(name, bytes);
    else about.textContent = t('This file arrived damaged: it is not base64.');
  });
  save.setAttribute('aria-label', t('Download {name}', { name }));
  save.disabled = dropped !== undefined;
  const item = element('li', 'file', element('span', 'file-name', name), about, save);
  const length = fileSize(file);
  const picture = IMAGES.test(file.type) && length > 0 && length <= MAX_PREVIEW_BYTES ? decode(file.bytes) : undefined;
  if (picture) {
    const image = element('img', 'preview');
    image.alt = name;
    image.src = URL.createObjectURL(new Blob([picture], { type: file.type }));
    for (const event of ['load', 'error'])
      image.addEventListener(event, () => URL.revokeObjectURL(image.src), { once: true });
    image.addEventListener('error', () => image.remove());
    item.prepend(image);
  }
  return item;
}

/** In bytes. @param {AgentFile} file */
export function fileSize({ bytes }) {
  return Math.floor((bytes.replace(/=+$/, '').length * 3) / 4);
}

/** @param {string} name @param {BlobPart} content */
export function download(name, content) {
  // No type that a browser would show: whatever it is, it is only saved.
  const address = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  const link = element('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), REVOKE_MS);
}

/**
 * A name that is only a name: no folders, nothing invisible, nothing that turns its letters around.
 *
 * @param {string} name
 */
export function safeName(name) {
  const last = name.toWellFormed().split(/[/\\]/).at(-1) ?? '';
  const plain = withoutHidden(last)
    .replace(/[<>:"|?*]/g, '_')
    .replace(/^[.\s]+|[.\s]+$/g, '');
  return [...plain].slice(-100).join('') || 'file';
}

/** @param {string} base64 */
function decode(base64) {
  try {
    return Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0));
  } catch {
    return undefined;
  }
}
