// Wires the parts together: settings, connection, conversation, and what shows them.

import { Composer } from './chat/composer.js';
import { refuseFiles } from './chat/dropped-files.js';
import { download } from './chat/files.js';
import { asMarkdown, fileName, forgottenNote } from './chat/history.js';
import { inWords } from './chat/tool-form.js';
import { Transcript } from './chat/transcript.js';
import { Keeper } from './conversations/keeper.js';
import { ConversationList } from './conversations/list.js';
import { announce, button, byId, element, isTouch, keepFocus, StickToBottom } from './lib/dom.js';
import { recall, store, whenStored } from './lib/storage.js';
import { Conversation } from './relay/conversation.js';
import { earlierMessages, joinRequest, runRequest, RequestError, stopRequest } from './relay/request.js';
import { Connection } from './relay/socket.js';
import { hasThread, newThread, openThread, ownThread, releaseThread, showThread, takeThread, threadId, threadsInUse, whenLost } from './relay/thread.js';
import { asksElsewhere, awaitJoin, awaitsUser, ELSEWHERE_NOTE, endTurn, isCut, isOpen, lastCalls, MOVED_NOTE, overtake, stoppedNote } from './relay/turn.js';
import { AccessDialog, subprotocols } from './settings/access.js';
import { ConfigError, loadConfig } from './settings/config.js';
import { themeSwitch } from './settings/theme.js';
import { Panel } from './trace/panel.js';
import { Traces } from './trace/traces.js';

/** @import { Thread } from './relay/conversation.js' */
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
/** So long an agent remembers at least what was said: AgentCore ends a session after 15 idle minutes, Bedrock after 10 or more, in milliseconds. */
const FORGETS_MS = 10 * 60_000;
/** So long the end of a run that was stopped may take to come: it takes about a second. */
const STOP_MS = 4_000;

byId('not-loaded', HTMLElement).remove();
welcome.hidden = recall('tab', 'filled') === 'yes';
themeSwitch(byId('theme', HTMLButtonElement));
start().catch((error) => {
  showConnection('failed', 'Not set up');
  showBanner(error instanceof ConfigError ? error.message : `The page could not start: ${error}`);
});

async function start() {
  if (!window.isSecureContext) {
    throw new ConfigError('This page needs a secure address: https://, or http://localhost on your own machine.');
  }
  const keeping = Keeper.open(threadsInUse);
  const reading = Promise.all([ownThread(), keeping]).then(async ([own, keeper]) => ({ ...own, thread: await keeper.load(own.from, true, own.isOwn) }));
  const [config, keeper, before] = await Promise.all([loadConfig(new URL('config.json', document.baseURI)), keeping, reading]);
  run(config, keeper, before);
}

/**
 * @param {Config} config
 * @param {Keeper} keeper
 * @param {{thread: Thread | undefined, isOwn: boolean, isReader: boolean}} before what the tab showed: its own conversation,
 *   or one that another tab has, to read it here or copied from there
 */
function run(config, keeper, before) {
  const conversation = new Conversation();
  const transcript = new Transcript(byId('transcript', HTMLElement), {
    retry: (turn) => void send(turn.prompt, turn.answers),
    goOn: () => void send('Continue.'),
    join(turn) {
      if (isReader) return void takeOver();
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
    read: (turn) => keeper.readEvents(turn),
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
    const thread = conversation.threadOf(turn);
    if (thread === undefined) return;
    if (hasThread(thread.id)) keeper.touch(turn, thread);
    redraw(turn);
  };
  const redraw = (/** @type {Turn} */ turn) => {
    if (!conversation.turns.includes(turn)) return;
    stale.add(turn);
    schedule();
    refresh();
  };
  const draw = () => {
    scheduled = false;
    const begin = performance.now();
    for (const turn of stale) {
      if (transcript.update(turn, performance.now(), conversation.turns[conversation.turns.indexOf(turn) + 1])) stale.delete(turn);
      traces.update(turn);
      // A long conversation that was kept comes with the next pictures.
      if (performance.now() - begin > PICTURE_MS) break;
    }
    schedule();
    focus.check();
    if (!traces.isEmpty) panel.offer();
    stickToBottom.follow();
  };
  const save = () => void keeper.save(conversation.thread);
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
  const canAllGoOn = () => conversation.running.length > 0 && conversation.running.every(({ key }) => key !== undefined);
  const silence = config.keepaliveSeconds + GRACE_SECONDS;
  const listen = () => {
    if (silent || conversation.running.length === 0 || connection.state !== 'open' || performance.now() - heardAt < silence * 1000) return;
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
    for (const turn of conversation.running) {
      if (!turn.reconnecting || joined.has(turn)) continue;
      joined.add(turn);
      turn.joins += 1;
      connection.send(joinRequest(conversation.threadOf(turn)?.id ?? '', turn));
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
    conversation.open.forEach(redraw);
    listen();
  }, 1000);

  const accessDialog = new AccessDialog(config, () => connection.reconnect());
  const connection = new Connection(config.endpoint, () => subprotocols(accessDialog.credential), {
    stateChanged(state, failures) {
      if (state === 'open') accessDialog.markAccepted();
      const before = byId('connection', HTMLElement).dataset.state;
      silent = false;
      showState(state, failures, config.endpoint, connect);
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
      const { turn, problem, early, stopped, resumed } = conversation.receive(text, performance.now());
      if (problem !== undefined) showBanner(problem);
      if (stopped) {
        endRuns();
        if (conversation.toStop.size === 0 && conversation.running.length === 0) connection.reconnect();
      }
      // Whatever came, the connection is one.
      sendHeld();
      if (early) reconnect();
      if (turn === undefined) return;
      // It is there after a reload.
      const isShown = conversation.turns.includes(turn);
      show(turn);
      if (turn.nextSeq === 1 && turn.key !== undefined) save();
      if (resumed && isOpen(turn) && isShown) announce('The answer goes on.');
      if (isOpen(turn)) return;
      announce(isShown ? ending(turn) : 'An answer in another conversation has ended.');
      if (isShown) save();
      else void leaveBehind(conversation.threadOf(turn));
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
    if (isReader) return 'This conversation is open in another tab. “Continue here” brings it to this one.';
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

  /** Gives why it was not sent, or an empty text. @param {string} prompt @param {ToolAnswer[]} [answers] */
  const trySend = (prompt, answers = []) => {
    const runId = crypto.randomUUID();
    // Until the end of what was stopped has come, or anything else, there may be no connection.
    const isHeld = conversation.toStop.size > 0;
    let request = '';
    const trace = config.allowTrace && traceSwitch.checked;
    try {
      if (!ready()) return obstacle();
      request = runRequest({ threadId: threadId(), runId, messageId: runId, prompt, trace, answers, calls: lastCalls(conversation.turns), earlier: earlierMessages(conversation.turns, answers) });
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
    if (isHeld) conversation.held = { turn, request };
    // Those before may be answered by it, or withdrawn.
    for (const earlier of conversation.turns) if (earlier !== turn && awaitsUser(earlier)) show(earlier);
    show(turn);
    save();
    stickToBottom.attach();
    return '';
  };
  /** @param {string} prompt @param {ToolAnswer[]} [answers] */
  const send = (prompt, answers = []) => {
    const problem = trySend(prompt, answers);
    composer.explain(problem, problem === obstacle());
    return problem === '';
  };
  /** Ends what is open, at once for whoever reads it. Gives what was. */
  const endTurns = (turns = conversation.open) => {
    const stopped = conversation.stop(performance.now(), turns);
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
  const composer = new Composer(send);

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
  // Which conversation is shown, and which tab goes on with it.
  /** Whether another tab goes on with the conversation, which is only read here. */
  let isReader = before.isReader;
  /** Conversations in which an answer ended while another one was shown. @type {Set<string>} */
  const unread = new Set();
  const list = new ConversationList(keeper, {
    current: () => (conversation.turns.length > 0 ? conversation.thread.id : ''),
    state: (id) => (conversation.away(id)?.turns.some(isOpen) ? 'answering' : unread.has(id) ? 'new answer' : ''),
    open: (id) => void openConversation(id),
  });
  /** An answer that nobody looked at has ended: its conversation may be opened by any tab. @param {Thread | undefined} thread */
  const leaveBehind = async (thread) => {
    if (thread === undefined || thread.turns.some(isOpen)) return;
    unread.add(thread.id);
    await keeper.flush();
    if (thread === conversation.thread) return;
    conversation.drop(thread.id);
    await leaveAlone(thread.id);
  };
  /** Lets other tabs have a conversation that was left. @param {string} id */
  const leaveAlone = async (id) => {
    await keeper.flush();
    if (id === conversation.thread.id || conversation.away(id)) return;
    await releaseThread(id);
    await list.update();
  };
  /** @param {Thread} thread */
  const enter = (thread) => {
    const left = conversation.thread;
    if (left !== thread) save();
    conversation.enter(thread);
    if (left !== thread && conversation.away(left.id) === undefined) void leaveAlone(left.id);
    unread.delete(thread.id);
    stale.clear();
    transcript.clear();
    traces.clear();
    // A result that was being typed is saved when the tab is left.
    keeper.saveForTab(thread);
    const { turns, forgotten } = thread;
    if (forgotten > 0) transcript.note(forgottenNote(forgotten));
    // What is read first stands at the end.
    const { no: live = [], yes: restored = [] } = Object.groupBy(turns, (turn) => (turn.restored ? 'yes' : 'no'));
    for (const turn of [...live, ...restored.toReversed()]) stale.add(turn);
    restored.forEach((turn) => traces.update(turn));
    welcome.hidden = turns.length > 0;
    if (welcome.hidden) stickToBottom.attach();
    draw();
    const last = turns.findLast(({ keptEvents, events }) => keptEvents || events.length > 0);
    if (last) traces.show(last);
    noteAge(turns);
    refresh();
    join();
    void list.update();
  };
  /** What another tab goes on with can be read here. */
  const noteReading = () => transcript.note('This conversation is open in another tab.', button('quiet small', 'Continue here', () => void takeOver()));
  /** @param {Turn[]} turns */
  const noteAge = (turns) => {
    const last = turns.at(-1);
    if (last === undefined || isReader || isOpen(last) || performance.now() - (last.endedAt ?? last.sentAt) < FORGETS_MS) return;
    transcript.note('It was a while ago that something was said here. The agent may not remember it; if so, it answers as in a new conversation.');
  };
  /** @param {Thread} thread @param {boolean} isOwn */
  const enterAs = (thread, isOwn) => {
    isReader = !isOwn;
    showThread(thread.id, isOwn);
    if (isReader) thread.turns.forEach(makeForeign);
    enter(thread);
    if (isReader) noteReading();
  };
  let opening = 0;
  /** @param {string} id */
  const openConversation = async (id) => {
    const own = (opening += 1);
    if (id !== conversation.thread.id) {
      const isOwn = await openThread(id);
      const thread = conversation.away(id) ?? (await keeper.load(id));
      if (own !== opening || thread === undefined) {
        if (conversation.thread.id !== id && conversation.away(id) === undefined) void releaseThread(id);
        return void list.update();
      }
      enterAs(thread, isOwn);
      announce('Conversation opened.');
    }
    rest();
  };
  /** Goes on here with a conversation that another tab had. */
  const takeOver = async () => {
    const { id } = conversation.thread;
    keeper.ask(id);
    const isOwn = await takeThread(id);
    const thread = await keeper.load(id);
    if (conversation.thread.id !== id || !isReader) return;
    if (thread === undefined) return startAnew();
    conversation.reset();
    enterAs(thread, isOwn);
    announce('The conversation goes on here.');
    rest();
  };
  /** Another tab goes on with a conversation of this one. @param {string} id */
  const giveUp = (id) => {
    keeper.giveUp(id);
    const away = conversation.drop(id);
    if (away !== undefined || id !== conversation.thread.id || isReader) return;
    isReader = true;
    showThread(id, false);
    for (const turn of conversation.turns) {
      makeForeign(turn);
      redraw(turn);
    }
    noteReading();
    refresh();
  };
  const startAnew = () => {
    isReader = false;
    enter({ id: newThread(), turns: [], forgotten: 0 });
  };
  whenLost(giveUp);
  keeper.listen({
    changed: () => void list.update(),
    removed(ids) {
      for (const id of ids) {
        unread.delete(id);
        const { thread } = conversation;
        const isShown = id === thread.id && thread.turns.length > 0;
        const turns = (isShown ? thread : conversation.away(id))?.turns ?? [];
        endTurns(turns.filter((turn) => isOpen(turn) && hasThread(id)));
        conversation.drop(id);
        if (isShown) {
          conversation.reset();
          startAnew();
          transcript.note('The conversation that was open here was deleted.');
        }
        void releaseThread(id);
      }
    },
    async asked(id) {
      if (!hasThread(id)) return;
      const { turns } = conversation.away(id) ?? conversation.thread;
      // What cannot be joined elsewhere would be lost unsaid.
      endTurns(turns.filter((turn) => isOpen(turn) && turn.key === undefined)).forEach(show);
      await keeper.flush();
      giveUp(id);
      await releaseThread(id);
    },
    threads: () => conversation.threads.filter(({ id }) => hasThread(id)),
  });
  if (before.isOwn || before.isReader) {
    conversation.thread.id = threadId();
    enterAs(before.thread ?? { ...conversation.thread }, before.isOwn);
  } else {
    const copy = { turns: before.thread?.turns ?? [], forgotten: before.thread?.forgotten ?? 0, id: threadId() };
    copy.turns.forEach(makeForeign);
    enter(copy);
    if (copy.turns.length > 0) transcript.note('This tab is a copy of another one, and a conversation of its own: the agent does not know what stands above.');
    for (const turn of copy.turns) keeper.touch(turn, copy);
    save();
  }
  byId('new-conversation', HTMLButtonElement).addEventListener('click', () => {
    startAnew();
    announce('New conversation.');
    composer.focus();
  });
  offerTraces(config, panel);
  offerSuggestions(config.suggestions, (prompt) => {
    if (!send(prompt)) composer.fill(prompt);
    rest();
  });
  refuseFiles((words) => composer.explain(words));

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

/** A turn of a conversation that another tab goes on with: its agent waits for nothing from here. @param {Turn} turn */
function makeForeign(turn) {
  overtake(turn, []);
  turn.elsewhere = true;
  turn.agent = undefined;
  if (isOpen(turn)) endTurn(turn, 'moved', undefined);
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
