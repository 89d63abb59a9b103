//! What a harness does in one run, step by step.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::exception::Refusal;
use crate::scripted::pace;
use crate::scripted::speech;

/// The steps of one run, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing happens for this long.
    Wait(Duration),
    /// An event of the stream.
    Event(Event),
    /// A frame of any other kind.
    Frame {
        /// The headers, such as `:event-type`.
        headers: Vec<(String, String)>,
        /// The payload.
        payload: Bytes,
    },
    /// An exception; the last step.
    Exception(Refusal),
    /// The connection breaks; the last step.
    Cut,
    /// An event with a wrong checksum; the last step.
    Corrupt,
}

/// An event of the stream: its type, and its payload as JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) event_type: String,
    pub(super) payload: String,
}

/// A call of the model that its caller is to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToolCall {
    pub(super) tool_use_id: String,
    pub(super) name: String,
}

/// How many tokens a call of the model took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) latency_ms: u64,
}

/// What of an event matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload {
    content_block_index: Option<usize>,
    start: Start,
    delta: Delta,
    stop_reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Start {
    tool_use: Option<ToolUseStart>,
    tool_result: Option<ToolResultStart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUseStart {
    tool_use_id: String,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResultStart {
    tool_use_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta {
    text: Option<String>,
}

impl Event {
    /// An event with this payload.
    pub(super) fn new(event_type: &str, payload: &Value) -> Self {
        Self { event_type: event_type.to_owned(), payload: payload.to_string() }
    }

    /// Whether it is a piece of text.
    pub(super) fn is_text(&self) -> bool {
        self.event_type == "contentBlockDelta" && self.read().delta.text.is_some()
    }

    /// What of it is known; a payload of another form has nothing of that.
    fn read(&self) -> Payload {
        serde_json::from_str(&self.payload).unwrap_or_default()
    }
}

impl Script {
    /// An empty script.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    pub(super) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds steps.
    pub(super) fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.extend(steps);
        self
    }

    /// Adds silence.
    pub(super) fn wait(self, duration: Duration) -> Self {
        self.step(Step::Wait(duration))
    }

    /// Adds silence of so many milliseconds.
    pub(super) fn wait_ms(self, milliseconds: u64) -> Self {
        self.wait(Duration::from_millis(milliseconds))
    }

    /// Adds an event.
    pub(super) fn event(self, event_type: &str, payload: &Value) -> Self {
        self.step(Step::Event(Event::new(event_type, payload)))
    }

    /// Begins a message of the model.
    pub(super) fn message_start(self) -> Self {
        self.event("messageStart", &json!({ "role": "assistant" }))
    }

    /// Adds a piece of text. It begins no block, and neither does the service for text.
    pub(super) fn text(self, index: usize, text: &str) -> Self {
        self.step(Step::text(index, text))
    }

    /// Adds a text in pieces, at a steady pace or at that of a model.
    pub(super) fn say(self, index: usize, text: &str, steady: Option<Duration>) -> Self {
        let pieces = speech::pieces(text, steady).into_iter();
        self.steps(pieces.flat_map(|(pause, piece)| [Step::Wait(pause), Step::text(index, piece)]))
    }

    /// Ends a block.
    pub(super) fn block_stop(self, index: usize) -> Self {
        self.event("contentBlockStop", &json!({ "contentBlockIndex": index }))
    }

    /// Ends a message of the model, and says what it took.
    pub(super) fn message_stop(self, stop_reason: &str, usage: Usage) -> Self {
        let Usage { input, output, latency_ms } = usage;
        self.event("messageStop", &json!({ "stopReason": stop_reason })).event(
            "metadata",
            &json!({
                "metrics": { "latencyMs": latency_ms },
                "usage": {
                    "inputTokens": input,
                    "outputTokens": output,
                    "totalTokens": input + output,
                },
            }),
        )
    }

    /// The script with each text in one piece, as of a model that does not stream.
    pub(super) fn in_whole_blocks(self) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        let mut block: Option<(Value, String)> = None;
        for step in self.steps {
            let piece = match &step {
                Step::Event(event) if event.event_type == "contentBlockDelta" => {
                    event.read().delta.text
                }
                // The pause before a piece of a block that is not whole yet.
                Step::Wait(_) if block.is_some() => continue,
                _ => None,
            };
            if let (Some(piece), Step::Event(event)) = (&piece, &step) {
                let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
                let index = payload["contentBlockIndex"].clone();
                block.get_or_insert((index, String::new())).1.push_str(piece);
                continue;
            }
            if let Some((index, text)) = block.take() {
                let payload = json!({ "contentBlockIndex": index, "delta": { "text": text } });
                steps.push(Step::Event(Event::new("contentBlockDelta", &payload)));
            }
            steps.push(step);
        }
        Self { steps }
    }

    /// The script without the blocks from this number on.
    pub(super) fn with_blocks(mut self, blocks: usize) -> Self {
        self.steps.retain(|step| match step {
            Step::Event(event) => {
                event.read().content_block_index.is_none_or(|index| index < blocks)
            }
            _ => true,
        });
        self
    }

    /// The script so many times as fast; 0 leaves no silence at all.
    pub(super) fn at_speed(mut self, speed: f64) -> Self {
        for step in &mut self.steps {
            if let Step::Wait(duration) = step {
                *duration = pace::at_speed(*duration, speed);
            }
        }
        self
    }

    /// The calls that its caller is to make: those without a result, if the last message of the model
    /// stops for them.
    pub(super) fn pending(&self) -> Vec<ToolCall> {
        let mut pending: Vec<ToolCall> = Vec::new();
        let mut stop_reason = String::new();
        for step in &self.steps {
            let event = match step {
                Step::Event(event) => event,
                Step::Exception(_) | Step::Cut | Step::Corrupt => return Vec::new(),
                Step::Wait(_) | Step::Frame { .. } => continue,
            };
            let Payload { start, stop_reason: reason, .. } = event.read();
            match &*event.event_type {
                "messageStop" => stop_reason = reason,
                "contentBlockStart" => {
                    if let Some(ToolUseStart { tool_use_id, name }) = start.tool_use {
                        pending.push(ToolCall { tool_use_id, name });
                    }
                    if let Some(result) = start.tool_result {
                        pending.retain(|call| call.tool_use_id != result.tool_use_id);
                    }
                }
                _ => {}
            }
        }
        if stop_reason == "tool_use" { pending } else { Vec::new() }
    }

    /// The exception that is the whole response, when the script begins with one: the service then
    /// answers with an HTTP status instead of a stream.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self.steps.first() {
            Some(Step::Exception(refusal)) => Some(refusal),
            _ => None,
        }
    }
}

impl Step {
    /// A piece of text.
    pub(super) fn text(index: usize, text: &str) -> Self {
        let payload = json!({ "contentBlockIndex": index, "delta": { "text": text } });
        Self::Event(Event::new("contentBlockDelta", &payload))
    }

    /// A piece of reasoning.
    pub(super) fn reasoning(index: usize, text: &str) -> Self {
        let delta = json!({ "reasoningContent": { "text": text } });
        let payload = json!({ "contentBlockIndex": index, "delta": delta });
        Self::Event(Event::new("contentBlockDelta", &payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::exception::HarnessException;

    const USAGE: Usage = Usage { input: 1, output: 2, latency_ms: 3 };

    fn tool_use(index: usize, id: &str) -> Step {
        let start = json!({ "toolUse": { "toolUseId": id, "name": "get_weather" } });
        let payload = json!({ "contentBlockIndex": index, "start": start });
        Step::Event(Event::new("contentBlockStart", &payload))
    }

    fn tool_result(id: &str) -> Step {
        let start = json!({ "toolResult": { "toolUseId": id, "status": "success" } });
        let payload = json!({ "contentBlockIndex": 0, "start": start });
        Step::Event(Event::new("contentBlockStart", &payload))
    }

    #[test]
    fn calls_without_a_result_are_the_callers_if_the_stream_ends_for_them() {
        let ids = |script: &Script| -> Vec<String> {
            script.pending().into_iter().map(|call| call.tool_use_id).collect()
        };
        let asks = Script::new().message_start().step(tool_use(0, "a")).step(tool_use(0, "b"));
        let asked = asks.clone().message_stop("tool_use", USAGE);
        assert_eq!(ids(&asked), ["a", "b"]);
        assert_eq!(ids(&asked.clone().step(tool_result("a"))), ["b"]);
        let ended = asked.clone().step(tool_result("a")).message_start();
        assert_eq!(ids(&ended.message_stop("end_turn", USAGE)), [""; 0]);
        assert_eq!(ids(&asks.message_stop("max_tokens", USAGE)), [""; 0]);
        let failed = asked.step(Step::Exception(HarnessException::InternalServer.into()));
        assert_eq!(ids(&failed), [""; 0]);
    }

    #[test]
    fn without_streaming_each_text_comes_whole() {
        let script =
            Script::new().message_start().wait_ms(5).say(1, "one two three four five", None);
        let script = script.block_stop(1).message_stop("end_turn", USAGE).in_whole_blocks();
        let expected = Script::new()
            .message_start()
            .wait_ms(5)
            .wait_ms(35)
            .text(1, "one two three four five")
            .block_stop(1)
            .message_stop("end_turn", USAGE);
        assert_eq!(script, expected);
    }
}
