// A question before something that cannot be taken back.

import { byId } from '../lib/dom.js';

/**
 * @param {string} question
 * @param {string} yes what the button says that does it
 * @returns {Promise<boolean>} whether it is to be done
 */
export function ask(question, yes) {
  const dialog = byId('question', HTMLDialogElement);
  const confirm = byId('question-yes', HTMLButtonElement);
  const cancel = byId('question-no', HTMLButtonElement);
  byId('question-text', HTMLElement).textContent = question;
  confirm.textContent = yes;
  dialog.returnValue = '';
  confirm.onclick = () => dialog.close('yes');
  cancel.onclick = () => dialog.close();
  // The rest of the page does not see it: there it stops the answer.
  dialog.onkeydown = (event) => event.key === 'Escape' && event.stopPropagation();
  dialog.showModal();
  cancel.focus();
  return new Promise((resolve) =>
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true }),
  );
}
