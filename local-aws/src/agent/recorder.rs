//! The recorder of an agent: passes `InvokeAgent` on, and writes down what is said.

use aws_config::BehaviorVersion;
use aws_sdk_bedrockagentruntime::Client;
use aws_sdk_bedrockagentruntime::config::retry::RetryConfig;
use aws_sdk_bedrockagentruntime::config::{
    Builder, Config, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_sdk_bedrockagentruntime::error::DisplayErrorContext;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;

use super::address::Address;
use super::exception::{Exception, Refusal};
use crate::journal::Entry;
use crate::options::Agent;
use crate::scripted::recording_proxy::{Exchange, RecordingProxy, http_client, local_http_client};

/// The largest request body that is passed on: Bedrock allows 25,000,000 characters of input text.
const REQUEST_LIMIT: usize = 128 * 1024 * 1024;

/// The header of `InvokeAgent` beside its body.
const SOURCE_ARN: &str = "x-amz-source-arn";

/// Passes requests on, and records the responses.
#[derive(Clone, Debug)]
struct Recorder {
    client: Client,
    proxy: RecordingProxy,
}

/// The route of `InvokeAgent`, below the endpoint URL that the function is given. The scripted agent has
/// the endpoint URL that is given here.
pub(crate) async fn router(proxy: RecordingProxy, agent: Agent, scripted_url: String) -> Router {
    let client = match agent {
        Agent::Scripted => scripted_agent(scripted_url),
        Agent::Real => real_agent().await,
    };
    Router::new()
        .route(
            "/recorder/agents/{agentId}/agentAliases/{agentAliasId}/sessions/{sessionId}/text",
            post(invoke),
        )
        .with_state(Recorder { client, proxy })
}

/// The client of a real agent, with what this machine is set up with.
async fn real_agent() -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
    client(Builder::from(&config.load().await))
}

/// The client of the scripted agent at this address.
fn scripted_agent(endpoint_url: String) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(local_http_client())
        .endpoint_url(endpoint_url)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"));
    client(config)
}

fn client(config: Builder) -> Client {
    // Whether to try again, and how long to wait, is the function's to decide.
    let config = config
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Client::from_conf(config.build())
}

async fn invoke(
    State(recorder): State<Recorder>,
    Path(address): Path<Address>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = to_bytes(body, REQUEST_LIMIT).await else {
        let message = format!("The request is larger than {REQUEST_LIMIT} bytes.");
        return Refusal::invalid(message).into_response();
    };
    let exchange = Exchange::new(body, &headers, &[SOURCE_ARN]);
    let sent = recorder
        .client
        .invoke_agent()
        .agent_id(&address.agent_id)
        .agent_alias_id(&address.agent_alias_id)
        .session_id(&address.session_id)
        .customize()
        .interceptor(exchange.clone())
        .send()
        .await;
    if let Some(response) = exchange.take_response() {
        return recorder.proxy.pass_on(address, response);
    }
    let why = sent.err().map(|error| DisplayErrorContext(error).to_string());
    let message = format!("The recorder got no response: {}", why.unwrap_or_default());
    recorder.proxy.journal().record(Entry::AgentRefused {
        session_id: address.session_id,
        status: Exception::BadGateway.status(),
        exception: Exception::BadGateway.member().to_owned(),
        message: message.clone(),
    });
    Refusal { exception: Exception::BadGateway, message }.into_response()
}
