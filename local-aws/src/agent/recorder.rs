//! The recorder: passes `InvokeAgent` on to an agent, and writes down what that says.
//!
//! The function signs for the host that it is given, which is this one, so a request is signed anew: by
//! the SDK, with the credentials of this machine. Its body is the one that came; the response is passed
//! on as it comes, before it is recorded.

use std::io;
use std::path::Path as FilePath;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::BehaviorVersion;
use aws_sdk_bedrockagentruntime::Client;
use aws_sdk_bedrockagentruntime::config::retry::RetryConfig;
use aws_sdk_bedrockagentruntime::config::{
    Config, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_sdk_bedrockagentruntime::error::DisplayErrorContext;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder as HttpClientBuilder, Connector};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::stream;
use http_body::Body as _;
use tokio::sync::watch;

use super::address::Address;
use super::event_stream;
use super::exception::{Exception, Refusal};
use super::recording::{RecordingFile, TurnRecording};
use crate::journal::{Entry, Journal};
use crate::options::Agent;

/// The largest request body that is passed on: Bedrock allows 25,000,000 characters of input text.
const REQUEST_LIMIT: usize = 128 * 1024 * 1024;

/// The header of `InvokeAgent` beside its body.
const SOURCE_ARN: &str = "x-amz-source-arn";

/// Passes requests on, and records the responses.
#[derive(Debug)]
struct Recorder {
    client: Client,
    file: RecordingFile,
    journal: Journal,
    stopping: watch::Receiver<bool>,
}

/// The route of `InvokeAgent`, below the endpoint URL that the function is given. It records in a new
/// file; the scripted agent has the endpoint URL that is given here.
///
/// # Errors
/// When the file exists or cannot be made.
pub(crate) async fn router(
    path: &FilePath,
    agent: Agent,
    scripted_url: String,
    journal: Journal,
    stopping: watch::Receiver<bool>,
) -> io::Result<Router> {
    let client = match agent {
        Agent::Scripted => scripted_agent(scripted_url),
        Agent::Real => real_agent().await,
    };
    let file = RecordingFile::create(path)?;
    let recorder = Arc::new(Recorder { client, file, journal, stopping });
    Ok(Router::new()
        .route(
            "/recorder/agents/{agentId}/agentAliases/{agentAliasId}/sessions/{sessionId}/text",
            post(invoke),
        )
        .with_state(recorder))
}

/// The client of a real agent, with what this machine is set up with.
async fn real_agent() -> Client {
    let http_client = HttpClientBuilder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        // Where this machine reaches AWS through a proxy, so does the recorder.
        connector
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build()
    });
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client);
    client(aws_sdk_bedrockagentruntime::config::Builder::from(&config.load().await))
}

/// The client of the scripted agent at this address.
fn scripted_agent(endpoint_url: String) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(HttpClientBuilder::new().build_http())
        .endpoint_url(endpoint_url)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"));
    client(config)
}

fn client(config: aws_sdk_bedrockagentruntime::config::Builder) -> Client {
    // Whether to try again, and how long to wait, is the function's to decide.
    let config = config
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    Client::from_conf(config.build())
}

async fn invoke(
    State(recorder): State<Arc<Recorder>>,
    Path(address): Path<Address>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = to_bytes(body, REQUEST_LIMIT).await else {
        let message = format!("The request is larger than {REQUEST_LIMIT} bytes.");
        return event_stream::refusal(&Refusal::invalid(message));
    };
    let exchange = Exchange {
        body,
        source_arn: headers.get(SOURCE_ARN).and_then(|arn| arn.to_str().ok()).map(str::to_owned),
        response: Arc::default(),
    };
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
    let response = exchange.response.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (response, sent) {
        (Some(response), _) => pass_on(recorder, address, response),
        (None, sent) => {
            let why = sent.err().map(|error| DisplayErrorContext(error).to_string());
            let message = format!("The recorder got no response: {}", why.unwrap_or_default());
            recorder.journal.record(Entry::AgentRefused {
                session_id: address.session_id,
                status: Exception::BadGateway.status(),
                exception: Exception::BadGateway.member().to_owned(),
                message: message.clone(),
            });
            event_stream::refusal(&Refusal { exception: Exception::BadGateway, message })
        }
    }
}

/// Passes a response on. One that is no stream of events is not recorded.
fn pass_on(recorder: Arc<Recorder>, address: Address, mut response: HttpResponse) -> Response {
    let status = StatusCode::from_u16(response.status().as_u16());
    let status = status.unwrap_or(StatusCode::BAD_GATEWAY);
    let of_the_service = |name: &str| name == "content-type" || name.starts_with("x-amz");
    let headers: HeaderMap = response
        .headers()
        .iter()
        .filter(|(name, _)| of_the_service(name))
        .filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value).ok()?))
        })
        .collect();
    let body = std::mem::replace(response.body_mut(), SdkBody::empty());
    if !status.is_success() {
        return (status, headers, Body::new(body)).into_response();
    }
    let stopping = recorder.stopping.clone();
    let turn = TurnRecording::new(address);
    let response = RecordedResponse { body, turn, recorder, stopping };
    let body = Body::from_stream(stream::unfold(response, async |mut response| {
        let bytes = response.next().await?;
        Some((bytes, response))
    }));
    (status, headers, body).into_response()
}

/// A response that is recorded while it is passed on. Where its caller leaves, its recording ends.
struct RecordedResponse {
    body: SdkBody,
    turn: TurnRecording,
    recorder: Arc<Recorder>,
    stopping: watch::Receiver<bool>,
}

impl RecordedResponse {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let frame =
                std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            let frame = tokio::select! {
                frame = frame => frame,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            match frame {
                Some(Ok(frame)) => {
                    // Trailers have nothing to tell.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.turn.push(&bytes);
                    return Some(Ok(bytes));
                }
                Some(Err(error)) => {
                    self.turn.end(true);
                    return Some(Err(io::Error::other(error)));
                }
                None => {
                    self.turn.end(false);
                    self.write();
                    return None;
                }
            }
        }
    }

    /// Writes the turn down, once.
    fn write(&mut self) {
        let (session_id, (lines, events)) = (self.turn.session_id(), self.turn.lines());
        if events == 0 {
            return;
        }
        let event = match self.recorder.file.add(lines) {
            Ok(turn) => Entry::AgentRecorded { session_id, turn, events },
            Err(error) => Entry::RecordingFailed { session_id, reason: error.to_string() },
        };
        self.turn.clear();
        self.recorder.journal.record(event);
    }
}

impl Drop for RecordedResponse {
    fn drop(&mut self) {
        self.write();
    }
}

/// Replaces the body of a request, and takes the response as it is.
#[derive(Clone, Debug)]
struct Exchange {
    body: Bytes,
    source_arn: Option<String>,
    response: Arc<Mutex<Option<HttpResponse>>>,
}

#[dyn_dispatch_hint]
impl Intercept for Exchange {
    fn name(&self) -> &'static str {
        "Exchange"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        *request.body_mut() = SdkBody::from(self.body.clone());
        request.headers_mut().insert("content-length", self.body.len().to_string());
        if let Some(arn) = &self.source_arn {
            request.headers_mut().try_insert(SOURCE_ARN, arn.clone())?;
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let mut taken = HttpResponse::new(response.status(), SdkBody::empty());
        std::mem::swap(&mut taken, response);
        *self.response.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        Ok(())
    }
}
