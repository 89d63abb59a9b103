// The modules of the page for tests that call them themselves: the page may be a bundle, in which there are none.

import { fileURLToPath } from 'node:url';

/** @import { Page } from 'playwright-core' */

const WEB = new URL('../../../web/', import.meta.url);

/**
 * Has a page find the modules of `web/` below `modules/`, beside its own files.
 *
 * @param {Page} page
 */
export const provideModules = (page) =>
  page.route('**/modules/**', (route) => {
    const [, path = ''] = new URL(route.request().url()).pathname.split('/modules/');
    return route.fulfill({ path: fileURLToPath(new URL(path, WEB)), contentType: 'text/javascript' });
  });
