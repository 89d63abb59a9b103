//! The tokens that a model used, from the trace of its invocation.

use aws_sdk_bedrockagentruntime::types::{
    Metadata, OrchestrationTrace, PostProcessingTrace, PreProcessingTrace, RoutingClassifierTrace,
    Trace, TracePart,
};

use crate::agui::Usage;

/// The tokens of the model invocation that this step of the trace reports, if it is one. Orchestration
/// of a collaborator is reported in steps of its own, so a sum over all steps counts nothing twice.
pub(super) fn usage(part: &TracePart) -> Option<Usage> {
    let usage = metadata(part.trace()?)?.usage()?;
    let tokens =
        |count: Option<i32>| count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    Some(Usage {
        input_tokens: tokens(usage.input_tokens()),
        output_tokens: tokens(usage.output_tokens()),
    })
}

fn metadata(trace: &Trace) -> Option<&Metadata> {
    match trace {
        Trace::PreProcessingTrace(PreProcessingTrace::ModelInvocationOutput(output)) => {
            output.metadata()
        }
        Trace::OrchestrationTrace(OrchestrationTrace::ModelInvocationOutput(output)) => {
            output.metadata()
        }
        Trace::PostProcessingTrace(PostProcessingTrace::ModelInvocationOutput(output)) => {
            output.metadata()
        }
        Trace::RoutingClassifierTrace(RoutingClassifierTrace::ModelInvocationOutput(output)) => {
            output.metadata()
        }
        _ => None,
    }
}
