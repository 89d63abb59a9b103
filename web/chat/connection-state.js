// The light in the bar that says whether the page is connected.

import { byId, write } from '../lib/dom.js';
import { t } from '../lib/words.js';
import { hideBanner, showBanner } from './banner.js';

/** @import { ConnectionState } from '../types.d.ts' */

const light = byId('connection', HTMLElement);
const text = byId('connection-text', HTMLElement);

/** @param {string} state that style.css has a colour for @param {string} words */
export function showConnection(state, words) {
  light.dataset.state = state;
  write(text, words);
}

/** What it says now. */
export function shownConnection() {
  return light.dataset.state;
}

/** Shows what became of the connection, and what can be done where it does not come. @param {ConnectionState} state @param {number} failures @param {string} endpoint @param {() => void} connect */
export function showConnectionState(state, failures, endpoint, connect) {
  const words = { connecting: t('Connecting'), open: t('Connected'), waiting: t('Reconnecting'), asleep: t('Paused') };
  // While attempts fail, the display stays where it is instead of flickering with each of them.
  const isRetry = state === 'connecting' && (failures > 0 || shownConnection() === 'waiting');
  const shown = isRetry ? 'waiting' : state;
  showConnection(shown, words[shown]);
  if (state === 'open') hideBanner();
  else if (failures >= 2) {
    showBanner(
      t('No connection to {endpoint}: it does not answer, or it refuses this page. The page keeps trying.', {
        endpoint,
      }),
      t('Try now'),
      connect,
    );
  }
}
