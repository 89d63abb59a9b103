//! Timelines: what is said and when, as JSON Lines, one line an event. What all of them have in common:
//! turns, silence, placeholders, frames and ends; which events there are is each service's own.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::event_stream::event_headers;
use super::json::Json;
use super::placeholders::Placeholders;

/// The longest silence: as long as an answer may take, nearly 15 minutes.
const MAX_SILENCE_MS: u64 = 840_000;

/// A turn that is being read, in the vocabulary of one service.
pub(crate) trait Turn: Sized {
    /// What a turn becomes.
    type Script;

    /// A turn in which nothing happens yet.
    fn new(placeholders: &Placeholders) -> Self;

    /// What stands for the placeholders of the next line.
    fn placeholders(&self) -> &Placeholders;

    /// Whether nothing has been read.
    fn is_empty(&self) -> bool;

    /// Whether nothing can come any more.
    fn has_ended(&self) -> bool;

    /// Adds silence.
    fn wait(&mut self, silence: Duration);

    /// Adds the event of a line.
    ///
    /// # Errors
    /// When it has none, or a wrong one: why, without anything of its text.
    fn event(&mut self, line: &mut Line) -> Result<(), String>;

    /// The script of the turn.
    fn into_script(self) -> Self::Script;
}

/// What is wrong with a timeline. It never has anything of the text itself, which may be a file that is
/// none of the reader's business.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub(crate) struct TimelineError {
    line: usize,
    problem: String,
}

/// Reads a timeline: a script for each of its turns.
pub(crate) fn parse<T: Turn>(
    text: &str,
    placeholders: &Placeholders,
) -> Result<Vec<T::Script>, TimelineError> {
    let mut turns: Vec<T> = Vec::new();
    let mut marked = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let fail = |problem| TimelineError { line: number, problem };
        if turns.is_empty() {
            turns.push(T::new(placeholders));
        }
        let read = turns.last_mut().map_or(Ok(None), |turn| read_line(turn, line));
        match read.map_err(fail)? {
            None => {}
            Some(begun) if begun == turns.len() + usize::from(marked) => {
                if marked {
                    turns.push(T::new(placeholders));
                } else if !turns.iter().all(T::is_empty) {
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
    Ok(turns.into_iter().map(T::into_script).collect())
}

/// Reads one line of a turn, or returns which turn begins with it.
fn read_line<T: Turn>(turn: &mut T, line: &str) -> Result<Option<usize>, String> {
    let filled = turn.placeholders().fill(line)?;
    let mut line = Line::parse(&filled)?;
    if let Some(number) = line.take("turn", "the number of a turn")? {
        return line.end().map(|()| Some(number));
    }
    if turn.has_ended() {
        return Err("the turn has ended with the line before".to_owned());
    }
    if let Some(silence) = line.milliseconds("after_ms")? {
        turn.wait(silence);
    }
    turn.event(&mut line)?;
    line.end().map(|()| None)
}

/// The members of a line that are not read yet.
pub(crate) struct Line {
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
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        name: &str,
        what: &str,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.members.remove(name) else { return Ok(None) };
        serde_json::from_str(value.text())
            .map(Some)
            .map_err(|_its_text_is_in_it| format!("`{name}` must be {what}"))
    }

    /// Reads a silence.
    pub(crate) fn milliseconds(&mut self, name: &str) -> Result<Option<Duration>, String> {
        let what = format!("a whole number of milliseconds, {MAX_SILENCE_MS} at most");
        match self.take::<u64>(name, &what)? {
            Some(silence) if silence > MAX_SILENCE_MS => Err(format!("`{name}` must be {what}")),
            silence => Ok(silence.map(Duration::from_millis)),
        }
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

/// A frame of any kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    r#type: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    payload: Option<Json>,
    payload_base64: Option<String>,
}

impl Frame {
    pub(crate) const WHAT: &str =
        "an object with `type` or `headers`, and with `payload` or `payload_base64`";

    /// Its headers and its payload.
    ///
    /// # Errors
    /// When there are too few or too many of them, or a header does not fit: why.
    pub(crate) fn into_parts(self) -> Result<(Vec<(String, String)>, Bytes), String> {
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
        Ok((headers, payload))
    }
}

/// The bytes of a member.
///
/// # Errors
/// When it is not base64: that, without anything of its text.
pub(crate) fn from_base64(name: &str, text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|_its_text_is_in_it| format!("`{name}` must be base64"))
}
