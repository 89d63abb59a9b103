// What a reader thinks of an answer, sent where the settings say. It may be taken back, and one that did not arrive
// is not shown as given.

import { announce, button, element, iconButton } from '../lib/dom.js';
import { t } from '../lib/words.js';
import { threadId } from '../relay/thread.js';
import { draftOf, keepDraft } from './drafts.js';

/** @import { Turn } from '../types.d.ts' */

/** @typedef {'up' | 'down' | undefined} Vote */
/** Gives why a vote did not arrive, or an empty text. @typedef {(turn: Turn, vote: Vote, comment: string | undefined) => Promise<string>} SendVote */

/** A comment is one line: longer ones are cut, in UTF-16 units. */
const MAX_COMMENT = 1000;
/** So long a vote may take, in milliseconds. */
const TIMEOUT_MS = 15_000;
const THUMB = 'M7 9v7H4V9zm0 0 3.2-5.6c1.3 0 2 1 1.7 2.2L11.3 8h4c1 0 1.6.9 1.3 1.8l-1.5 5c-.2.7-.8 1.2-1.6 1.2H7';

/**
 * @param {string} address
 * @param {{threadId: string, runId: string, vote: 'up' | 'down' | null, comment?: string | undefined}} body
 * @returns {Promise<string>} why it did not arrive, or an empty text
 */
export async function postVote(address, body) {
  const request = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    keepalive: true,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  };
  // A redirection would make another request of it.
  const response = await fetch(address, { ...request, credentials: 'omit', redirect: 'error' }).catch((error) => error);
  if (response instanceof Response)
    return response.ok ? '' : t('the server answered with HTTP {status}', { status: response.status });
  return response.name === 'TimeoutError'
    ? t('the server did not answer for {seconds} s', { seconds: TIMEOUT_MS / 1000 })
    : t('the server cannot be reached, or does not let this page in');
}

/** What stands below a turn's answer, which may be drawn again meanwhile. @type {WeakMap<Turn, {buttons: HTMLElement[], box: HTMLElement}>} */
const made = new WeakMap();

/** The buttons for a vote, and the box for what else there is to say. @param {Turn} turn @param {SendVote} send */
export function voteControls(turn, send) {
  const controls = made.get(turn) ?? makeControls(turn, send);
  made.set(turn, controls);
  return controls;
}

/** @param {Turn} turn @param {SendVote} send */
function makeControls(turn, send) {
  /** What the reader wants last; a comment may come with it. @type {{vote: Vote, comment?: string}} */
  let wanted = { vote: turn.vote };
  let isSending = false;
  const draft = `vote ${threadId()} ${turn.runId}`;
  const up = iconButton(t('Good answer'), THUMB, () => choose('up'));
  const down = iconButton(t('Bad answer'), THUMB, () => choose('down'));
  down.classList.add('upside-down');
  const box = element('div', 'vote-box');
  const clear = () => box.querySelectorAll(':scope > :not(form)').forEach((one) => one.remove());
  const show = () => {
    up.setAttribute('aria-pressed', String(wanted.vote === 'up'));
    down.setAttribute('aria-pressed', String(wanted.vote === 'down'));
  };
  const choose = (/** @type {'up' | 'down'} */ vote) => {
    const isTakenBack = wanted.vote === vote;
    keepDraft(draft, '');
    box.replaceChildren(...(vote === 'down' && !isTakenBack ? [commentForm()] : []));
    void give({ vote: isTakenBack ? undefined : vote });
  };
  /** @param {{vote: Vote, comment?: string}} next */
  const give = async (next) => {
    wanted = next;
    show();
    // One after the other: what was wanted last is what arrives last.
    if (isSending) return;
    isSending = true;
    let [sent, problem] = [wanted, ''];
    do {
      sent = wanted;
      problem = await send(turn, sent.vote, sent.comment);
    } while (sent !== wanted);
    isSending = false;
    if (problem === '') {
      if (sent.comment) {
        keepDraft(draft, '');
        box.replaceChildren(element('p', 'empty', t('Thank you.')));
      }
      return announce(
        sent.comment
          ? t('Your comment was sent.')
          : sent.vote === undefined
            ? t('Your vote was taken back.')
            : t('Your vote was sent.'),
      );
    }
    wanted = { vote: turn.vote };
    show();
    const again = button('quiet small', t('Try again'), () => {
      clear();
      (sent.vote === 'up' ? up : down).focus();
      void give(sent);
    });
    const words = element(
      'p',
      'composer-problem',
      sent.comment
        ? t('Your comment did not arrive: {problem}.', { problem })
        : t('Your vote did not arrive: {problem}.', { problem }),
    );
    words.setAttribute('role', 'alert');
    clear();
    // A comment that is being typed goes on below it.
    box.prepend(words, again);
  };
  const commentForm = () => {
    const input = element('input');
    input.maxLength = MAX_COMMENT;
    input.autocomplete = 'off';
    input.value = draftOf(draft) ?? '';
    input.addEventListener('input', () => keepDraft(draft, input.value));
    const close = () => {
      form.remove();
      down.focus();
    };
    const leave = () => {
      keepDraft(draft, '');
      close();
    };
    const submit = element('button', 'quiet small', t('Send comment'));
    const form = element(
      'form',
      'vote-comment',
      element('label', '', t('What was wrong with it?'), ' ', input),
      submit,
      button('quiet small', t('No comment'), leave),
    );
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const comment = input.value.slice(0, MAX_COMMENT).toWellFormed().trim();
      if (comment === '') return leave();
      // It is a draft until it has arrived.
      close();
      void give({ vote: 'down', comment });
    });
    form.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.isComposing) return;
      // It is this form that is left, and no answer that is stopped.
      event.preventDefault();
      leave();
    });
    return form;
  };
  show();
  if (draftOf(draft) !== undefined) box.append(commentForm());
  return { buttons: [up, down], box };
}
