//! API Gateway's `@connections` commands, called by the SDK's own client.

use std::time::Duration;

use aws_sdk_apigatewaymanagement::Client as ManagementApi;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_apigatewaymanagement::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use futures::StreamExt;
use futures::future::join_all;
use local_aws::{Entry, LocalAws, Options};
use serde_json::Value;
use test_support::{Client, Runtime, soon, start, wait_for_entry};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

fn management(aws: &LocalAws) -> ManagementApi {
    let config = aws_sdk_apigatewaymanagement::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(aws.callback_url())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "tests"))
        .retry_config(RetryConfig::disabled())
        .build();
    ManagementApi::from_conf(config)
}

async fn post(
    management: &ManagementApi,
    connection_id: &str,
    data: impl Into<Vec<u8>>,
) -> Result<(), SdkError<PostToConnectionError>> {
    let request = management.post_to_connection().connection_id(connection_id);
    soon("the post", request.data(Blob::new(data)).send()).await.map(|_| ())
}

/// A client, its connection id, and the way to call it back.
async fn connected(options: Options) -> (LocalAws, Client, String, ManagementApi) {
    let aws = start(options).await;
    let (client, event) = Client::accepted(&aws, &Runtime::new(&aws)).await;
    let id = event["requestContext"]["connectionId"].as_str().unwrap().to_owned();
    let management = management(&aws);
    (aws, client, id, management)
}

#[tokio::test]
async fn a_post_reaches_the_client_as_it_is() {
    let (aws, mut client, id, management) = connected(Options::default()).await;
    for text in ["hello", "Grüße, 世界 🎬", "{\"a\":\n1}", ""] {
        post(&management, &id, text).await.unwrap();
        assert_eq!(client.text().await, text);
    }
    let expected = Entry::Posted { connection_id: id, bytes: 5, status: 200, data: "hello".into() };
    wait_for_entry(&aws, "the post", |entry| *entry == expected).await;
    aws.stop().await;
}

#[tokio::test]
async fn a_connection_can_be_inspected_and_deleted() {
    let (aws, mut client, id, management) = connected(Options::default()).await;
    let about = management.get_connection().connection_id(&id).send().await.unwrap();
    let (connected_at, last_active_at) =
        (about.connected_at().unwrap(), about.last_active_at().unwrap());
    assert_eq!(about.identity().unwrap().source_ip(), Some("127.0.0.1"));
    assert!(last_active_at >= connected_at);

    post(&management, &id, "last words").await.unwrap();
    management.delete_connection().connection_id(&id).send().await.unwrap();
    assert_eq!(client.text().await, "last words");
    assert_eq!(client.closed().await.0, CloseCode::Normal);

    wait_for_entry(&aws, "the end", |entry| matches!(entry, Entry::Closed { code: 1000, .. }))
        .await;
    let error = management.get_connection().connection_id(&id).send().await.unwrap_err();
    assert!(error.into_service_error().is_gone_exception());
    let error = management.delete_connection().connection_id(&id).send().await.unwrap_err();
    assert!(error.into_service_error().is_gone_exception());
    aws.stop().await;
}

#[tokio::test]
async fn a_connection_that_has_ended_or_never_was_is_gone() {
    let (aws, client, id, management) = connected(Options::default()).await;
    drop(client);
    wait_for_entry(&aws, "the end", |entry| matches!(entry, Entry::Closed { .. })).await;
    for id in [&*id, "L0SM9cOFvHcCIhw=", "gone="] {
        let error = post(&management, id, "hello").await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 410);
        assert!(error.into_service_error().is_gone_exception(), "{id}");
    }
    aws.stop().await;
}

#[tokio::test]
async fn an_id_that_api_gateway_does_not_make_is_a_bad_request() {
    let (aws, _client, _, management) = connected(Options::default()).await;
    for id in ["a/b+c=", "x", "nobody", "not-a-connection", "L0SM9cOFvHcCIhw", "AA===", "=", "ä="]
    {
        let error = post(&management, id, "hello").await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400, "{id}");
        let error = management.get_connection().connection_id(id).send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400, "{id}");
        let error = management.delete_connection().connection_id(id).send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400, "{id}");
    }
    aws.stop().await;
}

#[tokio::test]
async fn a_long_post_goes_out_in_frames_of_32_kib() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    // This client refuses longer frames.
    let config = WebSocketConfig::default().max_frame_size(Some(32 * 1024));
    let connecting =
        tokio_tungstenite::connect_async_with_config(aws.websocket_url(), Some(config), true);
    let (connected, event) = tokio::join!(connecting, runtime.accept("$connect"));
    let (mut socket, _) = connected.unwrap();
    let id = event["requestContext"]["connectionId"].as_str().unwrap();
    let management = management(&aws);
    for length in [32 * 1024, 32 * 1024 + 1, 128 * 1024] {
        let text = "0123456789abcdef".repeat(length / 16 + 1)[..length].to_owned();
        post(&management, id, text.clone()).await.unwrap();
        let message = soon("the message", socket.next()).await.unwrap().unwrap();
        assert_eq!(message.to_text().unwrap(), text, "{length}");
    }
    aws.stop().await;
}

#[tokio::test]
async fn a_post_above_128_kib_is_too_large() {
    let (aws, mut client, id, management) = connected(Options::default()).await;
    for length in [128 * 1024 + 1, 3 * 1024 * 1024] {
        let error = post(&management, &id, vec![b'x'; length]).await.unwrap_err();
        assert!(error.into_service_error().is_payload_too_large_exception(), "{length}");
    }
    post(&management, &id, "small").await.unwrap();
    assert_eq!(client.text().await, "small");
    aws.stop().await;
}

#[tokio::test]
async fn a_post_that_is_no_text_is_refused() {
    let (aws, _client, id, management) = connected(Options::default()).await;
    let error = post(&management, &id, vec![0xff, 0xfe]).await.unwrap_err();
    assert_eq!(error.code(), Some("BadRequestException"));
    aws.stop().await;
}

#[tokio::test]
async fn posts_take_their_latency_and_arrive_in_order() {
    let latency = Duration::from_millis(50);
    let options = Options { post_latency: latency, ..Options::default() };
    let (aws, mut client, id, management) = connected(options).await;
    for n in 0..5 {
        let began = Instant::now();
        post(&management, &id, n.to_string()).await.unwrap();
        assert!(began.elapsed() >= latency);
    }
    for n in 0..5 {
        assert_eq!(client.text().await, n.to_string());
    }

    // Posts at the same time arrive in the order in which the gateway took them.
    let began = Instant::now();
    let posts = (0..20).map(|n| post(&management, &id, format!("p{n}")));
    assert!(join_all(posts).await.into_iter().all(|outcome| outcome.is_ok()));
    assert!(began.elapsed() < 20 * latency, "they wait together, not in a row");
    let taken = aws.journal().entries().into_iter().filter_map(|entry| match entry {
        Entry::Posted { data, .. } if data.starts_with(b"p") => Some(data),
        _ => None,
    });
    for data in taken {
        assert_eq!(client.text().await.as_bytes(), data);
    }
    aws.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_fills_only_its_own_buffer() {
    let (aws, mut slow, id, management) = connected(Options::default()).await;
    let (mut quick, event) = Client::accepted(&aws, &Runtime::new(&aws)).await;
    let quick_id = event["requestContext"]["connectionId"].as_str().unwrap();

    // The buffers of the two sockets take some megabytes, then the gateway's own fills.
    let mut accepted = 0_usize;
    let error = loop {
        let text = format!("{accepted:>32768}");
        match post(&management, &id, text).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
        assert!(accepted < 1000, "32 MiB wait for a client that reads nothing");
    };
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 429);
    assert!(error.into_service_error().is_limit_exceeded_exception());

    post(&management, quick_id, "quick").await.unwrap();
    assert_eq!(quick.text().await, "quick");

    // What was accepted arrives once the client reads, and then there is room again.
    for n in 0..accepted {
        assert_eq!(slow.text().await.trim_start(), n.to_string());
    }
    post(&management, &id, "room again").await.unwrap();
    assert_eq!(slow.text().await, "room again");
    aws.stop().await;
}

#[tokio::test]
async fn errors_have_the_form_that_every_sdk_decodes() {
    let (aws, _client, _, _) = connected(Options::default()).await;
    let url = format!("{}/@connections/L0SM9cOFvHcCIhw%3D", aws.callback_url());
    let response =
        reqwest::Client::builder().no_proxy().build().unwrap().post(url).body("x").send();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 410);
    assert_eq!(response.headers()["x-amzn-errortype"], "GoneException");
    assert_eq!(response.headers()["content-type"], "application/json");
    let body: Value = response.json().await.unwrap();
    assert!(body["message"].is_string());
    aws.stop().await;
}
