// config.json: how a deployment wants its page to look and speak, and what of it is wrong.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../../web/settings/config.js';
import { accentColours, contrast, isColour } from '../../web/settings/colours.js';

const BASE = 'https://chat.example.com/stage/config.json';

/** @param {Record<string, unknown>} settings */
const read = (settings) => parseConfig(JSON.stringify({ endpoint: 'wss://x/y', ...settings }), BASE);

describe('what a deployment says about its page', () => {
  test('is taken as it is', () => {
    const config = read({
      title: ' Help desk ',
      logo: 'logo.svg',
      colours: { accent: { light: '#0f6e66', dark: '#5ED' } },
      greeting: 'How can we help?',
      introduction: 'Ask about orders.',
      footer: 'May be wrong. [Privacy](https://example.com/p)',
      language: 'pt-br',
      strings: {
        Send: 'Enviar',
        '{count} sources': { one: '{count} fonte', other: '{count} fontes' },
        'No such words': 'Nada',
      },
      starters: [
        { title: 'Orders', explanation: 'With the number', prompt: 'Where is order 7?' },
        { prompt: 'Only this' },
      ],
      suggestions: ['And this'],
      votes: '../votes',
      telemetry: 'never',
      version: '0.2.0',
    });
    assert.deepEqual(config.notes, []);
    assert.equal(config.title, 'Help desk');
    assert.equal(config.logo, 'https://chat.example.com/stage/logo.svg');
    assert.deepEqual(config.colours, { light: '#0f6e66', dark: '#5ED' });
    assert.deepEqual(
      [config.greeting, config.introduction, config.footer],
      ['How can we help?', 'Ask about orders.', 'May be wrong. [Privacy](https://example.com/p)'],
    );
    assert.equal(config.language, 'pt-BR');
    assert.deepEqual([...config.strings.keys()], ['Send', '{count} sources', 'No such words']);
    assert.deepEqual(config.starters, [
      { title: 'Orders', explanation: 'With the number', prompt: 'Where is order 7?' },
      { title: 'Only this', explanation: undefined, prompt: 'Only this' },
      { title: 'And this', explanation: undefined, prompt: 'And this' },
    ]);
    assert.equal(config.votes, 'https://chat.example.com/votes');
    assert.equal(config.telemetry, 'never');
    assert.equal(config.version, '0.2.0');
    assert.equal(read({}).version, undefined);
  });

  test('may be nothing, or empty as a template leaves it', () => {
    for (const settings of [
      {},
      {
        title: '',
        logo: '',
        greeting: null,
        introduction: '',
        footer: '',
        language: '',
        strings: {},
        starters: [],
        votes: '',
      },
    ]) {
      const { notes, title, logo, colours, language, strings, starters, votes, telemetry } = read(settings);
      assert.deepEqual(
        [notes, title, logo, colours, language, strings.size, starters, votes, telemetry],
        [[], undefined, undefined, {}, 'en', 0, [], undefined, 'with-trace'],
      );
    }
  });

  test('is left out where it is wrong, and a sentence names the field and shows what it must be', () => {
    for (const [settings, says] of /** @type {[Record<string, unknown>, RegExp][]} */ ([
      [
        { title: 7 },
        /^"title" in config\.json is left out: it is 7, and must be a text of at most 80 characters, such as "Help desk"\.$/,
      ],
      [{ title: 'x'.repeat(81) }, /"title".*at most 80/],
      [{ greeting: ['a'] }, /"greeting".*it is a list/],
      [{ introduction: { a: 1 } }, /"introduction".*it is an object/],
      [{ footer: false }, /"footer".*it is false/],
      [{ version: 2 }, /"version".*it is 2.*"0\.2\.0"/],
      [{ version: 'v'.repeat(81) }, /"version".*at most 80/],
      [{ logo: 7 }, /"logo".*"logo\.svg"/],
      [{ logo: 'https://other.example/logo.svg' }, /"logo".*on the server of this page/],
      [{ logo: '//other.example/logo.svg' }, /"logo"/],
      [{ logo: 'data:image/png;base64,AAAA' }, /"logo"/],
      [{ colours: '#fff' }, /"colours".*\{"accent": \{"light"/],
      [{ colours: { accent: 'teal' } }, /"colours\.accent".*"teal".*"#0f6e66"/],
      [{ colours: { accent: { light: '#12345' } } }, /"colours\.accent\.light".*#12345/],
      [{ colours: { accent: { dark: 12 } } }, /"colours\.accent\.dark".*it is 12/],
      [{ language: 'no language' }, /"language".*"no language".*"de"/],
      [{ language: 7 }, /"language"/],
      [{ language: { toString: 'de' } }, /"language".*an object/],
      [{ strings: ['Senden'] }, /"strings".*it is a list.*"Senden"/],
      [{ strings: { Send: 7 } }, /"strings: Send".*it is 7/],
      [{ strings: { Send: { other: 7 } } }, /"strings: Send"/],
      [{ starters: 'hello' }, /"starters".*\[\{"title"/],
      [{ starters: [{ title: 'No prompt' }] }, /"starters\[0\]".*"prompt"/],
      [{ starters: [{ prompt: 'fine' }, 7] }, /"starters\[1\]".*it is 7/],
      [{ votes: 'http://example.com/votes' }, /"votes".*https/],
      [{ votes: 'https://user:secret@example.com/' }, /"votes"/],
      [{ telemetry: 'sometimes' }, /"telemetry".*"with-trace", "always" or "never"/],
    ])) {
      const { notes, endpoint } = read(settings);
      assert.equal(endpoint, 'wss://x/y', 'the chat works');
      assert.equal(notes.length, 1, JSON.stringify(settings));
      assert.match(notes[0] ?? '', says);
    }
  });
});

describe('what an attacker would write', () => {
  const addresses = [
    'javascript:alert(1)',
    ' java\tscript:alert(1)',
    'JAVASCRIPT://chat.example.com/%0aalert(1)',
    'blob:https://chat.example.com/1',
    'file:///etc/passwd',
    'data:image/svg+xml,<svg onload=alert(1)>',
    'https://chat.example.com@evil.example/x',
    'http://chat.example.com/logo.svg',
    'https://u:p@chat.example.com/logo.svg',
    '\\\\evil.example\\logo.svg',
    'x'.repeat(5_000),
  ];

  test('is no logo', () => {
    for (const logo of addresses)
      assert.deepEqual([read({ logo }).logo, read({ logo }).notes.length], [undefined, 1], logo.slice(0, 60));
  });

  test('is nowhere to send votes', () => {
    for (const votes of addresses.filter((one) => !/^(https:\/\/chat|\\\\|data)/.test(one)))
      assert.equal(read({ votes }).votes, undefined, votes.slice(0, 60));
  });

  test('is no colour', () => {
    for (const colour of [
      'red;}body{display:none',
      '#fff;',
      '#ffffff/**/',
      'url(https://evil.example)',
      'var(--x)',
      '#',
      '#ffff',
      '#gggggg',
      ' #ffffff',
      '#ffffff\n',
      'expression(alert(1))',
      '#'.repeat(900_000),
    ]) {
      assert.equal(isColour(colour), false, colour.slice(0, 40));
      assert.deepEqual(read({ colours: { accent: colour } }).colours, { light: undefined, dark: undefined });
    }
  });

  test('has no power over the words beside it', () => {
    const { title, greeting, introduction, footer, starters, notes } = read({
      title: 'Help\u202Edesk\u2066',
      greeting: 'two\nlines\u0000 and \u200Bmore',
      introduction: '<img src=x onerror=alert(1)>',
      footer: '[x\u202E](https://example.com)',
      starters: [{ title: 'a\u202Eb', prompt: 'p' }],
    });
    assert.deepEqual(
      [title, greeting, introduction, footer, starters[0]?.title],
      ['Helpdesk', 'two lines and more', '<img src=x onerror=alert(1)>', '[x](https://example.com)', 'ab'],
    );
    assert.deepEqual(notes, []);
    assert.match(read({ title: { toString: 'x' } }).notes[0] ?? '', /an object/);
    assert.ok(!(read({ telemetry: '\u202Eeman' }).notes[0] ?? '').includes('\u202E'), 'nor in what is said about it');
  });

  test('is bounded', () => {
    const note = read({ title: 'x'.repeat(900_000) }).notes.join('');
    assert.ok(note.length < 400, String(note.length));
    assert.throws(() => read({ title: 'x'.repeat(1_000_001) }), /more than 1,000,000 characters/);
    assert.equal(
      read({ strings: Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`Words ${index}`, index])) })
        .notes.length,
      5,
    );
    assert.equal(read({ starters: Array.from({ length: 1_000 }, () => ({ prompt: 'p' })) }).starters.length, 12);
  });

  test('reaches no prototype', () => {
    const text =
      '{"endpoint":"wss://x/y","__proto__":{"title":"stolen","polluted":1},"strings":{"__proto__":"x","constructor":"y","Send":{"__proto__":"x"}},"prices":{"__proto__":{"input":1,"output":1}},"colours":{"__proto__":{"accent":"#ffffff"}},"starters":[{"__proto__":{"prompt":"p"}}]}';
    const config = parseConfig(text, BASE);
    assert.equal(config.title, undefined);
    assert.equal(/** @type {any} */ ({}).polluted, undefined);
    assert.equal(Object.getPrototypeOf(config.prices), Object.prototype);
    assert.equal(config.strings.get('constructor'), 'y');
    assert.deepEqual(config.starters, []);
  });

  test('may be as deep as it likes', () => {
    const deep = `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`;
    for (const name of [
      'title',
      'logo',
      'colours',
      'language',
      'strings',
      'starters',
      'votes',
      'telemetry',
      'version',
    ]) {
      const { notes } = parseConfig(`{"endpoint":"wss://x/y","${name}":${deep}}`, BASE);
      assert.equal(notes.length, 1, name);
      assert.ok((notes[0] ?? '').length < 400);
    }
  });
});

test('whatever the accent is, text on it and in its colours can be read', () => {
  const surfaces = { light: ['#ffffff', '#f7f7f5', '#efefec'], dark: ['#121416', '#1a1d20', '#202428', '#24282c'] };
  const steps = ['00', '33', '66', '99', 'cc', 'ff'];
  for (const red of steps)
    for (const green of steps)
      for (const blue of steps)
        for (const scheme of /** @type {const} */ (['light', 'dark'])) {
          const accent = `#${red}${green}${blue}`;
          const colours = accentColours(accent, scheme);
          assert.equal(colours.accent, accent);
          for (const [text, behind] of [
            [colours['on-accent'], accent],
            [colours['on-accent'], colours['accent-hover']],
            [colours['accent-strong'], colours['accent-soft']],
            ...surfaces[scheme].map((surface) => [colours['accent-strong'], surface]),
          ]) {
            assert.ok(contrast(text ?? '', behind ?? '') >= 4.5, `${accent}, ${scheme}: ${text} on ${behind}`);
          }
          const plain = scheme === 'light' ? '#1b1d1f' : '#e9ebec';
          assert.ok(contrast(plain, colours['accent-soft']) >= 7, `${accent}, ${scheme}: the prompts`);
        }
  assert.equal(contrast('#fff', '#000').toFixed(1), '21.0');
});
