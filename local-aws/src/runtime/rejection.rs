//! How `InvokeAgentRuntime` refuses: as every operation does, or, where the runtime's protocol is AG-UI, with
//! a `RUN_ERROR` and the true status.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::harness::exception::{HarnessException, Refusal};

/// The content type of a response that is a stream of events.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// An error of the platform, as it stands in a `RUN_ERROR` ("AG-UI protocol contract").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeError {
    /// `UNAUTHORIZED`
    Unauthorized,
    /// `ACCESS_DENIED`
    AccessDenied,
    /// `VALIDATION_ERROR`
    Validation,
    /// `RATE_LIMIT_EXCEEDED`
    RateLimitExceeded,
    /// `SESSION_BUSY`
    SessionBusy,
    /// `SERVICE_QUOTA_EXCEEDED`
    ServiceQuotaExceeded,
    /// `INTERNAL_ERROR`
    Internal,
    /// `AGENT_ERROR`, whose response is a good one.
    Agent,
}

impl RuntimeError {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unauthorized,
        Self::AccessDenied,
        Self::Validation,
        Self::RateLimitExceeded,
        Self::SessionBusy,
        Self::ServiceQuotaExceeded,
        Self::Internal,
        Self::Agent,
    ];

    /// Finds an error by its code, in any case.
    #[must_use]
    pub fn by_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|error| error.code().eq_ignore_ascii_case(code))
    }

    /// Its code, such as `SESSION_BUSY`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unauthorized => "UNAUTHORIZED",
            Self::AccessDenied => "ACCESS_DENIED",
            Self::Validation => "VALIDATION_ERROR",
            Self::RateLimitExceeded => "RATE_LIMIT_EXCEEDED",
            Self::SessionBusy => "SESSION_BUSY",
            Self::ServiceQuotaExceeded => "SERVICE_QUOTA_EXCEEDED",
            Self::Internal => "INTERNAL_ERROR",
            Self::Agent => "AGENT_ERROR",
        }
    }

    /// The HTTP status of the response.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Agent => 200,
            Self::Validation => 400,
            Self::Unauthorized => 401,
            Self::AccessDenied => 403,
            Self::SessionBusy => 409,
            Self::RateLimitExceeded | Self::ServiceQuotaExceeded => 429,
            Self::Internal => 500,
        }
    }

    /// What it says.
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Unauthorized => "The credentials of the request are not accepted.",
            Self::AccessDenied => "User is not authorized to perform this operation",
            Self::Validation => "The request is not valid.",
            Self::RateLimitExceeded => "Rate exceeded",
            Self::SessionBusy => "RetryableConflict: Session operation in progress, please retry",
            Self::ServiceQuotaExceeded => {
                "The account has as many active sessions as its quota allows."
            }
            Self::Internal => "An internal server error occurred. Retry your request.",
            Self::Agent => "The agent failed.",
        }
    }
}

/// The counterpart of an exception in a stream that has begun.
impl From<HarnessException> for RuntimeError {
    fn from(exception: HarnessException) -> Self {
        match exception {
            HarnessException::AccessDenied | HarnessException::AuthorizationDenied => {
                Self::AccessDenied
            }
            HarnessException::InternalServer => Self::Internal,
            HarnessException::ResourceNotFound | HarnessException::Validation => Self::Validation,
            HarnessException::RetryableConflict => Self::SessionBusy,
            HarnessException::RuntimeClient => Self::Agent,
            HarnessException::ServiceQuotaExceeded => Self::ServiceQuotaExceeded,
            HarnessException::Throttling => Self::RateLimitExceeded,
            HarnessException::Unauthorized => Self::Unauthorized,
        }
    }
}

/// A response instead of an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rejection {
    /// The error of every operation.
    Exception(Refusal),
    /// The error where the protocol is AG-UI.
    RunError(RuntimeError),
}

impl Rejection {
    /// What the agent's own server answers to a request that it can't read, as the platform passes it on.
    pub(super) fn of_agent(status: u16) -> Self {
        let message = format!(
            "Received error ({status}) from runtime. Please check your CloudWatch logs for more information."
        );
        Self::Exception(Refusal::new(HarnessException::RuntimeClient, message))
    }

    /// The status, the name and the message of it.
    pub(super) fn parts(&self) -> (u16, String, String) {
        match self {
            Self::Exception(refusal) => {
                let exception = refusal.exception;
                (exception.status(), exception.member().to_owned(), refusal.message.clone())
            }
            Self::RunError(error) => {
                (error.status(), error.code().to_owned(), error.message().to_owned())
            }
        }
    }

    /// The event that it is in a stream that has begun.
    pub(super) fn event(&self) -> String {
        let error = match self {
            Self::Exception(refusal) => refusal.exception.into(),
            Self::RunError(error) => *error,
        };
        run_error(error)
    }

    /// The response that it is.
    pub(super) fn into_response(self) -> Response {
        match self {
            Self::Exception(refusal) => refusal.into_response(),
            Self::RunError(error) => {
                // All of its statuses are valid, so the fallback is never used.
                let status = StatusCode::from_u16(error.status());
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let body = format!("data: {}\n\n", run_error(error));
                (status, [("content-type", EVENT_STREAM)], body).into_response()
            }
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Exception(refusal)
    }
}

fn run_error(error: RuntimeError) -> String {
    let (code, message) = (error.code(), error.message());
    json!({ "type": "RUN_ERROR", "message": message, "code": code }).to_string()
}
