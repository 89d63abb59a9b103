//! Lambda's Runtime API, called as a custom runtime calls it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use local_aws::{Entry, Options, Route};
use serde_json::{Value, json};
use test_support::{Client, Runtime, ok, soon, start, wait_for_entry};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn an_event_comes_with_the_headers_that_runtimes_read() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    client.send("hello").await;
    let invocation = runtime.next().await;
    let header = |name: &str| invocation.headers[name].to_str().unwrap();

    let deadline: u128 = header("lambda-runtime-deadline-ms").parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!((890_000..=900_000).contains(&(deadline - now)), "{deadline}");
    let arn = header("lambda-runtime-invoked-function-arn");
    assert!(arn.starts_with("arn:aws:lambda:") && arn.ends_with(":function:function"), "{arn}");
    assert!(header("lambda-runtime-trace-id").starts_with("Root=1-"));
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(invocation.request_id.len(), 36);
    assert!(invocation.headers.contains_key("content-length"), "some runtimes ask for it");
    aws.stop().await;
}

#[tokio::test]
async fn a_response_needs_the_id_of_an_open_invocation() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    assert_eq!(runtime.respond("8476a536-e9f4-11e8-9739-2dfe598c3fcd", &ok()).await, 400);
    assert_eq!(runtime.post("invocation/nobody/error", &json!({})).await, 400);

    client.send("hello").await;
    let invocation = runtime.next().await;
    assert_eq!(runtime.respond(&invocation.request_id, &ok()).await, 202);
    assert_eq!(runtime.respond(&invocation.request_id, &ok()).await, 400, "only once");
    aws.stop().await;
}

#[tokio::test]
async fn an_event_is_not_lost_to_a_poll_whose_caller_has_gone() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;

    // The dead poll is older, so it would be served first.
    for _ in 0..10 {
        let polls = aws.journal().records().last().unwrap().index;
        let mut dead = TcpStream::connect(aws.address()).await.unwrap();
        let request =
            b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: localhost\r\n\r\n";
        dead.write_all(request).await.unwrap();
        soon("the poll", aws.journal().wait_for_after(polls, |entry| *entry == Entry::NextPolled))
            .await;
        drop(dead);
        client.send("for the living").await;
        assert_eq!(runtime.accept("$default").await["body"], "for the living");
    }
    aws.stop().await;
}

#[tokio::test]
async fn as_many_events_run_at_once_as_polls_are_pending() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    for text in ["one", "two", "three"] {
        client.send(text).await;
    }
    let (one, two, three) = tokio::join!(runtime.next(), runtime.next(), runtime.next());
    let mut bodies = [&one, &two, &three].map(|next| next.event["body"].as_str().unwrap());
    bodies.sort_unstable();
    assert_eq!(bodies, ["one", "three", "two"]);
    // They may be answered in any order.
    for invocation in [three, one, two] {
        assert_eq!(runtime.respond(&invocation.request_id, &ok()).await, 202);
    }
    aws.stop().await;
}

#[tokio::test]
async fn a_function_that_works_on_after_its_response_is_not_asked_again() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    client.send("first").await;
    let first = runtime.next().await;
    assert_eq!(runtime.respond(&first.request_id, &ok()).await, 202);
    client.send("second").await;
    let throttled: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(throttled["message"], "Too Many Requests");
    let entries = aws.journal().entries();
    let invoked = entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Invoked { route: Route::Default, .. }));
    assert_eq!(invoked.count(), 1);
    aws.stop().await;
}

#[tokio::test]
async fn a_streamed_response_is_understood() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    client.send("hello").await;
    let invocation = runtime.next().await;
    let url = format!(
        "http://{}/2018-06-01/runtime/invocation/{}/response",
        aws.address(),
        invocation.request_id,
    );
    let parts = ["{\"statusCode\":", "204}", "\0\0\0\0\0\0\0\0", "the body"];
    let body = futures::stream::iter(parts.map(Ok::<_, std::io::Error>));
    let response = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(url)
        .header("lambda-runtime-function-response-mode", "streaming")
        .header("content-type", "application/vnd.awslambda.http-integration-response")
        .body(reqwest::Body::wrap_stream(body))
        .send();
    assert_eq!(soon("the Runtime API", response).await.unwrap().status(), 202);
    wait_for_entry(&aws, "the answer", |entry| {
        matches!(entry, Entry::Responded { status: Some(204), late: false, .. })
    })
    .await;
    aws.stop().await;
}

#[tokio::test]
async fn a_response_above_6_mib_fails_the_invocation() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    client.send("hello").await;
    let invocation = runtime.next().await;
    let answer = json!({ "statusCode": 200, "body": "x".repeat(7 * 1024 * 1024) });
    assert_eq!(runtime.respond(&invocation.request_id, &answer).await, 413);
    let frame: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(frame["message"], "Internal server error");
    aws.stop().await;
}

#[tokio::test]
async fn a_function_that_never_responds_times_out() {
    let mut options = Options::default();
    options.limits.function_timeout = Duration::from_millis(100);
    let aws = start(options).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    client.send("hello").await;
    let invocation = runtime.next().await;
    let frame: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(frame["message"], "Internal server error");
    wait_for_entry(&aws, "the time-out", |entry| {
        matches!(entry, Entry::InvocationError { error_type, .. } if error_type == "Sandbox.Timedout")
    })
    .await;
    assert_eq!(runtime.respond(&invocation.request_id, &ok()).await, 400);
    aws.stop().await;
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let error = json!({ "errorType": "Config", "errorMessage": "AGENT_ID is not set" });
    assert_eq!(runtime.post("init/error", &error).await, 202);
    let expected = Entry::InitError {
        error_type: "Config".to_owned(),
        message: "AGENT_ID is not set".to_owned(),
    };
    wait_for_entry(&aws, "the error", |entry| *entry == expected).await;
    aws.stop().await;
}

#[tokio::test]
async fn a_pending_poll_ends_when_everything_stops() {
    let aws = start(Options::default()).await;
    let url = format!("http://{}/2018-06-01/runtime/invocation/next", aws.address());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let poll = tokio::spawn(http.get(url).send());
    wait_for_entry(&aws, "the poll", |entry| *entry == Entry::NextPolled).await;
    soon("the stop", aws.stop()).await;
    assert_eq!(soon("the answer", poll).await.unwrap().unwrap().status(), 503);
}
