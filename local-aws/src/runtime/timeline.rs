//! Timelines of a runtime: what an agent says and when, as JSON Lines, one line an event.
//!
//! ```json
//! {"event":{"type":"RUN_STARTED","threadId":"${thread_id}","runId":"${run_id}"}}
//! {"after_ms":200,"say":"Hello **world**.","every_ms":25,"id":"m-${id}"}
//! {"event":{"type":"RUN_FINISHED","threadId":"${thread_id}","runId":"${run_id}"}}
//! ```
//!
//! `after_ms` is the silence before the event. What else a line has says what the event is:
//!
//! | Member | The event |
//! |---|---|
//! | `event` | that event of AG-UI, or anything else, in its own spelling |
//! | `say`, `every_ms` and `id` | a message of text in many pieces, at the pace of a model or so many milliseconds apart; without an `id` of its own, each has one |
//! | `think`, `every_ms` and `id` | a thought, likewise |
//! | `call`, `id` and `arguments` | a tool call: its name, and the arguments, JSON, in pieces |
//! | `snapshot` | `state`: a `STATE_SNAPSHOT` of the state that the agent got; `messages`: a `MESSAGES_SNAPSHOT` of the messages that it got, and those of `more` behind them |
//! | `data` | bytes of the body, as they are |
//! | `exception` | an error: of AWS's name, such as `throttlingException`, or of the platform's code for AG-UI, such as `SESSION_BUSY`; without `after_ms` in the first line the response itself, else a `RUN_ERROR` |
//! | `break` | `cut` breaks the connection; the run ends |
//! | `turn` | nothing: the line begins the run of that number; a file without such lines is one run |
//!
//! The placeholders are `${id}` (32 hexadecimal digits that tell all runs apart), `${prompt}`,
//! `${prompt_in_json}`, `${quoted_prompt}` (one short line), `${run_id}`, `${runtime_arn}`, `${said}` (the
//! text of the run so far), `${session_id}`, `${thread_id}`, `${time+250}` (so many milliseconds after the
//! run began) and `${turn}`.

use std::time::Duration;

use serde_json::{Value, json};

use super::prompt::rejection;
use super::script::{Event, Script, Step};
use crate::scripted::json::Json;
use crate::scripted::placeholders::Placeholders;
use crate::scripted::speech;
use crate::scripted::timeline_lines::{self, Line, TimelineError, Turn};

/// How many characters of a call's arguments come in one piece.
const PIECE: usize = 16;

/// The silence before each of them.
const PIECE_PAUSE: Duration = Duration::from_millis(10);

/// Reads a timeline: a script for each of its runs.
pub(super) fn parse(text: &str, placeholders: &Placeholders) -> Result<Vec<Script>, TimelineError> {
    timeline_lines::parse::<RuntimeTurn>(text, placeholders)
}

/// A run that is being read.
struct RuntimeTurn {
    script: Script,
    placeholders: Placeholders,
    /// Counts the messages, thoughts and calls that have no id of their own.
    parts: usize,
}

impl Turn for RuntimeTurn {
    type Script = Script;

    fn new(placeholders: &Placeholders) -> Self {
        Self { script: Script::new(), placeholders: placeholders.clone(), parts: 0 }
    }

    fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    fn is_empty(&self) -> bool {
        self.script.steps.is_empty()
    }

    fn has_ended(&self) -> bool {
        matches!(self.script.steps.last(), Some(Step::Rejection(_) | Step::Cut))
    }

    fn wait(&mut self, silence: Duration) {
        self.push(Step::Wait(silence));
    }

    fn event(&mut self, line: &mut Line) -> Result<(), String> {
        const STRING: &str = "a string";
        if let Some(event) = line.take::<Json>("event", "JSON")? {
            self.push(Step::Event(Event::new(event.text().to_owned())));
        } else if let Some(text) = line.take::<String>("say", STRING)? {
            self.speak(line, &text, ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"])?;
        } else if let Some(text) = line.take::<String>("think", STRING)? {
            self.speak(line, &text, ["REASONING_START", "REASONING_MESSAGE_CONTENT"])?;
        } else if let Some(name) = line.take::<String>("call", STRING)? {
            self.call(line, &name)?;
        } else if let Some(what) = line.take::<String>("snapshot", STRING)? {
            self.push(match &*what {
                "state" => Step::State,
                "messages" => {
                    Step::Messages(line.take("more", "a list of messages")?.unwrap_or_default())
                }
                _ => return Err("`snapshot` must be `state` or `messages`".to_owned()),
            });
        } else if let Some(data) = line.take::<String>("data", STRING)? {
            self.push(Step::Data(data));
        } else if let Some(name) = line.take::<String>("exception", STRING)? {
            let rejection = rejection(&name).map_err(|must| format!("`exception` {must}"))?;
            self.push(Step::Rejection(rejection));
        } else if let Some(how) = line.take::<String>("break", STRING)? {
            if how != "cut" {
                return Err("`break` must be `cut`".to_owned());
            }
            self.push(Step::Cut);
        } else {
            return Err("it has no event; a line needs one of `event`, `say`, `think`, `call`, \
                 `snapshot`, `data`, `exception`, `break` and `turn`"
                .to_owned());
        }
        Ok(())
    }

    fn into_script(self) -> Script {
        self.script
    }
}

impl RuntimeTurn {
    fn push(&mut self, step: Step) {
        self.script.steps.push(step);
    }

    fn json(&mut self, event: &Value) {
        self.push(Step::from(event));
    }

    /// The id of a line, or one that tells all parts of all runs apart.
    fn id(&mut self, line: &mut Line, kind: &str) -> Result<String, String> {
        self.parts += 1;
        if let Some(id) = line.take("id", "a string")? {
            return Ok(id);
        }
        let id = self.placeholders.fill("${id}")?;
        Ok(format!("{kind}-{}-{id}", self.parts))
    }

    /// Says or thinks a text in pieces.
    fn speak(&mut self, line: &mut Line, text: &str, kinds: [&str; 2]) -> Result<(), String> {
        let id = self.id(line, "message")?;
        let steady = line.milliseconds("every_ms")?;
        let [start, content] = kinds;
        let is_thought = start == "REASONING_START";
        if is_thought {
            self.json(&json!({ "type": start, "messageId": id }));
            let kind = "REASONING_MESSAGE_START";
            self.json(&json!({ "type": kind, "messageId": id, "role": "reasoning" }));
        } else {
            self.placeholders.say(text);
            self.json(&json!({ "type": start, "messageId": id, "role": "assistant" }));
        }
        for (pause, piece) in speech::pieces(text, steady) {
            self.push(Step::Wait(pause));
            self.json(&json!({ "type": content, "messageId": id, "delta": piece }));
        }
        if is_thought {
            self.json(&json!({ "type": "REASONING_MESSAGE_END", "messageId": id }));
            self.json(&json!({ "type": "REASONING_END", "messageId": id }));
        } else {
            self.json(&json!({ "type": "TEXT_MESSAGE_END", "messageId": id }));
        }
        Ok(())
    }

    /// Calls a tool, whose arguments come in pieces.
    fn call(&mut self, line: &mut Line, name: &str) -> Result<(), String> {
        let id = self.id(line, "call")?;
        let arguments = line.take::<Json>("arguments", "JSON")?;
        let arguments = arguments.as_ref().map_or("{}", Json::text);
        self.json(&json!({ "type": "TOOL_CALL_START", "toolCallId": id, "toolCallName": name }));
        let characters: Vec<char> = arguments.chars().collect();
        for piece in characters.chunks(PIECE) {
            let delta: String = piece.iter().collect();
            self.push(Step::Wait(PIECE_PAUSE));
            self.json(&json!({ "type": "TOOL_CALL_ARGS", "toolCallId": id, "delta": delta }));
        }
        self.json(&json!({ "type": "TOOL_CALL_END", "toolCallId": id }));
        Ok(())
    }
}
