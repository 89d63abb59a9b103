// Reading JSON of any shape: what comes over the wire is `unknown` until it has been checked.

/**
 * Undefined when it is none.
 *
 * @param {string} text
 * @returns {unknown}
 */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What is found at a path of object keys: null is absent, as Bedrock and its clients mean it.
 *
 * @param {unknown} value
 * @param {...string} path
 * @returns {unknown}
 */
export function get(value, ...path) {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = /** @type {Record<string, unknown>} */ (here)[key];
  }
  return here ?? undefined;
}

/** @param {unknown} value @param {...string} path */
export function getString(value, ...path) {
  const found = get(value, ...path);
  return typeof found === 'string' ? found : undefined;
}

/** @param {unknown} value @param {...string} path */
export function getNumber(value, ...path) {
  const found = get(value, ...path);
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined;
}

/**
 * @param {unknown} value
 * @param {...string} path
 * @returns {unknown[]}
 */
export function getList(value, ...path) {
  const found = get(value, ...path);
  return Array.isArray(found) ? found.filter((one) => one !== null) : [];
}

/** The names of the members that are there, of an object that is no list. @param {unknown} value @returns {string[]} */
export function membersOf(value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.keys(value).filter((name) => get(value, name) !== undefined);
}

/**
 * JSON as it was written: numbers with every digit, members in their order, and each of two with one name.
 *
 * @typedef {{kind: 'object', members: {name: string, value: JsonTree}[]}
 *   | {kind: 'array', items: JsonTree[]}
 *   | {kind: 'string', text: string}
 *   | {kind: 'literal', text: string}} JsonTree
 *   a literal is a number, `true`, `false` or `null`, as its text
 */

const SPACE = /[ \t\n\r]*/y;
const LITERAL = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;

/**
 * Reads JSON without changing it: `JSON.parse` rounds numbers, sorts names that are numbers, and drops the
 * first of two members with one name. Undefined when the text is no JSON. It may be nested to any depth.
 *
 * @param {string} text
 * @returns {JsonTree | undefined}
 */
export function readJson(text) {
  let at = 0;
  /** @param {RegExp} pattern */
  const take = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  /** @param {string} mark */
  const skip = (mark) => {
    take(SPACE);
    if (text[at] !== mark) return false;
    at += 1;
    return true;
  };
  const string = () => {
    const end = stringEnd(text, at);
    const raw = text.slice(at, end);
    at = end;
    // Most strings have nothing that needs to be decoded.
    return /[\\\u0000-\u001f]/.test(raw) ? parseJson(raw) : raw.slice(1, -1);
  };

  /** The containers that are not closed yet. @type {Extract<JsonTree, {kind: 'object' | 'array'}>[]} */
  const open = [];
  for (;;) {
    const holder = open.at(-1);
    let name = '';
    if (holder?.kind === 'object') {
      take(SPACE);
      const found = text[at] === '"' ? string() : undefined;
      if (typeof found !== 'string' || !skip(':')) return undefined;
      name = found;
    }

    take(SPACE);
    /** @type {JsonTree} */
    let value;
    if (text[at] === '"') {
      const found = string();
      if (typeof found !== 'string') return undefined;
      value = { kind: 'string', text: found };
    } else if (skip('{')) {
      value = { kind: 'object', members: [] };
    } else if (skip('[')) {
      value = { kind: 'array', items: [] };
    } else {
      const found = take(LITERAL);
      if (found === undefined) return undefined;
      value = { kind: 'literal', text: found };
    }
    if (holder?.kind === 'object') holder.members.push({ name, value });
    else holder?.items.push(value);

    if ((value.kind === 'object' && !skip('}')) || (value.kind === 'array' && !skip(']'))) {
      open.push(value);
      continue;
    }
    // Whatever ends here: this value, and the containers of which it was the last one.
    let whole = value;
    for (let last = open.at(-1); last !== undefined && !skip(','); last = open.at(-1)) {
      if (!skip(last.kind === 'object' ? '}' : ']')) return undefined;
      whole = last;
      open.pop();
    }
    if (open.length > 0) continue;
    take(SPACE);
    return at === text.length ? whole : undefined;
  }
}

/** Behind the quote that ends a string, or the end of the text. @param {string} text @param {number} start of its first quote */
function stringEnd(text, start) {
  let from = start + 1;
  for (;;) {
    const quote = text.indexOf('"', from);
    if (quote === -1) return text.length + 1;
    let slashes = 0;
    while (quote - slashes > from && text[quote - slashes - 1] === '\\') slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

/** Deeper levels are not indented any more: what a text of some depth needs would grow with its square. */
const MAX_INDENTED = 20;

/**
 * JSON with one member a line. Without a limit it is the same JSON; with one, it ends with `…` where it is cut.
 *
 * @param {JsonTree} tree
 * @param {number} [limit] in UTF-16 units
 */
export function formatTree(tree, limit = Infinity) {
  /** @type {string[]} */
  const parts = [];
  let length = 0;
  /** @param {string} part */
  const write = (part) => {
    parts.push(part);
    length += part.length;
  };
  const line = () => `\n${'  '.repeat(Math.min(open.length, MAX_INDENTED))}`;
  /** The containers that are written, with how many of their parts are. @type {{tree: Extract<JsonTree, {kind: 'object' | 'array'}>, written: number}[]} */
  const open = [];
  /** @type {JsonTree | undefined} */
  let value = tree;
  while (length <= limit) {
    if (value !== undefined) {
      if (value.kind === 'string') write(JSON.stringify(value.text.slice(0, limit)));
      else if (value.kind === 'literal') write(value.text);
      else if ((value.kind === 'object' ? value.members : value.items).length === 0)
        write(value.kind === 'object' ? '{}' : '[]');
      else {
        write(value.kind === 'object' ? '{' : '[');
        open.push({ tree: value, written: 0 });
      }
    }
    const holder = open.at(-1);
    if (holder === undefined) break;
    const { tree: inside, written } = holder;
    if (written === (inside.kind === 'object' ? inside.members : inside.items).length) {
      open.pop();
      write(`${line()}${inside.kind === 'object' ? '}' : ']'}`);
      value = undefined;
      continue;
    }
    holder.written += 1;
    const member = inside.kind === 'object' ? inside.members[written] : undefined;
    write(
      `${written > 0 ? ',' : ''}${line()}${member === undefined ? '' : `${JSON.stringify(member.name.slice(0, limit))}: `}`,
    );
    value = member === undefined && inside.kind === 'array' ? inside.items[written] : member?.value;
  }
  const whole = parts.join('');
  return whole.length > limit ? `${whole.slice(0, limit).toWellFormed()}…` : whole;
}

/**
 * JSON text with one member a line, every number as it stands there; other text as it is.
 *
 * @param {string} text
 * @param {number} [limit] in UTF-16 units; where the text is cut, it ends with `…`
 */
export function formatJson(text, limit = Infinity) {
  const tree = readJson(text);
  if (tree !== undefined) return formatTree(tree, limit);
  return text.length > limit ? `${text.slice(0, limit).toWellFormed()}…` : text;
}
