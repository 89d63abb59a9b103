//! Bedrock's bytes: event-stream frames and errors.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;

use super::Exception;

/// One event of the stream.
pub(super) fn event(event_type: &'static str, payload: &Value) -> Bytes {
    frame([(":event-type", event_type), (":message-type", "event")], payload)
}

/// An exception inside the stream, which ends it.
pub(super) fn exception(exception: Exception) -> Bytes {
    let headers = [(":exception-type", exception.member()), (":message-type", "exception")];
    frame(headers, &exception.payload(exception.message()))
}

/// An event whose checksum is wrong, as after a fault on the way.
pub(super) fn corrupt_event(event_type: &'static str, payload: &Value) -> Bytes {
    let mut bytes = event(event_type, payload).to_vec();
    // The last four bytes are the checksum of the whole frame.
    if let Some(last) = bytes.last_mut() {
        *last = !*last;
    }
    bytes.into()
}

/// The ARN of an agent's alias.
pub(super) fn alias_arn(agent_id: &str, agent_alias_id: &str) -> String {
    format!("arn:aws:bedrock:us-east-1:123456789012:agent-alias/{agent_id}/{agent_alias_id}")
}

/// An exception instead of a stream.
pub(super) fn refusal(exception: Exception, message: &str) -> Response {
    let status = StatusCode::from_u16(exception.status());
    let headers = [("x-amzn-ErrorType", exception.shape())];
    // All ten statuses are valid, so the fallback is never used.
    (
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers,
        axum::Json(exception.payload(message)),
    )
        .into_response()
}

fn frame(headers: [(&'static str, &'static str); 2], payload: &Value) -> Bytes {
    let mut message = Message::new(payload.to_string());
    for (name, value) in headers {
        message = message.add_header(Header::new(name, HeaderValue::String(value.into())));
    }
    let content_type = HeaderValue::String("application/json".into());
    message = message.add_header(Header::new(":content-type", content_type));
    let mut bytes = Vec::new();
    // It fails only for lengths past 32 bits, far above what a script can hold.
    let written = write_message_to(&message, &mut bytes);
    debug_assert!(written.is_ok(), "{written:?}");
    bytes.into()
}
