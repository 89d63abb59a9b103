//! The prompts of the harness' scenarios, as arguments of a command line.

use clap::{Subcommand, ValueEnum};

use super::exception::HarnessException;
use super::shape::fits;
use crate::scripted::prompt_arguments::{self, MAX_SILENCE_S, number, rate};

/// The scenarios. What stands here about each is what `/help` says.
#[derive(Clone, Debug, PartialEq, Subcommand)]
#[command(rename_all = "lower")]
pub(super) enum Prompt {
    /// N pieces at R a second (0: at once), KB of reasoning before every tenth
    #[command(name = "/tokens", after_help = "/tokens 200 50")]
    Tokens {
        #[arg(value_name = "N", value_parser = number(1..=100_000_u32))]
        chunks: u32,
        #[arg(value_name = "R", value_parser = rate)]
        rate: f64,
        #[arg(value_name = "KB", value_parser = number(1..=100_u32))]
        reasoning_kib: Option<u32>,
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
    /// multi-byte text, every character a piece of its own
    #[command(name = "/emoji")]
    Emoji,
    /// the whole answer in one piece a block, as of a model that does not stream
    #[command(name = "/single")]
    Single,
    /// reasoning, then the answer
    #[command(name = "/think")]
    Think,
    /// tools of the harness at work over several steps, with text before and after them
    #[command(name = "/work")]
    Work,
    /// a tool of the harness whose result has that many KiB
    #[command(name = "/trace", after_help = "/trace 100")]
    Trace {
        #[arg(value_name = "KB", value_parser = number(1..=8192_u32))]
        kib: u32,
    },
    /// hooks around a tool: `allow` or `deny` it, or let the run end as `failed`
    #[command(name = "/hook", after_help = "/hook deny")]
    Hook {
        #[arg(
            value_name = "KIND",
            value_enum,
            default_value = "allow",
            hide_possible_values = true
        )]
        hook: Hook,
    },
    /// asks for a function's result; `/tool 3` for 3 in turn, `/tool 3 together`; or a call that is `empty`, `text`, `untyped`, `late` or `denied`
    #[command(name = "/tool", after_help = "/tool 3 together")]
    Tool {
        #[arg(value_name = "KIND", value_parser = tools, default_value = "1")]
        tools: Tools,
        #[arg(value_name = "ORDER", value_enum, hide_possible_values = true)]
        order: Option<Order>,
    },
    /// a cut answer with that stop reason
    #[command(name = "/limit", after_help = "/limit max_tokens")]
    Limit {
        #[arg(value_name = "REASON", value_parser = stop_reason)]
        stop_reason: String,
    },
    /// a guardrail blocks the prompt
    #[command(name = "/guardrail")]
    Guardrail,
    /// that exception, at once or, of three of them, after N pieces
    #[command(name = "/error", after_help = "/error runtimeClientError 3")]
    Error {
        #[arg(value_name = "NAME", value_parser = exception)]
        exception: HarnessException,
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        after: Option<u32>,
    },
    /// that exception N times, then the answer: for whoever asks again
    #[command(name = "/refuse", after_help = "/refuse throttlingException 2")]
    Refuse {
        #[arg(value_name = "NAME", value_parser = exception)]
        exception: HarnessException,
        #[arg(value_name = "N", value_parser = number(1..=1000_u32), default_value = "1")]
        times: u32,
    },
    /// the connection breaks after N pieces
    #[command(name = "/cut", after_help = "/cut 3")]
    Cut {
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        after: u32,
    },
    /// an event with a wrong checksum after N pieces
    #[command(name = "/corrupt", after_help = "/corrupt 3")]
    Corrupt {
        #[arg(value_name = "N", value_parser = number(0..=10_000_u32))]
        after: u32,
    },
    /// an event of a type that does not exist yet
    #[command(name = "/unknown")]
    Unknown,
    /// what the API's model has otherwise: `start`, `indices`, `untyped`, `members`, `unstopped` or `empty`
    #[command(name = "/odd", after_help = "/odd start")]
    Odd {
        #[arg(value_name = "KIND", value_enum, hide_possible_values = true)]
        oddity: Oddity,
    },
    /// a recorded timeline, its next run or that one; `--speed 10` is faster, 0 at once
    #[command(name = "/play", after_help = "/play recorded.jsonl 2")]
    Play {
        #[arg(value_name = "FILE")]
        file: String,
        #[arg(value_name = "TURN", value_parser = number(1..=100_000_usize))]
        turn: Option<usize>,
        #[arg(long, value_name = "X", default_value = "1", value_parser = number(0.0..=1000.0))]
        speed: f64,
    },
    /// this list; any other prompt gets an answer with reasoning and a tool
    #[command(name = "/help")]
    Help {
        #[arg(hide = true)]
        _anything: Vec<String>,
    },
}

/// What hooks do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Hook {
    /// They let the tool run.
    Allow,
    /// They deny the tool, and the model goes on without it.
    Deny,
    /// The run fails, and only `after_invocation` is heard of it.
    Failed,
}

/// What `/tool` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tools {
    /// So many calls.
    Calls(usize),
    /// A call without any input.
    Empty,
    /// A call whose input is no JSON.
    Text,
    /// A call that does not say its type.
    Untyped,
    /// A call after tools of the harness have been at work.
    Late,
    /// A call that a hook denies.
    Denied,
}

/// In which order several calls are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Order {
    /// All in one message.
    Together,
}

/// What is not as the model of the API has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Oddity {
    /// A block that starts as nothing: `start: {}`.
    Start,
    /// Two calls with the same index.
    Indices,
    /// Calls that do not say their type.
    Untyped,
    /// Members that nobody knows, unknown deltas, and nothing where something should be.
    Members,
    /// The stream ends without `messageStop`.
    Unstopped,
    /// The stream ends without any event.
    Empty,
}

/// Reads a prompt; `None` if it is no scenario's.
///
/// # Errors
/// When there is no such scenario, or its arguments make no sense: why, as Markdown.
pub(super) fn parse(prompt: &str) -> Result<Option<Prompt>, String> {
    let parsed: Option<Prompt> = prompt_arguments::parse(prompt)?;
    let reason = match &parsed {
        Some(Prompt::Error { exception, after: Some(_) })
            if !HarnessException::IN_STREAM.contains(exception) =>
        {
            let names = HarnessException::IN_STREAM.map(|exception| quoted(exception.member()));
            format!("Inside a stream, NAME must be one of {}.", names.join(", "))
        }
        Some(Prompt::Tool { tools: Tools::Calls(1), order: Some(_) }) => {
            "One call cannot come together.".to_owned()
        }
        Some(Prompt::Tool { tools, order: Some(_) }) if !matches!(tools, Tools::Calls(_)) => {
            "Only a number of calls can come together.".to_owned()
        }
        _ => return Ok(parsed),
    };
    Err(misuse(prompt, &reason))
}

/// What is wrong with this prompt, and how it is used.
pub(super) fn misuse(prompt: &str, reason: &str) -> String {
    prompt_arguments::misuse::<Prompt>(prompt, reason)
}

/// Each scenario of the scripted harness: how to type it, and what the harness does then.
pub(crate) fn scenarios() -> Vec<(String, String)> {
    prompt_arguments::scenarios::<Prompt>()
}

/// The list of scenarios, as Markdown.
pub(super) fn help() -> String {
    prompt_arguments::help::<Prompt>()
}

fn exception(text: &str) -> Result<HarnessException, String> {
    HarnessException::by_name(text).ok_or_else(|| {
        let names = HarnessException::ALL.map(|exception| quoted(exception.member()));
        format!("must be one of {}", names.join(", "))
    })
}

fn tools(text: &str) -> Result<Tools, String> {
    Ok(match text {
        "empty" => Tools::Empty,
        "text" => Tools::Text,
        "untyped" => Tools::Untyped,
        "late" => Tools::Late,
        "denied" => Tools::Denied,
        _ => match text.parse() {
            Ok(calls @ 1..=5) => Tools::Calls(calls),
            _ => {
                return Err(
                    "must be `empty`, `text`, `untyped`, `late`, `denied`, or a number of \
                            calls from 1 to 5"
                        .to_owned(),
                );
            }
        },
    })
}

fn stop_reason(text: &str) -> Result<String, String> {
    if fits(text, "[a-z][a-z_]{0,63}") {
        Ok(text.to_owned())
    } else {
        Err("must be a stop reason, such as `max_tokens` or `guardrail_intervened`".to_owned())
    }
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}
