//! Why a harness did not answer, or not to the end.

use thiserror::Error;

use crate::error::{ErrorCode, Failure};
use crate::source::agentcore::failure::{self as agentcore, Names};
use crate::source::call::{RefusalCodes, without_arns};

/// How `AgentCore` refuses `InvokeHarness`.
pub(super) struct HarnessRefusals;

const NAMES: Names = Names {
    what: "harness",
    rights: "bedrock-agentcore:InvokeHarness and bedrock-agentcore:InvokeAgentRuntime",
    variables: "HARNESS_ARN and HARNESS_ENDPOINT",
};

impl RefusalCodes for HarnessRefusals {
    fn of_exception(name: &str) -> Option<ErrorCode> {
        agentcore::of_exception(name)
    }

    fn of_status(status: u16) -> Option<ErrorCode> {
        agentcore::of_status(status)
    }

    fn says_that_nothing_happened(code: ErrorCode, name: Option<&str>) -> bool {
        agentcore::says_that_nothing_happened(code, name)
    }

    fn failure(code: ErrorCode, said: Option<&str>) -> Failure {
        failure(code, said)
    }
}

/// A failure with this code, of which the harness says so much.
pub(super) fn failure(code: ErrorCode, said: Option<&str>) -> Failure {
    match (code, said) {
        // A token with a claim that is not allowed looks like an error of the service.
        (ErrorCode::InternalServer, Some("Authorization denied")) => {
            agentcore::failure(ErrorCode::AccessDenied, &NAMES)
        }
        // Only here the service's own words help whoever wrote the message. The words of an error of the
        // agent's own code are for its developer, and in the log.
        (ErrorCode::Validation, Some(said)) if !said.is_empty() => {
            let advice = agentcore::advice(code, &NAMES);
            Failure::new(code)
                .with_message(format!("{advice} AgentCore says: {}", without_arns(said)))
        }
        _ => agentcore::failure(code, &NAMES),
    }
}

/// Why a harness ended its answer: an exception of this name, with these words.
pub(super) fn ended(name: String, message: String) -> Failure {
    let code = agentcore::of_exception(&name).unwrap_or(ErrorCode::InternalServer);
    let said = (!message.is_empty()).then_some(&*message);
    failure(code, said).with_source(Ended { name, message })
}

/// The failure that a harness's reason to stop stands for; `None` where the answer is whole.
///
/// Reasons that are not known are none: the answer is what the model said. Source: `stopReason` of
/// `HarnessMessageStopEvent`, and `guardrail_intervened`, which only the documentation has.
pub(super) fn of_stop_reason(reason: &str) -> Option<Failure> {
    let failure = |code: ErrorCode, message: &str| {
        let message = message.replace("{}", reason);
        Failure::new(code).with_message(message).with_source(Stopped(reason.to_owned()))
    };
    let limit = |message| Some(failure(ErrorCode::LimitReached, message));
    let broken = |message| Some(failure(ErrorCode::DependencyFailed, message));
    match reason {
        "max_tokens" | "max_output_tokens_exceeded" => limit(
            "The answer was cut, since the model may not say more ({}). The text so far is valid; ask for the rest or for a shorter answer, or raise maxTokens of the harness.",
        ),
        "model_context_window_exceeded" => limit(
            "The answer was cut, since the conversation is longer than the model can read ({}). The text so far is valid; begin a new conversation.",
        ),
        "max_iterations_exceeded" => limit(
            "The answer was cut, since the agent may not take more steps ({}). The text so far is valid; ask for less at once, or raise maxIterations of the harness.",
        ),
        "timeout_exceeded" => limit(
            "The answer was cut, since the agent's time was up ({}). The text so far is valid; ask for less at once, or raise timeoutSeconds of the harness, which can't be more than the function's own time.",
        ),
        "malformed_model_output" | "malformed_tool_use" => broken(
            "The agent's model wrote something that the harness could not read ({}). The text so far is valid; try again.",
        ),
        "hook_stopped" => broken("A hook of the harness stopped the answer ({})."),
        "interrupted" | "partial_turn" => broken(
            "The harness stopped before the answer was whole ({}). The text so far is valid; the function's log and the harness's own may say more.",
        ),
        _ => None,
    }
}

/// Why the harness ended its answer, in its own words, for the log.
#[derive(Debug, Error)]
#[error("{name}: {message}")]
struct Ended {
    name: String,
    message: String,
}

/// Why the model stopped, for the log.
#[derive(Debug, Error)]
#[error("the harness stopped with {0}")]
struct Stopped(String);
