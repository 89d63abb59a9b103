// Loads the page's modules, a few at a time, and again where the server is busy. Left to itself a browser asks
// for a dozen at once, which is more than a small deployment answers, and tries none again.

const AT_ONCE = 4;
const ATTEMPTS = 5;

/** @type {Promise<unknown>[]} */
const lanes = Array(AT_ONCE).fill(Promise.resolve());
/** @type {Set<string>} */
const seen = new Set();

/** Has the browser keep a module and all that it imports. @param {string} address @returns {Promise<unknown>} */
function load(address) {
  if (seen.has(address)) return Promise.resolve();
  seen.add(address);
  const lane = seen.size % AT_ONCE;
  const source = (lanes[lane] ?? Promise.resolve()).then(() => read(address));
  lanes[lane] = source.catch(() => {});
  return source.then((text) => Promise.all([...text.matchAll(/^import .* from '(.*)'/gm)].map(([, name = '']) => load(new URL(name, address).href))));
}

/** @param {string} address @returns {Promise<string>} */
async function read(address, attempt = 1) {
  const response = await fetch(address).catch(() => undefined);
  if (response?.ok) return response.text();
  if (attempt === ATTEMPTS) throw new Error(`${new URL(address).pathname}: ${response?.status ?? 'no answer'}`);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 300 * 2 ** attempt));
  return read(address, attempt + 1);
}

load(new URL('main.js', document.baseURI).href)
  .then(() => import('./main.js'))
  .catch((error) => {
    const [banner, text] = ['banner', 'banner-text'].map((id) => document.getElementById(id));
    if (!banner || !text) return;
    banner.hidden = false;
    text.textContent = `The page could not be loaded (${error.message}). The server may be busy: try again in a moment.`;
  });
