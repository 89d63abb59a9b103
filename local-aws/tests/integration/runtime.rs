//! The scripted runtime on the wire, as a client of AWS without an SDK meets it.

use futures::StreamExt as _;
use local_aws::{Entry, HarnessEnd, LocalAws, Options, RUNTIME_ARN, RuntimeError, Source};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use test_support::{soon, start, wait_for_entry};

const SESSION_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-session-id";
const SESSION: &str = "session-0123456789-0123456789-0123456789";
const ENCODED_ARN: &str =
    "arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A000000000000%3Aruntime%2Flocal_runtime-LOCALRUNT1";

async fn local_aws() -> LocalAws {
    start(Options { source: Source::Runtime, ..Options::default() }).await
}

fn input(thread: &str, prompt: &str) -> Value {
    json!({
        "threadId": thread, "runId": "r", "state": {}, "tools": [], "context": [],
        "forwardedProps": {}, "messages": [{"id": "u", "role": "user", "content": prompt}],
    })
}

async fn send(aws: &LocalAws, path: &str, headers: &[(&str, &str)], body: String) -> Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(format!("{}/runtimes/{path}", aws.runtime_url())).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon("the response", request.send()).await.unwrap()
}

async fn invoke(aws: &LocalAws, session: &str, input: &Value) -> Response {
    let headers = [("content-type", "application/json"), (SESSION_HEADER, session)];
    send(aws, &format!("{ENCODED_ARN}/invocations"), &headers, input.to_string()).await
}

async fn stop(aws: &LocalAws, session: &str) -> Response {
    let path = format!("{ENCODED_ARN}/stopruntimesession?qualifier=DEFAULT");
    send(aws, &path, &[(SESSION_HEADER, session)], String::new()).await
}

async fn events(response: Response) -> Vec<Value> {
    let body = soon("the body", response.text()).await.unwrap();
    let data = body.split("\n\n").filter_map(|block| block.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn text(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["delta"].as_str()).collect()
}

#[tokio::test]
async fn an_agent_speaks_agui_and_keeps_its_history_by_the_thread() {
    let aws = local_aws().await;
    let response = invoke(&aws, SESSION, &input("t", "/tokens 3 0")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()[SESSION_HEADER], SESSION);
    let events_ = events(response).await;
    let ends = [&events_[0], events_.last().unwrap()].map(|event| event["type"].clone());
    assert_eq!(ends, [json!("RUN_STARTED"), json!("RUN_FINISHED")]);
    assert_eq!(text(&events_), "1 2 3\n");
    // Another session, the same thread: this agent does not know of sessions.
    let other = SESSION.replace('0', "1");
    let said = events(invoke(&aws, &other, &input("t", "/slow 0")).await).await;
    assert!(text(&said).contains("turn 2"), "{}", text(&said));
    let said = events(invoke(&aws, &other, &input("t2", "/slow 0")).await).await;
    assert!(text(&said).contains("turn 1"), "{}", text(&said));
}

#[tokio::test]
async fn requests_are_checked_at_the_door() {
    let aws = local_aws().await;
    let body = || input("t", "hello").to_string();
    let json_ = ("content-type", "application/json");
    let session = (SESSION_HEADER, SESSION);
    let path = format!("{ENCODED_ARN}/invocations");
    let harness = ENCODED_ARN.replace("local_runtime", "harness_x");
    for (path, headers, body, status, words) in [
        ("some-id/invocations".to_owned(), vec![json_, session], body(), 400, "agentRuntimeArn"),
        (format!("{harness}/invocations"), vec![json_, session], body(), 400, "by a harness"),
        (format!("{path}?qualifier=no-name"), vec![json_, session], body(), 400, "qualifier"),
        (path.clone(), vec![json_, (SESSION_HEADER, "short")], body(), 400, "runtimeSessionId"),
        (path.clone(), vec![session], body(), 424, "(415)"),
        (path.clone(), vec![json_, session], "{".to_owned(), 424, "(422)"),
        (path.clone(), vec![json_, session], r#"{"prompt":"hello"}"#.to_owned(), 424, "(422)"),
    ] {
        let response = send(&aws, &path, &headers, body).await;
        assert_eq!(response.status(), status, "{path} {words}");
        let name = response.headers()["x-amzn-errortype"].to_str().unwrap().to_owned();
        let expected = if status == 400 { "ValidationException" } else { "RuntimeClientError" };
        assert_eq!(name, expected);
        let told: Value = response.json().await.unwrap();
        assert!(told["message"].as_str().unwrap().contains(words), "{told}");
    }
    // A session that nobody names is a new one.
    let response = send(&aws, &path, &[json_], body()).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()[SESSION_HEADER].len() >= 33);
}

#[tokio::test]
async fn the_platform_fails_in_either_form_with_the_same_statuses() {
    let aws = local_aws().await;
    for error in RuntimeError::ALL {
        let prompt = format!("/error {}", error.code());
        let response = invoke(&aws, SESSION, &input("t", &prompt)).await;
        assert_eq!(response.status(), error.status(), "{prompt}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(response.headers().get("x-amzn-errortype").is_none());
        let [event] = events(response).await.try_into().unwrap();
        assert_eq!((&event["type"], &event["code"]), (&json!("RUN_ERROR"), &json!(error.code())));
    }
    for (name, status) in [
        ("ResourceNotFoundException", 404),
        ("AccessDeniedException", 403),
        ("ThrottlingException", 429),
        ("RetryableConflictException", 409),
        ("RuntimeClientError", 424),
    ] {
        let response = invoke(&aws, SESSION, &input("t", &format!("/error {name}"))).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["x-amzn-errortype"], name);
    }
}

#[tokio::test]
async fn a_run_goes_on_when_its_caller_leaves_until_its_session_is_stopped() {
    let aws = local_aws().await;
    let mut stream = invoke(&aws, SESSION, &input("t", "/pause 1 600")).await.bytes_stream();
    soon("the beginning", stream.next()).await.unwrap().unwrap();
    drop(stream);
    wait_for_entry(&aws, "the caller to leave", |entry| {
        matches!(entry, Entry::HarnessAbandoned { .. })
    })
    .await;
    // Its session is busy.
    let busy = invoke(&aws, SESSION, &input("t", "hello")).await;
    assert_eq!(busy.status(), StatusCode::CONFLICT);
    let response = stop(&aws, SESSION).await;
    assert_eq!(
        (response.status(), &response.headers()[SESSION_HEADER]),
        (StatusCode::OK, &SESSION.parse().unwrap())
    );
    let ended =
        wait_for_entry(&aws, "the end", |entry| matches!(entry, Entry::HarnessEnded { .. }));
    let Entry::HarnessEnded { how, .. } = ended.await.entry else { unreachable!() };
    assert_eq!(how, HarnessEnd::Stopped);
    assert_eq!(stop(&aws, SESSION).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(invoke(&aws, SESSION, &input("t", "/tokens 1 0")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_timeline_of_ones_own_is_played_run_by_run() {
    let folder = std::env::temp_dir().join(format!("runtime-timelines-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let lines = [
        r#"{"turn":1}"#,
        r#"{"event":{"type":"RUN_STARTED","threadId":"${thread_id}","runId":"${run_id}"}}"#,
        r#"{"say":"one ${turn}"}"#,
        r#"{"turn":2}"#,
        r#"{"say":"two"}"#,
        r#"{"exception":"SESSION_BUSY"}"#,
    ];
    std::fs::write(folder.join("own.jsonl"), lines.join("\n")).unwrap();
    let aws = start(Options { timelines: Some(folder.clone()), ..Options::default() }).await;
    let said = events(invoke(&aws, SESSION, &input("t", "/play own.jsonl")).await).await;
    assert_eq!((text(&said).as_str(), &said[0]["threadId"]), ("one 1", &json!("t")));
    let said = events(invoke(&aws, SESSION, &input("t", "/play own.jsonl --speed 0")).await).await;
    assert_eq!(
        (text(&said).as_str(), &said.last().unwrap()["code"]),
        ("two", &json!("SESSION_BUSY"))
    );
    let said = events(invoke(&aws, SESSION, &input("t", "/play none.jsonl")).await).await;
    assert!(text(&said).contains("cannot play"), "{}", text(&said));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_arn_is_a_runtimes_or_not() {
    assert!(local_aws::is_runtime_arn(RUNTIME_ARN));
    for other in
        ["", "some-id", local_aws::HARNESS_ARN, &RUNTIME_ARN.replace("local_runtime", "harness_x")]
    {
        assert!(!local_aws::is_runtime_arn(other), "{other}");
    }
}
