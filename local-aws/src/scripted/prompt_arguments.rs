//! Prompts as arguments of a command line: what each scenario takes, what `/help` says about it, and what
//! is said about a prompt that makes no sense.

use std::ops::RangeInclusive;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Subcommand};

/// The longest silence in seconds: as long as an answer may take, nearly 15 minutes.
pub(crate) const MAX_SILENCE_S: f64 = 840.0;

/// Reads a prompt; `None` if it is no scenario's.
///
/// # Errors
/// When there is no such scenario, or its arguments make no sense: why, as Markdown.
pub(crate) fn parse<P: Subcommand>(prompt: &str) -> Result<Option<P>, String> {
    let mut words: Vec<String> = prompt.split_whitespace().map(str::to_owned).collect();
    match words.first_mut() {
        Some(name) if name.starts_with('/') => name.make_ascii_lowercase(),
        _ => return Ok(None),
    }
    let read = |words: &[String]| {
        let mut matches = command::<P>().try_get_matches_from(words)?;
        P::from_arg_matches_mut(&mut matches)
    };
    match read(&words) {
        Ok(prompt) => Ok(Some(prompt)),
        Err(error) => {
            // What the user wrote is quoted, so it must not end the quote.
            let quotable = |word: &String| word.replace(['`', '\''], "").chars().take(40).collect();
            let words: Vec<String> = words.iter().map(quotable).collect();
            Err(explain::<P>(&read(&words).err().unwrap_or(error), &words))
        }
    }
}

/// What is wrong with this prompt, and how it is used.
pub(crate) fn misuse<P: Subcommand>(prompt: &str, reason: &str) -> String {
    let name = prompt.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    format!("{reason} {}", usage_of::<P>(&name))
}

/// Each scenario: how to type it, and what happens then.
pub(crate) fn scenarios<P: Subcommand>() -> Vec<(String, String)> {
    let about = |command: &Command| command.get_about().map(ToString::to_string);
    command::<P>()
        .get_subcommands()
        .map(|command| (usage(command), about(command).unwrap_or_default()))
        .collect()
}

/// The list of scenarios, as Markdown.
pub(crate) fn help<P: Subcommand>() -> String {
    let rows = scenarios::<P>().into_iter();
    let rows = rows.map(|(usage, what)| format!("| `{usage}` | {what} |\n"));
    format!("| Prompt | What the agent does |\n|---|---|\n{}", rows.collect::<String>())
}

/// The command line whose first word is the scenario.
pub(crate) fn command<P: Subcommand>() -> Command {
    let command = Command::new("prompt").no_binary_name(true).disable_help_subcommand(true);
    P::augment_subcommands(command).subcommand_required(true).mut_subcommands(|command| {
        command.disable_help_flag(true).disable_version_flag(true).allow_negative_numbers(true)
    })
}

/// Reads a number within bounds.
pub(crate) fn number<N>(
    range: RangeInclusive<N>,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display + Copy + Send + Sync + 'static,
{
    move |text: &str| {
        let (least, most) = (range.start(), range.end());
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("must be a number from {least} to {most}"))
    }
}

/// Reads so many a second; 0 means at once.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    if text == "0" { Ok(0.0) } else { number(0.1..=10_000.0)(text) }
}

fn explain<P: Subcommand>(error: &clap::Error, words: &[String]) -> String {
    let name = words.first().map_or("", |name| name);
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        Some(ContextValue::Strings(texts)) => texts.first().map_or("", |text| text),
        _ => "",
    };
    let reason = match error.kind() {
        ErrorKind::InvalidSubcommand | ErrorKind::MissingSubcommand => {
            return format!("There is no scenario `{name}`.");
        }
        ErrorKind::MissingRequiredArgument => {
            format!("`{name}` lacks {}.", bare(text(ContextKind::InvalidArg)))
        }
        ErrorKind::ValueValidation => {
            let (argument, value) =
                (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
            let why = std::error::Error::source(error).map(ToString::to_string);
            format!("{} {}, not `{value}`.", bare(argument), why.unwrap_or_default())
        }
        ErrorKind::InvalidValue => {
            let valid = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(texts)) => {
                    texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
                }
                _ => String::new(),
            };
            let (argument, value) =
                (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
            format!("{} must be one of {valid}, not `{value}`.", bare(argument))
        }
        ErrorKind::UnknownArgument => {
            format!("`{name}` does not take `{}`.", text(ContextKind::InvalidArg))
        }
        _ => format!("`{name}` is not used like this."),
    };
    format!("{reason} {}", usage_of::<P>(name))
}

/// An argument's name as it stands in the usage.
fn bare(argument: &str) -> String {
    argument.replace(['<', '>', '[', ']'], "")
}

/// How a scenario is used, as a sentence.
fn usage_of<P: Subcommand>(name: &str) -> String {
    let command = command::<P>();
    let Some(command) = command.find_subcommand(name) else { return String::new() };
    let example = command.get_after_help().map(|example| format!(", such as `{example}`"));
    format!("It is used as `{}`{}.", usage(command), example.unwrap_or_default())
}

fn usage(command: &Command) -> String {
    let argument = |argument: &Arg| {
        let name = argument.get_value_names().and_then(<[_]>::first).map_or("", |name| name);
        match argument.get_long() {
            Some(long) => format!(" [--{long} {name}]"),
            None if argument.is_required_set() => format!(" {name}"),
            None => format!(" [{name}]"),
        }
    };
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    format!("{}{}", command.get_name(), arguments.map(argument).collect::<String>())
}
