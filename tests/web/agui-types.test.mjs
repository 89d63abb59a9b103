// The agent class in TypeScript, with the settings of Vite's template `react-ts` and others.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PACKAGE = fileURLToPath(new URL('../../packages/ag-ui-websocket', import.meta.url));
const execute = promisify(execFile);

/** What the template of create-vite 9.3.0 has, other than the names of its files. */
const VITE = {
  target: 'es2023',
  lib: ['ES2023', 'DOM'],
  module: 'esnext',
  types: [],
  skipLibCheck: true,
  moduleResolution: 'bundler',
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  moduleDetection: 'force',
  noEmit: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  erasableSyntaxOnly: true,
  noFallthroughCasesInSwitch: true,
};
const NODE = {
  target: 'es2023',
  lib: ['ES2023', 'DOM'],
  module: 'nodenext',
  types: ['node'],
  noEmit: true,
  skipLibCheck: true,
};
const STRICT = {
  ...VITE,
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
};

const WAYS = { copied: './websocket-agent.mjs', 'from its package': '@agent-relay/ag-ui-websocket' };
const RIGHT = {
  'an address alone': "new WebSocketAgent({ url: 'wss://example.com' });",
  'a credential': "new WebSocketAgent({ url: 'wss://example.com', credential: 'code' });",
  'a credential that may be missing':
    "new WebSocketAgent({ url: 'wss://example.com', credential: Math.random() > 0.5 ? 'code' : '' });",
  'a token that is renewed': "new WebSocketAgent({ url: 'wss://example.com', credential: async () => 'token' });",
  'a storage':
    "new WebSocketAgent({ url: 'wss://example.com', storage: localStorage });\nnew WebSocketAgent({ url: 'wss://example.com', storage: null });",
  'other times':
    "new WebSocketAgent({ url: 'wss://example.com', reconnectAttempts: 3, reconnectDelay: 100, silenceTimeout: 60_000 });",
  'its conversation': "await new WebSocketAgent({ url: 'wss://example.com' }).connectAgent();",
  'options of every agent':
    "new WebSocketAgent({ url: 'wss://example.com', threadId: 'thread', agentId: 'relay', initialMessages: [] });",
  'its clone': "const url: string = new WebSocketAgent({ url: 'wss://example.com' }).clone().url; console.log(url);",
  'an agent of AG-UI':
    "import type { AbstractAgent } from '@ag-ui/client';\nexport const agent: AbstractAgent = new WebSocketAgent({ url: 'wss://example.com' });",
  'a run':
    "const { newMessages } = await new WebSocketAgent({ url: 'wss://example.com' }).runAgent({ forwardedProps: { trace: true } });\nconsole.log(newMessages.length);",
};
const WRONG = {
  'no address': 'new WebSocketAgent({});',
  'a credential that is a number': "new WebSocketAgent({ url: 'wss://example.com', credential: 7 });",
  "an agent of another version of AG-UI's client":
    "export const agent: import('agui-old-client').AbstractAgent = new WebSocketAgent({ url: 'wss://example.com' });",
  'a storage that only reads': "new WebSocketAgent({ url: 'wss://example.com', storage: { getItem: () => null } });",
  'an option that does not exist': "new WebSocketAgent({ url: 'wss://example.com', token: 'code' });",
};

describe('the agent class was not for TypeScript', { timeout: 60_000 }, () => {
  for (const [what, options] of Object.entries({ "Vite's template": VITE, Node: NODE, 'all that is strict': STRICT })) {
    for (const [way, from] of Object.entries(WAYS)) {
      it(`and compiles now, ${way}: with the settings of ${what}`, async () => {
        const entries = [...Object.entries(RIGHT), ...Object.entries(WRONG)];
        const wrong = new Set(Object.values(WRONG));
        const source = (code) =>
          `import { WebSocketAgent } from '${from}';\n${wrong.has(code) ? '// @ts-expect-error: wrong.\n' : ''}${code}\n`;
        await compile(
          options,
          entries.map(([name, code]) => [name, source(code)]),
        );
      });
    }
  }
});

/** Compiles each of the sources as a module of its own, beside a copy of the class, where its package is installed, too. */
async function compile(compilerOptions, sources) {
  const folder = await mkdtemp(join(HERE, 'types-'));
  try {
    for (const name of ['websocket-agent.mjs', 'websocket-agent.d.mts'])
      await cp(join(PACKAGE, 'src', name), join(folder, name));
    await mkdir(join(folder, 'node_modules/@agent-relay'), { recursive: true });
    await symlink(PACKAGE, join(folder, 'node_modules/@agent-relay/ag-ui-websocket'));
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts', '*.mts'] }));
    await Promise.all(
      sources.map(([name, code]) => writeFile(join(folder, `${name.replaceAll(/\W+/g, '-')}.ts`), code)),
    );
    const failed = await execute(process.execPath, [
      join(HERE, 'node_modules/typescript/bin/tsc'),
      '--project',
      folder,
    ]).then(
      () => '',
      ({ stdout, message }) => stdout || message,
    );
    assert.equal(failed, '');
  } finally {
    await rm(folder, { recursive: true });
  }
}
