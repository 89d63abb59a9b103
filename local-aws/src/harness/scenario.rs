//! The scripts of each scenario.

use std::time::Duration;

use serde_json::json;

use super::prompt::{self, Hook, Oddity, Order, Prompt, Tools};
use super::scenario_files as files;
use super::scenario_files::play;
use super::script::{Script, Step, Usage};
use super::turn_context::TurnContext;
use crate::scripted::placeholders::Placeholders;
use crate::scripted::speech::STEADY;

/// Text of two, three and four bytes a character, and of characters that others join onto.
const MULTI_BYTE: &str = "Grüße aus Zürich! Ελληνικά, русский, 日本語, 한국어, العربية. \
    Café as e\u{301}; family 👨‍👩‍👧‍👦, flags 🇨🇭🇯🇵, thumbs 👍🏽. ½ €uro ≠ 1 ₹ — fin 🎬";

/// What a short answer of one call of the model takes.
const USAGE: Usage = Usage { input: 40, output: 12, latency_ms: 300 };

/// The scripts of the runs that a prompt leads to, which is not `/play`: one, and one more for each time
/// that its caller is asked for results and brings them. The same turn always gives the same scripts.
pub(super) fn scripts(turn: &TurnContext<'_>, prompt: Option<&Prompt>) -> Vec<Script> {
    let placeholders = turn.placeholders();
    let file = |timeline| play(timeline, &placeholders);
    let Some(prompt) = prompt else { return answer(turn, placeholders) };
    match *prompt {
        Prompt::Tokens { chunks, rate, reasoning_kib } => {
            vec![
                tokens(chunks, rate, reasoning_kib)
                    .unwrap_or_else(|reason| explanation(&prompt::misuse(turn.prompt, &reason))),
            ]
        }
        Prompt::Slow { seconds } => vec![slow(turn, seconds)],
        Prompt::Pause { chunks, seconds } => vec![pause(chunks, seconds)],
        Prompt::Emoji => vec![emoji()],
        Prompt::Single => {
            answer(turn, placeholders).into_iter().map(Script::in_whole_blocks).collect()
        }
        Prompt::Think => file(files::THINK),
        Prompt::Work => file(files::WORK),
        Prompt::Trace { kib } => vec![trace(turn, kib)],
        Prompt::Hook { hook } => file(match hook {
            Hook::Allow => files::HOOK_ALLOW,
            Hook::Deny => files::HOOK_DENY,
            Hook::Failed => files::HOOK_FAILED,
        }),
        Prompt::Tool { tools, order } => match (tools, order) {
            (Tools::Calls(calls), None) => file(files::TOOL).into_iter().take(calls).collect(),
            (Tools::Calls(calls), Some(Order::Together)) => {
                file(files::TOOL_TOGETHER).into_iter().map(|all| all.with_blocks(calls)).collect()
            }
            (Tools::Empty, _) => file(files::TOOL_EMPTY),
            (Tools::Text, _) => file(files::TOOL_TEXT),
            (Tools::Untyped, _) => file(files::TOOL_UNTYPED),
            (Tools::Late, _) => file(files::TOOL_LATE),
            (Tools::Denied, _) => file(files::TOOL_DENIED),
        },
        Prompt::Limit { ref stop_reason } => vec![limit(stop_reason)],
        Prompt::Guardrail => file(files::GUARDRAIL),
        Prompt::Error { exception, after } => {
            let script = after.map_or_else(Script::new, counted);
            vec![script.step(Step::Exception(exception.into()))]
        }
        Prompt::Cut { after } => vec![counted(after).step(Step::Cut)],
        Prompt::Corrupt { after } => vec![counted(after).step(Step::Corrupt)],
        Prompt::Unknown => file(files::UNKNOWN),
        Prompt::Odd { oddity } => match oddity {
            Oddity::Start => file(files::ODD_START),
            Oddity::Indices => file(files::ODD_INDICES),
            Oddity::Untyped => file(files::ODD_UNTYPED),
            Oddity::Members => file(files::ODD_MEMBERS),
            Oddity::Unstopped => file(files::ODD_UNSTOPPED),
            Oddity::Empty => vec![Script::new().wait_ms(20)],
        },
        // What to play is decided by the conversation, and so is how often to refuse.
        Prompt::Help { .. } | Prompt::Play { .. } | Prompt::Refuse { .. } => {
            vec![speak(&prompt::help())]
        }
    }
}

/// What is said once the results of all calls are here.
pub(super) fn results(turn: &TurnContext<'_>, sentences: &str) -> Vec<Script> {
    play(files::RESULTS, &turn.placeholders().with("results", sentences))
}

/// What is said when a run that was refused so often is not refused any more.
pub(super) fn accepted(times: u32) -> Script {
    let plural = if times == 1 { "time" } else { "times" };
    speak(&format!("You were refused {times} {plural}, and asked again."))
}

/// Says what is wrong with a prompt, and what there is.
pub(super) fn explanation(reason: &str) -> Script {
    speak(&format!("{reason}\n\n{}", prompt::help()))
}

fn answer(turn: &TurnContext<'_>, placeholders: Placeholders) -> Vec<Script> {
    let timeline = files::ANSWERS[turn.number as usize % files::ANSWERS.len()];
    play(timeline, &placeholders.with("scenarios", prompt::help().trim_end()))
}

/// The numbers from 1, each a piece of text. Reasoning comes in blocks of its own between them.
fn tokens(chunks: u32, rate: f64, reasoning_kib: Option<u32>) -> Result<Script, String> {
    let pace = if rate == 0.0 { Duration::ZERO } else { Duration::from_secs_f64(1.0 / rate) };
    if pace * chunks > Duration::from_mins(14) {
        return Err("N at R a second must last 840 seconds at most.".to_owned());
    }
    let reasoning = reasoning_kib.map(thought);
    let mut script = Script::new().message_start();
    let mut index = 0;
    for n in 1..=chunks {
        if !pace.is_zero() {
            script = script.wait(pace);
        }
        if let Some(reasoning) = reasoning.as_ref().filter(|_| n % 10 == 0) {
            script = script.block_stop(index);
            script = script.step(Step::reasoning(index + 1, reasoning)).block_stop(index + 1);
            index += 2;
        }
        let end = if n % 20 == 0 || n == chunks { '\n' } else { ' ' };
        script = script.text(index, &format!("{n}{end}"));
    }
    let usage = Usage { input: 21, output: chunks.into(), latency_ms: 10 };
    Ok(script.block_stop(index).message_stop("end_turn", usage))
}

fn slow(turn: &TurnContext<'_>, seconds: f64) -> Script {
    let text = format!(
        "After {seconds} {} of silence the answer still arrived **in full**. \
         This is turn {} of this conversation.",
        unit(seconds),
        turn.number,
    );
    let script = Script::new().wait(Duration::from_secs_f64(seconds)).message_start();
    script.say(1, &text, Some(STEADY)).block_stop(1).message_stop("end_turn", USAGE)
}

fn pause(chunks: u32, seconds: f64) -> Script {
    let rest = format!("And after {seconds} {} of silence the answer goes on.", unit(seconds));
    let script = Script::new().message_start().steps(chunk_numbers(chunks));
    let script = script.wait(Duration::from_secs_f64(seconds)).say(1, &rest, Some(STEADY));
    script.block_stop(1).message_stop("end_turn", USAGE)
}

/// A character is the least that a piece can be, since pieces are JSON.
fn emoji() -> Script {
    let characters = MULTI_BYTE.chars().flat_map(|character| {
        [Step::Wait(Duration::from_millis(5)), Step::text(1, &character.to_string())]
    });
    let script = Script::new().message_start().steps(characters);
    script.block_stop(1).message_stop("end_turn", USAGE)
}

/// A tool of the harness whose result comes in one piece of that size.
fn trace(turn: &TurnContext<'_>, kib: u32) -> Script {
    let id = format!("tooluse_{}_1", turn.id);
    let start =
        json!({ "toolUse": { "toolUseId": id, "name": "archive___read", "type": "tool_use" } });
    let input = json!({ "kib": kib }).to_string();
    let sentence = format!("Before this sentence came the result of a tool, {kib} KiB of it.");
    let delta = |index: usize, delta: serde_json::Value| json!({ "contentBlockIndex": index, "delta": delta });
    Script::new()
        .wait_ms(100)
        .message_start()
        .event("contentBlockStart", &json!({ "contentBlockIndex": 0, "start": start }))
        .event("contentBlockDelta", &delta(0, json!({ "toolUse": { "input": "" } })))
        .event("contentBlockDelta", &delta(0, json!({ "toolUse": { "input": input } })))
        .block_stop(0)
        .message_stop("tool_use", USAGE)
        .event("messageStart", &json!({ "role": "user" }))
        .event(
            "contentBlockStart",
            &json!({
                "contentBlockIndex": 0,
                "start": { "toolResult": { "toolUseId": id, "status": "success" } },
            }),
        )
        .event("contentBlockDelta", &delta(0, json!({ "toolResult": [{ "text": thought(kib) }] })))
        .block_stop(0)
        .event("messageStop", &json!({ "stopReason": "tool_result" }))
        .message_start()
        .say(1, &sentence, Some(STEADY))
        .block_stop(1)
        .message_stop("end_turn", USAGE)
}

/// A text of that size, a little less where a character would not be whole.
fn thought(kib: u32) -> String {
    const LINE: &str = "A long thought, which goes on and on – with “quotes” and naïve 🧠 signs.\n";
    let bytes = kib as usize * 1024;
    let mut thought = LINE.repeat(bytes / LINE.len() + 1);
    thought.truncate(thought.floor_char_boundary(bytes));
    thought
}

/// An answer that ends in the middle of a sentence.
fn limit(stop_reason: &str) -> Script {
    let text =
        format!("This answer ends with `{stop_reason}`, and it would have gone on to say that");
    let script = Script::new().wait_ms(100).message_start().say(1, &text, Some(STEADY));
    script.block_stop(1).message_stop(stop_reason, USAGE)
}

fn unit(seconds: f64) -> &'static str {
    if (seconds - 1.0).abs() < f64::EPSILON { "second" } else { "seconds" }
}

/// So many pieces. The waits let the beginning of the response, and each piece, go out before what comes
/// next, and make an exception an event of the stream even when no piece comes before it.
fn counted(chunks: u32) -> Script {
    Script::new().wait_ms(20).message_start().steps(chunk_numbers(chunks))
}

/// So many pieces, which say their numbers from 1.
fn chunk_numbers(chunks: u32) -> impl Iterator<Item = Step> {
    let wait = Step::Wait(Duration::from_millis(20));
    (1..=chunks).flat_map(move |n| [Step::text(1, &format!("chunk {n} ")), wait.clone()])
}

/// A short answer, at a pace that is pleasant to read.
fn speak(text: &str) -> Script {
    let script = Script::new().wait_ms(150).message_start().say(1, text, Some(STEADY));
    script.block_stop(1).message_stop("end_turn", USAGE)
}

#[cfg(test)]
mod tests;
