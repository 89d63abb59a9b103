//! The frames that a client receives: events of the AG-UI protocol, version 1.0, each one bare JSON
//! object in one WebSocket text message. `docs/protocol.md` shows every one.
//!
//! The rules kept here, because AG-UI's clients insist on them: an absent field is left out and
//! never null; `messageId` is on every piece of text; the relay's own data stands under
//! `metadata.relay` and nowhere else.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{ErrorCode, Failure};
use crate::request::Run;

/// An event on its way to the client. It becomes a frame when its turn comes: only then are the
/// text that it carries and its number certain.
#[derive(Debug)]
pub enum Event {
    /// The run was accepted; the agent is still thinking.
    RunStarted {
        /// The conversation, as the client knows it.
        thread_id: String,
    },
    /// More of the answer's text. Never empty.
    Text(String),
    /// One event of the agent in its own JSON: a trace, or an event without a frame of its own.
    Agent {
        /// The event's type as Bedrock names it, for example `trace`.
        name: String,
        /// The JSON as it came on the wire.
        json: Box<RawValue>,
    },
    /// The citations of the text before, in Bedrock's own JSON (a list).
    Citations(Box<RawValue>),
    /// Nothing has happened for a while; the connection is still wanted.
    Keepalive,
    /// The run ended well.
    RunFinished {
        /// The conversation, as the client knows it.
        thread_id: String,
        /// What the run amounted to.
        stats: Stats,
    },
    /// The run ended badly.
    RunError {
        /// The stable code.
        code: ErrorCode,
        /// What happened and what to do.
        message: String,
    },
}

impl Event {
    /// The memory that the event holds, in bytes, apart from a small constant.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::RunStarted { thread_id } | Self::RunFinished { thread_id, .. } => thread_id.len(),
            Self::Text(text) => text.len(),
            Self::Agent { name, json } => name.len() + json.get().len(),
            Self::Citations(json) => json.get().len(),
            Self::Keepalive => 0,
            Self::RunError { message, .. } => message.len(),
        }
    }
}

impl From<&Failure> for Event {
    fn from(failure: &Failure) -> Self {
        Self::RunError { code: failure.code, message: failure.message.clone() }
    }
}

/// What a run amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Chunks that the agent sent.
    pub chunks: u64,
    /// Milliseconds from the start of the run to the agent's first chunk, if there was one.
    pub first_chunk_ms: Option<u64>,
    /// Milliseconds from the start of the run to the agent's end.
    pub total_ms: u64,
}

/// The frame of one event, ready to be serialised.
#[derive(Debug, Serialize)]
pub struct Frame<'a> {
    #[serde(flatten)]
    body: Body<'a>,
    metadata: Metadata<'a>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
enum Body<'a> {
    RunStarted { thread_id: &'a str, run_id: &'a str },
    TextMessageChunk { message_id: &'a str, role: &'static str, delta: &'a str },
    Raw { event: Named<'a>, source: &'static str },
    Custom { name: &'static str, value: Value<'a> },
    RunFinished { thread_id: &'a str, run_id: &'a str },
    RunError { message: &'a str, code: &'static str },
}

/// An object with one field.
#[derive(Debug)]
struct Named<'a> {
    name: &'a str,
    value: Option<&'a RawValue>,
}

impl Serialize for Named<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Empty {}
        match self.value {
            Some(value) => serializer.collect_map([(self.name, value)]),
            None => serializer.collect_map([(self.name, Empty {})]),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Value<'a> {
    Citations { message_id: &'a str, citations: &'a RawValue },
    Fragment { id: &'a str, index: usize, count: usize, data: &'a str },
}

#[derive(Debug, Serialize)]
struct Metadata<'a> {
    relay: Relay<'a>,
}

/// What the relay itself has to say, on every frame.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relay<'a> {
    run_id: &'a str,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<FrameStats>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FrameStats {
    chunks: u64,
    frames: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_chunk_ms: Option<u64>,
    total_ms: u64,
}

/// What all frames of one run have in common.
#[derive(Clone, Debug)]
pub struct RunIds {
    /// The client's id of the run.
    pub run_id: String,
    /// The id of the answer's message.
    pub message_id: String,
}

impl RunIds {
    /// The ids of a run. The message is named after API Gateway's id of the client's message, which
    /// stays unique if a client uses a run id twice.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        Self { run_id: run.run_id.clone(), message_id: format!("answer-{}", run.request_id) }
    }

    /// The frame of `event`, the one with the number `seq` of its run.
    #[must_use]
    pub fn frame<'a>(&'a self, seq: u64, event: &'a Event) -> Frame<'a> {
        let run_id = self.run_id.as_str();
        let mut relay = Relay { run_id, seq, retryable: None, stats: None };
        let body = match event {
            Event::RunStarted { thread_id } => Body::RunStarted { thread_id, run_id },
            Event::Text(text) => return self.text(seq, text),
            Event::Agent { name, json } => {
                Body::Raw { event: Named { name, value: Some(json) }, source: "bedrock-agent" }
            }
            Event::Citations(citations) => Body::Custom {
                name: "bedrock.citations",
                value: Value::Citations { message_id: &self.message_id, citations },
            },
            Event::Keepalive => {
                Body::Raw { event: Named { name: "keepalive", value: None }, source: "relay" }
            }
            Event::RunFinished { thread_id, stats } => {
                relay.stats = Some(FrameStats {
                    chunks: stats.chunks,
                    frames: seq + 1,
                    first_chunk_ms: stats.first_chunk_ms,
                    total_ms: stats.total_ms,
                });
                Body::RunFinished { thread_id, run_id }
            }
            Event::RunError { code, message } => {
                relay.retryable = Some(code.is_retryable());
                Body::RunError { message, code: code.as_str() }
            }
        };
        Frame { body, metadata: Metadata { relay } }
    }

    /// The frame of a piece of the answer's text.
    #[must_use]
    pub fn text<'a>(&'a self, seq: u64, delta: &'a str) -> Frame<'a> {
        self.plain(
            seq,
            Body::TextMessageChunk { message_id: &self.message_id, role: "assistant", delta },
        )
    }

    /// The frame of one piece of a larger frame's text.
    #[must_use]
    pub fn fragment<'a>(&'a self, seq: u64, fragment: &Fragment<'a>) -> Frame<'a> {
        let Fragment { id, index, count, data } = *fragment;
        let value = Value::Fragment { id, index, count, data };
        self.plain(seq, Body::Custom { name: "relay.fragment", value })
    }

    fn plain<'a>(&'a self, seq: u64, body: Body<'a>) -> Frame<'a> {
        let relay = Relay { run_id: &self.run_id, seq, retryable: None, stats: None };
        Frame { body, metadata: Metadata { relay } }
    }
}

/// One piece of the text of a frame that is too large for one post.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Which frame it is a piece of.
    pub id: &'a str,
    /// Which piece, from 0.
    pub index: usize,
    /// How many pieces there are.
    pub count: usize,
    /// The piece. All pieces joined are the frame's JSON.
    pub data: &'a str,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ids() -> RunIds {
        RunIds { run_id: "run-1".to_owned(), message_id: "message-1".to_owned() }
    }

    fn frame(seq: u64, event: &Event) -> serde_json::Value {
        serde_json::to_value(ids().frame(seq, event)).unwrap()
    }

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn the_start_and_the_end_name_thread_and_run() {
        assert_eq!(
            frame(0, &Event::RunStarted { thread_id: "thread-1".to_owned() }),
            json!({"type": "RUN_STARTED", "threadId": "thread-1", "runId": "run-1",
                   "metadata": {"relay": {"runId": "run-1", "seq": 0}}})
        );
        let stats = Stats { chunks: 3, first_chunk_ms: Some(5), total_ms: 9 };
        assert_eq!(
            frame(7, &Event::RunFinished { thread_id: "thread-1".to_owned(), stats }),
            json!({"type": "RUN_FINISHED", "threadId": "thread-1", "runId": "run-1",
                   "metadata": {"relay": {"runId": "run-1", "seq": 7,
                       "stats": {"chunks": 3, "frames": 8, "firstChunkMs": 5, "totalMs": 9}}}})
        );
    }

    #[test]
    fn an_absent_field_is_left_out() {
        let stats = Stats { chunks: 0, first_chunk_ms: None, total_ms: 9 };
        let frame = frame(1, &Event::RunFinished { thread_id: "thread-1".to_owned(), stats });
        assert!(!frame.to_string().contains("null"), "{frame}");
    }

    #[test]
    fn text_names_its_message() {
        assert_eq!(
            frame(1, &Event::Text("Grüße".to_owned())),
            json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "message-1", "role": "assistant",
                   "delta": "Grüße", "metadata": {"relay": {"runId": "run-1", "seq": 1}}})
        );
    }

    #[test]
    fn the_agents_json_is_untouched() {
        // The order of the fields, the white space and the number's spelling are the wire's.
        let trace = r#"{"z":1.50, "a":"\u00e9", "n":null}"#;
        let event = Event::Agent { name: "trace".to_owned(), json: raw(trace) };
        let frame = serde_json::to_string(&ids().frame(2, &event)).unwrap();
        assert_eq!(
            frame,
            r#"{"type":"RAW","event":{"trace":{"z":1.50, "a":"\u00e9", "n":null}},"source":"bedrock-agent","metadata":{"relay":{"runId":"run-1","seq":2}}}"#
        );
    }

    #[test]
    fn citations_keepalive_error_and_fragment() {
        assert_eq!(
            frame(3, &Event::Citations(raw("[{}]"))),
            json!({"type": "CUSTOM", "name": "bedrock.citations",
                   "value": {"messageId": "message-1", "citations": [{}]},
                   "metadata": {"relay": {"runId": "run-1", "seq": 3}}})
        );
        assert_eq!(
            frame(4, &Event::Keepalive),
            json!({"type": "RAW", "event": {"keepalive": {}}, "source": "relay",
                   "metadata": {"relay": {"runId": "run-1", "seq": 4}}})
        );
        assert_eq!(
            frame(5, &Event::RunError { code: ErrorCode::Throttling, message: "Wait.".to_owned() }),
            json!({"type": "RUN_ERROR", "message": "Wait.", "code": "throttling",
                   "metadata": {"relay": {"runId": "run-1", "seq": 5, "retryable": true}}})
        );
        let ids = ids();
        let fragment = Fragment { id: "run-1:6", index: 0, count: 2, data: "{" };
        assert_eq!(
            serde_json::to_value(ids.fragment(6, &fragment)).unwrap(),
            json!({"type": "CUSTOM", "name": "relay.fragment",
                   "value": {"id": "run-1:6", "index": 0, "count": 2, "data": "{"},
                   "metadata": {"relay": {"runId": "run-1", "seq": 6}}})
        );
    }
}
