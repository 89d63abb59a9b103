//! The journal as log lines: one line a fact, so that one can watch a turn happen.
//!
//! Chunks and posts come by the hundred, so of these only the first, a sum once a second, and the
//! last are shown.

mod metrics;

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::io::Write;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Deserialize;
use tokio::time::Instant;

use super::journal::{Entry, Event};

/// How often a long run shows that it goes on.
const PROGRESS: Duration = Duration::from_secs(1);

/// How many invocations, runs and connections are kept in mind for their durations.
const REMEMBERED: usize = 10_000;

const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default();
const GATEWAY: Style = AnsiColor::Cyan.on_default();
const LAMBDA: Style = AnsiColor::Magenta.on_default();
const AGENT: Style = AnsiColor::Green.on_default();
const POSTS: Style = AnsiColor::Blue.on_default();
const FUNCTION: Style = AnsiColor::Yellow.on_default();
const FAULT: Style = AnsiColor::BrightRed.on_default();

/// Writes entries of a journal as lines.
///
/// Colours are always written; give it a writer such as `anstream`'s, which leaves them out where
/// they are not wanted.
#[derive(Debug)]
pub struct Log<W> {
    out: W,
    began: Instant,
    invocations: HashMap<String, Instant>,
    answers: HashMap<String, Answer>,
    tallies: HashMap<String, Tally>,
    /// Whether an event has been handed out since the last time the function asked for one.
    busy: bool,
}

/// The agent's answer so far.
#[derive(Debug)]
struct Answer {
    since: Instant,
    traces: usize,
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
struct Frame {
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl<W: Write> Log<W> {
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
    pub fn write(&mut self, entry: &Entry) -> std::io::Result<()> {
        let now = entry.at;
        match &entry.event {
            Event::Connected { connection_id, subprotocol } => {
                let protocol = subprotocol.as_deref().map(|name| format!("subprotocol {name}"));
                self.line(now, GATEWAY, "gateway", "connected", Some(connection_id), protocol)
            }
            Event::Refused { status, reason } => {
                let what = format!("refused {status}");
                self.line(now, BAD, "gateway", &what, None, Some(reason))
            }
            Event::MessageReceived { connection_id, bytes } => {
                let size = Some(Bytes(*bytes));
                self.line(now, GATEWAY, "gateway", "message", Some(connection_id), size)
            }
            Event::Throttled { connection_id, route } => {
                let why = Some(format!("no function is free for {}", route.key()));
                self.line(now, BAD, "gateway", "throttled", Some(connection_id), why)
            }
            Event::TimedOut { connection_id, route, .. } => {
                let why = Some(format!("no answer to {} in time", route.key()));
                self.line(now, BAD, "gateway", "timed out", Some(connection_id), why)
            }
            Event::Closed { connection_id, code, reason } => {
                self.sum(now, connection_id, "")?;
                let why = Some(format!("{code} {reason}"));
                self.line(now, GATEWAY, "gateway", "closed", Some(connection_id), why)
            }
            Event::NextPolled => {
                let was_busy = std::mem::take(&mut self.busy);
                if was_busy {
                    self.line(
                        now,
                        LAMBDA,
                        "lambda",
                        "next",
                        None,
                        Some("asks for the next event"),
                    )?;
                }
                Ok(())
            }
            Event::Invoked { request_id, connection_id, route } => {
                self.busy = true;
                remember(&mut self.invocations, request_id, now);
                let request = Some(format!("request {}", short(request_id)));
                self.line(now, LAMBDA, "lambda", route.key(), Some(connection_id), request)
            }
            Event::Responded { request_id, status, late } => {
                let took = self.took(request_id, now);
                let late = if *late { ", too late" } else { "" };
                let (style, what) = match status {
                    Some(200) => (LAMBDA, "200".to_owned()),
                    Some(status) => (BAD, status.to_string()),
                    None => (BAD, "no status".to_owned()),
                };
                self.line(
                    now,
                    style,
                    "lambda",
                    &what,
                    None,
                    Some(format!("request {}{took}{late}", short(request_id))),
                )
            }
            Event::InvocationError { request_id, error_type, message } => {
                let took = self.took(request_id, now);
                let request = short(request_id);
                let why = Some(format!("request {request}{took}: {error_type}: {message}"));
                self.line(now, BAD, "lambda", "failed", None, why)
            }
            Event::InitError { error_type, message } => {
                let why = Some(format!("{error_type}: {message}"));
                self.line(now, BAD, "lambda", "no start", None, why)
            }
            Event::Posted { .. } | Event::Inspected { .. } | Event::Deleted { .. } => {
                self.write_callback(now, &entry.event)
            }
            Event::AgentInvoked { .. }
            | Event::AgentRefused { .. }
            | Event::AgentChunk { .. }
            | Event::AgentTrace { .. }
            | Event::AgentReturnedControl { .. }
            | Event::AgentFinished { .. }
            | Event::AgentBroke { .. }
            | Event::AgentDropped { .. } => self.write_agent(now, &entry.event),
            Event::FaultInjected { kind, subject } => {
                let what = kind.to_string();
                self.line(now, FAULT, "fault", &what, Some(subject), Some("on purpose"))
            }
            Event::FunctionStarted { .. }
            | Event::FunctionLog { .. }
            | Event::FunctionExited { .. } => self.write_function(now, &entry.event),
        }
    }

    fn write_callback(&mut self, now: Instant, event: &Event) -> std::io::Result<()> {
        match event {
            Event::Posted { connection_id, bytes, status: 200, data } => {
                self.post(now, connection_id, *bytes, data)
            }
            Event::Posted { connection_id, bytes, status, .. } => {
                let what = format!("post {status}");
                self.line(now, BAD, "posts", &what, Some(connection_id), Some(Bytes(*bytes)))
            }
            Event::Inspected { connection_id, status } => {
                let what = format!("get {status}");
                self.line(now, POSTS, "posts", &what, Some(connection_id), None::<&str>)
            }
            Event::Deleted { connection_id, status } => {
                let what = format!("delete {status}");
                self.line(now, POSTS, "posts", &what, Some(connection_id), None::<&str>)
            }
            _ => Ok(()),
        }
    }

    fn write_function(&mut self, now: Instant, event: &Event) -> std::io::Result<()> {
        match event {
            Event::FunctionStarted { pid } => {
                let what = Some(format!("process {pid}"));
                self.line(now, FUNCTION, "function", "started", None, what)
            }
            Event::FunctionLog { line } => {
                if let Some(metrics) = metrics::summary(line) {
                    return self.line(now, FUNCTION, "function", "metrics", None, Some(metrics));
                }
                self.line(now, FUNCTION, "function", line, None, None::<&str>)
            }
            Event::FunctionExited { status } => {
                self.line(now, BAD, "function", "ended", None, Some(status))
            }
            _ => Ok(()),
        }
    }

    fn write_agent(&mut self, now: Instant, event: &Event) -> std::io::Result<()> {
        match event {
            Event::AgentInvoked { session_id, request } => {
                remember(&mut self.answers, session_id, Answer { since: now, traces: 0 });
                let said = request["inputText"].as_str().map_or(0, |text| text.chars().count());
                let trace = if request["enableTrace"] == true { ", with trace" } else { "" };
                let what = format!("{said} characters{trace}");
                self.line(now, AGENT, "agent", "invoked", Some(session_id), Some(what))
            }
            Event::AgentRefused { session_id, status, exception, message } => {
                let why = Some(format!("{exception}: {message}"));
                let what = format!("refused {status}");
                self.line(now, BAD, "agent", &what, Some(session_id), why)
            }
            Event::AgentChunk { session_id, n: 1 } => {
                let took = self.answered(session_id, now);
                self.line(now, AGENT, "agent", "first chunk", Some(session_id), Some(took))
            }
            Event::AgentTrace { session_id } => {
                if let Some(answer) = self.answers.get_mut(session_id) {
                    answer.traces += 1;
                }
                Ok(())
            }
            Event::AgentReturnedControl { session_id, calls, .. } => {
                let what = Some(count(*calls, "call"));
                self.line(now, AGENT, "agent", "asks back", Some(session_id), what)
            }
            Event::AgentBroke { session_id, chunks, how } => {
                let took = self.answered(session_id, now);
                self.answers.remove(session_id);
                let sum = format!("{how}; {}, {took}", count(*chunks, "chunk"));
                self.line(now, BAD, "agent", "broke", Some(session_id), Some(sum))
            }
            Event::AgentFinished { session_id, chunks, exception, .. } => {
                let took = self.answered(session_id, now);
                let traces = self.answers.remove(session_id).map_or(0, |answer| answer.traces);
                let sum =
                    format!("{}, {}, {took}", count(*chunks, "chunk"), count(traces, "trace"));
                match exception {
                    None => self.line(now, AGENT, "agent", "finished", Some(session_id), Some(sum)),
                    Some(exception) => {
                        let sum = Some(format!("{exception}; {sum}"));
                        self.line(now, BAD, "agent", "exception", Some(session_id), sum)
                    }
                }
            }
            Event::AgentDropped { session_id, chunks } => {
                let took = self.answered(session_id, now);
                self.answers.remove(session_id);
                let sum = format!("the caller left after {}, {took}", count(*chunks, "chunk"));
                self.line(now, AGENT, "agent", "dropped", Some(session_id), Some(sum))
            }
            _ => Ok(()),
        }
    }

    /// Counts a post, and shows the first, a sum once a second, and the last of a run.
    fn post(&mut self, now: Instant, id: &str, bytes: usize, data: &[u8]) -> std::io::Result<()> {
        let frame = serde_json::from_slice::<Frame>(data).ok().and_then(|frame| frame.kind);
        let kind = frame.as_deref().unwrap_or("data");
        if !self.tallies.contains_key(id) {
            remember(&mut self.tallies, id, Tally { posts: 0, bytes: 0, shown: now });
            self.line(now, POSTS, "posts", kind, Some(id), Some(Bytes(bytes)))?;
        }
        let Some(tally) = self.tallies.get_mut(id) else { return Ok(()) };
        tally.posts += 1;
        tally.bytes += bytes;
        let ended = matches!(kind, "RUN_FINISHED" | "RUN_ERROR");
        if ended {
            return self.sum(now, id, kind);
        }
        if now.duration_since(tally.shown) >= PROGRESS {
            tally.shown = now;
            let sum = format!("{} so far, {}", count(tally.posts, "post"), Bytes(tally.bytes));
            return self.line(now, POSTS, "posts", "…", Some(id), Some(sum));
        }
        Ok(())
    }

    /// Shows the sum of a run's posts, if there were any.
    fn sum(&mut self, now: Instant, id: &str, what: &str) -> std::io::Result<()> {
        let Some(tally) = self.tallies.remove(id) else { return Ok(()) };
        let sum = format!("{}, {}", count(tally.posts, "post"), Bytes(tally.bytes));
        let style = if what == "RUN_ERROR" { BAD } else { POSTS };
        self.line(
            now,
            style,
            "posts",
            if what.is_empty() { "cut off" } else { what },
            Some(id),
            Some(sum),
        )
    }

    fn took(&mut self, request_id: &str, now: Instant) -> String {
        let since = self.invocations.remove(request_id);
        since.map_or_else(String::new, |since| format!(", after {}", Span(now - since)))
    }

    fn answered(&self, session_id: &str, now: Instant) -> String {
        let answer = self.answers.get(session_id);
        answer.map_or_else(String::new, |answer| format!("after {}", Span(now - answer.since)))
    }

    /// Writes one line: the seconds since the start, who, what, about which id, and more.
    fn line(
        &mut self,
        now: Instant,
        style: Style,
        who: &str,
        what: &str,
        id: Option<&str>,
        more: Option<impl Display>,
    ) -> std::io::Result<()> {
        let seconds = now.saturating_duration_since(self.began).as_secs_f64();
        write!(self.out, "{DIM}{seconds:9.3}{DIM:#}  {style}{who:<8}{style:#}  ")?;
        let plain = id.is_none() && more.is_none();
        if style == BAD {
            write!(self.out, "{style}")?;
        }
        if plain {
            write!(self.out, "{what}")?;
        } else {
            write!(self.out, "{what:<13}")?;
        }
        if style == BAD {
            write!(self.out, "{style:#}")?;
        }
        if let Some(more) = more {
            write!(self.out, "  {more}")?;
        }
        if let Some(id) = id {
            write!(self.out, "  {DIM}{id}{DIM:#}")?;
        }
        writeln!(self.out)?;
        self.out.flush()
    }
}

/// Puts a value in a map that must not grow for ever.
fn remember<V>(map: &mut HashMap<String, V>, key: &str, value: V) {
    if map.len() >= REMEMBERED {
        map.clear();
    }
    map.insert(key.to_owned(), value);
}

/// The beginning of a request id, which is enough to tell requests apart.
fn short(request_id: &str) -> &str {
    request_id.split('-').next().unwrap_or_default()
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A number of bytes, for people.
struct Bytes(usize);

impl Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "it is rounded to a tenth anyway")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1024 => write!(f, "{}", count(bytes, "byte")),
            bytes => write!(f, "{:.1} KiB", bytes as f64 / 1024.0),
        }
    }
}

/// A duration, for people.
struct Span(Duration);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 1.0 {
            write!(f, "{:.1} ms", seconds * 1000.0)
        } else {
            write!(f, "{seconds:.1} s")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::local::faults::FaultKind;
    use crate::local::gateway::Route;

    fn lines(events: impl IntoIterator<Item = Event>) -> Vec<String> {
        let mut log = Log::new(Vec::new());
        let began = log.began;
        for (index, event) in (0_u32..).zip(events) {
            let at = began + index * Duration::from_millis(100);
            let entry = Entry { index: index.into(), time: SystemTime::now(), at, event };
            log.write(&entry).unwrap();
        }
        let text = anstream::adapter::strip_bytes(&log.out).into_vec();
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    fn posted(data: &'static str) -> Event {
        let connection_id = "c=".to_owned();
        Event::Posted { connection_id, bytes: data.len(), status: 200, data: data.into() }
    }

    #[test]
    fn of_many_posts_the_first_a_sum_and_the_last_are_shown() {
        let chunk = r#"{"type":"TEXT_MESSAGE_CHUNK","delta":"hello"}"#;
        let mut events = vec![posted(r#"{"type":"RUN_STARTED"}"#)];
        events.extend((0..15).map(|_| posted(chunk)));
        events.push(posted(r#"{"type":"RUN_FINISHED"}"#));
        assert_eq!(
            lines(events),
            [
                "    0.000  posts     RUN_STARTED    22 bytes  c=",
                "    1.000  posts     …              11 posts so far, 472 bytes  c=",
                "    1.600  posts     RUN_FINISHED   17 posts, 720 bytes  c=",
            ],
        );
    }

    #[test]
    fn faults_are_shown_and_metrics_only_summed_up() {
        let metrics = r#"{"_aws":{"CloudWatchMetrics":[{"Metrics":[{"Name":"Runs"}]}]},"Runs":1}"#;
        let events = [
            Event::FaultInjected { kind: FaultKind::LostAnswer, subject: "c=".to_owned() },
            Event::FunctionLog { line: metrics.to_owned() },
            Event::FunctionLog { line: "a line for people".to_owned() },
        ];
        assert_eq!(
            lines(events),
            [
                "    0.000  fault     lost answer    on purpose  c=",
                "    0.100  function  metrics        Runs 1",
                "    0.200  function  a line for people",
            ],
        );
    }

    #[test]
    fn an_invocation_shows_how_long_its_answer_took() {
        let (request_id, connection_id) = ("r".to_owned(), "c=".to_owned());
        let route = Route::Default;
        let events = [
            Event::NextPolled,
            Event::Invoked { request_id: request_id.clone(), connection_id, route },
            Event::Responded { request_id, status: Some(200), late: false },
            Event::NextPolled,
        ];
        assert_eq!(
            lines(events),
            [
                "    0.100  lambda    $default       request r  c=",
                "    0.200  lambda    200            request r, after 100.0 ms",
                "    0.300  lambda    next           asks for the next event",
            ],
        );
    }
}
