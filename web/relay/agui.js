// Agents that speak AG-UI themselves: what they send passes the relay in its own form.

/** The source of their events in a trace. */
export const RUNTIME = 'agentcore-runtime';

/** Agents of which the relay makes frames, by the source of their events. */
const TRANSLATED = ['bedrock-agent', 'agentcore-harness'];

/** Whether a type is one of AG-UI's for what an agent says and does. @param {string} type */
export function isAgui(type) {
  return /^(?:TEXT_MESSAGE|TOOL_CALL|REASONING|STEP|STATE|MESSAGES|ACTIVITY|SUBAGENT)_|^CUSTOM$/.test(type);
}

/** Whether only an agent that speaks AG-UI begins with it: over a WebSocket, the relay's own texts and calls come in chunks. @param {string} type */
export function isOwnForm(type) {
  return isAgui(type) && !/_CHUNK$|_RESULT$|^CUSTOM$/.test(type);
}

/** Whether the agent is known to speak AG-UI. @param {{agent: string | undefined}} turn */
export function speaksAgui({ agent }) {
  return agent !== undefined && !TRANSLATED.includes(agent);
}
