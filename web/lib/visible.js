// Text of others, shown so that nothing in it is hidden: what a user reads is what is there.

/**
 * The group is what shows nothing of itself, or changes how its neighbours are shown: control and format
 * characters, among them those that turn the order of letters around; line separators; private and unassigned
 * characters, half ones, those that fonts leave out, and the empty braille pattern. What the alternatives
 * before it find stays: emoji, which such characters join, and joiners between letters of scripts that need
 * them.
 */
const HIDDEN =
  /\p{RGI_Emoji}|(?<=[[\p{L}\p{M}]--[\p{sc=Latn}\p{sc=Grek}\p{sc=Cyrl}\p{sc=Hani}\p{sc=Zyyy}]])[\u200c\u200d](?=[\p{L}--[\p{sc=Latn}\p{sc=Grek}\p{sc=Cyrl}\p{sc=Hani}\p{sc=Zyyy}]])|([\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800])/gv;

/**
 * A text with its hidden characters as escapes: `\u202E`, `\u{E0041}`.
 *
 * @param {string} text
 * @param {{lines?: boolean}} [options] whether line breaks and tabs stay what they are; else they are escapes too
 */
export function visible(text, { lines = false } = {}) {
  const shown = lines ? text.replaceAll('\r\n', '\n') : text;
  return replaceHidden(shown, (hidden) => {
    if (lines && (hidden === '\n' || hidden === '\t')) return hidden;
    const code = (hidden.codePointAt(0) ?? 0).toString(16).toUpperCase();
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** A text without its hidden characters. @param {string} text */
export function withoutHidden(text) {
  return replaceHidden(text, () => '');
}

/** @param {string} text @param {(hidden: string) => string} replacement */
function replaceHidden(text, replacement) {
  // Most texts have nothing but letters and signs of the West, and the first use of the pattern takes 10 ms.
  if (!/[^ -~\xa1-\xac\xae-\xff\u2010-\u2027\u2030-\u205e]/.test(text)) return text;
  return text.replace(HIDDEN, (found, /** @type {string | undefined} */ hidden) =>
    hidden === undefined ? found : replacement(hidden),
  );
}
