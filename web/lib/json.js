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
 * What is found at a path of object keys.
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
  return here;
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
  return Array.isArray(found) ? found : [];
}
