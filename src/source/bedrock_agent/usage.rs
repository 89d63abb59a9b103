//! The tokens that a model used, from the trace of its invocation.

use crate::json::Object;
use crate::source::Usage;

/// The steps of a trace that may report an invocation of a model. Orchestration of a collaborator is
/// reported in steps of its own, so a sum over all steps counts nothing twice.
const STEPS: [&str; 4] =
    ["orchestrationTrace", "preProcessingTrace", "postProcessingTrace", "routingClassifierTrace"];

/// The tokens that a part of a trace (`TracePart`) reports, if it does.
pub(super) fn usage(part: &Object<'_>) -> Option<Usage> {
    let trace = part.object("trace")?;
    let usage = STEPS.iter().find_map(|step| {
        trace.object(step)?.object("modelInvocationOutput")?.object("metadata")?.object("usage")
    })?;
    let (input, output) = (usage.count("inputTokens"), usage.count("outputTokens"));
    let has_any = input.is_some() || output.is_some();
    has_any.then(|| Usage {
        input_tokens: input.unwrap_or_default(),
        output_tokens: output.unwrap_or_default(),
        ..Usage::default()
    })
}
