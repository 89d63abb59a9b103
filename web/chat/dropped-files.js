// Files that are dropped on the page or pasted into it.

import { t } from '../lib/words.js';

/**
 * A file that is dropped or pasted cannot be sent, and must not take the place of the page. Where something else
 * on the page takes it, this does nothing.
 *
 * @param {(words: string) => void} explain
 */
export function refuseFiles(explain) {
  const words = t('Files cannot be sent to this agent. Paste the text that it should read.');
  const inField = (/** @type {Event} */ { target }) => target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement;
  const hasFiles = (/** @type {DataTransfer | null} */ data) => data?.types.includes('Files') === true;
  document.addEventListener('dragover', (event) => {
    if (event.defaultPrevented || (inField(event) && !hasFiles(event.dataTransfer))) return;
    event.preventDefault();
    // A file may be dropped, since only then can be said what becomes of it.
    if (event.dataTransfer && !hasFiles(event.dataTransfer)) event.dataTransfer.dropEffect = 'none';
  });
  document.addEventListener('drop', (event) => {
    if (event.defaultPrevented || (inField(event) && !hasFiles(event.dataTransfer))) return;
    event.preventDefault();
    if (hasFiles(event.dataTransfer)) explain(words);
  });
  document.addEventListener('paste', (event) => {
    // What is copied from a document may be text and a picture of it: then the text is pasted.
    if (event.defaultPrevented || !hasFiles(event.clipboardData) || event.clipboardData?.types.includes('text/plain')) return;
    event.preventDefault();
    explain(words);
  });
}
