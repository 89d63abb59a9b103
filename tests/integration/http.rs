//! Answers over HTTP: `POST /agui`, as AG-UI's own clients ask, streamed by the function as a process through
//! the Runtime API.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use local_aws::{AwsLimits, Entry, Options};
use reqwest::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONTENT_TYPE, HeaderMap, ORIGIN,
};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_support::issuer::{AUDIENCE, Issuer, Key};
use test_support::source::is_drop;
use test_support::test_bed::{TestBed, numbers};
use test_support::{soon, wait_for_entry};

const CODE: &str = "correct horse battery staple";

/// A request as AG-UI's clients make it.
fn input(prompt: &str) -> Value {
    json!({
        "threadId": "thread-1", "runId": "run-1", "tools": [], "context": [], "state": {},
        "messages": [{"id": "1", "role": "user", "content": prompt}], "forwardedProps": {}
    })
}

fn traced(prompt: &str) -> Value {
    let mut input = input(prompt);
    input["forwardedProps"] = json!({"trace": true});
    input
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn request(
    bed: &TestBed,
    method: Method,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Response {
    let mut request = client().request(method, bed.aws.agui_url()).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon("the response", request.send()).await.unwrap()
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

pub(crate) async fn post(bed: &TestBed, input: &Value) -> Response {
    request(bed, Method::POST, &[JSON], input.to_string()).await
}

/// What a client reads of a stream, block by block: comments, and events' data.
pub(crate) fn blocks(response: Response) -> BoxStream<'static, String> {
    let bytes = response.bytes_stream().boxed();
    stream::unfold((bytes, Vec::new()), |(mut bytes, mut buffer)| async move {
        loop {
            let end = buffer.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let rest = buffer.split_off(end + 2);
                return Some((String::from_utf8(buffer).unwrap(), (bytes, rest)));
            }
            let Some(piece) = soon("more of the response", bytes.next()).await else {
                assert!(buffer.is_empty(), "the stream ends inside an event: {buffer:?}");
                return None;
            };
            buffer.extend_from_slice(&piece.expect("the response is complete"));
        }
    })
    .boxed()
}

pub(crate) fn event(block: &str) -> Option<Value> {
    let data = block.strip_prefix("data: ")?;
    assert_eq!(data.trim_end().lines().count(), 1, "an event is one line");
    Some(serde_json::from_str(data).unwrap())
}

/// All events of a response, which hold what every client insists on.
pub(crate) async fn events(response: Response) -> Vec<Value> {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
    let events: Vec<Value> =
        blocks(response).filter_map(async |block| event(&block)).collect().await;
    check(&events);
    events
}

pub(crate) async fn ask(bed: &TestBed, input: &Value) -> Vec<Value> {
    events(post(bed, input).await).await
}

/// What holds for the events of every run, as AG-UI's clients verify it.
pub(crate) fn check(events: &[Value]) {
    let mut open: Vec<String> = Vec::new();
    for (seq, event) in events.iter().enumerate() {
        assert_eq!(event["metadata"]["relay"]["seq"], seq, "{event}");
        let kind = event["type"].as_str().unwrap();
        assert!(!kind.ends_with("_CHUNK") && event["name"] != "relay.fragment", "{event}");
        let id = ["messageId", "toolCallId"].into_iter().find_map(|name| event[name].as_str());
        let part = |kind: &str| format!("{kind} {}", id.unwrap());
        let is = |begin: &str| kind.starts_with(begin);
        if kind.ends_with("_START") && (is("TEXT") || is("TOOL") || is("REASONING_MESSAGE")) {
            assert!(!open.contains(&part(&kind[..4])), "begun twice: {event}");
            open.push(part(&kind[..4]));
        } else if kind.ends_with("_CONTENT") || kind.ends_with("_ARGS") {
            assert!(open.contains(&part(&kind[..4])), "not begun: {event}");
            assert_ne!(event["delta"], "", "an empty piece");
        } else if kind.ends_with("_END") && (is("TEXT") || is("TOOL") || is("REASONING_MESSAGE")) {
            let position = open.iter().position(|open| *open == part(&kind[..4]));
            open.remove(position.expect("what ends has begun"));
        }
        let is_last = seq + 1 == events.len();
        assert_eq!(kind == "RUN_FINISHED" || kind == "RUN_ERROR", is_last, "{event}");
        if kind == "RUN_FINISHED" {
            assert!(open.is_empty(), "open at the end: {open:?}");
        }
    }
}

fn text(events: &[Value]) -> String {
    let text = events.iter().filter(|event| event["type"] == "TEXT_MESSAGE_CONTENT");
    text.map(|event| event["delta"].as_str().unwrap()).collect()
}

fn last(events: &[Value]) -> &Value {
    events.last().unwrap()
}

fn of_type(events: &[Value], kind: &str) -> Vec<Value> {
    events.iter().filter(|event| event["type"] == kind).cloned().collect()
}

async fn test_bed() -> TestBed {
    TestBed::start(Options::default()).await
}

// Answers.

#[tokio::test]
async fn text_reaches_the_client_before_the_agent_has_ended() {
    let bed = test_bed().await;
    let mut blocks = blocks(post(&bed, &input("/tokens 60 40")).await);
    while let Some(block) = blocks.next().await {
        if event(&block).is_some_and(|event| event["type"] == "TEXT_MESSAGE_CONTENT") {
            break;
        }
    }
    let has_ended =
        |entry: &Entry| matches!(entry, Entry::AgentFinished { .. } | Entry::HarnessEnded { .. });
    assert!(!bed.aws.journal().entries().iter().any(has_ended));
    let rest = blocks.count().await;
    assert!(rest > 5, "{rest} more events");
}

#[tokio::test]
async fn an_answer_has_a_beginning_and_an_end_and_its_statistics() {
    let bed = test_bed().await;
    let events = ask(&bed, &input("/tokens 200 0")).await;
    assert_eq!(text(&events), numbers(200));
    assert_eq!(events[0]["type"], "RUN_STARTED");
    assert_eq!(
        (&events[0]["threadId"], &events[0]["runId"]),
        (&json!("thread-1"), &json!("run-1"))
    );
    assert_eq!(of_type(&events, "TEXT_MESSAGE_START").len(), 1);
    assert_eq!(of_type(&events, "TEXT_MESSAGE_END").len(), 1);
    assert_eq!(last(&events)["metadata"]["relay"]["stats"]["chunks"], 200);
}

#[tokio::test]
async fn a_traced_answer_has_its_text_whole_and_its_steps_in_between() {
    let bed = test_bed().await;
    let events = ask(&bed, &traced("hello")).await;
    assert!(of_type(&events, "RAW").len() > 3);
    assert_eq!(last(&events)["type"], "RUN_FINISHED");
    assert!(!text(&events).is_empty());
}

#[tokio::test]
async fn a_tool_call_goes_to_the_client_and_its_result_back() {
    let bed = test_bed().await;
    let events = ask(&bed, &input("/tool")).await;
    let [start] = of_type(&events, "TOOL_CALL_START").try_into().unwrap();
    let [arguments] = of_type(&events, "TOOL_CALL_ARGS").try_into().unwrap();
    let arguments: Value = serde_json::from_str(arguments["delta"].as_str().unwrap()).unwrap();
    assert_eq!(arguments["city"], "Zürich");
    let mut answer = input("/tool");
    answer["messages"].as_array_mut().unwrap().extend([
        json!({"id": "2", "role": "assistant", "toolCalls": [{
            "id": start["toolCallId"], "type": "function",
            "function": {"name": "get_weather", "arguments": "{}"}}]}),
        json!({"id": "3", "role": "tool", "toolCallId": start["toolCallId"], "content": "21 °C"}),
    ]);
    let events = ask(&bed, &answer).await;
    assert!(text(&events).contains("21 °C"), "{}", text(&events));
}

#[tokio::test]
async fn a_confirmation_interrupts_and_an_answer_resumes() {
    let bed = test_bed().await;
    let events = ask(&bed, &input("/confirm")).await;
    let interrupt = &last(&events)["outcome"]["interrupts"][0];
    let mut answer = input("/confirm");
    answer["resume"] = json!([{"interruptId": interrupt["id"], "status": "resolved",
                               "payload": {"confirmed": true}}]);
    let events = ask(&bed, &answer).await;
    assert!(text(&events).contains("confirmed"), "{}", text(&events));
}

#[tokio::test]
async fn what_is_larger_than_a_frame_of_a_websocket_arrives_whole() {
    let bed = test_bed().await;
    let events = ask(&bed, &traced("/trace 5120")).await;
    let longest = events.iter().map(|event| event.to_string().len()).max().unwrap();
    assert!(longest > 5_000_000, "{longest}");
    // A request of more than a WebSocket's message, and its text back in a few large pieces.
    let long = format!("/tokens 3 200{}", " ".repeat(90_000));
    assert_eq!(last(&ask(&bed, &input(&long)).await)["type"], "RUN_FINISHED");
    let events = ask(&bed, &input("/tokens 60000 0")).await;
    assert_eq!(text(&events), numbers(60_000));
    assert!(text(&events).len() > 300_000);
}

#[tokio::test]
async fn several_run_at_once() {
    let bed = test_bed().await;
    let runs = (0..6).map(|number| {
        let mut input = input(&format!("/tokens {} 100", 20 + number));
        input["threadId"] = json!(format!("thread-{number}"));
        let bed = &bed;
        async move { text(&ask(bed, &input).await) }
    });
    let texts = futures::future::join_all(runs).await;
    for (text, number) in texts.iter().zip(20..) {
        assert_eq!(*text, numbers(number));
    }
}

#[tokio::test]
async fn silence_is_broken_by_comments_which_are_no_events() {
    let bed = TestBed::with_environment(Options::default(), &[("KEEPALIVE_SECONDS", "1")]).await;
    let all: Vec<String> = blocks(post(&bed, &input("/slow 3")).await).collect().await;
    assert!(all.iter().filter(|block| *block == ": keepalive\n\n").count() >= 2, "{all:?}");
    check(&all.iter().filter_map(|block| event(block)).collect::<Vec<_>>());
}

// What goes wrong.

#[tokio::test]
async fn what_is_not_understood_is_a_run_error_with_status_200() {
    let bed = test_bed().await;
    for body in [
        "",
        "{",
        "[]",
        "null",
        r#"{"threadId":"thread-1"}"#,
        r#"{"threadId":"thread-1","runId":"run-1","messages":[]}"#,
        r#"{"threadId":"no spaces","runId":"run-1","messages":[{"id":"1","role":"user","content":"x"}]}"#,
    ] {
        let response = request(&bed, Method::POST, &[JSON], body).await;
        let events = events(response).await;
        assert_eq!(events.len(), 1, "{body}");
        assert_eq!(events[0]["code"], "invalid_request", "{body}");
    }
    assert!(bed.agent_requests().is_empty());
}

#[tokio::test]
async fn other_methods_and_other_contents_are_refused_with_their_status() {
    let bed = test_bed().await;
    let body = input("hello").to_string();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let response = request(&bed, method.clone(), &[JSON], body.clone()).await;
        assert_eq!(response.status(), 405, "{method}");
        assert_eq!(response.headers()["allow"], "POST, OPTIONS");
    }
    for headers in
        [&[("content-type", "text/plain")][..], &[("content-type", "multipart/form-data")]]
    {
        let response = request(&bed, Method::POST, headers, body.clone()).await;
        assert_eq!(response.status(), 415, "{headers:?}");
        let told: Value = response.json().await.unwrap();
        assert!(told["message"].as_str().unwrap().contains("application/json"));
    }
    let headers = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(request(&bed, Method::POST, &headers, body).await.status(), 200);
}

#[tokio::test]
async fn the_agents_failures_have_their_codes_and_the_text_so_far() {
    let bed = test_bed().await;
    let events = ask(&bed, &input("/error internalServerException 3")).await;
    assert_eq!(
        (text(&events).as_str(), last(&events)["code"].as_str()),
        ("chunk 1 chunk 2 chunk 3 ", Some("internal_server"))
    );
    let events = ask(&bed, &input("/error accessDeniedException")).await;
    assert_eq!((events.len(), &last(&events)["code"]), (2, &json!("access_denied")));
    let events = ask(&bed, &input("/cut 4")).await;
    assert_eq!(last(&events)["code"], "connection_lost");
}

#[tokio::test]
async fn the_functions_time_is_up() {
    let limits = AwsLimits { function_timeout: Duration::from_secs(8), ..AwsLimits::default() };
    let bed = TestBed::start(Options { limits, ..Options::default() }).await;
    let events = ask(&bed, &input("/tokens 600 20")).await;
    assert!(matches!(last(&events)["code"].as_str().unwrap(), "deadline" | "limit_reached"));
    assert!(numbers(600).starts_with(&text(&events)) && text(&events).len() > 20);
    wait_for_entry(&bed.aws, "the drop", is_drop).await;
}

#[tokio::test]
async fn the_process_is_told_to_end() {
    let bed = test_bed().await;
    let mut blocks = blocks(post(&bed, &input("/tokens 5000 100")).await);
    let mut seen = vec![event(&blocks.next().await.unwrap()).unwrap()];
    let pid = bed.function.pid().to_string();
    let told = std::process::Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.unwrap().success());
    while let Some(block) = blocks.next().await {
        seen.extend(event(&block));
    }
    check(&seen);
    assert_eq!(last(&seen)["code"], "internal");
    assert!(last(&seen)["message"].as_str().unwrap().contains("shut down"));
}

#[tokio::test]
async fn a_client_that_leaves_is_not_noticed_and_the_run_goes_to_its_end() {
    let bed = test_bed().await;
    let mut blocks = blocks(post(&bed, &input("/tokens 60 60")).await);
    blocks.next().await.unwrap();
    drop(blocks);
    let ended = wait_for_entry(
        &bed.aws,
        "the summary",
        |entry| matches!(entry, Entry::FunctionLog { line } if line.contains("run ended")),
    );
    let Entry::FunctionLog { line } = ended.await.entry else { unreachable!() };
    assert!(line.contains("finished") && line.contains("chunks=60"), "{line}");
    assert!(!bed.aws.journal().entries().iter().any(is_drop));
}

#[tokio::test]
async fn memory_stays_bounded_while_a_client_reads_slowly() {
    let bed = test_bed().await;
    // 60 MB of traces.
    let mut bytes = post(&bed, &traced("/tokens 6000 0 100")).await.bytes_stream();
    let mut total = 0;
    while let Some(piece) = soon("more", bytes.next()).await {
        total += piece.unwrap().len();
        tokio::task::yield_now().await;
    }
    assert!(total > 60_000_000, "{total}");
    let peak = bed.peak_memory_kib();
    assert!(peak < 60_000, "{peak} KiB");
}

// Who may ask.

async fn with_code() -> TestBed {
    TestBed::with_environment(Options::default(), &[("ACCESS", "code"), ("ACCESS_CODE", CODE)])
        .await
}

#[tokio::test]
async fn only_whoever_has_the_code_is_answered() {
    let bed = with_code().await;
    let body = input("/tokens 3 200").to_string();
    let right = format!("Bearer {CODE}");
    let headers = [JSON, ("authorization", &*right)];
    let response = request(&bed, Method::POST, &headers, body.clone()).await;
    assert_eq!(text(&events(response).await), numbers(3));
    let asked = bed.agent_requests().len();
    for wrong in
        [None, Some(""), Some("Bearer"), Some("Bearer wrong"), Some("Basic YTpi"), Some(CODE)]
    {
        let mut headers = vec![JSON];
        headers.extend(wrong.map(|wrong| ("authorization", wrong)));
        let response = request(&bed, Method::POST, &headers, body.clone()).await;
        assert_eq!(response.status(), 401, "{wrong:?}");
        let told = response.text().await.unwrap();
        assert!(
            told.contains("credential") || told.contains("code") || told.contains("Bearer"),
            "{told}"
        );
        assert!(!told.contains(CODE));
    }
    // Twice, in a cookie, in the URL, and as a WebSocket's subprotocol.
    let mut twice = HeaderMap::new();
    twice.append(AUTHORIZATION, "Bearer wrong".parse().unwrap());
    twice.append(AUTHORIZATION, right.parse().unwrap());
    twice.insert(CONTENT_TYPE, "application/json".parse().unwrap());
    let response = client().post(bed.aws.agui_url()).headers(twice).body(body.clone()).send();
    assert_eq!(response.await.unwrap().status(), 401);
    for header in [
        ("cookie", format!("authorization={right}")),
        ("sec-websocket-protocol", format!("token.{CODE}")),
    ] {
        let headers = [JSON, (header.0, &*header.1)];
        assert_eq!(request(&bed, Method::POST, &headers, body.clone()).await.status(), 401);
    }
    assert_eq!(bed.agent_requests().len(), asked, "the agent was asked");
    let log: Vec<Entry> = bed.aws.journal().entries();
    assert!(
        !log.iter()
            .any(|entry| matches!(entry, Entry::FunctionLog { line } if line.contains(CODE)))
    );
}

#[tokio::test]
async fn a_token_says_who_asks_and_nobody_enters_anothers_conversation() {
    let key = Key::elliptic("one");
    let issuer = Issuer::start(&[&key]).await;
    let variables =
        [("ACCESS", "oidc"), ("OIDC_ISSUER", &*issuer.url), ("OIDC_AUDIENCE", AUDIENCE)];
    let bed = TestBed::with_environment(Options::default(), &variables).await;
    let of = |name: &str| format!("Bearer {}", key.sign(&issuer.claims(name)));
    for name in ["alice", "bob", "alice"] {
        let headers = [JSON, ("authorization", &*of(name))];
        let response = request(&bed, Method::POST, &headers, input("hello").to_string()).await;
        let said = text(&events(response).await);
        let turn = if bed.agent_requests().len() == 3 { "turn 2" } else { "turn 1" };
        assert!(said.contains(turn), "{name}: {said}");
    }
    let mut expired = issuer.claims("alice");
    expired["exp"] = json!(1_000_000);
    let expired = format!("Bearer {}", key.sign(&expired));
    let stranger = format!("Bearer {}", Key::elliptic("two").sign(&issuer.claims("alice")));
    for wrong in [expired, stranger, "Bearer a.b.c".to_owned()] {
        let headers = [JSON, ("authorization", &*wrong)];
        let response = request(&bed, Method::POST, &headers, input("hello").to_string()).await;
        assert_eq!(response.status(), 401);
    }
    assert_eq!(bed.agent_requests().len(), 3);
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_ask_and_read() {
    let variables =
        [("ALLOWED_ORIGINS", "https://a.example"), ("ACCESS", "code"), ("ACCESS_CODE", CODE)];
    let bed = TestBed::with_environment(Options::default(), &variables).await;
    let right = format!("Bearer {CODE}");
    let body = input("/tokens 3 200").to_string();
    let from = |origin| [JSON, ("authorization", &*right), ("origin", origin)];
    let response = request(&bed, Method::POST, &from("https://a.example"), body.clone()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
    assert_eq!(response.headers()["vary"], "Origin");
    events(response).await;
    for foreign in
        ["https://b.example", "null", "https://a.example.evil.example", "http://a.example"]
    {
        let response = request(&bed, Method::POST, &from(foreign), body.clone()).await;
        assert_eq!(response.status(), 403, "{foreign}");
        assert_eq!(response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN), None);
    }
    // What a browser asks before, without the credential.
    let ask = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-of-a-client"),
    ];
    let response = request(&bed, Method::OPTIONS, &ask, "").await;
    assert_eq!(response.status(), 204);
    let headers = response.headers();
    assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
    assert_eq!(headers["access-control-allow-headers"], "authorization,content-type,x-of-a-client");
    assert!(headers.get("access-control-allow-credentials").is_none());
    let response =
        request(&bed, Method::OPTIONS, &[(ORIGIN.as_str(), "https://b.example")], "").await;
    assert_eq!(response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN), None);
    // A wrong credential from an allowed page: it may read why.
    let headers = [JSON, ("authorization", "Bearer wrong"), ("origin", "https://a.example")];
    let response = request(&bed, Method::POST, &headers, body).await;
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
}
