// Which conversation is shown, and which tab goes on with it.

import { draftOf, forgetDrafts, keepDraft } from '../chat/drafts.js';
import { forgottenNote } from '../chat/history.js';
import { announce, button, byId } from '../lib/dom.js';
import { recall, store } from '../lib/storage.js';
import { t } from '../lib/words.js';
import {
  hasThread,
  newThread,
  openThread,
  releaseThread,
  showThread,
  takeThread,
  threadId,
  whenLost,
} from '../relay/thread.js';
import { endTurn, isOpen, overtake } from '../relay/turn.js';
import { ConversationList } from './list.js';

/** @import { Attachments } from '../chat/attachments.js' */
/** @import { Composer } from '../chat/composer.js' */
/** @import { Drawing } from '../chat/drawing.js' */
/** @import { Queue } from '../chat/queue.js' */
/** @import { Transcript } from '../chat/transcript.js' */
/** @import { StickToBottom } from '../lib/dom.js' */
/** @import { Conversation, Thread } from '../relay/conversation.js' */
/** @import { TracesOnDemand } from '../trace/on-demand.js' */
/** @import { Turn } from '../types.d.ts' */
/** @import { Keeper } from './keeper.js' */

/**
 * What shows a conversation, and what goes on in it.
 *
 * @typedef {object} Parts
 * @property {Conversation} conversation
 * @property {Keeper} keeper
 * @property {Transcript} transcript
 * @property {TracesOnDemand} traces
 * @property {Drawing} drawing
 * @property {StickToBottom} stickToBottom
 * @property {Composer} composer
 * @property {Attachments | undefined} attachments
 * @property {Queue} queue
 * @property {() => void} refresh what depends on whether something can be sent
 * @property {() => void} join has the turns go on that lost their connection
 * @property {() => void} rest gives the focus its place
 * @property {(turns: Turn[]) => Turn[]} endTurns ends those that are open, and gives what was
 */

/** So long an agent remembers at least what was said: AgentCore ends a session after 15 idle minutes, Bedrock after 10 or more, in milliseconds. */
const FORGETS_MS = 10 * 60_000;

const stage = byId('stage', HTMLElement);

/** What a tab shows when its page was loaded: its own conversation, or one that another tab has, to read it here or copied from there. @typedef {{thread: Thread | undefined, isOwn: boolean, isReader: boolean}} Before */

/** The conversation that this tab shows. */
export class OpenConversation {
  /** Whether another tab goes on with it, and it is only read here. */
  isReader = false;
  #parts;
  #list;
  /** Conversations in which an answer ended while another one was shown. @type {Set<string>} */
  #unread = new Set();
  /** How often one was to be opened: what takes longer than the next time is dropped. */
  #opening = 0;

  /** @param {Parts} parts */
  constructor(parts) {
    this.#parts = parts;
    const { conversation, keeper } = parts;
    this.#list = new ConversationList(keeper, {
      current: () => (conversation.turns.length > 0 ? conversation.thread.id : ''),
      state: (id) =>
        conversation.away(id)?.turns.some(isOpen) ? t('answering') : this.#unread.has(id) ? t('new answer') : '',
      open: (id) => void this.#open(id),
    });
    whenLost((id) => this.#giveUp(id));
    keeper.listen({
      changed: () => void this.#list.update(),
      removed: (ids) => this.#removed(ids),
      asked: (id) => this.#giveAway(id),
      threads: () => conversation.threads.filter(({ id }) => hasThread(id)),
    });
  }

  /** Shows what there was before the page was loaded. @param {Before} before */
  start({ thread, isOwn, isReader }) {
    const { conversation, transcript, keeper } = this.#parts;
    if (isOwn || isReader) {
      conversation.thread.id = threadId();
      return this.#enterAs(thread ?? { ...conversation.thread }, isOwn);
    }
    const copy = { turns: [], forgotten: 0, ...thread, id: threadId() };
    copy.turns.forEach(makeForeign);
    this.#enter(copy);
    if (copy.turns.length > 0)
      transcript.note(
        t(
          'This tab is a copy of another one, and a conversation of its own: the agent does not know what stands above.',
        ),
      );
    for (const turn of copy.turns) keeper.touch(turn, copy);
    void keeper.save(copy);
  }

  /** Begins a new conversation. One that is still being opened does not come in its place. */
  startAnew() {
    this.#opening += 1;
    this.#enterNew();
  }

  /** @param {string} left the conversation that was shown until now */
  #enterNew(left = this.#parts.conversation.thread.id) {
    this.isReader = false;
    const { composer } = this.#parts;
    // What is being typed goes on there, or else what was begun in another new one.
    const from = this.#isBoxEmpty ? (this.#takeBegun() ?? left) : left;
    const draft = byId('prompt', HTMLTextAreaElement).value || (draftOf(`prompt ${from}`) ?? '');
    keepDraft(`prompt ${from}`, '');
    composer.fill('');
    composer.explain('');
    this.#enter({ id: newThread(), turns: [], forgotten: 0 }, draft, from);
  }

  /** Goes on here with a conversation that another tab had. */
  async takeOver() {
    const { conversation, keeper, rest } = this.#parts;
    const { id } = conversation.thread;
    keeper.ask(id);
    const isOwn = await takeThread(id);
    const thread = await keeper.load(id);
    if (conversation.thread.id !== id || !this.isReader) return;
    if (thread === undefined) return this.#enterNew();
    conversation.reset();
    this.#enterAs(thread, isOwn);
    announce(t('The conversation goes on here.'));
    rest();
  }

  /** An answer that nobody looked at has ended: its conversation may be opened by any tab. @param {Thread | undefined} thread */
  async leaveBehind(thread) {
    if (thread === undefined || thread.turns.some(isOpen)) return;
    const { conversation, keeper } = this.#parts;
    this.#unread.add(thread.id);
    await keeper.flush();
    if (thread === conversation.thread) return;
    conversation.drop(thread.id);
    await this.#leaveAlone(thread.id);
  }

  /** Keeps a vote that arrived when its conversation had been left. @param {string} id @param {Turn} voted */
  async keepVote(id, voted) {
    if (!(await openThread(id))) return;
    const { conversation, keeper } = this.#parts;
    const thread = conversation.threads.find((one) => one.id === id) ?? (await keeper.load(id));
    const turn = thread?.turns.find(({ runId }) => runId === voted.runId);
    if (thread && turn) {
      turn.vote = voted.vote;
      keeper.touch(turn, thread);
    }
    await this.#leaveAlone(id);
  }

  /** Lets other tabs have a conversation that was left. @param {string} id */
  async #leaveAlone(id) {
    const { conversation, keeper } = this.#parts;
    await keeper.flush();
    if (id === conversation.thread.id || conversation.away(id)) return;
    await releaseThread(id);
    await this.#list.update();
  }

  /**
   * @param {Thread} thread
   * @param {string} [draft] what is being typed, if it goes along
   * @param {string} [from] the conversation whose files go along
   */
  #enter(thread, draft, from) {
    const { conversation, keeper, transcript, traces, drawing, composer, attachments, queue } = this.#parts;
    const left = conversation.thread;
    if (left !== thread) void keeper.save(left);
    // What was begun before anything was said stands in no list: the next new conversation has it.
    const isBegun = left.turns.length === 0 && left.id !== thread.id && draft === undefined;
    if (isBegun && !this.#isBoxEmpty) keepBegun([...begun(), left.id]);
    conversation.enter(thread);
    if (left !== thread && conversation.away(left.id) === undefined) void this.#leaveAlone(left.id);
    this.#unread.delete(thread.id);
    attachments?.open(thread.id, from);
    transcript.clear();
    traces.clear();
    // A result that was being typed is saved when the tab is left.
    keeper.saveForTab(thread);
    const { turns, forgotten } = thread;
    if (forgotten > 0) transcript.note(forgottenNote(forgotten));
    // What is read first stands at the end.
    const { no: live = [], yes: restored = [] } = Object.groupBy(turns, (turn) => (turn.restored ? 'yes' : 'no'));
    drawing.open([...live, ...restored.toReversed()]);
    restored.forEach((turn) => traces.update(turn));
    if (!stage.classList.toggle('fresh', turns.length === 0)) this.#parts.stickToBottom.attach();
    drawing.draw();
    const last = turns.findLast(({ keptEvents, events }) => keptEvents || events.length > 0);
    if (last) traces.show(last);
    this.#noteAge(turns);
    composer.open(draft);
    queue.open();
    this.#parts.refresh();
    this.#parts.join();
    void this.#list.update();
  }

  /** @param {Thread} thread @param {boolean} isOwn */
  #enterAs(thread, isOwn) {
    this.isReader = !isOwn;
    showThread(thread.id, isOwn);
    if (this.isReader) thread.turns.forEach(makeForeign);
    this.#enter(thread);
    if (this.isReader) this.#noteReading();
  }

  /** @param {string} id */
  async #open(id) {
    const { conversation, keeper, composer, rest } = this.#parts;
    const own = (this.#opening += 1);
    if (id !== conversation.thread.id) {
      const isOwn = await openThread(id);
      const thread = conversation.away(id) ?? (await keeper.load(id));
      if (own !== this.#opening || thread === undefined) {
        if (conversation.thread.id !== id && conversation.away(id) === undefined) void releaseThread(id);
        return void this.#list.update();
      }
      // Another tab may have asked for it meanwhile.
      this.#enterAs(thread, isOwn && hasThread(id));
      composer.explain('');
      announce(t('Conversation opened.'));
    }
    rest();
  }

  /** Another tab goes on with a conversation of this one. @param {string} id */
  #giveUp(id) {
    const { conversation, keeper, drawing, refresh } = this.#parts;
    keeper.giveUp(id);
    const away = conversation.drop(id);
    if (away !== undefined || id !== conversation.thread.id || this.isReader) return;
    this.isReader = true;
    showThread(id, false);
    for (const turn of conversation.turns) {
      makeForeign(turn);
      drawing.add(turn);
    }
    this.#noteReading();
    refresh();
  }

  /** Another tab asks for a conversation. @param {string} id */
  async #giveAway(id) {
    if (!hasThread(id)) return;
    const { conversation, keeper, drawing, endTurns } = this.#parts;
    // It may just be on its way here, and be none of them.
    const thread = conversation.threads.find((one) => one.id === id);
    // What cannot be joined elsewhere would be lost unsaid.
    const lost = thread?.turns.filter((turn) => isOpen(turn) && turn.key === undefined) ?? [];
    for (const turn of endTurns(lost)) {
      if (thread) keeper.touch(turn, thread);
      drawing.add(turn);
    }
    await keeper.flush();
    this.#giveUp(id);
    await releaseThread(id);
  }

  /** @param {string[]} ids of conversations that were deleted */
  #removed(ids) {
    const { conversation, transcript, attachments, endTurns } = this.#parts;
    for (const id of ids) {
      this.#unread.delete(id);
      const { thread } = conversation;
      const isShown = id === thread.id && thread.turns.length > 0;
      const turns = (isShown ? thread : conversation.away(id))?.turns ?? [];
      endTurns(turns.filter((turn) => isOpen(turn) && hasThread(id)));
      conversation.drop(id);
      if (isShown) {
        conversation.reset();
        this.#enterNew(id);
        transcript.note(t('The conversation that was open here was deleted.'));
      }
      void releaseThread(id);
      attachments?.forget(id);
    }
    forgetDrafts((id) => ids.includes(id));
  }

  /** The last new conversation that was left with something in the box, of which there still is any. */
  #takeBegun() {
    const ids = begun();
    let last = ids.pop();
    while (last !== undefined && !draftOf(`prompt ${last}`) && !this.#parts.attachments?.wait(last)) last = ids.pop();
    keepBegun(ids);
    return last;
  }

  get #isBoxEmpty() {
    const { composer, attachments } = this.#parts;
    return composer.isEmpty && attachments?.isEmpty !== false;
  }

  /** What another tab goes on with can be read here. */
  #noteReading() {
    this.#parts.transcript.note(
      t('This conversation is open in another tab.'),
      button('quiet small', t('Continue here'), () => void this.takeOver()),
    );
  }

  /** @param {Turn[]} turns */
  #noteAge(turns) {
    const last = turns.at(-1);
    if (
      last === undefined ||
      this.isReader ||
      isOpen(last) ||
      performance.now() - (last.endedAt ?? last.sentAt) < FORGETS_MS
    )
      return;
    this.#parts.transcript.note(
      t(
        'It was a while ago that something was said here. The agent may not remember it; if so, it answers as in a new conversation.',
      ),
    );
  }
}

/** A turn of a conversation that another tab goes on with: its agent waits for nothing from here. @param {Turn} turn */
function makeForeign(turn) {
  overtake(turn, []);
  turn.elsewhere = true;
  turn.agent = undefined;
  if (isOpen(turn)) endTurn(turn, 'moved', undefined);
}

/** New conversations that were left with something in the box, by their ids. */
function begun() {
  return (recall('tab', 'begun') ?? '').split(' ').filter(Boolean);
}

/** @param {string[]} ids */
function keepBegun(ids) {
  store('tab', 'begun', ids.join(' '));
}
