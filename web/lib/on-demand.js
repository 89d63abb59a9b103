// Modules that only some pages need: each is loaded when it is asked for first.

/** A server that is busy is asked so often in a row. */
const ATTEMPTS = 3;
/** The longest wait before the second attempt, in milliseconds; it doubles with the next one. */
const FIRST_WAIT_MS = 600;
/** After that it is left alone for so long, in milliseconds. */
const REST_MS = 60_000;

/**
 * @param {string} name of the file, beside index.html
 * @param {number} [rest] how long it is left alone where it did not come, in milliseconds, unless the browser is online again before
 * @returns {() => Promise<any>} the module; who asks again after it could not be loaded makes other attempts
 */
export function onDemand(name, rest = REST_MS) {
  let [attempts, restsUntil] = [0, 0];
  /** @type {Promise<any> | undefined} */
  let loading;
  /** @param {number} failures @returns {Promise<any>} */
  const attempt = (failures) => {
    attempts += 1;
    // Some browsers remember that a module could not be loaded, so each attempt has an address of its own.
    const address = new URL(attempts === 1 ? name : `${name}?attempt=${attempts}`, document.baseURI);
    return import(address.href).catch(async (error) => {
      if (failures + 1 === ATTEMPTS || !navigator.onLine) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * FIRST_WAIT_MS * 2 ** failures));
      return attempt(failures + 1);
    });
  };
  return () => {
    if (loading === undefined && performance.now() < restsUntil)
      return Promise.reject(new Error(`${name} does not come`));
    loading ??= attempt(0).catch((error) => {
      loading = undefined;
      restsUntil = performance.now() + rest;
      window.addEventListener('online', () => (restsUntil = 0), { once: true });
      throw error;
    });
    return loading;
  };
}
