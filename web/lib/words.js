// The words of the interface: English, unless the settings bring them in another language.

/** A translation, or its forms by the plural categories of the language: `{"one": "{count} Quelle", "other": "{count} Quellen"}`. @typedef {string | Record<string, string>} Translation */

let language = 'en';
let plurals = new Intl.PluralRules(language);
/** By the English words; of those that have two forms, by the plural. @type {Map<string, Translation>} */
let translations = new Map();
/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();
/** Written from right to left. */
const RIGHT_TO_LEFT = ['Adlm', 'Arab', 'Hebr', 'Mand', 'Nkoo', 'Rohg', 'Samr', 'Syrc', 'Thaa'];

/** @param {string} newLanguage BCP 47 @param {Map<string, Translation>} newTranslations */
export function speak(newLanguage, newTranslations) {
  language = newLanguage;
  plurals = new Intl.PluralRules(language);
  translations = newTranslations;
  formats.clear();
}

/** The language of dates and times, of the country that the browser is set to; English ones of no country are as the British write them. */
export function dates() {
  return navigator.languages.find((one) => one.startsWith(`${language}-`)) ?? (language === 'en' ? 'en-GB' : language);
}

/** @param {string} language */
export function directionOf(language) {
  return RIGHT_TO_LEFT.includes(new Intl.Locale(language).maximize().script ?? '') ? 'rtl' : 'ltr';
}

/**
 * The words for the user. Numbers among the values are written as the language does; a `count` chooses the form.
 *
 * @param {string} english with the places of values: `{count} files in {folder}`
 * @param {Record<string, string | number>} [values]
 * @param {string} [key] that a translation has, where it is another form
 */
export function t(english, values, key = english) {
  const found = translations.get(key);
  const words = typeof found === 'object' ? (found[plurals.select(Number(values?.count))] ?? found.other) : found;
  return (words ?? english).replace(/\{(\w+)\}/g, (place, /** @type {string} */ name) => {
    const value = values && Object.hasOwn(values, name) ? values[name] : undefined;
    return typeof value === 'number' ? number(value) : (value ?? place);
  });
}

/** Words with a number, which is their `{count}`. @param {number} count @param {string} one @param {string} many @param {Record<string, string | number>} [values] */
export function plural(count, one, many, values) {
  return t(count === 1 ? one : many, { ...values, count }, many);
}

/** A number as the language writes it. @param {number} value @param {number} [fraction] how many digits behind the point, if so many are wanted in any case */
export function number(value, fraction) {
  const key = String(fraction);
  let format = formats.get(key);
  if (format === undefined) {
    format = new Intl.NumberFormat(
      language,
      fraction === undefined ? {} : { minimumFractionDigits: fraction, maximumFractionDigits: fraction },
    );
    formats.set(key, format);
  }
  return format.format(value);
}

/** Puts the words of a document into the language: its texts, and what its controls are called. @param {Element} root */
export function translate(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
    node instanceof Element && node.closest('[lang]') !== root.closest('[lang]')
      ? NodeFilter.FILTER_REJECT
      : NodeFilter.FILTER_ACCEPT,
  );
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    if (node instanceof Text) {
      const words = node.data.trim();
      if (translations.has(words)) node.data = node.data.replace(words, () => t(words));
    } else if (node instanceof Element) {
      for (const name of ['aria-label', 'title', 'placeholder']) {
        const words = node.getAttribute(name);
        if (words !== null) node.setAttribute(name, t(words));
      }
    }
  }
}
