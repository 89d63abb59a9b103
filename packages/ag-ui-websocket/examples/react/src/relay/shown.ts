// What an agent says of itself is text of others: it may hide characters, name folders, or link to scripts.

/** Controls, what turns the order of letters around, line separators, private and unassigned characters, half ones; not the joiners that emoji and some scripts need. */
const HIDDEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]/gu;

/** A text whose hidden characters are escapes, such as `\u{202e}`. Line breaks and tabs stay. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (hidden) =>
    hidden === '\n' || hidden === '\t' ? hidden : `\\u{${hidden.codePointAt(0)?.toString(16)}}`,
  );
}

/** A name that is only a name: no folders, nothing hidden, nothing that a file system takes for something else. */
export function safeFileName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? '';
  const plain = last
    .replace(HIDDEN, '')
    .replace(/[<>:"|?*]/g, '_')
    .replace(/^[.\s]+|[.\s]+$/g, '');
  return [...plain].slice(-100).join('') || 'file';
}

/** An address of the web, or undefined: no scripts, no data, and no names before `@` that look like a host. */
export function safeLink(address: string): URL | undefined {
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  const isWeb = url.protocol === 'https:' || url.protocol === 'http:';
  return isWeb && url.username === '' && url.password === '' ? url : undefined;
}

/** A member of a member of a value that may be anything. */
export function at(value: unknown, ...names: string[]): unknown {
  let found = value;
  for (const name of names) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

export function textAt(value: unknown, ...names: string[]): string | undefined {
  const found = at(value, ...names);
  return typeof found === 'string' ? found : undefined;
}

export function listAt(value: unknown, ...names: string[]): unknown[] {
  const found = at(value, ...names);
  return Array.isArray(found) ? found : [];
}
