//! The journal as log lines: one line a fact, so that one can watch a turn happen.
//!
//! Chunks and posts come by the hundred, so of these only the first, a sum once a second, and the
//! last are shown.

mod metrics;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Deserialize;
use tokio::time::Instant;

use super::journal::{Entry, Record};
use super::route::Route;
use super::wire::WireName;

/// How often a long run shows that it goes on.
const PROGRESS: Duration = Duration::from_secs(1);

/// How many invocations, runs and connections are kept in mind for their durations.
const REMEMBERED: usize = 10_000;

const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default();

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
    /// The agent's open answers, by session.
    answers: HashMap<String, Answer>,
    /// The posts of open runs, by connection.
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

/// Which part of the local AWS a line is about.
#[derive(Clone, Copy, Debug)]
enum Part {
    Gateway,
    Lambda,
    Agent,
    Posts,
    Wire,
    Function,
    Fault,
}

/// One line: who, what, more about it, and the id that it is about.
struct Line<'a> {
    part: Part,
    what: Cow<'a, str>,
    more: String,
    id: Option<&'a str>,
    bad: bool,
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
            entry => gateway(entry)
                .or_else(|| self.lambda(now, entry))
                .or_else(|| self.agent(now, entry))
                .or_else(|| callbacks(entry))
                .or_else(|| function(entry))
                .or_else(|| wire(entry))
                .or_else(|| fault(entry)),
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
            Entry::Invoked { request_id, connection_id, route } => {
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
                let bad = status.is_some_and(|status| status != 200);
                Line::new(Part::Lambda, what).more(more).bad_if(bad)
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

    fn agent<'a>(&mut self, now: Instant, entry: &'a Entry) -> Option<Line<'a>> {
        let line =
            |what: &'a str, session_id: &'a str| Line::new(Part::Agent, what).about(session_id);
        Some(match entry {
            Entry::AgentInvoked { session_id, request } => {
                remember(&mut self.answers, session_id, Answer { since: now, traces: 0 });
                let said = request["inputText"].as_str().map_or(0, |text| text.chars().count());
                let trace = if request["enableTrace"] == true { ", with trace" } else { "" };
                line("invoked", session_id).more(format!("{}{trace}", count(said, "character")))
            }
            Entry::AgentRefused { session_id, status, exception, message } => {
                let refused = Line::new(Part::Agent, format!("refused {status}")).about(session_id);
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
                let traces = self.answers.remove(session_id).map_or(0, |answer| answer.traces);
                let sum =
                    format!("{}, {}, {took}", count(*chunks, "chunk"), count(traces, "trace"));
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
        } else if now.duration_since(tally.shown) >= PROGRESS {
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
        let Line { part, what, more, id, bad } = line;
        let seconds = now.saturating_duration_since(self.began).as_secs_f64();
        let (name, style) = part.name();
        let style = if *bad { BAD } else { style };
        let what_style = if *bad { BAD } else { Style::new() };
        write!(self.out, "{DIM}{seconds:9.3}{DIM:#}  {style}{name:<8}{style:#}  ")?;
        if more.is_empty() && id.is_none() {
            write!(self.out, "{what_style}{what}{what_style:#}")?;
        } else {
            write!(self.out, "{what_style}{what:<12}{what_style:#}")?;
        }
        if !more.is_empty() {
            write!(self.out, "  {more}")?;
        }
        if let Some(id) = id {
            write!(self.out, "  {DIM}{id}{DIM:#}")?;
        }
        writeln!(self.out)?;
        self.out.flush()
    }
}

impl Part {
    fn name(self) -> (&'static str, Style) {
        let (name, colour) = match self {
            Self::Gateway => ("gateway", AnsiColor::Cyan),
            Self::Lambda => ("lambda", AnsiColor::Magenta),
            Self::Agent => ("agent", AnsiColor::Green),
            Self::Posts => ("posts", AnsiColor::Blue),
            Self::Wire => ("wire", AnsiColor::BrightBlue),
            Self::Function => ("function", AnsiColor::Yellow),
            Self::Fault => ("fault", AnsiColor::BrightRed),
        };
        (name, colour.on_default())
    }
}

impl<'a> Line<'a> {
    fn new(part: Part, what: impl Into<Cow<'a, str>>) -> Self {
        Self { part, what: what.into(), more: String::new(), id: None, bad: false }
    }

    fn more(mut self, more: impl Display) -> Self {
        self.more = more.to_string();
        self
    }

    fn about(mut self, id: &'a str) -> Self {
        self.id = Some(id);
        self
    }

    fn bad_if(mut self, bad: bool) -> Self {
        self.bad = bad;
        self
    }
}

impl Tally {
    fn sum<'a>(&self, what: &'a str) -> Line<'a> {
        let sum = format!("{}, {}", count(self.posts, "post"), Bytes(self.bytes));
        Line::new(Part::Posts, what).more(sum)
    }
}

fn gateway(entry: &Entry) -> Option<Line<'_>> {
    let line = |what| Line::new(Part::Gateway, what);
    Some(match entry {
        Entry::Connected { connection_id, subprotocol } => {
            let chosen = subprotocol.as_deref().map(|name| format!("subprotocol {name}"));
            line("connected").more(chosen.unwrap_or_default()).about(connection_id)
        }
        Entry::Refused { status, reason } => {
            Line::new(Part::Gateway, format!("refused {status}")).more(reason).bad_if(true)
        }
        Entry::MessageReceived { connection_id, bytes } => {
            line("message").more(Bytes(*bytes)).about(connection_id)
        }
        Entry::Throttled { connection_id, route } => line("throttled")
            .more(format!("no function is free for {}", route.key()))
            .about(connection_id)
            .bad_if(true),
        Entry::TimedOut { connection_id, route, .. } => line("timed out")
            .more(format!("no answer to {} in time", route.key()))
            .about(connection_id)
            .bad_if(true),
        Entry::Closed { connection_id, code, reason } => {
            line("closed").more(format!("{code} {reason}")).about(connection_id)
        }
        _ => return None,
    })
}

/// The commands of callbacks but for the posts that arrive.
fn callbacks(entry: &Entry) -> Option<Line<'_>> {
    let line = |verb: &str, status: &u16, connection_id| {
        let what = format!("{verb} {status}");
        Line::new(Part::Posts, what).about(connection_id).bad_if(!(200..300).contains(status))
    };
    Some(match entry {
        Entry::Posted { connection_id, bytes, status, .. } => {
            line("post", status, connection_id).more(Bytes(*bytes))
        }
        Entry::Inspected { connection_id, status } => line("get", status, connection_id),
        Entry::Deleted { connection_id, status } => line("delete", status, connection_id),
        _ => return None,
    })
}

fn function(entry: &Entry) -> Option<Line<'_>> {
    let line = |what: &'static str| Line::new(Part::Function, what);
    Some(match entry {
        Entry::FunctionStarted { pid } => line("started").more(format!("process {pid}")),
        Entry::FunctionHeldBack { quota_us, period_us, .. } => line("held back").more(format!(
            "to {} of CPU time in each {}",
            micros(*quota_us),
            micros(*period_us)
        )),
        Entry::FunctionFrozen { pid } => line("frozen").more(format!("process {pid}")),
        Entry::FunctionThawed { pid } => line("thawed").more(format!("process {pid}")),
        Entry::FunctionLog { line: text } => match metrics::summary(text) {
            Some(metrics) => line("metrics").more(metrics),
            None => Line::new(Part::Function, text),
        },
        Entry::FunctionExited { status } => line("ended").more(status).bad_if(true),
        _ => return None,
    })
}

fn wire(entry: &Entry) -> Option<Line<'_>> {
    let line = |part, what: &'static str, wire: &WireName, connection: &u64| {
        Line::new(part, what).more(format!("connection {connection} to the {wire}"))
    };
    Some(match entry {
        Entry::WireOpened { wire, connection } => line(Part::Wire, "opened", wire, connection),
        Entry::WireClosed { wire, connection } => line(Part::Wire, "closed", wire, connection),
        Entry::WireFault { wire, connection, fault } => Line::new(Part::Fault, "wire")
            .more(format!("connection {connection} to the {wire} {fault}, on purpose")),
        _ => return None,
    })
}

fn fault(entry: &Entry) -> Option<Line<'_>> {
    let Entry::FaultInjected { kind, subject } = entry else { return None };
    Some(Line::new(Part::Fault, kind.to_string()).more("on purpose").about(subject))
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

fn micros(microseconds: u64) -> Span {
    Span(Duration::from_micros(microseconds))
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
    use crate::faults::FaultKind;
    use crate::route::Route;
    use crate::wire::{WireClose, WireFault};

    fn lines(entries: impl IntoIterator<Item = Entry>) -> Vec<String> {
        let mut log = JournalLog::new(Vec::new());
        let began = log.began;
        for (index, entry) in (0_u32..).zip(entries) {
            let at = began + index * Duration::from_millis(100);
            let record = Record { index: index.into(), time: SystemTime::now(), at, entry };
            log.write(&record).unwrap();
        }
        let text = anstream::adapter::strip_bytes(&log.out).into_vec();
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    fn posted(data: &'static str) -> Entry {
        let connection_id = "c=".to_owned();
        Entry::Posted { connection_id, bytes: data.len(), status: 200, data: data.into() }
    }

    #[test]
    fn of_many_posts_the_first_a_sum_and_the_last_are_shown() {
        let chunk = r#"{"type":"TEXT_MESSAGE_CHUNK","delta":"hello"}"#;
        let mut entries = vec![posted(r#"{"type":"RUN_STARTED"}"#)];
        entries.extend((0..15).map(|_| posted(chunk)));
        entries.push(posted(r#"{"type":"RUN_FINISHED"}"#));
        assert_eq!(
            lines(entries),
            [
                "    0.000  posts     RUN_STARTED   22 bytes  c=",
                "    1.000  posts     …             11 posts, 472 bytes  c=",
                "    1.600  posts     RUN_FINISHED  17 posts, 720 bytes  c=",
            ],
        );
    }

    #[test]
    fn faults_are_shown_and_metrics_only_summed_up() {
        let metrics = r#"{"_aws":{"CloudWatchMetrics":[{"Metrics":[{"Name":"Runs"}]}]},"Runs":1}"#;
        let entries = [
            Entry::FaultInjected { kind: FaultKind::LostAnswer, subject: "c=".to_owned() },
            Entry::FunctionLog { line: metrics.to_owned() },
            Entry::FunctionLog { line: "a line for people".to_owned() },
        ];
        assert_eq!(
            lines(entries),
            [
                "    0.000  fault     lost answer   on purpose  c=",
                "    0.100  function  metrics       Runs 1",
                "    0.200  function  a line for people",
            ],
        );
    }

    #[test]
    fn what_becomes_of_the_wires_and_of_the_process_is_told_in_words() {
        let (wire, connection) = (WireName::Agent, 3);
        let fault = WireFault::Closed(WireClose::Graceful);
        let entries = [
            Entry::FunctionHeldBack { pid: 7, quota_us: 14_471, period_us: 100_000 },
            Entry::FunctionFrozen { pid: 7 },
            Entry::WireOpened { wire, connection },
            Entry::WireFault { wire, connection, fault },
            Entry::WireClosed { wire, connection },
            Entry::FunctionThawed { pid: 7 },
        ];
        assert_eq!(
            lines(entries),
            [
                "    0.000  function  held back     to 14.5 ms of CPU time in each 100.0 ms",
                "    0.100  function  frozen        process 7",
                "    0.200  wire      opened        connection 3 to the agent",
                "    0.300  fault     wire          connection 3 to the agent closed in good order, on purpose",
                "    0.400  wire      closed        connection 3 to the agent",
                "    0.500  function  thawed        process 7",
            ],
        );
    }

    #[test]
    fn an_invocation_shows_how_long_its_answer_took() {
        let (request_id, connection_id) = ("r".to_owned(), "c=".to_owned());
        let route = Route::Default;
        let entries = [
            Entry::NextPolled,
            Entry::Invoked { request_id: request_id.clone(), connection_id, route },
            Entry::Responded { request_id, status: Some(200), late: false },
            Entry::NextPolled,
        ];
        assert_eq!(
            lines(entries),
            [
                "    0.100  lambda    $default      request r  c=",
                "    0.200  lambda    200           request r, after 100.0 ms",
                "    0.300  lambda    next          asks for the next event",
            ],
        );
    }
}
