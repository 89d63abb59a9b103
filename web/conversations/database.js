// The browser's database, as far as conversations need it: what they are, their turns, and the large parts of those.

/** A slow disk is waited for: without it a conversation seems to be lost. A browser that never answers is not, in milliseconds. */
const OPEN_MS = 10_000;

export const STORES = /** @type {const} */ (['conversations', 'turns', 'parts']);

/**
 * @param {() => void} gone is called when it is taken away: the user had all data deleted, or a later page has another shape of it
 * @returns {Promise<IDBDatabase | undefined>} undefined where the browser refuses it, as private windows may
 */
export function openDatabase(gone) {
  return new Promise((resolve) => {
    const refuse = () => resolve(undefined);
    setTimeout(refuse, OPEN_MS);
    try {
      const request = indexedDB.open('agent-relay', 1);
      request.onupgradeneeded = () => STORES.forEach((name) => request.result.createObjectStore(name));
      request.onsuccess = () => {
        request.result.onclose = gone;
        request.result.onversionchange = () => {
          request.result.close();
          gone();
        };
        resolve(request.result);
      };
      request.onerror = request.onblocked = refuse;
    } catch {
      refuse();
    }
  });
}

/** @template Result @param {IDBRequest<Result>} request @returns {Promise<Result>} */
export function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransaction} transaction @returns {Promise<void>} */
export function committed(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('The browser did not write.'));
  });
}

/** All keys that begin with these. @param {...(string | number)} keys */
export function below(...keys) {
  // A list comes behind all numbers and texts.
  return IDBKeyRange.bound(keys, [...keys, []]);
}
