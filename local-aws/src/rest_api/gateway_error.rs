//! What API Gateway itself says to a client of a REST API.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::prelude::PreludeError;

/// Why a client gets no response of the function. Its text is for people, the client reads API Gateway's.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// API Gateway's own limit.
    #[error("the request has a body of more than 10 MB")]
    BodyTooLarge,
    /// Lambda's limit.
    #[error("RequestEntityTooLarge: the event of the request has more than 6 MB")]
    EventTooLarge,
    #[error("the request broke off")]
    RequestBroken,
    #[error("no function is free")]
    Throttled,
    #[error("the function failed")]
    FunctionFailed,
    #[error("the response broke off before it had a status")]
    BrokenOff,
    #[error("the response has no status, which is JSON that eight NUL bytes end: is it streamed?")]
    NoPrelude,
    #[error(transparent)]
    Prelude(#[from] PreludeError),
    #[error("the response has the status {0}, which ends no exchange")]
    Status(u16),
    #[error("the function did not respond in time")]
    TimedOut,
    #[error("everything stops")]
    Stopping,
}

impl GatewayError {
    /// The response that the client gets.
    pub(super) fn response(&self) -> Response {
        let (status, message) = match self {
            // The text as users report it.
            Self::BodyTooLarge | Self::EventTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long")
            }
            Self::RequestBroken => (StatusCode::BAD_REQUEST, "Bad Request"),
            // Where Lambda rejects an invocation, API Gateway responds with 500, and with 502 where the
            // function fails or its response cannot be read, both with this text ("Handling errors with an
            // API Gateway API" of the Lambda guide). Being throttled is one of the former, as users report.
            Self::Throttled => (StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
            Self::FunctionFailed
            | Self::BrokenOff
            | Self::NoPrelude
            | Self::Prelude(_)
            | Self::Status(_) => (StatusCode::BAD_GATEWAY, "Internal server error"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        };
        (status, axum::Json(json!({ "message": message }))).into_response()
    }
}
