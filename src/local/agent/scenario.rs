//! Which script a prompt asks for.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::json;

use super::script::{Script, Step};
use super::trace::Traces;
use super::{Exception, answer};

/// The scenarios: how to type them, and what the agent does then.
pub const SCENARIOS: [(&str, &str); 8] = [
    ("/tokens N R", "N chunks at R a second"),
    ("/slow S", "S seconds of silence, then the answer"),
    ("/emoji", "multi-byte text, every byte a chunk of its own"),
    ("/single", "the whole answer in one chunk, as without streaming"),
    ("/trace KB", "a trace event of that many KiB"),
    ("/error NAME [N]", "that Bedrock exception, at once or after N chunks"),
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
        "/tokens" => tokens(&arguments),
        "/slow" => slow(turn, &arguments),
        "/emoji" => none(&arguments).map(|()| emoji()),
        "/single" => none(&arguments).map(|()| answer::whole(turn)),
        "/trace" => trace(turn, &arguments),
        "/error" => error(&arguments),
        "/unknown" => none(&arguments).map(|()| unknown()),
        "/help" => Ok(speak(&help())),
        other if other.starts_with('/') => {
            Err(format!("There is no scenario `{}`.", shorten(other)))
        }
        _ => Ok(answer::streamed(turn)),
    };
    script.unwrap_or_else(|problem| speak(&format!("{problem}\n\n{}", help())))
}

fn tokens(arguments: &[&str]) -> Result<Script, String> {
    const USAGE: &str = "`/tokens N R` wants a number of chunks and a rate";
    let [count, rate] = arguments else {
        return Err(format!("{USAGE}, such as `/tokens 200 50`."));
    };
    let count: u32 = number(count, 1, 100_000, "N")?;
    let rate: f64 = number(rate, 0.1, 10_000.0, "R")?;
    if f64::from(count) / rate > 840.0 {
        return Err(format!("{USAGE}, which together last 840 seconds at most."));
    }
    let pace = Duration::from_secs_f64(1.0 / rate);
    let steps = (1..=count).flat_map(|n| {
        let end = if n % 20 == 0 || n == count { '\n' } else { ' ' };
        [Step::Wait(pace), chunk(format!("{n}{end}"))]
    });
    Ok(Script::new().steps(steps))
}

fn slow(turn: &Turn<'_>, arguments: &[&str]) -> Result<Script, String> {
    let [seconds] = arguments else {
        return Err("`/slow S` wants a number of seconds, such as `/slow 40`.".to_owned());
    };
    let seconds: f64 = number(seconds, 0.0, 840.0, "S")?;
    let unit = if (seconds - 1.0).abs() < f64::EPSILON { "second" } else { "seconds" };
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
    const LINE: &str = "A long thought, which goes on and on – with “quotes” and naïve 🧠 signs.\n";
    let [kib] = arguments else {
        return Err("`/trace KB` wants a size in KiB, such as `/trace 100`.".to_owned());
    };
    let kib: u32 = number(kib, 1, 8192, "KB")?;
    // The frame around the thought adds half a KiB, its escapes stay below one byte in fifty.
    let bytes = kib as usize * 1024;
    let mut thought = LINE.repeat(bytes / LINE.len() + 1);
    thought.truncate(thought.floor_char_boundary(bytes));
    let text = if turn.traced {
        format!("Before this sentence came a trace event of {kib} KiB.")
    } else {
        format!("A trace event of {kib} KiB would have come before this sentence: ask for traces.")
    };
    let traces = Traces::new(turn);
    Ok(Script::new().wait_ms(100).trace(traces.rationale(&thought)).steps(spoken(&text)))
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
    let script =
        match after {
            None => Script::new(),
            // The wait makes the exception an event of the stream even when no chunk comes before it.
            Some(after) => Script::new().wait_ms(20).steps((1..=after).flat_map(|n| {
                [chunk(format!("chunk {n} ")), Step::Wait(Duration::from_millis(20))]
            })),
        };
    Ok(script.step(Step::Exception(exception)))
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

fn spoken(text: &str) -> Vec<Step> {
    let pieces = answer::pieces(text).into_iter();
    pieces
        .flat_map(|piece| [Step::Wait(Duration::from_millis(25)), chunk(piece.to_owned())])
        .collect()
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
fn number<N>(text: &str, least: N, most: N, name: &str) -> Result<N, String>
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
mod tests {
    use super::*;

    fn script(prompt: &str) -> Script {
        play(&Turn { prompt, number: 1, traced: true, now: SystemTime::UNIX_EPOCH })
    }

    fn text(script: &Script) -> String {
        let mut text = Vec::new();
        for step in &script.steps {
            if let Step::Chunk { bytes, .. } = step {
                text.extend_from_slice(bytes);
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn chunks(script: &Script) -> usize {
        script.steps.iter().filter(|step| matches!(step, Step::Chunk { .. })).count()
    }

    fn duration(script: &Script) -> Duration {
        let waits = script.steps.iter().filter_map(|step| match step {
            Step::Wait(duration) => Some(*duration),
            _ => None,
        });
        waits.sum()
    }

    #[test]
    fn tokens_come_in_that_number_and_at_that_rate() {
        let script = script("/tokens 100 50");
        assert_eq!(chunks(&script), 100);
        assert_eq!(duration(&script), Duration::from_secs(2));
        let expected: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
        assert_eq!(text(&script).split_whitespace().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn slow_is_silent_first() {
        let script = script("/slow 40");
        assert_eq!(script.steps[0], Step::Wait(Duration::from_secs(40)));
        assert!(chunks(&script) > 1);
    }

    #[test]
    fn emoji_come_byte_by_byte() {
        let script = script("/emoji");
        assert_eq!(chunks(&script), MULTI_BYTE.len());
        assert_eq!(text(&script), MULTI_BYTE);
    }

    #[test]
    fn a_single_answer_is_the_streamed_one_in_one_chunk() {
        let single = script("/single");
        assert_eq!(chunks(&single), 1);
        let streamed = answer::streamed(&Turn {
            prompt: "/single",
            number: 1,
            traced: true,
            now: SystemTime::UNIX_EPOCH,
        });
        assert_eq!(text(&single), text(&streamed));
    }

    #[test]
    fn a_trace_has_the_size_that_was_asked_for() {
        for kib in [1, 100, 1000] {
            let script = script(&format!("/trace {kib}"));
            let sizes = script.steps.iter().filter_map(|step| match step {
                Step::Trace(trace) => Some(trace.to_string().len()),
                _ => None,
            });
            let sizes: Vec<usize> = sizes.collect();
            assert_eq!(sizes.len(), 1);
            assert!((kib * 1024..kib * 1024 * 51 / 50 + 512).contains(&sizes[0]), "{sizes:?}");
        }
    }

    #[test]
    fn each_exception_comes_at_once_or_after_chunks() {
        for exception in Exception::ALL {
            let at_once = script(&format!("/error {}", exception.member()));
            assert_eq!(at_once.refusal().map(|(first, _)| first), Some(exception));
            for after in [0, 3] {
                let later = script(&format!("/error {} {after}", exception.member()));
                assert_eq!((later.refusal(), chunks(&later)), (None, after));
                assert_eq!(later.steps.last(), Some(&Step::Exception(exception)));
            }
        }
    }

    #[test]
    fn what_cannot_be_understood_is_answered_with_the_reason_and_the_list() {
        let cases = [
            ("/tokens", "a number of chunks"),
            ("/tokens x 5", "N must be a number from 1 to 100000, not `x`"),
            ("/tokens 5 0", "R must be a number from 0.1 to 10000, not `0`"),
            ("/tokens 5 NaN", "not `NaN`"),
            ("/tokens 100000 1", "840 seconds"),
            ("/slow", "a number of seconds"),
            ("/slow 1e9", "from 0 to 840"),
            ("/slow -1", "from 0 to 840"),
            ("/emoji now", "nothing after it, not `now`"),
            ("/trace 0", "from 1 to 8192"),
            ("/error", "the name of an exception"),
            ("/error teapot", "no exception `teapot`"),
            ("/error throttling many", "N must be a number"),
            ("/teapot", "no scenario `/teapot`"),
        ];
        for (prompt, reason) in cases {
            let text = text(&script(prompt));
            assert!(text.contains(reason), "{prompt}: {text}");
            assert!(text.contains("| `/slow S` |"), "{prompt}: {text}");
        }
        assert!(text(&script("/error teapot")).contains("`modelNotReadyException`"));
    }

    #[test]
    fn help_lists_every_scenario() {
        let text = text(&script("/help"));
        for (usage, what) in SCENARIOS {
            assert!(text.contains(usage) && text.contains(what), "{usage}");
        }
    }
}
