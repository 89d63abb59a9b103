// Access by an access code or a token, which is asked for here and kept for this tab only.

import { byId } from '../lib/dom.js';
import { recall, store } from '../lib/storage.js';
import { t } from '../lib/words.js';

/** @import { Config } from '../types.d.ts' */

/** After so many refusals in a row, a credential that was accepted before is asked for again: it may have expired. */
const MAX_REFUSALS = 3;

/** The dialog that asks for a credential. */
export class AccessDialog {
  #dialog = byId('access', HTMLDialogElement);
  #field = byId('access-credential', HTMLInputElement);
  #problem = byId('access-problem', HTMLElement);
  #isOpen;
  #name;

  /**
   * @param {Config} config
   * @param {() => void} enter connects with the new credential
   */
  constructor({ access, issuer, audience }, enter) {
    this.#isOpen = access === 'open';
    this.#name = access === 'oidc' ? t('token') : t('access code');
    byId('access-title', HTMLElement).textContent = access === 'oidc' ? t('Token') : t('Access code');
    byId('access-hint', HTMLElement).textContent =
      access === 'oidc'
        ? t(
            'This agent answers those who have a token of {issuer} for {audience}. Get one as your provider shows and paste it here. It is kept until you close this tab.',
            { issuer: issuer ?? t('its provider'), audience: audience ?? t('it') },
          )
        : t('This agent answers those who have its access code. It is kept until you close this tab.');
    byId('access-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault();
      store('tab', 'credential', this.#field.value.trim().replace(/^Bearer /i, ''));
      store('tab', 'accepted', 'no');
      this.#field.value = '';
      this.#dialog.close();
      enter();
    });
  }

  /** What it asks for. */
  get name() {
    return this.#name;
  }

  /** The subprotocols of a handshake. A credential is one of them, since addresses end up in logs. */
  get subprotocols() {
    const credential = this.#isOpen ? undefined : recall('tab', 'credential');
    if (credential === undefined) return [];
    const binary = String.fromCharCode(...new TextEncoder().encode(credential));
    return ['agent-relay', `token.${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`];
  }

  /** Whether one has to be asked for before connecting. */
  get needsCredential() {
    return !this.#isOpen && (this.#dialog.open || !recall('tab', 'credential'));
  }

  /** Does nothing while it is open. @param {string} [problem] */
  open(problem = '') {
    if (this.#dialog.open) return;
    this.#problem.textContent = problem;
    this.#problem.hidden = problem === '';
    this.#dialog.showModal();
    this.#field.focus();
  }

  /** @param {() => void} callback is called where the user closed it without a credential */
  whenCancelled(callback) {
    this.#dialog.addEventListener('cancel', callback);
  }

  markAccepted() {
    store('tab', 'accepted', 'yes');
  }

  /**
   * Whether a failed handshake means that the credential is refused, and not that the network is down: a
   * browser tells nothing but that it failed. Then this gives the sentence for the user.
   *
   * @param {number} failures in a row
   * @returns {Promise<string | undefined>}
   */
  async refusal(failures) {
    const before = recall('tab', 'accepted') === 'yes';
    if (this.#isOpen || (before && failures < MAX_REFUSALS) || !(await isOnline())) return undefined;
    return before
      ? t('You are not let in any more. Has the {credential} changed or expired?', { credential: this.#name })
      : t('You were not let in. Is the {credential} right?', { credential: this.#name });
  }
}

/** Whether the server of this page can be reached. */
async function isOnline() {
  try {
    return (await fetch('config.json', { cache: 'no-store' })).ok;
  } catch {
    return false;
  }
}
