use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{self, Header, HeaderValue};
use futures::{FutureExt as _, StreamExt as _, stream};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A frame with these headers before its payload.
fn frame_of(headers: &[(&'static str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut message = event_stream::Message::new(payload.to_vec());
    for (name, value) in headers {
        let value = HeaderValue::String((*value).to_owned().into());
        message = message.add_header(Header::new(*name, value));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// A frame of the type `event`.
fn frame(name: &str, payload: &[u8]) -> Vec<u8> {
    frame_of(&[(":message-type", "event"), (":event-type", name)], payload)
}

fn exception(name: &str, message: &str) -> Vec<u8> {
    let payload = json!({"message": message}).to_string();
    frame_of(&[(":message-type", "exception"), (":exception-type", name)], payload.as_bytes())
}

/// What a response says, in short words, and the failure that it ends with.
fn said(frames: &[Vec<u8>]) -> (Vec<String>, Option<Failure>) {
    let body = SdkBody::from(frames.concat());
    let answer = Box::new(ResponseStream::new(body, "session".to_owned()));
    let events = stream::try_unfold(answer, ResponseStream::next).collect::<Vec<_>>();
    let (mut said, mut failure) = (Vec::new(), None);
    for event in events.now_or_never().expect("everything is there") {
        match event {
            Ok(event) => said.extend(short(&event)),
            Err(error) => failure = Some(error),
        }
    }
    (said, failure)
}

/// An event in short words. Steps of the harness's work have tests of their own.
fn short(event: &Event) -> Option<String> {
    Some(match event {
        Event::MessageStart => "message".to_owned(),
        Event::Text(text) => format!("text {}", std::str::from_utf8(text).unwrap()),
        Event::Reasoning(text) => format!("thinks {text}"),
        Event::ReasoningEnd => "thought".to_owned(),
        Event::Trace(_) => return None,
        Event::Other(raw) => format!("other {} {}", raw.name, raw.json.get()),
        Event::Usage(usage) => format!("used {} {}", usage.input_tokens, usage.output_tokens),
        Event::ToolCall(call) => format!("asks for {} {}", call.name, call.arguments),
        Event::FinishedToolCall(call) => format!(
            "ran {} {} {} {}: {}",
            call.id,
            call.name,
            call.arguments,
            if call.failed { "in vain" } else { "well" },
            call.result
        ),
        Event::StopReason(reason) => format!("stops {reason}"),
        event => panic!("a harness says no {event:?}"),
    })
}

/// Frames of events, each with its name and its payload.
fn frames(events: &[(&str, Value)]) -> Vec<Vec<u8>> {
    events.iter().map(|(name, payload)| frame(name, payload.to_string().as_bytes())).collect()
}

fn start(role: &str) -> (&'static str, Value) {
    ("messageStart", json!({"role": role}))
}

fn delta(index: u64, delta: &Value) -> (&'static str, Value) {
    ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}))
}

fn text(text: &str) -> (&'static str, Value) {
    delta(1, &json!({"text": text}))
}

fn tool_use(index: u64, id: &str, name: &str) -> (&'static str, Value) {
    let start = json!({"toolUse": {"toolUseId": id, "name": name}});
    ("contentBlockStart", json!({"contentBlockIndex": index, "start": start}))
}

fn input(index: u64, piece: &str) -> (&'static str, Value) {
    delta(index, &json!({"toolUse": {"input": piece}}))
}

fn tool_result(index: u64, id: &str, status: &Value) -> (&'static str, Value) {
    let start = json!({"toolResult": {"toolUseId": id, "status": status}});
    ("contentBlockStart", json!({"contentBlockIndex": index, "start": start}))
}

fn end(index: u64) -> (&'static str, Value) {
    ("contentBlockStop", json!({"contentBlockIndex": index}))
}

fn stop(reason: &str) -> (&'static str, Value) {
    ("messageStop", json!({"stopReason": reason}))
}

/// What was seen of the real service on 2026-09-11.
#[test]
fn a_tool_that_the_harness_runs_is_told_with_its_result() {
    let (said, failure) = said(&frames(&[
        start("assistant"),
        delta(1, &json!({"reasoningContent": {"text": "I look it up"}})),
        end(1),
        tool_use(2, "t1", "docs___Retrieve"),
        input(2, "{\"retrievalQuery\": "),
        input(2, "{\"text\": \"refunds\"}}"),
        end(2),
        stop("tool_use"),
        (
            "metadata",
            json!({"usage": {"inputTokens": 300, "outputTokens": 80}, "metrics": {"latencyMs": 900}}),
        ),
        start("user"),
        tool_result(0, "t1", &json!("success")),
        delta(0, &json!({"toolResult": [{"text": "{\"retrievalResu"}]})),
        delta(0, &json!({"toolResult": [{"text": "lts\":[]}"}]})),
        end(0),
        stop("tool_result"),
        start("assistant"),
        text("Refunds"),
        end(1),
        stop("end_turn"),
        ("metadata", json!({"usage": {"inputTokens": 3000, "outputTokens": 200}})),
    ]));
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(
        said,
        [
            "message",
            "thinks I look it up",
            "thought",
            "used 300 80",
            r#"ran t1 docs___Retrieve {"retrievalQuery": {"text": "refunds"}} well: {"retrievalResults":[]}"#,
            "message",
            "text Refunds",
            "used 3000 200",
            "stops end_turn",
        ]
    );
}

/// What was seen of the real service on 2026-08-09.
#[test]
fn a_call_without_a_result_at_the_end_is_the_clients() {
    let (said, failure) = said(&frames(&[
        start("assistant"),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 0, "start": {"toolUse": {"name": "search", "toolUseId": "tooluse_1", "type": "tool_use"}}}),
        ),
        input(0, ""),
        input(0, "{\"keywor"),
        input(0, "d\": 1.10}"),
        end(0),
        stop("tool_use"),
    ]));
    assert!(failure.is_none(), "{failure:?}");
    assert_eq!(said, ["message", "stops tool_use", r#"asks for search {"keyword": 1.10}"#]);
}

#[test]
fn the_id_of_a_call_holds_all_that_its_result_needs() {
    let frames =
        frames(&[tool_use(0, "tooluse_1", "search"), input(0, "{\"n\":1.10}"), stop("tool_use")]);
    let answer = ResponseStream::new(SdkBody::from(frames.concat()), "session".to_owned());
    let events = stream::try_unfold(Box::new(answer), ResponseStream::next);
    let events: Vec<_> = events.collect::<Vec<_>>().now_or_never().unwrap();
    let Some(Ok(Event::ToolCall(call))) = events.last() else { panic!("{events:?}") };
    let id = ToolCallId {
        session: "session".to_owned(),
        tool_use_id: "tooluse_1".to_owned(),
        name: "search".to_owned(),
        input: "{\"n\":1.10}".to_owned(),
    };
    assert_eq!(ToolCallId::decode(&call.id), Some(id));
}

#[test]
fn of_calls_together_those_with_a_result_are_the_harnesss() {
    let (said, _) = said(&frames(&[
        start("assistant"),
        tool_use(0, "a", "shell"),
        end(0),
        tool_use(1, "b", "ask_user"),
        end(1),
        tool_use(2, "c", "ask_admin"),
        end(2),
        stop("tool_use"),
        start("user"),
        tool_result(0, "a", &json!("error")),
        delta(0, &json!({"toolResult": [{"json": {"exit":1.0}}, {"text": " no"}]})),
        stop("tool_result"),
        start("assistant"),
        stop("tool_use"),
    ]));
    assert_eq!(
        said,
        [
            "message",
            "ran a shell {} in vain: {\"exit\":1.0} no",
            "message",
            "stops tool_use",
            "asks for ask_user {}",
            "asks for ask_admin {}",
        ]
    );
}

#[test]
fn a_call_that_waits_is_nobodys_unless_the_model_stopped_for_it() {
    for (reason, code) in [
        ("end_turn", None),
        ("guardrail_intervened", None),
        ("a_new_reason", None),
        ("max_tokens", Some(ErrorCode::LimitReached)),
        ("malformed_tool_use", Some(ErrorCode::DependencyFailed)),
    ] {
        let (said, failure) = said(&frames(&[tool_use(0, "a", "shell"), text("x"), stop(reason)]));
        assert_eq!(said, ["text x", &format!("stops {reason}")]);
        assert_eq!(failure.map(|failure| failure.code), code, "{reason}");
    }
}

#[test]
fn an_index_that_is_used_again_belongs_to_the_block_that_began_last() {
    let (said, _) = said(&frames(&[
        tool_use(0, "a", "one"),
        tool_use(0, "b", "two"),
        input(0, "{\"b\":1}"),
        tool_use(1, "c", "three"),
        input(1, "{\"c\":1}"),
        stop("tool_use"),
    ]));
    assert_eq!(
        said,
        ["stops tool_use", "asks for one {}", "asks for two {\"b\":1}", "asks for three {\"c\":1}"]
    );
}

#[test]
fn only_the_last_end_of_a_message_counts() {
    let codes = |events: &[(&str, Value)]| said(&frames(events)).1.map(|failure| failure.code);
    // None at all, none of the message that began last, and the harness's own, after which the model
    // would go on.
    assert_eq!(codes(&[start("assistant"), text("x")]), Some(ErrorCode::ConnectionLost));
    let begun = [start("assistant"), stop("end_turn"), start("assistant"), text("x")];
    assert_eq!(codes(&begun), Some(ErrorCode::ConnectionLost));
    let harness = [start("user"), stop("tool_result")];
    assert_eq!(codes(&harness), Some(ErrorCode::ConnectionLost));
    assert_eq!(codes(&[]), Some(ErrorCode::ConnectionLost));
    let hook = ("hookEvent", json!({"type": "after_invocation"}));
    assert_eq!(codes(&[text("x"), stop("end_turn"), hook]), None);
    // A stop for a tool call of which there is none.
    assert_eq!(codes(&[text("x"), stop("tool_use")]), Some(ErrorCode::BadGateway));
}

#[test]
fn every_reason_to_stop_is_an_end_or_a_failure() {
    use ErrorCode::{DependencyFailed, LimitReached};
    for (reason, code) in [
        ("end_turn", None),
        ("stop_sequence", None),
        ("content_filtered", None),
        ("guardrail_intervened", None),
        ("max_tokens", Some(LimitReached)),
        ("max_output_tokens_exceeded", Some(LimitReached)),
        ("model_context_window_exceeded", Some(LimitReached)),
        ("max_iterations_exceeded", Some(LimitReached)),
        ("timeout_exceeded", Some(LimitReached)),
        ("malformed_model_output", Some(DependencyFailed)),
        ("malformed_tool_use", Some(DependencyFailed)),
        ("interrupted", Some(DependencyFailed)),
        ("partial_turn", Some(DependencyFailed)),
        ("hook_stopped", Some(DependencyFailed)),
    ] {
        let (said, failure) = said(&frames(&[text("so far"), stop(reason)]));
        assert_eq!(said, ["text so far", &format!("stops {reason}")]);
        let failed = failure.as_ref().map(|failure| failure.code);
        assert_eq!(failed, code, "{reason}");
        assert!(failure.is_none_or(|failure| failure.message.contains(reason)), "{reason}");
    }
}

#[test]
fn an_exception_ends_the_answer_with_its_code_and_nothing_of_the_agents_own_words() {
    for (name, code) in [
        ("internalServerException", ErrorCode::InternalServer),
        ("validationException", ErrorCode::Validation),
        ("runtimeClientError", ErrorCode::DependencyFailed),
        ("somethingNew", ErrorCode::InternalServer),
    ] {
        let (said, failure) = said(&[
            frame("contentBlockDelta", br#"{"delta":{"text":"so far"}}"#),
            exception(name, "secret internals"),
        ]);
        assert_eq!(said, ["text so far"]);
        let failure = failure.unwrap();
        assert_eq!(failure.code, code, "{name}");
        let is_shown = failure.message.contains("secret internals");
        assert_eq!(is_shown, code == ErrorCode::Validation, "{}", failure.message);
        assert!(failure.cause().contains("secret internals"));
    }
    let error = frame_of(
        &[
            (":message-type", "error"),
            (":error-code", "ThrottlingException"),
            (":error-message", "slow"),
        ],
        b"",
    );
    assert_eq!(said(&[error]).1.unwrap().code, ErrorCode::Throttling);
}

#[test]
fn what_is_not_known_is_passed_on_as_it_came_and_the_answer_goes_on() {
    for (name, payload) in [
        ("newEvent", r#"{"n":1.10,"long":123456789012345678901234567890}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"image":{"n":1.10}}}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":9,"delta":{"toolUse":{"input":"of nothing"}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":9,"delta":{"toolResult":[{"text":"of nothing"}]}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":0}"#),
        ("contentBlockDelta", r#"{"delta":null}"#),
        ("contentBlockDelta", r#"{"delta":{"text":7}}"#),
        ("contentBlockStart", r#"{"start":{"toolUse":{"name":"nameless id"}}}"#),
        ("contentBlockStart", r#"{"start":{"toolResult":{}}}"#),
        ("contentBlockStop", "7"),
        ("messageStart", "[]"),
        ("messageStop", "null"),
        ("metadata", "\"\""),
    ] {
        let bytes = [
            frames(&[text("before")]),
            vec![frame(name, payload.as_bytes())],
            frames(&[text("after"), stop("end_turn")]),
        ];
        let (said, failure) = said(&bytes.concat());
        assert!(failure.is_none(), "{name} {payload}: {failure:?}");
        let other = format!("other {name} {payload}");
        // What is inside of a block may be of a tool or a thought, which only the trace may show.
        if name.starts_with("contentBlock") {
            assert_eq!(said, ["text before", "text after", "stops end_turn"]);
        } else {
            assert_eq!(said, ["text before", &other, "text after", "stops end_turn"]);
        }
    }
}

#[test]
fn what_the_sdk_could_not_read_does_no_harm() {
    for (name, payload) in [
        ("contentBlockStart", r#"{"start":{}}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":1,"start":{"newKind":{}}}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":null,"start":null}"#),
        ("contentBlockStop", "{}"),
        ("metadata", r#"{"usage":{"inputTokens":"many"},"metrics":null}"#),
        ("hookEvent", r#"{"type":"new","decision":7}"#),
        ("contentBlockDelta", r#"{"delta":{"reasoningContent":{"signature":"abc"}}}"#),
        ("contentBlockDelta", r#"{"delta":{"reasoningContent":{"redactedContent":"abc="}}}"#),
        ("contentBlockDelta", r#"{"delta":{"toolResultMetadata":{"metadata":{}}}}"#),
        ("contentBlockDelta", r#"{"delta":{"text":""}}"#),
    ] {
        let bytes = [
            frames(&[text("before")]),
            vec![frame(name, payload.as_bytes())],
            frames(&[text("after"), stop("end_turn")]),
        ];
        let (said, failure) = said(&bytes.concat());
        assert!(failure.is_none(), "{name} {payload}: {failure:?}");
        assert_eq!(said, ["text before", "text after", "stops end_turn"], "{name} {payload}");
    }
}

#[test]
fn steps_of_the_work_are_told_as_they_came() {
    let events = [
        start("assistant"),
        tool_use(0, "a", "shell"),
        stop("tool_use"),
        ("metadata", json!({"usage": {"inputTokens": 1}, "metrics": {"latencyMs": 900}})),
        ("hookEvent", json!({"hookEventId": "h", "type": "before_tool_call", "decision": "deny"})),
    ];
    let body = SdkBody::from(frames(&events).concat());
    let answer = Box::new(ResponseStream::new(body, "session".to_owned()));
    let told = stream::try_unfold(answer, ResponseStream::next).collect::<Vec<_>>();
    let told = told.now_or_never().unwrap();
    let told = told.into_iter().filter_map(|event| match event {
        Ok(Event::Trace(Raw { source: "agentcore-harness", name, json })) => {
            Some((name, json.get().to_owned()))
        }
        _ => None,
    });
    let told: Vec<(String, String)> = told.collect();
    let wanted = events.map(|(name, payload)| (name.to_owned(), payload.to_string()));
    assert_eq!(told, wanted);
}

#[test]
fn tokens_of_caches_are_counted_among_those_of_the_prompt_once() {
    let used = |payload: Value| {
        let body = SdkBody::from(frames(&[("metadata", payload)]).concat());
        let answer = Box::new(ResponseStream::new(body, "session".to_owned()));
        let events = stream::try_unfold(answer, ResponseStream::next).collect::<Vec<_>>();
        events.now_or_never().unwrap().into_iter().find_map(|event| match event {
            Ok(Event::Usage(usage)) => Some(usage),
            _ => None,
        })
    };
    let beside = used(json!({"usage": {
        "inputTokens": 10, "outputTokens": 5, "totalTokens": 1115,
        "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 100,
    }}));
    let usage = Usage {
        input_tokens: 1110,
        output_tokens: 5,
        cached_input_tokens: Some(1000),
        cache_write_input_tokens: Some(100),
    };
    assert_eq!(beside, Some(usage));
    let among = used(json!({"usage": {
        "inputTokens": 300, "outputTokens": 80, "totalTokens": 380, "cacheReadInputTokens": 200,
    }}));
    let usage = Usage {
        input_tokens: 300,
        output_tokens: 80,
        cached_input_tokens: Some(200),
        cache_write_input_tokens: None,
    };
    assert_eq!(among, Some(usage));
    assert_eq!(used(json!({"usage": {}})), None);
    assert_eq!(used(json!({"metrics": {"latencyMs": 1}})), None);
}

#[test]
fn a_result_that_is_longer_than_the_function_has_room_for_is_cut_and_says_so() {
    let long = "ä".repeat(MAX_RESULT);
    let (said, _) = said(&frames(&[
        tool_use(0, "a", "shell"),
        stop("tool_use"),
        start("user"),
        tool_result(0, "a", &Value::Null),
        delta(0, &json!({"toolResult": [{"text": long}]})),
        stop("tool_result"),
    ]));
    let result = said.first().unwrap();
    assert!(result.len() < MAX_RESULT + 100);
    assert!(result.ends_with("ä… (the relay left out 8388608 bytes more)"));
}

/// JSON of any make, also such that no reader understands.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1e999".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
        Just(r#""\ud83d""#.to_owned()),
        Just(r#""text""#.to_owned()),
        Just("{".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        ".{0,8}".prop_map(|text| Value::from(text).to_string()),
    ];
    let name = prop_oneof![
        Just("contentBlockIndex".to_owned()),
        Just("delta".to_owned()),
        Just("start".to_owned()),
        Just("toolUse".to_owned()),
        Just("toolUseId".to_owned()),
        Just("name".to_owned()),
        Just("input".to_owned()),
        Just("toolResult".to_owned()),
        Just("reasoningContent".to_owned()),
        Just("text".to_owned()),
        Just("status".to_owned()),
        Just("role".to_owned()),
        Just("stopReason".to_owned()),
        Just("usage".to_owned()),
        Just("inputTokens".to_owned()),
        "[a-z]{0,4}",
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn any_event_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "contentBlockDelta",
        "contentBlockStart",
        "contentBlockStop",
        "hookEvent",
        "metadata",
        "newEvent",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Text before and after goes on, whatever stands in between: JSON, bytes, and pieces of the protocol
    /// in any order. Messages that begin or end in between have tests of their own.
    #[test]
    fn no_event_ends_the_answer(
        name in any_event_name(),
        payload in prop_oneof![
            any_json().prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..64),
        ],
    ) {
        let bytes = [
            frames(&[start("assistant"), text("before")]),
            vec![frame(name, &payload)],
            frames(&[text("after"), stop("end_turn")]),
        ];
        let (mut said, failure) = said(&bytes.concat());
        prop_assert!(failure.is_none(), "{failure:?}");
        // A thought without an end of its own ends with its message.
        said.retain(|said| said != "thought");
        prop_assert_eq!(&said[1], "text before");
        prop_assert_eq!(&said[said.len() - 2], "text after");
        prop_assert_eq!(said.last().map(String::as_str), Some("stops end_turn"));
        // Nothing of it is taken for a call of the client's.
        prop_assert!(!said.iter().any(|said| said.starts_with("asks for")), "{said:?}");
    }
}
