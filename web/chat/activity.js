// What the agent is doing, as far as its trace tells.

import { oneLine } from '../lib/format.js';
import { at, textAt } from '../lib/json.js';

/** Empty for an event that says nothing of the kind. @param {unknown} event */
export function activityOf(event) {
  const trace = at(event, 'trace', 'trace');
  const step = at(trace, 'orchestrationTrace');
  const input = at(step, 'invocationInput');
  const action = at(input, 'actionGroupInvocationInput');
  const who = textAt(event, 'trace', 'collaboratorName');
  /** @type {[unknown, string][]} */
  const known = [
    [at(trace, 'preProcessingTrace'), 'Looking at the prompt'],
    [at(trace, 'postProcessingTrace'), 'Finishing the answer'],
    [at(trace, 'guardrailTrace'), 'Checking the guardrails'],
    [at(trace, 'routingClassifierTrace'), 'Choosing who answers'],
    [at(step, 'rationale'), oneLine(textAt(step, 'rationale', 'text') ?? '', 90)],
    [action, `Calling ${textAt(action, 'function') ?? textAt(action, 'apiPath') ?? 'an action'}`],
    [at(input, 'knowledgeBaseLookupInput'), 'Searching the knowledge base'],
    [at(input, 'codeInterpreterInvocationInput'), 'Running code'],
    [at(input, 'agentCollaboratorInvocationInput'), `Asking ${textAt(input, 'agentCollaboratorInvocationInput', 'agentCollaboratorName') ?? 'another agent'}`],
    [at(step, 'observation'), 'Reading the result'],
    [at(step, 'modelInvocationInput'), 'Thinking'],
  ];
  const words = known.find(([found]) => found !== undefined)?.[1] ?? '';
  return who && words ? `${who}: ${words}` : words;
}
