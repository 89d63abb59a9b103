//! Why Bedrock did not answer, or not to the end.

use std::error::Error;

use aws_sdk_bedrockagentruntime::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_bedrockagentruntime::operation::invoke_agent::InvokeAgentError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::aws::{is_lost_on_the_way, is_not_connected};
use crate::descriptors::{self, TOO_MANY_TURNS};
use crate::error::{ErrorCode, Failure, has_cause};
use crate::source::event_stream::NotAnEventStream;

/// Why the agent did not begin to answer, and whether nothing can have happened yet.
pub(super) fn refusal(error: SdkError<InvokeAgentError>) -> (Failure, bool) {
    let nothing_was_sent = is_not_connected(&error);
    let code = match &error {
        SdkError::ServiceError(service) => error
            .code()
            .and_then(ErrorCode::of_exception)
            .unwrap_or_else(|| code_of_status(service.raw().status().as_u16())),
        SdkError::ResponseError(response) => code_of_response(&error, response.raw()),
        _ if is_lost_on_the_way(&error) => ErrorCode::ConnectionLost,
        // The request could not be made, most likely for want of credentials.
        _ => ErrorCode::Internal,
    };
    let nothing_happened =
        nothing_was_sent || matches!(code, ErrorCode::Throttling | ErrorCode::ModelNotReady);
    let no_descriptors = descriptors::are_exhausted(&error);
    let failure = failure(code, error.message()).with_source(error);
    if no_descriptors {
        return (
            Failure { code: ErrorCode::Internal, ..failure.with_message(TOO_MANY_TURNS) },
            true,
        );
    }
    (failure, nothing_happened)
}

/// The code for a response that could not be understood.
fn code_of_response(error: &(dyn Error + 'static), response: &HttpResponse) -> ErrorCode {
    if has_cause::<NotAnEventStream>(error) {
        return ErrorCode::BadGateway;
    }
    let name = response.headers().get("x-amzn-errortype").and_then(ErrorCode::of_exception);
    if let Some(code) = name {
        return code;
    }
    match response.status().as_u16() {
        // Its body broke off or never ended, but the status says enough.
        status @ (401 | 403 | 404 | 429 | 500..) => code_of_status(status),
        _ => ErrorCode::ConnectionLost,
    }
}

/// The code for an answer that is none of the ten exceptions, for example of the signature check.
fn code_of_status(status: u16) -> ErrorCode {
    match status {
        401 | 403 => ErrorCode::AccessDenied,
        404 => ErrorCode::ResourceNotFound,
        429 => ErrorCode::Throttling,
        500.. => ErrorCode::InternalServer,
        // No final answer: HTTP/1.1 has none below 200 to a call.
        ..200 => ErrorCode::ConnectionLost,
        _ => ErrorCode::Internal,
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

/// A message without the names of resources, which are not the client's business.
fn without_arns(message: &str) -> String {
    let words =
        message.split(' ').map(|word| if word.contains("arn:") { "(a resource)" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
