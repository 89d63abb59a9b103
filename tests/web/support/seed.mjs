// Conversations that are in the browser's database without having been asked: long ones, and many.

/** @import { Page } from 'playwright-core' */

/** A short answer with something of each kind of Markdown. @param {number} turn */
const SHORT = (turn) =>
  `## Answer ${turn}\n\nSome **words** about \`code\` and [links](https://example.org/).\n\n${'- one of many items in a list\n'.repeat(10)}\n| a | b |\n|---|---|\n${'| 1 | 2 |\n'.repeat(5)}\n\`\`\`js\nconst a = ${turn};\n\`\`\`\n`;

/**
 * Puts conversations into the database of a page, named `seeded 1` (the newest) and so on; their prompts are
 * `seeded 1, prompt 0` and so on.
 *
 * @param {Page} page
 * @param {number} count
 * @param {{length?: number, turns?: number, text?: (turn: number) => string}} [options] how long each is said to be, how
 *   many turns it has, and what these are answered with
 */
export async function seed(page, count, { length = 1000, turns = 1, text = SHORT } = {}) {
  await page.evaluate(
    async ([count, length, texts]) => {
      const request = indexedDB.open('agent-relay');
      const database = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      const transaction = database.transaction(['conversations', 'turns'], 'readwrite');
      const now = Date.now();
      for (let index = 1; index <= count; index += 1) {
        const id = `seed-${index}`;
        const usedAt = now - index * 86_400_000;
        transaction
          .objectStore('conversations')
          .put({ id, title: `seeded ${index}`, isNamed: false, usedAt, turns: texts.length, length, forgotten: 0 }, id);
        for (const [turn, text] of texts.entries()) {
          const json = JSON.stringify({
            runId: `${id}-${turn}`,
            prompt: `seeded ${index}, prompt ${turn}`,
            trace: false,
            answers: [],
            status: 'done',
            messages: [{ id: 'm', text, citations: [] }],
            sentAt: 0,
            endedAt: 1,
            timeOrigin: usedAt,
          });
          transaction.objectStore('turns').put({ json, length: json.length, eventParts: 0 }, [id, turn]);
        }
      }
      await new Promise((resolve) => (transaction.oncomplete = resolve));
      database.close();
    },
    /** @type {const} */ ([count, length, Array.from({ length: turns }, (_, turn) => text(turn))]),
  );
}
