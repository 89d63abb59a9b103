//! How outcomes look on DynamoDB's wire.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::engine::Outcome;

/// The content type of all responses.
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// How many capital letters and digits a request id has.
const REQUEST_ID_LENGTH: usize = 52;

/// The response to a call.
pub(super) fn of(outcome: Outcome) -> Response {
    // All statuses of DynamoDB are valid, so the fallback is never used.
    let status = StatusCode::from_u16(outcome.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    respond(status, outcome.body)
}

/// To a call of what is no operation, or none that is here.
pub(super) fn unknown_operation(target: Option<&str>) -> Response {
    let message = match target {
        Some(target) => format!("The local AWS knows no operation {target}."),
        None => "The header X-Amz-Target names no operation.".to_owned(),
    };
    refuse(&json!({
        "__type": "com.amazon.coral.service#UnknownOperationException",
        "message": message,
    }))
}

/// To a request that is no JSON of an object.
pub(super) fn not_an_object() -> Response {
    refuse(&json!({ "__type": "com.amazon.coral.service#SerializationException" }))
}

/// To a request that is not read to its end.
pub(super) fn too_large() -> Response {
    let error = json!({ "__type": "com.amazon.coral.service#RequestEntityTooLargeException" });
    respond(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
}

fn refuse(error: &Value) -> Response {
    respond(StatusCode::BAD_REQUEST, error.to_string())
}

fn respond(status: StatusCode, body: String) -> Response {
    let letter = || fastrand::alphanumeric().to_ascii_uppercase();
    let request_id = std::iter::repeat_with(letter).take(REQUEST_ID_LENGTH).collect();
    let headers = [
        ("content-type", CONTENT_TYPE.to_owned()),
        ("x-amzn-requestid", request_id),
        // Some SDKs compare it with what has come.
        ("x-amz-crc32", crc32fast::hash(body.as_bytes()).to_string()),
    ];
    (status, headers, body).into_response()
}
