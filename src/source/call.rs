//! The call of a service that answers with an event stream: made again where that is safe, until its
//! answer begins.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tracing::warn;

use crate::aws::{is_lost_on_the_way, is_not_connected};
use crate::descriptors::{self, TOO_MANY_TURNS};
use crate::error::{ErrorCode, Failure, has_cause};
use crate::json::{self, Object};
use crate::retry::Backoff;
use crate::source::event_stream::{NotAnEventStream, TakeBody};

/// Why a service did not begin to answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What the client is told.
    pub(crate) failure: Failure,
    /// Whether nothing can have happened yet, so that the call may be made again.
    pub(crate) nothing_happened: bool,
}

/// Makes a call until its answer begins, and again where nothing can have happened yet. Returns the
/// answer's body, which is of this content type.
///
/// # Errors
/// It was refused, or none of the attempts got through.
pub(crate) async fn begin<F>(
    content_type: &'static str,
    send: impl Fn(TakeBody) -> F,
) -> Result<SdkBody, Failure>
where
    F: Future<Output = Result<(), Refusal>>,
{
    let mut attempt = 1;
    loop {
        let body = TakeBody::of(content_type);
        // Large, and no longer needed once the answer has begun.
        let called = Box::pin(send(body.clone())).await;
        let Refusal { failure, nothing_happened } = match (called, body.taken()) {
            (Ok(()), Some(body)) => return Ok(body),
            (Ok(()), None) => {
                let missing = "a good response without a body";
                let failure = Failure::new(ErrorCode::Internal).with_source(missing);
                Refusal { failure, nothing_happened: false }
            }
            (Err(refusal), _) => refusal,
        };
        match Backoff::AGENT.after(attempt) {
            Some(wait) if nothing_happened => {
                warn!(attempt, ?wait, error = failure.cause(), "the agent is called again");
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
            _ => return Err(failure),
        }
    }
}

/// What a service calls its refusals.
pub(crate) trait RefusalCodes {
    /// The code of the exception with this name, such as `ThrottlingException`, if it is one that the
    /// service is known to have.
    fn of_exception(name: &str) -> Option<ErrorCode>;

    /// The code for a response with this HTTP status that has no such name, for example of the check of
    /// signatures, if the status says enough.
    fn of_status(status: u16) -> Option<ErrorCode>;

    /// Whether a refusal with this code and of this name says that nothing has happened.
    fn says_that_nothing_happened(code: ErrorCode, name: Option<&str>) -> bool;

    /// A failure with this code, of which the service says so much.
    fn failure(code: ErrorCode, said: Option<&str>) -> Failure;
}

/// The refusal in an error of the SDK.
pub(crate) fn refusal<C, E>(error: SdkError<E, HttpResponse>) -> Refusal
where
    C: RefusalCodes,
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let name = error.code().map(str::to_owned);
    let code = match &error {
        SdkError::ServiceError(service) => name
            .as_deref()
            .and_then(C::of_exception)
            .or_else(|| C::of_status(service.raw().status().as_u16()))
            .unwrap_or(ErrorCode::Internal),
        SdkError::ResponseError(response) => of_response::<C>(&error, response.raw()),
        _ if is_lost_on_the_way(&error) => ErrorCode::ConnectionLost,
        // The request could not be made, most likely for want of credentials.
        _ => ErrorCode::Internal,
    };
    let nothing_happened =
        is_not_connected(&error) || C::says_that_nothing_happened(code, name.as_deref());
    let no_descriptors = descriptors::are_exhausted(&error);
    let said = error.message().map(str::to_owned).or_else(|| said_in(error.raw_response()?));
    let failure = C::failure(code, said.as_deref()).with_source(error);
    if no_descriptors {
        let failure = failure.with_message(TOO_MANY_TURNS);
        let failure = Failure { code: ErrorCode::Internal, ..failure };
        return Refusal { failure, nothing_happened: true };
    }
    Refusal { failure, nothing_happened }
}

/// The message in a response without a name, of which the SDK keeps nothing.
fn said_in(response: &HttpResponse) -> Option<String> {
    let message = |body: &Object<'_>| body.text("message").map(Into::into);
    json::read(response.body().bytes()?, message).flatten()
}

/// The code for a response that could not be understood.
fn of_response<C: RefusalCodes>(
    error: &(dyn Error + 'static),
    response: &HttpResponse,
) -> ErrorCode {
    if has_cause::<NotAnEventStream>(error) {
        return ErrorCode::BadGateway;
    }
    // Its body broke off or never ended.
    let name = response.headers().get("x-amzn-errortype").and_then(C::of_exception);
    let code = name.or_else(|| C::of_status(response.status().as_u16()));
    code.unwrap_or(ErrorCode::ConnectionLost)
}

/// A message without the names of resources, which are not the client's business.
pub(crate) fn without_arns(message: &str) -> String {
    let words =
        message.split(' ').map(|word| if word.contains("arn:") { "(a resource)" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
