//! API Gateway's WebSocket side, seen by a real client and by a function made of a few lines.

use std::time::Duration;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use futures::{SinkExt, StreamExt};
use local_aws::{AwsLimits, Entry, Options, Route};
use serde::Deserialize;
use serde_json::{Value, json};
use test_support::{Client, Runtime, ok, soon, start, wait_for_entry};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

fn limits(change: impl FnOnce(&mut AwsLimits)) -> Options {
    let mut options = Options::default();
    change(&mut options.limits);
    options
}

/// The status with which a handshake was refused.
fn refusal(outcome: Result<Client, Error>) -> u16 {
    match outcome {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("no refusal but {other}"),
        Ok(_) => panic!("the handshake succeeded"),
    }
}

#[tokio::test]
async fn the_three_events_have_the_shape_of_real_ones() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let query = [("user-agent", "tests"), ("x-twice", "one")];
    let url = format!("{}?token=a%20b&token=c", aws.websocket_url());
    let (client, connect) =
        tokio::join!(Client::connect_to(&url, &query), runtime.accept("$connect"));
    let mut client = client.unwrap();

    assert_eq!(connect["headers"]["User-Agent"], "tests");
    assert_eq!(connect["multiValueHeaders"]["X-Twice"], json!(["one"]));
    assert_eq!(connect["headers"]["Host"], aws.address().to_string());
    assert_eq!(connect["queryStringParameters"], json!({ "token": "c" }));
    assert_eq!(connect["multiValueQueryStringParameters"], json!({ "token": ["a b", "c"] }));
    assert_eq!(connect["isBase64Encoded"], false);
    assert_eq!(connect.get("body"), None);
    let context = &connect["requestContext"];
    assert_eq!(context["eventType"], "CONNECT");
    assert_eq!(context["messageDirection"], "IN");
    assert_eq!(context["stage"], "local");
    assert_eq!(context["identity"], json!({ "sourceIp": "127.0.0.1", "userAgent": "tests" }));
    let connection_id = context["connectionId"].as_str().unwrap();
    assert_eq!((connection_id.len(), connection_id.ends_with('=')), (16, true));

    client.send("hello, 世界").await;
    let message = runtime.accept("$default").await;
    assert_eq!(message["body"], "hello, 世界");
    assert_eq!(message.get("headers"), None, "only the handshake has headers");
    let context = &message["requestContext"];
    assert_eq!(context["eventType"], "MESSAGE");
    assert_eq!(context["connectionId"], connection_id);
    assert_eq!(context["connectedAt"], connect["requestContext"]["connectedAt"]);
    assert!(context["messageId"].is_string());
    assert_ne!(context["requestId"], connect["requestContext"]["requestId"]);

    let goodbye = CloseFrame { code: CloseCode::Library(4001), reason: "enough".into() };
    client.socket.close(Some(goodbye)).await.unwrap();
    let disconnect = runtime.accept("$disconnect").await;
    let context = &disconnect["requestContext"];
    assert_eq!(context["eventType"], "DISCONNECT");
    assert_eq!(context["connectionId"], connection_id);
    assert_eq!(context["disconnectStatusCode"], 4001);
    assert_eq!(context["disconnectReason"], "enough");

    for event in [&connect, &message, &disconnect] {
        let typed = ApiGatewayWebsocketProxyRequest::deserialize(event).unwrap();
        assert_eq!(typed.request_context.connection_id.as_deref(), Some(connection_id));
        assert_eq!(typed.request_context.apiid.as_deref(), Some("relaylocal"));
        assert!(typed.request_context.request_time_epoch > 0);
    }
    aws.stop().await;
}

#[tokio::test]
async fn a_late_function_gets_the_client_only_a_timeout_frame() {
    let options = limits(|limits| limits.integration_timeout = Duration::from_millis(200));
    let aws = start(options).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;

    client.send("hello").await;
    let late = runtime.next().await;
    let context = &late.event["requestContext"];
    let text = client.text().await;
    assert_eq!(
        text,
        format!(
            r#"{{"message":"Endpoint request timed out","connectionId":{},"requestId":{}}}"#,
            context["connectionId"], context["requestId"],
        ),
        "byte for byte what API Gateway sends",
    );

    // The function answers all the same: that is accepted, and changes nothing for the client.
    assert_eq!(runtime.respond(&late.request_id, &ok()).await, 202);
    wait_for_entry(&aws, "the late answer", |entry| {
        matches!(entry, Entry::Responded { late: true, .. })
    })
    .await;
    client.send("again").await;
    assert_eq!(runtime.accept("$default").await["body"], "again");
    client.socket.close(None).await.unwrap();
    assert!(client.socket.next().await.unwrap().unwrap().is_close(), "nothing else had come");
    aws.stop().await;
}

#[tokio::test]
async fn the_timeout_comes_after_29_seconds() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    client.send("hello").await;
    let invocation = runtime.next().await;

    // From here on nothing moves but the clock, which then jumps to the next timer that is due.
    tokio::time::pause();
    let began = Instant::now();
    let frame: Value = match client.socket.next().await {
        Some(Ok(message)) => serde_json::from_str(message.to_text().unwrap()).unwrap(),
        other => panic!("no frame but {other:?}"),
    };
    let took = began.elapsed().as_secs_f64();
    tokio::time::resume();
    assert_eq!(frame["message"], "Endpoint request timed out");
    assert!((28.0..29.1).contains(&took), "{took} s");
    assert_eq!(runtime.respond(&invocation.request_id, &ok()).await, 202);
    aws.stop().await;
}

#[tokio::test]
async fn a_failing_function_gets_the_client_an_internal_server_error() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    let expect = async |client: &mut Client, event: &Value| {
        let context = &event["requestContext"];
        assert_eq!(
            client.text().await,
            format!(
                r#"{{"message":"Internal server error","connectionId":{},"requestId":{}}}"#,
                context["connectionId"], context["requestId"],
            ),
        );
    };

    client.send("fail").await;
    let failing = runtime.next().await;
    let path = format!("invocation/{}/error", failing.request_id);
    let error = json!({ "errorType": "Boom", "errorMessage": "it broke", "stackTrace": [] });
    assert_eq!(runtime.post(&path, &error).await, 202);
    expect(&mut client, &failing.event).await;
    let expected = Entry::InvocationError {
        request_id: failing.request_id,
        error_type: "Boom".to_owned(),
        message: "it broke".to_owned(),
    };
    wait_for_entry(&aws, "the error", |entry| *entry == expected).await;

    for nonsense in [json!("ok"), json!(null), json!({}), json!({ "statusCode": "many" })] {
        client.send("nonsense").await;
        let invocation = runtime.next().await;
        assert_eq!(runtime.respond(&invocation.request_id, &nonsense).await, 202);
        expect(&mut client, &invocation.event).await;
    }
    aws.stop().await;
}

#[tokio::test]
async fn the_response_to_a_message_is_not_for_the_client() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    for status in [200, 400, 500] {
        client.send("hello").await;
        let invocation = runtime.next().await;
        let answer = json!({ "statusCode": status, "body": "for nobody" });
        assert_eq!(runtime.respond(&invocation.request_id, &answer).await, 202);
        wait_for_entry(
            &aws,
            "the answer",
            |entry| matches!(entry, Entry::Responded { status: Some(seen), .. } if *seen == status),
        )
        .await;
    }
    client.socket.close(None).await.unwrap();
    assert!(client.socket.next().await.unwrap().unwrap().is_close(), "nothing else had come");
    aws.stop().await;
}

#[tokio::test]
async fn without_a_free_function_a_message_is_throttled() {
    let aws = start(limits(|limits| limits.message_grace = Duration::from_millis(20))).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;

    client.send("first").await;
    let busy = runtime.next().await;
    client.send("second").await;
    let frame: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(frame["message"], "Too Many Requests");
    assert_eq!(frame["connectionId"], busy.event["requestContext"]["connectionId"]);
    assert!(frame["requestId"].is_string());
    wait_for_entry(&aws, "the throttling", |entry| {
        matches!(entry, Entry::Throttled { route: Route::Default, .. })
    })
    .await;

    // An answered event does not make a function free, only its next poll does.
    assert_eq!(runtime.respond(&busy.request_id, &ok()).await, 202);
    client.send("third").await;
    let frame: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(frame["message"], "Too Many Requests");

    let poll = runtime.clone();
    let polled = aws.journal().records().last().unwrap().index;
    let poll = tokio::spawn(async move { poll.accept("$default").await });
    soon("the poll", aws.journal().wait_for_after(polled, |entry| *entry == Entry::NextPolled))
        .await;
    client.send("fourth").await;
    assert_eq!(soon("the fourth", poll).await.unwrap()["body"], "fourth");
    aws.stop().await;
}

#[tokio::test]
async fn a_message_waits_for_a_function_that_is_between_two_events() {
    let aws = start(limits(|limits| limits.message_grace = Duration::from_mins(1))).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    client.send("early").await;
    wait_for_entry(&aws, "the message", |entry| matches!(entry, Entry::MessageReceived { .. }))
        .await;
    assert_eq!(runtime.accept("$default").await["body"], "early");
    aws.stop().await;
}

#[tokio::test]
async fn a_refused_connection_gets_the_status_that_says_why() {
    for (answer, status) in [(401, 403), (403, 403), (400, 400), (500, 500), (302, 403)] {
        let aws = start(Options::default()).await;
        let runtime = Runtime::new(&aws);
        let refuse = async {
            let invocation = runtime.next().await;
            let answer = json!({ "statusCode": answer });
            assert_eq!(runtime.respond(&invocation.request_id, &answer).await, 202);
        };
        let (client, ()) = tokio::join!(Client::connect(&aws, &[]), refuse);
        assert_eq!(refusal(client), status, "the function answered {answer}");
        wait_for_entry(
            &aws,
            "the refusal",
            |entry| matches!(entry, Entry::Refused { status: seen, .. } if *seen == status),
        )
        .await;
        aws.stop().await;
    }
}

#[tokio::test]
async fn a_function_that_fails_on_connect_refuses_with_502() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let fail = async {
        let invocation = runtime.next().await;
        let path = format!("invocation/{}/error", invocation.request_id);
        assert_eq!(runtime.post(&path, &json!({})).await, 202);
    };
    let (client, ()) = tokio::join!(Client::connect(&aws, &[]), fail);
    assert_eq!(refusal(client), 502);
    aws.stop().await;
}

#[tokio::test]
async fn a_connection_without_a_function_is_refused() {
    let aws = start(limits(|limits| limits.lifecycle_grace = Duration::from_millis(20))).await;
    assert_eq!(refusal(Client::connect(&aws, &[]).await), 429);

    let options = limits(|limits| limits.integration_timeout = Duration::from_millis(100));
    let slow = start(options).await;
    let runtime = Runtime::new(&slow);
    let (client, _) = tokio::join!(Client::connect(&slow, &[]), runtime.next());
    assert_eq!(refusal(client), 504);
    aws.stop().await;
    slow.stop().await;
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_without_asking_the_function() {
    let aws = start(Options::default()).await;
    let origin = [("origin", "https://evil.example")];
    assert_eq!(refusal(Client::connect(&aws, &origin).await), 403);
    assert_eq!(aws.journal().entries(), []);

    let runtime = Runtime::new(&aws);
    let origin = [("origin", "http://localhost:5173")];
    let (client, event) = tokio::join!(Client::connect(&aws, &origin), runtime.accept("$connect"));
    assert!(client.is_ok());
    assert_eq!(event["headers"]["Origin"], origin[0].1);
    aws.stop().await;
}

#[tokio::test]
async fn a_subprotocol_is_confirmed_when_the_function_says_so() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let offer = [("sec-websocket-protocol", "agent-relay, token.abc")];
    let choose = async {
        let invocation = runtime.next().await;
        assert_eq!(invocation.event["headers"]["Sec-WebSocket-Protocol"], offer[0].1);
        let headers = json!({ "Sec-WebSocket-Protocol": "agent-relay" });
        let answer = json!({ "statusCode": 200, "headers": headers });
        runtime.respond(&invocation.request_id, &answer).await;
    };
    let (client, ()) = tokio::join!(Client::connect(&aws, &offer), choose);
    let client = client.unwrap();
    assert_eq!(client.protocol.as_deref(), Some("agent-relay"));
    let chosen = Some("agent-relay".to_owned());
    wait_for_entry(
        &aws,
        "the connection",
        |entry| matches!(entry, Entry::Connected { subprotocol, .. } if *subprotocol == chosen),
    )
    .await;

    // Without that header the handshake has none either, and a strict client gives up.
    let (client, _) = tokio::join!(Client::connect(&aws, &offer), runtime.accept("$connect"));
    let error = client.expect_err("the client wants a subprotocol");
    assert!(error.to_string().contains("ubprotocol"), "{error}");
    aws.stop().await;
}

#[tokio::test]
async fn a_message_may_have_128_kib_in_frames_of_32_kib() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    let text = "ä".repeat(64 * 1024);
    for (index, part) in text.as_bytes().chunks(32 * 1024).enumerate() {
        let opcode = if index == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(part.to_vec(), OpCode::Data(opcode), index == 3);
        client.socket.send(Message::Frame(frame)).await.unwrap();
    }
    assert_eq!(runtime.accept("$default").await["body"], text);
    aws.stop().await;
}

#[tokio::test]
async fn what_is_too_large_closes_with_1009() {
    // One frame above its limit; a message above its limit in small frames; and one frame that is
    // so large that the client is still sending it when the gateway says goodbye. It sends all of
    // it before it reads, as a browser may, and must neither be cut off nor miss the goodbye.
    let cases = [vec![32 * 1024 + 1], vec![32 * 1024; 5], vec![32 * 1024 * 1024]];
    for sizes in cases {
        let aws = start(Options::default()).await;
        let runtime = Runtime::new(&aws);
        let (mut client, _) = Client::accepted(&aws, &runtime).await;
        let last = sizes.len() - 1;
        for (index, size) in sizes.iter().enumerate() {
            let opcode = if index == 0 { Data::Text } else { Data::Continue };
            let frame = Frame::message(vec![b'x'; *size], OpCode::Data(opcode), index == last);
            let sent = soon("the frame", client.socket.send(Message::Frame(frame))).await;
            assert!(sent.is_ok(), "cut off while sending {sizes:?}: {sent:?}");
        }
        let (code, _) = client.closed().await;
        assert_eq!(code, CloseCode::Size, "{sizes:?}");
        let event = runtime.accept("$disconnect").await;
        assert_eq!(event["requestContext"]["disconnectStatusCode"], 1009);
        aws.stop().await;
    }
}

#[tokio::test]
async fn a_binary_frame_closes_with_1003() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.closed().await.0, CloseCode::Unsupported);
    let event = runtime.accept("$disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1003);
    aws.stop().await;
}

#[tokio::test]
async fn idle_and_old_connections_close_with_1001() {
    let idle = limits(|limits| limits.idle = Duration::from_millis(100));
    let old = limits(|limits| limits.lifetime = Duration::from_millis(100));
    for options in [idle, old] {
        let aws = start(options).await;
        let runtime = Runtime::new(&aws);
        let (mut client, _) = Client::accepted(&aws, &runtime).await;
        assert_eq!(client.closed().await, (CloseCode::Away, "Going away".to_owned()));
        let event = runtime.accept("$disconnect").await;
        assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
        assert_eq!(event["requestContext"]["disconnectReason"], "Going away");
        aws.stop().await;
    }
}

#[tokio::test]
async fn messages_keep_a_connection_from_being_idle() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    let began = Instant::now();
    // Most of the ten minutes pass, then a message comes.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(590)).await;
    tokio::time::resume();
    client.send("still here").await;
    runtime.accept("$default").await;
    tokio::time::pause();
    assert_eq!(client.closed_without_limit().await.0, CloseCode::Away);
    let elapsed = began.elapsed().as_secs();
    tokio::time::resume();
    assert!((1190..1200).contains(&elapsed), "{elapsed} s");
    aws.stop().await;
}

#[tokio::test]
async fn a_client_that_vanishes_is_noticed() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (client, _) = Client::accepted(&aws, &runtime).await;
    drop(client);
    let event = runtime.accept("$disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1006);
    wait_for_entry(&aws, "the end", |entry| matches!(entry, Entry::Closed { code: 1006, .. }))
        .await;
    aws.stop().await;
}

#[tokio::test]
async fn everything_stops_in_good_order() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, _) = Client::accepted(&aws, &runtime).await;
    let ((), closed) = tokio::join!(soon("the stop", aws.stop()), client.closed());
    assert_eq!(closed.0, CloseCode::Away);
}
