use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{self, Header, HeaderValue};
use futures::{FutureExt as _, TryStreamExt as _, stream};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A frame of the type `event`.
fn frame(name: &str, payload: &[u8]) -> Vec<u8> {
    let header = |name: &'static str, value: &str| {
        Header::new(name, HeaderValue::String(value.to_owned().into()))
    };
    let message = event_stream::Message::new(payload.to_vec())
        .add_header(header(":message-type", "event"))
        .add_header(header(":event-type", name));
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// What an answer says in which one event stands between two pieces of text.
fn answer(name: &str, payload: &[u8]) -> Result<Vec<Event>, Failure> {
    let bytes = [frame("chunk", BEFORE), frame(name, payload), frame("chunk", AFTER)].concat();
    let answer = Box::new(ResponseStream::new(SdkBody::from(bytes), "thread-1".to_owned()));
    let events = stream::try_unfold(answer, ResponseStream::next).try_collect::<Vec<_>>();
    events.now_or_never().expect("everything is there")
}

const BEFORE: &[u8] = br#"{"bytes":"YmVmb3Jl"}"#;
const AFTER: &[u8] = br#"{"bytes":"YWZ0ZXI="}"#;

fn text_of(event: &Event) -> Option<&[u8]> {
    match event {
        Event::Text(bytes) => Some(bytes),
        _ => None,
    }
}

/// The events in between, of an answer that is whole. At least one.
fn all_between(name: &str, payload: &[u8]) -> Vec<Event> {
    let mut events = answer(name, payload).expect("the answer goes on to its end");
    assert!(events.len() >= 3, "{events:?}");
    assert_eq!(text_of(&events.remove(0)), Some(&b"before"[..]));
    assert_eq!(events.pop().as_ref().and_then(text_of), Some(&b"after"[..]));
    events
}

/// The first event in between, of an answer that is whole.
fn between(name: &str, payload: &[u8]) -> Event {
    all_between(name, payload).remove(0)
}

/// The JSON that an event is passed on with, if it is passed on as it is.
fn passed_on(event: &Event) -> Option<&str> {
    match event {
        Event::Trace(raw) | Event::Other(raw) => Some(raw.json.get()),
        _ => None,
    }
}

#[test]
fn a_trace_that_the_sdk_could_not_read_is_passed_on() {
    for payload in [
        // A date in another format; two members of a union, and none; a lone surrogate.
        r#"{"eventTime":"Mon Aug 04 00:25:20 UTC 2025","sessionId":"s","trace":{"orchestrationTrace":{"rationale":{"text":"I look it up.","traceId":"t"}}}}"#,
        r#"{"trace":{"preProcessingTrace":{"modelInvocationOutput":{}},"orchestrationTrace":{"modelInvocationInput":{"foundationModel":"m"}}}}"#,
        r#"{"trace":{"orchestrationTrace":{}}}"#,
        r#"{"trace":{"orchestrationTrace":{"observation":{"traceId":"t","actionGroupInvocationOutput":{"text":"cut here: \ud83d"}}}}}"#,
        r#"{"trace":{"newTrace":{"number":1e999,"long":123456789012345678901234567890}},"callerChain":[null]}"#,
        "null",
        "[1]",
    ] {
        let event = between("trace", payload.as_bytes());
        assert!(matches!(event, Event::Trace(_)), "{event:?}");
        assert_eq!(passed_on(&event), Some(payload));
    }
}

#[test]
fn a_trace_that_is_no_json_is_passed_on_as_a_string() {
    for (payload, passed) in [
        (&b"{\"text\":\"\x01\"}"[..], r#""{\"text\":\"\u0001\"}""#),
        (b"{\"text\":\"\xff\"}", "\"{\\\"text\\\":\\\"\u{fffd}\\\"}\""),
        (b"<html>", r#""<html>""#),
        (b"", r#""""#),
    ] {
        assert_eq!(passed_on(&between("trace", payload)), Some(passed));
    }
}

#[test]
fn tokens_are_counted_beyond_32_bits_and_beside_anything() {
    let usage = |payload: &str| {
        let events = all_between("trace", payload.as_bytes());
        events.into_iter().find_map(|event| match event {
            Event::Usage(usage) => Some(usage),
            _ => None,
        })
    };
    let counted = usage(
        r#"{"trace":{"preProcessingTrace":{"modelInvocationOutput":{"metadata":{"usage":{"inputTokens":8589934592,"outputTokens":20}}}},"orchestrationTrace":{"modelInvocationInput":{"text":"\ud83d"}}}}"#,
    );
    let counted = counted.unwrap();
    assert_eq!((counted.input_tokens, counted.output_tokens), (8_589_934_592, 20));
    let odd = r#"{"trace":{"orchestrationTrace":{"modelInvocationOutput":{"metadata":{"usage":{"inputTokens":"ten","outputTokens":null}}}}}}"#;
    assert_eq!(usage(odd), None);
    assert_eq!(usage(r#"{"trace":{"orchestrationTrace":{"modelInvocationOutput":7}}}"#), None);
}

#[test]
fn the_text_of_a_chunk_goes_on_whatever_its_attribution_looks_like() {
    for attribution in [
        "null",
        "7",
        "[]",
        "{}",
        r#"{"citations":null}"#,
        r#"{"citations":7}"#,
        r#""\ud83d""#,
        r#"{"citations":{"a":1}}"#,
        r#"{"citations":[ ]}"#,
    ] {
        let payload = format!(r#"{{"attribution":{attribution},"bytes":"dGV4dA==","new":1e999}}"#);
        let events = all_between("chunk", payload.as_bytes());
        assert_eq!(events.len(), 1, "{attribution}");
        assert_eq!(text_of(&events[0]), Some(&b"text"[..]));
    }
}

#[test]
fn a_chunk_may_be_empty_and_one_without_text_is_passed_on() {
    for payload in [&br#"{"bytes":""}"#[..], br#"{"attribution":{"citations":[{}]}}"#] {
        assert_eq!(text_of(&between("chunk", payload)), Some(&b""[..]));
    }
    for payload in [
        &br"{}"[..],
        br#"{"bytes":null}"#,
        br#"{"Bytes":"YQ=="}"#,
        br#"{"bytes":7}"#,
        br#"{"bytes":["YQ=="]}"#,
        b"[]",
        b"{",
    ] {
        assert!(passed_on(&between("chunk", payload)).is_some(), "{payload:?}");
    }
}

#[test]
fn only_bytes_that_are_no_base64_end_the_answer() {
    let failure = answer("chunk", br#"{"bytes":"not base64!"}"#).unwrap_err();
    assert_eq!(failure.code, ErrorCode::BadGateway);
}

/// One event of every type, as the service sends it.
fn valid_events() -> Vec<(&'static str, Value)> {
    let traces: Value =
        serde_json::from_str(include_str!("../../../../tests/web/fixtures/traces.json"))
            .expect("the recorded traces are JSON");
    let mut events: Vec<(&str, Value)> = traces
        .as_object()
        .into_iter()
        .flat_map(|runs| runs.values())
        .flat_map(|run| run["events"].as_array().cloned().unwrap_or_default())
        .filter_map(|event| Some(("trace", event["event"].get("trace")?.clone())))
        .take(60)
        .collect();
    events.push(("chunk", json!({
        "bytes": "dGV4dA==",
        "attribution": { "citations": [{ "generatedResponsePart": { "textResponsePart": { "text": "text", "span": { "start": 0, "end": 3 } } }, "retrievedReferences": [{ "content": { "text": "passage" } }] }] },
    })));
    events.push(("returnControl", json!({
        "invocationId": "invocation-1",
        "invocationInputs": [
            { "functionInvocationInput": { "actionGroup": "weather", "function": "forecast", "agentId": "LOCALAGENT", "actionInvocationType": "RESULT", "parameters": [{ "name": "days", "type": "integer", "value": "3" }] } },
            { "apiInvocationInput": { "actionGroup": "orders", "httpMethod": "POST", "apiPath": "/orders", "requestBody": { "content": { "application/json": { "properties": [{ "name": "n", "type": "number", "value": "1.5" }] } } } } },
        ],
    })));
    events.push((
        "files",
        json!({ "files": [{ "name": "a.csv", "type": "text/csv", "bytes": "YQ==" }] }),
    ));
    events.push(("newEvent", json!({ "any": ["thing", 1, null, { "deep": true }] })));
    events
}

/// One place in an event, changed.
fn mutated(value: &mut Value, place: &mut usize, how: usize) {
    if *place == 0 {
        *value = match how % 8 {
            0 => Value::Null,
            1 => json!(7),
            2 => json!("\u{0}\u{1f} \u{202e}"),
            3 => json!([value.take(), null]),
            4 => json!({ "new": value.take() }),
            5 => json!({}),
            6 => json!(-1.5e300),
            _ => json!(true),
        };
        *place = usize::MAX;
        return;
    }
    *place -= 1;
    match value {
        Value::Object(members) => {
            if *place == 0 && how >= 8 {
                // A member of a name that nobody knows, beside those that are known.
                members.insert("newMember".to_owned(), json!({ "a": [1, null] }));
                *place = usize::MAX;
                return;
            }
            for member in members.values_mut().filter(|_| true) {
                mutated(member, place, how);
                if *place == usize::MAX {
                    return;
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                mutated(value, place, how);
                if *place == usize::MAX {
                    return;
                }
            }
        }
        _ => {}
    }
}

/// The JSON's own text, changed: strings broken, members twice, bytes that are no UTF-8.
fn broken(json: String, place: usize, how: usize) -> Vec<u8> {
    let quotes: Vec<usize> = json.match_indices(":\"").map(|(place, _)| place + 2).collect();
    let Some(at) = quotes.get(place % quotes.len().max(1)).copied() else {
        return json.into_bytes();
    };
    let (head, tail) = json.as_bytes().split_at(at);
    let inserted: &[u8] = match how % 6 {
        0 => br"\ud83d",
        1 => br"\udc00\ud83d",
        2 => b"\x01",
        3 => b"\xff\xfe",
        4 => br"\q",
        _ => br#"","newMember":1,"newMember":null,"bytes":"dGV4dA==","x":""#,
    };
    [head, inserted, tail].concat()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(10_000),
        ..ProptestConfig::default()
    })]

    #[test]
    fn hostile_events_change_nothing_but_themselves(
        event in 0_usize..1000, place in 0_usize..60, how in 0_usize..16,
        breaking in prop::option::of((0_usize..40, 0_usize..6)),
    ) {
        static EVENTS: std::sync::LazyLock<Vec<(&str, Value)>> =
            std::sync::LazyLock::new(valid_events);
        let (name, valid) = &EVENTS[event % EVENTS.len()];
        let mut value = valid.clone();
        mutated(&mut value, &mut { place }, how);
        let mut payload = value.to_string().into_bytes();
        if let Some((place, how)) = breaking {
            payload = broken(value.to_string(), place, how);
        }
        match answer(name, &payload) {
            Ok(events) => {
                prop_assert!(events.len() >= 3);
                prop_assert_eq!(text_of(&events[0]), Some(&b"before"[..]));
                prop_assert_eq!(text_of(&events[events.len() - 1]), Some(&b"after"[..]));
                if *name == "trace" || *name == "newEvent" {
                    let json = passed_on(&events[1]).map(str::to_owned);
                    match serde_json::from_slice::<Box<RawValue>>(&payload) {
                        Ok(valid) => prop_assert_eq!(json.as_deref(), Some(valid.get())),
                        Err(_) => prop_assert!(json.is_some_and(|json| json.starts_with('"'))),
                    }
                }
            }
            Err(failure) => {
                // Text that can't be read is the one reason to end.
                prop_assert_eq!(*name, "chunk");
                prop_assert_eq!(failure.code, ErrorCode::BadGateway);
            }
        }
    }
}
