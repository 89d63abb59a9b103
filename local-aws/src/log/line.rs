//! One line of the log, and how numbers look in it.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

const DIM: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default();

/// Which part of the local AWS a line is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Gateway,
    Lambda,
    Agent,
    Harness,
    Runtime,
    Posts,
    Table,
    Wire,
    Function,
    Fault,
}

/// One line: who, what, more about it, and the id that it is about.
pub(super) struct Line<'a> {
    part: Part,
    what: Cow<'a, str>,
    more: String,
    id: Option<&'a str>,
    bad: bool,
}

impl Part {
    fn name(self) -> (&'static str, Style) {
        let (name, colour) = match self {
            Self::Gateway => ("gateway", AnsiColor::Cyan),
            Self::Lambda => ("lambda", AnsiColor::Magenta),
            Self::Agent => ("agent", AnsiColor::Green),
            Self::Harness => ("harness", AnsiColor::Green),
            Self::Runtime => ("runtime", AnsiColor::Green),
            Self::Posts => ("posts", AnsiColor::Blue),
            Self::Table => ("table", AnsiColor::BrightMagenta),
            Self::Wire => ("wire", AnsiColor::BrightBlue),
            Self::Function => ("function", AnsiColor::Yellow),
            Self::Fault => ("fault", AnsiColor::BrightRed),
        };
        (name, colour.on_default())
    }
}

impl<'a> Line<'a> {
    pub(super) fn new(part: Part, what: impl Into<Cow<'a, str>>) -> Self {
        Self { part, what: what.into(), more: String::new(), id: None, bad: false }
    }

    pub(super) fn more(mut self, more: impl Display) -> Self {
        self.more = more.to_string();
        self
    }

    pub(super) fn about(mut self, id: &'a str) -> Self {
        self.id = Some(id).filter(|id| !id.is_empty());
        self
    }

    pub(super) fn bad_if(mut self, bad: bool) -> Self {
        self.bad = bad;
        self
    }

    /// Writes it, so long after the beginning of the log.
    pub(super) fn write(&self, out: &mut impl Write, time: Duration) -> io::Result<()> {
        let Self { part, what, more, id, bad } = self;
        let seconds = time.as_secs_f64();
        let (name, style) = part.name();
        let style = if *bad { BAD } else { style };
        let what_style = if *bad { BAD } else { Style::new() };
        write!(out, "{DIM}{seconds:9.3}{DIM:#}  {style}{name:<8}{style:#}  ")?;
        if more.is_empty() && id.is_none() {
            write!(out, "{what_style}{what}{what_style:#}")?;
        } else {
            write!(out, "{what_style}{what:<12}{what_style:#}")?;
        }
        if !more.is_empty() {
            write!(out, "  {more}")?;
        }
        if let Some(id) = id {
            write!(out, "  {DIM}{id}{DIM:#}")?;
        }
        writeln!(out)?;
        out.flush()
    }
}

/// The beginning of a request id, which is enough to tell requests apart.
pub(super) fn short(request_id: &str) -> &str {
    request_id.split('-').next().unwrap_or_default()
}

pub(super) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A number of bytes, for people.
pub(super) struct Bytes(pub(super) usize);

impl Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "it is rounded to a tenth anyway")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1024 => write!(f, "{}", count(bytes, "byte")),
            bytes => write!(f, "{:.1} KiB", bytes as f64 / 1024.0),
        }
    }
}

pub(super) fn micros(microseconds: u64) -> Span {
    Span(Duration::from_micros(microseconds))
}

/// A duration, for people.
pub(super) struct Span(pub(super) Duration);

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
