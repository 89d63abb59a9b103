// The drawer with the conversations: beside the chat where there is room for both, else over it.

import { announce, button, byId, element, write } from '../lib/dom.js';
import { recall, store } from '../lib/storage.js';
import { visible } from '../lib/visible.js';
import { dates, plural, t } from '../lib/words.js';
import { hasThread, threadsInUse, whenFree } from '../relay/thread.js';
import { MAX_CONVERSATIONS, MAX_LENGTH } from './keeper.js';
import { ask } from './question.js';

/** @import { About, Keeper } from './keeper.js' */

/** From so many on there is a search. */
const SEARCH_FROM = 11;
const MAX_TITLE_LENGTH = 200;

/**
 * What can be done with conversations.
 *
 * @typedef {object} ListActions
 * @property {() => string} current which one is shown
 * @property {(id: string) => string} state what goes on in one, in a word or two, or an empty text
 * @property {(id: string) => void} open
 */

/** @typedef {{item: HTMLElement, open: HTMLButtonElement, title: HTMLElement, time: HTMLElement, about: About}} Row */

export class ConversationList {
  #dialog = byId('conversations', HTMLDialogElement);
  #toggle = byId('conversations-toggle', HTMLButtonElement);
  #list = byId('conversations-list', HTMLElement);
  #search = byId('conversations-search', HTMLInputElement);
  #note = byId('conversations-note', HTMLElement);
  #clear = byId('conversations-clear', HTMLButtonElement);
  #nothing = byId('keep-nothing', HTMLInputElement);
  /** Whether there is room for both: the same width as in style.css. */
  #wide = window.matchMedia('(min-width: 75rem)');
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #keeper;
  #actions;
  #updates = 0;
  /** Those that other tabs have, as it is listed. @type {Set<string>} */
  #elsewhere = new Set();

  /** @param {Keeper} keeper @param {ListActions} actions */
  constructor(keeper, actions) {
    this.#keeper = keeper;
    this.#actions = actions;
    this.#toggle.addEventListener('click', () => (this.#dialog.open ? this.#leave() : this.#open()));
    byId('conversations-close', HTMLButtonElement).addEventListener('click', () => this.#leave());
    this.#dialog.addEventListener('click', ({ target }) => target === this.#dialog && this.#leave());
    this.#dialog.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      // The rest of the page does not see it: there it stops the answer. A search is left first.
      event.stopPropagation();
      if (event.target === this.#search && this.#search.value !== '') return;
      event.preventDefault();
      this.#leave();
    });
    this.#dialog.addEventListener('close', () => this.#show(false));
    this.#search.addEventListener('input', () => this.#filter());
    this.#clear.addEventListener('click', () => void this.#deleteAll());
    this.#nothing.addEventListener('change', () => void this.#switch());
    this.#wide.addEventListener('change', () => {
      if (!this.#dialog.open) return;
      this.#dialog.close();
      if (this.#wide.matches) this.#open();
    });
    if (this.#wide.matches && recall('local', 'conversations') === 'open') this.#open();
  }

  /** Brings the list up to what is kept. */
  async update() {
    if (!this.#dialog.open) return;
    const update = (this.#updates += 1);
    const [all, inUse] = await Promise.all([this.#keeper.list(), threadsInUse()]);
    if (update !== this.#updates) return;
    const current = this.#actions.current();
    const now = new Date();
    const gone = new Map(this.#rows);
    for (const [at, about] of all.entries()) {
      const row = this.#rows.get(about.id) ?? this.#add(about);
      gone.delete(about.id);
      row.about = about;
      const isElsewhere = inUse.has(about.id) && !hasThread(about.id);
      if (isElsewhere) void this.#await(about.id);
      const state = isElsewhere ? t('open in another tab') : this.#actions.state(about.id);
      // What a user called it may hide something as well.
      write(row.title, visible(about.title));
      const title = row.title.textContent ?? '';
      const names = [t('Rename {title}', { title }), t('Delete {title}', { title })];
      for (const [index, small] of row.item.querySelectorAll('.small').entries()) small.ariaLabel = names[index] ?? '';
      write(row.time, [timeInWords(new Date(about.usedAt), now), state].filter(Boolean).join(' · '));
      row.item.classList.toggle('current', about.id === current);
      if (about.id === current) row.open.setAttribute('aria-current', 'true');
      else row.open.removeAttribute('aria-current');
      if (this.#list.children[at] !== row.item) this.#list.insertBefore(row.item, this.#list.children[at] ?? null);
    }
    for (const [id, { item }] of gone) {
      item.remove();
      this.#rows.delete(id);
    }
    this.#search.hidden = all.length < SEARCH_FROM;
    if (this.#search.hidden) this.#search.value = '';
    this.#clear.disabled = all.length === 0;
    this.#nothing.checked = this.#keeper.keepsNothing;
    this.#explain(all.length);
    this.#filter();
  }

  /** Lists it anew once no other tab has it. @param {string} id */
  async #await(id) {
    if (this.#elsewhere.has(id)) return;
    this.#elsewhere.add(id);
    await whenFree(id);
    this.#elsewhere.delete(id);
    await this.update();
  }

  #open() {
    this.#show(true);
    if (this.#wide.matches) {
      store('local', 'conversations', 'open');
      this.#dialog.show();
    } else this.#dialog.showModal();
    void this.update();
  }

  /** @param {boolean} isOpen */
  #show(isOpen) {
    this.#toggle.setAttribute('aria-expanded', String(isOpen));
    document.body.classList.toggle('with-conversations', isOpen);
  }

  #leave() {
    if (this.#wide.matches) store('local', 'conversations', 'closed');
    const hadFocus = this.#dialog.contains(document.activeElement);
    this.#dialog.close();
    if (hadFocus) this.#toggle.focus();
  }

  /** @param {number} count */
  #explain(count) {
    const { isRefused, keepsNothing, problem, removed } = this.#keeper;
    const room = t('Kept in this browser only: at most {count} conversations and {size} MB; the oldest go first.', {
      count: MAX_CONVERSATIONS,
      size: MAX_LENGTH / 1e6,
    });
    const words = [
      problem,
      count === 0 ? t('No conversation yet.') : '',
      keepsNothing
        ? t(
            'Nothing is kept: the conversations here are gone when this tab is closed, and all but the open one when it is loaded again.',
          )
        : isRefused
          ? t(
              'This browser does not let the page keep anything, as in a private window: the conversations here are gone when this tab is closed, and all but the open one when it is loaded again.',
            )
          : room,
      removed > 0 && !keepsNothing
        ? plural(
            removed,
            '{count} conversation had to go to make room.',
            '{count} conversations had to go to make room.',
          )
        : '',
    ];
    write(this.#note, words.filter(Boolean).join(' '));
  }

  /** @param {About} about */
  #add(about) {
    const title = element('span', 'conversation-title');
    title.dir = 'auto';
    const time = element('span', 'conversation-time');
    const open = button('conversation-open', '', () => {
      if (!this.#wide.matches) this.#dialog.close();
      this.#actions.open(about.id);
    });
    open.append(title, time);
    /** @type {Row} */
    const row = { item: element('li', 'conversation', open), open, title, time, about };
    for (const [sign, words, act] of /** @type {const} */ ([
      ['✎', t('Rename'), () => this.#rename(row)],
      ['×', t('Delete'), () => void this.#delete(row)],
    ])) {
      const small = button('quiet small', sign, act);
      small.title = words;
      row.item.append(small);
    }
    this.#rows.set(about.id, row);
    return row;
  }

  /** @param {Row} row */
  #rename({ about: { id, title }, item, open }) {
    const field = element('input', 'conversation-name');
    field.value = title;
    field.maxLength = MAX_TITLE_LENGTH;
    field.ariaLabel = t('Title');
    let isOver = false;
    /** @param {boolean} isKept */
    const end = (isKept) => {
      // What is taken away loses the focus once more.
      if (isOver) return;
      isOver = true;
      const hadFocus = document.activeElement === field;
      const named = field.value.replace(/\s+/g, ' ').trim();
      field.replaceWith(open);
      if (hadFocus) open.focus();
      if (isKept && named !== '' && named !== title) void this.#keeper.rename(id, named);
    };
    field.addEventListener('keydown', (event) => {
      if (event.isComposing || (event.key !== 'Enter' && event.key !== 'Escape')) return;
      event.preventDefault();
      event.stopPropagation();
      end(event.key === 'Enter');
    });
    field.addEventListener('blur', () => end(true));
    open.replaceWith(field);
    item.scrollIntoView({ block: 'nearest' });
    field.select();
    field.focus();
  }

  /** @param {Row} row */
  async #delete({ about, item }) {
    if (!(await ask(t('Delete “{title}”? It cannot be had back.', { title: visible(about.title) }), t('Delete'))))
      return;
    const next = item.nextElementSibling ?? item.previousElementSibling;
    await this.#keeper.remove([about.id]);
    announce(t('Conversation deleted.'));
    await this.update();
    (next?.querySelector('button') ?? byId('conversations-close', HTMLButtonElement)).focus();
  }

  async #deleteAll() {
    const all = await this.#keeper.list();
    if (
      !(await ask(
        plural(
          all.length,
          'Delete the conversation, in all tabs? It cannot be had back.',
          'Delete all {count} conversations, in all tabs? They cannot be had back.',
        ),
        t('Delete all'),
      ))
    )
      return;
    await this.#keeper.remove(all.map(({ id }) => id));
    announce(t('All conversations deleted.'));
    await this.update();
    byId('conversations-close', HTMLButtonElement).focus();
  }

  async #switch() {
    const on = this.#nothing.checked;
    const count = on ? (await this.#keeper.list()).length : 0;
    const question = () =>
      plural(
        count,
        'Keep nothing? The browser then forgets the conversation here. If it is open, it stays as long as its tab.',
        'Keep nothing? The browser then forgets the {count} conversations here. The ones that are open stay as long as their tabs.',
      );
    if (count > 0 && !(await ask(question(), t('Forget them')))) {
      this.#nothing.checked = false;
      return;
    }
    await this.#keeper.keepNothing(on);
    await this.update();
  }

  #filter() {
    const wanted = this.#search.value.trim().toLowerCase();
    for (const { item, about } of this.#rows.values()) item.hidden = !about.title.toLowerCase().includes(wanted);
  }
}

/** @param {Date} time @param {Date} now */
function timeInWords(time, now) {
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  const day = time.toDateString();
  const clock = time.toLocaleTimeString(dates(), { timeStyle: 'short' });
  if (day === now.toDateString()) return t('Today, {time}', { time: clock });
  if (day === yesterday.toDateString()) return t('Yesterday, {time}', { time: clock });
  return time.toLocaleDateString(dates(), { day: 'numeric', month: 'short', year: 'numeric' });
}
