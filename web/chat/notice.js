// Tells who looks elsewhere that an answer is there: by the title of the tab, and by a notification for those who
// asked for it by a click.

import { announce, button, byId, element, iconButton } from '../lib/dom.js';
import { recall, store } from '../lib/storage.js';
import { t } from '../lib/words.js';

/** Notifications are offered once an answer has run for so long, in milliseconds. */
const OFFER_MS = 20_000;
/** Of answers that took less, only the title tells. */
const LONG_MS = 10_000;
const CROSS = 'M5 5l10 10M15 5L5 15';

/** The title, the offer and the notifications. */
export class Notice {
  /** The title as it was. @type {string | undefined} */
  #title;
  /** @type {Notification | undefined} */
  #shown;
  #words = element('span');
  #turn = button('quiet small', '', () => void this.#change());
  #box = element(
    'p',
    'notice',
    this.#words,
    this.#turn,
    iconButton(t('Not now'), CROSS, () => this.#dismiss()),
  );
  #rest;
  /** Whether there is something to read about why there are none. */
  #isRefused = false;

  /** @param {() => void} rest puts the focus where it belongs when its control is gone */
  constructor(rest) {
    this.#rest = rest;
    this.#box.hidden = true;
    byId('composer', HTMLElement).firstElementChild?.prepend(this.#box);
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) this.#seen();
    });
  }

  /** Offers to tell the end of what runs for long, in milliseconds. @param {number | undefined} running */
  offer(running) {
    if (running === undefined) this.#isRefused = false;
    const isOffered =
      this.#isRefused ||
      (running !== undefined &&
        running >= OFFER_MS &&
        recall('tab', 'notice') !== 'dismissed' &&
        'Notification' in window &&
        Notification.permission !== 'denied');
    if (isOffered && this.#box.hidden) this.#say();
    this.#box.hidden = !isOffered;
  }

  /** @param {string} words what there is to see @param {number} took in milliseconds */
  tell(words, took) {
    if (!document.hidden) return;
    this.#title ??= document.title;
    document.title = `● ${words} – ${this.#title}`;
    if (took >= LONG_MS && isWanted()) this.#notify(words);
  }

  #seen() {
    if (this.#title !== undefined) document.title = this.#title;
    this.#title = undefined;
    this.#shown?.close();
  }

  /** Gives whether the browser shows one. @param {string} words */
  #notify(words) {
    try {
      const shown = new Notification(words, {
        body: this.#title ?? document.title,
        tag: 'agent-relay',
        icon: 'icon.svg',
      });
      shown.addEventListener('click', () => {
        window.focus();
        shown.close();
      });
      this.#shown = shown;
      return true;
    } catch {
      // Phones leave them to service workers, of which this page has none.
      store('local', 'notice', 'off');
      return false;
    }
  }

  async #change() {
    if (isWanted()) store('local', 'notice', 'off');
    else {
      const permission =
        Notification.permission === 'default' ? await Notification.requestPermission() : Notification.permission;
      if (permission !== 'granted')
        return this.#say(t('The browser does not allow this page notifications; its settings can.'));
      store('local', 'notice', 'on');
      // It shows what they look like, and whether there are any.
      if (!this.#notify(t('Answers are announced here')))
        return this.#say(t('This browser shows no notifications of a page.'));
    }
    this.#say();
  }

  /** @param {string} [problem] */
  #say(problem) {
    const isOn = isWanted();
    this.#words.textContent =
      problem ?? (isOn ? t('You get a notification when the answer is there.') : t('This takes a while.'));
    this.#turn.textContent = isOn ? t('Turn off') : t('Notify me');
    this.#isRefused = problem !== undefined;
    this.#turn.hidden = this.#isRefused;
    if (problem !== undefined) announce(problem);
  }

  #dismiss() {
    store('tab', 'notice', 'dismissed');
    this.#box.hidden = true;
    this.#rest();
  }
}

/** Whether the user wants notifications, and the browser lets the page. */
function isWanted() {
  return 'Notification' in window && Notification.permission === 'granted' && recall('local', 'notice') === 'on';
}
