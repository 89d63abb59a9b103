// Hidden characters: what the page shows of names, values and labels that somebody else wrote.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { activityOf } from '../../web/chat/activity.js';
import { safeName } from '../../web/chat/files.js';
import { fileName } from '../../web/chat/history.js';
import { visible } from '../../web/lib/visible.js';

test('what shows nothing of itself, or turns its neighbours around, is an escape', () => {
  for (const [text, shown] of [
    ['1\u202e00.01\u202c', '1\\u202E00.01\\u202C'],
    ['\u2066a\u2069\u200e\u200f\u061c', '\\u2066a\\u2069\\u200E\\u200F\\u061C'],
    ['ad\u200bmin\u2060\ufeff\u00ad', 'ad\\u200Bmin\\u2060\\uFEFF\\u00AD'],
    ['a\u200db\u200cc', 'a\\u200Db\\u200Cc'],
    ['x\u0000\u001b[2K\u007f\u0085', 'x\\u0000\\u001B[2K\\u007F\\u0085'],
    ['\u2028\u2029', '\\u2028\\u2029'],
    ['\u3164\u115f\uffa0\u2800\u034f', '\\u3164\\u115F\\uFFA0\\u2800\\u034F'],
    ['a\u{e0041}\u{e0020}', 'a\\u{E0041}\\u{E0020}'],
    ['a\ufe0fb\u{e0100}', 'a\\uFE0Fb\\u{E0100}'],
    ['\ud83d \ude00', '\\uD83D \\uDE00'],
    ['\ue000\u{f0000}\uffff', '\\uE000\\u{F0000}\\uFFFF'],
    ['a\tb\r\nc', 'a\\u0009b\\u000D\\u000Ac'],
  ])
    assert.equal(visible(text ?? ''), shown);
});

test('what is seen stays as it is: letters of any script, accents, emoji of several characters', () => {
  for (const text of [
    '',
    'Zürich, 漢字, עברית, العربية',
    'e\u0301',
    'می\u200cخواهم',
    'क्\u200dष',
    '👨‍👩‍👧‍👦 👍🏽 🇨🇭 1️⃣ ❤️',
    'a\u00a0b',
    '<b>&amp;\\',
  ]) {
    assert.equal(visible(text), text);
  }
});

test('in a text of several lines, line breaks and tabs are what they are', () => {
  assert.equal(visible('a\n\tb\r\nc\rd\u202e', { lines: true }), 'a\n\tb\nc\\u000Dd\\u202E');
});

test('the name of a file has none of them, and is saved as it is shown', () => {
  for (const [given, safe] of [
    ['\u202egpj.exe', 'gpj.exe'],
    ['a\u3164\u2800b.txt', 'ab.txt'],
    ['x\u{e0041}\ufe0f.md', 'x.md'],
    ['👨\u200d👩\u200d👧.png', '👨\u200d👩\u200d👧.png'],
    ['a\ud800.md', 'a\ufffd.md'],
  ]) {
    assert.equal(safeName(given ?? ''), safe);
  }
});

test('a conversation is saved under the first words of its first prompt', () => {
  const date = new Date(2026, 0, 2, 3, 4);
  for (const [prompt, title] of [
    ['How long may an integration take?', 'How-long-may-an-integration-take'],
    [`${'first '.repeat(10)}${'then '.repeat(40)}`, 'first-first-first-first-first-first-firs'],
    ['../../etc/pass\u202ewd\\x', 'etc-passwd-x'],
    ['Größe von 漢字?', 'Größe-von-漢字'],
    ['?!', 'conversation'],
    ['', 'conversation'],
  ]) {
    const turn = /** @type {any} */ ({ prompt });
    assert.equal(fileName([turn], date), `${title}-2026-01-02-0304.md`);
  }
  const edited = /** @type {any[]} */ ([{ prompt: 'alpha', replaced: true }, { prompt: 'beta' }]);
  assert.equal(fileName(edited, date), 'beta-2026-01-02-0304.md');
  assert.equal(fileName([], date), 'conversation-2026-01-02-0304.md');
});

test('what the agent is doing hides nothing', () => {
  const step = (/** @type {object} */ input) => ({
    at: 0,
    source: 'bedrock-agent',
    event: { trace: { collaboratorName: 'a\u202eb', trace: { orchestrationTrace: { invocationInput: input } } } },
  });
  assert.equal(
    activityOf(step({ actionGroupInvocationInput: { function: 'c\u200bd' } })),
    'a\\u202Eb: Calling c\\u200Bd',
  );
  assert.equal(
    activityOf(step({ agentCollaboratorInvocationInput: { agentCollaboratorName: '\u2066x' } })),
    'a\\u202Eb: Asking \\u2066x',
  );
  const call = { contentBlockStart: { start: { toolUse: { name: 'docs___c\u200bd' } } } };
  assert.equal(activityOf({ at: 0, source: 'agentcore-harness', event: call }), 'Calling docs › c\\u200Bd');
});
