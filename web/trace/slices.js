// Long work in short slices, so that the page answers in between.

/** How long a slice may take, in milliseconds: half of a picture at 60 Hz. */
const SLICE_MS = 8;
/**
 * How many pieces it has at first and at most: what they change must be laid out as well, which takes
 * longer. Slices grow while every picture is in time, and shrink when one is late.
 */
const [FIRST_LENGTH, MAX_LENGTH, LENGTH_STEP] = [12, 24, 4];
/** A picture later than this is late, in milliseconds: one was missed at 60 Hz. */
const LATE_MS = 25;

/**
 * Calls a function until it says that there is nothing more to do, once more for each picture; the first
 * slice is done at once.
 *
 * @param {() => boolean} piece does a little and says whether there may be more
 * @param {() => void} [after] is called after each slice
 * @returns {() => void} stops it
 */
export function inSlices(piece, after = () => {}) {
  let stopped = false;
  let length = FIRST_LENGTH;
  let begun = performance.now();
  const next = () => {
    const late = performance.now() - begun > LATE_MS;
    length = late ? Math.max(length / 2, LENGTH_STEP) : Math.min(length + LENGTH_STEP, MAX_LENGTH);
    slice();
  };
  const slice = () => {
    begun = performance.now();
    let more = true;
    for (let done = 0; more && done < length && performance.now() - begun < SLICE_MS; done += 1)
      more = !stopped && piece();
    if (!stopped) after();
    if (!more || stopped) return;
    // A hidden tab draws no pictures.
    if (document.hidden) setTimeout(next);
    else requestAnimationFrame(next);
  };
  slice();
  return () => {
    stopped = true;
  };
}

/**
 * Does in slices what a generator does.
 *
 * @template Result
 * @param {Generator<void, Result>} work
 * @param {(result: Result) => void} [done] is called at its end
 * @returns {() => void} stops it
 */
export function generatorInSlices(work, done = () => {}) {
  return inSlices(() => {
    const next = work.next();
    if (next.done === true) done(next.value);
    return next.done !== true;
  });
}
