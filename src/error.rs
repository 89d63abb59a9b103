//! How a run fails: a stable code for each kind, and a sentence that says what to do.

use std::error::Error;
use std::fmt;

/// The code of a `RUN_ERROR` frame. A code never changes its meaning; clients branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The client's message was not understood. The agent was not called.
    InvalidRequest,
    /// Bedrock's `AccessDeniedException`.
    AccessDenied,
    /// Bedrock's `BadGatewayException`.
    BadGateway,
    /// Bedrock's `ConflictException`.
    Conflict,
    /// Bedrock's `DependencyFailedException`.
    DependencyFailed,
    /// Bedrock's `InternalServerException`.
    InternalServer,
    /// Bedrock's `ModelNotReadyException`.
    ModelNotReady,
    /// Bedrock's `ResourceNotFoundException`.
    ResourceNotFound,
    /// Bedrock's `ServiceQuotaExceededException`.
    ServiceQuotaExceeded,
    /// Bedrock's `ThrottlingException`.
    Throttling,
    /// Bedrock's `ValidationException`.
    Validation,
    /// The answer was cut where a limit of the agent lies: of tokens, of steps, of its time, or of what
    /// its model can read.
    LimitReached,
    /// The function's own time was nearly up, so the run was ended in good order.
    Deadline,
    /// The connection to the agent could not be made or broke.
    ConnectionLost,
    /// There is no run to be joined or stopped: there never was, it is kept no longer, or it is somebody
    /// else's. These three look the same.
    NoSuchRun,
    /// A file that was uploaded before is not there, or not all of it: it never came, it is kept no longer, or
    /// it is somebody else's.
    NoSuchUpload,
    /// The function that carried the run has ended before the run.
    RunLost,
    /// The answer goes on over another connection.
    Moved,
    /// Something that should not happen, happened in the relay.
    Internal,
}

impl ErrorCode {
    /// The code as it stands in the frame. For an exception of Bedrock, its name in snake case
    /// without `_exception`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.properties().0
    }

    /// Whether the same request may succeed when it is sent again. The text that arrived before
    /// the error stays valid either way, and actions of the agent may have been carried out.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        self.properties().1
    }

    /// What happened and what to do, for the person at the client. It names no resource of the
    /// account: the log does.
    #[must_use]
    pub fn advice(self) -> &'static str {
        self.properties().2
    }

    /// The code of the exception of Bedrock with this name, such as `throttlingException`: the code is
    /// the name in snake case without `_exception`.
    #[must_use]
    pub fn of_exception(name: &str) -> Option<Self> {
        let letters = |text: &str| text.replace('_', "").to_ascii_lowercase();
        // As in the header `x-amzn-errortype`, with a namespace before or an address behind it.
        let name = name.split(':').next().unwrap_or(name);
        let name = name.rsplit('#').next().unwrap_or(name);
        let name = letters(name.strip_suffix("Exception").unwrap_or(name));
        Self::OF_EXCEPTIONS.into_iter().find(|code| letters(code.as_str()) == name)
    }

    const OF_EXCEPTIONS: [Self; 10] = [
        Self::AccessDenied,
        Self::BadGateway,
        Self::Conflict,
        Self::DependencyFailed,
        Self::InternalServer,
        Self::ModelNotReady,
        Self::ResourceNotFound,
        Self::ServiceQuotaExceeded,
        Self::Throttling,
        Self::Validation,
    ];

    fn properties(self) -> (&'static str, bool, &'static str) {
        match self {
            Self::InvalidRequest => ("invalid_request", false, "The message was not understood."),
            Self::AccessDenied => (
                "access_denied",
                false,
                "Bedrock denied access. The function's role needs bedrock:InvokeAgent on the agent alias, and the agent's own role needs bedrock:InvokeModelWithResponseStream to stream its answer.",
            ),
            Self::BadGateway => (
                "bad_gateway",
                true,
                "A service behind the agent answered wrongly. Try again in a moment.",
            ),
            Self::Conflict => (
                "conflict",
                true,
                "Another request of this conversation, or a change of the agent, is still under way. Wait for it, then try again.",
            ),
            Self::DependencyFailed => (
                "dependency_failed",
                false,
                "Something the agent depends on failed: a Lambda function of an action group, a knowledge base, or a model. Check those resources; the trace names the step.",
            ),
            Self::InternalServer => {
                ("internal_server", true, "Bedrock had an internal error. Try again in a moment.")
            }
            Self::ModelNotReady => (
                "model_not_ready",
                true,
                "The agent's model is not ready yet. Try again in a minute.",
            ),
            Self::ResourceNotFound => (
                "resource_not_found",
                false,
                "The agent or its alias was not found. Check AGENT_ID, AGENT_ALIAS_ID and the Region of the function.",
            ),
            Self::ServiceQuotaExceeded => (
                "service_quota_exceeded",
                false,
                "A quota of Bedrock is used up. Ask for a higher one in Service Quotas, or send less.",
            ),
            Self::Throttling => (
                "throttling",
                true,
                "Bedrock is receiving too many requests. Wait a moment, then try again.",
            ),
            Self::Validation => (
                "validation",
                false,
                "Bedrock rejected the request as invalid. Check the prompt, the session id and the session attributes.",
            ),
            Self::LimitReached => (
                "limit_reached",
                false,
                "The answer was cut, since a limit of the agent was reached. The text so far is valid; ask for the rest, or for less, or raise the limit.",
            ),
            Self::Deadline => (
                "deadline",
                true,
                "The answer took longer than the function may run. The text so far is valid; ask for a shorter answer, or raise the function's timeout.",
            ),
            Self::ConnectionLost => (
                "connection_lost",
                true,
                "The connection to the agent was lost. The text so far is valid; try again.",
            ),
            Self::NoSuchRun => (
                "no_such_run",
                false,
                "There is no such run: it is kept no longer, or it is not yours. Ask again.",
            ),
            Self::NoSuchUpload => (
                "no_such_upload",
                false,
                "A file is not here, or not all of it: it is kept for an hour. Send it again.",
            ),
            Self::RunLost => (
                "run_lost",
                true,
                "The function that carried the answer has ended. The text so far is valid; actions of the agent may have been carried out. Ask again.",
            ),
            Self::Moved => (
                "moved",
                false,
                "The answer goes on in another window or on another device, where it was joined.",
            ),
            Self::Internal => {
                ("internal", true, "The relay failed. Try again; the function's log says more.")
            }
        }
    }
}

/// A failure that ends a run: what the client is told, and what the log says besides.
#[derive(Debug)]
pub struct Failure {
    /// The stable code.
    pub code: ErrorCode,
    /// The sentence for the client.
    pub message: String,
    /// The cause, for the log only: it may name resources of the account.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure with the code's own advice as its message.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        Self { code, message: code.advice().to_owned(), source: None }
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same failure with a message of its own.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

impl Failure {
    /// What the log says about the cause, besides the code: the message stands for it where there
    /// is no other.
    #[must_use]
    pub fn cause(&self) -> String {
        self.source.as_deref().map_or_else(|| self.message.clone(), |source| chain(source))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

/// An error and all its causes in one line, outermost first, for a log field.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let mut next = cause.to_string();
        // Some errors of the SDK show the whole request, and with it what the user wrote.
        if let Some(place) = next.find(REQUEST) {
            next.truncate(place);
            next.push_str("the request");
        }
        // Many errors repeat their cause in their own text.
        if text.is_empty() {
            text = next;
        } else if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
    }
    text
}

/// How the SDK's errors begin to show a request.
const REQUEST: &str = "Request {";

/// An error and all its causes, outermost first.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| {
        let cause: &'a (dyn Error + 'static) = *cause;
        cause.source()
    })
}

/// Whether an error is of this type, or was caused by one.
pub(crate) fn has_cause<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(<dyn Error + 'static>::is::<T>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_an_error_is_not_shown() {
        let error = "failed to apply endpoint `x` to request Request { body: \"a secret\" }";
        let error: Box<dyn Error + Send + Sync> = error.into();
        assert_eq!(chain(&*error), "failed to apply endpoint `x` to request the request");
    }

    #[test]
    fn an_exception_is_known_by_any_form_of_its_name() {
        for name in [
            "throttlingException",
            "ThrottlingException",
            "ThrottlingException:http://internal.amazon.com/",
            "com.amazon.bedrock#ThrottlingException",
        ] {
            assert_eq!(ErrorCode::of_exception(name), Some(ErrorCode::Throttling), "{name}");
        }
        assert_eq!(ErrorCode::of_exception("InternalFailure"), None);
    }
}
