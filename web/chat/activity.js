// What the agent is doing, as far as its trace tells.

import { oneLine } from '../lib/format.js';
import { get, getString } from '../lib/json.js';
import { visible } from '../lib/visible.js';
import { t } from '../lib/words.js';
import { RUNTIME } from '../relay/agui.js';

/** @import { AgentEvent } from '../types.d.ts' */

/** Empty for an event that says nothing of the kind. @param {AgentEvent} event */
export function activityOf({ source, event }) {
  return visible(
    source === 'bedrock-agent'
      ? ofBedrockAgent(event)
      : source === RUNTIME
        ? ofRuntime(event)
        : ofHarness(source, event),
  );
}

/** @param {string} source @param {unknown} event */
function ofHarness(source, event) {
  const tool = getString(event, 'contentBlockStart', 'start', 'toolUse', 'name');
  if (tool !== undefined) return t('Calling {name}', { name: tool.replace('___', ' › ') });
  if (source === 'TOOL_CALL_RESULT') return t('Reading the result');
  return source.startsWith('REASONING_') || getString(event, 'messageStart', 'role') === 'assistant'
    ? t('Thinking')
    : '';
}

/** @param {unknown} event */
function ofRuntime(event) {
  const [tool, step] = [getString(event, 'toolCallName'), getString(event, 'stepName')];
  if (tool !== undefined) return t('Calling {name}', { name: tool });
  return step === undefined ? ofHarness(getString(event, 'type') ?? '', undefined) : t('At {step}', { step });
}

/** @param {unknown} event */
function ofBedrockAgent(event) {
  const trace = get(event, 'trace', 'trace');
  const step = get(trace, 'orchestrationTrace');
  const input = get(step, 'invocationInput');
  const action = get(input, 'actionGroupInvocationInput');
  const who = getString(event, 'trace', 'collaboratorName');
  /** @type {[unknown, string][]} */
  const known = [
    [get(trace, 'preProcessingTrace'), t('Looking at the prompt')],
    [get(trace, 'postProcessingTrace'), t('Finishing the answer')],
    [get(trace, 'guardrailTrace'), t('Checking the guardrails')],
    [get(trace, 'routingClassifierTrace'), t('Choosing who answers')],
    [get(step, 'rationale'), oneLine(getString(step, 'rationale', 'text') ?? '', 90)],
    [
      action,
      t('Calling {name}', { name: getString(action, 'function') ?? getString(action, 'apiPath') ?? t('an action') }),
    ],
    [get(input, 'knowledgeBaseLookupInput'), t('Searching the knowledge base')],
    [get(input, 'codeInterpreterInvocationInput'), t('Running code')],
    [
      get(input, 'agentCollaboratorInvocationInput'),
      t('Asking {name}', {
        name: getString(input, 'agentCollaboratorInvocationInput', 'agentCollaboratorName') ?? t('another agent'),
      }),
    ],
    [get(step, 'observation'), t('Reading the result')],
    [get(step, 'modelInvocationInput'), t('Thinking')],
  ];
  const words = known.find(([found]) => found !== undefined)?.[1] ?? '';
  return who && words ? `${who}: ${words}` : words;
}
