// What the benchmark of the page plays: texts of a known length, and a long trace made of recorded events.

import { readFile } from 'node:fs/promises';
import { TraceTree } from '../../../web/trace/tree.js';

/** How many characters a chunk has, about what a model sends at once. */
export const CHUNK_LENGTH = 16;
const FENCE = '```';

/**
 * Mixed Markdown: headings, lists, tables, code, links, emphasis, emoji. Every line has a number of its
 * own (`n123`), so that one can see how far a page has come.
 *
 * @param {number} length in UTF-16 units, about
 */
export function mixedText(length) {
  let count = 0;
  const n = () => `n${(count += 1)}`;
  const section = (/** @type {number} */ number) => `## Section ${number}: what the agent found

The **first result** ${n()} says that *streaming* answers are read sooner, and [the guide ${n()}](https://docs.example/guide?section=${number}) agrees 👋. Set \`max_tokens\` in ${n()} to a value that fits; $HOME and snake_case_names stay as they are. A longer sentence ${n()} follows, since answers are mostly prose, with ~~old~~ new words, a few **bold ones**, and https://docs.example/a_(b)?c=${number} in ${n()}.

- one item ${n()} with **weight**
- another ${n()} with \`code\` and a [link](https://docs.example/${number})
  - nested ${n()} 🎉
  - nested ${n()}, and *emphasis*
- the last one ${n()}

1. First ${n()}, look at the order.
2. Then ${n()}, look at the weather: 21 °C, naïve café, 東京 ☂️.
3. At last ${n()}, decide.

| Step | What it does ${n()} | Time |
|---|:--|--:|
| lookup ${n()} | asks the **knowledge base** | 240 ms |
| action ${n()} | calls \`getWeather\` | 1.2 s |
| answer ${n()} | writes [the text](https://docs.example/t) | 3.1 s |

${FENCE}js
// Example ${n()}
export async function example(client, prompt) {
  const answer = await client.send({ prompt, trace: true }); // ${n()}
  for await (const chunk of answer) console.log(chunk.text); // ${n()}
  return answer;
}
${FENCE}

> A quote ${n()} that was said by somebody, on *two* lines
> and the second one ${n()}.

`;
  return fill(length, section);
}

/** One list. @param {number} length in UTF-16 units */
export function listText(length) {
  return fill(length, (number) => `- item n${number} with **some** words and \`code\`, as lists have them\n`);
}

/** One block of code. @param {number} length in UTF-16 units */
export function codeText(length) {
  return `${FENCE}js\n${fill(length, (number) => `  const n${number} = await client.lookup({ id: ${number}, deep: true });\n`)}${FENCE}\n`;
}

/** Code of a dozen languages, in blocks of a hundred lines. @param {number} length in UTF-16 units */
export function languagesText(length) {
  const lines = {
    python: (/** @type {number} */ n) => `    name_${n} = lookup(id=${n}, deep=True)  # line n${n}`,
    ts: (/** @type {number} */ n) => `export const n${n}: string = await client.lookup({ id: ${n}, deep: true });`,
    rust: (/** @type {number} */ n) => `    let n${n}: u32 = client.lookup(${n}, "deep").await?; // line`,
    go: (/** @type {number} */ n) => `	n${n}, err := client.Lookup(ctx, ${n}, "deep") // line`,
    java: (/** @type {number} */ n) => `    public final String n${n} = client.lookup(${n}, "deep"); // line`,
    sql: (/** @type {number} */ n) => `SELECT n${n}, count(*) FROM things WHERE id = ${n} AND name = 'deep'; -- line`,
    bash: (/** @type {number} */ n) => `export N${n}="$(lookup --id ${n} --deep)" # n${n}`,
    yaml: (/** @type {number} */ n) => `name_n${n}: "deep" # line n${n}`,
    json: (/** @type {number} */ n) => `{"n${n}": {"id": ${n}, "deep": true, "name": "line"}}`,
    html: (/** @type {number} */ n) => `<p class="deep" id="n${n}">Line n${n} of <em>many</em>.</p>`,
    css: (/** @type {number} */ n) => `.n${n} > p:hover { color: #fff; margin: ${n}px; } /* line */`,
    'c++': (/** @type {number} */ n) => `  auto n${n} = client.lookup(${n}, "deep"); // line`,
  };
  let count = 0;
  return fill(length, (number) => {
    const [language, line] = Object.entries(lines)[number % 12] ?? ['', String];
    return `${FENCE}${language}\n${Array.from({ length: 100 }, () => line((count += 1))).join('\n')}\n${FENCE}\n\n`;
  });
}

/** Formulas, alerts, footnotes, and what stands high, low and on keys. @param {number} length in UTF-16 units */
export function richText(length) {
  return fill(
    length,
    (number) => `## Part n${number}

The sum \\(s_{${number}} = \\frac{n_{${number}}(n+1)}{2}\\) is known[^${number}], $x_{${number}}^2$ too, and it costs $5 or $6.

$$
\\sum_{k=1}^{${number}} k^2 = \\begin{pmatrix} a & b_{${number}} \\\\ c & d \\end{pmatrix}
$$

> [!NOTE]
> Press <kbd>Ctrl</kbd>+<kbd>C</kbd> for n${number}, H<sub>2</sub>O and m<sup>3</sup>.
>
> - one $a_{${number}}$
> - two

[^${number}]: As *somebody* says, n${number}.

`,
  );
}

/**
 * @param {number} length
 * @param {(number: number) => string} piece
 */
function fill(length, piece) {
  let text = '';
  for (let number = 1; text.length < length; number += 1) text += piece(number);
  return text.slice(0, text.lastIndexOf('\n', length) + 1);
}

/** A text in chunks, no character cut. @param {string} text @param {number} [length] of a chunk */
export function chunksOf(text, length = CHUNK_LENGTH) {
  const chunks = [];
  for (let from = 0, to; from < text.length; from = to) {
    to = Math.min(from + length, text.length);
    if ((text.codePointAt(to - 1) ?? 0) > 0xffff) to += 1;
    chunks.push(text.slice(from, to));
  }
  return chunks;
}

/** @typedef {{source: string, event: unknown}} TraceEvent */

/**
 * A trace of so many steps: the recorded turns of one agent and of a team, over and over, each with trace
 * ids of its own and later than the one before.
 *
 * @param {number} steps
 * @returns {Promise<TraceEvent[]>}
 */
export async function traceEvents(steps) {
  const recorded = JSON.parse(await readFile(new URL('../fixtures/traces.json', import.meta.url), 'utf8'));
  const tree = new TraceTree(0);
  /** @type {TraceEvent[]} */
  const events = [];
  let clock = Date.parse('2026-11-23T04:00:00Z');
  for (let round = 0; ; round += 1) {
    for (const { events: turn } of [recorded.answer, recorded.team]) {
      const begin = Date.parse(turn[0].event.trace.eventTime);
      for (const { source, event } of turn) {
        const made = { source, event: again(event, round, clock - begin) };
        tree.add({ at: 0, ...made });
        // The next step would be one too many; the one that is there may still be given its end.
        if (tree.size > steps) return events;
        events.push(made);
      }
      clock += (turn.at(-1)?.at ?? 0) + 10;
    }
  }
}

/**
 * A copy of recorded JSON that looks like another turn.
 *
 * @param {unknown} value
 * @param {number} round
 * @param {number} later in ms
 * @returns {unknown}
 */
function again(value, round, later) {
  if (Array.isArray(value)) return value.map((item) => again(item, round, later));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [
        key,
        key === 'traceId' ? `${member}-round-${round}` : again(member, round, later),
      ]),
    );
  }
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value))
    return new Date(Date.parse(value) + later).toISOString();
  return value;
}

/** A trace event with a megabyte of JSON, as a knowledge base may return it. @returns {TraceEvent} */
export function largeEvent() {
  const references = Array.from({ length: 256 }, (_, number) => ({
    content: {
      type: 'TEXT',
      text: `Passage ${number}. ${'The relay sends every chunk the moment it arrives. '.repeat(80)}`,
    },
    location: { type: 'S3', s3Location: { uri: `s3://documents/passage-${number}.md` } },
    score: 0.5,
  }));
  const trace = {
    orchestrationTrace: {
      observation: {
        type: 'KNOWLEDGE_BASE',
        traceId: 'large',
        knowledgeBaseLookupOutput: { retrievedReferences: references },
      },
    },
  };
  return { source: 'bedrock-agent', event: { trace: { sessionId: 'benchmark', agentId: 'LOCALAGENT', trace } } };
}
