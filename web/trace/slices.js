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
 * Does what a generator does, some of it for each picture; the first slice at once.
 *
 * @template Result
 * @param {Generator<unknown, Result>} work yields after each piece of it
 * @param {(result: Result) => void} [done] is called at its end
 * @param {() => void} [after] is called after each slice
 * @returns {() => void} stops it
 */
export function inSlices(work, done = () => {}, after = () => {}) {
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
    let finished = false;
    for (
      let pieces = 0;
      !finished && !stopped && pieces < length && performance.now() - begun < SLICE_MS;
      pieces += 1
    ) {
      const piece = work.next();
      finished = piece.done === true;
      if (piece.done === true) done(piece.value);
    }
    if (stopped) return;
    after();
    if (finished) return;
    // A hidden tab draws no pictures.
    if (document.hidden) setTimeout(next);
    else requestAnimationFrame(next);
  };
  slice();
  return () => {
    stopped = true;
  };
}
