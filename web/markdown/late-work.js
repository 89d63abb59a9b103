// Work on an answer that can wait, and that needs a module of its own: it is done in slices once that is there.

/** So long it goes on at once, in milliseconds. */
const SLICE_MS = 6;

/**
 * Gives what begins the work, unless it is under way. Without the module an answer can be read as well: whoever begins
 * the work next asks for it again, or the browser that is online again.
 *
 * @template Module
 * @param {() => Promise<Module>} load
 * @param {(module: Module) => Generator<Promise<unknown> | undefined>} work lets others work in between, and waits for what it yields
 * @param {() => void} [failed] is called where the module did not come
 */
export function lateWork(load, work, failed = () => {}) {
  let isUnderWay = false;
  return function begin() {
    if (isUnderWay) return;
    isUnderWay = true;
    load().then(
      (module) => {
        const steps = work(module);
        const slice = () => {
          const until = performance.now() + SLICE_MS;
          do {
            const { done, value } = steps.next();
            if (done === true) return void (isUnderWay = false);
            if (value) return void value.then(slice);
          } while (performance.now() < until);
          setTimeout(slice);
        };
        setTimeout(slice);
      },
      () => {
        isUnderWay = false;
        failed();
        window.addEventListener('online', begin, { once: true });
      },
    );
  };
}
