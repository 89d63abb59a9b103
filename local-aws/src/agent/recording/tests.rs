//! Tests of what is recorded.

use std::time::SystemTime;

use super::*;
use crate::agent::script::{Script, Step};
use crate::agent::timeline;
use crate::agent::turn_context::TurnContext;
use crate::scripted::event_stream::{corrupt_event, event, exception, frame};
use crate::scripted::recording::{RecordingFile, TurnRecording};
use crate::scripted::timeline_folder::MAX_FILE_BYTES;

fn address() -> Address {
    Address::example("session-of-the-recording")
}

/// The lines of a response that comes in parts of this size.
fn recorded(bytes: &[u8], size: usize) -> String {
    let mut turn = TurnRecording::new(address());
    bytes.chunks(size).for_each(|part| turn.push(part));
    turn.end(false);
    turn.lines().0.to_owned()
}

/// What a recording plays in another session.
fn played(lines: &str) -> Vec<Script> {
    let address = Address::example("another-session");
    let now = SystemTime::UNIX_EPOCH;
    let turn = TurnContext {
        address: &address,
        prompt: "prompt",
        id: "id",
        number: 1,
        traced: true,
        now,
        files: &[],
    };
    timeline::parse(lines, &turn.placeholders()).unwrap()
}

/// Without the times, which are those of this machine.
fn without_times(lines: &str) -> String {
    let line = |line: &str| format!("{{{}\n", line.split_once(',').unwrap().1);
    lines.lines().map(line).collect()
}

#[test]
fn each_frame_becomes_a_line_however_it_is_cut() {
    let other = [(":event-type", "chunk"), (":message-type", "event"), ("x", "y")];
    let other = other.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let throttling = Refusal { exception: Exception::Throttling, message: "slow down".to_owned() };
    let cases = [
        (event("chunk", r#"{"bytes":"YSAke3R1cm59"}"#), r#"{"chunk":"a \u0024{turn}"}"#),
        (event("chunk", r#"{"bytes":"/w=="}"#), r#"{"chunk_base64":"/w=="}"#),
        (
            event("chunk", r#"{"attribution":{"citations":[{"n":1.50}]},"bytes":"YQ=="}"#),
            r#"{"chunk":"a","citations":[{"n":1.50}]}"#,
        ),
        (
            event("chunk", r#"{"bytes":"YQ==","more":1.50}"#),
            r#"{"event":{"headers":{":content-type":"application/json",":event-type":"chunk",":message-type":"event"},"payload":{"bytes":"YQ==","more":1.50}}}"#,
        ),
        (
            event(
                "trace",
                "{\"trace\":{\"n\": 1e999},\n\"sessionId\":\"session-of-the-recording\",\"agentId\":\"LOCALAGENT\"}",
            ),
            r#"{"trace":{"n": 1e999},"part":{"agentId":"${agent_id}","sessionId":"${session_id}"}}"#,
        ),
        (
            event("returnControl", r#"{"invocationId":"i","invocationInputs":[],"x":2}"#),
            r#"{"returnControl":{"invocationId":"i","invocationInputs":[],"x":2}}"#,
        ),
        (event("files", r#"{"files":[{"name":"a"}]}"#), r#"{"files":[{"name":"a"}]}"#),
        (
            exception(throttling.exception.member(), &throttling.payload()),
            r#"{"exception":"throttlingException","message":"slow down"}"#,
        ),
        (
            frame(other, "no JSON".into()),
            r#"{"event":{"headers":{":event-type":"chunk",":message-type":"event","x":"y"},"payload_base64":"bm8gSlNPTg=="}}"#,
        ),
    ];
    let all: Vec<u8> = cases.iter().flat_map(|(frame, _)| frame.to_vec()).collect();
    let lines: String = cases.iter().flat_map(|(_, line)| [line, "\n"]).collect();
    for size in [1, 7, all.len()] {
        assert_eq!(without_times(&recorded(&all, size)), lines, "in parts of {size}");
    }
    for (frame, line) in &cases {
        assert_eq!(without_times(&recorded(frame, 3)), format!("{line}\n"));
        assert_eq!(played(&recorded(frame, 3)).len(), 1, "{line}");
    }
}

#[test]
fn a_response_that_breaks_is_recorded_up_to_there() {
    let chunk = event("chunk", r#"{"bytes":"YQ=="}"#);
    let corrupt = [&chunk[..], &corrupt_event("chunk", "{}"), &chunk].concat();
    let expected = "{\"chunk\":\"a\"}\n{\"break\":\"corrupt\"}\n";
    assert_eq!(without_times(&recorded(&corrupt, 5)), expected);
    let cut = [&chunk[..], &chunk[..9]].concat();
    let expected = "{\"chunk\":\"a\"}\n{\"break\":\"cut\"}\n";
    assert_eq!(without_times(&recorded(&cut, 5)), expected);

    let mut turn = TurnRecording::new(address());
    turn.push(&chunk);
    turn.end(true);
    assert_eq!(without_times(turn.lines().0), expected);
    assert_eq!(played(turn.lines().0)[0].steps.last(), Some(&Step::Cut));
}

#[tokio::test(start_paused = true)]
async fn the_times_add_up() {
    let chunk = event("chunk", r#"{"bytes":"YQ=="}"#);
    let mut turn = TurnRecording::new(address());
    for microseconds in [40_900, 900, 900, 0] {
        tokio::time::advance(std::time::Duration::from_micros(microseconds)).await;
        turn.push(&chunk);
    }
    let times: Vec<&str> = turn.lines().0.lines().map(|line| &line[..15]).collect();
    assert_eq!(
        times,
        [r#"{"after_ms":40,"#, r#"{"after_ms":1,""#, r#"{"after_ms":1,""#, r#"{"after_ms":0,""#]
    );
}

#[test]
fn a_file_gets_turn_after_turn_and_keeps_what_it_has() {
    let path = std::env::temp_dir().join(format!("recording-{}.jsonl", std::process::id()));
    let file = RecordingFile::create(&path).unwrap();
    assert!(RecordingFile::create(&path).is_err(), "it exists");
    assert_eq!(file.add("{\"chunk\":\"a\"}\n").unwrap(), 1);
    let large = "x".repeat(usize::try_from(MAX_FILE_BYTES).unwrap());
    assert!(file.add(&large).unwrap_err().to_string().contains("larger"));
    assert_eq!(file.add("{\"chunk\":\"b\"}\n").unwrap(), 2);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "{\"turn\":1}\n{\"chunk\":\"a\"}\n{\"turn\":2}\n{\"chunk\":\"b\"}\n");
    assert_eq!(played(&text).len(), 2);
    std::fs::remove_file(&path).unwrap();
    assert!(file.add("{}\n").is_err());
}
