//! Timelines of a harness: what it says and when, as JSON Lines, one line an event.
//!
//! ```json
//! {"after_ms":40,"messageStart":{"role":"assistant"}}
//! {"think":"They greet me.","index":0}
//! {"say":"Hello **world**.","every_ms":25}
//! {"messageStop":{"stopReason":"end_turn"}}
//! {"metadata":{"metrics":{"latencyMs":350},"usage":{"inputTokens":12,"outputTokens":7,"totalTokens":19}}}
//! ```
//!
//! `after_ms` is the silence before the event. What else a line has says what the event is:
//!
//! | Member | The event |
//! |---|---|
//! | `messageStart`, `contentBlockStart`, `contentBlockDelta`, `contentBlockStop`, `messageStop`, `metadata`, `hookEvent` | that event: its payload |
//! | `say`, `every_ms` and `index` | a block of text in many pieces, at the pace of a model or so many milliseconds apart |
//! | `think`, `every_ms` and `index` | a block of reasoning, likewise, with a signature at its end |
//! | `toolUse` | a block in which the model calls a tool: `{"toolUseId":…,"name":…}` and whatever else its `contentBlockStart` has; with `input`, JSON, or `input_text`, any text, in pieces; and `every_ms` and `index` |
//! | `toolResult` | a block with a tool's result: `{"toolUseId":…,"status":…}`; with `text`, in pieces; and `every_ms` and `index` |
//! | `event` | any other frame: `{"type":…}` or all its `headers`, with a `payload` of JSON or a `payload_base64` |
//! | `exception`, and `message` | an exception, which ends the run; without `after_ms` in the first line, an HTTP status instead of a stream |
//! | `break` | `cut` breaks the connection, `corrupt` sends a frame with a wrong checksum; the run ends |
//! | `turn` | nothing: the line begins the run of that number; a file without such lines is one run |
//!
//! The blocks of a message are numbered from 0, where no `index` says otherwise. A run whose last
//! `messageStop` has the reason `tool_use` asks its caller for the results of the calls that have none;
//! the next run follows when they are here.
//!
//! The placeholders are `${harness_arn}`, `${id}` (32 hexadecimal digits that tell all runs apart, for
//! ids of calls), `${prompt}`, `${prompt_in_json}` (inside JSON that stands in a string), `${quoted_prompt}`
//! (one short line), `${said}` (the text of the run so far), `${session_id}`, `${time+250}` (so many
//! milliseconds after the run began), `${turn}` and `${uuid_tail}` (what follows the
//! first eight digits of a UUID, for ids of hooks).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::exception::{HarnessException, Refusal};
use super::script::{Event, Script, Step};
use crate::scripted::json::Json;
use crate::scripted::placeholders::Placeholders;
use crate::scripted::speech;
use crate::scripted::timeline_lines::{self, Frame, Line, TimelineError, Turn};

/// The events of the stream that a timeline may have as they are.
pub(super) const EVENT_TYPES: [&str; 7] = [
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
    "hookEvent",
];

/// How many characters of a tool's input or result come in one piece.
const PIECE: usize = 16;

/// The silence before each of them.
const PIECE_PAUSE: Duration = Duration::from_millis(10);

/// Reads a timeline: a script for each of its runs.
pub(super) fn parse(text: &str, placeholders: &Placeholders) -> Result<Vec<Script>, TimelineError> {
    timeline_lines::parse::<HarnessTurn>(text, placeholders)
}

/// A run that is being read.
struct HarnessTurn {
    script: Script,
    placeholders: Placeholders,
    /// The index of the next block.
    index: usize,
}

impl Turn for HarnessTurn {
    type Script = Script;

    fn new(placeholders: &Placeholders) -> Self {
        Self { script: Script::new(), placeholders: placeholders.clone(), index: 0 }
    }

    fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    fn is_empty(&self) -> bool {
        self.script.steps.is_empty()
    }

    fn has_ended(&self) -> bool {
        matches!(self.script.steps.last(), Some(Step::Exception(_) | Step::Cut | Step::Corrupt))
    }

    fn wait(&mut self, silence: Duration) {
        self.push(Step::Wait(silence));
    }

    fn event(&mut self, line: &mut Line) -> Result<(), String> {
        const STRING: &str = "a string";
        for event_type in EVENT_TYPES {
            if let Some(payload) = line.take::<Json>(event_type, "JSON")? {
                if event_type == "messageStart" {
                    self.index = 0;
                }
                self.event_as_it_is(event_type, payload.text());
                return Ok(());
            }
        }
        if let Some(text) = line.take::<String>("say", STRING)? {
            self.say(&text, line)?;
        } else if let Some(text) = line.take::<String>("think", STRING)? {
            self.think(&text, line)?;
        } else if let Some(start) = line.take("toolUse", "an object")? {
            self.tool_use(&start, line)?;
        } else if let Some(start) = line.take("toolResult", "an object")? {
            self.tool_result(&start, line)?;
        } else if let Some(frame) = line.take::<Frame>("event", Frame::WHAT)? {
            let (headers, payload) = frame.into_parts()?;
            self.push(Step::Frame { headers, payload });
        } else if let Some(name) = line.take::<String>("exception", STRING)? {
            let exception = HarnessException::by_name(&name)
                .ok_or("`exception` must be one of AgentCore's, such as `runtimeClientError`")?;
            let message: Option<String> = line.take("message", STRING)?;
            let message = message.unwrap_or_else(|| exception.message().to_owned());
            self.push(Step::Exception(Refusal::new(exception, message)));
        } else {
            self.push(match line.take::<String>("break", STRING)?.as_deref() {
                Some("cut") => Step::Cut,
                Some("corrupt") => Step::Corrupt,
                Some(_) => return Err("`break` must be `cut` or `corrupt`".to_owned()),
                None => {
                    return Err("it has no event; a line needs an event of the stream, such as \
                         `messageStart`, or one of `say`, `think`, `toolUse`, `toolResult`, \
                         `event`, `exception`, `break` and `turn`"
                        .to_owned());
                }
            });
        }
        Ok(())
    }

    fn into_script(self) -> Script {
        self.script
    }
}

impl HarnessTurn {
    fn push(&mut self, step: Step) {
        self.script.steps.push(step);
    }

    fn event_as_it_is(&mut self, event_type: &str, payload: &str) {
        let (event_type, payload) = (event_type.to_owned(), payload.to_owned());
        self.push(Step::Event(Event { event_type, payload }));
    }

    fn payload(&mut self, event_type: &str, payload: &Value) {
        self.push(Step::Event(Event::new(event_type, payload)));
    }

    /// The index of the block of this line, after which the next one is counted.
    fn block(&mut self, line: &mut Line) -> Result<usize, String> {
        let index = line.take("index", "the number of a block")?.unwrap_or(self.index);
        self.index = index.saturating_add(1);
        Ok(index)
    }

    /// Says a text in pieces.
    fn say(&mut self, text: &str, line: &mut Line) -> Result<(), String> {
        let steady = line.milliseconds("every_ms")?;
        let index = self.block(line)?;
        self.script = std::mem::take(&mut self.script).say(index, text, steady).block_stop(index);
        self.placeholders.say(text);
        Ok(())
    }

    /// Thinks a text in pieces.
    fn think(&mut self, text: &str, line: &mut Line) -> Result<(), String> {
        let steady = line.milliseconds("every_ms")?;
        let index = self.block(line)?;
        for (pause, piece) in speech::pieces(text, steady) {
            self.push(Step::Wait(pause));
            self.push(Step::reasoning(index, piece));
        }
        let signature = json!({ "reasoningContent": { "signature": "c2lnbmVkIGxvY2FsbHk=" } });
        self.delta(index, &signature);
        self.stop(index);
        Ok(())
    }

    /// Calls a tool. Models stream the input, and the first piece of it is empty.
    fn tool_use(&mut self, start: &BTreeMap<String, Json>, line: &mut Line) -> Result<(), String> {
        let pause = line.milliseconds("every_ms")?.unwrap_or(PIECE_PAUSE);
        let input = match line.take::<Json>("input", "JSON")? {
            Some(input) => input.text().to_owned(),
            None => line.take("input_text", "a string")?.unwrap_or_default(),
        };
        let index = self.block(line)?;
        self.start(index, "toolUse", start);
        self.delta(index, &json!({ "toolUse": { "input": "" } }));
        for piece in of_characters(&input, PIECE) {
            self.push(Step::Wait(pause));
            self.delta(index, &json!({ "toolUse": { "input": piece } }));
        }
        self.stop(index);
        Ok(())
    }

    /// Has the result of a tool.
    fn tool_result(
        &mut self,
        start: &BTreeMap<String, Json>,
        line: &mut Line,
    ) -> Result<(), String> {
        let pause = line.milliseconds("every_ms")?.unwrap_or(PIECE_PAUSE);
        let text: String = line.take("text", "a string")?.unwrap_or_default();
        let index = self.block(line)?;
        self.start(index, "toolResult", start);
        for piece in of_characters(&text, text.chars().count().div_ceil(2)) {
            self.push(Step::Wait(pause));
            self.delta(index, &json!({ "toolResult": [{ "text": piece }] }));
        }
        self.stop(index);
        Ok(())
    }

    fn start(&mut self, index: usize, kind: &str, start: &BTreeMap<String, Json>) {
        // JSON under keys of text is JSON, so the fallback is never used.
        let start = serde_json::to_string(start).unwrap_or_default();
        let payload = format!("{{\"contentBlockIndex\":{index},\"start\":{{\"{kind}\":{start}}}}}");
        self.event_as_it_is("contentBlockStart", &payload);
    }

    fn delta(&mut self, index: usize, delta: &Value) {
        let payload = json!({ "contentBlockIndex": index, "delta": delta });
        self.payload("contentBlockDelta", &payload);
    }

    fn stop(&mut self, index: usize) {
        self.payload("contentBlockStop", &json!({ "contentBlockIndex": index }));
    }
}

/// A text in parts of so many characters.
fn of_characters(text: &str, size: usize) -> Vec<&str> {
    let starts: Vec<usize> = text.char_indices().step_by(size.max(1)).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}

#[cfg(test)]
mod tests;
