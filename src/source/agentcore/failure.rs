//! How Bedrock `AgentCore` refuses, and what that means.

use crate::error::{ErrorCode, Failure};

/// The conflict that passes by itself: the session is being made or torn down.
const RETRYABLE_CONFLICT: &str = "RetryableConflictException";

/// What is called by which name, in advice.
pub(crate) struct Names {
    /// What was called.
    pub(crate) what: &'static str,
    /// The rights that calling it takes.
    pub(crate) rights: &'static str,
    /// The variables that name it.
    pub(crate) variables: &'static str,
}

/// The code of the exception with this name.
pub(crate) fn of_exception(name: &str) -> Option<ErrorCode> {
    // As in the header `x-amzn-errortype`, with a namespace before or an address behind it.
    let bare = name.split(':').next().unwrap_or(name);
    let bare = bare.rsplit('#').next().unwrap_or(bare);
    match bare {
        RETRYABLE_CONFLICT => Some(ErrorCode::Conflict),
        // Its first letter is small in a stream.
        "RuntimeClientError" | "runtimeClientError" => Some(ErrorCode::DependencyFailed),
        _ => ErrorCode::of_exception(name),
    }
}

/// The code for a response with this HTTP status that has no such name.
pub(crate) fn of_status(status: u16) -> Option<ErrorCode> {
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

/// Whether a refusal with this code and of this name says that nothing has happened.
pub(crate) fn says_that_nothing_happened(code: ErrorCode, name: Option<&str>) -> bool {
    code == ErrorCode::Throttling || name == Some(RETRYABLE_CONFLICT)
}

/// A failure with this code and the advice for it.
pub(crate) fn failure(code: ErrorCode, names: &Names) -> Failure {
    Failure::new(code).with_message(advice(code, names))
}

/// What happened and what to do, where that is something else than with other agents.
pub(crate) fn advice(code: ErrorCode, names: &Names) -> String {
    let Names { what, rights, variables } = names;
    match code {
        ErrorCode::AccessDenied => format!(
            "AgentCore denied access. The function's role needs {rights} on the {what}, and on its endpoint if one is named; a {what} whose callers sign in with JWT can't be called by the relay."
        ),
        ErrorCode::ResourceNotFound => {
            format!("The {what} or its endpoint was not found. Check {variables}.")
        }
        ErrorCode::ServiceQuotaExceeded => {
            "A quota of AgentCore is used up. Ask for a higher one in Service Quotas, or send less."
                .to_owned()
        }
        ErrorCode::Throttling => {
            "AgentCore is receiving too many requests. Wait a moment, then try again.".to_owned()
        }
        ErrorCode::Conflict => {
            "Another request of this conversation is still under way, or its session is being made or ended. Wait for it, then try again.".to_owned()
        }
        ErrorCode::Validation => {
            "AgentCore rejected the request as invalid. Check the prompt and the results of tools; a conversation that waits for a tool takes nothing else before its result. If you have never seen its call, as after leaving in the middle of an answer, begin a new conversation.".to_owned()
        }
        ErrorCode::DependencyFailed => format!(
            "Something the {what} depends on failed: its model, the access to it, a tool, or its own code or environment. The function's log has what AgentCore says."
        ),
        ErrorCode::InternalServer => {
            "AgentCore had an internal error. Try again in a moment.".to_owned()
        }
        other => other.advice().to_owned(),
    }
}
