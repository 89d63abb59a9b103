//! The bytes of an answer of the tests' source: frames of the event stream, and the HTTP around them.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use local_aws::Source;
use serde_json::{Value, json};
use test_support::source::source;

use super::server::{Step, write};

/// The head of an answer whose end is marked by an empty chunk.
pub(crate) const CHUNKED: &str = "HTTP/1.1 200 OK\r\n\
    content-type: application/vnd.amazon.eventstream\r\n\
    x-amzn-bedrock-agent-content-type: application/json\r\n\
    x-amz-bedrock-agent-session-id: session-1\r\n\
    transfer-encoding: chunked\r\n\r\n";

/// The chunk that ends such an answer.
pub(crate) const LAST_CHUNK: &str = "0\r\n\r\n";

/// The chunks that end an answer which is whole.
pub(crate) fn last_chunks() -> Vec<u8> {
    let end = end_event();
    let end = if end.is_empty() { end } else { chunked(&end) };
    [&end, LAST_CHUNK.as_bytes()].concat()
}

/// The head of an answer of that many bytes.
pub(crate) fn head_of_length(length: usize) -> String {
    CHUNKED.replace("transfer-encoding: chunked", &format!("content-length: {length}"))
}

/// The head of an answer that ends with its connection.
pub(crate) fn head_without_length() -> String {
    CHUNKED.replace("transfer-encoding: chunked\r\n", "")
}

/// Bytes as a chunk of HTTP.
pub(crate) fn chunked(bytes: &[u8]) -> Bytes {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk.into()
}

/// These tests are about `application/vnd.amazon.eventstream`.
pub(crate) const NO_EVENT_STREAM: &str = "a runtime's answer is no event stream of AWS's";

/// An event with a piece of the answer's text.
pub(crate) fn text_event(text: &str) -> Bytes {
    match source() {
        Source::Agent => event("chunk", &json!({ "bytes": STANDARD.encode(text) })),
        Source::Harness => event(
            "contentBlockDelta",
            &json!({ "contentBlockIndex": 0, "delta": { "text": text } }),
        ),
        Source::Runtime => panic!("{NO_EVENT_STREAM}"),
    }
}

/// What an answer ends with that is whole. Of an agent, that is nothing but the end of the stream.
pub(crate) fn end_event() -> Bytes {
    match source() {
        Source::Agent => Bytes::new(),
        Source::Harness => event("messageStop", &json!({ "stopReason": "end_turn" })),
        Source::Runtime => panic!("{NO_EVENT_STREAM}"),
    }
}

fn event(name: &str, payload: &Value) -> Bytes {
    frame(&[(":message-type", "event"), (":event-type", name)], payload)
}

/// An error that is no modelled exception ("Event stream encoding" of the Smithy specification).
pub(crate) fn error_message(code: &str, message: &str) -> Bytes {
    let headers = [(":message-type", "error"), (":error-code", code), (":error-message", message)];
    frame(&headers, &json!({}))
}

/// The head of an answer of any server that has this many headers beside those of [`head_of_length`].
pub(crate) fn head_of_many_headers(count: usize) -> String {
    let mut head = head_of_length(0);
    for n in 0..count {
        head.insert_str(head.len() - 2, &format!("x-{n}: {n}\r\n"));
    }
    head
}

/// An answer of one event for each of these texts, well from beginning to end.
pub(crate) fn answer(texts: &[&str]) -> Vec<Step> {
    let mut steps = beginning(texts);
    steps.push(write(last_chunks()));
    steps
}

/// The same without its end.
pub(crate) fn beginning(texts: &[&str]) -> Vec<Step> {
    let events = texts.iter().map(|text| write(chunked(&text_event(text))));
    std::iter::once(write(CHUNKED)).chain(events).collect()
}

fn frame(headers: &[(&str, &str)], payload: &Value) -> Bytes {
    let mut message = Message::new(payload.to_string());
    for (name, value) in headers {
        let value = HeaderValue::String((*value).to_owned().into());
        message = message.add_header(Header::new((*name).to_owned(), value));
    }
    let content_type = HeaderValue::String("application/json".into());
    message = message.add_header(Header::new(":content-type", content_type));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes.into()
}
