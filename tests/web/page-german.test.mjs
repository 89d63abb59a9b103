// The page in German, from an empty conversation to a deleted one: none of its words is left in English.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { useChat } from './support/chat.mjs';
import { asking, call, FINISHED, relay, text } from './support/relay.mjs';
import { MODULES } from './support/server.mjs';

/** @import { Page, Route } from 'playwright-core' */
/** @import { OpenOptions } from './support/chat.mjs' */

/** @type {Record<string, string | Record<string, string>>} */
const german = JSON.parse(await readFile(`${MODULES}de.json`, 'utf8'));
/** Words that are others in German. */
const ENGLISH = Object.keys(german).filter((words) => german[words] !== words);

/** The settings of the page, in German. @param {object} settings @returns {(route: Route) => Promise<void>} */
const inGerman = (settings) => async (route) =>
  route.fulfill({
    json: {
      .../** @type {object} */ (await (await route.fetch()).json()),
      language: 'de',
      starters: [],
      suggestions: [],
      ...settings,
    },
  });

/** Opens the page in German @param {ReturnType<typeof useChat>['load']} load @param {OpenOptions} [options] @param {object} [settings] */
async function open(load, options = {}, settings = {}) {
  const page = await load({
    ...options,
    async prepare(page) {
      await options.prepare?.(page);
      await page.route('**/config.json', inGerman(settings));
    },
  });
  await page.waitForFunction(() => document.documentElement.lang === 'de');
  await page.evaluate(() => {
    const status = document.getElementById('status');
    // What a screen reader is told is there only until the next of it.
    const announced = /** @type {{announced?: string[]}} */ (/** @type {unknown} */ (window));
    announced.announced = [];
    if (status)
      new MutationObserver(() => announced.announced?.push(status.textContent ?? '')).observe(status, {
        childList: true,
        characterData: true,
        subtree: true,
      });
  });
  return page;
}

/** @param {Page} page */
const connected = (page) => page.locator('#connection[data-state="open"]').waitFor();
/** @param {Page} page @param {string} name */
const press = (page, name) => page.getByRole('button', { name, exact: true }).last().click();
/** @param {Page} page @param {string} prompt */
async function send(page, prompt) {
  await page.getByRole('textbox', { name: 'Eingabe', exact: true }).fill(prompt);
  await page.getByRole('textbox', { name: 'Eingabe', exact: true }).press('Enter');
}

/**
 * No words of the page are English: those that are seen, those that controls are called, and those that were announced.
 *
 * @param {Page} page
 * @param {string} where
 */
async function isGerman(page, where) {
  const found = await page.evaluate((english) => {
    const patterns = english.map(
      (words) => new RegExp(`^${words.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\w+\}/g, '.+')}$`, 'u'),
    );
    const all = /** @type {{announced?: string[]}} */ (/** @type {unknown} */ (window)).announced?.splice(0) ?? [];
    all.push(document.title);
    // What the user and the agent said, and what the relay says of a failure, has a language of its own.
    for (const one of document.querySelectorAll(
      'body *:not(.traces, .traces *, .prose, .prose *, .user > .text, .queue-text, .failure p:not(.failure-title), .file-name, .conversation-title, code, pre, script, noscript)',
    )) {
      const own = [...one.childNodes]
        .filter((node) => node instanceof Text)
        .map((node) => /** @type {Text} */ (node).data.trim())
        .join(' ');
      all.push(own, ...['aria-label', 'title', 'placeholder', 'alt'].map((name) => one.getAttribute(name) ?? ''));
    }
    const words = all.flatMap((one) => [one.trim(), ...one.split(/ · |(?<=\.) /)]);
    // What nobody made a key of is English all the same.
    patterns.push(
      /\b(?:the|of|to|is|are|you|your|this|that|for|with|and|answer|source|copy|conversation|send|delete)\b/i,
    );
    return [...new Set(words.filter((one) => one !== '' && patterns.some((pattern) => pattern.test(one))))];
  }, ENGLISH);
  assert.deepEqual(found, [], where);
}

describe('in German', () => {
  const { load } = useChat();

  test('an empty page, an answer that is written, a queue, edits and votes', async () => {
    const scripted = relay(({ say }) => say(text('Es geht los.')));
    let status = 500;
    const page = await open(
      load,
      {
        expected: /Failed to load resource/,
        async prepare(page) {
          await scripted.prepare(page);
          await page.addInitScript(() => {
            const now = performance.now.bind(performance);
            Object.assign(window, { later: 0 });
            performance.now = () => now() + /** @type {any} */ (window).later;
            class Fake extends EventTarget {
              static permission = 'granted';
              static shown = '';
              /** @param {string} title */
              constructor(title) {
                super();
                Fake.shown = title;
              }
            }
            Object.assign(window, { Notification: Fake });
          });
          await page.route('**/votes', (route) => route.fulfill({ status }));
        },
      },
      {
        votes: 'votes',
        telemetry: 'always',
        starters: Array.from({ length: 6 }, (_, index) => ({ title: `Frage ${index}`, prompt: 'x' })),
      },
    );
    await connected(page);
    await page.getByRole('heading', { name: 'Fragen Sie den Agenten' }).waitFor();
    await isGerman(page, 'empty');

    await send(page, 'Erste Frage');
    await page.getByText('Es geht los.').waitFor();
    await isGerman(page, 'streaming');
    await page.evaluate('later = 20000');
    await press(page, 'Benachrichtigen');
    await page.getByText('Sie werden benachrichtigt, wenn die Antwort da ist.').waitFor();
    assert.equal(await page.evaluate('Notification.shown'), 'Antworten werden hier gemeldet');
    await isGerman(page, 'notice');
    await press(page, 'Ausschalten');
    await press(page, 'Nicht jetzt');
    await send(page, 'Zweite Frage');
    await page.getByText('Wird gesendet, wenn die Antwort vollständig ist.', { exact: true }).waitFor();
    await send(page, 'Dritte Frage');
    await isGerman(page, 'queue');
    await press(page, 'Wartende Eingabe 2 entfernen');
    for (let index = 0; index < 9; index += 1) await send(page, `Noch ${index}`);
    await send(page, 'Zu viel');
    await page.getByText('10 Eingaben warten schon.').waitFor();
    await isGerman(page, 'full queue');
    await press(page, 'Anhalten');
    await page.getByText('Nicht gesendet: Sie haben die Antwort angehalten.').waitFor();
    await isGerman(page, 'stopped');
    await page.getByRole('textbox', { name: 'Eingabe', exact: true }).fill('');
    for (let index = 10; index > 0; index -= 1) await press(page, `Wartende Eingabe ${index} entfernen`);

    await press(page, 'Noch einmal');
    await page.locator('article.agent').nth(1).waitFor();
    scripted.runs.at(-1)?.say(FINISHED);
    await page.locator('article.agent[aria-busy="false"]').nth(1).waitFor();
    await isGerman(page, 'complete');

    await press(page, 'Eingabe bearbeiten');
    await isGerman(page, 'editor');
    await page.getByRole('textbox', { name: 'Bearbeitete Eingabe' }).fill('Anders gefragt');
    await press(page, 'Speichern und senden');
    await page.getByText('1 Beitrag wurde durch eine bearbeitete Eingabe ersetzt.').waitFor();
    scripted.runs.at(-1)?.say(FINISHED);
    await page.locator('article.agent[aria-busy="false"]').nth(2).waitFor();
    await isGerman(page, 'edited');

    await press(page, 'Schlechte Antwort');
    await page.getByText('Ihre Bewertung ist nicht angekommen: der Server hat mit HTTP 500 geantwortet.').waitFor();
    await isGerman(page, 'failed vote');
    status = 204;
    await press(page, 'Noch einmal versuchen');
    await page.getByRole('status').filter({ hasText: 'Ihre Bewertung wurde gesendet.' }).waitFor();
    await press(page, 'Schlechte Antwort');
    await page.getByRole('status').filter({ hasText: 'Ihre Bewertung wurde zurückgenommen.' }).waitFor();
    await press(page, 'Schlechte Antwort');
    await isGerman(page, 'comment');
    await page.getByLabel('Was war daran falsch?').fill('Zu kurz');
    await press(page, 'Kommentar senden');
    await page.getByText('Vielen Dank.').waitFor();
    await isGerman(page, 'voted');
  });

  test('files, a tool, an error, and a page that was left before the end', async () => {
    const scripted = relay(({ input, say }) => {
      const prompt = JSON.stringify(input.messages?.at(-1)?.content ?? '');
      if (prompt.includes('Werkzeug')) say(call('refund', '{"order":7}'), asking(true));
      else if (prompt.includes('Fehler'))
        say(text('Bis hier'), {
          type: 'RUN_ERROR',
          message: 'Throttled.',
          code: 'throttlingException',
          metadata: { relay: { retryable: true } },
        });
      else if (prompt.includes('Grenze'))
        say(text('Bis hier'), { type: 'RUN_ERROR', message: 'Cut.', code: 'limit_reached' });
      else say(text('Am Werk.'));
    });
    const page = await open(
      load,
      { prepare: scripted.prepare },
      { telemetry: 'always', files: { maxFiles: 2, maxBytes: 5_000, uploads: false } },
    );
    await connected(page);
    const attach = async (/** @type {{name: string, mimeType: string, buffer: Buffer}[]} */ ...files) => {
      const chooser = page.waitForEvent('filechooser');
      await page.getByRole('button', { name: 'Dateien anhängen' }).click();
      await (await chooser).setFiles(files);
    };
    const file = (/** @type {string} */ name, /** @type {number} */ length) => ({
      name,
      mimeType: 'application/pdf',
      buffer: Buffer.alloc(length, 7),
    });
    await attach(file('eins.pdf', 1_000), file('leer.pdf', 0), file('gross.pdf', 4_500));
    await page
      .getByText('„gross.pdf“ ist zu groß: Zusammen können höchstens 5,00 KB mit einer Eingabe gesendet werden.')
      .waitFor();
    await page.getByText('„leer.pdf“ ist leer.').waitFor();
    await isGerman(page, 'files');
    await attach(file('zwei.pdf', 10), file('drei.pdf', 10));
    await page
      .getByText('„drei.pdf“ ist eine zu viel: Höchstens 2 können mit einer Eingabe gesendet werden.')
      .waitFor();
    await press(page, 'zwei.pdf entfernen');
    await isGerman(page, 'too many files');
    await page.reload();
    await page.getByText('Dateien werden beim Neuladen nicht behalten').waitFor();
    await connected(page);
    await isGerman(page, 'lost files');

    await attach(file('eins.pdf', 1_000));
    await page.locator('.chip progress').waitFor({ state: 'hidden' });
    await send(page, 'Mit Werkzeug');
    await page.getByRole('list', { name: 'Gesendete Dateien' }).waitFor();
    await page.getByRole('button', { name: 'Bestätigen' }).waitFor();
    await isGerman(page, 'tool');
    await page.getByRole('button', { name: 'Ablehnen' }).click();
    await page.getByText('Am Werk.').waitFor();
    await isGerman(page, 'after a tool');
    scripted.runs.at(-1)?.say(FINISHED);
    await page.locator('article.agent[aria-busy="false"]').nth(1).waitFor();

    await send(page, 'Mit Fehler');
    await page.getByText('Der Agent konnte nicht zu Ende antworten').waitFor();
    await isGerman(page, 'error');
    await send(page, 'Mit Grenze');
    await page.getByText('Die Antwort wurde abgeschnitten', { exact: true }).waitFor();
    await isGerman(page, 'cut');

    await send(page, 'Und noch eine');
    await page.locator('article.agent[aria-busy="true"]').getByText('Am Werk.').waitFor();
    await page.reload();
    await page.getByText('Die Seite wurde verlassen, bevor die Antwort vollständig war.').waitFor();
    await connected(page);
    await isGerman(page, 'left');
  });

  test('the titles of alerts in an answer', async () => {
    const said = ['NOTE', 'TIP', 'IMPORTANT', 'WARNING', 'CAUTION'].map((kind) => `> [!${kind}]\n> So.\n`).join('\n');
    const page = await open(load, { prepare: relay(({ say }) => say(text(said), FINISHED)).prepare });
    await connected(page);
    await send(page, 'Los');
    await page.locator('article.agent[aria-busy="false"]').waitFor();
    assert.deepEqual(await page.locator('.alert-title').allTextContents(), [
      'Hinweis',
      'Tipp',
      'Wichtig',
      'Warnung',
      'Vorsicht',
    ]);
    assert.equal(await page.locator('.alert.caution').count(), 1);
  });

  test('the conversations, and what is asked before some are deleted', async () => {
    const scripted = relay(({ say }) => say(text('Ja.'), FINISHED));
    const page = await open(load, { prepare: scripted.prepare });
    await connected(page);
    await press(page, 'Gespräche');
    await page.getByText('Noch kein Gespräch.').waitFor();
    await isGerman(page, 'no conversation');
    await send(page, 'Eine Frage');
    await page.locator('.conversation').waitFor();
    assert.match((await page.locator('.conversation-time').textContent()) ?? '', /^Heute, \d\d:\d\d$/);
    await press(page, 'Neues Gespräch');
    await send(page, 'Andere Frage');
    await page.locator('.conversation').nth(1).waitFor();
    const other = await page.context().newPage();
    await scripted.prepare(other);
    await other.route('**/config.json', inGerman({}));
    await other.goto(page.url());
    await other.locator('.conversation').nth(1).waitFor();
    await other.locator('.conversation', { hasText: 'Andere Frage' }).getByText('in einem anderen Tab offen').waitFor();
    await other.locator('.conversation-open', { hasText: 'Andere Frage' }).click();
    await other.getByText('Dieses Gespräch ist in einem anderen Tab offen.').first().waitFor();
    await isGerman(other, 'in another tab');
    await press(other, 'Hier fortsetzen');
    await page.getByText('Dieses Gespräch ist in einem anderen Tab offen.').first().waitFor();
    await isGerman(page, 'taken over');
    await other.close();
    await press(page, 'Hier fortsetzen');

    await press(page, 'Eine Frage umbenennen');
    await isGerman(page, 'conversations');
    await page.getByRole('textbox', { name: 'Titel' }).press('Escape');
    await press(page, 'Eine Frage löschen');
    await page.getByText('„Eine Frage“ löschen? Das lässt sich nicht rückgängig machen.').waitFor();
    await isGerman(page, 'one to delete');
    await press(page, 'Abbrechen');
    await press(page, 'Alle löschen');
    await page.getByText('Alle 2 Gespräche in allen Tabs löschen?').waitFor();
    await isGerman(page, 'all to delete');
    await press(page, 'Abbrechen');
    await page.getByRole('switch', { name: 'Nichts behalten' }).click();
    await page.getByText('Der Browser vergisst dann die 2 Gespräche hier.').waitFor();
    await isGerman(page, 'to be forgotten');
    await press(page, 'Vergessen');
    await page.getByText('Nichts wird behalten').waitFor();
    await isGerman(page, 'nothing kept');
    await page.getByRole('button', { name: 'Alle löschen' }).click();
    await page.locator('#question-yes').click();
    await page.getByText('Das Gespräch, das hier offen war, wurde gelöscht.').waitFor();
    await isGerman(page, 'deleted');
  });
});

describe('in German, where a code is asked for', () => {
  const { load } = useChat('--access-code', 'geheim');

  test('the question, a refusal, and what stands there without an answer', async () => {
    const page = await open(load, { expected: /WebSocket connection to .* failed/ });
    const question = page.getByRole('dialog', { name: 'Zugangscode' });
    await question.waitFor();
    await isGerman(page, 'question');
    await question.getByLabel('Zugangscode').fill('falsch');
    await press(page, 'Verbinden');
    await question.getByRole('alert').filter({ hasText: 'Sie wurden nicht eingelassen.' }).waitFor();
    await isGerman(page, 'refusal');
    await page.keyboard.press('Escape');
    await page.getByText('Dieser Agent fragt, wer Sie sind, bevor er antwortet.').waitFor();
    await isGerman(page, 'no answer');
  });
});
