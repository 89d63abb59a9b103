//! Timelines: what an agent says and when, as JSON Lines, one line an event.
//!
//! ```json
//! {"after_ms":40,"chunk":"Hello "}
//! {"after_ms":25,"chunk":"world.","citations":[{"retrievedReferences":[]}]}
//! {"trace":{"orchestrationTrace":{"rationale":{"text":"I greet.","traceId":"${trace_id}-0"}}}}
//! ```
//!
//! `after_ms` is the silence before the event. What else a line has says what the event is:
//!
//! | Member | The event |
//! |---|---|
//! | `chunk`, and `citations` | a chunk of text |
//! | `chunk_base64`, and `citations` | a chunk whose bytes are not UTF-8 by themselves |
//! | `say`, `every_ms` and `cite` | a text in many chunks, at the pace of a model or so many milliseconds apart; `cite` has `{"text":…,"references":[…]}` for each sentence that rests on documents |
//! | `trace`, and `part` | a trace: what Bedrock's event has in `trace`, and its other members, where they are not the agent's own |
//! | `returnControl` | a return of control: its payload |
//! | `files` | the files of a `files` event |
//! | `event` | any other frame: `{"type":…}` or all its `headers`, with a `payload` of JSON or a `payload_base64` |
//! | `exception`, and `message` | an exception, which ends the turn; without `after_ms` in the first line, an HTTP status instead of a stream |
//! | `break` | `cut` breaks the connection, `corrupt` sends a frame with a wrong checksum; the turn ends |
//! | `turn` | nothing: the line begins the turn of that number; a file without such lines is one turn |
//!
//! The placeholders are `${agent_alias_id}`, `${agent_id}`, `${invocation_id}`, `${prompt}`,
//! `${prompt_in_json}` (inside JSON that stands in a string), `${quoted_prompt}` (one short line),
//! `${said}` (the text of the turn so far), `${session_id}`, `${time+250}` (so many milliseconds after
//! the turn began), `${trace_id}` and `${turn}`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::exception::{Exception, Refusal};
use super::return_control::ReturnControl;
use super::script::{Script, Step};
use crate::scripted::event_stream::event_headers;
use crate::scripted::json::Json;
use crate::scripted::placeholders::Placeholders;
use crate::scripted::speech;
use crate::scripted::timeline_lines::{self, Frame, Line, TimelineError, Turn, from_base64};

/// Reads a timeline: a script for each of its turns.
pub(super) fn parse(text: &str, placeholders: &Placeholders) -> Result<Vec<Script>, TimelineError> {
    timeline_lines::parse::<AgentTurn>(text, placeholders)
}

/// A turn that is being read.
struct AgentTurn {
    script: Script,
    placeholders: Placeholders,
    /// How many characters have been said.
    said: usize,
}

impl Turn for AgentTurn {
    type Script = Script;

    fn new(placeholders: &Placeholders) -> Self {
        Self { script: Script::new(), placeholders: placeholders.clone(), said: 0 }
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
        self.script.steps.push(Step::Wait(silence));
    }

    fn event(&mut self, line: &mut Line) -> Result<(), String> {
        const STRING: &str = "a string";
        let step = if let Some(text) = line.take::<String>("chunk", STRING)? {
            self.count(&text);
            Step::Chunk { bytes: text.into(), citations: citations(line)? }
        } else if let Some(text) = line.take::<String>("chunk_base64", STRING)? {
            let bytes = from_base64("chunk_base64", &text)?;
            self.count(&String::from_utf8_lossy(&bytes));
            Step::Chunk { bytes: bytes.into(), citations: citations(line)? }
        } else if let Some(text) = line.take::<String>("say", STRING)? {
            return self.say(&text, line);
        } else if let Some(trace) = line.take("trace", "JSON")? {
            Step::Trace { trace, part: line.take("part", "an object")?.unwrap_or_default() }
        } else if let Some(payload) = line.take("returnControl", "JSON")? {
            let problem = "`returnControl` must be a payload of Bedrock's, with an `invocationId` and \
                           `invocationInputs` of functions or APIs";
            Step::ReturnControl(ReturnControl::from_payload(payload).ok_or(problem)?)
        } else if let Some(files) = line.take::<Vec<Json>>("files", "a list")? {
            Step::event("files", json_text(&BTreeMap::from([("files", files)])))
        } else if let Some(frame) = line.take::<Frame>("event", Frame::WHAT)? {
            let (headers, payload) = frame.into_parts()?;
            Step::Frame { headers, payload }
        } else if let Some(name) = line.take::<String>("exception", STRING)? {
            let exception = Exception::by_name(&name)
                .ok_or("`exception` must be one of Bedrock's, such as `throttlingException`")?;
            let message: Option<String> = line.take("message", STRING)?;
            let message = message.unwrap_or_else(|| exception.message().to_owned());
            Step::Exception(Refusal { exception, message })
        } else {
            match line.take::<String>("break", STRING)?.as_deref() {
                Some("cut") => Step::Cut,
                Some("corrupt") => Step::Corrupt,
                Some(_) => return Err("`break` must be `cut` or `corrupt`".to_owned()),
                None => {
                    return Err("it has no event; a line needs one of `chunk`, `chunk_base64`, `say`, \
                         `trace`, `returnControl`, `files`, `event`, `exception`, `break` and `turn`"
                        .to_owned());
                }
            }
        };
        self.script.steps.push(step);
        Ok(())
    }

    fn into_script(self) -> Script {
        self.script
    }
}

impl AgentTurn {
    /// Says a text in pieces. A citation comes with the chunk in which its sentence ends.
    fn say(&mut self, text: &str, line: &mut Line) -> Result<(), String> {
        let steady = line.milliseconds("every_ms")?;
        let mut claims = Vec::new();
        for claim in line.take::<Vec<Claim>>("cite", Claim::WHAT)?.unwrap_or_default() {
            let start = text.find(&claim.text).ok_or("`cite` must have sentences of the text")?;
            let end = start + claim.text.len();
            let span = |at: usize| self.said + text[..at].chars().count();
            claims.push((end, claim.citation(span(start), span(end))?));
        }
        let mut end = 0;
        for (pause, piece) in speech::pieces(text, steady) {
            let start = end;
            end += piece.len();
            let cited = claims.iter().filter(|(at, _)| (start + 1..=end).contains(at));
            let citations = cited.map(|(_, citation)| citation.clone()).collect();
            let chunk = Step::Chunk { bytes: piece.to_owned().into(), citations };
            self.script.steps.extend([Step::Wait(pause), chunk]);
        }
        self.count(text);
        Ok(())
    }

    fn count(&mut self, text: &str) {
        self.said += text.chars().count();
        self.placeholders.say(text);
    }
}

fn citations(line: &mut Line) -> Result<Vec<Json>, String> {
    Ok(line.take("citations", "a list")?.unwrap_or_default())
}

/// A sentence that rests on documents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    text: String,
    references: Json,
}

impl Claim {
    const WHAT: &str = "a list of objects with `text` and `references`";

    fn citation(&self, start: usize, end: usize) -> Result<Json, String> {
        let text = Json::string(&self.text);
        let (text, references) = (text.text(), self.references.text());
        let citation = format!(
            "{{\"generatedResponsePart\":{{\"textResponsePart\":{{\"span\":{{\"end\":{end},\
             \"start\":{start}}},\"text\":{text}}}}},\"retrievedReferences\":{references}}}"
        );
        serde_json::from_str(&citation).map_err(|_| format!("`cite` must be {}", Self::WHAT))
    }
}

impl Step {
    /// An event of a type.
    pub(super) fn event(event_type: &str, payload: String) -> Self {
        Self::Frame { headers: event_headers(event_type), payload: payload.into() }
    }
}

fn json_text(value: &impl serde::Serialize) -> String {
    // Maps with keys of text are always JSON, so the fallback is never used.
    serde_json::to_string(value).unwrap_or_else(|_| json!(null).to_string())
}

#[cfg(test)]
mod tests;
