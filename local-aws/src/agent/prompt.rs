//! The prompts of the scenarios, as arguments of a command line.

use clap::Subcommand;

use super::exception::Exception;
use crate::scripted::prompt_arguments::{self, MAX_SILENCE_S, number, rate};

/// The largest file of `/file MB`: as base64 it stays below the 16 MiB of an event.
const MAX_MEGABYTES: u32 = 8;

/// The scenarios. What stands here about each is what `/help` says.
#[derive(Clone, Debug, PartialEq, Subcommand)]
#[command(rename_all = "lower")]
pub(super) enum Prompt {
    /// N chunks at R a second (0: at once), KB of trace before every tenth
    #[command(name = "/tokens", after_help = "/tokens 200 50")]
    Tokens {
        #[arg(value_name = "N", value_parser = number(1..=100_000_u32))]
        chunks: u32,
        #[arg(value_name = "R", value_parser = rate)]
        rate: f64,
        #[arg(value_name = "KB", value_parser = number(1..=100_u32))]
        trace_kib: Option<u32>,
    },
    /// S seconds of silence, then the answer
    #[command(name = "/slow", after_help = "/slow 40")]
    Slow {
        #[arg(value_name = "S", value_parser = number(0.0..=MAX_SILENCE_S))]
        seconds: f64,
    },
    /// N chunks, S seconds of silence, then the rest
    #[command(name = "/pause", after_help = "/pause 5 40")]
    Pause {
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        chunks: u32,
        #[arg(value_name = "S", value_parser = number(0.0..=MAX_SILENCE_S))]
        seconds: f64,
    },
    /// multi-byte text, every byte a chunk of its own
    #[command(name = "/emoji")]
    Emoji,
    /// the whole answer in one chunk, as without streaming
    #[command(name = "/single")]
    Single,
    /// a trace event of that many KiB
    #[command(name = "/trace", after_help = "/trace 100")]
    Trace {
        #[arg(value_name = "KB", value_parser = number(1..=8192_u32))]
        kib: u32,
    },
    /// that Bedrock exception, at once or after N chunks
    #[command(name = "/error", after_help = "/error throttlingException 3")]
    Error {
        #[arg(value_name = "NAME", value_parser = exception)]
        exception: Exception,
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        after: Option<u32>,
    },
    /// the connection breaks after N chunks
    #[command(name = "/cut", after_help = "/cut 3")]
    Cut {
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        after: u32,
    },
    /// an event with a wrong checksum after N chunks
    #[command(name = "/corrupt", after_help = "/corrupt 3")]
    Corrupt {
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        after: u32,
    },
    /// asks for a function's result; `/tool api`, `/tool team`, or `/tool 3` for 3 calls
    #[command(name = "/tool", after_help = "/tool 3")]
    Tool {
        #[arg(value_name = "KIND", value_parser = tools, default_value = "1")]
        tools: Tools,
    },
    /// asks the user to confirm; `/confirm api`, or `/confirm result` for a result too
    #[command(name = "/confirm", after_help = "/confirm result")]
    Confirm {
        #[arg(value_name = "KIND", value_parser = confirmation, default_value = "function")]
        confirmation: Confirmation,
    },
    /// a CSV and a PNG file, or one file of that many megabytes
    #[command(name = "/file", after_help = "/file 5")]
    File {
        #[arg(value_name = "MB", value_parser = number(1..=MAX_MEGABYTES))]
        megabytes: Option<u32>,
    },
    /// what files came with the prompt: names, types, sizes and hashes
    #[command(name = "/files")]
    Files,
    /// a guardrail blocks the prompt
    #[command(name = "/guardrail")]
    Guardrail,
    /// collaborators at work, with their traces
    #[command(name = "/team")]
    Team,
    /// an event of a type that does not exist yet
    #[command(name = "/unknown")]
    Unknown,
    /// a recorded timeline, its next turn or that one; `--speed 10` is faster, 0 at once
    #[command(name = "/play", after_help = "/play recorded.jsonl 2")]
    Play {
        #[arg(value_name = "FILE")]
        file: String,
        #[arg(value_name = "TURN", value_parser = number(1..=100_000_usize))]
        turn: Option<usize>,
        #[arg(long, value_name = "X", default_value = "1", value_parser = number(0.0..=1000.0))]
        speed: f64,
    },
    /// this list; any other prompt gets an answer with traces and citations
    #[command(name = "/help")]
    Help {
        #[arg(hide = true)]
        _anything: Vec<String>,
    },
}

/// What `/tool` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tools {
    /// So many calls of both kinds.
    Calls(usize),
    /// A call by an API schema.
    Api,
    /// A call of a collaborator's.
    Team,
}

/// What `/confirm` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// Whether a function may be called.
    Function,
    /// The same for an API schema.
    Api,
    /// The same for a function, and its result.
    Result,
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

/// Each scenario of the scripted agent: how to type it, and what the agent does then.
pub(crate) fn scenarios() -> Vec<(String, String)> {
    prompt_arguments::scenarios::<Prompt>()
}

/// The list of scenarios, as Markdown.
pub(super) fn help() -> String {
    prompt_arguments::help::<Prompt>()
}

fn exception(text: &str) -> Result<Exception, String> {
    Exception::by_name(text).ok_or_else(|| {
        let names = Exception::ALL.map(|exception| format!("`{}`", exception.member()));
        format!("must be one of {}", names.join(", "))
    })
}

fn tools(text: &str) -> Result<Tools, String> {
    match text {
        "api" => Ok(Tools::Api),
        "team" => Ok(Tools::Team),
        _ => match text.parse() {
            Ok(calls @ 1..=5) => Ok(Tools::Calls(calls)),
            _ => Err("must be `api`, `team`, or a number of calls from 1 to 5".to_owned()),
        },
    }
}

fn confirmation(text: &str) -> Result<Confirmation, String> {
    match text {
        "function" => Ok(Confirmation::Function),
        "api" => Ok(Confirmation::Api),
        "result" => Ok(Confirmation::Result),
        _ => Err("must be `function`, `api`, or `result`".to_owned()),
    }
}
