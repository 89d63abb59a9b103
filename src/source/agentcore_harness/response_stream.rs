//! The messages of a harness's response ⇒ events, or the failure that ended it.
//!
//! One response has several messages: of the model, and of the harness, which answers the model's tool
//! calls. Text and thoughts go on at once. A tool call waits for its result, since only the end of
//! the stream tells whether it is the client's: then it has none, and the model has stopped for it.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::mem;

use aws_smithy_types::body::SdkBody;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use tracing::warn;

use crate::error::{ErrorCode, Failure};
use crate::json::{self, Object};
use crate::source::agentcore_harness::failure::{ended, of_stop_reason};
use crate::source::agentcore_harness::tool_call_id::ToolCallId;
use crate::source::event_stream::{Message, Messages, StreamError};
use crate::source::{Event, FinishedToolCall, Raw, ResultKind, ToolCall, Usage};

/// The name of this source on what it passes on.
const SOURCE: &str = "agentcore-harness";

/// What the client gets for the input of a tool that the model gave none.
const NO_INPUT: &str = "{}";

/// How many bytes of a tool's result are kept. A harness's tools may read whole files, and the function has
/// little memory.
const MAX_RESULT: usize = 8 * 1024 * 1024;

/// An answer under way.
pub(super) struct ResponseStream {
    messages: Messages,
    /// What has come and was not taken yet.
    events: VecDeque<Event>,
    /// How the answer ended, once it has.
    ended: Option<Result<(), Failure>>,
    /// What stands for the session in the ids of tool calls.
    session: String,
    /// Whether the message under way is the harness's own, which answers the model's tool calls.
    is_of_harness: bool,
    /// The blocks of the message under way, by their index in it.
    blocks: HashMap<u64, Block>,
    /// Tool calls without a result, oldest first.
    waiting: Vec<WaitingCall>,
    /// Why the last message that ended did.
    stop_reason: Option<String>,
    /// Whether any event has come.
    has_begun: bool,
    /// Whether it was said already that an event could not be understood.
    has_warned: bool,
}

/// A block of a message, other than text, of which something has come.
enum Block {
    Reasoning,
    /// The input of the call with this id.
    ToolUse(String),
    ToolResult(ToolResult),
}

/// A tool's result under way.
struct ToolResult {
    tool_use_id: String,
    content: String,
    /// How many bytes more there were.
    cut: usize,
    failed: bool,
}

/// A tool call that has no result yet.
struct WaitingCall {
    tool_use_id: String,
    name: String,
    input: String,
}

/// The end of a stream at which nobody may end.
#[derive(Debug, Error)]
#[error("the harness's stream ended before its last message did")]
struct NoMessageStop;

/// A model that has stopped for nothing.
#[derive(Debug, Error)]
#[error("the harness stopped for a tool call, and there is none that waits")]
struct NoToolCall;

impl ResponseStream {
    pub(super) fn new(body: SdkBody, session: String) -> Self {
        Self {
            messages: Messages::new(body),
            events: VecDeque::new(),
            ended: None,
            session,
            is_of_harness: false,
            blocks: HashMap::new(),
            waiting: Vec::new(),
            stop_reason: None,
            has_begun: false,
            has_warned: false,
        }
    }

    /// Adds what was used for this answer before it began.
    pub(super) fn used_before(&mut self, usage: Usage) {
        self.events.push_front(Event::Usage(usage));
    }

    pub(super) async fn next(mut self: Box<Self>) -> Result<Option<(Event, Box<Self>)>, Failure> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some((event, self)));
            }
            if let Some(ended) = self.ended.take() {
                return ended.map(|()| None);
            }
            match self.messages.next().await {
                Ok(Some(Message::Event { name, payload })) => {
                    self.has_begun = true;
                    self.on_event(name.as_str(), &payload);
                }
                Ok(Some(Message::Exception { name, payload })) => {
                    let message = |object: &Object<'_>| object.text("message").map(Into::into);
                    let message = json::read(&payload, message).flatten().unwrap_or_default();
                    return Err(ended(name, message));
                }
                Ok(Some(Message::Error { code, message })) => {
                    warn!(code, message, "the harness sent an error");
                    return Err(ended(code, message));
                }
                Ok(None) => self.ended = Some(self.on_end()),
                Err(error) => return Err(self.interruption(error)),
            }
        }
    }

    /// What an event says. One that can't be understood is passed on as it is.
    fn on_event(&mut self, name: &str, payload: &[u8]) {
        if name == "contentBlockDelta"
            && !self.is_of_harness
            && let Some(text) = text_alone(payload)
        {
            if !text.is_empty() {
                self.events.push_back(Event::Text(text.into_bytes()));
            }
            return;
        }
        let understood = match name {
            "contentBlockDelta" => {
                json::read_members(payload, ["contentBlockIndex", "delta"], |[index, delta]| {
                    Delta::read(index, delta)
                })
                .flatten()
                .and_then(|delta| self.on_delta(delta, payload))
            }
            "contentBlockStart" => json::read(payload, Start::read).and_then(|start| {
                self.trace(name, payload);
                self.on_block_start(start)
            }),
            "contentBlockStop" => json::read(payload, index_of).map(|index| {
                if let Some(block) = self.blocks.remove(&index) {
                    self.on_block_end(block);
                }
            }),
            "messageStart" => {
                json::read(payload, |object| object.text("role").as_deref() == Some("user")).map(
                    |is_of_harness| {
                        self.end_blocks();
                        self.is_of_harness = is_of_harness;
                        // Whatever the message before it ended with, the answer goes on.
                        self.stop_reason = None;
                        if !is_of_harness {
                            self.events.push_back(Event::MessageStart);
                        }
                        self.trace(name, payload);
                    },
                )
            }
            "messageStop" => {
                let reason = |object: &Object<'_>| object.text("stopReason").map(Into::into);
                json::read(payload, reason).map(|reason: Option<String>| {
                    self.end_blocks();
                    // One without a reason is an end like any other.
                    self.stop_reason = Some(reason.unwrap_or_default());
                    self.trace(name, payload);
                })
            }
            "metadata" => json::read(payload, usage).map(|usage| {
                self.events.extend(usage.map(Event::Usage));
                self.trace(name, payload);
            }),
            "hookEvent" => {
                self.trace(name, payload);
                Some(())
            }
            _ => {
                self.events.push_back(Event::Other(raw(name, payload)));
                return;
            }
        };
        if understood.is_none() {
            if !mem::replace(&mut self.has_warned, true) {
                warn!(
                    event = name,
                    bytes = payload.len(),
                    "an event of the harness was not understood"
                );
            }
            // What is inside of a block is the agent's own until it is known to be text.
            if name.starts_with("contentBlock") {
                self.trace(name, payload);
            } else {
                self.events.push_back(Event::Other(raw(name, payload)));
            }
        }
    }

    /// Passes an event on as a step of the harness's work.
    fn trace(&mut self, name: &str, payload: &[u8]) {
        self.events.push_back(Event::Trace(raw(name, payload)));
    }

    /// A block of which the service says how it begins: text and thoughts begin with their first piece.
    /// `None` if it can't be understood.
    fn on_block_start(&mut self, start: Start) -> Option<()> {
        let Start { index, block } = start;
        let block = match block {
            StartOf::Other => return Some(()),
            StartOf::Unreadable => return None,
            StartOf::ToolUse(call) => {
                let id = call.tool_use_id.clone();
                self.waiting.retain(|other| other.tool_use_id != id);
                self.waiting.push(call);
                Block::ToolUse(id)
            }
            StartOf::ToolResult(result) => Block::ToolResult(result),
        };
        // An index is used again now and then: what comes belongs to the block that began last.
        if let Some(before) = self.blocks.insert(index, block) {
            self.on_block_end(before);
        }
        Some(())
    }

    /// A piece of a block. `None` if it can't be understood.
    fn on_delta(&mut self, delta: Delta, payload: &[u8]) -> Option<()> {
        let Delta { index, piece } = delta;
        match piece {
            // Nothing that the model says to the user.
            Piece::Text(_) if self.is_of_harness => self.trace("contentBlockDelta", payload),
            Piece::Text(text) => {
                if !text.is_empty() {
                    self.events.push_back(Event::Text(text.into_bytes()));
                }
            }
            Piece::Reasoning(text) => {
                self.blocks.insert(index, Block::Reasoning);
                if !text.is_empty() {
                    self.events.push_back(Event::Reasoning(text));
                }
            }
            // Signatures and what providers encrypt are for the model only.
            Piece::ReasoningForModel => {}
            Piece::Input(piece) => {
                let Some(Block::ToolUse(id)) = self.blocks.get(&index) else { return None };
                let mut waiting = self.waiting.iter_mut();
                waiting.find(|call| call.tool_use_id == *id)?.input.push_str(&piece);
            }
            Piece::Result(piece) => match self.blocks.get_mut(&index) {
                Some(Block::ToolResult(result)) => result.push(&piece),
                _ => return None,
            },
            Piece::ResultMetadata => self.trace("contentBlockDelta", payload),
        }
        Some(())
    }

    /// A block is at its end. A result is told together with its call.
    fn on_block_end(&mut self, block: Block) {
        match block {
            Block::Reasoning => self.events.push_back(Event::ReasoningEnd),
            Block::ToolUse(_) => {}
            Block::ToolResult(result) => {
                let mut waiting = self.waiting.iter();
                let position = waiting.position(|call| call.tool_use_id == result.tool_use_id);
                // One without a call is of an earlier run, whose client knows it.
                if let Some(position) = position {
                    let WaitingCall { tool_use_id, name, input } = self.waiting.remove(position);
                    self.events.push_back(Event::FinishedToolCall(FinishedToolCall {
                        id: tool_use_id,
                        name,
                        arguments: arguments(input),
                        failed: result.failed,
                        result: result.into_text(),
                    }));
                }
            }
        }
    }

    /// What has no end of its own ends with its message.
    fn end_blocks(&mut self) {
        let mut blocks: Vec<(u64, Block)> = self.blocks.drain().collect();
        blocks.sort_unstable_by_key(|(index, _)| *index);
        for (_, block) in blocks {
            self.on_block_end(block);
        }
    }

    /// The stream is at its end: how the answer ended.
    fn on_end(&mut self) -> Result<(), Failure> {
        self.end_blocks();
        // After its own message the harness has the model go on.
        let reason = self.stop_reason.take().filter(|_| !self.is_of_harness);
        let Some(reason) = reason else {
            return Err(Failure::new(ErrorCode::ConnectionLost).with_source(NoMessageStop));
        };
        let failure = of_stop_reason(&reason);
        let is_for_tool_calls = reason == "tool_use";
        if !reason.is_empty() {
            self.events.push_back(Event::StopReason(reason));
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        if is_for_tool_calls {
            if self.waiting.is_empty() {
                return Err(Failure::new(ErrorCode::BadGateway).with_source(NoToolCall));
            }
            let calls = mem::take(&mut self.waiting);
            let calls = calls.into_iter().map(|call| Event::ToolCall(self.of_client(call)));
            let calls: Vec<Event> = calls.collect();
            self.events.extend(calls);
        }
        Ok(())
    }

    /// A call that is handed to the client.
    fn of_client(&self, call: WaitingCall) -> ToolCall {
        let WaitingCall { tool_use_id, name, input } = call;
        let id = ToolCallId {
            session: self.session.clone(),
            tool_use_id,
            name: name.clone(),
            input: input.clone(),
        };
        ToolCall {
            id: id.encode(),
            name,
            arguments: arguments(input),
            result_kind: ResultKind::Result,
        }
    }

    /// Why the answer broke off.
    fn interruption(&self, error: StreamError) -> Failure {
        let code = match error {
            // What came is not the beginning of an event stream, whatever it calls itself.
            StreamError::NoFrame(_) | StreamError::EndInsideFrame if !self.has_begun => {
                ErrorCode::BadGateway
            }
            _ => ErrorCode::ConnectionLost,
        };
        Failure::new(code).with_source(error)
    }
}

impl ToolResult {
    fn push(&mut self, piece: &str) {
        let room = MAX_RESULT - self.content.len();
        let end = piece.floor_char_boundary(room);
        self.content.push_str(&piece[..end]);
        self.cut += piece.len() - end;
    }

    /// What the client gets.
    fn into_text(self) -> String {
        let Self { mut content, cut, .. } = self;
        if cut > 0 {
            // Writing to a string can't fail.
            let _ = write!(content, "… (the relay left out {cut} bytes more)");
        }
        content
    }
}

/// The text of an event that has nothing else, as most have: read in one go, and not as tolerantly.
fn text_alone(payload: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow)]
        delta: TextDelta<'a>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct TextDelta<'a> {
        #[serde(borrow)]
        text: Cow<'a, str>,
    }
    let payload: Payload<'_> = serde_json::from_slice(payload).ok()?;
    Some(payload.delta.text.into_owned())
}

/// The input of a tool, as the client gets it.
fn arguments(input: String) -> String {
    if input.is_empty() { NO_INPUT.to_owned() } else { input }
}

fn raw(name: &str, payload: &[u8]) -> Raw {
    Raw { source: SOURCE, name: name.to_owned(), json: json::raw(payload) }
}

/// Which block of its message an event is about. One that does not say is about the first.
fn index_of(payload: &Object<'_>) -> u64 {
    payload.count("contentBlockIndex").unwrap_or_default()
}

/// The beginning of a block.
struct Start {
    index: u64,
    block: StartOf,
}

enum StartOf {
    ToolUse(WaitingCall),
    ToolResult(ToolResult),
    /// A tool's, without what is needed of it.
    Unreadable,
    /// Of a kind that begins with its first piece, or of one that is not known.
    Other,
}

impl Start {
    fn read(payload: &Object<'_>) -> Self {
        let start = payload.object("start");
        let of = |member| start.as_ref().and_then(|start| start.object(member));
        let block = if let Some(tool_use) = of("toolUse") {
            match (tool_use.text("toolUseId"), tool_use.text("name")) {
                (Some(id), Some(name)) => StartOf::ToolUse(WaitingCall {
                    tool_use_id: id.into_owned(),
                    name: name.into_owned(),
                    input: String::new(),
                }),
                _ => StartOf::Unreadable,
            }
        } else if let Some(result) = of("toolResult") {
            match result.text("toolUseId") {
                Some(id) => StartOf::ToolResult(ToolResult {
                    tool_use_id: id.into_owned(),
                    content: String::new(),
                    cut: 0,
                    failed: result.text("status").as_deref() == Some("error"),
                }),
                None => StartOf::Unreadable,
            }
        } else {
            StartOf::Other
        };
        Self { index: index_of(payload), block }
    }
}

/// A piece of a block.
struct Delta {
    index: u64,
    piece: Piece,
}

enum Piece {
    Text(String),
    Reasoning(String),
    ReasoningForModel,
    /// Of the JSON text of a tool's input.
    Input(String),
    /// Of a tool's result.
    Result(String),
    ResultMetadata,
}

impl Delta {
    const MEMBERS: [&str; 5] =
        ["text", "toolUse", "toolResult", "reasoningContent", "toolResultMetadata"];

    /// `None` if there is no piece of a known kind.
    fn read(index: Option<&RawValue>, delta: Option<&RawValue>) -> Option<Self> {
        let index = index.and_then(|index| index.get().parse().ok()).unwrap_or_default();
        let piece =
            |[text, tool_use, result, reasoning, metadata]: [Option<&RawValue>; 5]| {
                if let Some(text) = text {
                    return json::text(text).map(|text| Piece::Text(text.into_owned()));
                }
                if let Some(tool_use) = tool_use.and_then(|json| Object::parse(json.get())) {
                    return tool_use.text("input").map(|input| Piece::Input(input.into_owned()));
                }
                if let Some(reasoning) = reasoning.and_then(|json| Object::parse(json.get())) {
                    let text = reasoning.text("text");
                    return Some(text.map_or(Piece::ReasoningForModel, |text| {
                        Piece::Reasoning(text.into_owned())
                    }));
                }
                if let Some(result) = result {
                    return result_text(result).map(Piece::Result);
                }
                metadata.map(|_| Piece::ResultMetadata)
            };
        let piece = json::read_members(delta?.get().as_bytes(), Self::MEMBERS, piece).flatten()?;
        Some(Self { index, piece })
    }
}

/// The text of a list of contents of a tool's result. JSON among them is text, too.
fn result_text(list: &RawValue) -> Option<String> {
    let contents: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    let mut text = String::new();
    for content in contents {
        let content = Object::parse(content.get())?;
        if let Some(piece) = content.text("text") {
            text.push_str(&piece);
        } else {
            text.push_str(content.get("json")?.get());
        }
    }
    Some(text)
}

/// The tokens that one call of a model used.
///
/// AG-UI counts tokens of caches among those of the prompt. Bedrock's models count them beside it; where
/// there is a total, it tells which of both this model does.
fn usage(payload: &Object<'_>) -> Option<Usage> {
    let usage = payload.object("usage")?;
    let (input, output) = (usage.count("inputTokens"), usage.count("outputTokens"));
    let cached = usage.count("cacheReadInputTokens");
    let cache_write = usage.count("cacheWriteInputTokens");
    if [input, output, cached, cache_write].iter().all(Option::is_none) {
        return None;
    }
    let (input, output) = (input.unwrap_or_default(), output.unwrap_or_default());
    let of_caches = cached.unwrap_or_default().saturating_add(cache_write.unwrap_or_default());
    let are_counted = usage.count("totalTokens") == Some(input.saturating_add(output));
    Some(Usage {
        input_tokens: if are_counted { input } else { input.saturating_add(of_caches) },
        output_tokens: output,
        cached_input_tokens: cached,
        cache_write_input_tokens: cache_write,
    })
}

#[cfg(test)]
mod tests;
