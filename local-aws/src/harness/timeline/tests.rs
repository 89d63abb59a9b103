//! Tests of the reader of a harness' timelines.

use std::time::SystemTime;

use super::*;
use crate::harness::address::Address;
use crate::harness::turn_context::TurnContext;

fn read(text: &str) -> Result<Vec<Script>, TimelineError> {
    let address = Address::example("session");
    let now = SystemTime::UNIX_EPOCH;
    let id = "0123456789abcdef0123456789abcdef";
    let turn = TurnContext { address: &address, prompt: "a \"prompt\"", id, number: 7, now };
    parse(text, &turn.placeholders())
}

/// The events of a timeline of one run, without what its silences are.
fn events(text: &str) -> Vec<(String, String)> {
    let mut runs = read(text).unwrap();
    assert_eq!(runs.len(), 1);
    let event = |step| match step {
        Step::Event(Event { event_type, payload }) => Some((event_type, payload)),
        _ => None,
    };
    runs.remove(0).steps.into_iter().filter_map(event).collect()
}

fn event(event_type: &str, payload: &str) -> (String, String) {
    (event_type.to_owned(), payload.to_owned())
}

#[test]
fn events_of_the_stream_are_passed_on_as_they_are_written() {
    for event_type in EVENT_TYPES {
        let line = format!("{{\"after_ms\":5,\"{event_type}\":{{\"n\": 1.50}}}}");
        assert_eq!(events(&line), [event(event_type, "{\"n\": 1.50}")]);
        assert_eq!(read(&line).unwrap()[0].steps[0], Step::Wait(Duration::from_millis(5)));
    }
}

#[test]
fn blocks_are_numbered_in_their_message_and_come_in_pieces() {
    let text = r#"{"messageStart":{"role":"assistant"}}
{"think":"I look.","index":1}
{"say":"Once twice.","every_ms":9}
{"toolUse":{"toolUseId":"t${turn}","name":"look"},"input":{"days":1.50,"city":"Bern"}}
{"messageStart":{"role":"user"}}
{"toolResult":{"toolUseId":"t7","status":"success"},"text":"dry"}
"#;
    let expected = [
        event("messageStart", r#"{"role":"assistant"}"#),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"text":"I look."}}}"#,
        ),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"signature":"c2lnbmVkIGxvY2FsbHk="}}}"#,
        ),
        event("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"Once twice."}}"#),
        event("contentBlockStop", r#"{"contentBlockIndex":2}"#),
        event(
            "contentBlockStart",
            r#"{"contentBlockIndex":3,"start":{"toolUse":{"name":"look","toolUseId":"t7"}}}"#,
        ),
        event("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":""}}}"#),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":"{\"days\":1.50,\"ci"}}}"#,
        ),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":"ty\":\"Bern\"}"}}}"#,
        ),
        event("contentBlockStop", r#"{"contentBlockIndex":3}"#),
        event("messageStart", r#"{"role":"user"}"#),
        event(
            "contentBlockStart",
            r#"{"contentBlockIndex":0,"start":{"toolResult":{"status":"success","toolUseId":"t7"}}}"#,
        ),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"toolResult":[{"text":"dr"}]}}"#,
        ),
        event(
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"toolResult":[{"text":"y"}]}}"#,
        ),
        event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
    ];
    assert_eq!(events(text), expected);
}

#[test]
fn an_input_can_be_empty_or_no_json() {
    let inputs = |text: &str| -> Vec<String> {
        let deltas = events(text).into_iter().filter(|(kind, _)| kind == "contentBlockDelta");
        let input = |payload: String| {
            let payload: Value = serde_json::from_str(&payload).unwrap();
            payload["delta"]["toolUse"]["input"].as_str().unwrap().to_owned()
        };
        deltas.map(|(_, payload)| input(payload)).collect()
    };
    let tool = r#"{"toolUse":{"toolUseId":"t","name":"look"}"#;
    assert_eq!(inputs(&format!("{tool}}}")), [""]);
    assert_eq!(inputs(&format!("{tool},\"input\":{{}}}}")), ["", "{}"]);
    assert_eq!(inputs(&format!("{tool},\"input_text\":\"no: {{json\"}}")), ["", "no: {json"]);
}

#[test]
fn ids_of_hooks_are_uuids() {
    let events = events(r#"{"hookEvent":{"hookEventId":"00000001-${uuid_tail}","name":"${id}"}}"#);
    let expected = r#"{"hookEventId":"00000001-89ab-cdef-0123-456789abcdef","name":"0123456789abcdef0123456789abcdef"}"#;
    assert_eq!(events, [event("hookEvent", expected)]);
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_without_its_text() {
    let cases = [
        ("", "line 1: there is no event"),
        (r#"{"SECRET":1}"#, "line 1: it has no event; a line needs an event of the stream"),
        (r#"{"say":"SECRET","SECRET":1}"#, "line 1: it has a member that does not belong"),
        (r#"{"say":7}"#, "line 1: `say` must be a string"),
        (r#"{"say":"SECRET","index":-1}"#, "line 1: `index` must be the number of a block"),
        (r#"{"think":"a","every_ms":1.5}"#, "line 1: `every_ms` must be a whole number"),
        (r#"{"toolUse":"SECRET"}"#, "line 1: `toolUse` must be an object"),
        (r#"{"toolUse":{},"input_text":{"SECRET":1}}"#, "line 1: `input_text` must be a string"),
        (r#"{"toolResult":{},"text":{"SECRET":1}}"#, "line 1: `text` must be a string"),
        (r#"{"event":{"SECRET":1}}"#, "line 1: `event` must be an object"),
        (r#"{"exception":"SECRET"}"#, "line 1: `exception` must be one of AgentCore's"),
        (r#"{"break":"SECRET"}"#, "line 1: `break` must be `cut` or `corrupt`"),
        (r#"{"chunk":"SECRET"}"#, "line 1: it has no event"),
        ("{\"break\":\"cut\"}\n{\"say\":\"a\"}", "line 2: the turn has ended with the line before"),
    ];
    for (text, expected) in cases {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
        assert!(!message.contains("SECRET"), "{text}: {message}");
    }
}

/// A file of any kind gives an error or scripts, and no panic. The same seed each time.
#[test]
fn any_text_is_read_or_refused() {
    let parts = [
        "{\"say\":\"a\"}",
        "{\"toolUse\":{\"toolUseId\":\"t\"}",
        ",\"input\":",
        ",\"input_text\":\"🎬ü\"}",
        "\"index\":18446744073709551615",
        "\n",
        "{",
        "}",
        "\"",
        "${id}",
        "\"after_ms\":",
        "1",
        "null",
        "[",
        ",",
        ":",
        "\"think\"",
        "{\"turn\":1}\n",
        "\"messageStart\":",
        "\"break\":\"cut\"",
    ];
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let length = random.usize(0..12);
        let text: String = (0..length).map(|_| parts[random.usize(0..parts.len())]).collect();
        let _ = read(&text);
    }
}
