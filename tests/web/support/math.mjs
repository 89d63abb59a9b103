// What `scripts/bundle-page` makes web/math.js of: Temml reads a formula, and what comes of it is made of the
// elements and attributes of MathML Core below, so that no formula can do more than be seen.

import temml from 'temml';

const MATHML = 'http://www.w3.org/1998/Math/MathML';
/** A formula of more elements, or deeper ones, is for nobody to read, and a browser takes long to lay it out. */
const MAX_ELEMENTS = 1_500;
const MAX_DEPTH = 48;
/** So often names that the formula itself defines are replaced by what they mean. */
const MAX_EXPANSIONS = 200;
/** The largest space that a formula asks for, in em and in pt. */
const MAX_SIZE = [16, 160];

/** By what Temml calls them. `menclose` is not of MathML Core: its lines are drawn by their classes. */
const ELEMENTS = new Map(
  'math mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none'
    .split(' ')
    .map((name) => [name, name]),
);
ELEMENTS.set('menclose', 'mrow');
const ATTRIBUTES = new Set(
  'accent accentunder columnspan depth display displaystyle fence form height largeop linethickness lspace mathsize mathvariant maxsize minsize movablelimits rowspan rspace scriptlevel separator stretchy symmetric voffset width'.split(
    ' ',
  ),
);
const STYLES = new Set(
  'backgroundColor borderBottom borderLeft borderRight borderTop border color fontWeight mathDepth padding paddingBottom paddingLeft paddingRight paddingTop textAlign'.split(
    ' ',
  ),
);
const CLASSES =
  /^(?:tml-(?:cancel|fbox|hat-\d|jot|left|overline|right|small|tilde-\d|underline|xcancel)|upstrike|downstrike|sout)$/;
const VALUE = /^[\w#.,%+ ()-]{1,64}$/;

/** What Temml makes of a formula. @typedef {{type?: string, text?: string, attributes?: Record<string, unknown>, style?: Record<string, unknown>, classes?: string[], children?: Made[]}} Made */

/**
 * Draws a formula.
 *
 * @param {string} source in LaTeX, without what stands around it
 * @param {boolean} display whether it stands by itself
 * @returns {Element | undefined} nothing where it cannot be read, or is too much
 */
export function draw(source, display) {
  try {
    // Each formula has its names to itself.
    const made = /** @type {any} */ (temml).__renderToMathMLTree(source, {
      displayMode: display,
      throwOnError: true,
      trust: false,
      maxExpand: MAX_EXPANSIONS,
      maxSize: MAX_SIZE,
    });
    const left = { elements: MAX_ELEMENTS };
    const [math] = nodesOf(made, left, MAX_DEPTH);
    return math instanceof Element && math.localName === 'math' ? math : undefined;
  } catch {
    return undefined;
  }
}

/** @param {Made} made @param {{elements: number}} left @param {number} depth @returns {Node[]} */
function nodesOf(made, left, depth) {
  if (made.text !== undefined) return [document.createTextNode(made.text)];
  if (depth === 0 || (left.elements -= 1) < 0) throw new Error('too much');
  const children = (made.children ?? []).flatMap((child) => nodesOf(child, left, depth - 1));
  const name = ELEMENTS.get(made.type ?? '');
  // Of what has no name of its own there are only its parts.
  if (name === undefined) return children;
  const node = /** @type {MathMLElement} */ (document.createElementNS(MATHML, name));
  for (const [attribute, value] of Object.entries(made.attributes ?? {})) {
    if (ATTRIBUTES.has(attribute) && VALUE.test(String(value))) node.setAttribute(attribute, String(value));
  }
  const classes = (made.classes ?? []).filter((one) => CLASSES.test(one));
  if (classes.length > 0) node.setAttribute('class', classes.join(' '));
  for (const [property, value] of Object.entries(made.style ?? {})) {
    if (STYLES.has(property) && VALUE.test(String(value))) Object.assign(node.style, { [property]: String(value) });
  }
  node.append(...children);
  return [node];
}
