//! Why a harness did not answer, or not to the end.

use thiserror::Error;

use crate::error::{ErrorCode, Failure};
use crate::source::call::{RefusalCodes, without_arns};

/// How `AgentCore` refuses `InvokeHarness`.
pub(super) struct HarnessRefusals;

/// The conflict that passes by itself: the session is being made or torn down.
const RETRYABLE_CONFLICT: &str = "RetryableConflictException";

impl RefusalCodes for HarnessRefusals {
    fn of_exception(name: &str) -> Option<ErrorCode> {
        // As in the header `x-amzn-errortype`, with a namespace before or an address behind it.
        let bare = name.split(':').next().unwrap_or(name);
        let bare = bare.rsplit('#').next().unwrap_or(bare);
        match bare {
            RETRYABLE_CONFLICT => Some(ErrorCode::Conflict),
            // Its "e" is small in a stream.
            "RuntimeClientError" | "runtimeClientError" => Some(ErrorCode::DependencyFailed),
            _ => ErrorCode::of_exception(name),
        }
    }

    fn of_status(status: u16) -> Option<ErrorCode> {
        Some(match status {
            400 => ErrorCode::Validation,
            401 | 403 => ErrorCode::AccessDenied,
            402 => ErrorCode::ServiceQuotaExceeded,
            404 => ErrorCode::ResourceNotFound,
            409 => ErrorCode::Conflict,
            424 => ErrorCode::DependencyFailed,
            429 => ErrorCode::Throttling,
            500.. => ErrorCode::InternalServer,
            // No final answer: HTTP/1.1 has none below 200 to a call.
            ..200 => ErrorCode::ConnectionLost,
            _ => return None,
        })
    }

    fn says_that_nothing_happened(code: ErrorCode, name: Option<&str>) -> bool {
        code == ErrorCode::Throttling || name == Some(RETRYABLE_CONFLICT)
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
            Failure::new(ErrorCode::AccessDenied).with_message(advice(ErrorCode::AccessDenied))
        }
        // Only here AgentCore's own words help whoever wrote the message. The words of an error of the
        // agent's own code are for its developer, and in the log.
        (ErrorCode::Validation, Some(said)) if !said.is_empty() => Failure::new(code)
            .with_message(format!("{} AgentCore says: {}", advice(code), without_arns(said))),
        _ => Failure::new(code).with_message(advice(code)),
    }
}

/// Why a harness ended its answer: an exception of this name, with these words.
pub(super) fn ended(name: String, message: String) -> Failure {
    let code = HarnessRefusals::of_exception(&name).unwrap_or(ErrorCode::InternalServer);
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

/// What happened and what to do, where that is something else than with other agents.
fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::AccessDenied => {
            "AgentCore denied access. The function's role needs bedrock-agentcore:InvokeHarness and bedrock-agentcore:InvokeAgentRuntime on the harness, and on its endpoint if one is named; a harness whose callers sign in with JWT can't be called by the relay."
        }
        ErrorCode::ResourceNotFound => {
            "The harness or its endpoint was not found. Check HARNESS_ARN and HARNESS_ENDPOINT."
        }
        ErrorCode::ServiceQuotaExceeded => {
            "A quota of AgentCore is used up. Ask for a higher one in Service Quotas, or send less."
        }
        ErrorCode::Throttling => {
            "AgentCore is receiving too many requests. Wait a moment, then try again."
        }
        ErrorCode::Conflict => {
            "Another request of this conversation is still under way, or its session is being made or ended. Wait for it, then try again."
        }
        ErrorCode::Validation => {
            "AgentCore rejected the request as invalid. Check the prompt and the results of tools; a conversation that waits for a tool takes nothing else before its result. If you have never seen its call, as after leaving in the middle of an answer, begin a new conversation."
        }
        ErrorCode::DependencyFailed => {
            "Something the harness depends on failed: its model, the access to it, a tool, or its own environment. The function's log has what AgentCore says."
        }
        ErrorCode::InternalServer => "AgentCore had an internal error. Try again in a moment.",
        other => other.advice(),
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
