// The page's settings: `config.json` beside index.html.

import { get, getList, getNumber, getString, membersOf } from '../lib/json.js';
import { visible, withoutHidden } from '../lib/visible.js';
import { isColour } from './colours.js';

/** @import { Translation } from '../lib/words.js' */
/** @import { Config, FileLimits, Prices, Starter } from '../types.d.ts' */

/** What is wrong with the settings, for the user. */
export class ConfigError extends Error {}

/** As the function's own default: what a `config.json` means that does not say it. */
const KEEPALIVE_SECONDS = 30;

/** Languages whose words come with the page. */
const BUILT_IN = ['de'];
/** A larger file is a mistake. */
const MAX_LENGTH = 1_000_000;
const MAX_STARTERS = 12;
const MAX_NOTES = 5;
const MAX_TRANSLATION = 2_000;
/** No million tokens cost more, in dollars. */
const MAX_PRICE = 1e6;

const EXAMPLE = '{"endpoint": "wss://…/stage", "access": "open", "allowTrace": true, "suggestions": []}';

/** @param {URL} address of config.json @throws {ConfigError} */
export async function loadConfig(address) {
  let response;
  try {
    response = await fetch(address, { cache: 'no-cache', credentials: 'same-origin' });
  } catch {
    throw new ConfigError(`The page cannot reach ${address.pathname}. Is the server that serves this page running?`);
  }
  if (!response.ok) {
    throw new ConfigError(
      `${address.pathname} is missing (HTTP ${response.status}). Put a file like this beside index.html: ${EXAMPLE}`,
    );
  }
  const config = parseConfig(await response.text(), address.href);
  const [language = ''] = config.language.split('-');
  if (BUILT_IN.includes(language)) {
    // The deployment's own words come before those of the page.
    const words = await fetch(new URL(`${language}.json`, address))
      .then((file) => file.json())
      .catch(() => ({}));
    config.strings = new Map([...stringsIn(words, () => undefined), ...config.strings]);
  }
  return config;
}

/**
 * Without `endpoint` and `access` there is no chat. What is wrong elsewhere is left out, and `notes` say so.
 *
 * @param {string} text
 * @param {string} [base] what addresses in it are relative to
 * @returns {Config}
 * @throws {ConfigError}
 */
export function parseConfig(text, base = 'http://localhost/config.json') {
  if (text.length > MAX_LENGTH)
    throw new ConfigError(
      `config.json has more than ${MAX_LENGTH.toLocaleString('en')} characters. It should look like this: ${EXAMPLE}`,
    );
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ConfigError(`config.json is not JSON. It should look like this: ${EXAMPLE}`);
  }
  const endpoint = getString(json, 'endpoint');
  if (endpoint === undefined || endpoint === '') {
    throw new ConfigError(`config.json names no "endpoint". It should look like this: ${EXAMPLE}`);
  }
  if (!URL.canParse(endpoint) || !/^wss?:$/.test(new URL(endpoint).protocol)) {
    throw new ConfigError(
      `The "endpoint" in config.json is not a WebSocket address: ${shown(endpoint)}. It starts with wss:// (or ws:// on your own machine).`,
    );
  }
  const access = get(json, 'access') ?? 'open';
  if (access !== 'open' && access !== 'code' && access !== 'oidc') {
    throw new ConfigError(
      `config.json asks for the access "${shown(access)}", which this version of the page does not know. It knows "open", "code" and "oidc".`,
    );
  }
  /** @type {string[]} */
  const notes = [];
  const note = (/** @type {string} */ name, /** @type {unknown} */ value, /** @type {string} */ wanted) =>
    void (
      notes.length < MAX_NOTES &&
      notes.push(
        `"${shown(name, 60)}" in config.json is left out: it is ${typeof value === 'string' ? `"${shown(value)}"` : shown(value)}, and must be ${wanted}.`,
      )
    );
  const words = (/** @type {string} */ name, /** @type {number} */ most, /** @type {string} */ example) => {
    const value = get(json, name);
    if (isText(value, most)) return plainText(value) || undefined;
    if (value !== undefined && value !== '')
      note(name, value, `a text of at most ${most.toLocaleString('en')} characters, such as "${example}"`);
    return undefined;
  };
  const address = (
    /** @type {string} */ name,
    /** @type {(url: URL) => boolean} */ fits,
    /** @type {string} */ wanted,
  ) => {
    const value = get(json, name);
    if (value === undefined || value === '') return undefined;
    if (isText(value, 2_000) && URL.canParse(value, base)) {
      const url = new URL(value, base);
      if (/^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && fits(url)) return url.href;
    }
    return note(name, value, wanted);
  };
  const starters = startersIn(get(json, 'starters'), note);
  return {
    endpoint,
    access,
    issuer: getString(json, 'issuer'),
    audience: getString(json, 'audience'),
    allowTrace: get(json, 'allowTrace') === true,
    prices: pricesIn(get(json, 'prices')),
    files: filesIn(json),
    keepaliveSeconds: Math.max(1, getNumber(json, 'keepaliveSeconds') ?? KEEPALIVE_SECONDS),
    title: words('title', 80, 'Help desk'),
    logo: address(
      'logo',
      ({ origin }) => origin === new URL(base).origin,
      'the address of an image on the server of this page, such as "logo.svg"',
    ),
    colours: coloursIn(get(json, 'colours'), note),
    greeting: words('greeting', 200, 'How can we help?'),
    introduction: words('introduction', 1_000, 'Ask about orders and returns.'),
    footer: words('footer', 1_000, 'Answers may be wrong. [Privacy](https://example.com/privacy)'),
    language: languageIn(get(json, 'language'), note),
    strings: stringsIn(get(json, 'strings'), note),
    starters: [
      ...starters,
      ...suggestionsIn(json).flatMap((prompt) =>
        starters.some((one) => one.prompt === prompt) ? [] : [{ title: prompt, explanation: undefined, prompt }],
      ),
    ],
    votes: address(
      'votes',
      (url) => url.protocol === 'https:' || url.origin === new URL(base).origin || LOOPBACK.test(url.hostname),
      'an https address, such as "https://example.com/votes"',
    ),
    telemetry: telemetryIn(get(json, 'telemetry'), note),
    version: words('version', 80, '0.2.0'),
    notes,
  };
}

const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])$/;

/** Says that a setting is left out, and what it must be. @typedef {(name: string, value: unknown, wanted: string) => undefined} Note */

/** A value in a sentence for the user. @param {unknown} value @param {number} [most] characters */
function shown(value, most = 100) {
  const words =
    typeof value === 'string'
      ? value
      : Array.isArray(value)
        ? 'a list'
        : typeof value === 'object'
          ? 'an object'
          : String(value);
  return visible(words.slice(0, most).toWellFormed()) + (words.length > most ? '…' : '');
}

/** @param {unknown} value @param {number} most characters @returns {value is string} */
function isText(value, most) {
  return typeof value === 'string' && value.length <= most && value.trim() !== '';
}

/** What is shown as the page's own words has no power over the words beside it. @param {string} text */
function plainText(text) {
  return withoutHidden(text.replace(/\s+/g, ' ')).trim();
}

/** @param {unknown} json */
function suggestionsIn(json) {
  return getList(json, 'suggestions')
    .filter((entry) => typeof entry === 'string' && entry.trim() !== '')
    .map(String);
}

/** @param {unknown} colours @param {Note} note @returns {Config['colours']} */
function coloursIn(colours, note) {
  if (colours === undefined) return {};
  const accent = get(colours, 'accent');
  const [light, dark] = typeof accent === 'string' ? [accent, accent] : [get(accent, 'light'), get(accent, 'dark')];
  for (const [name, value] of Object.entries(
    typeof accent === 'string' ? { accent } : { 'accent.light': light, 'accent.dark': dark },
  )) {
    if (value !== undefined && !isColour(value)) note(`colours.${name}`, value, 'a colour such as "#0f6e66"');
  }
  if (light === undefined && dark === undefined)
    note('colours', colours, 'like {"accent": {"light": "#0f6e66", "dark": "#5ed3c3"}}');
  return { light: isColour(light) ? light : undefined, dark: isColour(dark) ? dark : undefined };
}

/** @param {unknown} language @param {Note} note */
function languageIn(language, note) {
  if (language === undefined || language === '') return 'en';
  try {
    // With what it says about digits, such as "ar-u-nu-latn".
    return String(new Intl.Locale(/** @type {string} */ (language)));
  } catch {
    note('language', language, 'a language such as "de" or "pt-BR"');
    return 'en';
  }
}

/** @param {unknown} strings @param {Note} note @returns {Map<string, Translation>} */
function stringsIn(strings, note) {
  const example = 'like {"Send": "Senden", "{count} sources": {"one": "{count} Quelle", "other": "{count} Quellen"}}';
  if (strings !== undefined && (typeof strings !== 'object' || Array.isArray(strings)))
    note('strings', strings, example);
  /** @type {Map<string, Translation>} */
  const translations = new Map();
  for (const english of membersOf(strings)) {
    const translation = get(strings, english);
    const forms = membersOf(translation).map((category) => [category, getString(translation, category) ?? '']);
    if (isText(translation, MAX_TRANSLATION)) translations.set(english, translation);
    else if (forms.length > 0 && forms.every(([, form]) => isText(form, MAX_TRANSLATION)))
      translations.set(english, Object.fromEntries(forms));
    else if (translation !== '') note(`strings: ${english}`, translation, example);
  }
  return translations;
}

/** @param {unknown} starters @param {Note} note @returns {Starter[]} */
function startersIn(starters, note) {
  if (starters === undefined) return [];
  const example = '{"title": "Where is my order?", "explanation": "With its number", "prompt": "Where is order 1017?"}';
  if (!Array.isArray(starters)) note('starters', starters, `a list like [${example}]`);
  return getList({ starters }, 'starters')
    .slice(0, MAX_STARTERS)
    .flatMap((starter, index) => {
      const [title = get(starter, 'prompt'), explanation, prompt] = ['title', 'explanation', 'prompt'].map((name) =>
        get(starter, name),
      );
      if (
        isText(title, 200) &&
        isText(prompt, 30_000) &&
        (explanation === undefined || explanation === '' || isText(explanation, 300))
      ) {
        return [{ title: plainText(title), explanation: explanation && plainText(explanation), prompt }];
      }
      note(`starters[${index}]`, starter, `like ${example}, with at most 200, 300 and 30,000 characters`);
      return [];
    });
}

/** @param {unknown} telemetry @param {Note} note @returns {Config['telemetry']} */
function telemetryIn(telemetry, note) {
  if (telemetry === 'always' || telemetry === 'never') return telemetry;
  if (telemetry !== undefined && telemetry !== 'with-trace')
    note('telemetry', telemetry, '"with-trace", "always" or "never"');
  return 'with-trace';
}

/** @param {unknown} json @returns {FileLimits | undefined} */
function filesIn(json) {
  const [maxFiles, maxBytes] = [getNumber(json, 'files', 'maxFiles') ?? 0, getNumber(json, 'files', 'maxBytes') ?? 0];
  return maxFiles >= 1 && maxBytes >= 1
    ? { maxFiles, maxBytes, uploads: get(json, 'files', 'uploads') === true }
    : undefined;
}

/**
 * What a price is missing for, or has one that cannot be, is left out: no cost is better than a wrong one.
 *
 * @param {unknown} prices
 * @returns {Prices}
 */
function pricesIn(prices) {
  return Object.fromEntries(
    membersOf(prices).flatMap((model) => {
      const values = ['input', 'output', 'cached', 'cacheWrite'].map((name) => get(prices, model, name));
      const isPrice = (/** @type {unknown} */ value) => typeof value === 'number' && value >= 0 && value <= MAX_PRICE;
      const isWrong = values.some((value) => value !== undefined && !isPrice(value));
      const [input, output, cached, cacheWrite] = /** @type {(number | undefined)[]} */ (values);
      return input === undefined || output === undefined || isWrong
        ? []
        : [[model, { input, output, cached, cacheWrite }]];
    }),
  );
}
