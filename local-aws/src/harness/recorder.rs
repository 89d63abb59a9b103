//! The recorder of a harness: passes `InvokeHarness` and `StopRuntimeSession` on, and writes down what the
//! harness says.

use aws_config::BehaviorVersion;
use aws_sdk_bedrockagentcore::Client;
use aws_sdk_bedrockagentcore::config::retry::RetryConfig;
use aws_sdk_bedrockagentcore::config::{
    Builder, Config, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_sdk_bedrockagentcore::error::DisplayErrorContext;
use aws_sdk_bedrockagentcore::types::{HarnessConversationRole, HarnessMessage};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::post;

use super::address::Address;
use super::exception::{HarnessException, Refusal};
use crate::journal::Entry;
use crate::options::Agent;
use crate::scripted::recording_proxy::{
    Exchange, RecordingProxy, http_client, local_http_client, pass_on_unrecorded,
};

/// The largest request body that is passed on: the service's own limit.
const REQUEST_LIMIT: usize = 100 * 1024 * 1024;

/// The headers of a request that are passed on beside its session: those that the service knows.
const HEADERS: [&str; 5] = [
    "x-amzn-bedrock-agentcore-runtime-user-id",
    "traceparent",
    "tracestate",
    "x-amzn-trace-id",
    "baggage",
];

/// Passes requests on, and records the responses.
#[derive(Clone, Debug)]
struct Recorder {
    client: Client,
    proxy: RecordingProxy,
}

/// The routes of a harness, below the endpoint URL that the function is given. The scripted harness has
/// the endpoint URL that is given here.
pub(crate) async fn router(proxy: RecordingProxy, agent: Agent, scripted_url: String) -> Router {
    let client = match agent {
        Agent::Scripted => scripted_harness(scripted_url),
        Agent::Real => real_harness().await,
    };
    Router::new()
        .route("/recorder/harnesses/invoke", post(invoke))
        .route("/recorder/runtimes/{agentRuntimeArn}/stopruntimesession", post(stop))
        .with_state(Recorder { client, proxy })
}

/// The client of a real harness, with what this machine is set up with.
async fn real_harness() -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
    client(Builder::from(&config.load().await))
}

/// The client of the scripted harness at this address.
fn scripted_harness(endpoint_url: String) -> Client {
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
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = to_bytes(body, REQUEST_LIMIT).await else { return too_large() };
    let address = match Address::of_invocation(uri.query(), &headers) {
        Ok(address) => address,
        Err(refusal) => return refusal.into_response(),
    };
    // The SDK wants messages to build a body from, which is then replaced.
    let message = HarnessMessage::builder()
        .role(HarnessConversationRole::User)
        .set_content(Some(Vec::new()))
        .build();
    let message = match message {
        Ok(message) => message,
        Err(error) => return no_response(&recorder, address.session_id, Some(error)),
    };
    let exchange = Exchange::new(body, &headers, &HEADERS);
    let sent = recorder
        .client
        .invoke_harness()
        .harness_arn(&address.harness_arn)
        .set_qualifier(address.named_endpoint())
        .runtime_session_id(&address.session_id)
        .messages(message)
        .customize()
        .interceptor(exchange.clone())
        .send()
        .await;
    match exchange.take_response() {
        Some(response) => recorder.proxy.pass_on(address, response),
        None => no_response(&recorder, address.session_id, sent.err()),
    }
}

async fn stop(
    State(recorder): State<Recorder>,
    Path(harness_arn): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = to_bytes(body, REQUEST_LIMIT).await else { return too_large() };
    let address = match Address::of_stop(harness_arn, uri.query(), &headers) {
        Ok(address) => address,
        Err(refusal) => return refusal.into_response(),
    };
    let exchange = Exchange::new(body, &headers, &[]);
    let sent = recorder
        .client
        .stop_runtime_session()
        .agent_runtime_arn(&address.harness_arn)
        .set_qualifier(address.named_endpoint())
        .runtime_session_id(&address.session_id)
        .customize()
        .interceptor(exchange.clone())
        .send()
        .await;
    match exchange.take_response() {
        Some(response) => pass_on_unrecorded(response),
        None => no_response(&recorder, address.session_id, sent.err()),
    }
}

fn too_large() -> Response {
    let message = format!("The request is larger than {REQUEST_LIMIT} bytes.");
    Refusal::unreadable(message).into_response()
}

fn no_response(
    recorder: &Recorder,
    session_id: String,
    error: Option<impl std::error::Error>,
) -> Response {
    let why = error.map(|error| DisplayErrorContext(error).to_string());
    let message = format!("The recorder got no response: {}", why.unwrap_or_default());
    let exception = HarnessException::InternalServer;
    recorder.proxy.journal().record(Entry::AgentRefused {
        session_id,
        status: exception.status(),
        exception: exception.member().to_owned(),
        message: message.clone(),
    });
    Refusal::new(exception, message).into_response()
}
