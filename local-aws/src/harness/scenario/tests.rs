//! Tests of the harness' scenarios.

use std::time::SystemTime;

use serde_json::Value;

use super::*;
use crate::harness::address::Address;
use crate::harness::exception::HarnessException;
use crate::scripted::prompt_arguments;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn numbered(prompt: &str, number: u32) -> Vec<Script> {
    let address = Address::example("session");
    let now = SystemTime::UNIX_EPOCH;
    let turn = TurnContext { address: &address, prompt, id: ID, number, now };
    match prompt::parse(prompt) {
        Ok(prompt) => super::scripts(&turn, prompt.as_ref()),
        Err(reason) => vec![explanation(&reason)],
    }
}

fn script(prompt: &str) -> Script {
    let mut scripts = numbered(prompt, 1);
    assert_eq!(scripts.len(), 1, "{prompt}");
    scripts.remove(0)
}

/// The events of a script as JSON: their types and payloads.
fn events(script: &Script) -> Vec<(String, Value)> {
    let event = |step: &Step| match step {
        Step::Event(event) => {
            Some((event.event_type.clone(), serde_json::from_str(&event.payload).unwrap()))
        }
        _ => None,
    };
    script.steps.iter().filter_map(event).collect()
}

fn texts(script: &Script) -> Vec<String> {
    let text = |(_, payload): (String, Value)| payload["delta"]["text"].as_str().map(str::to_owned);
    events(script).into_iter().filter_map(text).collect()
}

fn text(script: &Script) -> String {
    texts(script).concat()
}

fn stop_reasons(script: &Script) -> Vec<String> {
    let reason = |(_, payload): (String, Value)| payload["stopReason"].as_str().map(str::to_owned);
    events(script).into_iter().filter_map(reason).collect()
}

fn duration(script: &Script) -> Duration {
    let waits = script.steps.iter().filter_map(|step| match step {
        Step::Wait(duration) => Some(*duration),
        _ => None,
    });
    waits.sum()
}

/// Prompts of every scenario that ends as it should.
const SOUND: [&str; 24] = [
    "hello",
    "/tokens 25 1000 1",
    "/slow 1",
    "/pause 3 1",
    "/emoji",
    "/single",
    "/think",
    "/work",
    "/trace 3",
    "/hook",
    "/hook deny",
    "/tool",
    "/tool 5",
    "/tool 5 together",
    "/tool empty",
    "/tool text",
    "/tool untyped",
    "/tool late",
    "/tool denied",
    "/limit max_tokens",
    "/guardrail",
    "/unknown",
    "/odd indices",
    "/help",
];

/// What every stream of the service has: messages that begin and end, blocks in them that end, calls and
/// results that begin as blocks, texts that do not, and the cost of each message of the model.
#[test]
fn streams_are_shaped_like_those_of_the_service() {
    for prompt in SOUND {
        for script in numbered(prompt, 1) {
            let mut role = None;
            let mut open: Vec<Value> = Vec::new();
            let mut started = false;
            let mut owes_metadata = false;
            for (event_type, payload) in events(&script) {
                let at = format!("{prompt}: {event_type} {payload}");
                if event_type != "hookEvent" {
                    assert_eq!(owes_metadata, event_type == "metadata", "{at}");
                }
                let index = &payload["contentBlockIndex"];
                assert_eq!(!index.is_null(), event_type.starts_with("contentBlock"), "{at}");
                match &*event_type {
                    "messageStart" => {
                        assert_eq!(role, None, "{at}");
                        role = payload["role"].as_str().map(str::to_owned);
                    }
                    "contentBlockStart" => {
                        let kind =
                            if role.as_deref() == Some("user") { "toolResult" } else { "toolUse" };
                        let start = &payload["start"][kind];
                        let id = start["toolUseId"].as_str().unwrap();
                        assert!((1..=64).contains(&id.len()), "{at}");
                        assert_eq!(start["name"].is_string(), kind == "toolUse", "{at}");
                        open.push(index.clone());
                        started = true;
                    }
                    "contentBlockDelta" => {
                        let delta = payload["delta"].as_object().unwrap();
                        assert_eq!(delta.len(), 1, "{at}");
                        if delta.contains_key("toolUse") || delta.contains_key("toolResult") {
                            assert!(started && open.contains(index), "{at}");
                        } else {
                            assert!(!started && role.as_deref() == Some("assistant"), "{at}");
                            assert_ne!(delta.get("text"), Some(&Value::from("")), "{at}");
                            open = vec![index.clone()];
                        }
                    }
                    "contentBlockStop" => {
                        assert_eq!(open, std::slice::from_ref(index), "{at}");
                        open.clear();
                        started = false;
                    }
                    "messageStop" => {
                        assert!(open.is_empty(), "{at}");
                        let of_the_user = role.take().as_deref() == Some("user");
                        assert_eq!(payload["stopReason"] == "tool_result", of_the_user, "{at}");
                        owes_metadata = !of_the_user;
                    }
                    "metadata" => {
                        owes_metadata = false;
                        let usage = &payload["usage"];
                        let tokens = |name: &str| usage[name].as_u64().unwrap();
                        let sum = tokens("inputTokens") + tokens("outputTokens");
                        assert_eq!(tokens("totalTokens"), sum, "{at}");
                        assert!(payload["metrics"]["latencyMs"].is_u64(), "{at}");
                    }
                    "hookEvent" => {
                        let id = payload["hookEventId"].as_str().unwrap();
                        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
                        assert_eq!(lengths, [8, 4, 4, 4, 12], "{at}");
                    }
                    _ => panic!("{at}"),
                }
            }
            assert!(role.is_none() && !owes_metadata, "{prompt}");
            let last = stop_reasons(&script).pop().unwrap();
            assert_eq!(script.pending().is_empty(), last != "tool_use", "{prompt}");
        }
    }
}

#[test]
fn tokens_come_in_that_number_and_at_that_rate_with_reasoning_between() {
    let script = script("/tokens 100 50 30");
    assert_eq!(duration(&script), Duration::from_secs(2));
    let expected: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
    assert_eq!(text(&script).split_whitespace().collect::<Vec<_>>(), expected);
    let reasoning: Vec<usize> = events(&script)
        .iter()
        .filter_map(|(_, payload)| payload["delta"]["reasoningContent"]["text"].as_str())
        .map(|text| text.len() / 1024)
        .collect();
    assert_eq!(reasoning.len(), 10);
    assert!(reasoning.iter().all(|kib| (29..=30).contains(kib)), "{reasoning:?}");
    assert_eq!(duration(&numbered("/tokens 100 0", 1)[0]), Duration::ZERO);
}

#[test]
fn a_single_answer_has_one_piece_for_each_block_of_text() {
    let whole = texts(&script("/single"));
    assert_eq!(whole.len(), 2, "before the tool and after it");
    let streamed = text(&script("hello")).replace("“hello”", "“/single”");
    assert_eq!(whole.concat(), streamed);
}

#[test]
fn answers_quote_the_prompt_count_the_turn_and_come_within_some_seconds() {
    for number in 1..=4 {
        let script = &numbered("Hello, “世界” \"${said}\"!", number)[0];
        let said = text(script);
        assert!(said.contains("You wrote “Hello, “世界” \"${said}\"!”"), "{said}");
        assert!(said.contains(&format!("turn {number} of this conversation")), "{said}");
        assert_eq!(said.contains("| `/slow S` |"), number == 2, "{said}");
        let chunks = texts(script).len();
        assert!((30..=100).contains(&chunks), "{chunks} chunks");
        let seconds = duration(script).as_secs_f64();
        assert!((2.0..=7.0).contains(&seconds), "{seconds} s");
    }
}

#[test]
fn work_has_text_before_and_after_tools_and_one_that_fails() {
    let script = script("/work");
    assert_eq!(
        stop_reasons(&script),
        [
            "tool_use",
            "tool_result",
            "tool_use",
            "tool_result",
            "tool_use",
            "tool_result",
            "end_turn"
        ],
    );
    let all = events(&script);
    let names: Vec<&str> = all
        .iter()
        .filter_map(|(_, payload)| payload["start"]["toolUse"]["name"].as_str())
        .collect();
    assert_eq!(names, ["docs___Retrieve", "shell", "code_interpreter", "orders___get_order"]);
    let statuses: Vec<&str> = all
        .iter()
        .filter_map(|(_, payload)| payload["start"]["toolResult"]["status"].as_str())
        .collect();
    assert_eq!(statuses, ["success", "error", "success", "success"]);
    let cached: Vec<u64> = all
        .iter()
        .filter_map(|(_, payload)| payload["usage"]["cacheReadInputTokens"].as_u64())
        .collect();
    assert_eq!(cached, [0, 256, 512, 768]);
    let first = &all[1].1;
    assert_eq!(first["contentBlockIndex"], 1, "reasoning comes first, and counts from 1");
}

#[test]
fn a_trace_has_the_size_that_was_asked_for() {
    for kib in [1, 100, 1000] {
        let script = script(&format!("/trace {kib}"));
        let all = events(&script);
        let result = all
            .iter()
            .find_map(|(_, payload)| payload["delta"]["toolResult"][0]["text"].as_str())
            .unwrap();
        assert!((kib * 1024 - 4..=kib * 1024).contains(&result.len()), "{}", result.len());
    }
}

#[test]
fn tools_are_asked_for_one_after_the_other_or_together() {
    let ids = |script: &Script| script.pending().into_iter().map(|call| call.name);
    for calls in 1..=5 {
        let in_turn = numbered(&format!("/tool {calls}"), 1);
        assert_eq!(in_turn.len(), calls);
        assert!(in_turn.iter().all(|script| ids(script).count() == 1));
        let names: Vec<String> = in_turn.iter().flat_map(ids).collect();
        if calls > 1 {
            let together = script(&format!("/tool {calls} together"));
            assert_eq!(ids(&together).collect::<Vec<_>>(), names);
        }
    }
    let late = script("/tool late");
    assert_eq!(ids(&late).collect::<Vec<_>>(), ["get_weather"]);
    assert!(script("/tool denied").pending().is_empty());
}

#[test]
fn each_exception_comes_at_once_or_if_it_can_after_pieces() {
    for exception in HarnessException::ALL {
        let at_once = script(&format!("/error {}", exception.member()));
        assert_eq!(at_once.refusal().map(|first| first.exception), Some(exception));
        let later = script(&format!("/error {} 3", exception.member()));
        if HarnessException::IN_STREAM.contains(&exception) {
            assert_eq!((later.refusal(), texts(&later).len()), (None, 3));
            assert_eq!(later.steps.last(), Some(&Step::Exception(exception.into())));
        } else {
            assert!(text(&later).contains("Inside a stream, NAME must be one of"), "{exception:?}");
        }
    }
}

#[test]
fn a_limit_is_any_reason_to_stop() {
    for reason in ["max_tokens", "guardrail_intervened", "brand_new_reason"] {
        assert_eq!(stop_reasons(&script(&format!("/limit {reason}"))), [reason]);
    }
}

#[test]
fn hooks_are_heard_after_the_last_message_and_without_any_end() {
    let types = |prompt| -> Vec<String> {
        events(&script(prompt)).into_iter().map(|(event_type, _)| event_type).collect()
    };
    assert_eq!(types("/hook")[0], "hookEvent");
    assert_eq!(types("/hook").last().unwrap(), "hookEvent");
    let failed = types("/hook failed");
    assert_eq!(failed.last().unwrap(), "hookEvent");
    assert!(!failed.contains(&"messageStop".to_owned()));
}

#[test]
fn what_cannot_be_understood_is_answered_with_the_reason_and_the_list() {
    let cases = [
        ("/tokens x 5", "N must be a number from 1 to 100000, not `x`."),
        ("/tokens 100000 1", "840 seconds at most. It is used as `/tokens N R [KB]`"),
        ("/slow", "`/slow` lacks S. It is used as `/slow S`, such as `/slow 40`."),
        ("/tool 6", "a number of calls from 1 to 5, not `6`"),
        ("/tool 3 now", "ORDER must be one of `together`, not `now`."),
        ("/tool 1 together", "One call cannot come together."),
        ("/tool late together", "Only a number of calls can come together."),
        ("/hook maybe", "KIND must be one of `allow`, `deny`, `failed`, not `maybe`."),
        ("/odd", "`/odd` lacks KIND."),
        ("/odd thing", "KIND must be one of `start`, `indices`, `untyped`"),
        ("/limit", "`/limit` lacks REASON."),
        ("/limit Max", "REASON must be a stop reason, such as `max_tokens`"),
        ("/error teapot", "NAME must be one of `accessDeniedException`"),
        ("/error throttling 3", "Inside a stream, NAME must be one of `internalServerException`"),
        ("/refuse throttling 0", "N must be a number from 1 to 1000, not `0`"),
        ("/team", "There is no scenario `/team`."),
        ("/file", "There is no scenario `/file`."),
    ];
    for (prompt, reason) in cases {
        let text = text(&script(prompt));
        assert!(text.contains(reason), "{prompt}: {text}");
        assert!(text.contains("| `/slow S` |"), "{prompt}: {text}");
    }
}

#[test]
fn help_lists_every_scenario_and_no_other() {
    let text = text(&script("/help"));
    let scenarios = prompt::scenarios();
    assert_eq!(text.matches("| `/").count(), scenarios.len());
    for (usage, what) in scenarios {
        assert!(text.contains(&format!("| `{usage}` | {what} |\n")), "{usage} in {text}");
    }
}

#[test]
fn the_definitions_of_the_prompts_are_sound() {
    prompt_arguments::command::<Prompt>().debug_assert();
}
