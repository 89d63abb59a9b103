// The page's settings: `config.json` beside index.html.

import { get, getList, getNumber, getString, membersOf } from '../lib/json.js';

/** @import { Config, FileLimits, Prices } from '../types.d.ts' */

/** What is wrong with the settings, for the user. */
export class ConfigError extends Error {}

/** As the function's own default: what a `config.json` means that does not say it. */
const KEEPALIVE_SECONDS = 30;

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
    throw new ConfigError(`${address.pathname} is missing (HTTP ${response.status}). Put a file like this beside index.html: ${EXAMPLE}`);
  }
  return parseConfig(await response.text());
}

/** @param {string} text @returns {Config} @throws {ConfigError} */
export function parseConfig(text) {
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
    throw new ConfigError(`The "endpoint" in config.json is not a WebSocket address: ${endpoint}. It starts with wss:// (or ws:// on your own machine).`);
  }
  const access = get(json, 'access') ?? 'open';
  if (access !== 'open' && access !== 'code' && access !== 'oidc') {
    throw new ConfigError(`config.json asks for the access "${String(access)}", which this version of the page does not know. It knows "open", "code" and "oidc".`);
  }
  return {
    endpoint,
    access,
    issuer: getString(json, 'issuer'),
    audience: getString(json, 'audience'),
    allowTrace: get(json, 'allowTrace') === true,
    suggestions: getList(json, 'suggestions').filter((entry) => typeof entry === 'string' && entry.trim() !== '').map(String),
    prices: pricesIn(get(json, 'prices')),
    files: filesIn(json),
    keepaliveSeconds: Math.max(1, getNumber(json, 'keepaliveSeconds') ?? KEEPALIVE_SECONDS),
  };
}

/** @param {unknown} json @returns {FileLimits | undefined} */
function filesIn(json) {
  const [maxFiles, maxBytes] = [getNumber(json, 'files', 'maxFiles') ?? 0, getNumber(json, 'files', 'maxBytes') ?? 0];
  return maxFiles >= 1 && maxBytes >= 1 ? { maxFiles, maxBytes, uploads: get(json, 'files', 'uploads') === true } : undefined;
}

/**
 * What a price is missing for is left out: no cost is better than a wrong one.
 *
 * @param {unknown} prices
 * @returns {Prices}
 */
function pricesIn(prices) {
  return Object.fromEntries(membersOf(prices).flatMap((model) => {
    const [input, output, cached, cacheWrite] = ['input', 'output', 'cached', 'cacheWrite'].map((name) => getNumber(prices, model, name));
    return input === undefined || output === undefined ? [] : [[model, { input, output, cached, cacheWrite }]];
  }));
}
