//! The scripts of each scenario.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::input::Input;
use super::prompt::{self, Oddity, Prompt};
use super::scenario_files as files;
use super::scenario_files::play;
use super::script::{Framing, Script, Step};
use crate::scripted::placeholders::Placeholders;
use crate::scripted::speech::STEADY;

/// Text of two, three and four bytes a character, and of characters that others join onto.
const MULTI_BYTE: &str = "Grüße aus Zürich! Ελληνικά, русский, 日本語, 한국어, العربية. \
    Café as e\u{301}; family 👨‍👩‍👧‍👦, flags 🇨🇭🇯🇵, thumbs 👍🏽. ½ €uro ≠ 1 ₹ — fin 🎬";

/// The calls of `/tool`: names and arguments, which a client gets as they stand here.
const CALLS: [(&str, &str); 3] = [
    ("get_weather", r#"{"city":"Zürich","days":3}"#),
    ("refund_order", r#"{"orderId":"A-1017","amount":12.50,"reason":"“broken” ☕"}"#),
    ("find_free_slot", "{}"),
];

/// One run of a conversation, as its script sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnContext<'a> {
    pub(super) input: &'a Input,
    pub(super) runtime_arn: &'a str,
    pub(super) session_id: &'a str,
    /// What the user wrote.
    pub(super) prompt: &'a str,
    /// Tells all runs apart: 32 hexadecimal digits.
    pub(super) id: &'a str,
    /// Counts the prompts of the conversation from 1.
    pub(super) number: u32,
}

impl TurnContext<'_> {
    /// What stands for the placeholders of a timeline.
    pub(super) fn placeholders(&self) -> Placeholders {
        Placeholders::new(self.prompt, self.number, SystemTime::now())
            .with("id", self.id)
            .with("run_id", &self.input.run_id)
            .with("runtime_arn", self.runtime_arn)
            .with("session_id", self.session_id)
            .with("thread_id", &self.input.thread_id)
    }

    /// The id of the answer's message.
    fn message_id(&self) -> String {
        format!("message-{}", self.id)
    }

    fn started(&self) -> Script {
        Script::started(self.input)
    }
}

/// The script of a prompt, which is not `/play`. The same turn always gives the same script.
pub(super) fn script(turn: &TurnContext<'_>, prompt: Option<&Prompt>) -> Script {
    let file = |timeline| play(timeline, &turn.placeholders());
    let Some(prompt) = prompt else { return answer(turn) };
    match *prompt {
        Prompt::Tokens { chunks, rate } => tokens(turn, chunks, rate)
            .unwrap_or_else(|reason| explanation(turn, &prompt::misuse(turn.prompt, &reason))),
        Prompt::Slow { seconds } => slow(turn, seconds),
        Prompt::Pause { chunks, seconds } => pause(turn, chunks, seconds),
        Prompt::Emoji => {
            let framing = Framing { piece: Some(3), ..Framing::default() };
            speak(turn, MULTI_BYTE).framed(framing)
        }
        Prompt::Single { kib } => {
            let id = turn.message_id();
            turn.started().text_start(&id).text(&id, &long(kib)).text_end(&id).finished(turn.input)
        }
        Prompt::Think => file(files::THINK),
        Prompt::Strands => file(files::STRANDS),
        Prompt::Steps => file(files::STEPS),
        Prompt::Trace { kib } => trace(turn, kib),
        Prompt::Snapshot { kib } => snapshot(turn, kib),
        Prompt::Tool { calls } => tools(turn, calls),
        Prompt::Interrupt => file(files::INTERRUPT),
        Prompt::Error { ref rejection, after } => {
            let script = after.map_or_else(Script::new, |after| counted(turn, after));
            script.step(Step::Rejection(rejection.clone()))
        }
        Prompt::Cut { after } => counted(turn, after).step(Step::Cut),
        Prompt::Odd { oddity } => odd(turn, oddity),
        // What to play is decided by the conversation, and so is how often to refuse.
        Prompt::Help { .. } | Prompt::Play { .. } | Prompt::Refuse { .. } => {
            speak(turn, &prompt::help())
        }
    }
}

/// What is said once the results of calls are here.
pub(super) fn results(turn: &TurnContext<'_>, sentences: &str) -> Script {
    play(files::RESULTS, &turn.placeholders().with("results", sentences))
}

/// What is said once interrupts are answered.
pub(super) fn resumed(turn: &TurnContext<'_>, sentences: &str) -> Script {
    play(files::RESUMED, &turn.placeholders().with("results", sentences))
}

/// What is said when a run that was refused so often is not refused any more.
pub(super) fn accepted(turn: &TurnContext<'_>, times: u32) -> Script {
    let plural = if times == 1 { "time" } else { "times" };
    speak(turn, &format!("You were refused {times} {plural}, and asked again."))
}

/// Says what is wrong with a prompt, and what there is.
pub(super) fn explanation(turn: &TurnContext<'_>, reason: &str) -> Script {
    speak(turn, &format!("{reason}\n\n{}", prompt::help()))
}

fn answer(turn: &TurnContext<'_>) -> Script {
    play(files::ANSWER, &turn.placeholders().with("scenarios", prompt::help().trim_end()))
}

fn odd(turn: &TurnContext<'_>, oddity: Oddity) -> Script {
    let file = |timeline| play(timeline, &turn.placeholders());
    match oddity {
        Oddity::Unknown => file(files::ODD_UNKNOWN),
        Oddity::Nulls => file(files::ODD_NULLS),
        Oddity::Crlf => {
            file(files::STRANDS).framed(Framing { crlf: true, piece: Some(7), quoted: false })
        }
        Oddity::Comments => file(files::ODD_COMMENTS),
        Oddity::Quoted => {
            file(files::STRANDS).framed(Framing { quoted: true, ..Framing::default() })
        }
        Oddity::Chunks => file(files::ODD_CHUNKS),
        Oddity::Unopened => file(files::ODD_UNOPENED),
        Oddity::Words => file(files::ODD_WORDS),
        Oddity::Failure => file(files::ODD_FAILURE),
        Oddity::Gaveup => file(files::ODD_GAVE_UP),
        Oddity::Unended => file(files::ODD_UNENDED),
        Oddity::Empty => Script::new().wait(Duration::from_millis(20)),
        Oddity::Json => {
            let answer = json!({ "result": "This agent does not speak AG-UI." });
            let script = Script::new().step(Step::Data(answer.to_string()));
            Script { content_type: "application/json", ..script }
        }
    }
}

/// The numbers from 1, each a piece of text.
fn tokens(turn: &TurnContext<'_>, chunks: u32, rate: f64) -> Result<Script, String> {
    let pace = if rate == 0.0 { Duration::ZERO } else { Duration::from_secs_f64(1.0 / rate) };
    if pace * chunks > Duration::from_mins(14) {
        return Err("N at R a second must last 840 seconds at most.".to_owned());
    }
    let id = turn.message_id();
    let mut script = turn.started().text_start(&id);
    for n in 1..=chunks {
        if !pace.is_zero() {
            script = script.wait(pace);
        }
        let end = if n % 20 == 0 || n == chunks { '\n' } else { ' ' };
        script = script.text(&id, &format!("{n}{end}"));
    }
    Ok(script.text_end(&id).finished(turn.input))
}

fn slow(turn: &TurnContext<'_>, seconds: f64) -> Script {
    let text = format!(
        "After {seconds} {} of silence the answer still arrived **in full**. \
         This is turn {} of this conversation.",
        unit(seconds),
        turn.number,
    );
    let script = turn.started().wait(Duration::from_secs_f64(seconds));
    script.say(&turn.message_id(), &text, Some(STEADY)).finished(turn.input)
}

fn pause(turn: &TurnContext<'_>, chunks: u32, seconds: f64) -> Script {
    let rest = format!("And after {seconds} {} of silence the answer goes on.", unit(seconds));
    let id = turn.message_id();
    let script = counted(turn, chunks).wait(Duration::from_secs_f64(seconds));
    script.text(&id, &rest).text_end(&id).finished(turn.input)
}

/// A tool of the agent's own whose result comes in one piece of that size.
fn trace(turn: &TurnContext<'_>, kib: u32) -> Script {
    let id = format!("call-{}", turn.id);
    let result_id = format!("result-{}", turn.id);
    let sentence = format!("Before this sentence came the result of a tool, {kib} KiB of it.");
    turn.started()
        .event(&json!({ "type": "TOOL_CALL_START", "toolCallId": id, "toolCallName": "read" }))
        .event(&json!({
            "type": "TOOL_CALL_ARGS", "toolCallId": id, "delta": json!({ "kib": kib }).to_string(),
        }))
        .event(&json!({ "type": "TOOL_CALL_END", "toolCallId": id }))
        .event(&json!({
            "type": "TOOL_CALL_RESULT", "messageId": result_id, "toolCallId": id,
            "content": long(kib), "role": "tool",
        }))
        .say(&turn.message_id(), &sentence, Some(STEADY))
        .finished(turn.input)
}

/// Snapshots of that size.
fn snapshot(turn: &TurnContext<'_>, kib: u32) -> Script {
    let (id, text) = (turn.message_id(), "Around this sentence are large snapshots.");
    let said = json!({ "id": id, "role": "assistant", "content": text });
    let archive = json!({ "id": format!("archive-{}", turn.id), "role": "tool",
                          "toolCallId": "archive", "content": long(kib) });
    let more = [archive, said].map(|message| serde_json::from_value(message).ok());
    turn.started()
        .event(&json!({ "type": "STATE_SNAPSHOT", "snapshot": { "archive": long(kib) } }))
        .say(&id, text, Some(STEADY))
        .step(Step::Messages(more.into_iter().flatten().collect()))
        .finished(turn.input)
}

/// Calls of the client's tools, whose pieces come in turn.
fn tools(turn: &TurnContext<'_>, count: usize) -> Script {
    let calls: Vec<(String, &str, Vec<char>)> = CALLS
        .iter()
        .zip(1..)
        .take(count)
        .map(|((name, arguments), number)| {
            (format!("call-{number}-{}", turn.id), *name, arguments.chars().collect())
        })
        .collect();
    let mut script = turn.started().wait(Duration::from_millis(50));
    for (id, name, _) in &calls {
        script = script.event(&json!({
            "type": "TOOL_CALL_START", "toolCallId": id, "toolCallName": name,
            "parentMessageId": turn.message_id(),
        }));
    }
    let longest = calls.iter().map(|(.., arguments)| arguments.len()).max().unwrap_or_default();
    for start in (0..longest).step_by(12) {
        for (id, _, arguments) in &calls {
            let piece: String = arguments.iter().skip(start).take(12).collect();
            if !piece.is_empty() {
                script = script
                    .event(&json!({ "type": "TOOL_CALL_ARGS", "toolCallId": id, "delta": piece }));
            }
        }
    }
    for (id, ..) in &calls {
        script = script.event(&json!({ "type": "TOOL_CALL_END", "toolCallId": id }));
    }
    script.finished(turn.input)
}

/// A text of that size, a little less where a character would not be whole.
fn long(kib: u32) -> String {
    const LINE: &str = "A long text, which goes on and on – with “quotes” and naïve 🧠 signs.\n";
    let bytes = kib as usize * 1024;
    let mut text = LINE.repeat(bytes / LINE.len() + 1);
    text.truncate(text.floor_char_boundary(bytes));
    text
}

fn unit(seconds: f64) -> &'static str {
    if (seconds - 1.0).abs() < f64::EPSILON { "second" } else { "seconds" }
}

/// So many pieces, which say their numbers from 1, of a message that goes on. The waits let each go out
/// before what comes next, and make an error an event of the stream even when no piece comes before it.
fn counted(turn: &TurnContext<'_>, chunks: u32) -> Script {
    let id = turn.message_id();
    let wait = Duration::from_millis(20);
    let script = turn.started().wait(wait).text_start(&id);
    (1..=chunks).fold(script, |script, n| script.text(&id, &format!("chunk {n} ")).wait(wait))
}

/// A short answer, at a pace that is pleasant to read.
fn speak(turn: &TurnContext<'_>, text: &str) -> Script {
    let script = turn.started().wait(Duration::from_millis(150));
    script.say(&turn.message_id(), text, Some(STEADY)).finished(turn.input)
}

#[cfg(test)]
mod tests;
