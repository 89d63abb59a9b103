//! The frames that a client receives: events of the AG-UI protocol, version 1.0, each one bare JSON
//! object in one WebSocket text message. `docs/protocol.md` shows every one.
//!
//! The rules kept here, because AG-UI's clients insist on them: an absent field is left out and
//! never null; `messageId` is on every piece of text; the relay's own data stands under
//! `metadata.relay` and nowhere else.

use std::sync::Arc;

use serde::Serialize;
use serde::ser::SerializeMap as _;
use serde_json::value::RawValue;

use crate::error::{ErrorCode, Failure};
use crate::ids::uuid_of;
use crate::source::event::{AguiEvent, Usage};

pub mod history;

/// How messages and tool calls are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EventForm {
    /// In chunks, of which each says what it belongs to. It takes the fewest frames, and AG-UI's own
    /// clients make the other form of it.
    #[default]
    Chunks,
    /// Each with a beginning and an end of its own, which every client understands.
    StartAndEnd,
}

/// A frame that waits for its turn. Only then are the text that it carries and its number certain, and
/// [`RunIds::json`] writes it.
#[derive(Debug)]
pub enum Frame {
    /// The run was accepted; the agent is still thinking.
    RunStarted,
    /// The same, of a run that can be joined.
    JoinableRunStarted {
        /// What it is joined with, for the client alone.
        key: String,
    },
    /// A message begins. Only where messages have beginnings and ends.
    TextStart {
        /// The id of the message.
        message_id: Arc<str>,
    },
    /// A message is at its end. Only where messages have beginnings and ends.
    TextEnd {
        /// The id of the message.
        message_id: Arc<str>,
    },
    /// More of the answer's text.
    Text {
        /// The id of its message.
        message_id: Arc<str>,
        /// The text. Never empty.
        delta: String,
    },
    /// A thought of the model begins.
    ReasoningStart {
        /// The id of the thought.
        message_id: Arc<str>,
    },
    /// The text of a thought begins. Only where messages have beginnings and ends.
    ReasoningTextStart {
        /// The id of the thought.
        message_id: Arc<str>,
    },
    /// The text of a thought is at its end. Only where messages have beginnings and ends.
    ReasoningTextEnd {
        /// The id of the thought.
        message_id: Arc<str>,
    },
    /// More of a thought.
    Reasoning {
        /// The id of the thought.
        message_id: Arc<str>,
        /// The text. Never empty.
        delta: String,
    },
    /// A thought is at its end.
    ReasoningEnd {
        /// The id of the thought.
        message_id: Arc<str>,
    },
    /// One event of a source in its own JSON.
    Raw {
        /// Which source.
        source: &'static str,
        /// The event's type, in the source's word.
        name: String,
        /// The JSON as it came on the wire.
        json: Box<RawValue>,
    },
    /// Something about the text before, in a source's own JSON.
    Annotation {
        /// The id of the text's message.
        message_id: Arc<str>,
        /// The name of the custom event.
        name: &'static str,
        /// The member of its value in which the JSON stands, beside `messageId`.
        member: &'static str,
        /// The JSON.
        json: Box<RawValue>,
    },
    /// Something with a name of its own, in a source's own JSON.
    Custom {
        /// The name of the custom event.
        name: &'static str,
        /// Its value.
        json: Box<RawValue>,
    },
    /// An action of the agent: one that it hands to the client, or one that it carried out by itself, whose
    /// result is the next frame.
    ToolCall {
        /// The id of the message that it is a part of.
        message_id: Arc<str>,
        /// What the client's answer refers to.
        id: String,
        /// The tool's name.
        name: String,
        /// The arguments, a JSON object.
        arguments: String,
    },
    /// An action of the agent begins. Only where tool calls have beginnings and ends.
    ToolCallStart {
        /// The id of the message that it is a part of, unless it is one of its own.
        message_id: Option<Arc<str>>,
        /// What the client's answer refers to.
        id: Arc<str>,
        /// The tool's name.
        name: String,
    },
    /// The arguments of an action. Only where tool calls have beginnings and ends.
    ToolCallArguments {
        /// Which action's.
        id: Arc<str>,
        /// The arguments, a JSON object.
        arguments: String,
    },
    /// An action is told whole. Only where tool calls have beginnings and ends.
    ToolCallEnd {
        /// Which action.
        id: Arc<str>,
    },
    /// The result of an action that the agent carried out by itself.
    ToolResult {
        /// The id of the message that the result is.
        message_id: Arc<str>,
        /// Which action's.
        tool_call_id: String,
        /// The result, or what went wrong.
        content: String,
        /// Whether the action failed.
        failed: bool,
    },
    /// An event that its source has in AG-UI's own form.
    Agui(AguiEvent),
    /// Nothing has happened for a while; the connection is still wanted.
    Keepalive,
    /// The run ended well.
    RunFinished {
        /// What the run amounted to.
        stats: Stats,
        /// The actions that wait for the user's confirmation.
        confirmations: Vec<Confirmation>,
        /// The tokens that models used, as far as the source tells.
        usage: Option<Usage>,
        /// Why the model stopped, in the source's word.
        stop_reason: Option<String>,
        /// What else the source says at the end, by the names of the event's members. It takes the place of
        /// what is made here.
        members: Vec<(&'static str, Box<RawValue>)>,
    },
    /// The run was ended because somebody wanted it to. What the agent said so far stays.
    RunStopped {
        /// What the run amounted to.
        stats: Stats,
        /// The tokens that models used until then, as far as the source tells.
        usage: Option<Usage>,
    },
    /// All of a conversation has been shown.
    HistoryFinished {
        /// The id of the run that follows over the same connection, if one does.
        follows: Option<String>,
    },
    /// The run ended badly.
    RunError {
        /// The stable code.
        code: ErrorCode,
        /// What happened and what to do.
        message: String,
        /// The tokens that models used until then, as far as the source tells.
        usage: Option<Usage>,
        /// Why the model stopped, in the source's word.
        stop_reason: Option<String>,
    },
}

impl Frame {
    /// The memory that the event holds, in bytes, apart from a small constant.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::RunStarted
            | Self::Keepalive
            | Self::TextStart { .. }
            | Self::TextEnd { .. }
            | Self::ReasoningStart { .. }
            | Self::ReasoningTextStart { .. }
            | Self::ReasoningTextEnd { .. }
            | Self::ReasoningEnd { .. }
            | Self::ToolCallEnd { .. }
            | Self::RunStopped { .. } => 0,
            Self::JoinableRunStarted { key } => key.len(),
            Self::HistoryFinished { follows } => follows.as_ref().map_or(0, String::len),
            Self::RunFinished { confirmations, .. } => {
                let weight = |wanted: &Confirmation| wanted.tool_call_id.len() + wanted.name.len();
                confirmations.iter().map(weight).sum::<usize>()
            }
            Self::Text { delta, .. } | Self::Reasoning { delta, .. } => delta.len(),
            Self::Raw { name, json, .. } => name.len() + json.get().len(),
            Self::Annotation { json, .. } | Self::Custom { json, .. } => json.get().len(),
            Self::ToolCall { id, name, arguments, .. } => id.len() + name.len() + arguments.len(),
            Self::ToolCallStart { id, name, .. } => id.len() + name.len(),
            Self::ToolCallArguments { arguments, .. } => arguments.len(),
            Self::ToolResult { tool_call_id, content, .. } => tool_call_id.len() + content.len(),
            Self::RunError { message, .. } => message.len(),
            Self::Agui(event) => event.weight(),
        }
    }
}

impl From<&Failure> for Frame {
    fn from(failure: &Failure) -> Self {
        Self::RunError {
            code: failure.code,
            message: failure.message.clone(),
            usage: None,
            stop_reason: None,
        }
    }
}

/// An action that the user has to confirm or deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The id of its tool call, which is also the interrupt's.
    pub tool_call_id: String,
    /// The tool's name.
    pub name: String,
    /// Whether a confirmed action is the client's to carry out, so that its result is wanted too.
    pub with_result: bool,
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

/// A frame, ready to be serialised.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum FrameJson<'a> {
    /// One that is made here.
    #[expect(private_interfaces, reason = "it is made here, and only written elsewhere")]
    Made {
        /// The event.
        #[serde(flatten)]
        body: Body<'a>,
        /// What the relay says.
        metadata: Metadata<'a>,
    },
    /// One that a source has made.
    #[expect(private_interfaces, reason = "it is made here, and only written elsewhere")]
    Agui(AguiFrame<'a>),
}

/// An event that a source has made, with what the relay says among its metadata.
#[derive(Debug)]
struct AguiFrame<'a> {
    event: &'a AguiEvent,
    delta: Option<&'a str>,
    relay: Relay<'a>,
}

impl Serialize for AguiFrame<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { event, delta, relay } = self;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("type", event.kind)?;
        for (name, json) in &event.members {
            object.serialize_entry(name, json)?;
        }
        if let Some(delta) = delta {
            object.serialize_entry("delta", delta)?;
        }
        object.serialize_entry("metadata", &AguiMetadata { event, relay })?;
        object.end()
    }
}

/// The metadata of an event that a source has made.
struct AguiMetadata<'a> {
    event: &'a AguiEvent,
    relay: &'a Relay<'a>,
}

impl Serialize for AguiMetadata<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (name, json) in self.event.metadata.iter().filter(|(name, _)| name != "relay") {
            object.serialize_entry(name, json)?;
        }
        object.serialize_entry("relay", self.relay)?;
        object.end()
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
enum Body<'a> {
    RunStarted {
        thread_id: &'a str,
        run_id: &'a str,
    },
    TextMessageChunk {
        message_id: &'a str,
        role: &'static str,
        delta: &'a str,
    },
    TextMessageStart {
        message_id: &'a str,
        role: &'static str,
    },
    TextMessageContent {
        message_id: &'a str,
        delta: &'a str,
    },
    TextMessageEnd {
        message_id: &'a str,
    },
    ReasoningStart {
        message_id: &'a str,
    },
    ReasoningMessageChunk {
        message_id: &'a str,
        delta: &'a str,
    },
    ReasoningMessageStart {
        message_id: &'a str,
        role: &'static str,
    },
    ReasoningMessageContent {
        message_id: &'a str,
        delta: &'a str,
    },
    ReasoningMessageEnd {
        message_id: &'a str,
    },
    ReasoningEnd {
        message_id: &'a str,
    },
    Raw {
        event: Named<'a>,
        source: &'static str,
    },
    Custom {
        name: &'static str,
        value: Value<'a>,
    },
    ToolCallChunk {
        tool_call_id: &'a str,
        tool_call_name: &'a str,
        parent_message_id: &'a str,
        delta: &'a str,
    },
    ToolCallStart {
        tool_call_id: &'a str,
        tool_call_name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        parent_message_id: Option<&'a str>,
    },
    ToolCallArgs {
        tool_call_id: &'a str,
        delta: &'a str,
    },
    ToolCallEnd {
        tool_call_id: &'a str,
    },
    ToolCallResult {
        message_id: &'a str,
        tool_call_id: &'a str,
        role: &'static str,
        content: &'a str,
    },
    RunFinished {
        thread_id: &'a str,
        run_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        outcome: Option<Made<'a, Outcome<'a>>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Made<'a, [FrameUsage; 1]>>,
    },
    RunError {
        message: &'a str,
        code: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<[FrameUsage; 1]>,
    },
}

/// A member that is made here, or that a source has made.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Made<'a, T> {
    Here(T),
    BySource(&'a RawValue),
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
    Annotation(Annotation<'a>),
    Raw(&'a RawValue),
    Fragment { id: &'a str, index: usize, count: usize, data: &'a str },
}

/// An object with the id of a message and one more field.
#[derive(Debug)]
struct Annotation<'a> {
    message_id: &'a str,
    member: &'a str,
    json: &'a RawValue,
}

impl Serialize for Annotation<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(2))?;
        object.serialize_entry("messageId", self.message_id)?;
        object.serialize_entry(self.member, self.json)?;
        object.end()
    }
}

/// How a run ended, where that is more than well.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Outcome<'a> {
    Interrupt { interrupts: Vec<Interrupt<'a>> },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Interrupt<'a> {
    id: &'a str,
    reason: &'static str,
    message: String,
    tool_call_id: &'a str,
    response_schema: serde_json::Value,
}

impl<'a> Interrupt<'a> {
    fn wanting(confirmation: &'a Confirmation) -> Self {
        let name = &confirmation.name;
        let mut properties = serde_json::json!({"confirmed": {"type": "boolean"}});
        let message = if confirmation.with_result {
            properties["result"] = serde_json::json!({"type": "string"});
            format!(
                "The agent wants you to do this: {name}. Confirm it with its result, or deny it."
            )
        } else {
            format!("The agent wants to do this: {name}. Confirm or deny it.")
        };
        Self {
            id: &confirmation.tool_call_id,
            reason: "confirmation",
            message,
            tool_call_id: &confirmation.tool_call_id,
            response_schema: serde_json::json!({"type": "object", "properties": properties}),
        }
    }
}

#[derive(Debug, Serialize)]
struct FrameUsage {
    #[serde(rename = "inputTokens")]
    input: u64,
    #[serde(rename = "outputTokens")]
    output: u64,
    #[serde(rename = "totalTokens")]
    total: u64,
    #[serde(rename = "cachedInputTokens", skip_serializing_if = "Option::is_none")]
    cached_input: Option<u64>,
    #[serde(rename = "cacheWriteInputTokens", skip_serializing_if = "Option::is_none")]
    cache_write_input: Option<u64>,
}

impl FrameUsage {
    /// Counts that survive JSON: AG-UI bounds them to whole numbers that every client can read.
    fn of(usage: Usage) -> [Self; 1] {
        const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
        let bounded = |count: u64| count.min(MAX_SAFE_INTEGER);
        [Self {
            input: bounded(usage.input_tokens),
            output: bounded(usage.output_tokens),
            total: bounded(usage.input_tokens.saturating_add(usage.output_tokens)),
            cached_input: usage.cached_input_tokens.map(bounded),
            cache_write_input: usage.cache_write_input_tokens.map(bounded),
        }]
    }
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
    /// The frame stands for all behind this number, up to its own. Where it is left out, that is the one
    /// before its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<i64>,
    /// What the run is joined with.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    /// The run that follows over the same connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    follows: Option<&'a str>,
    /// Whether somebody wanted the run to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    /// Whether an action of the agent failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<bool>,
    /// Why the model stopped, in the source's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'a str>,
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

impl FrameStats {
    /// Those in a last frame with the number `seq`.
    fn of(stats: Stats, seq: u64) -> Self {
        Self {
            chunks: stats.chunks,
            frames: seq + 1,
            first_chunk_ms: stats.first_chunk_ms,
            total_ms: stats.total_ms,
        }
    }
}

/// What all frames of one run have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunIds {
    /// The conversation, as the client knows it.
    pub thread_id: String,
    /// The client's id of the run.
    pub run_id: String,
    /// The id of the answer's first message.
    pub message_id: String,
    /// How messages and tool calls are written.
    pub form: EventForm,
}

impl<'a> Relay<'a> {
    fn new(run_id: &'a str, seq: u64) -> Self {
        Self {
            run_id,
            seq,
            after: None,
            key: None,
            follows: None,
            stopped: None,
            retryable: None,
            failed: None,
            stop_reason: None,
            stats: None,
        }
    }
}

impl RunIds {
    /// The id of a further part of the answer, such as `message` number 2: no other part of any run has
    /// it.
    #[must_use]
    pub fn part(&self, kind: &str, number: u64) -> Arc<str> {
        uuid_of(&format!("{}/{kind}/{number}", self.message_id)).into()
    }

    /// The JSON of `frame`, the one with the number `seq` of its run.
    #[must_use]
    pub fn json<'a>(&'a self, seq: u64, frame: &'a Frame) -> FrameJson<'a> {
        let Self { thread_id, run_id, .. } = self;
        let mut relay = Relay::new(run_id, seq);
        let body = match frame {
            Frame::RunStarted => Body::RunStarted { thread_id, run_id },
            Frame::JoinableRunStarted { key } => {
                relay.key = Some(key);
                Body::RunStarted { thread_id, run_id }
            }
            Frame::TextStart { message_id } => {
                Body::TextMessageStart { message_id, role: "assistant" }
            }
            Frame::TextEnd { message_id } => Body::TextMessageEnd { message_id },
            Frame::Text { message_id, delta } => return self.text(seq, message_id, delta),
            Frame::ReasoningStart { message_id } => Body::ReasoningStart { message_id },
            Frame::ReasoningTextStart { message_id } => {
                Body::ReasoningMessageStart { message_id, role: "reasoning" }
            }
            Frame::ReasoningTextEnd { message_id } => Body::ReasoningMessageEnd { message_id },
            Frame::Reasoning { message_id, delta } => {
                return self.reasoning(seq, message_id, delta);
            }
            Frame::ReasoningEnd { message_id } => Body::ReasoningEnd { message_id },
            Frame::Raw { source, name, json } => {
                Body::Raw { event: Named { name, value: Some(json) }, source }
            }
            Frame::Annotation { message_id, name, member, json } => {
                let value = Value::Annotation(Annotation { message_id, member, json });
                Body::Custom { name, value }
            }
            Frame::Custom { name, json } => Body::Custom { name, value: Value::Raw(json) },
            Frame::Keepalive => {
                Body::Raw { event: Named { name: "keepalive", value: None }, source: "relay" }
            }
            Frame::ToolCall { message_id, id, name, arguments } => Body::ToolCallChunk {
                tool_call_id: id,
                tool_call_name: name,
                parent_message_id: message_id,
                delta: arguments,
            },
            Frame::ToolCallStart { message_id, id, name } => Body::ToolCallStart {
                tool_call_id: id,
                tool_call_name: name,
                parent_message_id: message_id.as_deref(),
            },
            Frame::ToolCallArguments { id, arguments } => {
                Body::ToolCallArgs { tool_call_id: id, delta: arguments }
            }
            Frame::ToolCallEnd { id } => Body::ToolCallEnd { tool_call_id: id },
            Frame::ToolResult { message_id, tool_call_id, content, failed } => {
                relay.failed = failed.then_some(true);
                Body::ToolCallResult { message_id, tool_call_id, role: "tool", content }
            }
            // It has a writer of its own.
            Frame::Agui(event) => return self.agui(seq, event, event.delta.as_deref()),
            Frame::RunFinished { stats, confirmations, usage, stop_reason, members } => {
                relay.stop_reason = stop_reason.as_deref();
                relay.stats = Some(FrameStats::of(*stats, seq));
                let outcome = (!confirmations.is_empty()).then(|| Outcome::Interrupt {
                    interrupts: confirmations.iter().map(Interrupt::wanting).collect(),
                });
                let by_source = |name| {
                    let mut members = members.iter();
                    members.find(|(other, _)| *other == name).map(|(_, json)| &**json)
                };
                Body::RunFinished {
                    thread_id,
                    run_id,
                    outcome: by_source("outcome").map(Made::BySource).or(outcome.map(Made::Here)),
                    result: by_source("result"),
                    usage: by_source("usage")
                        .map(Made::BySource)
                        .or(usage.map(FrameUsage::of).map(Made::Here)),
                }
            }
            Frame::RunStopped { stats, usage } => {
                relay.stopped = Some(true);
                relay.stats = Some(FrameStats::of(*stats, seq));
                let usage = usage.map(FrameUsage::of).map(Made::Here);
                Body::RunFinished { thread_id, run_id, outcome: None, result: None, usage }
            }
            Frame::HistoryFinished { follows } => {
                relay.follows = follows.as_deref();
                Body::RunFinished { thread_id, run_id, outcome: None, result: None, usage: None }
            }
            Frame::RunError { code, message, usage, stop_reason } => {
                relay.retryable = Some(code.is_retryable());
                relay.stop_reason = stop_reason.as_deref();
                Body::RunError { message, code: code.as_str(), usage: usage.map(FrameUsage::of) }
            }
        };
        FrameJson::Made { body, metadata: Metadata { relay } }
    }

    /// The JSON of `frame`, with the number `seq`, for somebody who has all up to the number `after`; −1 if
    /// nothing.
    #[must_use]
    pub fn json_after<'a>(&'a self, seq: u64, after: i64, frame: &'a Frame) -> FrameJson<'a> {
        let mut json = self.json(seq, frame);
        if let FrameJson::Made { metadata: Metadata { relay }, .. } = &mut json
            && u64::try_from(after + 1).is_ok_and(|first| first < seq)
        {
            relay.after = Some(after);
        }
        json
    }

    /// The frame of an event that its source has made, with so much of its text.
    #[must_use]
    pub fn agui<'a>(
        &'a self,
        seq: u64,
        event: &'a AguiEvent,
        delta: Option<&'a str>,
    ) -> FrameJson<'a> {
        FrameJson::Agui(AguiFrame { event, delta, relay: Relay::new(&self.run_id, seq) })
    }

    /// The frame of a piece of the answer's text.
    #[must_use]
    pub fn text<'a>(&'a self, seq: u64, message_id: &'a str, delta: &'a str) -> FrameJson<'a> {
        let body = match self.form {
            EventForm::Chunks => Body::TextMessageChunk { message_id, role: "assistant", delta },
            EventForm::StartAndEnd => Body::TextMessageContent { message_id, delta },
        };
        self.plain(seq, body)
    }

    /// The frame of a piece of a thought.
    #[must_use]
    pub fn reasoning<'a>(&'a self, seq: u64, message_id: &'a str, delta: &'a str) -> FrameJson<'a> {
        let body = match self.form {
            EventForm::Chunks => Body::ReasoningMessageChunk { message_id, delta },
            EventForm::StartAndEnd => Body::ReasoningMessageContent { message_id, delta },
        };
        self.plain(seq, body)
    }

    /// The frame of one piece of a larger frame's text.
    #[must_use]
    pub fn fragment<'a>(&'a self, seq: u64, fragment: &Fragment<'a>) -> FrameJson<'a> {
        let Fragment { id, index, count, data } = *fragment;
        let value = Value::Fragment { id, index, count, data };
        self.plain(seq, Body::Custom { name: "relay.fragment", value })
    }

    fn plain<'a>(&'a self, seq: u64, body: Body<'a>) -> FrameJson<'a> {
        FrameJson::Made { body, metadata: Metadata { relay: Relay::new(&self.run_id, seq) } }
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
mod tests;
