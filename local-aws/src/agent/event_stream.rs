//! Bedrock's bytes: event-stream frames and errors.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::exception::Refusal;

/// The headers of an event of this type.
pub(super) fn event_headers(event_type: &str) -> Vec<(String, String)> {
    headers(":event-type", event_type, "event")
}

/// One event of the stream.
pub(super) fn event(event_type: &str, payload: impl Into<Bytes>) -> Bytes {
    frame(event_headers(event_type), payload.into())
}

/// An exception inside the stream, which ends it.
pub(super) fn exception(refusal: &Refusal) -> Bytes {
    let headers = headers(":exception-type", refusal.exception.member(), "exception");
    frame(headers, refusal.payload().to_string().into())
}

/// An event whose checksum is wrong, as after a fault on the way.
pub(super) fn corrupt_event(event_type: &str, payload: impl Into<Bytes>) -> Bytes {
    let mut bytes = event(event_type, payload).to_vec();
    // The last four bytes are the checksum of the whole frame.
    if let Some(last) = bytes.last_mut() {
        *last = !*last;
    }
    bytes.into()
}

/// An exception instead of a stream.
pub(super) fn refusal(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.exception.status());
    let headers = [("x-amzn-ErrorType", refusal.exception.shape())];
    // All ten statuses are valid, so the fallback is never used.
    (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), headers, axum::Json(refusal.payload()))
        .into_response()
}

/// One frame with headers of text.
pub(super) fn frame(headers: Vec<(String, String)>, payload: Bytes) -> Bytes {
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
