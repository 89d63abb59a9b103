//! Tests of the scenarios.

use std::time::SystemTime;

use super::*;
use crate::agent::address::Address;
use crate::agent::exception::Exception;
use crate::scripted::prompt_arguments;

fn numbered(prompt: &str, number: u32) -> Script {
    let address = Address::example("session");
    let now = SystemTime::UNIX_EPOCH;
    let turn = TurnContext {
        address: &address,
        prompt,
        id: "turn",
        number,
        traced: true,
        now,
        files: &[],
    };
    match prompt::parse(prompt) {
        Ok(prompt) => super::script(&turn, prompt.as_ref()),
        Err(reason) => explanation(&reason),
    }
}

fn script(prompt: &str) -> Script {
    numbered(prompt, 1)
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
fn tokens_come_at_once_and_with_traces_when_asked() {
    let script = script("/tokens 100 0 30");
    assert_eq!(chunks(&script), 100);
    assert_eq!(duration(&script), Duration::ZERO);
    let position = |wanted: fn(&Step) -> bool| script.steps.iter().position(wanted);
    assert_eq!(position(|step| matches!(step, Step::Trace { .. })), Some(9), "before the tenth");
    let sizes = script.steps.iter().filter_map(|step| match step {
        Step::Trace { trace, .. } => Some(trace.text().len() / 1024),
        _ => None,
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [30; 10]);
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
    let streamed = text(&script("hello")).replace("“hello”", "“/single”");
    assert_eq!(text(&single), streamed);
}

#[test]
fn a_trace_has_the_size_that_was_asked_for() {
    for kib in [1, 100, 1000] {
        let script = script(&format!("/trace {kib}"));
        let sizes = script.steps.iter().filter_map(|step| match step {
            Step::Trace { trace, .. } => Some(trace.text().len()),
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
        assert_eq!(at_once.refusal().map(|first| first.exception), Some(exception));
        for after in [0, 3] {
            let later = script(&format!("/error {} {after}", exception.member()));
            assert_eq!((later.refusal(), chunks(&later)), (None, after));
            assert_eq!(later.steps.last(), Some(&Step::Exception(exception.into())));
        }
    }
}

#[test]
fn what_cannot_be_understood_is_answered_with_the_reason_and_the_list() {
    let cases = [
        (
            "/tokens",
            "`/tokens` lacks N. It is used as `/tokens N R [KB]`, such as `/tokens 200 50`.",
        ),
        ("/tokens 5", "`/tokens` lacks R."),
        ("/tokens x 5", "N must be a number from 1 to 100000, not `x`."),
        ("/tokens 5 0.01", "R must be a number from 0.1 to 10000, not `0.01`"),
        ("/tokens 5 5 0", "KB must be a number from 1 to 100, not `0`"),
        ("/tokens 5 5 1 1", "`/tokens` does not take `1`."),
        ("/tokens 5 NaN", "not `NaN`"),
        ("/tokens 100000 1", "840 seconds at most. It is used as `/tokens N R [KB]`"),
        ("/slow", "`/slow` lacks S. It is used as `/slow S`, such as `/slow 40`."),
        ("/slow 1e9", "S must be a number from 0 to 840"),
        ("/slow -1", "S must be a number from 0 to 840, not `-1`"),
        ("/emoji now", "`/emoji` does not take `now`. It is used as `/emoji`."),
        ("/trace 0", "KB must be a number from 1 to 8192"),
        ("/error", "`/error` lacks NAME. It is used as `/error NAME [N]`"),
        ("/error teapot", "NAME must be one of `accessDeniedException`"),
        ("/error throttling many", "N must be a number"),
        ("/pause 5", "`/pause` lacks S."),
        ("/pause 5 -1", "S must be a number from 0 to 840"),
        ("/cut", "`/cut` lacks N."),
        ("/corrupt x", "N must be a number"),
        ("/tool 6", "KIND must be `api`, `team`, or a number of calls from 1 to 5, not `6`"),
        ("/tool 0", "a number of calls from 1 to 5"),
        ("/confirm twice", "KIND must be `function`, `api`, or `result`, not `twice`"),
        ("/file 9", "MB must be a number from 1 to 8"),
        ("/file 1 2", "`/file` does not take `2`."),
        ("/guardrail off", "`/guardrail` does not take `off`."),
        ("/guardrail --off", "`/guardrail` does not take `--off`."),
        ("/team of two", "`/team` does not take `of`."),
        ("/teapot", "There is no scenario `/teapot`."),
        ("/", "There is no scenario `/`."),
        ("/tea`pot'**", "There is no scenario `/teapot**`."),
        ("/slow ```", "S must be a number from 0 to 840, not ``"),
        ("/play", "`/play` lacks FILE. It is used as `/play FILE [TURN] [--speed X]`"),
        ("/play a.jsonl 0", "TURN must be a number from 1 to 100000, not `0`"),
        ("/play a.jsonl --speed fast", "--speed X must be a number from 0 to 1000, not `fast`"),
        ("/play a.jsonl --loud", "`/play` does not take `--loud`."),
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
    for (usage, what) in prompt::scenarios() {
        assert!(text.contains(&format!("| `{usage}` | {what} |\n")), "{usage} in {text}");
    }
    for usage in ["/tokens N R [KB]", "/slow S", "/error NAME [N]", "/tool [KIND]", "/help"] {
        assert!(text.contains(&format!("| `{usage}` |")), "{usage} in {text}");
    }
}

#[test]
fn the_definitions_of_the_prompts_are_sound() {
    prompt_arguments::command::<Prompt>().debug_assert();
}

#[test]
fn the_bytes_of_a_file_are_those_of_the_generator() {
    let bytes = file_bytes(1);
    assert_eq!(bytes.len(), 1024 * 1024);
    // 1664525 + 1013904223 is 0x3c88596c, and so on.
    assert_eq!(bytes[..4], [0x3c, 0x5e, 0x81, 0xb4]);
    assert_ne!(bytes[..32_768], file_bytes(2)[..32_768]);
}

#[test]
fn answers_come_in_small_pieces_within_some_seconds() {
    for number in 1..=3 {
        let script = numbered("Hello, 世界!", number);
        let chunks = chunks(&script);
        assert!((30..=75).contains(&chunks), "{chunks} chunks");
        let seconds = duration(&script).as_secs_f64();
        assert!((2.0..=5.0).contains(&seconds), "{seconds} s");
    }
}

#[test]
fn answers_quote_the_prompt_and_count_the_turn() {
    for number in 1..=4 {
        let text = text(&numbered("Hello, “世界” \"${said}\"!", number));
        assert!(text.contains("You wrote “Hello, “世界” \"${said}\"!”"), "{text}");
        assert!(text.contains(&format!("turn {number} of this conversation")), "{text}");
        assert_eq!(text.contains("| `/slow S` |"), number == 2, "{text}");
    }
}

#[test]
fn every_claim_is_cited_where_it_stands() {
    for number in 1..=3 {
        let script = numbered("It waits 29 seconds for an answer and no longer.", number);
        let text: Vec<char> = text(&script).chars().collect();
        let mut cited = 0;
        let mut said = 0;
        for step in &script.steps {
            let Step::Chunk { bytes, citations } = step else { continue };
            said += std::str::from_utf8(bytes).unwrap().chars().count();
            for citation in citations {
                let citation: serde_json::Value = serde_json::from_str(citation.text()).unwrap();
                let part = &citation["generatedResponsePart"]["textResponsePart"];
                let at = |key: &str| usize::try_from(part["span"][key].as_u64().unwrap()).unwrap();
                let spanned: String = text[at("start")..at("end")].iter().collect();
                assert_eq!(part["text"], spanned);
                assert!(at("end") <= said);
                cited += 1;
            }
        }
        assert_eq!(cited, 2);
    }
}

#[test]
fn traces_come_before_the_text_between_it_and_after_it() {
    let kind = |step: &Step| match step {
        Step::Trace { .. } => Some('t'),
        Step::Chunk { .. } => Some('c'),
        _ => None,
    };
    let kinds: String = script("hello").steps.iter().filter_map(kind).collect();
    let groups: Vec<&str> = kinds.split_inclusive("tc").collect();
    assert!(kinds.starts_with('t') && kinds.ends_with('t'), "{kinds}");
    assert_eq!(groups.len(), 3, "{kinds}");
}

#[test]
fn the_trace_of_an_answer_has_the_prompt_and_the_whole_text() {
    let prompt = "a \"quoted\" \\ prompt\nof two lines";
    let script = script(prompt);
    let traces: Vec<serde_json::Value> = script
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Trace { trace, .. } => Some(serde_json::from_str(trace.text()).unwrap()),
            _ => None,
        })
        .collect();
    let input = &traces[0]["preProcessingTrace"]["modelInvocationInput"]["text"];
    let input: serde_json::Value = serde_json::from_str(input.as_str().unwrap()).unwrap();
    assert_eq!(input["messages"][0]["content"], prompt);
    let last = &traces[traces.len() - 1]["orchestrationTrace"]["observation"]["finalResponse"];
    assert_eq!(last["text"], text(&script));
    assert_eq!(last["metadata"]["startTime"], "1970-01-01T00:00:00Z");
}

#[test]
fn fewer_tools_have_fewer_traces() {
    for calls in 1..=5 {
        let script = script(&format!("/tool {calls}"));
        assert_eq!(script.return_control().unwrap().calls.len(), calls);
        let traces = script.steps.iter().filter(|step| matches!(step, Step::Trace { .. }));
        assert_eq!(traces.count(), 3 + calls);
    }
}
