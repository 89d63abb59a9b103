// The files that go with a prompt: chosen, dropped or pasted, shown as chips, and sent before the prompt where the
// relay takes pieces.

import { base64Of } from '../lib/base64.js';
import { announce, button, byId, element } from '../lib/dom.js';
import { size } from '../lib/format.js';
import { getList, parseJson } from '../lib/json.js';
import { onDemand } from '../lib/on-demand.js';
import { recall, store } from '../lib/storage.js';
import { t } from '../lib/words.js';
import { IMAGES, safeName } from './files.js';

/** @import { AttachedFile, FileLimits, SentFile, Turn } from '../types.d.ts' */
/** @import { Upload, Uploads } from '../relay/upload.js' */

/**
 * @typedef {object} Attachment
 * @property {string} name
 * @property {string} type
 * @property {File} file
 * @property {Upload | undefined} upload none where a file goes in the message, and before the first piece
 * @property {string | undefined} data its base64 there, once it is read
 * @property {string | undefined} problem why it could not be read
 * @property {HTMLElement} item
 * @property {HTMLElement} about
 * @property {HTMLProgressElement} progress
 */

/** Files that go with a prompt. @typedef {Pick<Attachments, 'isEmpty' | 'files' | 'about' | 'leave'>} Sendable */

/** What browsers do not know, or call by a program's name. @type {Record<string, string>} */
const TYPES = { csv: 'text/csv', md: 'text/markdown' };

/** The files beside the prompt box. */
export class Attachments {
  /** @type {Attachment[]} */
  #attachments = [];
  #thread = '';
  /** What stands beside the prompts of the conversations that are not shown. @type {Map<string, Attachment[]>} */
  #elsewhere = new Map();
  /** What was sent with each turn, for who asks again. @type {WeakMap<Turn, Attachment[]>} */
  #sent = new WeakMap();
  #list = element('ul', 'attachments');
  #limits;
  #send;
  #explain;
  #ready;
  #isConnected = false;
  /** What sends files, once there was one. @type {Uploads | undefined} */
  #uploads;
  /** Few send files, and who does waits for it. @type {() => Promise<typeof import('../upload.js')>} */
  #module = onDemand('upload.js', 0);
  /** The prompt that goes as soon as the files are there. @type {string | undefined} */
  #awaited;
  #prompt = byId('prompt', HTMLTextAreaElement);

  /**
   * @param {FileLimits} limits
   * @param {{send: (text: string) => boolean, explain: (words: string) => void, ready: () => void}} page
   */
  constructor(limits, { send, explain, ready }) {
    this.#limits = limits;
    this.#send = send;
    this.#explain = explain;
    this.#ready = ready;
    this.#list.setAttribute('aria-label', t('Files that go with the prompt'));
    this.#list.hidden = true;
    // Above all else in the box: what is read first is reached first.
    byId('composer-tools', HTMLElement).before(this.#list);
    // What is typed on is not sent by itself.
    this.#prompt.addEventListener('input', () => (this.#awaited = undefined));
    this.#offer();
    const lost = getList({ names: parseJson(recall('tab', 'attached') ?? '[]') }, 'names').map(String);
    if (lost.length > 0)
      explain(t('Files are not kept over a reload. Choose again: {names}.', { names: namesOf(lost) }));
    store('tab', 'attached', '[]');
  }

  get isEmpty() {
    return this.#attachments.length === 0;
  }

  /** @param {boolean} connected */
  setConnected(connected) {
    this.#isConnected = connected;
    this.#uploads?.setConnected(connected);
  }

  /** Takes what is said about a file. @param {string} text @param {boolean} isAnswering */
  receive(text, isAnswering) {
    return this.#uploads?.receive(text, isAnswering) === true;
  }

  /** Takes files that are dropped or pasted. @param {DataTransfer} data */
  take(data) {
    const folders = [...data.items]
      .filter((item) => item.webkitGetAsEntry?.()?.isDirectory)
      .map((item) => item.getAsFile()?.name ?? '');
    const files = [...data.files].filter(({ name }) => !folders.includes(name));
    this.add(
      files,
      folders.map((name) => t('{name} is a folder: choose the files in it.', { name: quoted(name) })),
    );
  }

  /** @param {File[]} files @param {string[]} [problems] */
  add(files, problems = []) {
    const { maxFiles, maxBytes } = this.#limits;
    const added = [];
    // The prompt was to go without them.
    this.#awaited = undefined;
    for (const file of files) {
      // What is chosen again takes the place of what failed.
      for (const one of this.#attachments)
        if (one.name === safeName(file.name) && problemOf(one) !== undefined) this.#remove(one);
      const name = this.#freeName(file.name);
      const bytes = this.#attachments.reduce((sum, { file: other }) => sum + other.size, file.size);
      if (file.size === 0) problems.push(t('{name} is empty.', { name: quoted(name) }));
      else if (this.#attachments.length >= maxFiles) {
        problems.push(
          t('{name} is one too many: at most {count} can go with a prompt.', { name: quoted(name), count: maxFiles }),
        );
      } else if (bytes > maxBytes) {
        problems.push(
          t('{name} is too large: at most {size} together can go with a prompt.', {
            name: quoted(name),
            size: size(maxBytes),
          }),
        );
      } else added.push(this.#attach(file, name, typeOf(file)).name);
    }
    this.#explain(problems.join(' '));
    if (added.length > 0) announce(t('{names} attached.', { names: namesOf(added) }));
  }

  /** Why the prompt can't go yet, or an empty text. It goes by itself once the files are there. */
  obstacle() {
    const failed = this.#attachments.filter((one) => problemOf(one) !== undefined);
    if (failed.length > 0)
      return t('Could not be sent: {names}. Remove it, or choose it again.', {
        names: namesOf(failed.map(({ name }) => name)),
      });
    for (const attachment of this.#attachments) this.#renew(attachment);
    this.#awaited = this.#attachments.every(isReady) ? undefined : this.#prompt.value;
    return this.#awaited === undefined ? '' : t('The prompt goes as soon as its files are there.');
  }

  /** The files as a message names them. @returns {AttachedFile[]} */
  get files() {
    return filesOf(this.#attachments);
  }

  /** Leaves the files to the turn that they were sent with. @param {Turn} turn */
  leave(turn) {
    this.#sent.set(turn, this.#attachments);
    this.#attachments = [];
    this.#awaited = undefined;
    this.#list.replaceChildren();
    this.#remember();
  }

  /** What is known of the files, for who reads the turn. @returns {SentFile[]} */
  get about() {
    return aboutOf(this.#attachments);
  }

  /** The files of a turn, to go once more; undefined where they first have to come to the relay anew. @param {Turn} turn @returns {Sendable | undefined} */
  again(turn) {
    const sent = this.#sent.get(turn);
    if (!sent?.every(isReady)) return undefined;
    return {
      isEmpty: false,
      files: filesOf(sent),
      about: aboutOf(sent),
      leave: (next) => void this.#sent.set(next, sent),
    };
  }

  /** Takes the files of a turn back, to be sent again, where there are no others. Gives why not, or an empty text. @param {Turn} turn */
  restore(turn) {
    const sent = this.#sent.get(turn);
    if (sent === undefined) return t('Files are not kept over a reload. Choose them again.');
    this.#attachments = [...sent];
    this.#list.replaceChildren(...sent.map(({ item }) => item));
    for (const attachment of sent) if (!isReady(attachment)) this.#anew(attachment);
    this.#remember();
    return '';
  }

  /** Shows the files of another conversation; those of the one before wait there. @param {string} thread @param {string} [from] the one whose files go along */
  open(thread, from = thread) {
    if (thread === this.#thread) return;
    this.#elsewhere.set(this.#thread, this.#attachments);
    this.#attachments = this.#elsewhere.get(from) ?? [];
    this.#elsewhere.delete(from);
    this.#thread = thread;
    // What is awaited there is not sent from here.
    this.#awaited = undefined;
    this.#list.replaceChildren(...this.#attachments.map(({ item }) => item));
    for (const attachment of this.#attachments) this.#show(attachment);
    this.#remember();
  }

  /** Whether there are files of another conversation. @param {string} thread */
  wait(thread) {
    return (this.#elsewhere.get(thread) ?? []).length > 0;
  }

  /** A conversation was deleted. @param {string} thread */
  forget(thread) {
    for (const { upload } of this.#elsewhere.get(thread) ?? []) if (upload) this.#uploads?.remove(upload);
    this.#elsewhere.delete(thread);
    this.#remember();
  }

  #offer() {
    const input = byId('files', HTMLInputElement);
    input.addEventListener('change', () => {
      this.add([...(input.files ?? [])]);
      // The same file can be chosen again.
      input.value = '';
    });
    const attach = byId('attach', HTMLButtonElement);
    attach.addEventListener('click', () => input.click());
    attach.title = t('Attach files: at most {count}, {size} together', {
      count: this.#limits.maxFiles,
      size: size(this.#limits.maxBytes),
    });
    attach.hidden = false;
  }

  /** @param {File} file @param {string} name @param {string} type */
  #attach(file, name, type) {
    const about = element('span', 'file-about');
    const progress = element('progress');
    progress.setAttribute('aria-label', t('{name} on its way', { name }));
    const remove = button('quiet icon-only', '×', () => {
      const index = this.#attachments.indexOf(attachment);
      this.#remove(attachment);
      announce(t('{name} removed.', { name }));
      const next = this.#attachments[index] ?? this.#attachments.at(-1);
      (next?.item.querySelector('button') ?? this.#prompt).focus();
    });
    remove.setAttribute('aria-label', t('Remove {name}', { name }));
    const item = element('li', 'chip', ...picture(file), element('span', 'file-name', name), about, progress, remove);
    /** @type {Attachment} */
    const attachment = {
      name,
      type,
      file,
      upload: undefined,
      data: undefined,
      problem: undefined,
      item,
      about,
      progress,
    };
    this.#attachments.push(attachment);
    this.#list.append(item);
    void this.#begin(attachment);
    this.#show(attachment);
    this.#remember();
    return attachment;
  }

  /** Has a file sent, or read where it goes in the message. @param {Attachment} attachment */
  async #begin(attachment) {
    try {
      if (this.#limits.uploads) {
        const uploads = await this.#sender();
        // It may have been removed meanwhile, or begun again.
        if (this.#all.includes(attachment)) attachment.upload ??= uploads.add(attachment.file);
      } else attachment.data = await base64Of(attachment.file);
    } catch (error) {
      console.error(error);
      attachment.problem = this.#limits.uploads
        ? t('The page could not load what sends files. Choose it again.')
        : t('It cannot be read. Choose it again.');
    }
    if (this.#all.includes(attachment)) this.#show(attachment);
  }

  async #sender() {
    const { Uploads } = await this.#module();
    this.#uploads ??= new Uploads(this.#send, (upload) => {
      const attachment = this.#attachments.find((one) => one.upload === upload);
      if (attachment) this.#show(attachment);
    });
    this.#uploads.setConnected(this.#isConnected);
    return this.#uploads;
  }

  /** Those of all conversations. */
  get #all() {
    return [...this.#elsewhere.values(), this.#attachments].flat();
  }

  /** What the relay keeps no longer is sent again. @param {Attachment} attachment */
  #renew(attachment) {
    const { upload } = attachment;
    if (upload && upload.done === upload.count && !upload.isThere) this.#anew(attachment);
  }

  /** @param {Attachment} attachment */
  #anew(attachment) {
    if (attachment.upload) this.#uploads?.remove(attachment.upload);
    attachment.upload = attachment.problem = undefined;
    void this.#begin(attachment);
    this.#show(attachment);
  }

  /** @param {Attachment} attachment */
  #show(attachment) {
    const { name, type, file, upload, about, progress, item } = attachment;
    const problem = problemOf(attachment);
    const wasFailed = item.classList.contains('failed');
    item.classList.toggle('failed', problem !== undefined);
    about.textContent = problem ?? `${size(file.size)} · ${type}`;
    progress.max = upload?.count ?? 1;
    progress.value = upload?.done ?? 0;
    progress.hidden = problem !== undefined || isReady(attachment);
    if (problem !== undefined && !wasFailed) announce(`${name}: ${problem}`);
    if (this.#awaited === undefined) return;
    for (const one of this.#attachments) this.#renew(one);
    if (!this.#attachments.every((one) => isReady(one) || problemOf(one) !== undefined)) return;
    // What is in the box by now may be another one.
    const isSame = this.#awaited === this.#prompt.value;
    this.#awaited = undefined;
    if (isSame) this.#ready();
  }

  /** @param {Attachment} attachment */
  #remove(attachment) {
    this.#attachments = this.#attachments.filter((other) => other !== attachment);
    if (attachment.upload) this.#uploads?.remove(attachment.upload);
    attachment.item.remove();
    this.#explain('');
    this.#awaited = undefined;
    this.#remember();
  }

  #remember() {
    this.#list.hidden = this.isEmpty;
    store('tab', 'attached', JSON.stringify(this.#all.map(({ name }) => name)));
  }

  /** Two files of one name would be one to the agent. @param {string} wanted */
  #freeName(wanted) {
    const name = safeName(wanted);
    let free = name;
    for (let number = 2; this.#attachments.some((one) => one.name === free); number += 1) free = `${number}-${name}`;
    return free;
  }
}

/** Files as a message names them. @param {Attachment[]} attachments @returns {AttachedFile[]} */
function filesOf(attachments) {
  return attachments.map(({ name, type, upload, data = '' }) => ({
    name,
    type,
    ...(upload ? { upload: upload.id } : { data }),
  }));
}

/** @param {Attachment[]} attachments @returns {SentFile[]} */
function aboutOf(attachments) {
  return attachments.map(({ name, type, file }) => ({ name, type, bytes: file.size }));
}

/** The files that were sent with a prompt, for who reads it. @param {SentFile[]} files */
export function sentFiles(files) {
  const list = element(
    'ul',
    'attachments',
    ...files.map(({ name, type, bytes }) =>
      element(
        'li',
        'chip',
        element('span', 'file-name', safeName(name)),
        element('span', 'file-about', `${size(bytes)} · ${type}`),
      ),
    ),
  );
  list.setAttribute('aria-label', t('Files that were sent'));
  return list;
}

/** @param {Attachment} attachment */
function problemOf({ problem, upload }) {
  return problem ?? upload?.problem;
}

/** @param {Attachment} attachment */
function isReady({ upload, data }) {
  return upload ? upload.isThere : data !== undefined;
}

/** @param {File} file */
function typeOf({ name, type }) {
  const ending = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  // Browsers give a type in printable letters, or none.
  return TYPES[ending] ?? (type.split(';')[0] || 'application/octet-stream');
}

/** A small picture of what is one. @param {File} file */
function picture(file) {
  if (!IMAGES.test(file.type)) return [];
  const image = element('img');
  image.alt = '';
  image.src = URL.createObjectURL(file);
  for (const event of ['load', 'error'])
    image.addEventListener(event, () => URL.revokeObjectURL(image.src), { once: true });
  image.addEventListener('error', () => image.remove());
  return [image];
}

/** @param {string} name */
function quoted(name) {
  return t('“{name}”', { name: safeName(name) });
}

/** @param {string[]} names */
function namesOf(names) {
  return names.map(quoted).join(', ');
}
