//! What an agent does in one run, step by step, and the bytes that it becomes.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::Input;
use super::rejection::{EVENT_STREAM, Rejection};
use crate::scripted::json::Json;
use crate::scripted::pace;
use crate::scripted::speech;

/// The steps of one run, in order, and how they go out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// The content type of the response.
    pub(super) content_type: &'static str,
    pub(super) framing: Framing,
}

/// How events become bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Framing {
    /// Lines end with two characters.
    pub(super) crlf: bool,
    /// Each event stands in a string of JSON once more, as where a handler of AWS's own SDK yields lines.
    pub(super) quoted: bool,
    /// Each event is cut into pieces of so many bytes.
    pub(super) piece: Option<usize>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing happens for this long.
    Wait(Duration),
    /// An event.
    Event(Event),
    /// `MESSAGES_SNAPSHOT`: the messages of the input, and these behind them.
    Messages(Vec<Json>),
    /// `STATE_SNAPSHOT`: the state of the input.
    State,
    /// Bytes of the body, as they are.
    Data(String),
    /// A refusal: the response itself, where it is the first step, else a `RUN_ERROR`. The last step.
    Rejection(Rejection),
    /// The connection breaks; the last step.
    Cut,
}

/// An event in its own spelling.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    json: String,
    /// Whether it is a piece of text.
    pub(super) is_text: bool,
    /// Whether it says that the run has failed.
    pub(super) is_failure: bool,
}

/// What of an event matters here.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

impl Event {
    /// An event with this JSON.
    pub(super) fn new(json: String) -> Self {
        // An event may be anything; one of another form has no type.
        let kind = serde_json::from_str::<Kind>(&json).map_or(String::new(), |event| event.kind);
        let is_text = matches!(&*kind, "TEXT_MESSAGE_CONTENT" | "TEXT_MESSAGE_CHUNK");
        Self { json, is_text, is_failure: kind == "RUN_ERROR" }
    }
}

impl From<&Value> for Step {
    fn from(event: &Value) -> Self {
        Self::Event(Event::new(event.to_string()))
    }
}

impl Default for Script {
    fn default() -> Self {
        Self { steps: Vec::new(), content_type: EVENT_STREAM, framing: Framing::default() }
    }
}

impl Script {
    /// An empty script.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One that begins a run of this input.
    pub(super) fn started(input: &Input) -> Self {
        let Input { thread_id, run_id, .. } = input;
        Self::new().event(&json!({ "type": "RUN_STARTED", "threadId": thread_id, "runId": run_id }))
    }

    /// Ends the run of this input.
    pub(super) fn finished(self, input: &Input) -> Self {
        let Input { thread_id, run_id, .. } = input;
        self.event(&json!({ "type": "RUN_FINISHED", "threadId": thread_id, "runId": run_id }))
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

    /// Adds an event.
    pub(super) fn event(self, event: &Value) -> Self {
        self.step(Step::from(event))
    }

    /// Begins a message of text.
    pub(super) fn text_start(self, id: &str) -> Self {
        self.event(&json!({ "type": "TEXT_MESSAGE_START", "messageId": id, "role": "assistant" }))
    }

    /// Adds a piece of its text.
    pub(super) fn text(self, id: &str, delta: &str) -> Self {
        self.step(text(id, delta))
    }

    /// Ends it.
    pub(super) fn text_end(self, id: &str) -> Self {
        self.event(&json!({ "type": "TEXT_MESSAGE_END", "messageId": id }))
    }

    /// Adds a message of text in pieces, at a steady pace or at that of a model.
    pub(super) fn say(self, id: &str, said: &str, steady: Option<Duration>) -> Self {
        let pieces = speech::pieces(said, steady).into_iter();
        let pieces = pieces.flat_map(|(pause, piece)| [Step::Wait(pause), text(id, piece)]);
        self.text_start(id).steps(pieces).text_end(id)
    }

    /// The script in other bytes.
    pub(super) fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// The script that is so many times as fast; at speed 0 without any silence.
    pub(super) fn at_speed(mut self, speed: f64) -> Self {
        for step in &mut self.steps {
            if let Step::Wait(silence) = step {
                *silence = pace::at_speed(*silence, speed);
            }
        }
        self
    }

    /// The response that it is instead of a stream.
    pub(super) fn rejection(&self) -> Option<&Rejection> {
        match self.steps.first() {
            Some(Step::Rejection(rejection)) => Some(rejection),
            _ => None,
        }
    }

    /// The script with the snapshots of what the input has.
    pub(super) fn with_snapshots_of(mut self, input: &Input) -> Self {
        for step in &mut self.steps {
            let snapshot = match step {
                Step::State => {
                    let state = input.state.text();
                    format!(r#"{{"type":"STATE_SNAPSHOT","snapshot":{state}}}"#)
                }
                Step::Messages(more) => {
                    let all = input.messages.iter().chain(&*more);
                    let all: Vec<&str> = all.map(Json::text).collect();
                    format!(r#"{{"type":"MESSAGES_SNAPSHOT","messages":[{}]}}"#, all.join(","))
                }
                _ => continue,
            };
            *step = Step::Event(Event::new(snapshot));
        }
        self
    }
}

impl Framing {
    /// The bytes of an event, in the pieces in which they go out.
    pub(super) fn event(self, event: &Event) -> Vec<Bytes> {
        let mut text = format!("data: {}\n\n", event.json);
        if self.quoted {
            text = format!("data: {}\n\n", Value::from(text));
        }
        self.bytes(&text)
    }

    /// The bytes of a text, in the pieces in which they go out.
    pub(super) fn bytes(self, text: &str) -> Vec<Bytes> {
        let bytes: Bytes =
            if self.crlf { text.replace('\n', "\r\n") } else { text.to_owned() }.into();
        match self.piece {
            Some(piece) => bytes.chunks(piece.max(1)).map(Bytes::copy_from_slice).collect(),
            None => vec![bytes],
        }
    }
}

fn text(id: &str, delta: &str) -> Step {
    Step::from(&json!({ "type": "TEXT_MESSAGE_CONTENT", "messageId": id, "delta": delta }))
}
