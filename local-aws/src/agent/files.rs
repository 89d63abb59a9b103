//! Files that the agent's code interpreter has made.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::spoken;
use super::scenario::{Turn, number};
use super::script::{Script, Step};
use super::trace::{ModelCall, Traces};

/// The largest file of `/file MB`: as base64 it stays below the 16 MiB of an event.
const MOST_MEGABYTES: u32 = 8;

/// The files of `/file`: name, type and content.
const FILES: [(&str, &str, &[u8]); 2] = [
    ("forecast.csv", "text/csv", include_bytes!("forecast.csv")),
    ("forecast.png", "image/png", include_bytes!("forecast.png")),
];

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

/// The script of `/file`.
pub(super) fn file(turn: &Turn<'_>, arguments: &[&str]) -> Result<Script, String> {
    match arguments {
        [] => {
            let files = FILES.map(|(name, kind, bytes)| output(name, kind, bytes));
            let text = "Here is the forecast of the week: a table and a **chart** of it.";
            Ok(hand_over(turn, &FILES.map(|(name, ..)| name), &files, text))
        }
        [megabytes] => {
            let megabytes = number(megabytes, 1, MOST_MEGABYTES, "MB")?;
            let content = file_bytes(megabytes);
            let files = vec![output("measurements.bin", "application/octet-stream", &content)];
            let text = format!("Here are the measurements: one file of {megabytes} MB.");
            Ok(hand_over(turn, &["measurements.bin"], &files, &text))
        }
        _ => {
            Err("`/file` takes nothing after it, or a size in megabytes, such as `/file 5`."
                .to_owned())
        }
    }
}

/// Runs code, says something, and hands the files over in one event.
fn hand_over(turn: &Turn<'_>, names: &[&str], files: &[Value], text: &str) -> Script {
    const CODE: &str = "table = forecast(days=7)\ntable.to_csv(path)\nplot(table)";
    let traces = Traces::new(turn);
    let call = ModelCall::first(turn.prompt, "<thinking>I compute this.</thinking>", 150);
    let start = call.took;
    let took = Duration::from_millis(200);
    Script::new()
        .trace(traces.orchestration_input(&call))
        .wait(start)
        .trace(traces.orchestration_output(&call))
        .trace(traces.code(CODE))
        .wait(took)
        .trace(traces.executed("7 rows", names, start, took))
        .steps(spoken(text))
        .step(Step::Event { event_type: "files", payload: json!({ "files": files }) })
        .trace(traces.finish(text, Duration::ZERO, start + took))
}

fn output(name: &str, kind: &str, bytes: &[u8]) -> Value {
    json!({ "bytes": STANDARD.encode(bytes), "name": name, "type": kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_file_are_those_of_the_generator() {
        let bytes = file_bytes(1);
        assert_eq!(bytes.len(), 1024 * 1024);
        // 1664525 + 1013904223 is 0x3c88596c, and so on.
        assert_eq!(bytes[..4], [0x3c, 0x5e, 0x81, 0xb4]);
        assert_ne!(bytes[..32_768], file_bytes(2)[..32_768]);
    }
}
