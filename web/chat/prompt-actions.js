// A prompt as it was sent: folded where it is long, to be copied, and to be edited and sent again.

import { button, copy, element, iconButton, isTouch } from '../lib/dom.js';
import { plural, t } from '../lib/words.js';
import { threadId } from '../relay/thread.js';
import { draftOf, keepDraft } from './drafts.js';
import { clock, COPY } from './turn-actions.js';

/** @import { Turn } from '../types.d.ts' */
/** @import { TurnActions } from './turn-actions.js' */

const EDIT = 'M4 16l.9-3.6 8.2-8.2a1.6 1.6 0 0 1 2.2 0l.5.5a1.6 1.6 0 0 1 0 2.2l-8.2 8.2zM11.5 5.8l2.7 2.7';
/** Prompts that may have more lines are folded to as many as style.css shows. */
const MAX_LINES = 12;
/** So many letters a line has at least. */
const LINE_LENGTH = 40;

/** @param {Turn} turn @param {TurnActions} turnActions */
export function promptArticle(turn, turnActions) {
  const text = element('div', 'text', turn.prompt);
  const row = element('div', 'turn-actions');
  const article = element('article', 'turn user', element('h2', 'visually-hidden', t('You')), text, row);
  article.setAttribute('aria-label', t('You'));
  if (isLong(turn.prompt)) row.append(foldSwitch(text));
  const copyPrompt = iconButton(t('Copy prompt'), COPY, () => void copy(copyPrompt, turn.prompt));
  row.append(...clock(turn.sentOn), copyPrompt);
  // What a form made of its answers is no prompt, and what another window asked is not this one's.
  if (turn.answers.length > 0 || turn.elsewhere) return article;
  const draft = `edit ${threadId()} ${turn.runId}`;
  const edit = iconButton(t('Edit prompt'), EDIT, () => open(turn.prompt).focus());
  /** @param {string} words */
  const open = (words) => {
    const close = () => {
      keepDraft(draft, '');
      editor.form.replaceWith(text, row);
    };
    const editor = promptEditor(words, turnActions.forgets(), {
      typed: (typed) => keepDraft(draft, typed),
      send(typed) {
        const problem = turnActions.edit(turn, typed);
        if (problem === '') close();
        return problem;
      },
      cancel() {
        close();
        edit.focus();
      },
    });
    row.remove();
    text.replaceWith(editor.form);
    editor.fit();
    return editor.box;
  };
  row.append(edit);
  const typed = turn.replaced ? undefined : draftOf(draft);
  if (typed !== undefined) open(typed);
  return article;
}

/** Whether a text may have more lines than are shown. @param {string} text */
function isLong(text) {
  if (text.length > MAX_LINES * LINE_LENGTH * 4) return true;
  return (
    text.split('\n').reduce((sum, { length }) => sum + Math.max(1, Math.ceil(length / LINE_LENGTH)), 0) > MAX_LINES
  );
}

/** @param {HTMLElement} text */
function foldSwitch(text) {
  const fold = (/** @type {boolean} */ isFolded) => {
    text.classList.toggle('folded', isFolded);
    made.textContent = isFolded ? t('Show more') : t('Show less');
    made.setAttribute('aria-expanded', String(!isFolded));
  };
  const made = button('quiet small', '', () => {
    fold(made.ariaExpanded === 'true');
    text.scrollTop = 0;
  });
  // Whoever searches the page for what is folded away is shown it.
  text.addEventListener('scroll', () => text.scrollTop > 0 && fold(false));
  fold(true);
  // How many lines there are is known once it stands on the page.
  const observer = new ResizeObserver(() => {
    if (text.isConnected && text.classList.contains('folded'))
      made.hidden = !text.classList.toggle('cut-off', text.scrollHeight > text.clientHeight + 1);
  });
  observer.observe(text);
  return made;
}

/**
 * @param {string} words
 * @param {boolean} forgets
 * @param {{typed: (text: string) => void, send: (text: string) => string, cancel: () => void}} actions
 */
function promptEditor(words, forgets, { typed, send, cancel }) {
  const box = element('textarea');
  box.value = words;
  box.rows = 1;
  box.setAttribute('aria-label', t('Edited prompt'));
  const problem = element('p', 'composer-problem');
  problem.setAttribute('role', 'alert');
  problem.hidden = true;
  const hint = element(
    'p',
    'edit-hint',
    forgets
      ? t(
          'It takes the place of this prompt and of all after it: the agent is sent only what stands before. What it remembers by itself, it keeps.',
        )
      : t('The agent keeps all that was said so far: the edited prompt goes to it as a new one.'),
  );
  const submit = element('button', 'primary', t('Save & send'));
  const form = element(
    'form',
    'prompt-editor',
    box,
    problem,
    hint,
    element('div', 'tool-buttons', button('quiet', t('Cancel'), cancel), submit),
  );
  const fit = () => {
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight}px`;
  };
  const trySend = () => {
    problem.textContent = send(box.value);
    problem.hidden = problem.textContent === '';
  };
  box.addEventListener('input', () => {
    problem.hidden = true;
    typed(box.value);
    fit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    trySend();
  });
  form.addEventListener('keydown', (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Escape') {
      // It is the editor that is left, and no answer that is stopped.
      event.preventDefault();
      cancel();
    } else if (
      event.key === 'Enter' &&
      event.target === box &&
      !event.shiftKey &&
      (!isTouch() || event.ctrlKey || event.metaKey)
    ) {
      event.preventDefault();
      trySend();
    }
  });
  return { form, box, fit };
}

/** The turns whose place an edited prompt took, folded into one line. */
export class ReplacedTurns {
  #forgets;

  /** @param {() => boolean} forgets whether the agent is not told of them any more */
  constructor(forgets) {
    this.#forgets = forgets;
  }

  /** Puts a turn to those beside it that were replaced, too. @param {HTMLElement} prompt @param {HTMLElement} answer */
  add(prompt, answer) {
    const [before, after] = [prompt.previousElementSibling, answer.nextElementSibling];
    const isGroup = (/** @type {Element | null} */ one) => one?.classList.contains('replaced') === true;
    const group =
      (isGroup(before) ? before : undefined) ??
      element('details', 'replaced', element('summary'), element('div', 'replaced-turns'));
    if (group !== before) prompt.before(group);
    const turns = group.lastElementChild;
    turns?.append(prompt, answer);
    if (isGroup(after)) {
      turns?.append(...(after?.lastElementChild?.children ?? []));
      after?.remove();
    }
    const count = (turns?.children.length ?? 0) / 2;
    group.firstElementChild?.replaceChildren(
      this.#forgets()
        ? plural(
            count,
            '{count} turn was replaced by an edited prompt. The agent is not sent it any more.',
            '{count} turns were replaced by an edited prompt. The agent is not sent them any more.',
          )
        : plural(
            count,
            '{count} turn was replaced by an edited prompt. The agent still knows it.',
            '{count} turns were replaced by an edited prompt. The agent still knows them.',
          ),
    );
  }
}
