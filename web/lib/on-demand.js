// Modules that only some pages need: each is loaded when it is asked for first.

const ATTEMPTS = 3;

/**
 * @param {string} name of the file, beside index.html
 * @returns {() => Promise<any>} the module; who asks again after it could not be loaded makes another attempt
 */
export function onDemand(name) {
  let attempts = 0;
  /** @type {Promise<any> | undefined} */
  let loading;
  return () => {
    if (loading !== undefined || attempts === ATTEMPTS)
      return loading ?? Promise.reject(new Error(`${name} does not come`));
    attempts += 1;
    // Some browsers remember that a module could not be loaded, so each attempt has an address of its own.
    loading = import(new URL(attempts === 1 ? name : `${name}?attempt=${attempts}`, document.baseURI).href);
    loading.catch(() => (loading = undefined));
    return loading;
  };
}
