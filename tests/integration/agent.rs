//! The agent's client, over real sockets.

use std::pin::pin;
use std::time::Duration;

use agent_relay::config::BedrockAgentConfig;
use agent_relay::source::bedrock_agent::BedrockAgent;
use agent_relay::source::{Event, Source as _};
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_bedrockagentruntime::config::{Credentials, Region};
use futures::StreamExt as _;
use local_aws::{AGENT_ALIAS_ID, AGENT_ID, LocalAws, Options};
use test_support::{soon, start};
use tokio::time::Instant;

use crate::runs::run;

/// An SDK configuration that ends a stream after one second without data, where the default is 20.
async fn short_stall_limit(aws: &LocalAws) -> SdkConfig {
    let protection =
        StalledStreamProtectionConfig::enabled().grace_period(Duration::from_secs(1)).build();
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .endpoint_url(aws.agent_url())
        .stalled_stream_protection(protection)
        .load()
        .await
}

/// Why the test below can't fail with this SDK: its generated code puts the interceptor that ends
/// stalled streams into every operation but those with event streams. Should a later SDK put it
/// there, too, this test fails, and the setting that the one below watches begins to matter.
#[tokio::test]
async fn the_sdk_leaves_event_streams_unprotected() {
    let aws = start(Options::default()).await;
    let client = aws_sdk_bedrockagentruntime::Client::new(&short_stall_limit(&aws).await);
    let sent = client
        .invoke_agent()
        .agent_id("LOCALAGENT")
        .agent_alias_id("LOCALALIAS")
        .session_id("thread-1")
        .input_text("/slow 6")
        .send();
    let mut completion = soon("the response", sent).await.unwrap().completion;
    while soon("an event", completion.recv()).await.unwrap().is_some() {}
}

#[tokio::test]
async fn an_agent_may_be_silent() {
    let aws = start(Options::default()).await;
    let agent = BedrockAgentConfig {
        agent_id: AGENT_ID.to_owned(),
        agent_alias_id: AGENT_ALIAS_ID.to_owned(),
        memory_id: None,
    };
    let agent = BedrockAgent::new(&short_stall_limit(&aws).await, agent);
    let call = agent.prepare(&run("/slow 6"), Instant::now()).unwrap();
    let mut events = pin!(agent.invoke(call));
    let mut text = Vec::new();
    while let Some(event) = soon("an event", events.next()).await {
        let Event::Text(bytes) = event.unwrap() else { continue };
        text.extend(bytes);
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("of silence"), "{text}");
}
