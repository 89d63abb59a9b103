use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::invocation::{ConnectionRef, Principal};
use crate::source::bedrock_agent::InvokeAgentOptions;

type Run = super::Run<InvokeAgentOptions>;

fn config() -> Config {
    Config::from_lookup(|name| {
        let value = match name {
            "AGENT_ID" => "ABCDE12345",
            "AGENT_ALIAS_ID" => "TSTALIASID",
            "ALLOW_TRACE" => "true",
            "MAX_PROMPT_CHARS" => "1000",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap()
}

fn message(body: impl Into<Vec<u8>>) -> Message {
    Message {
        connection: ConnectionRef {
            connection_id: "JKJZ8fTwSQhgCIhw=".to_owned(),
            ..ConnectionRef::default()
        },
        request_id: "JKJaXdwwPyCgFMaA=".to_owned(),
        principal: None,
        body: body.into(),
    }
}

fn parse(body: &Value) -> Result<Run, String> {
    Run::parse(&message(body.to_string()), &config()).map_err(|invalid| invalid.reason)
}

fn agui(more: &Value) -> Value {
    let mut body = json!({
        "threadId": "thread-1", "runId": "run-1", "state": {}, "tools": [], "context": [],
        "messages": [{"id": "1", "role": "user", "content": "hello"}], "forwardedProps": {}
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[test]
fn the_short_form_needs_only_a_prompt() {
    let run = parse(&json!({"prompt": "hello"})).unwrap();
    assert_eq!(run.input, Input::Prompt("hello".to_owned()));
    assert_eq!(run.run_id, "JKJaXdwwPyCgFMaA=");
    assert_eq!(run.thread_id, "JKJZ8fTwSQhgCIhw.");
    assert_eq!(run.session_id, run.thread_id);
    assert_eq!(run.user, None);
    assert!(!run.trace && !run.options.end_session);
    assert!(
        run.options.session_attributes.is_empty()
            && run.options.prompt_session_attributes.is_empty()
    );
}

#[test]
fn a_result_may_be_text_in_parts() {
    let result = |content: Value| {
        let part = json!({"threadId": "t1", "runId": "r1", "messages": [
            {"id": "1", "role": "user", "content": "hello"},
            {"id": "2", "role": "tool", "toolCallId": "call", "content": content}]});
        parse(&part)
    };
    let run =
        result(json!([{"type": "text", "text": "2"}, {"type": "text", "text": "1 °C"}])).unwrap();
    let Input::ToolResults(results) = run.input else { panic!("{:?}", run.input) };
    assert_eq!(results.results[0].content.as_deref(), Some("21 °C"));
    let refused = result(json!([{"type": "image"}])).unwrap_err();
    assert!(refused.contains("`messages[1].content[0]` is of the type `image`"));
}

#[test]
fn what_an_error_and_the_content_beside_it_both_say_is_said_once() {
    for (content, error, said) in [
        ("half done", "disk full", (Some("half done"), Some("disk full"))),
        ("disk full", "disk full", (Some("disk full"), None)),
        ("", "disk full", (Some("disk full"), None)),
    ] {
        let run = parse(&json!({"sessionId": "conversation-1", "toolResults": [
            {"toolCallId": "call", "content": content, "error": error}]}))
        .unwrap();
        let Input::ToolResults(results) = run.input else { panic!("{:?}", run.input) };
        let result = &results.results[0];
        assert!(result.failed);
        assert_eq!((result.content.as_deref(), result.error.as_deref()), said);
    }
}

#[test]
fn the_short_form_takes_everything_else_too() {
    let run = parse(&json!({
        "prompt": "hello", "email": "ada@example.com", "sessionId": "conversation-1", "trace": true,
        "sessionAttributes": {"plan": "gold"}, "promptSessionAttributes": {"day": "Monday"},
        "endSession": true, "action": "ask"
    }))
    .unwrap();
    assert_eq!(run.session_id, "conversation-1");
    assert!(run.trace && run.options.end_session);
    assert_eq!(run.options.session_attributes["email"], "ada@example.com");
    assert_eq!(run.options.session_attributes["plan"], "gold");
    assert_eq!(run.options.prompt_session_attributes["day"], "Monday");
}

#[test]
fn agui_takes_the_last_user_message() {
    let run = parse(&agui(&json!({
        "messages": [
            {"id": "1", "role": "user", "content": "first"},
            {"id": "2", "role": "assistant", "content": "answer"},
            {"id": "3", "role": "user", "content": [
                {"type": "text", "text": "sec"}, {"type": "text", "text": "ond"}
            ]}
        ],
        "forwardedProps": {
            "trace": true, "endSession": true, "unknown": 1,
            "sessionAttributes": {"a": "b"}, "promptSessionAttributes": {"c": "d"}
        }
    })))
    .unwrap();
    assert_eq!(run.input, Input::Prompt("second".to_owned()));
    assert_eq!((run.thread_id.as_str(), run.run_id.as_str()), ("thread-1", "run-1"));
    assert!(run.trace && run.options.end_session);
    assert_eq!(run.options.session_attributes["a"], "b");
    assert_eq!(run.options.prompt_session_attributes["c"], "d");
}

#[test]
fn null_counts_as_absent() {
    let run = parse(&agui(&json!({"forwardedProps": null, "state": null}))).unwrap();
    assert_eq!(run.input, Input::Prompt("hello".to_owned()));
    assert!(parse(&json!({"prompt": "hello", "sessionId": null})).is_ok());
}

#[test]
fn a_trace_is_given_only_where_it_is_allowed() {
    let forbidding = Config { allow_trace: false, ..config() };
    let body = json!({"prompt": "hello", "trace": true}).to_string();
    assert!(Run::parse(&message(body.as_str()), &config()).unwrap().trace);
    assert!(!Run::parse(&message(body), &forbidding).unwrap().trace);
}

#[test]
fn a_principal_has_sessions_of_their_own() {
    let of = |principal: &str, config: &Config| {
        let mut message = message(json!({"prompt": "hello", "sessionId": "shared"}).to_string());
        message.principal = Some(Principal { subject: principal.to_owned(), email: None });
        Run::parse(&message, config).unwrap()
    };
    let (ada, bob) = (of("ada", &config()), of("bob", &config()));
    assert_eq!(ada.thread_id, "shared");
    assert_ne!(ada.session_id, bob.session_id);
    let hash = |run: &Run| run.user.as_ref().unwrap().hash.clone();
    assert_ne!(hash(&ada), hash(&bob));
    assert_eq!(ada.session_id, of("ada", &config()).session_id);
    assert!(is_session_or_memory_id(&ada.session_id) && is_session_or_memory_id(&hash(&ada)));
}

#[test]
fn what_is_wrong_is_said() {
    for (body, hint) in [
        ("", "is empty"),
        ("  \n", "is empty"),
        ("hello", "is not JSON"),
        ("{\"prompt\":", "is not JSON"),
        ("[1]", "must be a JSON object, not a list"),
        ("\"hello\"", "not a string"),
        ("{}", "neither `prompt` nor `toolResults` nor `messages`"),
        (r#"{"prompt":7}"#, "`prompt` must be a string, not a number"),
        (r#"{"prompt":" "}"#, "prompt is empty"),
        (r#"{"prompt":"x","sesionId":"y2"}"#, "`sesionId` is not a field"),
        (r#"{"prompt":"x","sessionId":"a b"}"#, "`sessionId` must be 2 to 100"),
        (r#"{"prompt":"x","sessionId":"a"}"#, "`sessionId` must be 2 to 100"),
        (r#"{"prompt":"x","sessionId":7}"#, "`sessionId` must be a string"),
        (r#"{"prompt":"x","trace":"yes"}"#, "`trace` must be true or false, not a string"),
        (r#"{"prompt":"x","email":{}}"#, "`email` must be a string, not an object"),
        (r#"{"prompt":"x","sessionAttributes":[]}"#, "`sessionAttributes` must be an object"),
        (r#"{"prompt":"x","sessionAttributes":{"a":1}}"#, "`sessionAttributes.a` must be a string"),
        (r#"{"threadId":"t1","messages":[]}"#, "`runId` is missing"),
        (r#"{"threadId":"t1","runId":"","messages":[]}"#, "`runId` must be 1 to 128"),
        (r#"{"threadId":"t1","runId":"r"}"#, "`messages` is missing"),
        (r#"{"threadId":"t1","runId":"r","messages":{}}"#, "`messages` must be a list"),
        (r#"{"threadId":"t1","runId":"r","messages":[]}"#, "no message with the role `user`"),
        (r#"{"threadId":"t1","runId":"r","messages":["x"]}"#, "`messages[0]` must be an object"),
        (r#"{"threadId":"t1","runId":"r","messages":[{}]}"#, "`messages[0].role` is missing"),
        (
            r#"{"threadId":"t1","runId":"r","messages":[{"role":"user"}]}"#,
            "`messages[0].content` is missing",
        ),
        (
            r#"{"threadId":"t1","runId":"r","messages":[{"role":"user","content":[{"type":"hologram"}]}]}"#,
            "`messages[0].content[0]` is of the type `hologram`",
        ),
        (
            r#"{"threadId":"t1","runId":"r","messages":[{"role":"user","content":"x"}],"forwardedProps":{"trace":1}}"#,
            "`forwardedProps.trace` must be true or false",
        ),
        (
            r#"{"threadId":"no good","runId":"r","messages":[{"role":"user","content":"x"}]}"#,
            "`threadId` must be 2 to 100",
        ),
    ] {
        let invalid = Run::parse(&message(body), &config()).unwrap_err();
        assert!(invalid.reason.contains(hint), "{body}: {}", invalid.reason);
        assert!(
            InvalidRequest::failure(&invalid.reason)
                .message
                .contains("A valid message: {\"prompt\"")
        );
    }
}

#[test]
fn a_message_that_is_not_text_is_refused() {
    let invalid = Run::parse(&message([0xff, 0xfe]), &config()).unwrap_err();
    assert!(invalid.reason.contains("not UTF-8"), "{}", invalid.reason);
}

#[test]
fn the_prompt_limit_counts_characters() {
    assert!(parse(&json!({"prompt": "é".repeat(1000)})).is_ok());
    let reason = parse(&json!({"prompt": "é".repeat(1001)})).unwrap_err();
    assert!(reason.contains("1001 characters") && reason.contains("at most 1000"), "{reason}");
}

#[test]
fn an_error_carries_the_run_id_where_it_could_be_read() {
    let body = r#"{"threadId":"t1","runId":"run-7","messages":7}"#;
    let invalid = Run::parse(&message(body), &config()).unwrap_err();
    assert_eq!(invalid.run_id.as_deref(), Some("run-7"));
    assert_eq!(Run::parse(&message("{}"), &config()).unwrap_err().run_id, None);
}

#[test]
fn the_examples_in_the_error_are_valid() {
    let (short, long) =
        InvalidRequest::EXAMPLE.split_once(" or, as AG-UI's RunAgentInput, ").unwrap();
    for example in [short, long] {
        assert!(Run::parse(&message(example), &config()).is_ok(), "{example}");
    }
}

/// JSON that is valid, and that few readers take.
fn odd_json() -> Vec<String> {
    [
        r#""cut here: \ud83d""#,
        r#"{"\udc00":"\ud83d\ud83d"}"#,
        "1e400",
        "-0.1e-999",
        "123456789012345678901234567890.000000000000000000000000000001",
        r#"{"a":1,"a":{"a":1e400}}"#,
        "[[],{},null,true,\"\"]",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(
        [("[", "]"), (r#"{"a":"#, "}")]
            .map(|(open, close)| format!("{}1{}", open.repeat(5000), close.repeat(5000))),
    )
    .collect()
}

/// A message whose last one asks for `hello`, and that carries `odd` along in every place that nobody
/// reads.
fn carrying(odd: &str) -> String {
    format!(
        r#"{{"threadId":"thread-1","runId":"run-1","state":{odd},"tools":[{odd}],"context":{odd},"new":{odd},
            "messages":[{odd},{{"id":"1","role":"user","content":{odd}}},{{"role":"assistant","toolCalls":{odd}}},
                        {{"id":{odd},"role":"user","content":"hello","name":{odd}}}],
            "forwardedProps":{{"other":{odd},"trace":true}}}}"#
    )
}

#[test]
fn what_is_only_carried_along_may_be_anything() {
    for odd in odd_json() {
        let run = Run::parse(&message(carrying(&odd)), &config()).expect(&odd);
        assert_eq!(run.input, Input::Prompt("hello".to_owned()));
        assert!(run.trace);
    }
}

#[test]
fn a_result_is_understood_whatever_the_conversation_before_it_is_like() {
    for odd in odd_json() {
        let body = format!(
            r#"{{"threadId":"thread-1","runId":"run-1","messages":[{odd},{{"role":"assistant","content":{odd}}},
                {{"role":"tool","toolCallId":"call-1","content":"12 degrees","metadata":{odd}}}],
                "resume":[{{"interruptId":"call-2","status":"resolved","payload":{{"result":"done","extra":{odd}}}}}]}}"#
        );
        let run = Run::parse(&message(body), &config()).expect(&odd);
        let Input::ToolResults(results) = run.input else { panic!("{:?}", run.input) };
        let contents: Vec<Option<&str>> =
            results.results.iter().map(|result| result.content.as_deref()).collect();
        assert_eq!(contents, [Some("12 degrees"), Some("done")]);
    }
}

#[test]
fn a_byte_order_mark_before_a_message_is_passed_over() {
    for body in [r#"{"prompt":"hello"}"#, "\u{feff} {\"prompt\":\"hello\"}\n"] {
        let run = Run::parse(&message(format!("\u{feff}{body}")), &config()).unwrap();
        assert_eq!(run.input, Input::Prompt("hello".to_owned()));
    }
    let invalid = Run::parse(&message("\u{feff}"), &config()).unwrap_err();
    assert!(invalid.reason.contains("is empty"), "{}", invalid.reason);
}

#[test]
fn what_is_used_stays_strict() {
    for (body, hint) in [
        (r#"{"prompt":"cut \ud83d"}"#, "`prompt` has an escape that stands for no character"),
        (
            r#"{"threadId":"t1","runId":"r","messages":[{"role":"user","content":"\udc00"}]}"#,
            "`messages[0].content` has an escape",
        ),
        (r#"{"prompt":"x","sessionAttributes":{"a":"\ud800"}}"#, "`sessionAttributes.a` has an"),
        (
            r#"{"prompt":"x","sessionAttributes":{"\ud800":"a"}}"#,
            "`sessionAttributes` has a name with",
        ),
        (r#"{"prompt":"x","sessionAttributes":{"a":null}}"#, "must be a string, not null"),
        (
            r#"{"threadId":"t1","runId":"r","messages":[{"role":"user","content":1e400}]}"#,
            "`messages[0].content` must be a string, not a number",
        ),
        (
            r#"{"threadId":"t1","runId":"r","messages":[{"role":"user","content":"x"},7]}"#,
            "`messages[1]` must be an object, not a number",
        ),
        ("{\"prompt\":\"a\nb\"}", "is not JSON"),
        (r#"{"prompt":"a"} {}"#, "is not JSON"),
    ] {
        let invalid = Run::parse(&message(body), &config()).unwrap_err();
        assert!(invalid.reason.contains(hint), "{body}: {}", invalid.reason);
    }
}

/// JSON text of any make: escapes, numbers and depths that a program would not write by itself.
fn any_json_text() -> impl Strategy<Value = String> {
    let digits = "(0|[1-9][0-9]{0,40})";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        prop::string::string_regex(&format!(
            "-?{digits}(\\.[0-9]{{1,30}})?([eE][+-]?[0-9]{{1,4}})?"
        ))
        .expect("a pattern"),
        "\"(\\\\u[0-9a-fA-F]{4}|\\\\[\"\\\\/bfnrt]|[ a-zA-Zé😀{}\\[\\],:]){0,20}\"",
    ];
    leaf.prop_recursive(6, 60, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec(("[a-z]{0,3}|\\\\ud8[0-9a-f]{2}", inner), 0..5).prop_map(
                |members| {
                    let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
                }
            ),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_that_is_carried_along_changes_nothing(odd in any_json_text()) {
        let run = Run::parse(&message(carrying(&odd)), &config());
        let run = run.map_err(|invalid| TestCaseError::fail(invalid.reason))?;
        prop_assert_eq!(run.input, Input::Prompt("hello".to_owned()));
    }
}

#[test]
fn nobody_without_a_name_can_spell_a_users_session() {
    let of = |principal: Option<&str>, id: &str| {
        let mut message = message(json!({"prompt": "hello", "sessionId": id}).to_string());
        let principal =
            principal.map(|subject| Principal { subject: subject.to_owned(), email: None });
        message.principal = principal;
        Run::parse(&message, &config())
    };
    let ada = of(Some("ada"), "shared").unwrap().session_id;
    let invalid = of(None, &ada).unwrap_err();
    assert!(invalid.reason.contains("form of a signed-in user's"), "{}", invalid.reason);
    // A user has them behind a hash of their own.
    assert!(of(Some("bob"), &ada).unwrap().session_id.ends_with(&ada));
    for taken in ["AAAAAAAAAAAAAAAA:x", "----------------:", "aA0_-aA0_-aA0_-a:b:c"] {
        assert!(of(None, taken).is_err(), "{taken}");
    }
    for free in [
        "AAAAAAAAAAAAAAA:x",
        "AAAAAAAAAAAAAAAAA:x",
        "AAAAAAAAAAAAAAAA",
        "AAAA.AAAAAAAAAAA:x",
        "a:AAAAAAAAAAAAAAAA:x",
        ":AAAAAAAAAAAAAAA",
    ] {
        assert_eq!(of(None, free).unwrap().session_id, free);
    }
}

#[test]
fn a_message_has_a_uuid_that_stays_the_same() {
    let ids = |request_id: &str| {
        let mut message = message(r#"{"prompt":"hello"}"#);
        message.request_id = request_id.to_owned();
        Run::parse(&message, &config()).unwrap().ids(EventForm::Chunks).message_id
    };
    let id: uuid::Uuid = ids("JKJaXdwwPyCgFMaA=").parse().unwrap();
    assert_eq!(id.get_version_num(), 8);
    assert_eq!(ids("JKJaXdwwPyCgFMaA="), id.to_string());
    assert_ne!(ids("JKJaXdwwPyCgFMaB="), id.to_string());
}

/// A history in which the agent called tools, what came back so far, and what the user says then.
fn turned_away(calls: &Value, after: &[Value]) -> Vec<ToolResult> {
    let mut messages = vec![
        json!({"id": "1", "role": "user", "content": "hello"}),
        json!({"id": "2", "role": "assistant", "content": "I ask.", "toolCalls": calls}),
    ];
    messages.extend_from_slice(after);
    messages.push(json!({"id": "9", "role": "user", "content": "never mind"}));
    let run = parse(&agui(&json!({ "messages": messages }))).unwrap();
    assert_eq!(run.input, Input::Prompt("never mind".to_owned()));
    run.set_aside
}

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "search", "arguments": "{}"}})
}

fn returned(id: &str, content: &str) -> Value {
    json!({"id": format!("of-{id}"), "role": "tool", "toolCallId": id, "content": content})
}

#[test]
fn calls_that_the_user_turned_away_from_come_with_what_their_tools_returned() {
    let both = json!([call("a"), call("b")]);
    let ids = |results: &[ToolResult]| -> Vec<(String, Option<String>, bool)> {
        let of = |result: &ToolResult| {
            (result.tool_call_id.clone(), result.content.clone(), result.failed)
        };
        results.iter().map(of).collect()
    };
    let cancelled = |id: &str| (id.to_owned(), None, true);
    assert_eq!(ids(&turned_away(&both, &[])), [cancelled("a"), cancelled("b")]);
    assert_eq!(
        ids(&turned_away(&both, &[returned("b", "21 °C")])),
        [cancelled("a"), ("b".to_owned(), Some("21 °C".to_owned()), false)]
    );
    // The agent has said nothing to them, so they may not have reached it.
    let result = |id: &str, content: &str| (id.to_owned(), Some(content.to_owned()), false);
    assert_eq!(
        ids(&turned_away(&both, &[returned("a", "x"), returned("b", "y")])),
        [result("a", "x"), result("b", "y")]
    );
    // The agent has answered since.
    let answered = json!({"id": "5", "role": "assistant", "content": "I see."});
    assert_eq!(turned_away(&both, &[answered]), []);
    let thought = json!({"id": "6", "role": "reasoning", "content": "Hm"});
    assert_eq!(ids(&turned_away(&json!([call("a")]), &[thought])), [cancelled("a")]);
}

#[test]
fn a_history_of_calls_may_be_odd() {
    for calls in [
        json!(null),
        json!([]),
        json!("calls"),
        json!([7]),
        json!([{"id": 7}]),
        json!([{"type": "function"}]),
    ] {
        assert_eq!(turned_away(&calls, &[]), [], "{calls}");
    }
    for after in [
        json!({"role": "tool"}),
        json!({"role": "tool", "toolCallId": "a"}),
        json!({"role": "tool", "toolCallId": "a", "content": {"n": 1}}),
        json!({"role": "tool", "toolCallId": 7, "content": "x"}),
        json!({"role": 7}),
        json!({}),
    ] {
        let results = turned_away(&json!([call("a")]), std::slice::from_ref(&after));
        assert_eq!(results.len(), 1, "{after}");
        assert_eq!(results[0].content, None, "{after}");
    }
}

#[test]
fn nobody_confirms_and_denies_the_same_call() {
    for (first, second) in [(false, true), (true, false), (true, true)] {
        let short = json!({"toolResults": [
            {"toolCallId": "a", "confirmed": first}, {"toolCallId": "a", "confirmed": second},
        ]});
        let status = |yes| if yes { "resolved" } else { "cancelled" };
        let resume = agui(&json!({"resume": [
            {"interruptId": "a", "status": status(first)},
            {"interruptId": "a", "status": status(second)},
        ]}));
        for message in [short, resume] {
            let reason = parse(&message).unwrap_err();
            assert!(reason.contains("a second time"), "{message}: {reason}");
        }
    }
}
