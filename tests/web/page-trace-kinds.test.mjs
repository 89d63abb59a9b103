// Every kind of step that the trace viewer knows, in Chromium against the real local AWS: what its row says,
// and what it opens to.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { KINDS } from '../../web/trace/row.js';
import { answer, send, traceSwitch, useChat } from './support/chat.mjs';
import { WORK, WORK_DONE } from './support/harness.mjs';
import { answers } from './support/relay.mjs';
import { ALL, FINISHED } from './support/runtime.mjs';

/** @import { Locator, Page } from 'playwright-core' */

const { open, openForAll } = useChat();

/**
 * A step as it is seen: its row, and the sections that it opens to. Of the facts there are more.
 *
 * @typedef {object} Seen
 * @property {string} title
 * @property {string} name
 * @property {string} [status]
 * @property {string} [reason]
 * @property {string} [took]
 * @property {RegExp} [tokens]
 * @property {[string, string][]} sections
 * @property {Record<string, string | RegExp>} [facts]
 */

/** The kinds that are looked at here. @type {Set<string>} */
const known = new Set();

/** @param {Page} page @param {string} title */
const steps = (page, title) =>
  page.locator('.step', { has: page.locator(':scope > details .step-title', { hasText: new RegExp(`^${title}$`) }) });

/**
 * Opens a step, compares it, and closes it again.
 *
 * @param {Locator} step
 * @param {Seen} expected
 */
async function look(step, { title, name, status = 'Done', reason = '', took, tokens, sections, facts = {} }) {
  const summary = step.locator(':scope > details > summary');
  const detail = step.locator(':scope > details > .step-detail');
  const part = async (/** @type {string} */ of) => (await summary.locator(`.step-${of}`).allTextContents()).join();
  assert.deepEqual(
    [await part('title'), await part('name'), await part('status'), await part('reason')],
    [title, name, status, reason],
  );
  if (took !== undefined) assert.equal(await part('took'), took);
  assert.match(await part('tokens'), tokens ?? /^$/);
  assert.equal(await summary.locator('.step-bar').count(), 1);
  await summary.click();
  await detail.waitFor();
  // Texts are written in slices.
  await detail.locator('pre:empty').waitFor({ state: 'detached' });
  const found = await detail.locator('h3').evaluateAll((heads) =>
    heads.map((head) => {
      // Of a passage that an answer cites, a button that leads there stands between.
      const next = head.nextElementSibling;
      const body = next?.matches('.cited') ? next.nextElementSibling : next;
      const texts = Array.from(body?.localName === 'dl' ? body.children : [body], (one) => one?.textContent ?? '');
      return { head: head.textContent, texts };
    }),
  );
  assert.deepEqual(
    found.filter(({ head }) => head !== 'Facts').map(({ head, texts }) => [head, texts.join(' | ')]),
    sections,
  );
  const told = found.find(({ head }) => head === 'Facts')?.texts ?? [];
  for (const [fact, value] of Object.entries(facts)) {
    const said = told[told.indexOf(fact) + 1] ?? '';
    if (typeof value === 'string') assert.equal(said, value, fact);
    else assert.match(said, value, fact);
  }
  await summary.click();
  await detail.waitFor({ state: 'detached' });
}

const SYSTEM = 'You are a friendly agent that explains Agent Relay.';
const MODEL = 'scripted.local-model-v1:0';
const INFERENCE = /"temperature": 0\b/;

describe('a step of the scripted agent', () => {
  /** What each prompt gives, by its title and place among those of the same title. @type {[string, [number, Seen][]][]} */
  const table = [
    [
      'hello',
      [
        [
          0,
          {
            title: 'Pre-processing',
            name: MODEL,
            took: '180 ms',
            tokens: /^\d+ → 14 tokens$/,
            facts: { Model: MODEL, Inference: INFERENCE, Tokens: /^\d+ in, 14 out$/ },
            sections: [
              ['System prompt', SYSTEM],
              ['Prompt, user', 'hello'],
              ['Parsed response', 'The prompt is harmless, and this agent can answer it.'],
              ['Response', 'The prompt is harmless, and this agent can answer it.'],
            ],
          },
        ],
        [
          0,
          {
            title: 'Model',
            name: MODEL,
            took: '260 ms',
            tokens: /^\d+ → 19 tokens$/,
            facts: { Model: MODEL, Inference: INFERENCE, Tokens: /^\d+ in, 19 out$/ },
            sections: [
              ['System prompt', SYSTEM],
              ['Prompt, user', 'hello'],
              ['Response', '<thinking>I greet the user, then I look up how the relay works.</thinking>'],
            ],
          },
        ],
        [
          0,
          {
            title: 'Rationale',
            name: 'To explain the relay I need the notes about its limits.',
            took: '',
            sections: [['Text', 'To explain the relay I need the notes about its limits.']],
          },
        ],
        [
          0,
          {
            title: 'Knowledge base',
            name: '“How long may an integration take, and what happens afterwards?”',
            took: '240 ms',
            facts: { 'Knowledge base': 'RELAYNOTES' },
            sections: [
              ['Query', 'How long may an integration take, and what happens afterwards?'],
              [
                'Passage 1 · limits.md · score 0.864',
                'API Gateway ends every integration of a WebSocket API after 29 seconds. The limit cannot be raised.\ns3://relay-handbook/gateway/limits.md',
              ],
              [
                'Passage 2 · after-the-response.md · score 0.792',
                'A custom runtime may go on working after it has posted its response, until it asks for the next event.\ns3://relay-handbook/function/after-the-response.md',
              ],
            ],
          },
        ],
        [
          0,
          {
            title: 'Action group',
            name: 'gateway-limits › lookup_limit',
            took: '150 ms',
            facts: { Execution: 'LAMBDA' },
            sections: [
              ['Parameters', 'service | api-gateway | limit | integration-timeout'],
              ['Result', '{\n  "limit": "integration-timeout",\n  "seconds": 29,\n  "adjustable": false\n}'],
            ],
          },
        ],
      ],
    ],
    [
      '/file',
      [
        [
          0,
          {
            title: 'Code interpreter',
            name: 'table = forecast(days=7) table.to_csv(path) plot(table)',
            took: '200 ms',
            facts: { Files: '[ "forecast.csv", "forecast.png" ]' },
            sections: [
              ['Code', 'table = forecast(days=7)\ntable.to_csv(path)\nplot(table)'],
              ['Output', '7 rows'],
            ],
          },
        ],
        [
          0,
          {
            title: 'Final response',
            name: 'Here is the forecast of the week: a table and a **chart** of it.',
            sections: [['Text', 'Here is the forecast of the week: a table and a **chart** of it.']],
          },
        ],
      ],
    ],
    [
      '/tool 2',
      [
        [
          0,
          {
            title: 'Return of control',
            name: 'weather › get_weather',
            facts: { Execution: 'RETURN_CONTROL', Invocation: /^[0-9a-f-]{36}$/ },
            sections: [['Parameters', 'city | Zürich | days | 3']],
          },
        ],
        [
          1,
          {
            title: 'Return of control',
            name: 'orders › POST /orders/{orderId}/refunds',
            sections: [
              ['Parameters', 'orderId | A-1017 | notify | true'],
              [
                'Request body',
                JSON.stringify(
                  {
                    'application/json': [
                      { name: 'amount', type: 'number', value: '12.50' },
                      { name: 'currency', type: 'string', value: 'CHF' },
                      { name: 'reason', type: 'string', value: '“arrived broken”, said the customer' },
                      { name: 'items', type: 'array', value: '["cup", "saucer"]' },
                    ],
                  },
                  null,
                  2,
                ),
              ],
            ],
          },
        ],
      ],
    ],
    [
      '/team',
      [
        [
          0,
          {
            title: 'Routing',
            name: MODEL,
            took: '120 ms',
            tokens: /^\d+ → 3 tokens$/,
            sections: [
              ['System prompt', SYSTEM],
              ['Prompt, user', '/team'],
              ['Response', 'trip-planner'],
            ],
          },
        ],
        [
          0,
          {
            title: 'Collaborator',
            name: 'trip-planner',
            took: '660 ms',
            facts: { Collaborator: /TRIPAGENT1\/TRIPALIAS1$/ },
            sections: [
              ['Task', 'Plan a day in Zürich for next Wednesday.'],
              ['Answer', 'A boat on the lake in the morning, the old town in the afternoon.'],
            ],
          },
        ],
        [
          1,
          {
            title: 'Collaborator',
            name: 'weather-desk',
            took: '320 ms',
            facts: { Collaborator: /SKYAGENT01\/SKYALIAS01$/ },
            sections: [
              ['Task', 'What will the weather in Zürich be on Wednesday?'],
              ['Answer', 'Wednesday will be dry, with 14 °C.'],
            ],
          },
        ],
      ],
    ],
    [
      '/guardrail',
      [
        [
          0,
          {
            title: 'Guardrail',
            name: 'Input',
            status: 'Intervened',
            reason: 'topic Secrets of the handbook, content PROMPT_ATTACK · HIGH',
            took: '180 ms',
            sections: [
              [
                'Assessments',
                'Input, topic | Secrets of the handbook → BLOCKED | Input, content | PROMPT_ATTACK · HIGH → BLOCKED',
              ],
            ],
          },
        ],
      ],
    ],
    [
      '/unknown',
      [
        [
          0,
          {
            title: 'Unknown',
            name: 'hologram',
            sections: [
              [
                'Event',
                JSON.stringify(
                  { hologram: { hologram: { mood: 'curious', note: 'Nobody knows this event yet.', vertices: 12 } } },
                  null,
                  2,
                ),
              ],
            ],
          },
        ],
      ],
    ],
  ];
  /** @type {Page} */
  let page;
  let turns = 0;
  before(async () => {
    page = await openForAll();
    await traceSwitch(page).check();
  });

  for (const [prompt, expected] of table) {
    for (const [, { title }] of expected) known.add(title);
    test(`of ${prompt} says what it did: ${expected.map(([, { title }]) => title).join(', ')}`, async () => {
      await send(page, prompt);
      await answer(page, (turns += 1));
      for (const [nth, one] of expected) await look(steps(page, one.title).nth(nth), one);
    });
  }
});

describe('a step that Bedrock knows and the scripted agent does not', () => {
  /** @param {object} step @returns {object} an event of Bedrock */
  const event = (step) => ({ trace: { sessionId: 's', agentId: 'AGENT', trace: step } });
  /** @param {object} inner */
  const orchestration = (inner) => event({ orchestrationTrace: inner });
  /** @param {object} input */
  const asked = (input) => orchestration({ invocationInput: input });
  /** @param {object} output */
  const came = (output) => orchestration({ observation: output });
  const metadata = { totalTimeMs: 1234, usage: { inputTokens: 1500, outputTokens: 42 } };

  /** What comes, and the rows that stand for it. @type {[string, object[], Seen[]][]} */
  const table = [
    [
      'a model with its reasoning',
      [
        orchestration({
          modelInvocationInput: {
            traceId: 'm',
            foundationModel: 'arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude',
            text: 'Think <b>hard</b>.',
            promptCreationMode: 'OVERRIDDEN',
          },
        }),
        orchestration({
          modelInvocationOutput: {
            traceId: 'm',
            metadata,
            reasoningContent: { reasoningText: { text: 'First, hm.', signature: 'x' } },
            rawResponse: { content: '{"answer":42}' },
          },
        }),
      ],
      [
        {
          title: 'Model',
          name: 'anthropic.claude',
          took: '1.2 s',
          tokens: /^1,500 → 42 tokens$/,
          facts: { Tokens: '1500 in, 42 out', Agent: 'AGENT' },
          sections: [
            ['Prompt', 'Think <b>hard</b>.'],
            ['Reasoning', 'First, hm.'],
            ['Response', '{\n  "answer": 42\n}'],
          ],
        },
      ],
    ],
    [
      'reasoning that is withheld',
      [
        orchestration({
          modelInvocationOutput: {
            traceId: 'r',
            reasoningContent: { redactedContent: 'AAEC' },
            rawResponse: { content: 'ok' },
          },
        }),
      ],
      [
        {
          title: 'Model',
          name: 'Response',
          sections: [
            ['Reasoning', 'Redacted'],
            ['Response', 'ok'],
          ],
        },
      ],
    ],
    [
      'passages with their scores',
      [
        asked({
          traceId: 'k',
          invocationType: 'KNOWLEDGE_BASE',
          knowledgeBaseLookupInput: { knowledgeBaseId: 'KB1', text: 'opening hours' },
        }),
        came({
          traceId: 'k',
          type: 'KNOWLEDGE_BASE',
          knowledgeBaseLookupOutput: {
            metadata: { totalTimeMs: 87 },
            retrievedReferences: [
              {
                content: { text: 'Open at nine.' },
                location: { type: 'WEB', webLocation: { url: 'https://a.example/hours.html' } },
                metadata: { score: 0.8312 },
              },
              { content: { text: 'Closed on Mondays.' }, metadata: { 'x-amz-bedrock-kb-score': 0.5 } },
            ],
          },
        }),
      ],
      [
        {
          title: 'Knowledge base',
          name: '“opening hours”',
          took: '87 ms',
          facts: { 'Knowledge base': 'KB1' },
          sections: [
            ['Query', 'opening hours'],
            ['Passage 1 · hours.html · score 0.831', 'Open at nine.\nhttps://a.example/hours.html'],
            ['Passage 2 · Source without an address · score 0.500', 'Closed on Mondays.'],
          ],
        },
      ],
    ],
    [
      'an operation of an API',
      [
        asked({
          traceId: 'o',
          actionGroupInvocationInput: {
            actionGroupName: 'Rooms',
            verb: 'post',
            apiPath: '/rooms/{id}',
            parameters: [{ name: 'id', type: 'string', value: '7' }],
            requestBody: { content: { 'application/json': [{ name: 'nights', type: 'integer', value: '2' }] } },
          },
        }),
        came({ traceId: 'o', actionGroupInvocationOutput: { text: 'booked' } }),
      ],
      [
        {
          title: 'Action group',
          name: 'Rooms › POST /rooms/{id}',
          sections: [
            ['Parameters', 'id | 7'],
            [
              'Request body',
              JSON.stringify({ 'application/json': [{ name: 'nights', type: 'integer', value: '2' }] }, null, 2),
            ],
            ['Result', 'booked'],
          ],
        },
      ],
    ],
    [
      'code that fails',
      [
        asked({ traceId: 'c', codeInterpreterInvocationInput: { code: 'print(x)' } }),
        came({
          traceId: 'c',
          codeInterpreterInvocationOutput: {
            executionError: "NameError: name 'x' is not defined",
            executionTimeout: false,
          },
        }),
      ],
      [
        {
          title: 'Code interpreter',
          name: 'print(x)',
          status: 'Failed',
          reason: "NameError: name 'x' is not defined",
          sections: [
            ['Code', 'print(x)'],
            ['Error', "NameError: name 'x' is not defined"],
          ],
        },
      ],
    ],
    [
      'a failure, and what it belongs to',
      [
        asked({ traceId: 'f', actionGroupInvocationInput: { actionGroupName: 'orders', function: 'find' } }),
        event({ failureTrace: { traceId: 'f', failureReason: 'The Lambda function timed out', failureCode: 424 } }),
      ],
      [
        {
          title: 'Action group',
          name: 'orders › find',
          status: 'Failed',
          reason: 'The Lambda function timed out (424)',
          sections: [],
        },
        {
          title: 'Failure',
          name: 'Failure',
          status: 'Failed',
          reason: 'The Lambda function timed out (424)',
          facts: { 'Failure code': '424' },
          sections: [['Failure', 'The Lambda function timed out']],
        },
      ],
    ],
    [
      'a prompt that is rejected',
      [
        event({
          preProcessingTrace: {
            modelInvocationInput: {
              traceId: 'p',
              type: 'PRE_PROCESSING',
              foundationModel: 'judge',
              promptCreationMode: 'DEFAULT',
              text: 'Is this harmful?',
            },
          },
        }),
        event({
          preProcessingTrace: {
            modelInvocationOutput: {
              traceId: 'p',
              parsedResponse: { isValid: false, rationale: 'It asks for secrets.' },
            },
          },
        }),
      ],
      [
        {
          title: 'Pre-processing',
          name: 'judge',
          status: 'Intervened',
          reason: 'It asks for secrets.',
          sections: [
            ['Prompt', 'Is this harmful?'],
            ['Parsed response', 'It asks for secrets.'],
          ],
        },
      ],
    ],
    [
      'an answer that is polished',
      [
        event({
          postProcessingTrace: {
            modelInvocationInput: {
              traceId: 'q',
              type: 'POST_PROCESSING',
              foundationModel: 'polisher',
              promptCreationMode: 'DEFAULT',
              text: 'Say it nicely.',
            },
          },
        }),
        event({
          postProcessingTrace: {
            modelInvocationOutput: { traceId: 'q', metadata, parsedResponse: { text: 'Nicely said.' } },
          },
        }),
      ],
      [
        {
          title: 'Post-processing',
          name: 'polisher',
          took: '1.2 s',
          tokens: /^1,500 → 42 tokens$/,
          sections: [
            ['Prompt', 'Say it nicely.'],
            ['Parsed response', 'Nicely said.'],
          ],
        },
      ],
    ],
    [
      'a guardrail at rest',
      [event({ guardrailTrace: { action: 'NONE', inputAssessments: [], outputAssessments: [] } })],
      [{ title: 'Guardrail', name: 'Nothing to object to', sections: [] }],
    ],
    [
      'a guardrail that masks an answer',
      [
        event({
          guardrailTrace: {
            action: 'INTERVENED',
            outputAssessments: [
              {
                sensitiveInformationPolicy: {
                  piiEntities: [{ type: 'EMAIL', match: 'a@b.example', action: 'ANONYMIZED' }],
                  regexes: [{ name: 'order', match: 'A-1', action: 'BLOCKED' }],
                },
                wordPolicy: {
                  customWords: [{ match: 'drat', action: 'BLOCKED' }],
                  managedWordLists: [{ type: 'PROFANITY', match: 'gosh', action: 'BLOCKED' }],
                },
              },
            ],
          },
        }),
      ],
      [
        {
          title: 'Guardrail',
          name: 'Output',
          status: 'Intervened',
          reason: 'word drat, word list PROFANITY · gosh, sensitive EMAIL · a@b.example, pattern order · A-1',
          sections: [
            [
              'Assessments',
              'Output, word | drat → BLOCKED | Output, word list | PROFANITY · gosh → BLOCKED | Output, sensitive | EMAIL · a@b.example → ANONYMIZED | Output, pattern | order · A-1 → BLOCKED',
            ],
          ],
        },
      ],
    ],
    [
      'another try',
      [came({ type: 'REPROMPT', repromptResponse: { source: 'PARSER', text: 'Answer in the format.' } })],
      [
        {
          title: 'Reprompt',
          name: 'Answer in the format.',
          facts: { Source: 'PARSER' },
          sections: [['Text', 'Answer in the format.']],
        },
      ],
    ],
    [
      'custom orchestration',
      [event({ customOrchestrationTrace: { event: { text: 'State: <i>planning</i>' } } })],
      [
        {
          title: 'Custom orchestration',
          name: 'State: <i>planning</i>',
          sections: [['Text', 'State: <i>planning</i>']],
        },
      ],
    ],
    [
      'an unknown trace',
      [event({ dreamTrace: { sheep: 1, electric: true } })],
      [
        {
          title: 'Unknown',
          name: 'dreamTrace: sheep, electric',
          sections: [['Event', JSON.stringify(event({ dreamTrace: { sheep: 1, electric: true } }), null, 2)]],
        },
      ],
    ],
    [
      'an unknown step of a known trace',
      [orchestration({ daydream: {} })],
      [
        {
          title: 'Unknown',
          name: 'orchestrationTrace: daydream',
          sections: [['Event', JSON.stringify(orchestration({ daydream: {} }), null, 2)]],
        },
      ],
    ],
  ];

  /** Puts these events in the place of the one event of an answer. @param {Page} page */
  const swap = (page) =>
    page.routeWebSocket(/./, (client) => {
      let more = 0;
      client.connectToServer().onMessage((message) => {
        const frame = JSON.parse(message.toString());
        const events = frame.type === 'RAW' ? table.flatMap(([, events]) => events) : [frame.event];
        for (const [index, event] of events.entries()) {
          if (index > 0) more += 1;
          const { relay } = frame.metadata;
          client.send(JSON.stringify({ ...frame, event, metadata: { relay: { ...relay, seq: relay.seq + more } } }));
        }
      });
    });

  /** @type {Page} */
  let page;
  before(async () => {
    page = await openForAll({ prepare: swap });
    await traceSwitch(page).check();
    await send(page, '/trace 1');
    assert.match(await answer(page), /trace event of 1 KiB/);
    await page
      .locator('.step')
      .nth(table.flatMap(([, , rows]) => rows).length - 1)
      .waitFor();
  });

  test('has a row, and no more than one', async () => {
    assert.deepEqual(
      await page.locator('.step-title').allTextContents(),
      table.flatMap(([, , rows]) => rows.map(({ title }) => title)),
    );
    assert.equal(
      await page.locator('.notes li').textContent(),
      'A guardrail stepped in: this is its answer, not that of the model.',
    );
  });

  let place = 0;
  for (const [what, , rows] of table) {
    const from = place;
    place += rows.length;
    for (const { title } of rows) known.add(title);
    test(`says what it did: ${what}`, async () => {
      for (const [index, one] of rows.entries()) await look(page.locator('.step').nth(from + index), one);
    });
  }
});

describe("a step of a harness's run", () => {
  const REASONING = 'The customer asks about refunds. I look it up in the handbook.';
  /** @type {Seen[]} */
  const rows = [
    {
      title: 'Hook',
      name: 'audit, before invocation',
      took: '',
      sections: [],
      facts: { Hook: 'audit', When: 'before_invocation' },
    },
    {
      title: 'Model',
      name: 'Let me look that up.',
      took: '900 ms',
      tokens: /^300 → 80 tokens$/,
      sections: [
        ['Reasoning', REASONING],
        ['Text', 'Let me look that up.'],
      ],
      facts: { 'Stop reason': 'tool_use', 'Read from the cache': '250', Tokens: '300 in, 80 out' },
    },
    { title: 'Reasoning', name: REASONING, sections: [['Reasoning', REASONING]], facts: { Message: 'r1' } },
    {
      title: 'Tool',
      name: 'docs › Retrieve',
      sections: [
        ['Input', '{\n  "query": "refunds",\n  "order": 146312323488002033\n}'],
        ['Result', '{\n  "results": [\n    {\n      "text": "Within 30 days."\n    }\n  ]\n}'],
      ],
      facts: { Tool: 'docs___Retrieve', 'Tool use': 't1' },
    },
    {
      title: 'Tool',
      name: 'shell',
      status: 'Failed',
      reason: 'Denied by policy',
      sections: [
        ['Input', '{\n  "command": "ls"\n}'],
        ['Error', 'Denied by policy'],
      ],
    },
    { title: 'Hook', name: 'policy, before tool call: allowed', sections: [], facts: { Decision: 'allow' } },
    {
      title: 'Hook',
      name: 'policy, before tool call: denied',
      status: 'Intervened',
      reason: 'No shell on Fridays',
      sections: [],
      facts: { Decision: 'deny', Reason: 'No shell on Fridays' },
    },
    {
      title: 'Model',
      name: 'Refunds are possible within 30 days.',
      took: '700 ms',
      tokens: /^3,000 → 200 tokens$/,
      sections: [
        ['Reasoning', 'Thirty days it is.'],
        ['Text', 'Refunds are possible within 30 days.'],
      ],
      facts: { 'Stop reason': 'end_turn' },
    },
  ];

  test('says what it did', async () => {
    const page = await open({ prepare: answers([...WORK, WORK_DONE]).prepare });
    await traceSwitch(page).check();
    await send(page, 'go');
    await answer(page);
    await page
      .locator('.step')
      .nth(WORK.filter(({ type }) => type === 'RAW').length - 6)
      .waitFor({ state: 'attached' });
    for (const [index, one] of rows.entries()) {
      known.add(one.title);
      await look(page.locator('.step').nth(index), one);
    }
  });
});

describe('a step of an agent that speaks AG-UI', () => {
  /** @type {Record<number, Seen>} */
  const rows = {
    0: {
      title: 'State',
      name: 'Snapshot',
      took: '',
      sections: [['Value', '{\n  "n": 1\n}']],
      facts: { Event: 'STATE_SNAPSHOT' },
    },
    1: {
      title: 'Reasoning',
      name: 'They ask for a refund.',
      sections: [['Reasoning', 'They ask for a refund.']],
      facts: { Message: 'r1' },
    },
    2: { title: 'Step', name: 'researcher', sections: [], facts: { Step: 'researcher' } },
    3: { title: 'Message', name: 'I look there.', sections: [['Text', 'I look **there**.']], facts: { Message: 'm1' } },
    5: {
      title: 'Tool',
      name: 'get_stock',
      sections: [
        ['Input', '{\n  "n": 146312323488002033,\n  "p": 1.10\n}'],
        ['Result', '7'],
      ],
      facts: { Tool: 'get_stock', Call: 'c2' },
    },
    8: {
      title: 'Event',
      name: 'PLAN',
      took: '',
      sections: [['Value', '{\n  "steps": [\n    "one"\n  ]\n}']],
      facts: { Activity: 'PLAN' },
    },
    14: {
      title: 'Collaborator',
      name: 'writer',
      status: 'Failed',
      reason: 'No ink.',
      sections: [],
      facts: { Name: 'writer' },
    },
  };

  test('says what it did', async () => {
    const page = await open({ prepare: answers([...ALL, FINISHED]).prepare });
    await traceSwitch(page).check();
    await send(page, 'go');
    await answer(page);
    await page.locator('.step').nth(16).waitFor({ state: 'attached' });
    for (const [index, one] of Object.entries(rows)) {
      known.add(one.title);
      await look(page.locator('.step').nth(Number(index)), one);
    }
  });
});

test('no kind is left out', () => {
  assert.deepEqual([...known].sort(), Object.values(KINDS).sort());
});
