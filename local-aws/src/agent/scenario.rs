//! The script of each scenario.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::files as received_files;
use super::prompt::{self, Confirmation, Prompt, Tools};
use super::scenario_files as files;
use super::scenario_files::play;
use super::script::{Script, Step};
use super::turn_context::TurnContext;
use crate::scripted::placeholders::Placeholders;
use crate::scripted::speech::{STEADY, pieces};

/// Text of two, three and four bytes a character, and of characters that others join onto.
const MULTI_BYTE: &str = "Grüße aus Zürich! Ελληνικά, русский, 日本語, 한국어, العربية. \
    Café as e\u{301}; family 👨‍👩‍👧‍👦, flags 🇨🇭🇯🇵, thumbs 👍🏽. ½ €uro ≠ 1 ₹ — fin 🎬";

/// The script for a turn whose prompt is not `/play`. The same turn always gives the same script.
pub(super) fn script(turn: &TurnContext<'_>, prompt: Option<&Prompt>) -> Script {
    let placeholders = turn.placeholders();
    let file = |timeline| play(timeline, &placeholders);
    let Some(prompt) = prompt else { return answer(turn, placeholders) };
    match *prompt {
        Prompt::Tokens { chunks, rate, trace_kib } => {
            tokens(&placeholders, chunks, rate, trace_kib)
                .unwrap_or_else(|reason| explanation(&prompt::misuse(turn.prompt, &reason)))
        }
        Prompt::Slow { seconds } => slow(turn, seconds),
        Prompt::Pause { chunks, seconds } => pause(chunks, seconds),
        Prompt::Emoji => emoji(),
        Prompt::Single => answer(turn, placeholders).in_one_chunk(),
        Prompt::Trace { kib } => trace(turn, placeholders, kib),
        Prompt::Error { exception, after } => {
            let script = after.map_or_else(Script::new, counted);
            script.step(Step::Exception(exception.into()))
        }
        Prompt::Cut { after } => counted(after).step(Step::Cut),
        Prompt::Corrupt { after } => counted(after).step(Step::Corrupt),
        Prompt::Tool { tools } => match tools {
            Tools::Calls(calls) => tool(file(files::TOOL), calls),
            Tools::Api => file(files::TOOL_API),
            Tools::Team => file(files::TOOL_TEAM),
        },
        Prompt::Confirm { confirmation } => file(match confirmation {
            Confirmation::Function => files::CONFIRM,
            Confirmation::Api => files::CONFIRM_API,
            Confirmation::Result => files::CONFIRM_RESULT,
        }),
        Prompt::File { megabytes: None } => file(files::FILE),
        Prompt::File { megabytes: Some(megabytes) } => {
            let placeholders = placeholders
                .with("megabytes", &megabytes.to_string())
                .with("content", &STANDARD.encode(file_bytes(megabytes)));
            play(files::FILE_OF_SIZE, &placeholders)
        }
        Prompt::Files => speak(&received_files::listed(turn.files)),
        Prompt::Guardrail => file(files::GUARDRAIL),
        Prompt::Team => file(files::TEAM),
        Prompt::Unknown => file(files::UNKNOWN),
        // What to play is decided by the session.
        Prompt::Help { .. } | Prompt::Play { .. } => speak(&prompt::help()),
    }
}

/// Says what is wrong with a prompt, and what there is.
pub(super) fn explanation(reason: &str) -> Script {
    speak(&format!("{reason}\n\n{}", prompt::help()))
}

/// The content of the file that `/file MB` sends: so many times 1,048,576 bytes, the same ones each
/// time, in which no fragment looks like another.
///
/// Each byte is the highest one of a 32-bit linear congruential generator (factor 1664525,
/// increment 1013904223) after its next step, beginning with the number of megabytes; so a test in
/// any language can make them, too.
#[must_use]
pub fn file_bytes(megabytes: u32) -> Vec<u8> {
    let mut state = megabytes;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(megabytes as usize * 1024 * 1024).collect()
}

fn answer(turn: &TurnContext<'_>, placeholders: Placeholders) -> Script {
    let timeline = files::ANSWERS[turn.number as usize % files::ANSWERS.len()];
    play(timeline, &placeholders.with("scenarios", prompt::help().trim_end()))
}

fn tokens(
    placeholders: &Placeholders,
    chunks: u32,
    rate: f64,
    trace_kib: Option<u32>,
) -> Result<Script, String> {
    let pace = if rate == 0.0 { Duration::ZERO } else { Duration::from_secs_f64(1.0 / rate) };
    if pace * chunks > Duration::from_mins(14) {
        return Err("N at R a second must last 840 seconds at most.".to_owned());
    }
    let trace = trace_kib.and_then(|kib| {
        let placeholders = placeholders.clone().with("thought", &thought(kib)).with("sentence", "");
        let is_trace = |step: &Step| matches!(step, Step::Trace { .. });
        play(files::TRACE, &placeholders).steps.into_iter().find(is_trace)
    });
    let steps = (1..=chunks).flat_map(|n| {
        let end = if n % 20 == 0 || n == chunks { '\n' } else { ' ' };
        let trace = trace.as_ref().filter(|_| n % 10 == 0).cloned();
        let wait = (!pace.is_zero()).then_some(Step::Wait(pace));
        wait.into_iter().chain(trace).chain([Step::text(format!("{n}{end}"))])
    });
    Ok(Script::new().steps(steps))
}

fn slow(turn: &TurnContext<'_>, seconds: f64) -> Script {
    let text = format!(
        "After {seconds} {} of silence the answer still arrived **in full**. \
         This is turn {} of this conversation.",
        unit(seconds),
        turn.number,
    );
    Script::new().wait(Duration::from_secs_f64(seconds)).steps(spoken(&text))
}

fn pause(chunks: u32, seconds: f64) -> Script {
    let rest = format!("And after {seconds} {} of silence the answer goes on.", unit(seconds));
    let silence = Duration::from_secs_f64(seconds);
    Script::new().steps(chunk_numbers(chunks)).wait(silence).steps(spoken(&rest))
}

fn emoji() -> Script {
    let chunks = MULTI_BYTE.bytes().flat_map(|byte| {
        [Step::Wait(Duration::from_millis(5)), Step::text(Bytes::from(vec![byte]))]
    });
    Script::new().steps(chunks)
}

fn trace(turn: &TurnContext<'_>, placeholders: Placeholders, kib: u32) -> Script {
    let sentence = if turn.traced {
        format!("Before this sentence came a trace event of {kib} KiB.")
    } else {
        format!("A trace event of {kib} KiB would have come before this sentence: ask for traces.")
    };
    play(files::TRACE, &placeholders.with("thought", &thought(kib)).with("sentence", &sentence))
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

/// Asks for the first of all calls, and traces only these.
fn tool(script: Script, calls: usize) -> Script {
    let Some(asked) = script.return_control().and_then(|all| all.with_calls(calls)) else {
        return script;
    };
    let mut traced = 0;
    let mut is_surplus = |step: &Step| match step {
        Step::Trace { trace, .. } if trace.text().contains("RETURN_CONTROL") => {
            traced += 1;
            traced > calls
        }
        _ => false,
    };
    let mut steps = script.steps;
    steps.retain(|step| !is_surplus(step));
    // It is the last event of the turn.
    steps.pop();
    Script { steps }.step(Step::ReturnControl(asked))
}

fn unit(seconds: f64) -> &'static str {
    if (seconds - 1.0).abs() < f64::EPSILON { "second" } else { "seconds" }
}

/// So many chunks. The waits let the beginning of the response, and each chunk, go out before what comes
/// next, and make an exception an event of the stream even when no chunk comes before it.
fn counted(chunks: u32) -> Script {
    Script::new().wait_ms(20).steps(chunk_numbers(chunks))
}

/// So many chunks, which say their numbers from 1.
fn chunk_numbers(chunks: u32) -> impl Iterator<Item = Step> {
    let wait = Step::Wait(Duration::from_millis(20));
    (1..=chunks).flat_map(move |n| [Step::text(format!("chunk {n} ")), wait.clone()])
}

/// A short answer, at a pace that is pleasant to read.
fn speak(text: &str) -> Script {
    Script::new().wait_ms(150).steps(spoken(text))
}

/// The steps that say a short text.
fn spoken(text: &str) -> impl Iterator<Item = Step> {
    let pieces = pieces(text, Some(STEADY)).into_iter();
    pieces.flat_map(|(pause, piece)| [Step::Wait(pause), Step::text(piece.to_owned())])
}

#[cfg(test)]
mod tests;
