//! The journal as log lines: one line a fact, so that one can watch a turn happen.
//!
//! Chunks and posts come by the hundred, so of these only the first, a sum once a second, and the
//! last are shown.

mod entries;
mod line;
mod metrics;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::journal::{Entry, HarnessEnd, Record};
use super::route::Route;
use line::{Bytes, Line, Part, Span, count, short};

/// How often a long run shows that it goes on.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// How many invocations, runs and connections are kept in mind for their durations.
const MAX_REMEMBERED: usize = 10_000;

/// Writes entries of a journal as lines.
///
/// Colours are always written; give it a writer such as `anstream`'s, which leaves them out where
/// they are not wanted.
#[derive(Debug)]
pub struct JournalLog<W> {
    out: W,
    began: Instant,
    /// When each open invocation began.
    invocations: HashMap<String, Instant>,
    /// The open answers of agent, harness and runtime, by session.
    answers: HashMap<String, Answer>,
    /// The posts of open runs, by connection.
    tallies: HashMap<String, Tally>,
    /// Whether an event has been handed out since the last time the function asked for one.
    busy: bool,
}

/// The answer of an agent, a harness or a runtime so far.
#[derive(Debug)]
struct Answer {
    /// Whose it is.
    part: Part,
    since: Instant,
    traces: usize,
    /// Its caller has left.
    abandoned: bool,
}

impl Answer {
    fn begun(part: Part, now: Instant) -> Self {
        Self { part, since: now, traces: 0, abandoned: false }
    }
}

/// The posts of a run so far.
#[derive(Debug)]
struct Tally {
    posts: usize,
    bytes: usize,
    shown: Instant,
}

/// What of a frame tells that its run has ended.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: Option<&'a str>,
}

impl<W: Write> JournalLog<W> {
    /// A log that counts time from now.
    pub fn new(out: W) -> Self {
        Self {
            out,
            began: Instant::now(),
            invocations: HashMap::new(),
            answers: HashMap::new(),
            tallies: HashMap::new(),
            busy: false,
        }
    }

    /// Writes the line of an entry, if it is worth one.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        let now = record.at;
        if let Entry::Closed { connection_id, .. } = &record.entry
            && let Some(tally) = self.tallies.remove(connection_id)
        {
            self.print(now, &tally.sum("cut off").about(connection_id))?;
        }
        let line = match &record.entry {
            Entry::Posted { connection_id, bytes, status: 200, data } => {
                self.post(now, connection_id, *bytes, data)
            }
            entry => self
                .lambda(now, entry)
                .or_else(|| self.agent(now, entry))
                .or_else(|| self.harness(now, entry))
                .or_else(|| entries::line(entry)),
        };
        line.map_or(Ok(()), |line| self.print(now, &line))
    }

    fn lambda<'a>(&mut self, now: Instant, entry: &'a Entry) -> Option<Line<'a>> {
        let line = |what: &'a str| Line::new(Part::Lambda, what);
        Some(match entry {
            // Only the first of many polls in a row tells something.
            Entry::NextPolled if !std::mem::take(&mut self.busy) => return None,
            Entry::NextPolled => line("next").more("asks for the next event"),
            // A page is some forty files: one line for each would hide the turns.
            Entry::Invoked { route: Route::Page, .. } => return None,
            Entry::Invoked { request_id, connection_id, route, .. } => {
                self.busy = true;
                remember(&mut self.invocations, request_id, now);
                let request = format!("request {}", short(request_id));
                line(route.key()).more(request).about(connection_id)
            }
            Entry::Responded { request_id, status: Some(0..400), .. }
                if !self.invocations.contains_key(request_id) =>
            {
                return None;
            }
            Entry::Responded { request_id, status, late } => {
                let late = if *late { ", too late" } else { "" };
                let more = format!("{}{late}", self.request(request_id, now));
                let what = status
                    .map_or(Cow::Borrowed("answered"), |status| Cow::Owned(status.to_string()));
                let bad = status.is_some_and(|status| !(200..300).contains(&status));
                Line::new(Part::Lambda, what).more(more).bad_if(bad)
            }
            Entry::ResponseDiscarded { bytes, .. } => {
                line("discarded").more(format!("{} that no client reads", Bytes(*bytes)))
            }
            Entry::InvocationError { request_id, error_type, message } => {
                let request = self.request(request_id, now);
                line("failed").more(format!("{request}: {error_type}: {message}")).bad_if(true)
            }
            Entry::InitError { error_type, message } => {
                line("no start").more(format!("{error_type}: {message}")).bad_if(true)
            }
            _ => return None,
        })
    }

    /// Whose answer an entry is about that not only agents have.
    fn part(&self, entry: &Entry) -> Part {
        let (Entry::AgentRefused { session_id, .. }
        | Entry::AgentChunk { session_id, .. }
        | Entry::AgentFinished { session_id, .. }
        | Entry::AgentBroke { session_id, .. }
        | Entry::HarnessAbandoned { session_id, .. }
        | Entry::HarnessEnded { session_id, .. }
        | Entry::SessionStopped { session_id }) = entry
        else {
            return Part::Agent;
        };
        self.answers.get(session_id).map_or(Part::Agent, |answer| answer.part)
    }

    fn agent<'a>(&mut self, now: Instant, entry: &'a Entry) -> Option<Line<'a>> {
        let part = self.part(entry);
        let line = |what: &'a str, session_id: &'a str| Line::new(part, what).about(session_id);
        Some(match entry {
            Entry::AgentInvoked { session_id, request } => {
                remember(&mut self.answers, session_id, Answer::begun(Part::Agent, now));
                let said = request["inputText"].as_str().map_or(0, |text| text.chars().count());
                let trace = if request["enableTrace"] == true { ", with trace" } else { "" };
                line("invoked", session_id).more(format!("{}{trace}", count(said, "character")))
            }
            Entry::AgentRefused { session_id, status, exception, message } => {
                let refused = Line::new(part, format!("refused {status}")).about(session_id);
                refused.more(format!("{exception}: {message}")).bad_if(true)
            }
            Entry::AgentChunk { session_id, n: 1 } => {
                line("first chunk", session_id).more(self.answered(session_id, now))
            }
            Entry::AgentTrace { session_id } => {
                self.answers.get_mut(session_id)?.traces += 1;
                return None;
            }
            Entry::AgentFinished { session_id, chunks, exception, .. } => {
                let took = self.answered(session_id, now);
                let answer = self.answers.remove(session_id);
                let answer = answer.unwrap_or(Answer::begun(Part::Agent, now));
                let traces = match answer.part {
                    Part::Harness | Part::Runtime => String::new(),
                    _ => format!(", {}", count(answer.traces, "trace")),
                };
                let unheard = if answer.abandoned { ", unheard" } else { "" };
                let sum = format!("{}{traces}, {took}{unheard}", count(*chunks, "chunk"));
                match exception {
                    None => line("finished", session_id).more(sum),
                    Some(exception) => line("exception", session_id)
                        .more(format!("{exception}; {sum}"))
                        .bad_if(true),
                }
            }
            Entry::AgentReturnedControl { session_id, calls, .. } => {
                line("asks back", session_id).more(count(*calls, "call"))
            }
            Entry::AgentBroke { session_id, chunks, how } => {
                let took = self.answered(session_id, now);
                self.answers.remove(session_id);
                let sum = format!("{how}; {}, {took}", count(*chunks, "chunk"));
                line("broke", session_id).more(sum).bad_if(true)
            }
            Entry::AgentDropped { session_id, chunks } => {
                let took = self.answered(session_id, now);
                self.answers.remove(session_id);
                let sum = format!("the caller left after {}, {took}", count(*chunks, "chunk"));
                line("dropped", session_id).more(sum)
            }
            Entry::AgentRecorded { session_id, turn, events } => line("recorded", session_id)
                .more(format!("turn {turn}, {}", count(*events, "event"))),
            Entry::RecordingFailed { session_id, reason } => {
                line("unrecorded", session_id).more(reason.clone()).bad_if(true)
            }
            _ => return None,
        })
    }

    fn harness<'a>(&mut self, now: Instant, entry: &'a Entry) -> Option<Line<'a>> {
        let part = match self.part(entry) {
            Part::Runtime => Part::Runtime,
            _ => Part::Harness,
        };
        let line = |what: &'a str, session_id: &'a str| Line::new(part, what).about(session_id);
        Some(match entry {
            Entry::HarnessInvoked { session_id, request } => {
                remember(&mut self.answers, session_id, Answer::begun(Part::Harness, now));
                line("invoked", session_id).more(said(request))
            }
            Entry::RuntimeInvoked { session_id, request, body } => {
                remember(&mut self.answers, session_id, Answer::begun(Part::Runtime, now));
                let messages = request["messages"].as_array().map_or(0, Vec::len);
                Line::new(Part::Runtime, "invoked")
                    .more(format!("{}, {}", count(messages, "message"), Bytes(body.len())))
                    .about(session_id)
            }
            Entry::HarnessReturnedControl { session_id, tool_use_ids } => {
                line("asks back", session_id).more(count(tool_use_ids.len(), "call"))
            }
            Entry::HarnessAbandoned { session_id, chunks } => {
                let took = self.answered(session_id, now);
                if let Some(answer) = self.answers.get_mut(session_id) {
                    answer.abandoned = true;
                }
                let sum = format!(
                    "the caller left after {}, {took}; the run goes on",
                    count(*chunks, "chunk"),
                );
                line("abandoned", session_id).more(sum)
            }
            Entry::SessionStopped { session_id } => {
                line("stopped", session_id).more("its history is forgotten")
            }
            Entry::HarnessEnded { session_id, how: HarnessEnd::TimedOut } => {
                line("timed out", session_id)
                    .more("it took as long as its caller gave it")
                    .bad_if(true)
            }
            Entry::HarnessEnded { session_id, how: HarnessEnd::Stopped } => {
                let took = self.answered(session_id, now);
                self.answers.remove(session_id);
                line("ended", session_id).more(format!("its session was stopped {took}"))
            }
            _ => return None,
        })
    }

    /// Counts a post, and shows the first, a sum once a second, and the last of a run.
    fn post<'a>(
        &mut self,
        now: Instant,
        connection_id: &'a str,
        bytes: usize,
        data: &'a [u8],
    ) -> Option<Line<'a>> {
        let kind = serde_json::from_slice::<Frame<'_>>(data).ok().and_then(|frame| frame.kind);
        let kind = kind.unwrap_or("data");
        let first = !self.tallies.contains_key(connection_id);
        if first {
            remember(&mut self.tallies, connection_id, Tally { posts: 0, bytes: 0, shown: now });
        }
        let tally = self.tallies.get_mut(connection_id)?;
        tally.posts += 1;
        tally.bytes += bytes;
        let line = if matches!(kind, "RUN_FINISHED" | "RUN_ERROR") {
            self.tallies.remove(connection_id)?.sum(kind).bad_if(kind == "RUN_ERROR")
        } else if first {
            Line::new(Part::Posts, kind).more(Bytes(bytes))
        } else if now.duration_since(tally.shown) >= PROGRESS_INTERVAL {
            tally.shown = now;
            tally.sum("…")
        } else {
            return None;
        };
        Some(line.about(connection_id))
    }

    /// An invocation that has ended: its id, and how long it took.
    fn request(&mut self, request_id: &str, now: Instant) -> String {
        let took = self.invocations.remove(request_id).map(|since| Span(now - since));
        let took = took.map_or_else(String::new, |took| format!(", after {took}"));
        format!("request {}{took}", short(request_id))
    }

    /// How long the agent has been answering.
    fn answered(&self, session_id: &str, now: Instant) -> String {
        let answer = self.answers.get(session_id);
        answer.map_or_else(String::new, |answer| format!("after {}", Span(now - answer.since)))
    }

    fn print(&mut self, now: Instant, line: &Line<'_>) -> io::Result<()> {
        line.write(&mut self.out, now.saturating_duration_since(self.began))
    }
}

impl Tally {
    fn sum<'a>(&self, what: &'a str) -> Line<'a> {
        let sum = format!("{}, {}", count(self.posts, "post"), Bytes(self.bytes));
        Line::new(Part::Posts, what).more(sum)
    }
}

/// What the last message of a request to a harness has.
fn said(request: &Value) -> String {
    let last = request["messages"].as_array().and_then(|messages| messages.last());
    let blocks = last.and_then(|message| message["content"].as_array()).into_iter().flatten();
    let (mut characters, mut results) = (0, 0);
    for block in blocks {
        characters += block["text"].as_str().map_or(0, |text| text.chars().count());
        results += usize::from(block["toolResult"].is_object());
    }
    match results {
        0 => count(characters, "character"),
        results => count(results, "result"),
    }
}

/// Puts a value in a map that must not grow for ever.
fn remember<V>(map: &mut HashMap<String, V>, key: &str, value: V) {
    if map.len() >= MAX_REMEMBERED {
        map.clear();
    }
    map.insert(key.to_owned(), value);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
