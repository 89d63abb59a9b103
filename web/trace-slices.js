// Long work in short slices, so that the page answers in between.

/** How long a slice may take, in milliseconds: half of a picture at 60 Hz. */
const SLICE_MS = 8;
/** How many pieces it has at most: what they change must be laid out as well, which takes longer. */
const SLICE_LENGTH = 32;

/**
 * Calls a function until it says that there is nothing more to do, once more for each picture; the first
 * slice is done at once.
 *
 * @param {() => boolean} piece does a little and says whether there may be more
 * @returns {() => void} stops it
 */
export function inSlices(piece) {
  let stopped = false;
  const slice = () => {
    const until = performance.now() + SLICE_MS;
    for (let done = 1; !stopped && piece(); done += 1) {
      if (done < SLICE_LENGTH && performance.now() < until) continue;
      // A hidden tab draws no pictures.
      if (document.hidden) setTimeout(slice);
      else requestAnimationFrame(slice);
      return;
    }
  };
  slice();
  return () => {
    stopped = true;
  };
}
