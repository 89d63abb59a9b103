// A colour of the deployment's own, and what has to go with it so that all text can be read.

/** WCAG's least contrast of a text. */
const READABLE = 4.5;

/** As in style.css: what a soft accent is mixed into, the surface on which text is the hardest to read, and where to find more contrast. */
const SURFACES = {
  light: { surface: '#ffffff', soft: '#efefec', end: '#000000', tint: 0.12 },
  dark: { surface: '#1a1d20', soft: '#24282c', end: '#ffffff', tint: 0.2 },
};

/** @param {unknown} value @returns {value is string} */
export function isColour(value) {
  return typeof value === 'string' && /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(value);
}

/**
 * The accent in one of the two schemes, the colour of text on it, and the colours made of it: a soft one behind text, one
 * for text on all of the page's surfaces, and one for what is pointed at.
 *
 * @param {string} accent
 * @param {'light' | 'dark'} scheme
 */
export function accentColours(accent, scheme) {
  const { surface, soft: plain, end, tint } = SURFACES[scheme];
  const [white, black] = ['#ffffff', '#000000'];
  const onAccent =
    contrast(white, accent) >= READABLE || contrast(white, accent) >= contrast(black, accent) ? white : black;
  const soft = mix(surface, accent, tint);
  let strong = mix(accent, end, 0);
  for (
    let share = 0.05;
    share <= 1 && Math.min(contrast(strong, soft), contrast(strong, plain)) < READABLE;
    share += 0.05
  )
    strong = mix(accent, end, share);
  return {
    accent: mix(accent, accent, 0),
    'on-accent': onAccent,
    'accent-soft': soft,
    'accent-strong': strong,
    'accent-hover': mix(accent, onAccent === white ? black : white, 0.12),
  };
}

/** As WCAG defines it: from 1 to 21. @param {string} one @param {string} other */
export function contrast(one, other) {
  const [darker = 0, lighter = 0] = [luminance(one), luminance(other)].sort((left, right) => left - right);
  return (lighter + 0.05) / (darker + 0.05);
}

/** @param {string} colour */
function luminance(colour) {
  const [red = 0, green = 0, blue = 0] = channels(colour).map((value) =>
    value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** @param {string} one @param {string} other @param {number} share of the other */
function mix(one, other, share) {
  const others = channels(other);
  const mixed = channels(one).map((value, index) => Math.round(value + ((others[index] ?? 0) - value) * share));
  return `#${mixed.map((value) => value.toString(16).padStart(2, '0')).join('')}`;
}

/** Red, green and blue, from 0 to 255. @param {string} colour */
function channels(colour) {
  const digits =
    colour.length === 4 ? [...colour.slice(1)].map((digit) => digit + digit) : (colour.slice(1).match(/../g) ?? []);
  return digits.map((two) => Number.parseInt(two, 16));
}
