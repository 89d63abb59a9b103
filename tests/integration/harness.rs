//! A harness of AgentCore behind the relay: what it says, what it asks of its client, how it refuses, and
//! what becomes of it when its client leaves. What holds for any source is in `faults` and
//! `over_the_wire`, which run for a harness too.

use local_aws::{Entry, HarnessEnd, Options, Source};
use serde_json::{Value, json};
use test_support::source::{harness_session, is_drop};
use test_support::test_bed::{TestBed, ask, numbers, prompt, text, traced};
use test_support::{Client, wait_for_entry};

async fn test_bed() -> TestBed {
    with_environment(&[]).await
}

async fn with_environment(changes: &[(&str, &str)]) -> TestBed {
    let options = Options { source: Source::Harness, ..Options::default() };
    TestBed::with_environment(options, changes).await
}

fn last(frames: &[Value]) -> &Value {
    frames.last().unwrap()
}

fn of_type(frames: &[Value], kind: &str) -> Vec<Value> {
    frames.iter().filter(|frame| frame["type"] == kind).cloned().collect()
}

/// The text of each message, in the order of their first words.
fn messages(frames: &[Value]) -> Vec<String> {
    let mut messages: Vec<(String, String)> = Vec::new();
    for frame in of_type(frames, "TEXT_MESSAGE_CHUNK") {
        let (id, delta) = (frame["messageId"].to_string(), frame["delta"].as_str().unwrap());
        match messages.iter_mut().find(|(known, _)| *known == id) {
            Some((_, text)) => text.push_str(delta),
            None => messages.push((id, delta.to_owned())),
        }
    }
    messages.into_iter().map(|(_, text)| text).collect()
}

fn stop_reason(frames: &[Value]) -> &str {
    last(frames)["metadata"]["relay"]["stopReason"].as_str().unwrap_or("none")
}

/// The calls that are the client's: those that have no result.
fn open_calls(frames: &[Value]) -> Vec<Value> {
    let results = of_type(frames, "TOOL_CALL_RESULT");
    let is_open =
        |call: &Value| !results.iter().any(|result| result["toolCallId"] == call["toolCallId"]);
    of_type(frames, "TOOL_CALL_CHUNK").into_iter().filter(is_open).collect()
}

/// A `RunAgentInput` with these messages.
fn input(messages: &[Value]) -> Value {
    json!({"threadId": "thread-1", "runId": "run-1", "messages": messages})
}

fn user(text: &str) -> Value {
    json!({"id": "u", "role": "user", "content": text})
}

/// The message that an AG-UI client makes of calls.
fn assistant(calls: &[Value]) -> Value {
    let call = |call: &Value| {
        json!({"id": call["toolCallId"], "type": "function",
               "function": {"name": call["toolCallName"], "arguments": call["delta"]}})
    };
    json!({"id": "a", "role": "assistant", "toolCalls": calls.iter().map(call).collect::<Vec<_>>()})
}

fn tool(call: &Value, content: &str) -> Value {
    json!({"id": "t", "role": "tool", "toolCallId": call["toolCallId"], "content": content})
}

/// The content of the last message of a request.
fn sent(bed: &TestBed) -> Value {
    let request = bed.agent_requests().pop().unwrap();
    request["messages"].as_array().unwrap().last().unwrap()["content"].clone()
}

// What it says.

#[tokio::test]
async fn a_prompt_is_answered_with_an_email_beside_it() {
    let bed = test_bed().await;
    let message = json!({"email": "ada@example.com", "prompt": "/tokens 50 100"});
    let frames = bed.ask(&message).await;
    assert_eq!(text(&frames), numbers(50));
    assert_eq!(last(&frames)["type"], "RUN_FINISHED");
    assert_eq!(stop_reason(&frames), "end_turn");
    let request = bed.agent_requests().pop().unwrap();
    let names: Vec<&String> = request.as_object().unwrap().keys().collect();
    assert_eq!(names, ["messages", "timeoutSeconds"]);
    let content = json!([{"role": "user", "content": [{"text": "/tokens 50 100"}]}]);
    assert_eq!(request["messages"], content);
    assert!((800..900).contains(&request["timeoutSeconds"].as_u64().unwrap()), "{request}");
}

#[tokio::test]
async fn text_before_and_after_tools_is_of_messages_of_its_own() {
    let bed = test_bed().await;
    let frames = bed.ask(&prompt("/work")).await;
    let messages = messages(&frames);
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert!(messages[0].starts_with("I look into the *handbook*"), "{messages:?}");
    assert!(messages[2].starts_with("The **refund**"), "{messages:?}");
    // Without the trace there is nothing of tools, thoughts and steps.
    assert!(frames.iter().all(|frame| {
        let kind = frame["type"].as_str().unwrap();
        kind.starts_with("RUN_") || kind.starts_with("TEXT_")
    }));
}

#[tokio::test]
async fn with_the_trace_come_thoughts_tools_with_their_results_and_the_steps() {
    let bed = test_bed().await;
    let frames = bed.ask(&traced("/work")).await;
    let thoughts = of_type(&frames, "REASONING_MESSAGE_CHUNK");
    let thought: String = thoughts.iter().map(|frame| frame["delta"].as_str().unwrap()).collect();
    assert!(thought.starts_with("They ask for a refund.") && thought.ends_with("gateway has one."));
    assert_eq!(of_type(&frames, "REASONING_START").len(), 2);
    assert_eq!(of_type(&frames, "REASONING_END").len(), 2);
    let calls = of_type(&frames, "TOOL_CALL_CHUNK");
    let names: Vec<&str> =
        calls.iter().map(|call| call["toolCallName"].as_str().unwrap()).collect();
    assert_eq!(names, ["docs___Retrieve", "shell", "code_interpreter", "orders___get_order"]);
    // Nothing is between a call and its result, and none is left to the client.
    for (index, frame) in frames.iter().enumerate() {
        if frame["type"] == "TOOL_CALL_CHUNK" {
            assert_eq!(frames[index + 1]["type"], "TOOL_CALL_RESULT");
            assert_eq!(frames[index + 1]["toolCallId"], frame["toolCallId"]);
        }
    }
    assert!(open_calls(&frames).is_empty());
    let results = of_type(&frames, "TOOL_CALL_RESULT");
    let failed: Vec<bool> =
        results.iter().map(|result| result["metadata"]["relay"]["failed"] == true).collect();
    assert_eq!(failed, [false, true, false, false]);
    assert_eq!(results[1]["content"], "sh: ledger: command not found");
    let raw = of_type(&frames, "RAW");
    assert!(raw.iter().all(|frame| frame["source"] == "agentcore-harness"));
    let steps = raw.iter().filter(|frame| frame["event"]["metadata"].is_object()).count();
    assert_eq!(steps, 4);
    // Five hundred and more tokens came from a cache, and are counted once.
    assert_eq!(
        last(&frames)["usage"],
        json!([{"inputTokens": 3000, "outputTokens": 280, "totalTokens": 3280,
                "cachedInputTokens": 1536, "cacheWriteInputTokens": 256}])
    );
}

#[tokio::test]
async fn thoughts_come_before_their_text_and_nothing_of_their_signatures() {
    let bed = test_bed().await;
    let frames = bed.ask(&traced("/think")).await;
    let kinds: Vec<&str> = frames
        .iter()
        .map(|frame| frame["type"].as_str().unwrap())
        .filter(|kind| *kind != "RAW")
        .collect();
    let position = |kind: &str| kinds.iter().position(|other| *other == kind).unwrap();
    assert!(position("REASONING_START") < position("REASONING_MESSAGE_CHUNK"));
    assert!(position("REASONING_END") < position("TEXT_MESSAGE_CHUNK"));
    assert!(!frames.iter().any(|frame| frame.to_string().contains("signature")));
}

#[tokio::test]
async fn hooks_are_steps_of_the_work() {
    let bed = test_bed().await;
    let frames = bed.ask(&traced("/hook deny")).await;
    let hooks: Vec<Value> = frames
        .iter()
        .map(|frame| frame["event"]["hookEvent"].clone())
        .filter(|hook| !hook.is_null())
        .collect();
    assert!(hooks.iter().any(|hook| hook["decision"] == "deny"), "{hooks:?}");
    assert_eq!(last(&frames)["type"], "RUN_FINISHED");
    assert!(!bed.ask(&prompt("/hook deny")).await.iter().any(|frame| frame["type"] == "RAW"));
    let failed = bed.ask(&traced("/hook failed")).await;
    assert_eq!(last(&failed)["code"], "connection_lost");
}

#[tokio::test]
async fn an_event_that_does_not_exist_yet_is_passed_on_with_the_trace_or_without() {
    let bed = test_bed().await;
    for message in [prompt("/unknown"), traced("/unknown")] {
        let frames = bed.ask(&message).await;
        let is_new = |frame: &&Value| {
            let event = frame["event"].as_object();
            event.is_some_and(|event| {
                event.keys().all(|name| {
                    !["messageStart", "messageStop", "metadata", "contentBlockStart"]
                        .contains(&&**name)
                })
            })
        };
        assert_eq!(frames.iter().filter(is_new).count(), 1, "{frames:?}");
        assert_eq!(last(&frames)["type"], "RUN_FINISHED");
    }
}

#[tokio::test]
async fn what_the_model_of_the_api_does_not_have_does_no_harm() {
    let bed = test_bed().await;
    for oddity in ["start", "indices", "untyped", "members"] {
        let frames = bed.ask(&traced(&format!("/odd {oddity}"))).await;
        assert_eq!(last(&frames)["type"], "RUN_FINISHED", "{oddity}: {}", last(&frames));
        assert!(!text(&frames).is_empty(), "{oddity}");
        assert!(open_calls(&frames).is_empty(), "{oddity}");
    }
    for oddity in ["unstopped", "empty"] {
        let frames = bed.ask(&prompt(&format!("/odd {oddity}"))).await;
        assert_eq!(last(&frames)["code"], "connection_lost", "{oddity}");
    }
}

#[tokio::test]
async fn every_reason_to_stop_reaches_the_client_with_the_text_so_far() {
    let bed = test_bed().await;
    for (reason, code) in [
        ("max_tokens", "limit_reached"),
        ("max_output_tokens_exceeded", "limit_reached"),
        ("model_context_window_exceeded", "limit_reached"),
        ("max_iterations_exceeded", "limit_reached"),
        ("timeout_exceeded", "limit_reached"),
        ("malformed_model_output", "dependency_failed"),
        ("malformed_tool_use", "dependency_failed"),
        ("interrupted", "dependency_failed"),
        ("partial_turn", "dependency_failed"),
        ("hook_stopped", "dependency_failed"),
        ("stop_sequence", "none"),
        ("content_filtered", "none"),
        ("guardrail_intervened", "none"),
        ("a_reason_of_tomorrow", "none"),
    ] {
        let frames = bed.ask(&prompt(&format!("/limit {reason}"))).await;
        assert_eq!(last(&frames)["code"].as_str().unwrap_or("none"), code, "{reason}");
        assert_eq!(stop_reason(&frames), reason);
        assert!(!text(&frames).is_empty(), "{reason}");
        assert!(last(&frames)["usage"][0]["totalTokens"].as_u64().unwrap() > 0, "{reason}");
        if code != "none" {
            assert_eq!(last(&frames)["metadata"]["relay"]["retryable"], false, "{reason}");
            assert!(last(&frames)["message"].as_str().unwrap().contains(reason));
        }
    }
    let frames = bed.ask(&prompt("/guardrail")).await;
    assert_eq!((stop_reason(&frames), messages(&frames).len()), ("guardrail_intervened", 1));
}

// How it refuses and fails.

#[tokio::test]
async fn each_refusal_has_its_code_and_what_passes_is_asked_again() {
    let bed = test_bed().await;
    for (name, code, asked) in [
        ("validationException", "validation", 1),
        ("unauthorizedException", "access_denied", 1),
        ("accessDeniedException", "access_denied", 1),
        ("authorizationDenied", "access_denied", 1),
        ("serviceQuotaExceededException", "service_quota_exceeded", 1),
        ("resourceNotFoundException", "resource_not_found", 1),
        ("retryableConflictException", "conflict", 5),
        ("runtimeClientError", "dependency_failed", 1),
        ("throttlingException", "throttling", 5),
        ("internalServerException", "internal_server", 1),
    ] {
        let before = bed.agent_requests().len();
        let frames = bed.ask(&prompt(&format!("/error {name}"))).await;
        assert_eq!(frames.len(), 2, "{name}: {frames:?}");
        assert_eq!(last(&frames)["code"], code, "{name}");
        assert_eq!(bed.agent_requests().len() - before, asked, "{name}");
    }
    for name in ["throttlingException", "retryableConflictException"] {
        let frames = bed.ask(&prompt(&format!("/refuse {name} 2"))).await;
        assert_eq!(last(&frames)["type"], "RUN_FINISHED", "{name}");
    }
}

#[tokio::test]
async fn each_exception_in_mid_stream_has_its_code_after_the_text_so_far() {
    let bed = test_bed().await;
    for (name, code) in [
        ("internalServerException", "internal_server"),
        ("validationException", "validation"),
        ("runtimeClientError", "dependency_failed"),
    ] {
        let before = bed.agent_requests().len();
        let frames = bed.ask(&prompt(&format!("/error {name} 3"))).await;
        assert_eq!(text(&frames), "chunk 1 chunk 2 chunk 3 ", "{name}");
        assert_eq!(last(&frames)["code"], code);
        assert_eq!(bed.agent_requests().len() - before, 1, "it was asked again");
    }
}

// What it asks of its client.

#[tokio::test]
async fn a_call_goes_to_the_client_and_its_result_back_in_either_form() {
    let bed = test_bed().await;
    let mut client = bed.client().await;
    let frames = ask(&mut client, &prompt("/tool")).await;
    let [call] = open_calls(&frames).try_into().unwrap();
    assert_eq!(call["toolCallName"], "get_weather");
    assert_eq!(call["delta"], r#"{"city":"Zürich","days":3}"#);
    assert_eq!(
        (last(&frames)["type"].as_str(), stop_reason(&frames)),
        (Some("RUN_FINISHED"), "tool_use")
    );
    let results = json!({"toolResults": [{"toolCallId": call["toolCallId"], "content": "21 °C"}]});
    let frames = ask(&mut client, &results).await;
    assert!(text(&frames).contains("21 °C"), "{}", text(&frames));

    let frames = bed.ask(&input(&[user("/tool")])).await;
    let calls = open_calls(&frames);
    let history = [user("/tool"), assistant(&calls), tool(&calls[0], "22 °C")];
    let frames = bed.ask(&input(&history)).await;
    assert!(text(&frames).contains("22 °C"), "{}", text(&frames));
    let request = bed.agent_requests().pop().unwrap();
    let roles: Vec<&str> = request["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["assistant", "user"]);
    assert_eq!(request["messages"][0]["content"][0]["toolUse"]["input"]["city"], "Zürich");
    assert_eq!(sent(&bed)[0]["toolResult"]["status"], "success");
}

#[tokio::test]
async fn three_calls_are_answered_together_or_one_after_the_other() {
    let bed = test_bed().await;
    let frames = bed.ask(&input(&[user("/tool 3 together")])).await;
    let calls = open_calls(&frames);
    assert_eq!(calls.len(), 3);
    let mut history = vec![user("/tool 3 together"), assistant(&calls)];
    history.extend(calls.iter().map(|call| tool(call, "done")));
    let frames = bed.ask(&input(&history)).await;
    assert_eq!(last(&frames)["type"], "RUN_FINISHED", "{}", last(&frames));
    assert_eq!(sent(&bed).as_array().unwrap().len(), 3);
    assert!(open_calls(&frames).is_empty());

    let mut client = bed.client().await;
    let mut frames = ask(&mut client, &prompt("/tool 3")).await;
    for _ in 0..3 {
        let [call] = open_calls(&frames).try_into().unwrap();
        let result = json!({"toolResults": [{"toolCallId": call["toolCallId"], "content": "ok"}]});
        frames = ask(&mut client, &result).await;
    }
    assert!(open_calls(&frames).is_empty() && !text(&frames).is_empty());
}

#[tokio::test]
async fn what_went_wrong_and_what_was_declined_are_errors_that_the_model_hears_of() {
    let bed = test_bed().await;
    for (result, words) in [
        (json!({"error": "no sensor"}), "no sensor"),
        (json!({"confirmed": false}), "The user declined the call."),
    ] {
        let mut client = bed.client().await;
        let [call] = open_calls(&ask(&mut client, &prompt("/tool")).await).try_into().unwrap();
        let mut result = result;
        result["toolCallId"] = call["toolCallId"].clone();
        let frames = ask(&mut client, &json!({"toolResults": [result]})).await;
        assert_eq!(last(&frames)["type"], "RUN_FINISHED");
        let sent = sent(&bed)[0]["toolResult"].clone();
        assert_eq!(
            (&sent["status"], &sent["content"][0]["text"]),
            (&json!("error"), &json!(words))
        );
    }
}

#[tokio::test]
async fn an_input_may_be_empty_or_no_json() {
    let bed = test_bed().await;
    for (kind, delta) in [("empty", Some("{}")), ("text", None), ("untyped", None)] {
        let mut client = bed.client().await;
        let frames = ask(&mut client, &prompt(&format!("/tool {kind}"))).await;
        let [call] = open_calls(&frames).try_into().unwrap();
        if let Some(delta) = delta {
            assert_eq!(call["delta"], delta);
        }
        let result = json!({"toolResults": [{"toolCallId": call["toolCallId"], "content": "ok"}]});
        let frames = ask(&mut client, &result).await;
        assert_eq!(last(&frames)["type"], "RUN_FINISHED", "{kind}: {}", last(&frames));
    }
}

#[tokio::test]
async fn only_the_inline_call_is_the_clients_after_tools_of_the_harness() {
    let bed = test_bed().await;
    let frames = bed.ask(&input(&[user("/tool late")])).await;
    assert_eq!(of_type(&frames, "TOOL_CALL_CHUNK").len(), 1);
    let mut traced = input(&[user("/tool late")]);
    traced["threadId"] = json!("thread-2");
    traced["forwardedProps"] = json!({"trace": true});
    let frames = bed.ask(&traced).await;
    let all = of_type(&frames, "TOOL_CALL_CHUNK");
    let [call] = open_calls(&frames).try_into().unwrap();
    assert_eq!((all.len(), &call["toolCallName"]), (2, &json!("get_weather")));
    // The history has both, and the harness gets its own result from nobody.
    let harness = all.iter().find(|other| other["toolCallId"] != call["toolCallId"]).unwrap();
    let history =
        [user("/tool late"), assistant(&all), tool(harness, "Zürich"), tool(&call, "21 °C")];
    traced["messages"] = json!(history);
    let frames = bed.ask(&traced).await;
    assert_eq!(last(&frames)["type"], "RUN_FINISHED", "{}", last(&frames));
    assert_eq!(sent(&bed).as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_says_something_else_while_a_call_waits_is_heard() {
    let bed = test_bed().await;
    let calls = open_calls(&bed.ask(&input(&[user("/tool 3 together")])).await);
    let history = [
        user("/tool 3 together"),
        assistant(&calls),
        tool(&calls[1], "21 °C"),
        user("/tokens 5 200"),
    ];
    let before = bed.agent_requests().len();
    let frames = bed.ask(&input(&history)).await;
    assert_eq!(text(&frames), numbers(5), "the answer to the calls is not shown");
    assert_eq!(last(&frames)["type"], "RUN_FINISHED");
    let requests = bed.agent_requests().split_off(before);
    assert_eq!(requests.len(), 2);
    let results = requests[0]["messages"][1]["content"].as_array().unwrap();
    let told = |result: &Value| {
        let result = &result["toolResult"];
        (result["status"].clone(), result["content"][0]["text"].clone())
    };
    let cancelled = (json!("error"), json!("Tool execution cancelled by the user."));
    let returned = (json!("success"), json!("21 °C"));
    assert_eq!(
        results.iter().map(told).collect::<Vec<_>>(),
        [cancelled.clone(), returned, cancelled]
    );
    // The tokens of both answers are counted.
    assert!(last(&frames)["usage"][0]["outputTokens"].as_u64().unwrap() > 12);

    // Once more with the same history: nothing waits any longer.
    let frames = bed.ask(&input(&history)).await;
    assert_eq!(text(&frames), numbers(5));

    // One after the other: with each result the next call comes.
    let mut other = input(&[user("/tool 3")]);
    other["threadId"] = json!("thread-2");
    let calls = open_calls(&bed.ask(&other).await);
    other["messages"] = json!([user("/tool 3"), assistant(&calls), user("/tokens 4 200")]);
    let frames = bed.ask(&other).await;
    assert_eq!(text(&frames), numbers(4), "{}", last(&frames));
}

#[tokio::test]
async fn a_prompt_in_the_short_form_while_a_call_waits_is_told_what_to_do() {
    let bed = test_bed().await;
    let mut client = bed.client().await;
    let [call] = open_calls(&ask(&mut client, &prompt("/tool")).await).try_into().unwrap();
    let frames = ask(&mut client, &prompt("hello")).await;
    assert_eq!(last(&frames)["code"], "validation");
    let message = last(&frames)["message"].as_str().unwrap();
    assert!(message.contains("nothing else before its result"), "{message}");
    let results = json!({"toolResults": [{"toolCallId": call["toolCallId"], "error": "no"}]});
    assert_eq!(last(&ask(&mut client, &results).await)["type"], "RUN_FINISHED");
    assert_eq!(last(&ask(&mut client, &prompt("/tokens 3 200")).await)["type"], "RUN_FINISHED");
}

// What a client can not ask for.

#[tokio::test]
async fn nothing_of_a_client_but_texts_and_results_reaches_the_harness() {
    let bed = test_bed().await;
    let marker = "run-this-code";
    let mut message = input(&[
        json!({"id": "s", "role": "system", "content": marker}),
        json!({"id": "d", "role": "developer", "content": marker}),
        user("/tokens 3 200"),
    ]);
    for name in ["tools", "model", "systemPrompt", "skills", "allowedTools", "maxIterations"] {
        message[name] = json!([{"name": marker, "type": "inline_function"}]);
        message["forwardedProps"][name] = json!({"text": marker});
    }
    message["state"] = json!({"text": marker});
    message["context"] = json!([{"description": marker, "value": marker}]);
    let frames = bed.ask(&message).await;
    assert_eq!(last(&frames)["type"], "RUN_FINISHED", "{}", last(&frames));
    let request = bed.agent_requests().pop().unwrap();
    assert!(!request.to_string().contains(marker), "{request}");
    assert_eq!(request.as_object().unwrap().len(), 2, "{request}");
}

#[tokio::test]
async fn attributes_are_refused_and_say_why() {
    let bed = test_bed().await;
    let attributes = json!({"plan": "gold"});
    let mut forwarded = input(&[user("hello")]);
    forwarded["forwardedProps"] = json!({"sessionAttributes": attributes});
    for message in [
        json!({"prompt": "hello", "sessionAttributes": attributes}),
        json!({"prompt": "hello", "promptSessionAttributes": attributes}),
        json!({"prompt": "hello", "endSession": true}),
        forwarded,
    ] {
        let frames = bed.ask(&message).await;
        assert_eq!(frames[0]["code"], "invalid_request", "{message}");
    }
    assert!(bed.agent_requests().is_empty());
    let nothing = json!({"prompt": "/tokens 3 200", "sessionAttributes": {}, "endSession": false});
    assert_eq!(last(&bed.ask(&nothing).await)["type"], "RUN_FINISHED");
}

// Sessions.

#[tokio::test]
async fn a_conversation_has_a_session_and_a_memory_may_have_an_actor() {
    let bed = with_environment(&[("MEMORY_ID", "team/a"), ("HARNESS_ENDPOINT", "live")]).await;
    bed.ask(&input(&[user("/tokens 1 200")])).await;
    let invoked =
        wait_for_entry(&bed.aws, "the call", |entry| matches!(entry, Entry::HarnessInvoked { .. }))
            .await;
    let Entry::HarnessInvoked { session_id, request } = invoked.entry else { unreachable!() };
    assert_eq!(session_id, harness_session("thread-1"));
    assert_eq!(request["actorId"], "team/a");
}

// Leaving.

/// A client that leaves in the middle of a long answer.
async fn leave(bed: &TestBed) -> Client {
    let mut client = bed.client().await;
    client.send(input(&[user("/tokens 400 50")]).to_string()).await;
    client.text().await;
    client.text().await;
    client
}

async fn ended(bed: &TestBed) -> HarnessEnd {
    let fits = |entry: &Entry| matches!(entry, Entry::HarnessEnded { .. });
    let record = wait_for_entry(&bed.aws, "the end of the harness's run", fits).await;
    let Entry::HarnessEnded { how, .. } = record.entry else { unreachable!() };
    how
}

fn is_stop(entry: &Entry) -> bool {
    matches!(entry, Entry::SessionStopped { .. })
}

#[tokio::test]
async fn a_harness_goes_on_when_its_client_leaves() {
    let bed = test_bed().await;
    drop(leave(&bed).await);
    wait_for_entry(&bed.aws, "the drop", is_drop).await;
    assert_eq!(ended(&bed).await, HarnessEnd::Finished);
    assert!(!bed.aws.journal().entries().iter().any(is_stop));
    // The conversation goes on where it was.
    let frames = bed.ask(&input(&[user("/tokens 3 200")])).await;
    assert_eq!(text(&frames), numbers(3));
}

#[tokio::test]
async fn a_harness_is_stopped_when_its_client_leaves_if_that_is_configured() {
    let bed = with_environment(&[("STOP_ON_LEAVE", "true")]).await;
    drop(leave(&bed).await);
    let stopped = wait_for_entry(&bed.aws, "the stop", is_stop).await;
    let Entry::SessionStopped { session_id } = stopped.entry else { unreachable!() };
    assert_eq!(session_id, harness_session("thread-1"));
    assert_eq!(ended(&bed).await, HarnessEnd::Stopped);
    let frames = bed.ask(&input(&[user("/tokens 3 200")])).await;
    assert_eq!(text(&frames), numbers(3));
    // Whoever stays until the end stops nothing.
    let stops = bed.aws.journal().entries().into_iter().filter(is_stop).count();
    assert_eq!(stops, 1);
}

#[tokio::test]
async fn a_session_ends_with_its_run_if_the_client_wishes_and_the_deployment_allows() {
    let bed = with_environment(&[("STOP_ON_LEAVE", "true")]).await;
    let frames = bed.ask(&json!({"prompt": "/tokens 3 200", "endSession": true})).await;
    assert_eq!(text(&frames), numbers(3));
    assert_eq!(last(&frames)["type"], "RUN_FINISHED");
    // Before the run's own end, so it is there already.
    assert!(bed.aws.journal().entries().iter().any(is_stop));
}

#[tokio::test]
async fn a_client_that_left_before_it_got_a_call_leaves_no_session_that_waits_for_it() {
    let bed = with_environment(&[("STOP_ON_LEAVE", "true")]).await;
    let mut client = bed.client().await;
    client.send(input(&[user("/tool")]).to_string()).await;
    client.text().await;
    drop(client);
    wait_for_entry(&bed.aws, "the stop", is_stop).await;
    let frames = bed.ask(&input(&[user("/tokens 3 200")])).await;
    assert_eq!(text(&frames), numbers(3), "{}", last(&frames));
}

#[tokio::test]
async fn a_session_ends_with_its_run_however_that_ends() {
    let bed = with_environment(&[("STOP_ON_LEAVE", "true")]).await;
    for (number, prompt) in
        ["/error internalServerException 2", "/limit max_tokens"].iter().enumerate()
    {
        let frames = bed.ask(&json!({"prompt": prompt, "endSession": true})).await;
        assert_eq!(last(&frames)["type"], "RUN_ERROR");
        let stops = bed.aws.journal().entries().into_iter().filter(is_stop).count();
        assert_eq!(stops, number + 1, "{prompt}");
    }
}

#[tokio::test]
async fn what_is_inside_of_a_block_is_not_shown_without_the_trace() {
    let bed = test_bed().await;
    for message in [prompt("/odd members"), prompt("/work"), prompt("/think"), prompt("/hook deny")]
    {
        let frames = bed.ask(&message).await;
        assert!(of_type(&frames, "RAW").is_empty(), "{message}: {frames:?}");
    }
}
