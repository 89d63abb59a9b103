//! What an agent says besides text: tool calls, confirmations and files, both ways.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use local_aws::{Options, file_bytes};
use serde_json::{Value, json};
use test_support::test_bed::{TestBed, ask, prompt, text, traced};

fn calls(frames: &[Value]) -> Vec<Value> {
    frames.iter().filter(|frame| frame["type"] == "TOOL_CALL_CHUNK").cloned().collect()
}

fn arguments(call: &Value) -> Value {
    serde_json::from_str(call["delta"].as_str().unwrap()).unwrap()
}

fn last(frames: &[Value]) -> &Value {
    frames.last().unwrap()
}

/// The `sessionState` of the agent's last request.
fn session_state(bed: &TestBed) -> Value {
    bed.agent_requests().pop().unwrap()["sessionState"].clone()
}

async fn test_bed() -> TestBed {
    TestBed::start(Options::default()).await
}

#[tokio::test]
async fn a_function_is_called_and_its_result_goes_back() {
    let bed = test_bed().await;
    let mut client = bed.client().await;
    let frames = ask(&mut client, &prompt("/tool")).await;
    let [call] = calls(&frames).try_into().unwrap();
    assert_eq!(call["toolCallName"], "get_weather");
    assert_eq!(arguments(&call), json!({"city": "Zürich", "days": 3}));
    assert_eq!(last(&frames)["type"], "RUN_FINISHED");
    assert!(last(&frames).get("outcome").is_none());

    let answer = json!({"toolResults": [{"toolCallId": call["toolCallId"], "content": "21 °C"}]});
    let frames = ask(&mut client, &answer).await;
    assert!(text(&frames).contains("21 °C"), "{}", text(&frames));
    let sent = session_state(&bed);
    assert_eq!(
        sent["returnControlInvocationResults"],
        json!([{"functionResult": {
            "actionGroup": "weather", "agentId": "LOCALAGENT", "function": "get_weather",
            "responseBody": {"TEXT": {"body": "21 °C"}}}}])
    );
    assert!(sent["invocationId"].is_string());
    let request = bed.agent_requests().pop().unwrap();
    assert!(request.get("inputText").is_none(), "{request}");
}

#[tokio::test]
async fn an_api_operation_is_called_and_its_result_goes_back() {
    let bed = test_bed().await;
    let mut client = bed.client().await;
    let [call] = calls(&ask(&mut client, &prompt("/tool api")).await).try_into().unwrap();
    assert_eq!(call["toolCallName"], "POST /orders/{orderId}/refunds");
    let expected = json!({
        "orderId": "A-1017", "notify": true,
        "requestBody": {
            "amount": 12.5, "currency": "CHF", "items": ["cup", "saucer"],
            "reason": "“arrived broken”, said the customer"
        }
    });
    assert_eq!(arguments(&call), expected);
    let answer =
        json!({"toolResults": [{"toolCallId": call["toolCallId"], "content": "{\"ok\":1}"}]});
    assert_eq!(last(&ask(&mut client, &answer).await)["type"], "RUN_FINISHED");
    assert_eq!(
        session_state(&bed)["returnControlInvocationResults"],
        json!([{"apiResult": {
            "actionGroup": "orders", "agentId": "LOCALAGENT", "httpMethod": "POST",
            "apiPath": "/orders/{orderId}/refunds", "httpStatusCode": 200,
            "responseBody": {"application/json": {"body": "{\"ok\":1}"}}}}])
    );
}

#[tokio::test]
async fn several_calls_of_one_invocation_are_answered_together() {
    let bed = test_bed().await;
    let question = json!({"id": "0", "role": "user", "content": "/tool 5"});
    let mut input = json!({"threadId": "thread-1", "runId": "run-1", "messages": [question]});
    let calls = calls(&bed.ask(&input).await);
    assert_eq!(calls.len(), 5);
    for call in calls {
        let id = &call["toolCallId"];
        let answer = json!({"id": "1", "role": "tool", "toolCallId": id, "content": "done"});
        input["messages"].as_array_mut().unwrap().push(answer);
    }
    input["runId"] = json!("run-2");
    let frames = bed.ask(&input).await;
    assert_eq!(last(&frames)["type"], "RUN_FINISHED", "{}", last(&frames));
    let results = &session_state(&bed)["returnControlInvocationResults"];
    assert_eq!(results.as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn an_error_of_a_tool_makes_the_action_fail() {
    let bed = test_bed().await;
    let mut client = bed.client().await;
    let [call] = calls(&ask(&mut client, &prompt("/tool")).await).try_into().unwrap();
    let answer = json!({"toolResults": [{"toolCallId": call["toolCallId"], "error": "no sensor"}]});
    let frames = ask(&mut client, &answer).await;
    assert_eq!(last(&frames)["code"], "dependency_failed");
    let result = &session_state(&bed)["returnControlInvocationResults"][0]["functionResult"];
    assert_eq!(result["responseState"], "FAILURE");
    assert_eq!(result["responseBody"], json!({"TEXT": {"body": "no sensor"}}));
}

#[tokio::test]
async fn a_confirmation_interrupts_and_either_answer_resumes() {
    for (resume, state) in [
        (json!({"status": "resolved", "payload": {"confirmed": true}}), "CONFIRM"),
        (json!({"status": "resolved"}), "CONFIRM"),
        (json!({"status": "resolved", "payload": {"confirmed": false}}), "DENY"),
        (json!({"status": "cancelled"}), "DENY"),
    ] {
        let bed = test_bed().await;
        let input = |text: &str| {
            let message = json!({"id": "1", "role": "user", "content": text});
            json!({"threadId": "thread-1", "runId": "run-1", "messages": [message]})
        };
        let frames = bed.ask(&input("/confirm")).await;
        let [call] = calls(&frames).try_into().unwrap();
        let outcome = &last(&frames)["outcome"];
        assert_eq!(outcome["type"], "interrupt");
        let interrupt = &outcome["interrupts"][0];
        assert_eq!(interrupt["toolCallId"], call["toolCallId"]);
        assert_eq!(interrupt["reason"], "confirmation");
        assert!(interrupt["message"].as_str().unwrap().contains("cancel_booking"));

        let mut resumption = resume.clone();
        resumption["interruptId"] = interrupt["id"].clone();
        let mut answer = input("/confirm");
        answer["runId"] = json!("run-2");
        answer["resume"] = json!([resumption]);
        let frames = bed.ask(&answer).await;
        assert_eq!(last(&frames)["type"], "RUN_FINISHED", "{resume}: {}", last(&frames));
        let result = &session_state(&bed)["returnControlInvocationResults"][0]["functionResult"];
        assert_eq!(result["confirmationState"], state, "{resume}");
        assert!(result.get("responseBody").is_none());
    }
}

#[tokio::test]
async fn a_confirmation_that_wants_a_result_says_so_and_takes_it_either_way() {
    let bed = test_bed().await;
    let question = json!({"id": "1", "role": "user", "content": "/confirm result"});
    let mut number = 0;
    // The result in the payload of the confirmation, in a message of its own, and none with a denial.
    for (confirmed, payload, message) in [
        (true, Some("B-42 is gone"), None),
        (true, None, Some("B-42 is gone")),
        (false, Some(""), None),
    ] {
        number += 1;
        let mut input = json!({"threadId": "thread-1", "runId": "run", "messages": [question]});
        let frames = bed.ask(&input).await;
        let [call] = calls(&frames).try_into().unwrap();
        let interrupt = &last(&frames)["outcome"]["interrupts"][0];
        assert_eq!(
            interrupt["responseSchema"]["properties"],
            json!({"confirmed": {"type": "boolean"}, "result": {"type": "string"}})
        );
        assert!(interrupt["message"].as_str().unwrap().contains("with its result"));

        let mut answer = json!({"confirmed": confirmed});
        if let Some(result) = payload {
            answer["result"] = json!(result);
        }
        if let Some(result) = message {
            let id = &call["toolCallId"];
            let message = json!({"id": "2", "role": "tool", "toolCallId": id, "content": result});
            input["messages"].as_array_mut().unwrap().push(message);
        }
        input["runId"] = json!(format!("run-{number}"));
        input["resume"] =
            json!([{"interruptId": interrupt["id"], "status": "resolved", "payload": answer}]);
        let frames = bed.ask(&input).await;
        assert_eq!(last(&frames)["type"], "RUN_FINISHED", "{}", last(&frames));
        let result = &session_state(&bed)["returnControlInvocationResults"][0]["functionResult"];
        if confirmed {
            assert!(text(&frames).contains("B-42 is gone"), "{}", text(&frames));
            assert_eq!(result["confirmationState"], "CONFIRM");
            assert_eq!(result["responseBody"], json!({"TEXT": {"body": "B-42 is gone"}}));
        } else {
            assert_eq!(result["confirmationState"], "DENY");
            assert!(result.get("responseBody").is_none());
        }
    }
}

#[tokio::test]
async fn a_result_that_is_given_twice_or_is_no_text_is_refused() {
    let bed = test_bed().await;
    let question = json!({"id": "1", "role": "user", "content": "/confirm result"});
    let mut input = json!({"threadId": "thread-1", "runId": "run-1", "messages": [question]});
    let [call] = calls(&bed.ask(&input).await).try_into().unwrap();
    let id = &call["toolCallId"];
    let resume = |result: Value| json!([{"interruptId": id, "status": "resolved", "payload": {"result": result}}]);
    input["resume"] = resume(json!(21));
    let frames = bed.ask(&input).await;
    let message = last(&frames)["message"].as_str().unwrap();
    assert!(message.contains("`resume[0].payload.result` must be a string"), "{message}");

    let answer = json!({"id": "2", "role": "tool", "toolCallId": id, "content": "one"});
    input["messages"].as_array_mut().unwrap().push(answer);
    input["resume"] = resume(json!("another"));
    let frames = bed.ask(&input).await;
    let message = last(&frames)["message"].as_str().unwrap();
    assert!(message.contains("a second time"), "{message}");
}

#[tokio::test]
async fn a_prompt_instead_of_a_tool_result_is_answered() {
    let bed = test_bed().await;
    let asked = json!({"id": "1", "role": "user", "content": "/confirm"});
    let mut input = json!({"threadId": "thread-1", "runId": "run-1", "messages": [asked]});
    let [call] = calls(&bed.ask(&input).await).try_into().unwrap();
    let id = &call["toolCallId"];
    let function = json!({"name": call["toolCallName"], "arguments": call["delta"]});
    let messages = json!([
        asked,
        {"id": "2", "role": "assistant", "toolCalls": [{"id": id, "type": "function", "function": function}]},
        {"id": "3", "role": "user", "content": "/tokens 3 200"},
    ]);
    input["messages"] = messages;
    input["resume"] = json!([{"interruptId": id, "status": "resolved"}]);
    let frames = bed.ask(&input).await;
    assert_eq!(last(&frames)["code"], "invalid_request");
    assert!(last(&frames)["message"].as_str().unwrap().contains("one after the other"));
    // Front ends cancel the open question when the user types something new instead.
    input["resume"] = json!([{"interruptId": id, "status": "cancelled"}]);
    assert_eq!(text(&bed.ask(&input).await), test_support::test_bed::numbers(3));
}

#[tokio::test]
async fn a_confirmation_is_answered_in_the_short_form_too() {
    let bed = test_bed().await;
    let mut client = bed.client().await;
    for (name, confirmed, state) in [("/confirm", true, "CONFIRM"), ("/confirm api", false, "DENY")]
    {
        let [call] = calls(&ask(&mut client, &prompt(name)).await).try_into().unwrap();
        let answer =
            json!({"toolResults": [{"toolCallId": call["toolCallId"], "confirmed": confirmed}]});
        assert_eq!(last(&ask(&mut client, &answer).await)["type"], "RUN_FINISHED");
        let result = &session_state(&bed)["returnControlInvocationResults"][0];
        let result = result.as_object().unwrap().values().next().unwrap();
        assert_eq!(result["confirmationState"], state);
    }
}

#[tokio::test]
async fn answers_that_do_not_fit_are_refused_and_never_reach_the_agent() {
    let bed = test_bed().await;
    let mut client = bed.client().await;
    let [first] = calls(&ask(&mut client, &prompt("/tool")).await).try_into().unwrap();
    let [second] = calls(&ask(&mut client, &prompt("/tool")).await).try_into().unwrap();
    let [foreign] = calls(&bed.ask(&prompt("/tool")).await).try_into().unwrap();
    let asked = bed.agent_requests().len();
    let result = |call: &Value| json!({"toolCallId": call["toolCallId"], "content": "x"});
    for (results, hint) in [
        (json!([result(&first), result(&second)]), "more than one invocation"),
        (json!([result(&foreign)]), "another conversation"),
        (json!([{"toolCallId": "made-up", "content": "x"}]), "not the id of a tool call"),
        (json!([{"toolCallId": "", "content": "x"}]), "not the id of a tool call"),
        (json!([{"content": "x"}]), "`toolResults[0].toolCallId` is missing"),
        (json!([{"toolCallId": second["toolCallId"]}]), "neither `content` nor"),
        (json!([result(&second), result(&second)]), "a second time"),
        (json!([]), "has no answer"),
        (json!({}), "must be a list"),
    ] {
        let frames = ask(&mut client, &json!({"toolResults": results})).await;
        assert_eq!(last(&frames)["code"], "invalid_request", "{results}");
        let message = last(&frames)["message"].as_str().unwrap();
        assert!(message.contains(hint), "{results}: {message}");
    }
    assert_eq!(bed.agent_requests().len(), asked);
    // The second question is still open, and the right answer is taken.
    let frames = ask(&mut client, &json!({"toolResults": [result(&second)]})).await;
    assert_eq!(last(&frames)["type"], "RUN_FINISHED");
}

#[tokio::test]
async fn files_arrive_as_they_were_made() {
    let bed = test_bed().await;
    let frames = joined(bed.ask(&prompt("/file")).await);
    let files: Vec<&Value> = frames
        .iter()
        .filter(|frame| frame["name"] == "bedrock.file")
        .map(|frame| &frame["value"])
        .collect();
    let names: Vec<&str> = files.iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["forecast.csv", "forecast.png"]);
    let png = STANDARD.decode(files[1]["bytes"].as_str().unwrap()).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n"));
}

#[tokio::test]
async fn a_file_of_five_megabytes_arrives_identical_and_memory_stays_bounded() {
    let bed = test_bed().await;
    let frames = bed.ask(&prompt("/file 5")).await;
    let fragments = frames.iter().filter(|frame| frame["name"] == "relay.fragment").count();
    assert!(fragments > 200, "{fragments} fragments");
    let frames = joined(frames);
    let file = frames.iter().find(|frame| frame["name"] == "bedrock.file").unwrap();
    let bytes = STANDARD.decode(file["value"]["bytes"].as_str().unwrap()).unwrap();
    assert!(bytes == file_bytes(5), "{} bytes, and other ones", bytes.len());
    // A debug build and a file that is in memory some six times: on the wire, decoded, framed.
    let peak = bed.peak_memory_kib();
    assert!(peak < 128 * 1024, "a peak of {peak} KiB");
}

/// The frames with fragments joined.
fn joined(frames: Vec<Value>) -> Vec<Value> {
    let mut pieces = String::new();
    let mut whole = Vec::new();
    for frame in frames {
        if frame["name"] != "relay.fragment" {
            whole.push(frame);
            continue;
        }
        let value = &frame["value"];
        pieces.push_str(value["data"].as_str().unwrap());
        if value["index"].as_u64().unwrap() + 1 == value["count"].as_u64().unwrap() {
            whole.push(serde_json::from_str(&std::mem::take(&mut pieces)).unwrap());
        }
    }
    whole
}

#[tokio::test]
async fn tokens_are_counted_from_the_trace() {
    let bed = test_bed().await;
    let frames = bed.ask(&traced("hello")).await;
    let (mut input, mut output) = (0, 0);
    for frame in &frames {
        let text = frame["event"]["trace"].to_string();
        let steps: Value = serde_json::from_str(&text).unwrap();
        collect_usage(&steps, &mut input, &mut output);
    }
    assert!(input > 0 && output > 0);
    let expected =
        json!([{"inputTokens": input, "outputTokens": output, "totalTokens": input + output}]);
    assert_eq!(last(&frames)["usage"], expected);
    assert!(last(&bed.ask(&prompt("hello")).await).get("usage").is_none());
}

/// Sums every `usage` anywhere in a trace, whatever step it belongs to.
fn collect_usage(value: &Value, input: &mut u64, output: &mut u64) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "usage" {
                    *input += value["inputTokens"].as_u64().unwrap_or(0);
                    *output += value["outputTokens"].as_u64().unwrap_or(0);
                } else {
                    collect_usage(value, input, output);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_usage(value, input, output)),
        _ => {}
    }
}

#[tokio::test]
async fn the_text_and_the_trace_of_a_guardrail_arrive() {
    let bed = test_bed().await;
    let frames = bed.ask(&traced("/guardrail")).await;
    assert!(!text(&frames).is_empty());
    let intervened = frames
        .iter()
        .any(|frame| frame["event"]["trace"]["trace"]["guardrailTrace"]["action"] == "INTERVENED");
    assert!(intervened);
}

#[tokio::test]
async fn collaborators_are_named_in_the_trace() {
    let bed = test_bed().await;
    let frames = bed.ask(&traced("/team")).await;
    let named =
        frames.iter().filter(|frame| frame["event"]["trace"]["collaboratorName"].is_string());
    assert!(named.count() > 1);
    // Each agent's final response begins with its own work, not with the whole turn.
    let began: Vec<&str> = frames
        .iter()
        .filter_map(|frame| {
            frame
                .pointer("/event/trace/trace/orchestrationTrace/observation/finalResponse/metadata/startTime")?
                .as_str()
        })
        .collect();
    let [desk, planner, supervisor] = began.try_into().unwrap();
    assert!(supervisor < planner && planner < desk, "{supervisor}, {planner}, {desk}");
    // Their tokens count as well.
    let (mut input, mut output) = (0, 0);
    for frame in &frames {
        collect_usage(&frame["event"], &mut input, &mut output);
    }
    assert_eq!(last(&frames)["usage"][0]["inputTokens"], input);
}
