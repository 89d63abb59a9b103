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

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::event_stream::event_headers;
use super::exception::{Exception, Refusal};
use super::json::Json;
use super::placeholders::Placeholders;
use super::return_control::ReturnControl;
use super::script::{Script, Step};
use super::speech;

/// The longest silence: as long as an answer may take, nearly 15 minutes.
const MAX_SILENCE_MS: u64 = 840_000;

/// What is wrong with a timeline. It never has anything of the text itself, which may be a file that is
/// none of the reader's business.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(super) struct TimelineError {
    line: usize,
    problem: String,
}

/// Reads a timeline: a script for each of its turns.
pub(super) fn parse(text: &str, placeholders: &Placeholders) -> Result<Vec<Script>, TimelineError> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut marked = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let fail = |problem| TimelineError { line: number, problem };
        if turns.is_empty() {
            turns.push(Turn::new(placeholders));
        }
        let read = turns.last_mut().map_or(Ok(None), |turn| turn.read(line));
        match read.map_err(fail)? {
            None => {}
            Some(begun) if begun == turns.len() + usize::from(marked) => {
                if marked {
                    turns.push(Turn::new(placeholders));
                } else if !turns.iter().all(Turn::is_empty) {
                    return Err(fail("the first `turn` must come before all events".to_owned()));
                }
                marked = true;
            }
            Some(_) => {
                return Err(fail("`turn` must count the turns from 1, without gaps".to_owned()));
            }
        }
    }
    if turns.is_empty() {
        return Err(TimelineError { line: 1, problem: "there is no event".to_owned() });
    }
    Ok(turns.into_iter().map(|turn| turn.script).collect())
}

/// A turn that is being read.
struct Turn {
    script: Script,
    placeholders: Placeholders,
    /// How many characters have been said.
    said: usize,
}

impl Turn {
    fn new(placeholders: &Placeholders) -> Self {
        Self { script: Script::new(), placeholders: placeholders.clone(), said: 0 }
    }

    fn is_empty(&self) -> bool {
        self.script.steps.is_empty()
    }

    /// Reads one line, or returns which turn begins with it.
    fn read(&mut self, line: &str) -> Result<Option<usize>, String> {
        let filled = self.placeholders.fill(line)?;
        let mut line = Line::parse(&filled)?;
        if let Some(turn) = line.take("turn", "the number of a turn")? {
            return line.end().map(|()| Some(turn));
        }
        if let Some(Step::Exception(_) | Step::Cut | Step::Corrupt) = self.script.steps.last() {
            return Err("the turn has ended with the line before".to_owned());
        }
        let silence = line.milliseconds("after_ms")?;
        self.script.steps.extend(silence.map(Step::Wait));
        self.event(&mut line)?;
        line.end().map(|()| None)
    }

    /// Adds the steps of an event.
    fn event(&mut self, line: &mut Line) -> Result<(), String> {
        const STRING: &str = "a string";
        let step = if let Some(text) = line.take::<String>("chunk", STRING)? {
            self.count(&text);
            Step::Chunk { bytes: text.into(), citations: line.citations()? }
        } else if let Some(text) = line.take::<String>("chunk_base64", STRING)? {
            let bytes = from_base64("chunk_base64", &text)?;
            self.count(&String::from_utf8_lossy(&bytes));
            Step::Chunk { bytes: bytes.into(), citations: line.citations()? }
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
            frame.into_step()?
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

/// The members of a line that are not read yet.
struct Line {
    members: BTreeMap<String, Json>,
}

impl Line {
    fn parse(line: &str) -> Result<Self, String> {
        serde_json::from_str(line).map(|members| Self { members }).map_err(|error| {
            if error.is_data() {
                "it is not a JSON object".to_owned()
            } else {
                format!("it is not JSON, from column {} on", error.column())
            }
        })
    }

    /// Reads a member, which must be what `what` says.
    fn take<T: DeserializeOwned>(&mut self, name: &str, what: &str) -> Result<Option<T>, String> {
        let Some(value) = self.members.remove(name) else { return Ok(None) };
        serde_json::from_str(value.text())
            .map(Some)
            .map_err(|_its_text_is_in_it| format!("`{name}` must be {what}"))
    }

    fn milliseconds(&mut self, name: &str) -> Result<Option<Duration>, String> {
        let what = format!("a whole number of milliseconds, {MAX_SILENCE_MS} at most");
        match self.take::<u64>(name, &what)? {
            Some(silence) if silence > MAX_SILENCE_MS => Err(format!("`{name}` must be {what}")),
            silence => Ok(silence.map(Duration::from_millis)),
        }
    }

    fn citations(&mut self) -> Result<Vec<Json>, String> {
        Ok(self.take("citations", "a list")?.unwrap_or_default())
    }

    /// Nothing may be left.
    fn end(self) -> Result<(), String> {
        if self.members.is_empty() {
            Ok(())
        } else {
            Err("it has a member that does not belong to its event".to_owned())
        }
    }
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

/// A frame of any kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    r#type: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    payload: Option<Json>,
    payload_base64: Option<String>,
}

impl Frame {
    const WHAT: &str = "an object with `type` or `headers`, and with `payload` or `payload_base64`";

    fn into_step(self) -> Result<Step, String> {
        let headers = match (self.r#type, self.headers) {
            (Some(event_type), None) => event_headers(&event_type),
            (None, Some(headers)) => headers.into_iter().collect(),
            _ => return Err(format!("`event` must be {}", Self::WHAT)),
        };
        // The format gives the length of a name one byte and of a value two.
        let fits = |(name, value): &(String, String)| {
            (1..=255).contains(&name.len()) && u16::try_from(value.len()).is_ok_and(|n| n <= 0x7fff)
        };
        if !headers.iter().all(fits) {
            return Err("`event` has a header that is too long, or without a name".to_owned());
        }
        let payload = match (self.payload, self.payload_base64) {
            (Some(payload), None) => payload.text().to_owned().into(),
            (None, Some(text)) => from_base64("payload_base64", &text)?.into(),
            _ => return Err(format!("`event` must be {}", Self::WHAT)),
        };
        Ok(Step::Frame { headers, payload })
    }
}

impl Step {
    /// An event of a type.
    pub(super) fn event(event_type: &str, payload: String) -> Self {
        Self::Frame { headers: event_headers(event_type), payload: payload.into() }
    }
}

fn from_base64(name: &str, text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_its_text_is_in_it| format!("`{name}` must be base64"))
}

fn json_text(value: &impl serde::Serialize) -> String {
    // Maps with keys of text are always JSON, so the fallback is never used.
    serde_json::to_string(value).unwrap_or_else(|_| json!(null).to_string())
}

#[cfg(test)]
mod tests;
