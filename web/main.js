// Wires the parts together: settings, connection, conversation, and what shows them.

import { Attachments } from './chat/attachments.js';
import { hideBanner, keepInBanner, showBanner } from './chat/banner.js';
import { Composer } from './chat/composer.js';
import { showConnection } from './chat/connection-state.js';
import { Drawing } from './chat/drawing.js';
import { catchFiles, NO_FILES } from './chat/dropped-files.js';
import { download } from './chat/files.js';
import { asMarkdown, fileName } from './chat/history.js';
import { Notice } from './chat/notice.js';
import { Queue } from './chat/queue.js';
import { RelayLink } from './chat/relay-link.js';
import { inWords } from './chat/tool-form.js';
import { Transcript } from './chat/transcript.js';
import { postVote } from './chat/votes.js';
import { forgetHint, offerStarters, showHint } from './chat/welcome.js';
import { Keeper } from './conversations/keeper.js';
import { OpenConversation } from './conversations/open-conversation.js';
import { announce, byId, isTouch, keepFocus, StickToBottom } from './lib/dom.js';
import { recall, store, whenStored } from './lib/storage.js';
import { plural, t } from './lib/words.js';
import { speaksAgui } from './relay/agui.js';
import { Conversation } from './relay/conversation.js';
import { earlierMessages, runRequest, RequestError } from './relay/request.js';
import { hasThread, ownThread, threadId, threadsInUse } from './relay/thread.js';
import {
  asksElsewhere,
  awaitJoin,
  awaitsUser,
  ELSEWHERE_NOTE,
  isCut,
  isOpen,
  lastCalls,
  MOVED_NOTE,
  stoppedNote,
} from './relay/turn.js';
import { AccessDialog } from './settings/access.js';
import { applyAppearance } from './settings/appearance.js';
import { ConfigError, loadConfig } from './settings/config.js';
import { themeSwitch } from './settings/theme.js';
import { TracesOnDemand } from './trace/on-demand.js';
import { Panel } from './trace/panel.js';

/** @import { Sendable } from './chat/attachments.js' */
/** @import { Before } from './conversations/open-conversation.js' */
/** @import { Config, ToolAnswer, Turn } from './types.d.ts' */

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
  keepInBanner(config.notes.join(' '));
  run(config, keeper, before);
}

/**
 * @param {Config} config
 * @param {Keeper} keeper
 * @param {Before} before
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
      if (open.isReader) return void open.takeOver();
      turn.joins = 0;
      awaitJoin(turn);
      show(turn);
      link.reconnect();
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
            if (conversation.threadOf(turn) === undefined) void open.keepVote(id, turn);
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

  const drawing = new Drawing(conversation, transcript, traces, (isBusy) => {
    byId('transcript', HTMLElement).ariaBusy = String(isBusy);
    focus.check();
    if (!traces.isEmpty) panel.offer();
    stickToBottom.follow();
  });
  /** A turn changed: it is kept, and drawn where it is shown. @param {Turn} turn */
  const show = (turn) => {
    const thread = conversation.threadOf(turn);
    if (thread === undefined) return;
    if (hasThread(thread.id)) keeper.touch(turn, thread);
    drawing.add(turn);
    refresh();
  };
  const save = () => void keeper.save(conversation.thread);
  /** A turn ended, and not because the user wanted it to. @param {Turn} turn */
  const settle = (turn) => {
    turn.endedOn = Date.now();
    if (turn.status === 'moved') return;
    const words =
      turn.status !== 'done' ? t('Answer incomplete') : awaitsAnswer(turn) ? t('The agent asks') : t('Answer ready');
    notice.tell(words, performance.now() - turn.sentAt);
  };

  const access = new AccessDialog(config, () => {
    link.drop();
    composer.focus();
  });
  const link = new RelayLink(config, access, conversation, {
    stateChanged(isConnected) {
      attachments?.setConnected(isConnected);
      transcript.isConnected = isConnected;
      for (const turn of conversation.open) if (turn.reconnecting) show(turn);
      refresh();
    },
    received: (text) => attachments?.receive(text, conversation.running.length > 0) === true,
    changed(turn, { resumed }) {
      // It is there after a reload.
      const isShown = conversation.turns.includes(turn);
      const hasEnded = !isOpen(turn);
      if (hasEnded) {
        settle(turn);
        announce(isShown ? ending(turn) : t('An answer in another conversation has ended.'));
      } else if (resumed && isShown) announce(t('The answer goes on.'));
      show(turn);
      if (hasEnded && !isShown) void open.leaveBehind(conversation.threadOf(turn));
      else if (hasEnded || (turn.nextSeq === 1 && turn.key !== undefined)) save();
    },
    lost(turns) {
      for (const turn of turns) {
        if (!isOpen(turn)) settle(turn);
        show(turn);
      }
      save();
    },
  });
  setInterval(() => {
    conversation.open.forEach((turn) => drawing.add(turn));
    const [running] = conversation.open;
    notice.offer(running && performance.now() - running.sentAt);
    link.listen();
  }, 1000);

  /** Why nothing can be sent now, or an empty text. */
  const obstacle = () => {
    if (open.isReader) return t('This conversation is open in another tab. “Continue here” brings it to this one.');
    if (conversation.open.length > 0)
      return t('The agent is still answering. Wait for the end, or stop it with Escape.');
    if (link.isConnected) return '';
    if (access.needsCredential)
      return t('Enter the {credential} first: without it nothing can be sent.', { credential: access.name });
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
      if (isHeld ? !link.isConnected : !link.send(request)) return obstacle();
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return error.message;
    }
    link.expectAnswer();
    stage.classList.remove('fresh');
    forgetHint();
    hideBanner();
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
    link.endRuns();
    // A relay that keeps no runs drops the agent when its client is gone. Whether it does, its first frame tells.
    if (stopped.some(({ key, nextSeq }) => key === undefined && nextSeq > 0)) link.drop();
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
      send: (text) => link.send(text),
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
    isConnected: () => link.isConnected,
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
  const open = new OpenConversation({
    conversation,
    keeper,
    transcript,
    traces,
    drawing,
    stickToBottom,
    composer,
    attachments,
    queue,
    refresh,
    join: () => link.join(),
    rest,
    endTurns,
  });
  open.start(before);
  byId('new-conversation', HTMLButtonElement).addEventListener('click', () => {
    open.startAnew();
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

  window.addEventListener('online', () => link.networkChanged());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) {
      link.connect();
      link.join();
    }
    drawing.draw();
  });
  window.addEventListener('pagehide', () => save());
  composer.focus();
  link.connect();
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
