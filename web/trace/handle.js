// A handle at the edge of the trace panel that changes its width, for pointers and for the arrow keys.

import { byId, element } from '../lib/dom.js';
import { store } from '../lib/storage.js';

/** The panel has the width that was chosen before: see panel.js. */
export function makeResizable() {
  const stage = byId('stage', HTMLElement);
  const panel = byId('traces', HTMLElement);
  const handle = element('div', 'traces-handle');
  handle.tabIndex = 0;
  handle.role = 'separator';
  handle.ariaOrientation = 'vertical';
  handle.ariaLabel = 'Width of the trace panel';
  panel.prepend(handle);
  // Where the language of the chat is read from right to left. The settings that say so may come after the panel.
  const isLeft = () => document.documentElement.dir === 'rtl';
  /** @param {string} width as CSS has it; none for the one of style.css */
  const setWidth = (width) => {
    stage.style.setProperty('--traces-width', width);
    handle.ariaValueNow = String(Math.round((panel.offsetWidth / Math.max(stage.offsetWidth, 1)) * 100));
  };
  /** @param {number} width in pixels */
  const resize = (width) => {
    const share = Math.min(Math.max(width / stage.offsetWidth, 0.2), 0.8);
    setWidth(`${(share * 100).toFixed(1)}vw`);
  };
  const chosen = () => stage.style.getPropertyValue('--traces-width');
  const keep = () => store('local', 'trace-width', chosen());
  setWidth(chosen());
  handle.addEventListener('pointerdown', (event) => {
    handle.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  handle.addEventListener('pointermove', (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const { left, right } = stage.getBoundingClientRect();
    resize(isLeft() ? event.clientX - left : right - event.clientX);
  });
  handle.addEventListener('pointerup', keep);
  handle.addEventListener('dblclick', () => {
    setWidth('');
    keep();
  });
  handle.addEventListener('keydown', (event) => {
    const way = { ArrowLeft: 1, ArrowRight: -1 }[event.key];
    if (way === undefined) return;
    event.preventDefault();
    resize(panel.offsetWidth + way * (isLeft() ? -32 : 32));
    keep();
  });
}
