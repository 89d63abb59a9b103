//! Lambda's Runtime API: where the function fetches events and posts its responses.
//!
//! Shape: the page "Using the Lambda runtime API for custom runtimes" of the Lambda guide.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::service::Lambda;
use super::streamed_response::StreamError;
use crate::journal::Entry;
use crate::proxy_response::status_of;

/// The largest response to a synchronous invocation, in bytes (the page "Lambda quotas").
const MAX_RESPONSE_BYTES: usize = 6 * 1024 * 1024;

/// The largest response that is streamed, in bytes (the same page).
const MAX_STREAMED_RESPONSE_BYTES: usize = 200 * 1024 * 1024;

/// The routes of the Runtime API.
pub(crate) fn router(lambda: Arc<Lambda>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{request_id}/response", post(respond))
        .route("/2018-06-01/runtime/invocation/{request_id}/error", post(fail))
        .route("/2018-06-01/runtime/init/error", post(fail_to_start))
        .with_state(lambda)
}

async fn next(State(lambda): State<Arc<Lambda>>) -> Response {
    let delivery = lambda.next().await;
    let Some(request_id) = delivery.request_id() else {
        // Only the end of the local AWS ends a poll without an event.
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let deadline = SystemTime::now() + lambda.timeout();
    let deadline_ms = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", request_id.to_owned()),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", lambda.arn().to_owned()),
        ("lambda-runtime-trace-id", delivery.trace_header().to_owned()),
    ];
    (headers, Body::new(delivery)).into_response()
}

async fn respond(
    State(lambda): State<Arc<Lambda>>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Some(response) = lambda.begin_streaming(&request_id) {
        // A streaming invocation whose function does not stream gets the bytes of that response, too.
        let max_bytes =
            if is_streaming(&headers) { MAX_STREAMED_RESPONSE_BYTES } else { MAX_RESPONSE_BYTES };
        return match response.receive(body, max_bytes).await {
            Ok(()) | Err(StreamError::Reported { .. }) => acknowledge(true),
            Err(error) => stream_error_response(&error),
        };
    }
    if !lambda.is_running(&request_id) {
        return acknowledge(false);
    }
    // Lambda's `Invoke` collects a response, whether the function streams it or not.
    let Ok(body) = to_bytes(body, MAX_RESPONSE_BYTES).await else {
        let message = "Exceeded maximum allowed payload size (6291556 bytes).";
        lambda.finish(&request_id, None, |_| Entry::InvocationError {
            request_id: request_id.clone(),
            error_type: "Function.ResponseSizeTooLarge".to_owned(),
            message: message.to_owned(),
        });
        return error_response(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message);
    };
    let status = status_of(&body);
    let known = lambda.finish(&request_id, Some(body), |late| Entry::Responded {
        request_id: request_id.clone(),
        status,
        late,
    });
    acknowledge(known)
}

async fn fail(
    State(lambda): State<Arc<Lambda>>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (error_type, message) = diagnostic(&headers, body).await;
    let known = lambda.finish(&request_id, None, |_| Entry::InvocationError {
        request_id: request_id.clone(),
        error_type,
        message,
    });
    acknowledge(known)
}

async fn fail_to_start(
    State(lambda): State<Arc<Lambda>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (error_type, message) = diagnostic(&headers, body).await;
    lambda.journal().record(Entry::InitError { error_type, message });
    acknowledge(true)
}

/// The kind of an error and its description, as a function posts them.
async fn diagnostic(headers: &HeaderMap, body: Body) -> (String, String) {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Diagnostic {
        error_type: String,
        error_message: String,
    }
    let body = to_bytes(body, MAX_RESPONSE_BYTES).await.unwrap_or_default();
    let diagnostic: Diagnostic = serde_json::from_slice(&body).unwrap_or_default();
    let header = headers.get("lambda-runtime-function-error-type");
    let header = header.and_then(|value| value.to_str().ok()).unwrap_or("Unknown");
    let kind =
        if diagnostic.error_type.is_empty() { header.to_owned() } else { diagnostic.error_type };
    (kind, diagnostic.error_message)
}

/// Whether the function sends its response as it is made.
fn is_streaming(headers: &HeaderMap) -> bool {
    let mode = headers.get("lambda-runtime-function-response-mode");
    mode.is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"streaming"))
}

fn stream_error_response(error: &StreamError) -> Response {
    let (status, kind) = match error {
        StreamError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
        StreamError::TimedOut => (StatusCode::BAD_REQUEST, "InvalidRequestID"),
        StreamError::BrokenOff | StreamError::Reported { .. } => {
            (StatusCode::BAD_REQUEST, "TruncatedResponse")
        }
        StreamError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
    };
    error_response(status, kind, &error.to_string())
}

fn acknowledge(known: bool) -> Response {
    if known {
        (StatusCode::ACCEPTED, axum::Json(json!({ "status": "OK" }))).into_response()
    } else {
        error_response(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
    }
}

fn error_response(status: StatusCode, kind: &str, message: &str) -> Response {
    let body: Value = json!({ "errorMessage": message, "errorType": kind });
    (status, axum::Json(body)).into_response()
}
