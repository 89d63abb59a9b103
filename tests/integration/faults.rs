//! Everything that can break, broken over real sockets: each test is named after a fault, and
//! asserts what the client received, what the agent saw, and that the next turn works.
//! `docs/operations.md` lists them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use agent_relay::agui::EventForm;
use agent_relay::invocation::ConnectionRef;
use agent_relay::relay::{Limits as RelayLimits, Outcome, relay};
use agent_relay::source::Event as SourceEvent;
use agent_relay::transport::websocket::Connections;
use aws_config::BehaviorVersion;
use aws_sdk_apigatewaymanagement::config::{Credentials, Region};
use futures::SinkExt as _;
use futures::stream::{self, StreamExt as _};
use local_aws::{AwsLimits, Entry, Options, PostFault, Source};
use serde_json::{Value, json};
use test_support::source::{endpoint_variable, is_drop, source};
use test_support::table::NO_TABLE;
use test_support::test_bed::{TestBed, ask, frames_of_one_run, numbers, prompt, text, traced};
use test_support::{Client, soon, wait_for_entry};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::runs::run;

/// The text of `/cut N`, `/corrupt N` and `/error NAME N`.
fn chunks(count: usize) -> String {
    let chunk = |n: usize| format!("chunk {n} ");
    (1..=count).map(chunk).collect()
}

/// The next turn works, on a new connection and in the same process.
async fn the_next_turn_works(bed: &TestBed) {
    let frames = bed.ask(&prompt("/tokens 3 200")).await;
    assert_eq!(text(&frames), numbers(3));
    assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");
}

fn code(frames: &[Value]) -> &str {
    frames.last().unwrap()["code"].as_str().unwrap_or("none")
}

/// The line of log about the end of the run, which comes after its last frame.
async fn summary(bed: &TestBed) -> String {
    let ended = wait_for_entry(
        &bed.aws,
        "the summary",
        |entry| matches!(entry, Entry::FunctionLog { line } if line.contains("run ended")),
    );
    let Entry::FunctionLog { line } = ended.await.entry else { unreachable!() };
    line
}

// The agent.

#[tokio::test]
async fn agent_cuts_the_connection() {
    let bed = TestBed::sequential().await;
    let frames = bed.ask(&prompt("/cut 4")).await;
    assert_eq!(text(&frames), chunks(4));
    assert_eq!(code(&frames), "connection_lost");
    assert_eq!(bed.agent_requests().len(), 1, "it was asked again after its first event");
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn agent_sends_a_corrupt_frame() {
    if source() == Source::Runtime {
        // Its answer has no checksums.
        return;
    }
    let bed = TestBed::sequential().await;
    let frames = bed.ask(&prompt("/corrupt 4")).await;
    assert_eq!(text(&frames), chunks(4));
    assert_eq!(code(&frames), "connection_lost");
    assert_eq!(bed.agent_requests().len(), 1);
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn agent_fails_in_mid_stream() {
    let bed = TestBed::sequential().await;
    let frames = bed.ask(&prompt("/error internalServerException 4")).await;
    assert_eq!(text(&frames), chunks(4));
    assert_eq!(code(&frames), "internal_server");
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn agent_refuses_throttles_and_is_not_ready() {
    let bed = TestBed::sequential().await;
    let passing = match source() {
        Source::Agent => ("modelNotReadyException", "model_not_ready", 5),
        Source::Harness | Source::Runtime => ("retryableConflictException", "conflict", 5),
    };
    for (name, expected, asked) in [
        ("accessDeniedException", "access_denied", 1),
        ("throttlingException", "throttling", 5),
        passing,
    ] {
        let before = bed.agent_requests().len();
        let frames = bed.ask(&prompt(&format!("/error {name}"))).await;
        assert_eq!(frames.len(), 2, "{frames:?}");
        assert_eq!(code(&frames), expected);
        assert_eq!(bed.agent_requests().len() - before, asked, "{name}");
    }
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn agent_sends_megabytes_in_one_event() {
    let bed = TestBed::sequential().await;
    let frames = bed.ask(&traced("/trace 4096")).await;
    let joined: String = frames
        .iter()
        .filter(|frame| frame["name"] == "relay.fragment")
        .map(|frame| frame["value"]["data"].as_str().unwrap())
        .collect();
    let frame: Value = serde_json::from_str(&joined).unwrap();
    let thought = match source() {
        Source::Agent => {
            &frame["event"]["trace"]["trace"]["orchestrationTrace"]["rationale"]["text"]
        }
        Source::Harness | Source::Runtime => &frame["content"],
    };
    assert!(thought.as_str().unwrap().len() > 4_000_000);
    assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn agent_sends_faster_than_posts_can_follow_for_long() {
    let post_latency = Duration::from_millis(20);
    let bed = TestBed::start(Options { post_latency, ..Options::default() }).await;
    let frames = bed.ask(&prompt("/tokens 20000 10000")).await;
    assert_eq!(text(&frames), numbers(20_000));
    assert!(bed.posts() < 2000, "{} posts", bed.posts());
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn agent_cannot_be_reached() {
    // A port that nobody listens on: it was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let changes = [(endpoint_variable(), url.as_str())];
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    let frames = bed.ask(&prompt("hello")).await;
    assert_eq!(frames.len(), 2);
    assert_eq!(code(&frames), "connection_lost");
    assert!(summary(&bed).await.contains("connection_lost"));
}

#[tokio::test]
async fn agent_says_that_the_credentials_are_expired() {
    let refusing = axum::Router::new().fallback(|| async {
        let body = r#"{"message":"The security token included in the request is expired"}"#;
        (axum::http::StatusCode::FORBIDDEN, [("x-amzn-ErrorType", "ExpiredTokenException")], body)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, refusing).await });
    let changes = [(endpoint_variable(), url.as_str())];
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    let frames = bed.ask(&prompt("hello")).await;
    assert_eq!(code(&frames), "access_denied");
    assert!(!frames[1]["message"].as_str().unwrap().contains("token"), "{}", frames[1]);
    assert!(summary(&bed).await.contains("ExpiredTokenException"));
}

// Posts.

/// Fifty chunks while posts fail, all of which arrive; then the next turn works.
async fn nothing_is_lost(fault: PostFault, times: u32, least_posts: usize) {
    let bed = TestBed::sequential().await;
    bed.aws.faults().fail_next(times, fault);
    let frames = bed.ask(&prompt("/tokens 50 100")).await;
    assert_eq!(text(&frames), numbers(50));
    assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");
    let injected: u64 = bed.aws.faults().counts().values().sum();
    assert_eq!(injected, u64::from(times));
    assert!(bed.posts() >= least_posts, "{} posts", bed.posts());
    assert!(
        summary(&bed).await.contains(&format!("retried_posts={}", times_retried(fault, times)))
    );
    the_next_turn_works(&bed).await;
}

/// A slow post is not tried again; every other one that fails is.
fn times_retried(fault: PostFault, times: u32) -> u32 {
    if matches!(fault, PostFault::Slow(_)) { 0 } else { times }
}

/// The bed of a run that ends when its client has gone: with a table it would go on.
async fn without_table() -> TestBed {
    let options = Options { concurrency: 1, ..Options::default() };
    TestBed::with_environment(options, &[NO_TABLE]).await
}

/// Posts fail for good from the fifth on: the agent is freed, nothing more is tried, the log says
/// what to do; and when posts work again, so does the next turn.
async fn the_run_ends(bed: &TestBed, fault: PostFault, outcome: &str, advice: &str) {
    bed.aws.faults().fail_from(5, fault);
    let mut client = bed.client().await;
    client.send(prompt("/tokens 5000 100").to_string()).await;
    for seq in 0..4 {
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!(frame["metadata"]["relay"]["seq"], seq);
    }
    wait_for_entry(&bed.aws, "the drop", is_drop).await;
    let line = summary(bed).await;
    assert!(line.contains(outcome) && line.contains(advice), "{line}");
    assert_eq!(bed.posts(), 5, "posts after the one that failed for good");
    bed.aws.faults().clear();
    the_next_turn_works(bed).await;
}

#[tokio::test]
async fn posts_are_throttled_in_bursts() {
    nothing_is_lost(PostFault::Status(429), 7, 9).await;
}

#[tokio::test]
async fn posts_fail_with_500() {
    nothing_is_lost(PostFault::Status(500), 5, 7).await;
}

#[tokio::test]
async fn posts_are_cut_off() {
    nothing_is_lost(PostFault::Cut, 4, 2).await;
}

#[tokio::test]
async fn posts_hang() {
    nothing_is_lost(PostFault::Hang, 1, 2).await;
}

#[tokio::test]
async fn posts_are_slow_by_seconds() {
    nothing_is_lost(PostFault::Slow(Duration::from_secs(2)), 2, 3).await;
}

#[tokio::test]
async fn posts_find_the_client_gone_in_mid_run() {
    the_run_ends(&without_table().await, PostFault::Status(410), "client_gone", "").await;
}

#[tokio::test]
async fn posts_find_the_client_gone_at_the_first_frame() {
    let bed = without_table().await;
    bed.aws.faults().fail_from(1, PostFault::Status(410));
    let mut client = bed.client().await;
    client.send(prompt("/tokens 5000 100").to_string()).await;
    let line = summary(&bed).await;
    assert!(line.contains("client_gone") && line.contains("retried_posts=0"), "{line}");
    assert_eq!(bed.posts(), 1);
    bed.aws.faults().clear();
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn posts_are_forbidden() {
    the_run_ends(
        &TestBed::sequential().await,
        PostFault::Status(403),
        "undelivered",
        "execute-api:ManageConnections",
    )
    .await;
}

#[tokio::test]
async fn posts_are_too_large_for_the_gateway() {
    the_run_ends(
        &TestBed::sequential().await,
        PostFault::Status(413),
        "undelivered",
        "PayloadTooLarge",
    )
    .await;
}

#[tokio::test]
async fn posts_arrive_but_their_answers_are_lost() {
    let bed = TestBed::sequential().await;
    bed.aws.faults().fail_next(3, PostFault::LoseAnswer);
    let mut client = bed.client().await;
    client.send(prompt("/tokens 20 100").to_string()).await;
    let (mut frames, mut twice): (Vec<Value>, usize) = (Vec::new(), 0);
    while frames.last().is_none_or(|frame| frame["type"] != "RUN_FINISHED") {
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        // What a client does with a number that it knows already.
        if frame["metadata"]["relay"]["seq"].as_u64().unwrap() < frames.len() as u64 {
            assert_eq!(frame, *frames.last().unwrap());
            twice += 1;
            continue;
        }
        assert_eq!(frame["metadata"]["relay"]["seq"], frames.len());
        frames.push(frame);
    }
    assert_eq!(twice, 3);
    assert_eq!(text(&frames), numbers(20));
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn posts_find_nobody_listening() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}/local");
    let limits = AwsLimits { function_timeout: Duration::from_secs(8), ..AwsLimits::default() };
    let bed = TestBed::with_environment(
        Options { limits, ..Options::default() },
        &[("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", url.as_str())],
    )
    .await;
    let mut client = bed.client().await;
    client.send(prompt("/slow 300").to_string()).await;
    // Tried until the function's time is up, since nothing says that it is for good.
    let line = summary(&bed).await;
    assert!(line.contains("out_of_time"), "{line}");
    wait_for_entry(&bed.aws, "the drop", is_drop).await;
}

// The function.

#[tokio::test]
async fn function_nears_its_deadline() {
    let limits = AwsLimits { function_timeout: Duration::from_secs(8), ..AwsLimits::default() };
    let bed = TestBed::start(Options { limits, ..Options::default() }).await;
    let frames = bed.ask(&prompt("/tokens 600 20")).await;
    // A harness is told how long it may take, and ends by itself.
    let (expected, retryable) = match source() {
        Source::Agent | Source::Runtime => ("deadline", true),
        Source::Harness => ("limit_reached", false),
    };
    assert_eq!(code(&frames), expected);
    assert_eq!(frames.last().unwrap()["metadata"]["relay"]["retryable"], retryable);
    assert!(numbers(600).starts_with(&text(&frames)) && text(&frames).len() > 20);
    wait_for_entry(&bed.aws, "the drop", is_drop).await;
    the_next_turn_works(&bed).await;
}

/// No input is known that makes the function panic, so the panic is in an agent's stream of this
/// test, which relays it to a real connection as the function does.
#[tokio::test]
async fn function_panics_inside_one_turn() {
    let bed = TestBed::sequential().await;
    let mut client = bed.client().await;
    let connected =
        wait_for_entry(&bed.aws, "a connection", |entry| matches!(entry, Entry::Connected { .. }));
    let Entry::Connected { connection_id, .. } = connected.await.entry else { unreachable!() };
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        // Without TLS in any case: this process does not trust the authority.
        .endpoint_url(format!("http://{}/local", bed.aws.address()))
        .load()
        .await;
    let connections = Connections::new(&sdk, true).await.unwrap();
    let connection =
        connections.to(&ConnectionRef { connection_id, ..ConnectionRef::default() }).unwrap();
    let run = run("hello");
    let events = stream::iter(1..=4).map(|n| {
        assert!(n < 4, "nobody expected this");
        Ok(SourceEvent::Text(format!("chunk {n} ").into_bytes()))
    });
    let now = Instant::now();
    let limits = RelayLimits {
        keepalive: Duration::from_secs(30),
        deadline: now + Duration::from_mins(1),
        hard_deadline: now + Duration::from_secs(65),
        shutdown_grace: Duration::from_secs(1),
        outbox_bytes: RelayLimits::OUTBOX_BYTES,
    };
    let relayed = relay(
        run.ids(EventForm::Chunks),
        run.trace,
        events,
        &connection,
        &limits,
        std::future::pending(),
    );
    let (summary, frames) = tokio::join!(relayed, frames_of_one_run(&mut client));
    assert!(matches!(summary.outcome, Outcome::Failed(_)), "{summary:?}");
    assert_eq!(text(&frames), chunks(3));
    assert_eq!(code(&frames), "internal");
    assert_eq!(text(&ask(&mut client, &prompt("/tokens 3 200")).await), numbers(3));
}

#[tokio::test]
async fn function_is_told_to_shut_down() {
    let bed = TestBed::start(Options::default()).await;
    let mut client = bed.client().await;
    client.send(prompt("/tokens 5000 50").to_string()).await;
    let mut frames: Vec<Value> = Vec::new();
    while text(&frames).is_empty() {
        frames.push(serde_json::from_str(&client.text().await).unwrap());
    }
    let pid = i32::try_from(bed.function.pid()).unwrap();
    let killed = std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
    while !matches!(frames.last().unwrap()["type"].as_str(), Some("RUN_ERROR" | "RUN_FINISHED")) {
        frames.push(serde_json::from_str(&client.text().await).unwrap());
    }
    assert_eq!(code(&frames), "internal");
    assert!(frames.last().unwrap()["message"].as_str().unwrap().contains("shut down"));
    assert!(numbers(5000).starts_with(&text(&frames)));
    wait_for_entry(&bed.aws, "the drop", is_drop).await;
    let TestBed { mut function, .. } = bed;
    let exited = soon("the end of the process", function.exited()).await;
    assert!(exited.to_string().contains("exit code 0"), "{exited}");
}

#[tokio::test]
async fn function_has_no_credentials() {
    let changes = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    let mut client = bed.client().await;
    client.send(prompt("hello").to_string()).await;
    // Without credentials nothing can be posted either, so only the log can tell.
    let line = summary(&bed).await;
    assert!(line.contains("undelivered") && line.contains("credentials"), "{line}");
    assert!(bed.agent_requests().is_empty());
}

// The client.

#[tokio::test]
async fn client_sends_garbage() {
    let bed = TestBed::sequential().await;
    let mut client = bed.client().await;
    for garbage in
        ["\u{0}\u{1}\u{2}", "{\"prompt\":\"\\ud800\"}", "]]]]", "<xml/>", "{\"prompt\":{}}"]
    {
        client.send(garbage).await;
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!(frame["code"], "invalid_request", "{garbage:?}");
    }
    assert!(bed.agent_requests().is_empty());
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn client_sends_a_field_of_enormous_length() {
    let bed = TestBed::sequential().await;
    let mut client = bed.client().await;
    let message = format!("{{\"prompt\":\"x\",\"{}\":1}}", "k".repeat(30_000));
    client.send(message).await;
    let frame: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(frame["code"], "invalid_request");
    assert!(frame["message"].as_str().unwrap().len() < 2000);
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn client_sends_huge_and_binary_messages() {
    let bed = TestBed::sequential().await;
    let mut client = bed.client().await;
    client.send(prompt(&"x".repeat(40_000)).to_string()).await;
    assert_eq!(u16::from(client.closed().await.0), 1009);
    let mut client = bed.client().await;
    client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(u16::from(client.closed().await.0), 1003);
    assert!(bed.agent_requests().is_empty());
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn client_sends_two_prompts_at_once() {
    let bed = TestBed::start(Options::default()).await;
    let mut client = bed.client().await;
    client.send(prompt("/tokens 30 100").to_string()).await;
    client.send(prompt("/tokens 40 100").to_string()).await;
    let mut runs: HashMap<String, Vec<Value>> = HashMap::new();
    let mut ended = 0;
    while ended < 2 {
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        ended += usize::from(frame["type"] == "RUN_FINISHED");
        let run = runs.entry(frame["metadata"]["relay"]["runId"].as_str().unwrap().to_owned());
        let frames = run.or_default();
        assert_eq!(frame["metadata"]["relay"]["seq"], frames.len());
        frames.push(frame);
    }
    let texts: HashSet<String> = runs.values().map(|frames| text(frames)).collect();
    assert_eq!(texts, HashSet::from([numbers(30), numbers(40)]));
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn client_uses_a_run_id_twice() {
    let bed = TestBed::sequential().await;
    let mut client = bed.client().await;
    let input = json!({
        "threadId": "thread-1", "runId": "run-1",
        "messages": [{"id": "1", "role": "user", "content": "/tokens 3 200"}]
    });
    let first = ask(&mut client, &input).await;
    let second = ask(&mut client, &input).await;
    assert_eq!(text(&first), text(&second));
    // The messages are still told apart.
    let message = |frames: &[Value]| frames[1]["messageId"].clone();
    assert_ne!(message(&first), message(&second));
}

#[tokio::test]
async fn client_disconnects_while_the_agent_thinks() {
    let bed = TestBed::with_environment(
        Options { concurrency: 1, ..Options::default() },
        &[("KEEPALIVE_SECONDS", "1"), NO_TABLE],
    )
    .await;
    let mut client = bed.client().await;
    client.send(prompt("/slow 300").to_string()).await;
    client.text().await;
    drop(client);
    // The keepalive finds out.
    wait_for_entry(&bed.aws, "the drop", is_drop).await;
    assert!(summary(&bed).await.contains("client_gone"));
    the_next_turn_works(&bed).await;
}

#[tokio::test]
async fn client_never_reads() {
    let limits = AwsLimits { client_buffer_bytes: 64 * 1024, ..AwsLimits::default() };
    let bed = TestBed::start(Options { limits, ..Options::default() }).await;
    let mut lazy: Client = bed.client().await;
    lazy.send(traced("/trace 8192").to_string()).await;
    wait_for_entry(&bed.aws, "a full buffer", |entry| {
        matches!(entry, Entry::Posted { status: 429, .. })
    })
    .await;
    // Others are served meanwhile.
    the_next_turn_works(&bed).await;
    drop(lazy);
    assert!(summary(&bed).await.contains("run ended"));
}
