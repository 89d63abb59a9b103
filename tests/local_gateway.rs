//! API Gateway's WebSocket side of the local AWS, with a real client and a function made of a few lines.
#![cfg(feature = "local")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod local_support;

use agent_relay::local::Options;
use local_support::{Client, Runtime, start};

#[tokio::test]
async fn a_message_reaches_the_function() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (mut client, connect) = Client::accepted(&aws, &runtime).await;
    client.send("hello").await;
    let event = runtime.accept("$default").await;
    println!("{connect:#}\n{event:#}");
    client.socket.close(None).await.unwrap();
    let event = runtime.accept("$disconnect").await;
    println!("{event:#}");
    println!("{:#?}", aws.journal().events());
    aws.stop().await;
}
