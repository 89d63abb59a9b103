//! The REST API with streamed responses: a client of HTTP before it, and a function that writes its response
//! to the Runtime API behind it, byte for byte.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use local_aws::{AwsLimits, Entry, HttpResponseEnd, LocalAws, Options, Route};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_support::{
    Client, Invocation, Runtime, StreamedResponse, ok, soon, start, wait_for_entry,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

fn limits(set: impl FnOnce(&mut AwsLimits)) -> Options {
    let mut options = Options::default();
    set(&mut options.limits);
    options
}

fn request(aws: &LocalAws, method: Method) -> reqwest::RequestBuilder {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.request(method, aws.agui_url())
}

/// A request that is under way.
fn spawn(request: reqwest::RequestBuilder) -> JoinHandle<Response> {
    tokio::spawn(async move { request.send().await.expect("a response") })
}

async fn response(request: JoinHandle<Response>) -> Response {
    soon("the response", request).await.unwrap()
}

/// A request that is under way, and what the function has of it.
async fn ask(aws: &LocalAws, runtime: &Runtime, body: &str) -> (JoinHandle<Response>, Invocation) {
    let asking = spawn(request(aws, Method::POST).body(body.to_owned()));
    (asking, runtime.next().await)
}

/// A response whose status and headers are sent and have arrived.
async fn streaming(aws: &LocalAws, runtime: &Runtime) -> (Response, StreamedResponse, String) {
    let (asking, invocation) = ask(aws, runtime, "{}").await;
    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send_prelude(&event_stream()).await;
    (response(asking).await, stream, invocation.request_id)
}

fn event_stream() -> Value {
    json!({"statusCode": 200, "headers": {"content-type": "text/event-stream"}, "cookies": []})
}

/// The next bytes of a body; `None` at its end, an error where it is cut off.
async fn chunk(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    soon("more of the response", response.chunk()).await.map(|chunk| chunk.map(Vec::from))
}

async fn wait_for_end(aws: &LocalAws, expected: HttpResponseEnd) -> usize {
    let record = wait_for_entry(aws, "the end of the response", |entry| {
        matches!(entry, Entry::HttpResponseEnded { .. })
    });
    let Entry::HttpResponseEnded { end, bytes, .. } = record.await.entry else { unreachable!() };
    assert_eq!(end, expected);
    bytes
}

/// The status of a response and the message that is all of its body.
async fn refusal(request: JoinHandle<Response>) -> (u16, String) {
    let response = response(request).await;
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["message"].as_str().expect("a message").to_owned())
}

const BAD_GATEWAY: (u16, &str) = (502, "Internal server error");

#[tokio::test]
async fn each_piece_reaches_the_client_before_the_next_is_made() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut response, mut stream, _) = streaming(&aws, &runtime).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(response.headers().contains_key("x-amzn-requestid"));
    for text in ["data: 1\n\n", ": keepalive\n\n", "data: 2\n\n"] {
        stream.send(text).await;
        assert_eq!(chunk(&mut response).await.unwrap().as_deref(), Some(text.as_bytes()));
    }
    let ended = |entry: &Entry| matches!(entry, Entry::Responded { .. });
    assert!(!aws.journal().entries().iter().any(ended), "the invocation lasts until its end");
    assert_eq!(stream.end().await, 202);
    assert_eq!(chunk(&mut response).await.unwrap(), None);
    assert_eq!(wait_for_end(&aws, HttpResponseEnd::Complete).await, 31);

    let entries = aws.journal().entries();
    let names: Vec<_> = entries
        .iter()
        .map(|entry| match entry {
            Entry::HttpRequestReceived { method, bytes: 2, .. } => &**method,
            Entry::NextPolled => "next",
            Entry::Invoked { route: Route::Agui, .. } => "invoked",
            Entry::HttpResponseStarted { status: 200, .. } => "started",
            Entry::Responded { status: Some(200), late: false, .. } => "responded",
            Entry::HttpResponseEnded { .. } => "ended",
            other => panic!("{other:?}"),
        })
        .filter(|name| !matches!(*name, "next" | "POST"))
        .collect();
    assert_eq!(names, ["invoked", "started", "responded", "ended"]);
    aws.stop().await;
}

#[tokio::test]
async fn an_event_is_that_of_a_rest_api() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let http = reqwest::Client::builder().no_proxy().user_agent("a test").build().unwrap();
    let asking = http
        .post(format!("{}?a=b%20c&a=d", aws.agui_url()))
        .header("authorization", "Bearer secret")
        .header("accept", "text/event-stream")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .json(&json!({"threadId": "ü"}));
    let asking = spawn(asking);
    let invocation = runtime.next().await;
    let event = &invocation.event;
    assert_eq!((&event["path"], &event["resource"]), (&json!("/agui"), &json!("/agui")));
    assert_eq!(event["body"], "{\"threadId\":\"ü\"}");
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event["queryStringParameters"], json!({"a": "d"}));
    assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["b c", "d"]}));
    assert_eq!(event["headers"]["Authorization"], "Bearer secret");
    assert_eq!(event["headers"]["Content-Type"], "application/json");
    assert_eq!(event["multiValueHeaders"]["X-Twice"], json!(["1", "2"]));
    let context = &event["requestContext"];
    assert_eq!((&context["path"], &context["stage"]), (&json!("/local/agui"), &json!("local")));
    assert_eq!(context["identity"]["userAgent"], "a test");
    assert!(context["connectionId"].is_null() && context["http"].is_null());

    let typed: ApiGatewayProxyRequest = serde_json::from_value(event.clone()).unwrap();
    assert_eq!(typed.http_method, "POST");
    assert_eq!(typed.request_context.identity.source_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(typed.request_context.protocol.as_deref(), Some("HTTP/1.1"));

    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send_prelude(&event_stream()).await;
    assert_eq!(stream.end().await, 202);
    let response = response(asking).await;
    let request_id = response.headers()["x-amzn-requestid"].to_str().unwrap();
    assert_eq!(context["requestId"], request_id);
    assert_eq!(response.text().await.unwrap(), "");
    aws.stop().await;
}

#[tokio::test]
async fn a_request_without_a_body_or_a_query_has_nulls_there() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let asking = spawn(request(&aws, Method::POST));
    let invocation = runtime.next().await;
    for name in ["body", "queryStringParameters", "multiValueQueryStringParameters"] {
        assert!(invocation.event[name].is_null(), "{name}");
    }
    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send_prelude(&event_stream()).await;
    assert_eq!(stream.end().await, 202);
    assert_eq!(response(asking).await.status(), 200);
    aws.stop().await;
}

#[tokio::test]
async fn status_headers_and_cookies_come_however_the_prelude_is_cut() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let prelude = json!({
        "statusCode": 201,
        "headers": {"x-one": "1", "WWW-Authenticate": "Bearer", "content-length": "1"},
        "multiValueHeaders": {"x-more": ["a", "b"]},
        "cookies": ["c=1", "d=2"],
    });
    let whole = [prelude.to_string().as_bytes(), &[0; 8], b"\0the body"].concat();
    for size in [1, 7, 64, whole.len()] {
        let (asking, invocation) = ask(&aws, &runtime, "{}").await;
        let mut stream = runtime.stream(&invocation.request_id).await;
        for piece in whole.chunks(size) {
            stream.send(piece).await;
        }
        assert_eq!(stream.end().await, 202);
        let response = response(asking).await;
        assert_eq!(response.status(), 201, "pieces of {size} bytes");
        let values = |name| response.headers().get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(values("x-one"), ["1"]);
        assert_eq!(values("x-more"), ["a", "b"]);
        assert_eq!(values("set-cookie"), ["c=1", "d=2"]);
        assert_eq!(values("x-amzn-remapped-www-authenticate"), ["Bearer"]);
        assert!(values("www-authenticate").is_empty());
        assert_eq!(response.bytes().await.unwrap(), &b"\0the body"[..]);
    }
    aws.stop().await;
}

#[tokio::test]
async fn large_events_arrive_whole_both_ways() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let body = "x".repeat(5 * 1024 * 1024);
    let (asking, invocation) = ask(&aws, &runtime, &body).await;
    assert!(invocation.event["body"] == body, "the body has changed");
    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send_prelude(&event_stream()).await;
    let large: Vec<u8> = (0..12 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    let receiving = tokio::spawn(async move { response(asking).await.bytes().await.unwrap() });
    stream.send(&large).await;
    assert_eq!(stream.end().await, 202);
    let received = soon("the response", receiving).await.unwrap();
    assert!(received == large, "the response has changed");
    aws.stop().await;
}

const PIECE: usize = 64 * 1024;
const PIECES: usize = 1024;

/// A client that asks and reads nothing, and the response of the function for it.
async fn ask_without_reading(aws: &LocalAws, runtime: &Runtime) -> (TcpStream, StreamedResponse) {
    let mut client = TcpStream::connect(aws.address()).await.unwrap();
    let request = b"POST /agui HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\
        connection: close\r\n\r\n{}";
    client.write_all(request).await.unwrap();
    let invocation = runtime.next().await;
    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send_prelude(&event_stream()).await;
    (client, stream)
}

/// Sends many pieces and the end.
async fn send_many(mut stream: StreamedResponse, sent: &AtomicUsize) -> u16 {
    let piece = vec![b'x'; PIECE];
    for _ in 0..PIECES {
        stream.try_send(&piece).await.unwrap();
        sent.fetch_add(1, Ordering::Relaxed);
    }
    stream.end().await
}

/// Waits until no more pieces are taken, and returns how many were.
async fn wait_until_stuck(writing: impl Future<Output = u16>, sent: &AtomicUsize) -> usize {
    let mut writing = pin!(writing);
    let mut before = usize::MAX;
    loop {
        // Nothing tells that something stays as it is, so this waits a while.
        let ended = timeout(Duration::from_millis(500), &mut writing).await;
        assert_eq!(ended.ok(), None, "all was taken");
        let now = sent.load(Ordering::Relaxed);
        if std::mem::replace(&mut before, now) == now {
            return now;
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_makes_the_function_wait() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, stream) = ask_without_reading(&aws, &runtime).await;
    let sent = AtomicUsize::new(0);
    let mut writing = Box::pin(send_many(stream, &sent));
    // Without a reader as much is taken as fits into the buffers of two connections.
    let taken = wait_until_stuck(&mut writing, &sent).await;
    assert!(taken < PIECES * 2 / 3, "{taken} pieces were taken");
    let ended = |entry: &Entry| matches!(entry, Entry::HttpResponseEnded { .. });
    assert!(!aws.journal().entries().iter().any(ended));

    // Once the client reads, the function comes to its end.
    let reading = async {
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        received.len()
    };
    let (status, received) = soon("the rest", async { tokio::join!(writing, reading) }).await;
    assert_eq!(status, 202);
    assert!(received > PIECE * PIECES, "{received}");
    assert_eq!(wait_for_end(&aws, HttpResponseEnd::Complete).await, PIECE * PIECES);
    aws.stop().await;
}

#[tokio::test]
async fn a_function_that_waits_for_its_client_goes_on_when_that_leaves() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (client, stream) = ask_without_reading(&aws, &runtime).await;
    let sent = AtomicUsize::new(0);
    let mut writing = Box::pin(send_many(stream, &sent));
    wait_until_stuck(&mut writing, &sent).await;
    drop(client);
    assert_eq!(soon("the end", writing).await, 202);
    wait_for_end(&aws, HttpResponseEnd::ClientGone).await;
    wait_for_entry(&aws, "the rest", |entry| matches!(entry, Entry::ResponseDiscarded { .. }))
        .await;
    aws.stop().await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off_at_last() {
    let aws = start(limits(|limits| limits.stream_idle = Duration::from_millis(500))).await;
    let runtime = Runtime::new(&aws);
    let (_client, stream) = ask_without_reading(&aws, &runtime).await;
    let sent = AtomicUsize::new(0);
    assert_eq!(soon("the end", send_many(stream, &sent)).await, 202);
    wait_for_end(&aws, HttpResponseEnd::IdleTimeout).await;
    // Its connection is still full, so that it would take a while to end in good order.
    soon("the stop", aws.stop()).await;
}

#[tokio::test]
async fn a_function_is_not_told_that_its_client_has_left() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut response, mut stream, request_id) = streaming(&aws, &runtime).await;
    stream.send("first").await;
    assert_eq!(chunk(&mut response).await.unwrap().as_deref(), Some(&b"first"[..]));
    drop(response);
    assert_eq!(wait_for_end(&aws, HttpResponseEnd::ClientGone).await, 5);
    for _ in 0..100 {
        stream.send(vec![b'x'; 64 * 1024]).await;
    }
    assert_eq!(stream.end().await, 202);
    let discarded = Entry::ResponseDiscarded { request_id: request_id.clone(), bytes: 6_553_600 };
    let discarded = wait_for_entry(&aws, "the rest", |entry| *entry == discarded).await.index;
    let responded = Entry::Responded { request_id, status: Some(200), late: true };
    let responded = wait_for_entry(&aws, "the end", |entry| *entry == responded).await.index;
    assert!(discarded < responded);
    aws.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_response_leaves_the_function_at_work() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (asking, invocation) = ask(&aws, &runtime, "{}").await;
    asking.abort();
    assert_eq!(wait_for_end(&aws, HttpResponseEnd::ClientGone).await, 0);
    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send_prelude(&event_stream()).await;
    stream.send("for nobody").await;
    assert_eq!(stream.end().await, 202);
    wait_for_entry(&aws, "the end", |entry| {
        matches!(entry, Entry::Responded { status: Some(200), late: true, .. })
    })
    .await;

    // A response that ends with the word that nobody listens is one as well.
    let (asking, invocation) = ask(&aws, &runtime, "{}").await;
    asking.abort();
    let path = format!("invocation/{}/error", invocation.request_id);
    assert_eq!(runtime.post(&path, &json!({"errorType": "Late"})).await, 202);
    aws.stop().await;
}

#[tokio::test]
async fn a_function_that_takes_too_long_to_begin_is_not_waited_for() {
    let shorten = |limits: &mut AwsLimits| {
        limits.streaming_integration_timeout = Duration::from_millis(200);
    };
    let aws = start(limits(shorten)).await;
    let runtime = Runtime::new(&aws);
    let (asking, invocation) = ask(&aws, &runtime, "{}").await;
    assert_eq!(refusal(asking).await, (504, "Endpoint request timed out".to_owned()));
    wait_for_entry(&aws, "the time-out", |entry| {
        matches!(entry, Entry::TimedOut { route: Route::Agui, .. })
    })
    .await;
    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send_prelude(&event_stream()).await;
    assert_eq!(stream.end().await, 202);

    // A response without a prelude is none.
    let (asking, invocation) = ask(&aws, &runtime, "{}").await;
    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send("{").await;
    assert_eq!(refusal(asking).await.0, 504);
    aws.stop().await;
}

#[tokio::test]
async fn a_response_may_take_as_long_as_the_integration() {
    let shorten = |limits: &mut AwsLimits| {
        limits.streaming_integration_timeout = Duration::from_millis(500);
    };
    let aws = start(limits(shorten)).await;
    let runtime = Runtime::new(&aws);
    let (mut response, mut stream, _) = streaming(&aws, &runtime).await;
    stream.send("first").await;
    assert_eq!(chunk(&mut response).await.unwrap().as_deref(), Some(&b"first"[..]));
    assert!(chunk(&mut response).await.is_err(), "cut off");
    assert_eq!(wait_for_end(&aws, HttpResponseEnd::IntegrationTimeout).await, 5);
    aws.stop().await;
}

#[tokio::test]
async fn a_silent_response_is_cut_off_and_a_keepalive_prevents_that() {
    let aws = start(limits(|limits| limits.stream_idle = Duration::from_millis(600))).await;
    let runtime = Runtime::new(&aws);
    let (mut response, mut stream, _) = streaming(&aws, &runtime).await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.send(":\n\n").await;
        assert!(chunk(&mut response).await.unwrap().is_some());
    }
    assert!(chunk(&mut response).await.is_err(), "cut off");
    assert_eq!(wait_for_end(&aws, HttpResponseEnd::IdleTimeout).await, 24);
    stream.send("for nobody").await;
    assert_eq!(stream.end().await, 202);
    aws.stop().await;
}

#[tokio::test]
async fn the_functions_own_time_ends_a_response_too() {
    let aws = start(limits(|limits| limits.function_timeout = Duration::from_millis(500))).await;
    let runtime = Runtime::new(&aws);
    let (mut response, mut stream, request_id) = streaming(&aws, &runtime).await;
    assert!(chunk(&mut response).await.is_err(), "cut off");
    wait_for_end(&aws, HttpResponseEnd::FunctionFailed).await;
    assert_eq!(stream.status().await, 400);
    wait_for_entry(&aws, "the time-out", |entry| {
        matches!(entry, Entry::InvocationError { error_type, request_id: id, .. }
            if error_type == "Sandbox.Timedout" && *id == request_id)
    })
    .await;

    let (asking, _) = ask(&aws, &runtime, "{}").await;
    let (status, message) = refusal(asking).await;
    assert_eq!((status, &*message), BAD_GATEWAY, "it never began");
    aws.stop().await;
}

#[tokio::test]
async fn what_is_no_streamed_response_is_a_bad_gateway() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (asking, invocation) = ask(&aws, &runtime, "{}").await;
    assert_eq!(runtime.respond(&invocation.request_id, &ok()).await, 202);
    let (status, message) = refusal(asking).await;
    assert_eq!((status, &*message), BAD_GATEWAY, "a buffered response");
    wait_for_entry(
        &aws,
        "the reason",
        |entry| matches!(entry, Entry::Refused { status: 502, reason } if reason.contains("NUL")),
    )
    .await;
    wait_for_entry(&aws, "the response", |entry| {
        matches!(entry, Entry::Responded { status: None, .. })
    })
    .await;

    let nuls = "\0".repeat(8);
    for bad in [
        String::new(),
        "no prelude".to_owned(),
        "{\"statusCode\":200}\0\0\0\0\0\0\0".to_owned(),
        format!("not JSON{nuls}"),
        format!("{{}}{nuls}"),
        format!("{{\"statusCode\":101}}{nuls}"),
        format!("{{\"statusCode\":200,\"x\":\"{}\"}}{nuls}", "x".repeat(16 * 1024)),
    ] {
        let (asking, invocation) = ask(&aws, &runtime, "{}").await;
        let mut stream = runtime.stream(&invocation.request_id).await;
        if !bad.is_empty() {
            stream.send(&bad).await;
        }
        assert_eq!(stream.end().await, 202, "Lambda takes anything");
        let (status, message) = refusal(asking).await;
        assert_eq!((status, &*message), BAD_GATEWAY, "{bad:?}");
    }

    let (asking, invocation) = ask(&aws, &runtime, "{}").await;
    let path = format!("invocation/{}/error", invocation.request_id);
    assert_eq!(runtime.post(&path, &json!({"errorType": "Bad"})).await, 202);
    let (status, message) = refusal(asking).await;
    assert_eq!((status, &*message), BAD_GATEWAY, "a function that fails");

    let (asking, invocation) = ask(&aws, &runtime, "{}").await;
    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send("{").await;
    drop(stream);
    let (status, message) = refusal(asking).await;
    assert_eq!((status, &*message), BAD_GATEWAY, "a function that dies");
    aws.stop().await;
}

#[tokio::test]
async fn a_function_that_fails_in_the_middle_cuts_its_client_off() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut response, mut stream, _) = streaming(&aws, &runtime).await;
    stream.send("first").await;
    assert_eq!(chunk(&mut response).await.unwrap().as_deref(), Some(&b"first"[..]));
    let body = STANDARD.encode(json!({"errorMessage": "out of words"}).to_string());
    let trailers = [
        ("Lambda-Runtime-Function-Error-Type", "Function.Failed"),
        ("Lambda-Runtime-Function-Error-Body", &*body),
    ];
    assert_eq!(stream.end_with(&trailers).await, 202);
    assert!(chunk(&mut response).await.is_err(), "cut off");
    wait_for_end(&aws, HttpResponseEnd::FunctionFailed).await;
    wait_for_entry(&aws, "the error", |entry| {
        matches!(entry, Entry::InvocationError { error_type, message, .. }
            if error_type == "Function.Failed" && message == "out of words")
    })
    .await;
    aws.stop().await;
}

#[tokio::test]
async fn a_function_that_dies_in_the_middle_cuts_its_client_off() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut response, mut stream, _) = streaming(&aws, &runtime).await;
    stream.send("first").await;
    assert_eq!(chunk(&mut response).await.unwrap().as_deref(), Some(&b"first"[..]));
    drop(stream);
    assert!(chunk(&mut response).await.is_err(), "cut off");
    wait_for_end(&aws, HttpResponseEnd::FunctionFailed).await;
    wait_for_entry(&aws, "the error", |entry| {
        matches!(entry, Entry::InvocationError { error_type, .. }
            if error_type == "Runtime.TruncatedResponse")
    })
    .await;
    aws.stop().await;
}

#[tokio::test]
async fn every_method_is_the_functions_to_answer() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let prelude = |status: u16| json!({"statusCode": status, "headers": {"allow": "POST"}});
    for (method, status, sent, body) in [
        (Method::OPTIONS, 204, "", ""),
        (Method::OPTIONS, 204, "not for anybody", ""),
        (Method::GET, 405, "no", "no"),
        (Method::DELETE, 405, "no", "no"),
        (Method::HEAD, 405, "not for anybody", ""),
    ] {
        let asking = spawn(request(&aws, method.clone()).header("origin", "https://a.example"));
        let invocation = runtime.next().await;
        assert_eq!(invocation.event["httpMethod"], method.as_str());
        assert_eq!(invocation.event["headers"]["Origin"], "https://a.example");
        let mut stream = runtime.stream(&invocation.request_id).await;
        stream.send_prelude(&prelude(status)).await;
        if !sent.is_empty() {
            stream.send(sent).await;
        }
        assert_eq!(stream.end().await, 202);
        let request_id = invocation.request_id;
        let response = response(asking).await;
        assert_eq!(response.status(), status, "{method}");
        assert_eq!(response.headers()["allow"], "POST");
        assert_eq!(response.text().await.unwrap(), body, "{method}");
        let bytes = body.len();
        let end = HttpResponseEnd::Complete;
        let ended = Entry::HttpResponseEnded { request_id, bytes, end };
        wait_for_entry(&aws, "the end", |entry| *entry == ended).await;
    }
    aws.stop().await;
}

#[tokio::test]
async fn requests_that_are_too_large_are_refused() {
    let aws = start(Options::default()).await;
    let too_long = (413, "Request Too Long".to_owned());
    for megabytes in [7, 11, 20] {
        let body = "x".repeat(megabytes * 1024 * 1024);
        let asking = spawn(request(&aws, Method::POST).body(body));
        assert_eq!(refusal(asking).await, too_long, "{megabytes} MB");
    }
    // Lambda counts what JSON makes of it.
    let asking = spawn(request(&aws, Method::POST).body("\"".repeat(4 * 1024 * 1024)));
    assert_eq!(refusal(asking).await, too_long);
    let invoked = |entry: &Entry| matches!(entry, Entry::Invoked { .. });
    assert!(!aws.journal().entries().iter().any(invoked));
    aws.stop().await;
}

#[tokio::test]
async fn several_responses_are_streamed_at_once() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let mut exchanges = Vec::new();
    for _ in 0..5 {
        exchanges.push(streaming(&aws, &runtime).await);
    }
    for round in 0..10 {
        for (n, (_, stream, _)) in exchanges.iter_mut().enumerate() {
            stream.send(format!("{n}.{round}")).await;
        }
        for (n, (response, _, _)) in exchanges.iter_mut().enumerate().rev() {
            let piece = chunk(response).await.unwrap().unwrap();
            assert_eq!(String::from_utf8(piece).unwrap(), format!("{n}.{round}"));
        }
    }
    for (mut response, stream, _) in exchanges {
        assert_eq!(stream.end().await, 202);
        assert_eq!(chunk(&mut response).await.unwrap(), None);
    }
    aws.stop().await;
}

#[tokio::test]
async fn a_function_is_busy_until_its_response_has_ended() {
    let aws = start(limits(|limits| limits.message_grace = Duration::from_millis(20))).await;
    let runtime = Runtime::new(&aws);
    let (mut response, stream, _) = streaming(&aws, &runtime).await;
    let throttled = spawn(request(&aws, Method::POST));
    // Lambda rejects the invocation, and API Gateway makes 500 of that.
    assert_eq!(refusal(throttled).await, (500, "Internal server error".to_owned()));
    wait_for_entry(&aws, "the throttling", |entry| {
        matches!(entry, Entry::Throttled { route: Route::Agui, .. })
    })
    .await;
    assert_eq!(stream.end().await, 202);
    assert_eq!(chunk(&mut response).await.unwrap(), None);

    let poll = runtime.clone();
    let polled = aws.journal().records().last().unwrap().index;
    let poll = tokio::spawn(async move { poll.next().await });
    soon("the poll", aws.journal().wait_for_after(polled, |entry| *entry == Entry::NextPolled))
        .await;
    let asking = spawn(request(&aws, Method::POST).body("again"));
    let invocation = soon("the event", poll).await.unwrap();
    assert_eq!(invocation.event["body"], "again");
    asking.abort();
    aws.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_reach_the_function_and_rebound_names_do_not() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let rebound = request(&aws, Method::POST).header("host", "rebound.example:8080");
    assert_eq!(refusal(spawn(rebound)).await.0, 403);
    // Only at the very path of the API.
    let elsewhere = reqwest::Client::builder().no_proxy().build().unwrap();
    let elsewhere = elsewhere.post(format!("{}/", aws.agui_url()));
    let elsewhere = elsewhere.header("origin", "https://evil.example");
    assert_eq!(refusal(spawn(elsewhere)).await.0, 403);
    assert_eq!(aws.journal().entries(), []);

    let foreign = request(&aws, Method::POST).header("origin", "https://evil.example");
    let asking = spawn(foreign);
    let invocation = runtime.next().await;
    assert_eq!(invocation.event["headers"]["Origin"], "https://evil.example");
    let mut stream = runtime.stream(&invocation.request_id).await;
    stream.send_prelude(&json!({"statusCode": 403})).await;
    assert_eq!(stream.end().await, 202);
    assert_eq!(response(asking).await.status(), 403);
    aws.stop().await;
}

#[tokio::test]
async fn a_response_is_streamed_once() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut response, mut stream, request_id) = streaming(&aws, &runtime).await;
    let mut second = runtime.stream(&request_id).await;
    assert_eq!(second.status().await, 400);
    assert_eq!(runtime.respond(&request_id, &ok()).await, 400);
    stream.send("whole").await;
    assert_eq!(chunk(&mut response).await.unwrap().as_deref(), Some(&b"whole"[..]));
    assert_eq!(stream.end().await, 202);
    assert_eq!(chunk(&mut response).await.unwrap(), None);
    aws.stop().await;
}

#[tokio::test]
async fn other_apis_collect_a_streamed_response() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let connecting = tokio::spawn({
        let runtime = runtime.clone();
        async move {
            let invocation = runtime.next().await;
            let mut stream = runtime.stream(&invocation.request_id).await;
            stream.send_prelude(&json!({"statusCode": 200})).await;
            stream.end().await
        }
    });
    assert!(Client::connect(&aws, &[]).await.is_ok());
    assert_eq!(soon("the response", connecting).await.unwrap(), 202);
    aws.stop().await;
}

#[tokio::test]
async fn everything_stops_while_a_response_is_streamed() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut response, mut stream, _) = streaming(&aws, &runtime).await;
    let (asking, _invocation) = ask(&aws, &runtime, "{}").await;
    let journal = aws.journal().clone();
    soon("the stop", aws.stop()).await;
    assert!(chunk(&mut response).await.is_err(), "cut off");
    assert_eq!(stream.status().await, 503);
    assert_eq!(refusal(asking).await.0, 503);
    let failed = |entry: &Entry| matches!(entry, Entry::InvocationError { .. });
    assert!(!journal.entries().iter().any(failed), "that is no fault of the function");
}
