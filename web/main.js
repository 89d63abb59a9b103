// Wires the parts together: settings, connection, conversation, and what shows them.

import { Composer } from './chat/composer.js';
import { Attachments } from './chat/attachments.js';
import { catchFiles, NO_FILES } from './chat/dropped-files.js';
import { download } from './chat/files.js';
import { asMarkdown, fileName, forgottenNote, hasSavedTurns, loadTurns, saveTurns } from './chat/history.js';
import { inWords } from './chat/tool-form.js';
import { Transcript } from './chat/transcript.js';
import { announce, button, byId, element, isTouch, keepFocus, StickToBottom } from './lib/dom.js';
import { recall, store, whenStored } from './lib/storage.js';
import { Conversation } from './relay/conversation.js';
import { earlierMessages, joinRequest, runRequest, RequestError, stopRequest } from './relay/request.js';
import { Connection } from './relay/socket.js';
import { newThread, ownThread, threadId } from './relay/thread.js';
import { asksElsewhere, awaitJoin, awaitsUser, ELSEWHERE_NOTE, endTurn, isCut, isOpen, lastCalls, MOVED_NOTE, overtake, stoppedNote } from './relay/turn.js';
import { AccessDialog, subprotocols } from './settings/access.js';
import { ConfigError, loadConfig } from './settings/config.js';
import { themeSwitch } from './settings/theme.js';
import { Panel } from './trace/panel.js';
import { Traces } from './trace/traces.js';

/** @import { Config, ConnectionState, ToolAnswer, Turn } from './types.d.ts' */

/** So long the turns that have something new are drawn for one picture, in milliseconds. */
const PICTURE_MS = 30;

const banner = byId('banner', HTMLElement);
const bannerText = byId('banner-text', HTMLElement);
const bannerRetry = byId('banner-retry', HTMLButtonElement);
const welcome = byId('welcome', HTMLElement);
const traceSwitch = byId('trace', HTMLInputElement);

/** So much longer than the relay is ever silent while an answer runs: what it sends then may take its time. */
const GRACE_SECONDS = 15;
/** So long the end of a run that was stopped may take to come: it takes about a second. */
const STOP_MS = 4_000;

byId('not-loaded', HTMLElement).remove();
welcome.hidden = hasSavedTurns();
themeSwitch(byId('theme', HTMLButtonElement));
start().catch((error) => {
  showConnection('failed', 'Not set up');
  showBanner(error instanceof ConfigError ? error.message : `The page could not start: ${error}`);
});

async function start() {
  if (!window.isSecureContext) {
    throw new ConfigError('This page needs a secure address: https://, or http://localhost on your own machine.');
  }
  const [config, isOwn] = await Promise.all([loadConfig(new URL('config.json', document.baseURI)), ownThread()]);
  run(config, isOwn);
}

/** @param {Config} config @param {boolean} isOwn whether the conversation is this tab's, and no copy of another's */
function run(config, isOwn) {
  const conversation = new Conversation();
  const transcript = new Transcript(byId('transcript', HTMLElement), {
    retry(turn) {
      if (turn.attached === undefined) return void send(turn.prompt, turn.answers);
      composer.fill(turn.prompt);
      if (attachments?.restore(turn)) composer.submit();
      else composer.explain('Files are not kept over a reload. Choose them again.');
    },
    goOn: () => void send('Continue.'),
    join(turn) {
      turn.joins = 0;
      awaitJoin(turn);
      show(turn);
      reconnect();
      rest();
    },
    showTrace(turn) {
      traces.show(turn);
      panel.open();
    },
    answer(turn, answers) {
      const problem = trySend(inWords(turn, answers), answers);
      if (problem === '') rest();
      return problem;
    },
  });
  const traces = new Traces({
    list: byId('traces-list', HTMLElement),
    empty: byId('traces-empty', HTMLElement),
    count: byId('traces-count', HTMLElement),
    prices: config.prices,
  });
  const panel = new Panel();
  const jump = byId('jump', HTMLButtonElement);
  const stickToBottom = new StickToBottom(byId('scroller', HTMLElement), (following) => (jump.hidden = following), [byId('transcript', HTMLElement)]);
  /** Where the focus goes when nothing else has it. */
  const rest = () => (isTouch() ? byId('scroller', HTMLElement).focus({ preventScroll: true }) : composer.focus());
  const focus = keepFocus(() => (isTouch() ? byId('scroller', HTMLElement) : byId('prompt', HTMLElement)));

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
    focus.check();
    if (!traces.isEmpty) panel.offer();
    stickToBottom.follow();
  };
  const save = () => saveTurns(conversation);
  /** When something came last, or was sent. */
  let heardAt = 0;
  let silent = false;
  /** Whether it was said that the connection is gone. */
  let isAway = false;
  const hear = () => {
    heardAt = performance.now();
    if (!silent) return;
    silent = false;
    hideBanner();
    showConnection('open', 'Connected');
  };
  /** Leaves the connection for another one, over which goes on what can. */
  const reconnect = () => {
    silent = false;
    isAway = true;
    const left = conversation.abandon(performance.now());
    left.forEach(show);
    announce(`${left.every(isOpen) ? '' : 'The answer is incomplete. '}Reconnecting.`);
    save();
    connection.reconnect();
  };
  /** Whether there are answers, and all of them can go on over another connection. */
  const canAllGoOn = () => conversation.open.length > 0 && conversation.open.every(({ key }) => key !== undefined);
  const silence = config.keepaliveSeconds + GRACE_SECONDS;
  const listen = () => {
    if (silent || conversation.open.length === 0 || connection.state !== 'open' || performance.now() - heardAt < silence * 1000) return;
    if (canAllGoOn()) {
      if (!document.hidden) reconnect();
      return;
    }
    silent = true;
    showConnection('waiting', 'Silent');
    showBanner(`Nothing was heard from the relay for ${silence} s. The connection may be gone; if it is, the answer cannot go on over another one.`, 'Reconnect', reconnect);
  };
  /** The turns that are joined over this connection. @type {Set<Turn>} */
  const joined = new Set();
  /** Has the turns go on that lost their connection. A page that nobody looks at does not: the agent goes on without it. */
  const join = () => {
    if (connection.state !== 'open' || document.hidden) return;
    for (const turn of conversation.open) {
      if (!turn.reconnecting || joined.has(turn)) continue;
      joined.add(turn);
      turn.joins += 1;
      connection.send(joinRequest(threadId(), turn));
      heardAt = performance.now();
    }
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let confirmation;
  /** Ends the runs that nobody wants any more. A connection over which no end comes is none: they are ended over the next one. */
  const endRuns = () => {
    for (const [runId, key] of conversation.toStop) connection.send(stopRequest(threadId(), runId, key));
    clearTimeout(confirmation);
    confirmation = setTimeout(() => {
      if (conversation.toStop.size > 0 && connection.state === 'open') reconnect();
    }, STOP_MS);
  };
  const sendHeld = () => {
    if (conversation.held === undefined || !connection.send(conversation.held.request)) return;
    conversation.held = undefined;
    heardAt = performance.now();
  };
  setInterval(() => {
    conversation.open.forEach(show);
    listen();
  }, 1000);

  const accessDialog = new AccessDialog(config, () => connection.reconnect());
  const connection = new Connection(config.endpoint, () => subprotocols(accessDialog.credential), {
    stateChanged(state, failures) {
      if (state === 'open') accessDialog.markAccepted();
      const before = byId('connection', HTMLElement).dataset.state;
      silent = false;
      showState(state, failures, config.endpoint, connect);
      attachments?.setConnected(state === 'open');
      if (state === 'open' && (isAway || before === 'waiting')) announce('Connected again.');
      transcript.isConnected = state === 'open';
      for (const turn of conversation.open) if (turn.reconnecting) show(turn);
      if (state === 'open') {
        isAway = false;
        // What was said over the connection before may not have arrived.
        endRuns();
        conversation.toStop.clear();
        sendHeld();
        join();
      } else joined.clear();
      refresh();
    },
    received(text) {
      hear();
      if (attachments?.receive(text, conversation.open.length > 0)) return;
      const { turn, problem, early, stopped, resumed } = conversation.receive(text, performance.now());
      if (problem !== undefined) showBanner(problem);
      if (stopped) {
        endRuns();
        if (conversation.toStop.size === 0 && conversation.open.length === 0) connection.reconnect();
      }
      // Whatever came, the connection is one.
      sendHeld();
      if (early) reconnect();
      if (turn === undefined) return;
      // It is there after a reload.
      if (turn.nextSeq === 1 && turn.key !== undefined) save();
      if (resumed && isOpen(turn)) announce('The answer goes on.');
      if (!isOpen(turn)) {
        announce(ending(turn));
        save();
      }
      show(turn);
    },
    closed(code) {
      const left = conversation.disconnect(code, performance.now());
      announce(`${left.every(isOpen) ? '' : 'The answer is incomplete. '}The connection closed. Reconnecting.`);
      left.forEach(show);
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
  /** Why nothing can be sent now, or an empty text. */
  const obstacle = () => {
    if (conversation.open.length > 0) return 'The agent is still answering. Wait for the end, or stop it with Escape.';
    if (connection.state === 'open') return '';
    if (accessDialog.needsCredential) return `Enter the ${accessDialog.name} first: without it nothing can be sent.`;
    return 'There is no connection yet. Send it again once the page is connected.';
  };
  const ready = () => obstacle() === '';
  const refresh = () => {
    composer.offer(ready(), conversation.open.length > 0);
    exporter.hidden = conversation.turns.length === 0;
  };

  /** Gives why it was not sent, or an empty text. @param {string} prompt @param {ToolAnswer[]} [answers] @param {Attachments} [attached] */
  const trySend = (prompt, answers = [], attached) => {
    const runId = crypto.randomUUID();
    // Until the end of what was stopped has come, or anything else, there may be no connection.
    const isHeld = conversation.toStop.size > 0;
    let request = '';
    const trace = config.allowTrace && traceSwitch.checked;
    try {
      if (!ready()) return obstacle();
      request = runRequest({ threadId: threadId(), runId, messageId: runId, prompt, trace, answers, calls: lastCalls(conversation.turns), earlier: earlierMessages(conversation.turns, answers), files: attached?.files ?? [] });
      if (isHeld ? connection.state !== 'open' : !connection.send(request)) return obstacle();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return error.message;
    }
    welcome.hidden = true;
    hideBanner();
    heardAt = performance.now();
    announce('Generating.');
    const turn = conversation.begin({ runId, prompt, trace, answers }, performance.now());
    if (attached && !attached.isEmpty) {
      turn.attached = attached.about;
      attached.leave(turn);
    }
    if (isHeld) conversation.held = { turn, request };
    // Those before may be answered by it, or withdrawn.
    for (const earlier of conversation.turns) if (earlier !== turn && awaitsUser(earlier)) show(earlier);
    show(turn);
    stickToBottom.attach();
    return '';
  };
  /** @param {string} prompt @param {ToolAnswer[]} [answers] @param {Attachments} [attached] */
  const send = (prompt, answers = [], attached) => {
    const problem = trySend(prompt, answers, attached);
    composer.explain(problem, problem === obstacle());
    return problem === '';
  };
  /** Sends what was typed, with the files beside it once they are there. @param {string} prompt */
  const submit = (prompt) => {
    const waiting = ready() && prompt.trim() !== '' ? attachments?.obstacle() : '';
    if (!waiting) return send(prompt, [], attachments);
    composer.explain(waiting, false);
    return false;
  };
  /** Ends what is open, at once for whoever reads it. Gives what was. */
  const endTurns = () => {
    const stopped = conversation.stop(performance.now());
    endRuns();
    // A relay that keeps no runs drops the agent when its client is gone. Whether it does, its first frame tells.
    if (stopped.some(({ key, nextSeq }) => key === undefined && nextSeq > 0)) connection.reconnect();
    return stopped;
  };
  const stop = () => {
    const stopped = endTurns();
    if (stopped.length === 0) return;
    stopped.forEach(show);
    save();
    announce(stopped.map(stoppedNote).at(-1) ?? '');
    rest();
  };
  const composer = new Composer(submit);
  const attachments = config.files && new Attachments(config.files, {
    send: (text) => connection.send(text),
    explain: (words) => composer.explain(words),
    ready: () => composer.submit(),
  });

  const exporter = byId('export', HTMLButtonElement);
  exporter.addEventListener('click', () => download(fileName(conversation.turns, new Date()), asMarkdown(conversation)));
  jump.addEventListener('click', () => {
    stickToBottom.attach();
    rest();
  });
  byId('stop', HTMLButtonElement).addEventListener('click', stop);
  document.addEventListener('keydown', (event) => {
    const elsewhere = event.target instanceof Element && event.target.closest('.traces') !== null;
    if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing && !elsewhere) stop();
  });
  loadTurns(conversation);
  if (!isOwn) {
    for (const turn of conversation.turns) {
      overtake(turn, []);
      turn.elsewhere = true;
      turn.agent = undefined;
      if (isOpen(turn)) endTurn(turn, 'moved', undefined);
    }
  }
  if (conversation.forgotten > 0) transcript.note(forgottenNote(conversation.forgotten));
  conversation.turns.forEach(show);
  welcome.hidden = conversation.turns.length > 0;
  if (welcome.hidden) stickToBottom.attach();
  draw();
  if (!isOwn && conversation.turns.length > 0) {
    transcript.note('This tab is a copy of another one, and a conversation of its own: the agent does not know what stands above.');
  }
  byId('new-conversation', HTMLButtonElement).addEventListener('click', () => {
    endTurns();
    conversation.reset();
    attachments?.clear();
    stale.clear();
    transcript.clear();
    traces.clear();
    newThread();
    save();
    welcome.hidden = false;
    announce('New conversation.');
    refresh();
    composer.focus();
  });
  offerTraces(config, panel);
  offerSuggestions(config.suggestions, (prompt) => {
    if (!send(prompt)) composer.fill(prompt);
    rest();
  });
  catchFiles((data) => (attachments ? attachments.take(data) : composer.explain(NO_FILES)));

  // A connection of another network is none any more, long before the browser says so.
  window.addEventListener('online', () => (connection.state === 'open' && canAllGoOn() ? reconnect() : connect()));
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) {
      connect();
      join();
    }
    draw();
  });
  window.addEventListener('pagehide', () => save());
  composer.focus();
  byId('access', HTMLDialogElement).addEventListener('cancel', () => {
    showConnection('failed', 'Not connected');
    showBanner('This agent asks who you are before it answers.', `Enter the ${accessDialog.name}`, connect);
  });
  connect();
}

/** @param {Config} config @param {Panel} panel */
function offerTraces(config, panel) {
  // The address of the viewer, for who has saved traces where the page shows none of its own.
  const open = () => {
    if (location.hash !== '#traces') return;
    panel.offer();
    panel.open();
  };
  window.addEventListener('hashchange', open);
  open();
  if (!config.allowTrace) return;
  for (const id of ['trace-switch', 'welcome-trace']) byId(id, HTMLElement).hidden = false;
  traceSwitch.checked = recall('local', 'trace') === 'on';
  panel.offer();
  panel.restore(traceSwitch.checked);
  traceSwitch.addEventListener('change', () => {
    store('local', 'trace', traceSwitch.checked ? 'on' : 'off');
    if (traceSwitch.checked) panel.openBeside();
  });
  whenStored('trace', () => (traceSwitch.checked = recall('local', 'trace') === 'on'));
}

/** @param {string[]} suggestions @param {(prompt: string) => void} choose */
function offerSuggestions(suggestions, choose) {
  const items = suggestions.map((prompt) => element('li', '', button('suggestion', prompt, () => choose(prompt))));
  byId('suggestions', HTMLElement).replaceChildren(...items);
}

/** @param {ConnectionState} state @param {number} failures @param {string} endpoint @param {() => void} connect */
function showState(state, failures, endpoint, connect) {
  const before = byId('connection', HTMLElement).dataset.state;
  const words = { connecting: 'Connecting', open: 'Connected', waiting: 'Reconnecting', asleep: 'Paused' };
  // While attempts fail, the display stays where it is instead of flickering with each of them.
  const shown = state === 'connecting' && (failures > 0 || before === 'waiting') ? 'waiting' : state;
  showConnection(shown, words[shown]);
  if (state === 'open') hideBanner();
  else if (failures >= 2) {
    showBanner(`No connection to ${endpoint}: it does not answer, or it refuses this page. The page keeps trying.`, 'Try now', connect);
  }
}

/** @param {string} state @param {string} words */
function showConnection(state, words) {
  byId('connection', HTMLElement).dataset.state = state;
  const text = byId('connection-text', HTMLElement);
  if (text.textContent !== words) text.textContent = words;
}

/** @param {string} text @param {string} [label] of what can be done about it @param {() => void} [act] does it */
function showBanner(text, label = '', act = () => {}) {
  if (bannerText.textContent !== text) bannerText.textContent = text;
  bannerRetry.hidden = label === '';
  bannerRetry.textContent = label;
  bannerRetry.onclick = act;
  banner.hidden = false;
}

function hideBanner() {
  banner.hidden = true;
  bannerText.textContent = '';
}

/** What a screen reader reads out at the end of a turn. @param {Turn} turn */
function ending(turn) {
  if (turn.status === 'moved') return MOVED_NOTE;
  if (turn.status === 'stopped') return stoppedNote(turn);
  if (turn.status === 'interrupted') return 'The answer is incomplete.';
  if (turn.failure !== undefined) return isCut(turn) ? 'The answer was cut short.' : 'The answer failed.';
  if (asksElsewhere(turn)) return `The agent asks for something. ${ELSEWHERE_NOTE}`;
  if (turn.calls.length > 0) return 'The agent asks you for something.';
  const text = turn.messages.map((message) => message.text).join('\n');
  return text.length > 600 ? `Answer complete, ${text.length} characters.` : `Answer complete. ${text}`;
}
