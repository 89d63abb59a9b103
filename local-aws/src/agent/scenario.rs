//! Which script a prompt asks for.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;

use super::answer::spoken;
use super::script::{Script, Step};
use super::trace::Traces;
use super::{Exception, answer, control, files, team};

/// The scenarios: how to type them, and what the agent does then.
pub const SCENARIOS: [(&str, &str); 16] = [
    ("/tokens N R [KB]", "N chunks at R a second (0: at once), KB of trace before every tenth"),
    ("/slow S", "S seconds of silence, then the answer"),
    ("/pause N S", "N chunks, S seconds of silence, then the rest"),
    ("/emoji", "multi-byte text, every byte a chunk of its own"),
    ("/single", "the whole answer in one chunk, as without streaming"),
    ("/trace KB", "a trace event of that many KiB"),
    ("/error NAME [N]", "that Bedrock exception, at once or after N chunks"),
    ("/cut N", "the connection breaks after N chunks"),
    ("/corrupt N", "an event with a wrong checksum after N chunks"),
    ("/tool", "asks for a function's result; `/tool api`, `/tool team`, or `/tool 3` for 3 calls"),
    ("/confirm", "asks the user to confirm; `/confirm api`, or `/confirm result` for a result too"),
    ("/file [MB]", "a CSV and a PNG file, or one file of that many megabytes"),
    ("/guardrail", "a guardrail blocks the prompt"),
    ("/team", "collaborators at work, with their traces"),
    ("/unknown", "an event of a type that does not exist yet"),
    ("/help", "this list; any other prompt gets an answer with traces and citations"),
];

/// Text of two, three and four bytes a character, and of characters that others join onto.
const MULTI_BYTE: &str = "Grüße aus Zürich! Ελληνικά, русский, 日本語, 한국어, العربية. \
    Café as e\u{301}; family 👨‍👩‍👧‍👦, flags 🇨🇭🇯🇵, thumbs 👍🏽. ½ €uro ≠ 1 ₹ — fin 🎬";

/// One turn of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn<'a> {
    /// What the user wrote.
    pub(super) prompt: &'a str,
    /// Tells all turns apart; the id of a return of control.
    pub(super) id: &'a str,
    /// Counts the turns of the session from 1.
    pub(super) number: u32,
    /// Whether the caller receives traces.
    pub(super) traced: bool,
    /// The time at which the script begins.
    pub(super) now: SystemTime,
}

/// The script for a turn. The same turn always gives the same script.
pub(super) fn play(turn: &Turn<'_>) -> Script {
    let mut words = turn.prompt.split_whitespace();
    let command = words.next().unwrap_or_default().to_ascii_lowercase();
    let arguments: Vec<&str> = words.collect();
    let script = match command.as_str() {
        "/tokens" => tokens(turn, &arguments),
        "/slow" => slow(turn, &arguments),
        "/emoji" => none(&arguments).map(|()| emoji()),
        "/single" => none(&arguments).map(|()| answer::whole(turn)),
        "/trace" => trace(turn, &arguments),
        "/error" => error(&arguments),
        "/pause" => pause(&arguments),
        "/cut" => broken(&arguments, "/cut", Step::Cut),
        "/corrupt" => broken(&arguments, "/corrupt", Step::Corrupt),
        "/tool" => control::tool(turn, &arguments),
        "/confirm" => control::confirm(turn, &arguments),
        "/file" => files::file(turn, &arguments),
        "/guardrail" => none(&arguments).map(|()| guardrail(turn)),
        "/team" => none(&arguments).map(|()| team::team(turn)),
        "/unknown" => none(&arguments).map(|()| unknown()),
        "/help" => Ok(speak(&help())),
        other if other.starts_with('/') => {
            Err(format!("There is no scenario `{}`.", shorten(other)))
        }
        _ => Ok(answer::streamed(turn)),
    };
    script.unwrap_or_else(|problem| speak(&format!("{problem}\n\n{}", help())))
}

fn tokens(turn: &Turn<'_>, arguments: &[&str]) -> Result<Script, String> {
    const USAGE: &str = "`/tokens N R` wants a number of chunks and a rate";
    let (count, rate, kib) = match arguments {
        [count, rate] => (count, rate, None),
        [count, rate, kib] => (count, rate, Some(number(kib, 1, 100, "KB")?)),
        _ => return Err(format!("{USAGE}, such as `/tokens 200 50`.")),
    };
    let count: u32 = number(count, 1, 100_000, "N")?;
    let pace = match *rate {
        "0" => Duration::ZERO,
        rate => Duration::from_secs_f64(1.0 / number(rate, 0.1, 10_000.0, "R")?),
    };
    if pace * count > Duration::from_mins(14) {
        return Err(format!("{USAGE}, which together last 840 seconds at most."));
    }
    let trace = kib.map(|kib| Traces::new(turn).rationale(&thought(kib)));
    let steps = (1..=count).flat_map(|n| {
        let end = if n % 20 == 0 || n == count { '\n' } else { ' ' };
        let trace = trace.as_ref().filter(|_| n % 10 == 0).cloned().map(Step::Trace);
        let wait = (!pace.is_zero()).then_some(Step::Wait(pace));
        wait.into_iter().chain(trace).chain([chunk(format!("{n}{end}"))])
    });
    Ok(Script::new().steps(steps))
}

fn slow(turn: &Turn<'_>, arguments: &[&str]) -> Result<Script, String> {
    let [seconds] = arguments else {
        return Err("`/slow S` wants a number of seconds, such as `/slow 40`.".to_owned());
    };
    let seconds: f64 = number(seconds, 0.0, 840.0, "S")?;
    let unit = unit(seconds);
    let text = format!(
        "After {seconds} {unit} of silence the answer still arrived **in full**. \
         This is turn {} of this conversation.",
        turn.number,
    );
    Ok(Script::new().wait(Duration::from_secs_f64(seconds)).steps(spoken(&text)))
}

fn emoji() -> Script {
    let chunks = MULTI_BYTE.bytes().flat_map(|byte| {
        let bytes = Bytes::from(vec![byte]);
        [Step::Wait(Duration::from_millis(5)), Step::Chunk { bytes, citations: Vec::new() }]
    });
    Script::new().steps(chunks)
}

fn trace(turn: &Turn<'_>, arguments: &[&str]) -> Result<Script, String> {
    let [kib] = arguments else {
        return Err("`/trace KB` wants a size in KiB, such as `/trace 100`.".to_owned());
    };
    let kib: u32 = number(kib, 1, 8192, "KB")?;
    let text = if turn.traced {
        format!("Before this sentence came a trace event of {kib} KiB.")
    } else {
        format!("A trace event of {kib} KiB would have come before this sentence: ask for traces.")
    };
    let traces = Traces::new(turn);
    Ok(Script::new().wait_ms(100).trace(traces.rationale(&thought(kib))).steps(spoken(&text)))
}

/// A thought of that size. The frame around it adds half a KiB, its escapes stay below one byte in
/// fifty.
fn thought(kib: u32) -> String {
    const LINE: &str = "A long thought, which goes on and on – with “quotes” and naïve 🧠 signs.\n";
    let bytes = kib as usize * 1024;
    let mut thought = LINE.repeat(bytes / LINE.len() + 1);
    thought.truncate(thought.floor_char_boundary(bytes));
    thought
}

fn error(arguments: &[&str]) -> Result<Script, String> {
    let (name, after) = match arguments {
        [name] => (name, None),
        [name, after] => (name, Some(number::<u32>(after, 0, 10_000, "N")?)),
        _ => {
            let usage = "`/error NAME [N]` wants the name of an exception, such as \
                         `/error throttling` or `/error throttlingException 3`";
            return Err(format!("{usage}. {}", exceptions()));
        }
    };
    let exception = Exception::by_name(name)
        .ok_or_else(|| format!("Bedrock has no exception `{}`. {}", shorten(name), exceptions()))?;
    let script = match after {
        None => Script::new(),
        // The wait makes the exception an event of the stream even when no chunk comes before it.
        Some(after) => Script::new().wait_ms(20).steps(counted(after)),
    };
    Ok(script.step(Step::Exception(exception)))
}

/// Breaks off after some chunks.
fn broken(arguments: &[&str], command: &str, end: Step) -> Result<Script, String> {
    let [after] = arguments else {
        return Err(format!("`{command} N` wants a number of chunks, such as `{command} 3`."));
    };
    let after: u32 = number(after, 0, 10_000, "N")?;
    // The waits let the beginning of the response, and each chunk, go out before the end comes.
    Ok(Script::new().wait_ms(20).steps(counted(after)).step(end))
}

fn pause(arguments: &[&str]) -> Result<Script, String> {
    let [count, seconds] = arguments else {
        let usage = "`/pause N S` wants a number of chunks and of seconds, such as `/pause 5 40`.";
        return Err(usage.to_owned());
    };
    let count: u32 = number(count, 0, 10_000, "N")?;
    let seconds: f64 = number(seconds, 0.0, 840.0, "S")?;
    let rest = format!("And after {seconds} {} of silence the answer goes on.", unit(seconds));
    let silence = Duration::from_secs_f64(seconds);
    Ok(Script::new().steps(counted(count)).wait(silence).steps(spoken(&rest)))
}

fn unit(seconds: f64) -> &'static str {
    if (seconds - 1.0).abs() < f64::EPSILON { "second" } else { "seconds" }
}

/// So many chunks, which say their numbers from 1.
fn counted(count: u32) -> impl Iterator<Item = Step> {
    (1..=count).flat_map(|n| [chunk(format!("chunk {n} ")), Step::Wait(Duration::from_millis(20))])
}

fn guardrail(turn: &Turn<'_>) -> Script {
    let took = Duration::from_millis(180);
    // The message that Bedrock's console offers when a guardrail is made.
    let message = "Sorry, the model cannot answer this question.";
    Script::new()
        .wait(took)
        .trace(Traces::new(turn).blocked("Secrets of the handbook", took))
        .text(message)
}

fn unknown() -> Script {
    let payload = json!({
        "hologram": { "mood": "curious", "vertices": 12, "note": "Nobody knows this event yet." },
    });
    Script::new()
        .wait_ms(100)
        .steps(spoken("Between these two sentences comes an event of a type unknown today. "))
        .step(Step::Event { event_type: "hologram", payload })
        .steps(spoken("The relay passed it on and did not stumble."))
}

/// A short answer, at a pace that is pleasant to read.
fn speak(text: &str) -> Script {
    Script::new().wait_ms(150).steps(spoken(text))
}

fn chunk(text: impl Into<Bytes>) -> Step {
    Step::Chunk { bytes: text.into(), citations: Vec::new() }
}

/// The list of scenarios, as Markdown.
pub(super) fn help() -> String {
    let rows = SCENARIOS.map(|(usage, what)| format!("| `{usage}` | {what} |\n"));
    format!("| Prompt | What the agent does |\n|---|---|\n{}", rows.concat())
}

fn exceptions() -> String {
    let names = Exception::ALL.map(|exception| format!("`{}`", exception.member()));
    format!("It knows {}.", names.join(", "))
}

fn none(arguments: &[&str]) -> Result<(), String> {
    match arguments {
        [] => Ok(()),
        [first, ..] => {
            Err(format!("This scenario takes nothing after it, not `{}`.", shorten(first)))
        }
    }
}

/// Reads a number within bounds.
pub(super) fn number<N>(text: &str, least: N, most: N, name: &str) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let fits = |number: &N| *number >= least && *number <= most;
    text.parse().ok().filter(fits).ok_or_else(|| {
        format!("{name} must be a number from {least} to {most}, not `{}`.", shorten(text))
    })
}

/// A word of the user's, short enough to be quoted.
fn shorten(word: &str) -> String {
    word.chars().filter(|&c| c != '`').take(40).collect()
}

#[cfg(test)]
mod tests;
