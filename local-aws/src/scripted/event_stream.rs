//! The bytes of both services: event-stream frames and errors.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;

/// The content type of a response that is a stream of events.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The headers of an event of this type.
pub(crate) fn event_headers(event_type: &str) -> Vec<(String, String)> {
    headers(":event-type", event_type, "event")
}

/// One event of the stream.
pub(crate) fn event(event_type: &str, payload: impl Into<Bytes>) -> Bytes {
    frame(event_headers(event_type), payload.into())
}

/// An exception inside the stream, which ends it. Its name is that of a member of the stream, such as
/// `throttlingException`.
pub(crate) fn exception(member: &str, payload: &Value) -> Bytes {
    frame(headers(":exception-type", member, "exception"), payload.to_string().into())
}

/// An event whose checksum is wrong, as after a fault on the way.
pub(crate) fn corrupt_event(event_type: &str, payload: impl Into<Bytes>) -> Bytes {
    let mut bytes = event(event_type, payload).to_vec();
    // The last four bytes are the checksum of the whole frame.
    if let Some(last) = bytes.last_mut() {
        *last = !*last;
    }
    bytes.into()
}

/// An exception instead of a stream. Its name is that of an error of a response, such as
/// `ThrottlingException`; what stands before the service itself gives none.
pub(crate) fn refusal(status: u16, shape: Option<&str>, payload: Value) -> Response {
    // All statuses of both services are valid, so the fallback is never used.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = axum::Json(payload);
    match shape {
        Some(shape) => (status, [("x-amzn-ErrorType", shape)], body).into_response(),
        None => (status, body).into_response(),
    }
}

/// One frame with headers of text.
pub(crate) fn frame(headers: Vec<(String, String)>, payload: Bytes) -> Bytes {
    let mut message = Message::new(payload);
    for (name, value) in headers {
        message = message.add_header(Header::new(name, HeaderValue::String(value.into())));
    }
    let mut bytes = Vec::new();
    // It fails only for lengths past 32 bits, far above what a script can hold.
    let written = write_message_to(&message, &mut bytes);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes.into()
}

fn headers(kind: &str, value: &str, message_type: &str) -> Vec<(String, String)> {
    let headers =
        [(kind, value), (":message-type", message_type), (":content-type", "application/json")];
    headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
