// Reading JSON whose shape nobody promised: what comes over the wire is `unknown` until looked at.

/**
 * The value that a JSON text stands for, or undefined when it is none.
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
 * The value at a path of object keys, or undefined as soon as a step is missing.
 *
 * @param {unknown} value
 * @param {...string} path
 * @returns {unknown}
 */
export function at(value, ...path) {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = /** @type {Record<string, unknown>} */ (here)[key];
  }
  return here;
}

/**
 * The string at a path, or undefined.
 *
 * @param {unknown} value
 * @param {...string} path
 * @returns {string | undefined}
 */
export function textAt(value, ...path) {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : undefined;
}

/**
 * The finite number at a path, or undefined.
 *
 * @param {unknown} value
 * @param {...string} path
 * @returns {number | undefined}
 */
export function numberAt(value, ...path) {
  const found = at(value, ...path);
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined;
}

/**
 * The list at a path, or an empty one.
 *
 * @param {unknown} value
 * @param {...string} path
 * @returns {unknown[]}
 */
export function listAt(value, ...path) {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}
