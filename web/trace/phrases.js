// Words that several parts of the viewer put together. No DOM.

/** What there is of several words. @param {string} between @param {...(string | undefined)} parts empty ones are left out */
export function joined(between, ...parts) {
  return parts.filter(Boolean).join(between);
}
