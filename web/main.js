// Wires the parts together: settings, connection, conversation, and what shows them.

import { Composer } from './chat/composer.js';
import { Attachments } from './chat/attachments.js';
import { draftOf, forgetDrafts, keepDraft } from './chat/drafts.js';
import { catchFiles, NO_FILES } from './chat/dropped-files.js';
import { download } from './chat/files.js';
import { asMarkdown, fileName, forgottenNote } from './chat/history.js';
import { Notice } from './chat/notice.js';
import { Queue } from './chat/queue.js';
import { inWords } from './chat/tool-form.js';
import { Transcript } from './chat/transcript.js';
import { postVote } from './chat/votes.js';
import { Keeper } from './conversations/keeper.js';
import { ConversationList } from './conversations/list.js';
import { announce, button, byId, element, isTouch, keepFocus, StickToBottom } from './lib/dom.js';
import { recall, store, whenStored } from './lib/storage.js';
import { plural, t } from './lib/words.js';
import { speaksAgui } from './relay/agui.js';
import { Conversation } from './relay/conversation.js';
import { earlierMessages, joinRequest, runRequest, RequestError, stopRequest } from './relay/request.js';
import { Connection } from './relay/socket.js';
import {
  hasThread,
  newThread,
  openThread,
  ownThread,
  releaseThread,
  showThread,
  takeThread,
  threadId,
  threadsInUse,
  whenLost,
} from './relay/thread.js';
import {
  asksElsewhere,
  awaitJoin,
  awaitsUser,
  ELSEWHERE_NOTE,
  endTurn,
  isCut,
  isOpen,
  lastCalls,
  MOVED_NOTE,
  overtake,
  stoppedNote,
} from './relay/turn.js';
import { AccessDialog, subprotocols } from './settings/access.js';
import { applyAppearance } from './settings/appearance.js';
import { ConfigError, loadConfig } from './settings/config.js';
import { themeSwitch } from './settings/theme.js';
import { TracesOnDemand } from './trace/on-demand.js';
import { Panel } from './trace/panel.js';

/** @import { Thread } from './relay/conversation.js' */
/** @import { Sendable } from './chat/attachments.js' */
/** @import { Config, ConnectionState, Starter, ToolAnswer, Turn } from './types.d.ts' */

/** So many are read at a glance; the others come when asked for. */
const MAX_STARTERS = 4;

const banner = byId('banner', HTMLElement);
const bannerText = byId('banner-text', HTMLElement);
const bannerRetry = byId('banner-retry', HTMLButtonElement);
const stage = byId('stage', HTMLElement);
const traceSwitch = byId('trace', HTMLInputElement);
/** Shows what an answer cites. @type {Transcript['showSource']} */
let showSource = () => {};
/** @type {Config['prices']} */
let prices = {};
// They need neither settings nor a connection: a saved trace can be looked at without.
/** @type {(turn: Turn) => Promise<void>} */
let readEvents = async () => {};
const traces = new TracesOnDemand(
  () => prices,
  (turn, number) => {
    panel.closeDrawer();
    showSource(turn, number, () => showPassage(turn, number));
  },
  (turn) => readEvents(turn),
);
const panel = new Panel(() => void traces.load());

/** So much longer than the relay is ever silent while an answer runs: what it sends then may take its time. */
const GRACE_SECONDS = 15;
/** So long an agent remembers at least what was said: AgentCore ends a session after 15 idle minutes, Bedrock after 10 or more, in milliseconds. */
const FORGETS_MS = 10 * 60_000;
/** So long the end of a run that was stopped may take to come: it takes about a second. */
const STOP_MS = 4_000;
/** A picture that has been in the making for longer has had enough to do: a missed one is noticed at 16 ms. */
const LATE_MS = 10;

/** What is wrong with the settings, which stays until it was read. */
let standing = '';

byId('not-loaded', HTMLElement).remove();
stage.classList.toggle('fresh', recall('tab', 'filled') !== 'yes');
const nameTheme = themeSwitch(byId('theme', HTMLButtonElement));
window.addEventListener('hashchange', openByAddress);
openByAddress();
start()
  .finally(() => (document.documentElement.dataset.configured = ''))
  .catch((error) => {
    showConnection('failed', t('Not set up'));
    // What is saved can be looked at all the same.
    panel.offer();
    showBanner(
      error instanceof ConfigError ? error.message : t('The page could not start: {error}', { error: String(error) }),
      t('Open a saved trace'),
      () => panel.open(),
    );
  });

async function start() {
  if (!window.isSecureContext) {
    throw new ConfigError('This page needs a secure address: https://, or http://localhost on your own machine.');
  }
  const keeping = Keeper.open(threadsInUse);
  const reading = Promise.all([ownThread(), keeping]).then(async ([own, keeper]) => ({
    ...own,
    thread: await keeper.load(own.from, true, own.isOwn),
  }));
  const [config, keeper, before] = await Promise.all([
    loadConfig(new URL('config.json', document.baseURI)),
    keeping,
    reading,
  ]);
  applyAppearance(config);
  nameTheme();
  for (const note of config.notes) console.warn(note);
  standing = config.notes.join(' ');
  hideBanner();
  run(config, keeper, before);
}

/**
 * @param {Config} config
 * @param {Keeper} keeper
 * @param {{thread: Thread | undefined, isOwn: boolean, isReader: boolean}} before what the tab showed: its own conversation,
 *   or one that another tab has, to read it here or copied from there
 */
function run(config, keeper, before) {
  prices = config.prices;
  readEvents = (turn) => keeper.readEvents(turn);
  const conversation = new Conversation();
  const transcript = new Transcript(byId('transcript', HTMLElement), {
    tells: config.telemetry === 'always' || (config.telemetry === 'with-trace' && config.allowTrace),
    retry(turn) {
      if (turn.attached !== undefined) {
        const problem = obstacle();
        if (problem !== '') return composer.explain(problem);
        const again = attachments?.again(turn);
        if (again) {
          if (send(turn.prompt, [], again)) rest();
          return;
        }
        // What is being typed is not sent along unseen.
        const isFree = composer.isEmpty;
        if (attachments?.isEmpty === false)
          return composer.explain(t('Send or remove the files beside the prompt first.'));
        const why = attachments?.restore(turn) ?? t(NO_FILES);
        composer.takeBack(turn.prompt);
        composer.explain(why);
        if (why === '' && isFree) composer.submit();
        return rest();
      }
      if (turn.answers.length === 0 ? submit(turn.prompt) : send(turn.prompt, turn.answers)) rest();
    },
    edit(turn, prompt) {
      if (turn.attached !== undefined)
        return t('A prompt with files cannot be edited. Send a new one, with the files.');
      const from = conversation.turns.indexOf(turn);
      const withdrawn = conversation.turns.slice(from);
      const problem = trySend(prompt, [], { before: conversation.turns.slice(0, from) });
      if (problem !== '') return problem;
      for (const one of withdrawn) {
        one.replaced = true;
        show(one);
      }
      save();
      stickToBottom.attach();
      rest();
      return '';
    },
    forgets: () => forgets(),
    goOn: () => void send(t('Continue.')),
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
    showPassage,
    answer(turn, answers) {
      const problem = trySend(inWords(turn, answers), answers);
      if (problem === '') {
        stickToBottom.attach();
        rest();
      }
      return problem;
    },
    vote:
      config.votes === undefined
        ? undefined
        : async (turn, vote, comment) => {
            const { id } = conversation.thread;
            const problem = await postVote(config.votes ?? '', {
              threadId: id,
              runId: turn.runId,
              vote: vote ?? null,
              comment,
            });
            if (problem !== '') return problem;
            turn.vote = vote;
            show(turn);
            save();
            if (conversation.threadOf(turn) === undefined) void keepVote(id, turn);
            return '';
          },
  });
  showSource = transcript.showSource.bind(transcript);
  const jump = byId('jump', HTMLButtonElement);
  const stickToBottom = new StickToBottom(byId('scroller', HTMLElement), (following) => (jump.hidden = following), [
    byId('transcript', HTMLElement),
  ]);
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
    // What changes now comes before what was kept, whose own order is from the end.
    if (!stale.has(turn)) {
      const kept = [...stale];
      stale.clear();
      for (const one of [turn, ...kept]) stale.add(one);
    }
    schedule();
    refresh();
  };
  let isLate = false;
  let hasMore = false;
  const draw = (begun = Infinity) => {
    // A picture that has taken its time already, as it does when a trace changes a lot, leaves this to the next.
    isLate = !isLate && performance.now() - begun > LATE_MS;
    if (isLate) return void requestAnimationFrame(draw);
    scheduled = false;
    transcript.begin(hasMore);
    for (const turn of stale) {
      if (transcript.update(turn, performance.now(), conversation.turns[conversation.turns.indexOf(turn) + 1]))
        stale.delete(turn);
      traces.update(turn);
      // A long conversation that was kept comes with the next pictures.
      if (transcript.steps <= 0) break;
    }
    hasMore = transcript.steps <= 0 && stale.size > 0;
    byId('transcript', HTMLElement).ariaBusy = String([...stale].some((turn) => !isOpen(turn)));
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
    showConnection('open', t('Connected'));
  };
  /** Leaves the connection for another one, over which goes on what can. */
  const reconnect = () => {
    silent = false;
    isAway = true;
    const left = conversation.abandon(performance.now());
    lose(left);
    announce(left.every(isOpen) ? t('Reconnecting.') : t('The answer is incomplete. Reconnecting.'));
    save();
    connection.reconnect();
  };
  /** Whether there are answers, and all of them can go on over another connection. */
  const canAllGoOn = () =>
    conversation.running.length > 0 && conversation.running.every(({ key }) => key !== undefined);
  const silence = config.keepaliveSeconds + GRACE_SECONDS;
  const listen = () => {
    if (
      silent ||
      conversation.running.length === 0 ||
      connection.state !== 'open' ||
      performance.now() - heardAt < silence * 1000
    )
      return;
    if (canAllGoOn()) {
      if (!document.hidden) reconnect();
      return;
    }
    silent = true;
    showConnection('waiting', t('Silent'));
    showBanner(
      t(
        'Nothing was heard from the relay for {seconds} s. The connection may be gone; if it is, the answer cannot go on over another one.',
        { seconds: silence },
      ),
      t('Reconnect'),
      reconnect,
    );
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
    const [running] = conversation.open;
    notice.offer(running && performance.now() - running.sentAt);
    listen();
  }, 1000);
  /** A turn ended, and not because the user wanted it to. @param {Turn} turn */
  const settle = (turn) => {
    turn.endedOn = Date.now();
    if (turn.status === 'moved') return;
    const words =
      turn.status !== 'done' ? t('Answer incomplete') : awaitsAnswer(turn) ? t('The agent asks') : t('Answer ready');
    notice.tell(words, performance.now() - turn.sentAt);
  };
  /** @param {Turn[]} turns of a connection that is gone */
  const lose = (turns) => {
    for (const turn of turns) {
      if (!isOpen(turn)) settle(turn);
      show(turn);
    }
  };

  const accessDialog = new AccessDialog(config, () => connection.reconnect());
  const connection = new Connection(config.endpoint, () => subprotocols(accessDialog.credential), {
    stateChanged(state, failures) {
      if (state === 'open') accessDialog.markAccepted();
      const before = byId('connection', HTMLElement).dataset.state;
      silent = false;
      showState(state, failures, config.endpoint, connect);
      attachments?.setConnected(state === 'open');
      if (state === 'open' && (isAway || before === 'waiting')) announce(t('Connected again.'));
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
      if (attachments?.receive(text, conversation.running.length > 0)) return;
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
      const hasEnded = !isOpen(turn);
      if (hasEnded) {
        settle(turn);
        announce(isShown ? ending(turn) : t('An answer in another conversation has ended.'));
      } else if (resumed && isShown) announce(t('The answer goes on.'));
      show(turn);
      if (hasEnded && !isShown) void leaveBehind(conversation.threadOf(turn));
      else if (hasEnded || (turn.nextSeq === 1 && turn.key !== undefined)) save();
    },
    closed(code) {
      const left = conversation.disconnect(code, performance.now());
      announce(
        left.every(isOpen)
          ? t('The connection closed. Reconnecting.')
          : t('The answer is incomplete. The connection closed. Reconnecting.'),
      );
      lose(left);
    },
    async failed(failures) {
      const refusal = await accessDialog.refusal(failures);
      if (refusal === undefined || connection.state === 'open') return;
      connection.close();
      hideBanner();
      showConnection('failed', t('Not let in'));
      accessDialog.open(refusal);
    },
  });
  const connect = () => (accessDialog.needsCredential ? accessDialog.open() : connection.connect());
  /** Why nothing can be sent now, or an empty text. */
  const obstacle = () => {
    if (isReader) return t('This conversation is open in another tab. “Continue here” brings it to this one.');
    if (conversation.open.length > 0)
      return t('The agent is still answering. Wait for the end, or stop it with Escape.');
    if (connection.state === 'open') return '';
    if (accessDialog.needsCredential)
      return t('Enter the {credential} first: without it nothing can be sent.', { credential: accessDialog.name });
    return t('There is no connection yet. Send it again once the page is connected.');
  };
  const ready = () => obstacle() === '';
  /** What it was when that was looked at last. */
  let told = '';
  const refresh = () => {
    const problem = obstacle();
    // Wherever it was said why something could not be sent, that is over.
    if (problem !== told)
      for (const one of document.querySelectorAll('.composer-problem'))
        if (one.textContent === told) one.toggleAttribute('hidden', true);
    told = problem;
    composer.offer(problem, conversation.open.length > 0);
    queue.update();
    exporter.hidden = conversation.turns.length === 0;
  };

  /** Whether the agent is told anew with each prompt what was said before it. */
  const forgets = () => conversation.turns.some(speaksAgui);

  /**
   * Gives why it was not sent, or an empty text.
   *
   * @param {string} prompt
   * @param {ToolAnswer[]} [answers]
   * @param {{before?: Turn[], attached?: Sendable | undefined}} [more] the turns that it comes after, and the files beside it
   */
  const trySend = (prompt, answers = [], { before = conversation.turns, attached } = {}) => {
    const runId = crypto.randomUUID();
    // Until the end of what was stopped has come, or anything else, there may be no connection.
    const isHeld = conversation.toStop.size > 0;
    let request = '';
    const trace = config.allowTrace && traceSwitch.checked;
    // An agent that keeps what was said itself still waits for what it asked in a turn that was replaced.
    const known = forgets() ? before.filter(({ replaced }) => !replaced) : conversation.turns;
    try {
      if (!ready()) return obstacle();
      request = runRequest({
        threadId: threadId(),
        runId,
        messageId: runId,
        prompt,
        trace,
        answers,
        calls: lastCalls(known),
        earlier: earlierMessages(before, answers),
        files: attached?.files ?? [],
      });
      if (isHeld ? connection.state !== 'open' : !connection.send(request)) return obstacle();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return error.message;
    }
    stage.classList.remove('fresh');
    store('local', 'knows-keys', 'yes');
    showHint();
    hideBanner();
    heardAt = performance.now();
    announce(t('Generating.'));
    const turn = conversation.begin({ runId, prompt, trace, answers }, performance.now());
    turn.sentOn = Date.now();
    if (attached && !attached.isEmpty) {
      turn.attached = attached.about;
      attached.leave(turn);
    }
    if (isHeld) conversation.held = { turn, request };
    // Those before may be answered by it, or withdrawn.
    for (const earlier of conversation.turns) if (earlier !== turn && awaitsUser(earlier)) show(earlier);
    show(turn);
    save();
    return '';
  };
  /** @param {string} prompt @param {ToolAnswer[]} [answers] @param {Sendable} [attached] */
  const send = (prompt, answers = [], attached) => {
    const problem = trySend(prompt, answers, { attached });
    composer.explain(problem);
    if (problem === '') stickToBottom.attach();
    return problem === '';
  };
  /** Sends a prompt with the files beside it, or has it wait for the end of the answer, or for the files. @param {string} prompt @param {Attachments} [attached] */
  const submit = (prompt, attached) => {
    if (conversation.open.length === 0) {
      const waiting = ready() && prompt.trim() !== '' ? attached?.obstacle() : '';
      if (!waiting) return send(prompt, [], attached);
      composer.explain(waiting);
      return false;
    }
    let problem = '';
    try {
      if (attached && !attached.isEmpty)
        throw new RequestError(t('A prompt with files cannot wait. Send it when the answer is complete.'));
      // It would be refused later as well.
      runRequest({
        threadId: threadId(),
        runId: crypto.randomUUID(),
        messageId: crypto.randomUUID(),
        prompt,
        trace: false,
      });
      problem = queue.add(prompt);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      problem = error.message;
    }
    composer.explain(problem);
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
    for (const turn of stopped) {
      turn.endedOn = Date.now();
      show(turn);
    }
    save();
    announce(stopped.map(stoppedNote).at(-1) ?? '');
    rest();
  };
  const composer = new Composer((prompt) => submit(prompt, attachments));
  const notice = new Notice(rest);
  const attachments =
    config.files &&
    new Attachments(config.files, {
      send: (text) => connection.send(text),
      explain: (words) => composer.explain(words),
      ready: () => composer.submit(),
    });

  const exporter = byId('export', HTMLButtonElement);
  exporter.addEventListener('click', () =>
    download(fileName(conversation.turns, new Date()), asMarkdown(conversation)),
  );
  jump.addEventListener('click', () => {
    stickToBottom.attach();
    rest();
  });
  byId('stop', HTMLButtonElement).addEventListener('click', stop);
  document.addEventListener('keydown', (event) => {
    const elsewhere = event.target instanceof Element && event.target.closest('.traces') !== null;
    if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing && !elsewhere) stop();
  });
  const queue = new Queue({
    thread: threadId,
    last: () => conversation.turns.at(-1),
    isConnected: () => connection.state === 'open',
    send(prompt, isAsked) {
      const heard = isAsked ? '' : byId('status', HTMLElement).textContent;
      const problem = trySend(prompt);
      if (problem !== '') return problem;
      if (isAsked) stickToBottom.attach();
      // Whoever reads on above stays there, and hears what came before.
      else announce(`${heard} ${t('The next prompt was sent.')}`);
      return '';
    },
    edit: (prompt) => composer.takeBack(prompt),
    rest,
  });
  // Which conversation is shown, and which tab goes on with it.
  /** Whether another tab goes on with the conversation, which is only read here. */
  let isReader = before.isReader;
  /** Conversations in which an answer ended while another one was shown. @type {Set<string>} */
  const unread = new Set();
  const list = new ConversationList(keeper, {
    current: () => (conversation.turns.length > 0 ? conversation.thread.id : ''),
    state: (id) => (conversation.away(id)?.turns.some(isOpen) ? t('answering') : unread.has(id) ? t('new answer') : ''),
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
  /** Keeps a vote that arrived when its conversation had been left. @param {string} id @param {Turn} voted */
  const keepVote = async (id, voted) => {
    if (!(await openThread(id))) return;
    const thread = conversation.threads.find((one) => one.id === id) ?? (await keeper.load(id));
    const turn = thread?.turns.find(({ runId }) => runId === voted.runId);
    if (thread && turn) {
      turn.vote = voted.vote;
      keeper.touch(turn, thread);
    }
    await leaveAlone(id);
  };
  /**
   * @param {Thread} thread
   * @param {string} [draft] what is being typed, if it goes along
   * @param {string} [from] the conversation whose files go along
   */
  const enter = (thread, draft, from) => {
    const left = conversation.thread;
    if (left !== thread) save();
    // What was begun before anything was said stands in no list: the next new conversation has it.
    const isBegun = left.turns.length === 0 && left.id !== thread.id && draft === undefined;
    if (isBegun && !isBoxEmpty()) keepBegun([...begun(), left.id]);
    conversation.enter(thread);
    if (left !== thread && conversation.away(left.id) === undefined) void leaveAlone(left.id);
    unread.delete(thread.id);
    attachments?.open(thread.id, from);
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
    if (!stage.classList.toggle('fresh', turns.length === 0)) stickToBottom.attach();
    draw();
    const last = turns.findLast(({ keptEvents, events }) => keptEvents || events.length > 0);
    if (last) traces.show(last);
    noteAge(turns);
    composer.open(draft);
    queue.open();
    refresh();
    join();
    void list.update();
  };
  /** What another tab goes on with can be read here. */
  const noteReading = () =>
    transcript.note(
      t('This conversation is open in another tab.'),
      button('quiet small', t('Continue here'), () => void takeOver()),
    );
  /** @param {Turn[]} turns */
  const noteAge = (turns) => {
    const last = turns.at(-1);
    if (
      last === undefined ||
      isReader ||
      isOpen(last) ||
      performance.now() - (last.endedAt ?? last.sentAt) < FORGETS_MS
    )
      return;
    transcript.note(
      t(
        'It was a while ago that something was said here. The agent may not remember it; if so, it answers as in a new conversation.',
      ),
    );
  };
  /** @param {Thread} thread @param {boolean} isOwn */
  const enterAs = (thread, isOwn) => {
    isReader = !isOwn;
    showThread(thread.id, isOwn);
    if (isReader) thread.turns.forEach(makeForeign);
    enter(thread);
    if (isReader) noteReading();
  };
  /** Whether nothing is being typed, and there are no files beside it. */
  const isBoxEmpty = () => composer.isEmpty && attachments?.isEmpty !== false;
  /** New conversations that were left with something in the box, by their ids. */
  const begun = () => (recall('tab', 'begun') ?? '').split(' ').filter(Boolean);
  const keepBegun = (/** @type {string[]} */ ids) => store('tab', 'begun', ids.join(' '));
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
      composer.explain('');
      announce(t('Conversation opened.'));
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
    announce(t('The conversation goes on here.'));
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
    // What is being typed goes on there, or else what was begun in another new one.
    let from = conversation.thread.id;
    let draft = byId('prompt', HTMLTextAreaElement).value;
    if (isBoxEmpty()) {
      const before = begun();
      from = before.pop() ?? from;
      draft = draftOf(`prompt ${from}`) ?? '';
      keepDraft(`prompt ${from}`, '');
      keepBegun(before);
    }
    composer.fill('');
    composer.explain('');
    enter({ id: newThread(), turns: [], forgotten: 0 }, draft, from);
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
          transcript.note(t('The conversation that was open here was deleted.'));
        }
        void releaseThread(id);
        attachments?.forget(id);
      }
      forgetDrafts((id) => ids.includes(id));
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
    const copy = { turns: [], forgotten: 0, ...before.thread, id: threadId() };
    copy.turns.forEach(makeForeign);
    enter(copy);
    if (copy.turns.length > 0)
      transcript.note(
        t(
          'This tab is a copy of another one, and a conversation of its own: the agent does not know what stands above.',
        ),
      );
    for (const turn of copy.turns) keeper.touch(turn, copy);
    save();
  }
  byId('new-conversation', HTMLButtonElement).addEventListener('click', () => {
    // One that is still being opened does not come in its place.
    opening += 1;
    startAnew();
    announce(t('New conversation.'));
    composer.focus();
  });
  showHint();
  offerTraces(config);
  offerStarters(config.starters, (prompt) => {
    if (!send(prompt)) composer.fill(prompt);
    rest();
  });
  catchFiles((data) => (attachments ? attachments.take(data) : composer.explain(t(NO_FILES))));

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
    showConnection('failed', t('Not connected'));
    showBanner(
      t('This agent asks who you are before it answers.'),
      t('Enter the {credential}', { credential: accessDialog.name }),
      connect,
    );
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

/** Shows a source of an answer where the agent found it. @param {Turn} turn @param {number} number */
function showPassage(turn, number) {
  panel.open();
  traces.showPassage(turn, number);
}

/** Opens the viewer at its address, for who has saved traces where the page shows none of its own. */
function openByAddress() {
  if (location.hash !== '#traces') return;
  panel.offer();
  panel.open();
}

/** @param {Config} config */
function offerTraces(config) {
  if (!config.allowTrace) return;
  byId('trace-switch', HTMLElement).hidden = false;
  byId('welcome-trace', HTMLElement).hidden = config.introduction !== undefined;
  traceSwitch.checked = recall('local', 'trace') === 'on';
  panel.offer();
  panel.restore(traceSwitch.checked);
  traceSwitch.addEventListener('change', () => {
    store('local', 'trace', traceSwitch.checked ? 'on' : 'off');
    if (traceSwitch.checked) panel.openBeside();
  });
  whenStored('trace', () => (traceSwitch.checked = recall('local', 'trace') === 'on'));
}

/** @param {Starter[]} starters @param {(prompt: string) => void} choose */
function offerStarters(starters, choose) {
  const items = starters.map(({ title, explanation, prompt }) => {
    const starter = button('suggestion', '', () => choose(prompt));
    starter.append(
      explanation ? element('strong', '', title) : title,
      explanation ? element('span', '', explanation) : '',
    );
    starter.dir = 'auto';
    return element('li', '', starter);
  });
  const list = byId('suggestions', HTMLElement);
  const more = byId('more-suggestions', HTMLButtonElement);
  list.replaceChildren(...items.slice(0, MAX_STARTERS));
  more.hidden = items.length <= MAX_STARTERS;
  more.addEventListener('click', () => {
    more.hidden = true;
    list.append(...items.slice(MAX_STARTERS));
    items[MAX_STARTERS]?.querySelector('button')?.focus();
  });
}

/** @param {ConnectionState} state @param {number} failures @param {string} endpoint @param {() => void} connect */
function showState(state, failures, endpoint, connect) {
  const before = byId('connection', HTMLElement).dataset.state;
  const words = { connecting: t('Connecting'), open: t('Connected'), waiting: t('Reconnecting'), asleep: t('Paused') };
  // While attempts fail, the display stays where it is instead of flickering with each of them.
  const shown = state === 'connecting' && (failures > 0 || before === 'waiting') ? 'waiting' : state;
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

/** How to send, for who has not sent anything yet, and for screen readers in any case. */
function showHint() {
  const hint = byId('prompt-hint', HTMLElement);
  hint.textContent = isTouch()
    ? t('Enter starts a new line, the button sends')
    : t('Enter sends, Shift+Enter starts a new line');
  hint.classList.toggle('visually-hidden', recall('local', 'knows-keys') === 'yes');
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
  if (standing !== '') {
    return showBanner(standing, t('Hide'), () => {
      standing = '';
      hideBanner();
    });
  }
  banner.hidden = true;
  bannerText.textContent = '';
}

/** Whether the user has something to answer. @param {Turn} turn */
function awaitsAnswer({ calls }) {
  return calls.some(({ reply }) => reply === undefined);
}

/** What a screen reader reads out at the end of a turn. @param {Turn} turn */
function ending(turn) {
  if (turn.status === 'moved') return t(MOVED_NOTE);
  if (turn.status === 'stopped') return stoppedNote(turn);
  if (turn.status === 'interrupted') return t('The answer is incomplete.');
  if (turn.failure !== undefined) return isCut(turn) ? t('The answer was cut short.') : t('The answer failed.');
  if (asksElsewhere(turn)) return `${t('The agent asks for something.')} ${t(ELSEWHERE_NOTE)}`;
  if (turn.calls.length > 0) return t('The agent asks you for something.');
  const text = turn.messages.map((message) => message.text).join('\n');
  return text.length > 600
    ? plural(text.length, 'Answer complete, {count} character.', 'Answer complete, {count} characters.')
    : t('Answer complete. {text}', { text });
}
