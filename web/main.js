// Wires the parts together: settings, connection, conversation, and what shows them.

import { Composer } from './chat/composer.js';
import { download } from './chat/files.js';
import { asMarkdown, loadTurns, saveTurns } from './chat/history.js';
import { Transcript } from './chat/transcript.js';
import { button, byId, element, StickToBottom } from './lib/dom.js';
import { recall, store } from './lib/storage.js';
import { Conversation } from './relay/conversation.js';
import { runRequest, RequestError } from './relay/request.js';
import { Connection } from './relay/socket.js';
import { isOpen } from './relay/turn.js';
import { AccessDialog, subprotocols } from './settings/access.js';
import { ConfigError, loadConfig } from './settings/config.js';
import { themeSwitch } from './settings/theme.js';
import { Panel } from './trace/panel.js';
import { Traces } from './trace/traces.js';

/** @import { Config, ConnectionState, ToolAnswer, Turn } from './types.d.ts' */

/** So long the turns that have something new are drawn for one picture, in milliseconds. */
const PICTURE_MS = 30;

const status = byId('status', HTMLElement);
const banner = byId('banner', HTMLElement);
const bannerText = byId('banner-text', HTMLElement);
const bannerRetry = byId('banner-retry', HTMLButtonElement);
const welcome = byId('welcome', HTMLElement);
const traceSwitch = byId('trace', HTMLInputElement);

byId('not-loaded', HTMLElement).remove();
themeSwitch(byId('theme', HTMLButtonElement));
start().catch((error) => {
  showConnection('failed', 'Not set up');
  showBanner(error instanceof ConfigError ? error.message : `The page could not start: ${error}`);
});

async function start() {
  if (!window.isSecureContext) {
    throw new ConfigError('This page needs a secure address: https://, or http://localhost on your own machine.');
  }
  run(await loadConfig(new URL('config.json', document.baseURI)));
}

/** @param {Config} config */
function run(config) {
  const conversation = new Conversation();
  const transcript = new Transcript(byId('transcript', HTMLElement), {
    retry: (turn) => void send(turn.prompt, turn.answers),
    answer: (turn, answers) => (turn.answered = send(inWords(turn, answers), answers)),
  });
  const traces = new Traces({
    list: byId('traces-list', HTMLElement),
    empty: byId('traces-empty', HTMLElement),
    count: byId('traces-count', HTMLElement),
  });
  const panel = new Panel();
  const jump = byId('jump', HTMLButtonElement);
  const stickToBottom = new StickToBottom(byId('scroller', HTMLElement), (following) => (jump.hidden = following));

  // Frames come by the hundred a second; the page follows once for each picture. A hidden one has none.
  /** @type {Set<Turn>} */
  const stale = new Set();
  let scheduled = false;
  const schedule = () => {
    if (scheduled || stale.size === 0) return;
    scheduled = true;
    if (document.hidden) setTimeout(draw, 200);
    else requestAnimationFrame(draw);
  };
  const show = (/** @type {Turn} */ turn) => {
    stale.add(turn);
    schedule();
    refresh();
  };
  const draw = () => {
    scheduled = false;
    const begin = performance.now();
    for (const turn of stale) {
      if (transcript.update(turn, performance.now())) stale.delete(turn);
      traces.update(turn);
      // A long conversation that was kept comes with the next pictures.
      if (performance.now() - begin > PICTURE_MS) break;
    }
    schedule();
    if (!traces.isEmpty) panel.offer();
    stickToBottom.follow();
  };
  setInterval(() => conversation.open.forEach(show), 1000);

  const accessDialog = new AccessDialog(config, () => connection.reconnect());
  const connection = new Connection(config.endpoint, () => subprotocols(accessDialog.credential), {
    stateChanged(state, failures) {
      if (state === 'open') accessDialog.markAccepted();
      const before = byId('connection', HTMLElement).dataset.state;
      showState(state, failures, config.endpoint);
      if (state === 'open' && before === 'waiting') announce('Connected again.');
      refresh();
    },
    received(text) {
      const { turn, problem } = conversation.receive(text, performance.now());
      if (problem !== undefined) showBanner(problem);
      if (turn === undefined) return;
      if (!isOpen(turn)) {
        announce(ending(turn));
        saveTurns(conversation.turns);
      }
      show(turn);
    },
    closed(code) {
      const interrupted = conversation.disconnect(code, performance.now());
      announce(`${interrupted.length > 0 ? 'The answer is incomplete. ' : ''}The connection closed. Reconnecting.`);
      interrupted.forEach(show);
    },
    async failed(failures) {
      const refusal = await accessDialog.refusal(failures);
      if (refusal === undefined || connection.state === 'open') return;
      connection.close();
      hideBanner();
      showConnection('failed', 'Not let in');
      accessDialog.open(refusal);
    },
  });
  const connect = () => (accessDialog.needsCredential ? accessDialog.open() : connection.connect());
  const ready = () => connection.state === 'open' && conversation.open.length === 0;
  const refresh = () => {
    composer.offer(ready(), conversation.open.length > 0);
    exporter.hidden = conversation.turns.length === 0;
  };

  /** @param {string} prompt @param {ToolAnswer[]} [answers] */
  const send = (prompt, answers = []) => {
    if (!ready()) return false;
    const runId = crypto.randomUUID();
    const trace = config.allowTrace && traceSwitch.checked;
    try {
      const request = runRequest({ threadId: threadId(), runId, messageId: crypto.randomUUID(), prompt, trace, answers });
      if (!connection.send(request)) return false;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      composer.explain(error.message);
      return false;
    }
    welcome.hidden = true;
    hideBanner();
    announce('Generating.');
    show(conversation.begin({ runId, prompt, trace, answers }, performance.now()));
    stickToBottom.attach();
    return true;
  };
  const stop = () => {
    const stopped = conversation.stop(performance.now());
    if (stopped.length === 0) return;
    // The relay drops the agent when its client is gone.
    connection.reconnect();
    stopped.forEach(show);
    saveTurns(conversation.turns);
    announce('Stopped.');
    composer.focus();
  };
  const composer = new Composer(send);

  const exporter = byId('export', HTMLButtonElement);
  exporter.addEventListener('click', () => download('conversation.md', asMarkdown(conversation.turns)));
  jump.addEventListener('click', () => {
    stickToBottom.attach();
    composer.focus();
  });
  byId('stop', HTMLButtonElement).addEventListener('click', stop);
  document.addEventListener('keydown', (event) => {
    const elsewhere = event.target instanceof Element && event.target.closest('.traces') !== null;
    if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing && !elsewhere) stop();
  });
  conversation.turns = loadTurns();
  conversation.turns.forEach(show);
  welcome.hidden = conversation.turns.length > 0;
  if (welcome.hidden) stickToBottom.attach();
  byId('new-conversation', HTMLButtonElement).addEventListener('click', () => {
    // An answer that still runs is left with its connection, which tells the relay to stop the agent.
    if (conversation.open.length > 0) connection.reconnect();
    conversation.reset();
    stale.clear();
    transcript.clear();
    traces.clear();
    store('tab', 'thread', crypto.randomUUID());
    saveTurns([]);
    welcome.hidden = false;
    announce('New conversation.');
    refresh();
    composer.focus();
  });
  offerTraces(config, panel);
  offerSuggestions(config.suggestions, (prompt) => {
    if (!send(prompt)) composer.fill(prompt);
    composer.focus();
  });

  bannerRetry.addEventListener('click', connect);
  window.addEventListener('online', connect);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) connect();
    draw();
  });
  window.addEventListener('pagehide', () => saveTurns(conversation.turns));
  composer.focus();
  byId('access', HTMLDialogElement).addEventListener('cancel', () => showBanner('This agent asks who you are before it answers.', true));
  connect();
}

/** What the user decided, as it stands in the transcript. @param {Turn} turn @param {ToolAnswer[]} answers */
function inWords({ calls }, answers) {
  const lines = answers.map(({ id, content, failed, confirmed }) => {
    const name = calls.find((call) => call.id === id)?.name ?? 'the action';
    const decided = confirmed === undefined ? '' : confirmed ? `Confirmed: ${name}` : `Denied: ${name}`;
    const result = content === undefined ? '' : `${failed ? 'Failure' : 'Result'} of ${name}: ${content || 'nothing'}`;
    return [decided, result].filter(Boolean).join('\n');
  });
  return lines.join('\n');
}

/** The conversation of this tab: Bedrock's session. It outlives a reload. */
function threadId() {
  const id = recall('tab', 'thread') ?? crypto.randomUUID();
  store('tab', 'thread', id);
  return id;
}

/** @param {Config} config @param {Panel} panel */
function offerTraces(config, panel) {
  if (!config.allowTrace) return;
  for (const id of ['trace-switch', 'welcome-trace']) byId(id, HTMLElement).hidden = false;
  traceSwitch.checked = recall('local', 'trace') === 'on';
  panel.offer();
  if (traceSwitch.checked) panel.openBeside();
  traceSwitch.addEventListener('change', () => {
    store('local', 'trace', traceSwitch.checked ? 'on' : 'off');
    if (traceSwitch.checked) panel.openBeside();
  });
}

/** @param {string[]} suggestions @param {(prompt: string) => void} choose */
function offerSuggestions(suggestions, choose) {
  const items = suggestions.map((prompt) => element('li', '', button('suggestion', prompt, () => choose(prompt))));
  byId('suggestions', HTMLElement).replaceChildren(...items);
}

/** @param {ConnectionState} state @param {number} failures @param {string} endpoint */
function showState(state, failures, endpoint) {
  const words = { connecting: 'Connecting', open: 'Connected', waiting: 'Reconnecting', asleep: 'Paused' };
  // While attempts fail, the display stays where it is instead of flickering with each of them.
  const shown = state === 'connecting' && failures > 0 ? 'waiting' : state;
  showConnection(shown, words[shown]);
  if (state === 'open') hideBanner();
  else if (failures >= 2) {
    showBanner(`No connection to ${endpoint}: it does not answer, or it refuses this page. The page keeps trying.`, true);
  }
}

/** @param {string} state @param {string} words */
function showConnection(state, words) {
  byId('connection', HTMLElement).dataset.state = state;
  const text = byId('connection-text', HTMLElement);
  if (text.textContent !== words) text.textContent = words;
}

/** @param {string} text @param {boolean} [retry] whether trying now makes sense */
function showBanner(text, retry = false) {
  if (bannerText.textContent !== text) bannerText.textContent = text;
  bannerRetry.hidden = !retry;
  banner.hidden = false;
}

function hideBanner() {
  banner.hidden = true;
  bannerText.textContent = '';
}

/** What a screen reader reads out at the end of a turn. @param {Turn} turn */
function ending(turn) {
  if (turn.failure !== undefined) return 'The answer failed.';
  if (turn.calls.length > 0) return 'The agent asks you for something.';
  const text = turn.messages.map((message) => message.text).join('\n');
  return text.length > 600 ? `Answer complete, ${text.length} characters.` : `Answer complete. ${text}`;
}

/** @param {string} words for the one status region, which is read out and not seen */
function announce(words) {
  status.textContent = words;
}
