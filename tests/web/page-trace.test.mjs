// What the trace panel says of Bedrock's trace events, and the list of sources of its citations.
// The shapes are those of the service model of bedrock-agent-runtime.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sourcesOf } from '../../web/citations.js';
import { counted, duration, oneLine } from '../../web/format.js';
import { stepOf } from '../../web/trace-step.js';

/** @param {object} trace @param {object} [part] */
const step = (trace, part = {}) => stepOf({ at: 0, source: 'bedrock-agent', event: { trace: { sessionId: 's', agentId: 'a', ...part, trace } } });
/** @param {object} inner */
const orchestration = (inner) => step({ orchestrationTrace: inner });
/** @param {object} input */
const invocation = (input) => orchestration({ invocationInput: input });
/** @param {object} seen */
const observation = (seen) => orchestration({ observation: seen });
const metadata = { totalTimeMs: 1304, usage: { inputTokens: 1204, outputTokens: 96 } };

describe('a step', () => {
  /** @type {[string, import('../../web/trace-step.js').Step, [string, string, string]][]} */
  const table = [
    ['pre-processing input', step({ preProcessingTrace: { modelInvocationInput: { text: 'abc', type: 'PRE_PROCESSING' } } }), ['pre-processing', 'Pre-processing', '3 characters']],
    ['pre-processing verdict', step({ preProcessingTrace: { modelInvocationOutput: { parsedResponse: { isValid: true, rationale: 'harmless' }, metadata } } }), ['pre-processing', 'Pre-processing', 'accepted: harmless']],
    ['rationale', orchestration({ rationale: { text: 'I look\n it up.', traceId: 't' } }), ['rationale', 'Rationale', 'I look it up.']],
    ['model input', orchestration({ modelInvocationInput: { foundationModel: 'arn:aws:bedrock:eu-central-1::foundation-model/anthropic.claude', text: 'x'.repeat(1200) } }), ['model', 'Model invocation', 'anthropic.claude · 1,200 characters']],
    ['model output', orchestration({ modelInvocationOutput: { metadata, rawResponse: { content: '…' } } }), ['model', 'Model response', '1,204 tokens in, 96 out']],
    ['knowledge base', invocation({ invocationType: 'KNOWLEDGE_BASE', knowledgeBaseLookupInput: { text: 'opening hours', knowledgeBaseId: 'KB' } }), ['knowledge-base', 'Knowledge base', '“opening hours”']],
    ['action group, function', invocation({ actionGroupInvocationInput: { actionGroupName: 'Rooms', function: 'book', parameters: [{ name: 'room', type: 'string', value: 'A1' }, { name: 'hours', value: '2' }] } }), ['action-group', 'Action group', 'Rooms › book (room: A1, hours: 2)']],
    ['action group, API', invocation({ actionGroupInvocationInput: { actionGroupName: 'Rooms', verb: 'post', apiPath: '/rooms/{id}' } }), ['action-group', 'Action group', 'Rooms › post /rooms/{id}']],
    ['code interpreter', invocation({ codeInterpreterInvocationInput: { code: 'print(1)' } }), ['code', 'Code interpreter', 'print(1)']],
    ['collaborator', invocation({ agentCollaboratorInvocationInput: { agentCollaboratorName: 'Travel', input: { type: 'TEXT', text: 'find a train' } } }), ['collaborator', 'Collaborator', 'Travel: find a train']],
    ['passages', observation({ type: 'KNOWLEDGE_BASE', knowledgeBaseLookupOutput: { retrievedReferences: [{}], metadata } }), ['observation', 'Observation', '1 passage from the knowledge base']],
    ['action result', observation({ type: 'ACTION_GROUP', actionGroupInvocationOutput: { text: '{"ok":true}', metadata } }), ['observation', 'Observation', '{"ok":true}']],
    ['collaborator result', observation({ agentCollaboratorInvocationOutput: { agentCollaboratorName: 'Travel', output: { text: 'at nine' } } }), ['observation', 'Observation', 'Travel: at nine']],
    ['code result', observation({ codeInterpreterInvocationOutput: { executionOutput: '1' } }), ['observation', 'Observation', '1']],
    ['final response', observation({ type: 'FINISH', finalResponse: { text: 'Done.' } }), ['observation', 'Final response', 'Done.']],
    ['reprompt', observation({ type: 'REPROMPT', repromptResponse: { source: 'PARSER', text: 'again' } }), ['observation', 'Reprompt', 'again']],
    ['post-processing', step({ postProcessingTrace: { modelInvocationOutput: { parsedResponse: { text: 'polished' } } } }), ['post-processing', 'Post-processing', 'polished']],
    ['routing', step({ routingClassifierTrace: { modelInvocationOutput: { metadata } } }), ['routing', 'Routing: model response', '1,204 tokens in, 96 out']],
    ['custom orchestration', step({ customOrchestrationTrace: { event: { text: 'step 1' } } }), ['custom', 'Custom orchestration', 'step 1']],
    ['guardrail at rest', step({ guardrailTrace: { action: 'NONE' } }), ['guardrail', 'Guardrail', 'Nothing to object to']],
    ['unknown trace', step({ dreamTrace: { sheep: 1, electric: true } }), ['unknown', 'Unknown event', 'dreamTrace: sheep, electric']],
    ['unknown step of a known trace', orchestration({ daydream: {} }), ['unknown', 'Unknown event', 'orchestrationTrace: daydream']],
    ['unknown event', stepOf({ at: 0, source: 'bedrock-agent', event: { novelty: {} } }), ['unknown', 'Unknown event', 'novelty']],
    ['unknown frame', stepOf({ at: 0, source: 'TOOL_CALL_CHUNK', event: { type: 'TOOL_CALL_CHUNK', delta: '' } }), ['unknown', 'Unknown event', 'TOOL_CALL_CHUNK: type, delta']],
  ];
  for (const [name, found, [kind, title, summary]] of table) {
    test(name, () => {
      assert.deepEqual([found.kind, found.title, found.summary], [kind, title, summary]);
      assert.equal(found.failed, false);
    });
  }

  test('tells what failed', () => {
    /** @type {[import('../../web/trace-step.js').Step, string, string][]} */
    const failures = [
      [step({ failureTrace: { failureReason: 'Model timed out', failureCode: 424 } }), 'failure', 'Model timed out (424)'],
      [step({ failureTrace: {} }), 'failure', 'No reason given'],
      [step({ guardrailTrace: { action: 'INTERVENED' } }), 'guardrail', 'Intervened'],
      [step({ preProcessingTrace: { modelInvocationOutput: { parsedResponse: { isValid: false, rationale: 'harmful' } } } }), 'pre-processing', 'rejected: harmful'],
      [observation({ codeInterpreterInvocationOutput: { executionError: 'NameError' } }), 'observation', 'NameError'],
      [observation({ codeInterpreterInvocationOutput: { executionOutput: 'half', executionTimeout: true } }), 'observation', 'half'],
    ];
    for (const [found, kind, summary] of failures) {
      assert.deepEqual([found.kind, found.summary, found.failed], [kind, summary, true]);
    }
  });

  test('tells how long it took, and whose it is', () => {
    assert.equal(orchestration({ modelInvocationOutput: { metadata } }).durationMs, 1304);
    assert.equal(orchestration({ rationale: { text: 'x' } }).durationMs, undefined);
    assert.equal(step({ orchestrationTrace: { rationale: { text: 'x' } } }, { collaboratorName: 'Travel' }).collaborator, 'Travel');
  });

  test('is found in anything, without an exception', () => {
    for (const event of [undefined, null, 7, 'x', [], {}, { trace: null }, { trace: 7 }, { trace: {} }, { trace: { trace: null } }, { trace: { trace: { orchestrationTrace: null } } }, { trace: { trace: { guardrailTrace: 7 } } }]) {
      const found = stepOf({ at: 0, source: 'bedrock-agent', event });
      assert.equal(typeof found.title, 'string', JSON.stringify(event));
    }
  });

  test('has a summary of one short line, however long the text', () => {
    const { summary } = step({ customOrchestrationTrace: { event: { text: 'x\n'.repeat(1_000_000) } } });
    assert.ok(summary.length <= 161 && summary.endsWith('…') && !summary.includes('\n'));
  });
});

describe('sources', () => {
  /** @param {object} location @param {string} text */
  const reference = (location, text = 'passage') => ({ content: { text }, location });
  /** @param {...object} references */
  const citation = (...references) => ({ generatedResponsePart: {}, retrievedReferences: references });

  test('each once, in the order of their first mention, named after the file', () => {
    const handbook = reference({ type: 'S3', s3Location: { uri: 's3://bucket/docs/hand%20book.pdf' } });
    const page = reference({ type: 'WEB', webLocation: { url: 'https://example.com/a/limits.html' } });
    const sources = sourcesOf([citation(handbook, page), citation(handbook), citation()]);
    assert.deepEqual(sources, [
      { label: 'hand book.pdf', where: 's3://bucket/docs/hand%20book.pdf', href: undefined, excerpt: 'passage' },
      { label: 'limits.html', where: 'https://example.com/a/limits.html', href: 'https://example.com/a/limits.html', excerpt: 'passage' },
    ]);
  });

  test('every kind of location has its address', () => {
    for (const [location, where] of /** @type {[object, string][]} */ ([
      [{ confluenceLocation: { url: 'https://c/1' } }, 'https://c/1'],
      [{ salesforceLocation: { url: 'https://s/1' } }, 'https://s/1'],
      [{ sharePointLocation: { url: 'https://p/1' } }, 'https://p/1'],
      [{ kendraDocumentLocation: { uri: 'kendra-1' } }, 'kendra-1'],
      [{ customDocumentLocation: { id: 'doc-1' } }, 'doc-1'],
      [{ sqlLocation: { query: 'select 1' } }, 'select 1'],
      [{ type: 'NEW' }, ''],
    ])) {
      assert.equal(sourcesOf([citation(reference(location))])[0]?.where, where);
    }
  });

  test('only http and https become links', () => {
    for (const url of ['javascript:alert(1)', 'data:text/html,x', ' javascript:alert(1)', 'ftp://x/y', 's3://b/k', '//x/y', 'x']) {
      assert.equal(sourcesOf([citation(reference({ webLocation: { url } }))])[0]?.href, undefined, url);
    }
  });

  test('survive anything', () => {
    assert.deepEqual(sourcesOf([null, 7, {}, { retrievedReferences: 'x' }]), []);
    assert.equal(sourcesOf([citation({})])[0]?.label, 'Source without an address');
    assert.equal(sourcesOf([citation(reference({ webLocation: { url: 'https://x/%E0%A4%A' } }))])[0]?.label, '%E0%A4%A');
  });
});

describe('numbers and lines', () => {
  test('durations', () => {
    const spans = /** @type {[number, string][]} */ ([[0, '0 ms'], [999.4, '999 ms'], [999.6, '1.0 s'], [59_940, '59.9 s'], [59_960, '1 min 0 s'], [125_000, '2 min 5 s']]);
    for (const [ms, words] of spans) assert.equal(duration(ms), words);
  });

  test('counts', () => {
    assert.equal(counted(1, 'chunk'), '1 chunk');
    assert.equal(counted(1204, 'chunk'), '1,204 chunks');
  });

  test('one line never ends in half a character', () => {
    assert.equal(oneLine('ab👋cd', 3), 'ab…');
    assert.equal(oneLine('  a\n\n b ', 10), 'a b');
    assert.equal(oneLine('exact', 5), 'exact');
  });
});
