//! Why Bedrock did not answer, or not to the end.

use crate::error::{ErrorCode, Failure};
use crate::source::call::{RefusalCodes, without_arns};

/// How Bedrock refuses `InvokeAgent`.
pub(super) struct InvokeAgentRefusals;

impl RefusalCodes for InvokeAgentRefusals {
    fn of_exception(name: &str) -> Option<ErrorCode> {
        ErrorCode::of_exception(name)
    }

    fn of_status(status: u16) -> Option<ErrorCode> {
        Some(match status {
            401 | 403 => ErrorCode::AccessDenied,
            404 => ErrorCode::ResourceNotFound,
            429 => ErrorCode::Throttling,
            500.. => ErrorCode::InternalServer,
            // No final answer: HTTP/1.1 has none below 200 to a call.
            ..200 => ErrorCode::ConnectionLost,
            _ => return None,
        })
    }

    fn says_that_nothing_happened(code: ErrorCode, _: Option<&str>) -> bool {
        matches!(code, ErrorCode::Throttling | ErrorCode::ModelNotReady)
    }

    fn failure(code: ErrorCode, said: Option<&str>) -> Failure {
        failure(code, said)
    }
}

/// A failure with this code, of which Bedrock says so much.
pub(super) fn failure(code: ErrorCode, said: Option<&str>) -> Failure {
    let failure = Failure::new(code);
    match (code, said) {
        // Only here Bedrock's own words help whoever wrote the message.
        (ErrorCode::Validation, Some(said)) => {
            failure.with_message(format!("{} Bedrock says: {}", code.advice(), without_arns(said)))
        }
        _ => failure,
    }
}
