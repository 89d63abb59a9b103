// The files that go with a prompt: chosen, dropped or pasted, shown as chips, and sent before the prompt where the
// relay takes pieces.

import { announce, button, byId, element } from '../lib/dom.js';
import { counted, size } from '../lib/format.js';
import { getList, parseJson } from '../lib/json.js';
import { recall, store } from '../lib/storage.js';
import { visible } from '../lib/visible.js';
import { base64Of, isThere, Uploads } from '../relay/upload.js';
import { IMAGES, safeName } from './files.js';

/** @import { AttachedFile, FileLimits, SentFile, Turn } from '../types.d.ts' */
/** @import { Upload } from '../relay/upload.js' */

/**
 * @typedef {object} Attachment
 * @property {string} name
 * @property {string} type
 * @property {File} file
 * @property {Upload | undefined} upload none where a file goes in the message
 * @property {string | undefined} data its base64 there, once it is read
 * @property {string | undefined} problem why it could not be read
 * @property {HTMLElement} item
 * @property {HTMLElement} about
 * @property {HTMLProgressElement} progress
 */

/** What browsers do not know, or call by a program's name. @type {Record<string, string>} */
const TYPES = { csv: 'text/csv', json: 'application/json', log: 'text/plain', md: 'text/markdown', tsv: 'text/tab-separated-values', yaml: 'application/yaml', yml: 'application/yaml' };
const MEDIA_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}$/;

/** The files beside the prompt box. */
export class Attachments {
  /** @type {Attachment[]} */
  #attachments = [];
  /** What was sent with each turn, for who asks again. @type {WeakMap<Turn, Attachment[]>} */
  #sent = new WeakMap();
  #list = element('ul', 'attachments');
  #limits;
  #uploads;
  #explain;
  #ready;
  /** Whether the prompt goes as soon as the files are there. */
  #awaited = false;

  /**
   * @param {FileLimits} limits
   * @param {{send: (text: string) => boolean, explain: (words: string) => void, ready: () => void}} page
   */
  constructor(limits, { send, explain, ready }) {
    this.#limits = limits;
    this.#explain = explain;
    this.#ready = ready;
    this.#uploads = new Uploads(send, (upload) => {
      const attachment = this.#attachments.find((one) => one.upload === upload);
      if (attachment) this.#show(attachment);
    });
    this.#list.setAttribute('aria-label', 'Files that go with the prompt');
    this.#list.hidden = true;
    const prompt = byId('prompt', HTMLTextAreaElement);
    // Above all else in the box: what is read first is reached first.
    byId('composer-tools', HTMLElement).before(this.#list);
    // What is typed on is not sent by itself.
    prompt.addEventListener('input', () => (this.#awaited = false));
    this.#offer();
    const lost = getList({ names: parseJson(recall('tab', 'attached') ?? '[]') }, 'names').map(String);
    if (lost.length > 0) explain(`${namesOf(lost)} ${lost.length === 1 ? 'is' : 'are'} not kept over a reload: choose ${lost.length === 1 ? 'it' : 'them'} again.`);
    store('tab', 'attached', '[]');
  }

  get isEmpty() {
    return this.#attachments.length === 0;
  }

  /** @param {boolean} connected */
  setConnected(connected) {
    this.#uploads.setConnected(connected);
  }

  /** Takes what is said about a file. @param {string} text @param {boolean} isAnswering */
  receive(text, isAnswering) {
    return this.#uploads.receive(text, isAnswering);
  }

  /** Takes files that are dropped or pasted. @param {DataTransfer} data */
  take(data) {
    const items = [...data.items].filter(({ kind }) => kind === 'file');
    const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile());
    const names = folders.map((folder) => folder?.name);
    const files = [...data.files].filter(({ name }) => !names.includes(name));
    this.add(files, names.map((name) => `${quoted(name ?? 'This')} is a folder: choose the files in it.`));
  }

  /** @param {File[]} files @param {string[]} [problems] */
  add(files, problems = []) {
    const { maxFiles, maxBytes, uploads } = this.#limits;
    const added = [];
    for (const file of files) {
      const name = this.#freeName(file.name);
      const bytes = this.#attachments.reduce((sum, { file: other }) => sum + other.size, file.size);
      if (file.size === 0) problems.push(`${quoted(name)} is empty.`);
      else if (this.#attachments.length >= maxFiles) {
        problems.push(`${quoted(name)} is one too many: at most ${counted(maxFiles, 'file')} can go with a prompt.`);
      } else if (bytes > maxBytes) {
        const together = this.#attachments.length > 0 ? ' together with the others' : '';
        problems.push(`${quoted(name)} has ${size(file.size)}: at most ${size(maxBytes)} can be sent with a prompt${together}${uploads ? '' : ', since this relay has no table for larger ones'}.`);
      } else added.push(this.#attach(file, name, typeOf(file)).name);
    }
    this.#explain(problems.join(' '));
    if (added.length > 0) announce(`${namesOf(added)} attached.`);
  }

  /** Why the prompt can't go yet, or an empty text. It goes by itself once the files are there. */
  obstacle() {
    const failed = this.#attachments.filter((one) => problemOf(one) !== undefined);
    if (failed.length > 0) return `${namesOf(failed.map(({ name }) => name))} could not be sent. Remove ${failed.length === 1 ? 'it' : 'them'}, or choose ${failed.length === 1 ? 'it' : 'them'} again.`;
    for (const attachment of this.#attachments) this.#renew(attachment);
    this.#awaited = !this.#attachments.every(isReady);
    return this.#awaited ? 'The files are on their way. The prompt goes as soon as they are there.' : '';
  }

  /** The files as a message names them. @returns {AttachedFile[]} */
  get files() {
    return this.#attachments.map(({ name, type, upload, data = '' }) => ({ name, type, ...(upload ? { upload: upload.id } : { data }) }));
  }

  /** Leaves the files to the turn that they were sent with. @param {Turn} turn */
  leave(turn) {
    this.#sent.set(turn, this.#attachments);
    this.#attachments = [];
    this.#awaited = false;
    this.#list.replaceChildren();
    this.#remember();
  }

  /** What is known of the files, for who reads the turn. @returns {SentFile[]} */
  get about() {
    return this.#attachments.map(({ name, type, file }) => ({ name, type, bytes: file.size }));
  }

  /** Takes the files of a turn back, to be sent again; false if they are not there any more. @param {Turn} turn */
  restore(turn) {
    const sent = this.#sent.get(turn);
    if (sent === undefined) return false;
    for (const attachment of [...this.#attachments]) this.#remove(attachment);
    for (const attachment of sent) {
      this.#attachments.push(attachment);
      this.#list.append(attachment.item);
    }
    this.#remember();
    return true;
  }

  /** Takes all files off. */
  clear() {
    for (const attachment of [...this.#attachments]) this.#remove(attachment);
  }

  #offer() {
    const input = element('input');
    input.type = 'file';
    input.multiple = true;
    input.hidden = true;
    input.addEventListener('change', () => {
      this.add([...(input.files ?? [])]);
      // The same file can be chosen again.
      input.value = '';
    });
    const attach = button('quiet icon-only attach', '', () => input.click());
    const words = `Attach files: at most ${this.#limits.maxFiles}, ${size(this.#limits.maxBytes)} together`;
    attach.title = words;
    attach.setAttribute('aria-label', words);
    const icon = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    icon.setAttribute('viewBox', '0 0 20 20');
    icon.setAttribute('aria-hidden', 'true');
    const path = document.createElementNS(icon.namespaceURI, 'path');
    path.setAttribute('d', 'M13 6.5l-5.6 5.6a1.4 1.4 0 0 0 2 2l6-6a2.8 2.8 0 0 0-4-4l-6 6a4.2 4.2 0 0 0 6 6l5-5');
    icon.append(path);
    attach.append(icon);
    byId('composer-tools', HTMLElement).append(attach, input);
  }

  /** @param {File} file @param {string} name @param {string} type */
  #attach(file, name, type) {
    const about = element('span', 'file-about');
    const progress = element('progress');
    progress.setAttribute('aria-label', `${name} on its way`);
    const remove = button('quiet icon-only', '×', () => {
      const index = this.#attachments.indexOf(attachment);
      this.#remove(attachment);
      announce(`${name} removed.`);
      const next = this.#attachments[index] ?? this.#attachments.at(-1);
      (next?.item.querySelector('button') ?? byId('prompt', HTMLElement)).focus();
    });
    remove.setAttribute('aria-label', `Remove ${name}`);
    remove.title = 'Remove';
    const item = element('li', 'chip', ...picture(file), element('span', 'file-name', name), about, progress, remove);
    /** @type {Attachment} */
    const attachment = { name, type, file, upload: undefined, data: undefined, problem: undefined, item, about, progress };
    this.#attachments.push(attachment);
    this.#list.append(item);
    this.#send(attachment);
    this.#show(attachment);
    this.#remember();
    return attachment;
  }

  /** @param {Attachment} attachment */
  #send(attachment) {
    if (this.#limits.uploads) {
      attachment.upload = this.#uploads.add(attachment.file);
      return;
    }
    const read = async () => {
      try {
        attachment.data = await base64Of(attachment.file);
      } catch {
        attachment.problem = 'It cannot be read. Choose it again.';
      }
      this.#show(attachment);
    };
    void read();
  }

  /** What the relay keeps no longer is sent again. @param {Attachment} attachment */
  #renew(attachment) {
    const { upload } = attachment;
    if (upload === undefined || upload.done < upload.count || isThere(upload)) return;
    this.#uploads.remove(upload);
    this.#send(attachment);
    this.#show(attachment);
  }

  /** @param {Attachment} attachment */
  #show(attachment) {
    const { name, type, file, upload, about, progress, item } = attachment;
    const problem = problemOf(attachment);
    const wasFailed = item.classList.contains('failed');
    item.classList.toggle('failed', problem !== undefined);
    about.textContent = problem ?? `${size(file.size)} · ${visible(type)}`;
    progress.max = upload?.count ?? 1;
    progress.value = upload?.done ?? 0;
    progress.hidden = problem !== undefined || isReady(attachment);
    if (problem !== undefined && !wasFailed) announce(`${name}: ${problem}`);
    if (!this.#awaited || !this.#attachments.every((one) => isReady(one) || problemOf(one) !== undefined)) return;
    this.#awaited = false;
    this.#ready();
  }

  /** @param {Attachment} attachment */
  #remove(attachment) {
    this.#attachments = this.#attachments.filter((other) => other !== attachment);
    if (attachment.upload) this.#uploads.remove(attachment.upload);
    attachment.item.remove();
    this.#explain('');
    this.#awaited = false;
    this.#remember();
  }

  #remember() {
    this.#list.hidden = this.isEmpty;
    store('tab', 'attached', JSON.stringify(this.#attachments.map(({ name }) => name)));
  }

  /** Two files of one name would be one to the agent. @param {string} wanted */
  #freeName(wanted) {
    const name = safeName(wanted);
    const [, stem = name, ending = ''] = /^(.+?)(\.[^.]{1,10})?$/su.exec(name) ?? [];
    const isTaken = (/** @type {string} */ candidate) => this.#attachments.some((one) => one.name === candidate);
    let free = name;
    for (let number = 2; isTaken(free); number += 1) free = `${stem} (${number})${ending}`;
    return free;
  }
}

/** The files that were sent with a prompt, for who reads it. @param {SentFile[]} files */
export function sentFiles(files) {
  const list = element('ul', 'attachments', ...files.map(({ name, type, bytes }) => element('li', 'chip', element('span', 'file-name', safeName(name)), element('span', 'file-about', `${size(bytes)} · ${visible(type)}`))));
  list.setAttribute('aria-label', 'Files that were sent');
  return list;
}

/** @param {Attachment} attachment */
function problemOf({ problem, upload }) {
  return problem ?? upload?.problem;
}

/** @param {Attachment} attachment */
function isReady({ upload, data }) {
  return upload ? isThere(upload) : data !== undefined;
}

/** @param {File} file */
function typeOf({ name, type }) {
  const ending = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  const known = TYPES[ending] ?? type.split(';')[0]?.trim() ?? '';
  return MEDIA_TYPE.test(known) ? known : 'application/octet-stream';
}

/** A small picture of what is one. @param {File} file */
function picture(file) {
  if (!IMAGES.test(file.type)) return [];
  const image = element('img');
  image.alt = '';
  image.src = URL.createObjectURL(file);
  for (const event of ['load', 'error']) image.addEventListener(event, () => URL.revokeObjectURL(image.src), { once: true });
  image.addEventListener('error', () => image.remove());
  return [image];
}

/** @param {string} name */
function quoted(name) {
  return `“${safeName(name)}”`;
}

/** @param {string[]} names */
function namesOf(names) {
  const all = names.map(quoted);
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
}
