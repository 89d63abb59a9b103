//! The prompts of the runtime's scenarios, as arguments of a command line.

use clap::{Subcommand, ValueEnum};

use super::rejection::{Rejection, RuntimeError};
use crate::harness::exception::{HarnessException, Refusal};
use crate::scripted::prompt_arguments::{self, MAX_SILENCE_S, number, rate};

/// The scenarios. What stands here about each is what `/help` says.
#[derive(Clone, Debug, PartialEq, Subcommand)]
#[command(rename_all = "lower")]
pub(super) enum Prompt {
    /// N pieces at R a second (0: at once)
    #[command(name = "/tokens", after_help = "/tokens 200 50")]
    Tokens {
        #[arg(value_name = "N", value_parser = number(1..=100_000_u32))]
        chunks: u32,
        #[arg(value_name = "R", value_parser = rate)]
        rate: f64,
    },
    /// S seconds of silence, then the answer
    #[command(name = "/slow", after_help = "/slow 40")]
    Slow {
        #[arg(value_name = "S", value_parser = number(0.0..=MAX_SILENCE_S))]
        seconds: f64,
    },
    /// N pieces, S seconds of silence, then the rest
    #[command(name = "/pause", after_help = "/pause 5 40")]
    Pause {
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        chunks: u32,
        #[arg(value_name = "S", value_parser = number(0.0..=MAX_SILENCE_S))]
        seconds: f64,
    },
    /// multi-byte text, whose bytes come in threes, also inside characters
    #[command(name = "/emoji")]
    Emoji,
    /// KB of text in one piece
    #[command(name = "/single", after_help = "/single 300")]
    Single {
        #[arg(value_name = "KB", value_parser = number(1..=8192_u32), default_value = "4")]
        kib: u32,
    },
    /// thoughts, then the answer
    #[command(name = "/think")]
    Think,
    /// all that the agents of Strands send: snapshots, parallel calls, results, state
    #[command(name = "/strands")]
    Strands,
    /// two agents that take steps and hand over
    #[command(name = "/steps")]
    Steps,
    /// a tool whose result has that many KiB
    #[command(name = "/trace", after_help = "/trace 100")]
    Trace {
        #[arg(value_name = "KB", value_parser = number(1..=8192_u32))]
        kib: u32,
    },
    /// snapshots of state and messages of that many KiB each
    #[command(name = "/snapshot", after_help = "/snapshot 100")]
    Snapshot {
        #[arg(value_name = "KB", value_parser = number(1..=8192_u32))]
        kib: u32,
    },
    /// asks for the results of N tools of the client, whose calls come interleaved
    #[command(name = "/tool", after_help = "/tool 3")]
    Tool {
        #[arg(value_name = "N", value_parser = number(1..=3_usize), default_value = "1")]
        calls: usize,
    },
    /// interrupts the run until the client says whether to go on
    #[command(name = "/interrupt")]
    Interrupt,
    /// that error, as of AWS or of the platform's AG-UI, at once or, as `RUN_ERROR`, after N pieces
    #[command(name = "/error", after_help = "/error SESSION_BUSY")]
    Error {
        #[arg(value_name = "NAME", value_parser = rejection)]
        rejection: Rejection,
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        after: Option<u32>,
    },
    /// that error N times, then the answer: for whoever asks again
    #[command(name = "/refuse", after_help = "/refuse throttlingException 2")]
    Refuse {
        #[arg(value_name = "NAME", value_parser = rejection)]
        rejection: Rejection,
        #[arg(value_name = "N", value_parser = number(1..=1000_u32), default_value = "1")]
        times: u32,
    },
    /// the connection breaks after N pieces
    #[command(name = "/cut", after_help = "/cut 3")]
    Cut {
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        after: u32,
    },
    /// what agents get wrong: `unknown`, `nulls`, `crlf`, `comments`, `quoted`, `chunks`, `unopened`, `words`, `failure`, `gaveup`, `unended`, `empty` or `json`
    #[command(name = "/odd", after_help = "/odd nulls")]
    Odd {
        #[arg(value_name = "KIND", value_enum, hide_possible_values = true)]
        oddity: Oddity,
    },
    /// a timeline, its next run or that one; `--speed 10` is faster, 0 at once
    #[command(name = "/play", after_help = "/play written.jsonl 2")]
    Play {
        #[arg(value_name = "FILE")]
        file: String,
        #[arg(value_name = "TURN", value_parser = number(1..=100_000_usize))]
        turn: Option<usize>,
        #[arg(long, value_name = "X", default_value = "1", value_parser = number(0.0..=1000.0))]
        speed: f64,
    },
    /// this list; any other prompt gets an answer with a tool of the agent
    #[command(name = "/help")]
    Help {
        #[arg(hide = true)]
        _anything: Vec<String>,
    },
}

/// What agents send that is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Oddity {
    /// Types that do not exist yet, and events of another form.
    Unknown,
    /// Nulls where nothing is, as Python writes them.
    Nulls,
    /// Lines that end with two characters.
    Crlf,
    /// Comments, and fields of server-sent events that nobody needs.
    Comments,
    /// Events inside strings of JSON.
    Quoted,
    /// The short form, in which nothing begins and ends.
    Chunks,
    /// Pieces of what has not begun, and what never ends.
    Unopened,
    /// Strings and objects that are no events.
    Words,
    /// The error object of AWS's SDK.
    Failure,
    /// A `RUN_ERROR` of the agent's own, with text before it and events after it.
    Gaveup,
    /// Neither `RUN_FINISHED` nor `RUN_ERROR`.
    Unended,
    /// No event at all.
    Empty,
    /// JSON instead of a stream.
    Json,
}

/// Reads a prompt; `None` if it is no scenario's.
///
/// # Errors
/// When there is no such scenario, or its arguments make no sense: why, as Markdown.
pub(super) fn parse(prompt: &str) -> Result<Option<Prompt>, String> {
    prompt_arguments::parse(prompt)
}

/// What is wrong with this prompt, and how it is used.
pub(super) fn misuse(prompt: &str, reason: &str) -> String {
    prompt_arguments::misuse::<Prompt>(prompt, reason)
}

/// Each scenario of the scripted runtime: how to type it, and what its agent does then.
pub(crate) fn scenarios() -> Vec<(String, String)> {
    prompt_arguments::scenarios::<Prompt>()
}

/// The list of scenarios, as Markdown.
pub(super) fn help() -> String {
    prompt_arguments::help::<Prompt>()
}

/// Reads the name of an error: the platform's code, or AWS's name.
///
/// # Errors
/// When there is none of this name: which there are.
pub(super) fn rejection(name: &str) -> Result<Rejection, String> {
    if let Some(error) = RuntimeError::by_code(name) {
        return Ok(Rejection::RunError(error));
    }
    let exception = HarnessException::by_name(name).map(Refusal::from);
    exception.map(Rejection::Exception).ok_or_else(|| {
        let codes = RuntimeError::ALL.map(RuntimeError::code);
        let names = HarnessException::ALL.map(HarnessException::member);
        let all = codes.iter().chain(&names).map(|name| format!("`{name}`"));
        format!("must be one of {}", all.collect::<Vec<_>>().join(", "))
    })
}
