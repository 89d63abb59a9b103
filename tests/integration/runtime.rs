//! An agent on a runtime of AgentCore behind the relay, over a WebSocket and over HTTP: its events pass in
//! their own form, and what is the run's own is the relay's. What holds for any source is in `faults`, which
//! runs for a runtime too.

use std::time::Duration;

use futures::StreamExt as _;
use local_aws::{Entry, HarnessEnd, Options, RUNTIME_ARN, Source};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::issuer::{AUDIENCE, Issuer, Key};
use test_support::source::{harness_session, is_drop};
use test_support::test_bed::{TestBed, numbers, prompt};
use test_support::{Client, soon, wait_for_entry};

use crate::http::{self, JSON, blocks, event, events, request};

async fn test_bed() -> TestBed {
    with_environment(&[]).await
}

async fn with_environment(changes: &[(&str, &str)]) -> TestBed {
    let options = Options { source: Source::Runtime, ..Options::default() };
    TestBed::with_environment(options, changes).await
}

/// A `RunAgentInput` with these messages.
fn input(messages: &[Value]) -> Value {
    json!({
        "threadId": "thread-1", "runId": "run-1", "state": {}, "messages": messages,
        "tools": [], "context": [], "forwardedProps": {},
    })
}

fn user(text: &str) -> Value {
    json!({"id": "u", "role": "user", "content": text})
}

fn says(text: &str) -> Value {
    input(&[user(text)])
}

/// The frames over a WebSocket, in which fragments are put together, and the events over HTTP. But for their
/// numbers, and how text is cut, both must be the same, and valid.
async fn ask(bed: &TestBed, input: &Value) -> [Vec<Value>; 2] {
    let frames = joined(bed.ask(input).await);
    http::check(&frames);
    let events = http::ask(bed, input).await;
    let shape = |events: &[Value]| {
        let mut kinds: Vec<String> = events.iter().map(|event| kind(event).to_owned()).collect();
        let in_pieces = |kind: &str| kind.ends_with("_CONTENT") || kind.ends_with("_ARGS");
        kinds.dedup_by(|next, last| next == last && in_pieces(next));
        kinds
    };
    assert_eq!(shape(&frames), shape(&events));
    [frames, events]
}

/// Frames without fragments, numbered anew.
fn joined(frames: Vec<Value>) -> Vec<Value> {
    let (mut all, mut data) = (Vec::new(), String::new());
    for frame in frames {
        let mut frame = frame;
        if frame["name"] == "relay.fragment" {
            data.push_str(frame["value"]["data"].as_str().unwrap());
            let (index, count) = (&frame["value"]["index"], &frame["value"]["count"]);
            if index.as_u64().unwrap() + 1 < count.as_u64().unwrap() {
                continue;
            }
            frame = serde_json::from_str(&std::mem::take(&mut data)).unwrap();
        }
        frame["metadata"]["relay"]["seq"] = json!(all.len());
        all.push(frame);
    }
    all
}

fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap()
}

fn last(events: &[Value]) -> &Value {
    events.last().unwrap()
}

fn of_type(events: &[Value], kind: &str) -> Vec<Value> {
    events.iter().filter(|event| event["type"] == kind).cloned().collect()
}

fn text(events: &[Value]) -> String {
    let of_text =
        |event: &&Value| matches!(kind(event), "TEXT_MESSAGE_CONTENT" | "TEXT_MESSAGE_CHUNK");
    events.iter().filter(of_text).map(|event| event["delta"].as_str().unwrap()).collect()
}

/// The kinds of events, in which neighbours of one kind are one.
fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(kind).collect();
    kinds.dedup();
    kinds
}

/// What an agent got last: as JSON, and as it came.
fn got(bed: &TestBed) -> (Value, String) {
    let entries = bed.aws.journal().entries();
    let invoked = entries.into_iter().rev().find_map(|entry| match entry {
        Entry::RuntimeInvoked { request, body, .. } => Some((request, body)),
        _ => None,
    });
    let (request, body) = invoked.unwrap();
    (request, String::from_utf8(body.into()).unwrap())
}

/// The events over HTTP as they came.
async fn raw(bed: &TestBed, input: &Value) -> String {
    blocks(http::post(bed, input).await).collect::<Vec<String>>().await.concat()
}

// What it says.

#[tokio::test]
async fn text_passes_in_the_agents_own_form() {
    let bed = test_bed().await;
    for events in ask(&bed, &says("/tokens 50 200")).await {
        assert_eq!(text(&events), numbers(50));
        let between = ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"];
        assert_eq!(kinds(&events), [&["RUN_STARTED"], &between[..], &["RUN_FINISHED"]].concat());
        for event in [&events[0], last(&events)] {
            assert_eq!(
                (&event["threadId"], &event["runId"]),
                (&json!("thread-1"), &json!("run-1"))
            );
        }
        let stats = &last(&events)["metadata"]["relay"]["stats"];
        assert_eq!(stats["chunks"], 50);
        assert!(stats["firstChunkMs"].is_u64(), "{stats}");
    }
}

#[tokio::test]
async fn a_prompt_in_the_short_form_is_an_input_like_any_other() {
    let bed = test_bed().await;
    let frames = bed.ask(&prompt("/tokens 3 200")).await;
    assert_eq!(text(&frames), numbers(3));
    let (request, _) = got(&bed);
    assert_eq!(request["messages"][0]["content"], "/tokens 3 200");
    for (name, value) in [("tools", json!([])), ("context", json!([])), ("state", json!({}))] {
        assert_eq!(request[name], value, "{name}");
    }
}

#[tokio::test]
async fn characters_may_be_cut_anywhere() {
    let bed = test_bed().await;
    for events in ask(&bed, &says("/emoji")).await {
        let text = text(&events);
        assert!(text.starts_with("Grüße aus Zürich!") && text.ends_with("— fin 🎬"), "{text}");
        assert!(text.contains("family 👨‍👩‍👧‍👦") && !text.contains('\u{fffd}'), "{text}");
    }
}

#[tokio::test]
async fn all_that_strands_sends_arrives_in_its_order() {
    let bed = test_bed().await;
    for prompt in ["/strands", "/odd crlf", "/odd quoted"] {
        let mut input = says(prompt);
        input["state"] = json!({"n": 1});
        let id = |event: &Value| event["toolCallId"].as_str().unwrap_or_default()[..6].to_owned();
        for events in ask(&bed, &input).await {
            assert_eq!(
                kinds(&events),
                [
                    "RUN_STARTED",
                    "STATE_SNAPSHOT",
                    "MESSAGES_SNAPSHOT",
                    "TEXT_MESSAGE_START",
                    "TEXT_MESSAGE_CONTENT",
                    "TEXT_MESSAGE_END",
                    "TOOL_CALL_START",
                    "TOOL_CALL_ARGS",
                    "TOOL_CALL_END",
                    "MESSAGES_SNAPSHOT",
                    "TOOL_CALL_RESULT",
                    "MESSAGES_SNAPSHOT",
                    "STATE_DELTA",
                    "TEXT_MESSAGE_START",
                    "TEXT_MESSAGE_CONTENT",
                    "TEXT_MESSAGE_END",
                    "MESSAGES_SNAPSHOT",
                    "STATE_SNAPSHOT",
                    "RUN_FINISHED",
                ],
                "{prompt}"
            );
            // The pieces of two calls stay as they are between each other.
            let pieces: Vec<String> = of_type(&events, "TOOL_CALL_ARGS").iter().map(id).collect();
            assert_eq!(pieces, ["call-1", "call-2", "call-1", "call-2"]);
            assert_eq!(of_type(&events, "STATE_DELTA").len(), 2);
            assert_eq!(of_type(&events, "STATE_SNAPSHOT")[0]["snapshot"], json!({"n": 1}));
            // What a snapshot names has the ids under which it was told.
            let snapshots = of_type(&events, "MESSAGES_SNAPSHOT");
            assert_eq!(snapshots[0]["messages"], json!([user(prompt)]));
            let told = &snapshots[3]["messages"];
            let text_ids: Vec<Value> = of_type(&events, "TEXT_MESSAGE_START")
                .iter()
                .map(|event| event["messageId"].clone())
                .collect();
            assert_eq!(text_ids, [told[1]["id"].clone(), told[4]["id"].clone()]);
            let call_ids: Vec<Value> = of_type(&events, "TOOL_CALL_START")
                .iter()
                .map(|event| event["toolCallId"].clone())
                .collect();
            let calls = &told[1]["toolCalls"];
            assert_eq!(call_ids, [calls[0]["id"].clone(), calls[1]["id"].clone()]);
            assert_eq!(last(&events)["outcome"], json!({"type": "success"}));
            assert!(last(&events).get("result").is_none(), "{}", last(&events));
        }
    }
    // Numbers keep their digits, and nulls that mean something stay.
    let raw = raw(&bed, &says("/strands")).await;
    assert!(raw.contains(r#""value":[{"id":"A-1017","total":12.50,"note":null}]"#), "{raw}");
    assert!(raw.contains(r#""snapshot":{"orders":[{"id":"A-1017","total":13.00,"note":null}]}"#));
}

#[tokio::test]
async fn thoughts_steps_activities_and_custom_events_pass() {
    let bed = test_bed().await;
    for events in ask(&bed, &says("/think")).await {
        let thoughts = of_type(&events, "REASONING_MESSAGE_CONTENT");
        let thought: String =
            thoughts.iter().map(|event| event["delta"].as_str().unwrap()).collect();
        assert!(thought.ends_with("This is the second thought."), "{thought}");
        assert_eq!(of_type(&events, "REASONING_START").len(), 2);
        assert_eq!(of_type(&events, "REASONING_ENCRYPTED_VALUE").len(), 1);
    }
    for events in ask(&bed, &says("/steps")).await {
        assert_eq!(of_type(&events, "STEP_STARTED").len(), 2);
        assert_eq!(of_type(&events, "CUSTOM")[0]["value"]["from_nodes"], json!(["researcher"]));
        assert_eq!(of_type(&events, "ACTIVITY_DELTA").len(), 1);
        assert_eq!(of_type(&events, "RAW")[0]["source"], "strands");
    }
    assert!(raw(&bed, &says("/steps")).await.contains(r#""confidence":0.9500"#));
}

#[tokio::test]
async fn what_no_client_knows_passes_as_raw() {
    let bed = test_bed().await;
    for events in ask(&bed, &says("/odd unknown")).await {
        let raw = of_type(&events, "RAW");
        assert_eq!(raw.len(), 5, "{raw:?}");
        assert!(raw.iter().all(|event| event["source"] == "agentcore-runtime"));
        assert_eq!(raw[0]["event"]["HOLOGRAM_STARTED"]["hologramId"], "h");
        assert_eq!(last(&events)["type"], "RUN_FINISHED");
    }
    // Words without an event are the relay's own messages, each transport's way.
    let words = says("/odd words");
    for events in [bed.ask(&words).await, http::ask(&bed, &words).await] {
        assert_eq!(text(&events), "Words without an event.");
        assert_eq!(of_type(&events, "RAW").len(), 2);
    }
}

#[tokio::test]
async fn nulls_of_absent_members_are_left_out() {
    let bed = test_bed().await;
    for events in ask(&bed, &says("/odd nulls")).await {
        assert_eq!(text(&events), "No null is lost or kept.");
        for event in &events {
            let nulls = event.as_object().unwrap().iter().filter(|(_, value)| value.is_null());
            let names: Vec<&String> = nulls.map(|(name, _)| name).collect();
            let meant: &[&str] = match kind(event) {
                "STATE_SNAPSHOT" => &["snapshot"],
                "CUSTOM" => &["value"],
                _ => &[],
            };
            assert_eq!(names, meant, "{event}");
        }
        assert_eq!(last(&events)["type"], "RUN_FINISHED");
    }
}

#[tokio::test]
async fn comments_are_no_events_and_lines_may_be_of_any_kind() {
    let bed = test_bed().await;
    for events in ask(&bed, &says("/odd comments")).await {
        assert_eq!(text(&events), "Comments are no events.");
        assert_eq!(last(&events)["type"], "RUN_FINISHED");
        assert!(of_type(&events, "RAW").is_empty());
    }
}

#[tokio::test]
async fn what_has_no_beginning_or_no_end_gets_one() {
    let bed = test_bed().await;
    for events in ask(&bed, &says("/odd chunks")).await {
        assert_eq!(text(&events), "In chunks nothing begins. And nothing ends.");
        assert_eq!(of_type(&events, "TEXT_MESSAGE_START").len(), 2);
        assert_eq!(of_type(&events, "TOOL_CALL_START")[0]["toolCallName"], "look");
        assert_eq!(of_type(&events, "TOOL_CALL_END").len(), 1);
    }
    for events in ask(&bed, &says("/odd unopened")).await {
        assert_eq!(text(&events), "This message has no beginning, or one too late, and no end.");
        let steps = ["STEP_STARTED", "STEP_FINISHED"];
        let steps = steps.map(|kind| of_type(&events, kind)[0]["stepName"].clone());
        assert_eq!(steps, [json!("never-over"), json!("never-over")]);
        assert_eq!(of_type(&events, "TOOL_CALL_END").len(), 1);
        assert_eq!(last(&events)["type"], "RUN_FINISHED");
    }
}

// Sizes.

#[tokio::test]
async fn large_snapshots_come_in_fragments_or_whole() {
    let bed = test_bed().await;
    for kib in [100, 5 * 1024] {
        let input = says(&format!("/snapshot {kib}"));
        let frames = bed.ask(&input).await;
        assert!(of_type(&frames, "CUSTOM").len() > kib / 32, "{kib}");
        for events in ask(&bed, &input).await {
            let state = of_type(&events, "STATE_SNAPSHOT").pop().unwrap();
            assert!(state["snapshot"]["archive"].as_str().unwrap().len() > kib * 1023, "{kib}");
            let messages = of_type(&events, "MESSAGES_SNAPSHOT").pop().unwrap();
            let said = &messages["messages"][2];
            assert_eq!(said["id"], of_type(&events, "TEXT_MESSAGE_START")[0]["messageId"]);
            assert_eq!(said["content"], text(&events));
        }
    }
}

#[tokio::test]
async fn long_text_is_cut_to_frames_and_short_pieces_are_put_together() {
    let post_latency = Duration::from_millis(20);
    let options = Options { source: Source::Runtime, post_latency, ..Options::default() };
    let bed = TestBed::start(options).await;
    let frames = bed.ask(&says("/single 300")).await;
    assert!(of_type(&frames, "TEXT_MESSAGE_CONTENT").len() > 9);
    assert!(of_type(&frames, "CUSTOM").is_empty(), "text needs no fragments");
    let long = text(&frames);
    assert!(long.len() > 300 * 1020);
    let events = http::ask(&bed, &says("/single 300")).await;
    assert_eq!(text(&events), long);
    let frames = bed.ask(&says("/tokens 5000 10000")).await;
    assert_eq!(text(&frames), numbers(5000));
    assert!(frames.len() < 500, "{} frames", frames.len());
    // Neighbours of one message only: pieces of two calls in turn are never put together.
    let frames = bed.ask(&says("/strands")).await;
    assert_eq!(of_type(&frames, "TOOL_CALL_ARGS").len(), 4);
}

// Both ways.

#[tokio::test]
async fn tools_of_the_client_are_called_and_their_results_are_messages() {
    let bed = test_bed().await;
    for count in [1, 3] {
        let asked = format!("/tool {count}");
        for events in ask(&bed, &says(&asked)).await {
            let calls: Vec<Value> = of_type(&events, "TOOL_CALL_START")
                .iter()
                .map(|start| {
                    let pieces = of_type(&events, "TOOL_CALL_ARGS").into_iter();
                    let pieces = pieces.filter(|piece| piece["toolCallId"] == start["toolCallId"]);
                    let arguments: String =
                        pieces.map(|piece| piece["delta"].as_str().unwrap().to_owned()).collect();
                    json!({"id": start["toolCallId"], "type": "function", "function": {
                        "name": start["toolCallName"], "arguments": arguments}})
                })
                .collect();
            assert_eq!(calls.len(), count);
            assert_eq!(calls[0]["function"]["arguments"], r#"{"city":"Zürich","days":3}"#);
            let mut messages =
                vec![user(&asked), json!({"id": "a", "role": "assistant", "toolCalls": calls})];
            messages.extend(calls.iter().enumerate().map(|(index, call)| {
                json!({"id": format!("t{index}"), "role": "tool", "toolCallId": call["id"],
                       "content": format!("{index} °C")})
            }));
            for events in ask(&bed, &input(&messages)).await {
                let text = text(&events);
                assert!(text.contains("`get_weather` returned `0 °C`"), "{text}");
                assert_eq!(text.matches("returned").count(), count);
            }
            assert_eq!(got(&bed).0["messages"], json!(messages));
        }
    }
}

#[tokio::test]
async fn an_interrupt_is_the_runs_outcome_and_what_resumes_passes() {
    let bed = test_bed().await;
    for events in ask(&bed, &says("/interrupt")).await {
        let outcome = &last(&events)["outcome"];
        assert_eq!(outcome["type"], "interrupt");
        let interrupt = &outcome["interrupts"][0];
        assert_eq!(interrupt["toolCallId"], of_type(&events, "TOOL_CALL_START")[0]["toolCallId"]);
        let mut answer = says("/interrupt");
        answer["resume"] = json!([{"interruptId": interrupt["id"], "status": "resolved",
                                   "payload": {"approved": true}}]);
        for events in ask(&bed, &answer).await {
            assert!(text(&events).contains(r#"{"approved":true}"#), "{}", text(&events));
            assert_eq!(last(&events)["result"], json!({"refunded": 12.5}));
        }
        assert_eq!(got(&bed).0["resume"], answer["resume"]);
    }
    assert!(raw(&bed, &says("/interrupt")).await.contains(r#""metadata":{"limit":12.50}"#));
}

#[tokio::test]
async fn what_the_agent_gets_is_what_the_client_sent_but_for_its_thread() {
    let bed = test_bed().await;
    // No digit, null or half character is touched.
    let members = [
        r#""tools":[{"name":"t","description":"d","parameters":{"type":"object","maximum":1.10}}]"#,
        r#""context":[{"description":"d","value":"é \u00e9 \ud800"}]"#,
        r#""state":{"n":12345678901234567890.1234567890,"none":null}"#,
        r#""resume":[{"interruptId":"i","status":"resolved","payload":{"n":1e2}}]"#,
        r#""forwardedProps":{"temperature":0.70}"#,
    ];
    let history = r#"{"id":"a","role":"assistant","content":"x","extra":[1.0]}"#;
    let prompt = r#"{"id":"u","role":"user","content":[{"type":"text","text":"hello"}]}"#;
    let hidden = r#"{"id":"s","role":"system","content":"obey"},{"id":"d","role":"developer","content":"obey"}"#;
    let body = format!(
        r#"{{"threadId":"thread-1","runId":"run-1","messages":[{hidden},{history},{prompt}],{}}}"#,
        members.join(",")
    );
    let response = request(&bed, Method::POST, &[JSON], body.clone()).await;
    assert_eq!(response.status(), 200);
    response.text().await.unwrap();
    let mut client = bed.client().await;
    client.send(body).await;
    while !matches!(
        kind(&serde_json::from_str(&client.text().await).unwrap()),
        "RUN_FINISHED" | "RUN_ERROR"
    ) {}
    let entries = bed.aws.journal().entries();
    let bodies: Vec<String> = entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::RuntimeInvoked { body, .. } => Some(String::from_utf8(body.into()).unwrap()),
            _ => None,
        })
        .collect();
    assert_eq!(bodies.len(), 2);
    for body in bodies {
        for member in members {
            assert!(body.contains(member), "{member} is not in {body}");
        }
        assert!(body.contains(&format!(r#""messages":[{history},{prompt}]"#)), "{body}");
        assert!(!body.contains("obey") && !body.contains("thread-1"), "{body}");
        let thread = format!(r#""threadId":"{}""#, harness_session("thread-1"));
        assert!(body.contains(&thread) && body.contains(r#""runId":"run-1""#), "{body}");
    }
}

#[tokio::test]
async fn what_aguis_input_has_no_place_for_is_refused() {
    let bed = test_bed().await;
    for message in [
        json!({"prompt": "hello", "sessionAttributes": {"a": "b"}}),
        json!({"prompt": "hello", "endSession": true}),
        json!({"toolResults": [{"toolCallId": "c", "content": "x"}]}),
    ] {
        let frames = bed.ask(&message).await;
        assert_eq!(frames[0]["code"], "invalid_request", "{message}");
    }
    assert!(bed.agent_requests().is_empty());
}

// How it fails.

#[tokio::test]
async fn each_refusal_has_its_code_in_either_form() {
    let bed = test_bed().await;
    for (name, code, asked) in [
        ("validationException", "validation", 1),
        ("unauthorizedException", "access_denied", 1),
        ("accessDeniedException", "access_denied", 1),
        ("resourceNotFoundException", "resource_not_found", 1),
        ("serviceQuotaExceededException", "service_quota_exceeded", 1),
        ("runtimeClientError", "dependency_failed", 1),
        ("internalServerException", "internal_server", 1),
        ("throttlingException", "throttling", 5),
        ("retryableConflictException", "conflict", 5),
        ("UNAUTHORIZED", "access_denied", 1),
        ("ACCESS_DENIED", "access_denied", 1),
        ("VALIDATION_ERROR", "validation", 1),
        ("SERVICE_QUOTA_EXCEEDED", "service_quota_exceeded", 1),
        ("INTERNAL_ERROR", "internal_server", 1),
        ("AGENT_ERROR", "dependency_failed", 1),
        ("RATE_LIMIT_EXCEEDED", "throttling", 5),
        ("SESSION_BUSY", "conflict", 5),
    ] {
        let before = bed.agent_requests().len();
        let [frames, events] = ask(&bed, &says(&format!("/error {name}"))).await;
        assert_eq!(bed.agent_requests().len() - before, 2 * asked, "{name}");
        for events in [frames, events] {
            assert_eq!(kinds(&events), ["RUN_STARTED", "RUN_ERROR"], "{name}");
            assert_eq!(last(&events)["code"], code, "{name}: {}", last(&events));
            let message = last(&events)["message"].as_str().unwrap();
            assert!(!message.is_empty() && !message.contains(RUNTIME_ARN), "{name}: {message}");
        }
    }
}

#[tokio::test]
async fn what_the_platform_says_is_in_the_log_alone() {
    let said = "User is not authorized to perform";
    for name in ["ACCESS_DENIED", "accessDeniedException"] {
        let bed = test_bed().await;
        let frames = bed.ask(&prompt(&format!("/error {name}"))).await;
        let message = last(&frames)["message"].as_str().unwrap();
        assert!(message.contains("role needs") && !message.contains(said), "{message}");
        let fits = |entry: &Entry| {
            matches!(entry, Entry::FunctionLog { line }
                if line.contains("run ended") && line.contains(said))
        };
        wait_for_entry(&bed.aws, "the platform's words", fits).await;
    }
}

#[tokio::test]
async fn what_passes_by_itself_is_asked_again() {
    let bed = test_bed().await;
    for name in
        ["throttlingException", "retryableConflictException", "RATE_LIMIT_EXCEEDED", "SESSION_BUSY"]
    {
        let mut input = says(&format!("/refuse {name} 2"));
        input["threadId"] = json!(format!("thread-{}", name.len()));
        let before = bed.agent_requests().len();
        let events = http::ask(&bed, &input).await;
        assert!(text(&events).contains("refused 2 times"), "{name}: {}", text(&events));
        assert_eq!(bed.agent_requests().len() - before, 3);
    }
}

#[tokio::test]
async fn a_failure_in_mid_stream_comes_after_the_text_so_far() {
    let bed = test_bed().await;
    for (prompt, code, said) in [
        ("/error internalServerException 3", "internal_server", "chunk 1 chunk 2 chunk 3 "),
        ("/error RATE_LIMIT_EXCEEDED 1", "throttling", "chunk 1 "),
        ("/odd gaveup", "dependency_failed", "Before I gave up."),
        ("/odd failure", "dependency_failed", "Before the failure."),
        ("/odd unended", "connection_lost", "Nothing says that this is all."),
        ("/odd empty", "connection_lost", ""),
        ("/cut 2", "connection_lost", "chunk 1 chunk 2 "),
    ] {
        let before = bed.agent_requests().len();
        for events in ask(&bed, &says(prompt)).await {
            assert_eq!(text(&events), said, "{prompt}");
            assert_eq!(last(&events)["code"], code, "{prompt}");
            let message = last(&events)["message"].as_str().unwrap();
            // An agent's RUN_ERROR is meant for clients; what its server says is not.
            assert_eq!(message == "The agent gave up: no model answered.", prompt == "/odd gaveup");
            assert!(!message.contains("secret"), "{message}");
        }
        assert_eq!(bed.agent_requests().len() - before, 2, "{prompt} was asked again");
    }
}

#[tokio::test]
async fn an_agent_that_does_not_speak_agui_is_told_apart() {
    let bed = test_bed().await;
    for events in ask(&bed, &says("/odd json")).await {
        assert_eq!((events.len(), &last(&events)["code"]), (2, &json!("bad_gateway")));
        assert!(last(&events)["message"].as_str().unwrap().contains("AG-UI"), "{}", last(&events));
    }
}

// Sessions.

#[tokio::test]
async fn nobody_enters_anothers_conversation_by_its_thread() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let bed = with_environment(&[
        ("ACCESS", "oidc"),
        ("OIDC_ISSUER", &*issuer.url),
        ("OIDC_AUDIENCE", AUDIENCE),
    ])
    .await;
    let ask = async |name: &str, thread: &str| {
        let token = format!("Bearer {}", key.sign(&issuer.claims(name)));
        let mut input = says("/slow 0");
        input["threadId"] = json!(thread);
        let headers = [JSON, ("authorization", &*token)];
        let response = request(&bed, Method::POST, &headers, input.to_string()).await;
        text(&events(response).await)
    };
    assert!(ask("alice", "thread-1").await.contains("turn 1"));
    assert!(ask("alice", "thread-1").await.contains("turn 2"));
    assert!(ask("bob", "thread-1").await.contains("turn 1"));
    // Not even whoever knows what the agent calls it.
    let thread = got(&bed).0["threadId"].as_str().unwrap().to_owned();
    assert!(ask("alice", &thread).await.contains("turn 1"));
    assert!(ask("bob", "thread-1").await.contains("turn 2"));
    let threads: Vec<Value> =
        bed.agent_requests().iter().map(|request| request["threadId"].clone()).collect();
    assert_eq!((&threads[0], &threads[2]), (&threads[1], &threads[4]));
    assert!(threads[0] != threads[2] && threads[3] != threads[2], "{threads:?}");
}

/// A client that leaves in the middle of a long answer.
async fn leave(bed: &TestBed) -> Client {
    let mut client = bed.client().await;
    client.send(says("/tokens 300 50").to_string()).await;
    for _ in 0..3 {
        client.text().await;
    }
    client
}

async fn ended(bed: &TestBed) -> HarnessEnd {
    let fits = |entry: &Entry| matches!(entry, Entry::HarnessEnded { .. });
    let record = wait_for_entry(&bed.aws, "the end of the run", fits).await;
    let Entry::HarnessEnded { how, .. } = record.entry else { unreachable!() };
    how
}

fn is_stop(entry: &Entry) -> bool {
    matches!(entry, Entry::SessionStopped { .. })
}

#[tokio::test]
async fn an_agent_goes_on_when_its_client_leaves() {
    let bed = test_bed().await;
    drop(leave(&bed).await);
    wait_for_entry(&bed.aws, "the drop", is_drop).await;
    assert_eq!(ended(&bed).await, HarnessEnd::Finished);
    assert!(!bed.aws.journal().entries().iter().any(is_stop));
    assert!(text(&bed.ask(&says("/slow 0")).await).contains("turn 2"));
}

#[tokio::test]
async fn its_session_is_stopped_when_its_client_leaves_if_that_is_configured() {
    let bed = with_environment(&[("STOP_ON_LEAVE", "true"), ("RUNTIME_ENDPOINT", "live")]).await;
    drop(leave(&bed).await);
    let stopped = wait_for_entry(&bed.aws, "the stop", is_stop).await;
    let Entry::SessionStopped { session_id } = stopped.entry else { unreachable!() };
    assert_eq!(session_id, harness_session("thread-1"));
    assert_eq!(ended(&bed).await, HarnessEnd::Stopped);
    let frames = bed.ask(&says("/tokens 3 200")).await;
    assert_eq!(text(&frames), numbers(3));
    // Whoever stays until the end stops nothing.
    assert_eq!(bed.aws.journal().entries().into_iter().filter(is_stop).count(), 1);
}

#[tokio::test]
async fn text_reaches_the_client_before_the_agent_has_ended() {
    let bed = test_bed().await;
    let mut blocks = blocks(http::post(&bed, &says("/tokens 60 40")).await);
    loop {
        let block = soon("text", blocks.next()).await.unwrap();
        if event(&block).is_some_and(|event| kind(&event) == "TEXT_MESSAGE_CONTENT") {
            break;
        }
    }
    let has_ended = |entry: &Entry| matches!(entry, Entry::HarnessEnded { .. });
    assert!(!bed.aws.journal().entries().iter().any(has_ended));
    assert!(blocks.count().await > 5);
}
