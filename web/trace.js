// What the trace panel needs once it is first open: web/trace/on-demand.js loads it, and all that it needs, then.

export { Traces } from './trace/traces.js';
