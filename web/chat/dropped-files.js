// Files that are dropped on the page or pasted into it.

/** Why files are of no use where the relay takes none. */
export const NO_FILES = 'Files cannot be sent to this agent. Paste the text that it should read.';

/**
 * A file that is dropped or pasted must not take the place of the page. Where something else on the page takes it, this
 * does nothing.
 *
 * @param {(data: DataTransfer) => void} take
 */
export function catchFiles(take) {
  const inField = (/** @type {Event} */ { target }) =>
    target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement;
  const hasFiles = (/** @type {DataTransfer | null} */ data) => data?.types.includes('Files') === true;
  document.addEventListener('dragover', (event) => {
    if (event.defaultPrevented || (inField(event) && !hasFiles(event.dataTransfer))) return;
    event.preventDefault();
    // A file may be dropped, since only then can be said what becomes of it.
    if (event.dataTransfer && !hasFiles(event.dataTransfer)) event.dataTransfer.dropEffect = 'none';
    else document.body.classList.add('dropping');
  });
  const leave = () => document.body.classList.remove('dropping');
  document.addEventListener('dragleave', (event) => {
    // Not from one element of the page to another.
    if (event.relatedTarget === null) leave();
  });
  document.addEventListener('drop', (event) => {
    leave();
    if (event.defaultPrevented || (inField(event) && !hasFiles(event.dataTransfer))) return;
    event.preventDefault();
    if (event.dataTransfer && hasFiles(event.dataTransfer)) take(event.dataTransfer);
  });
  document.addEventListener('paste', (event) => {
    // What is copied from a document may be text and a picture of it: then the text is pasted.
    if (
      event.defaultPrevented ||
      !event.clipboardData ||
      !hasFiles(event.clipboardData) ||
      event.clipboardData.types.includes('text/plain')
    )
      return;
    event.preventDefault();
    take(event.clipboardData);
  });
}
