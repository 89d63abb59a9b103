//! A client's connection: posting frames to it, through API Gateway's `PostToConnection`.

use std::error::Error;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::endpoint::{
    DefaultResolver, Params, ResolveEndpoint as _,
};
use aws_sdk_apigatewaymanagement::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_apigatewaymanagement::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_apigatewaymanagement::error::{BoxError, ProvideErrorMetadata as _, SdkError};
use aws_sdk_apigatewaymanagement::operation::post_to_connection::{
    PostToConnectionError, PostToConnectionOutput,
};
use aws_sdk_apigatewaymanagement::primitives::Blob;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::body::SdkBody;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};
use thiserror::Error;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use crate::aws::{CONNECT_TIMEOUT, Rehearsal, is_lost_on_the_way};
use crate::error::chain;
use crate::invocation::ConnectionRef;
use crate::retry::{self, Backoff};
use crate::transport::{FrameSink, Outgoing, SendError};

/// The largest post, in bytes of UTF-8. API Gateway takes 128 KiB a message but delivers it in
/// WebSocket frames of at most 32 KiB, and bills in units of that size (quotas page of WebSocket
/// APIs).
pub const MAX_FRAME: usize = 32 * 1024;

/// How long the first attempt to post may take. Posts usually take some 20 ms, but users report that
/// they can hang (aws-sdk-js-v3 #6896 and #7632), and one that hangs holds up the whole answer.
const FIRST_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(2500);

/// How long each further attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long "forbidden" is not believed while nothing has been delivered yet by this process: changes
/// of rights take seconds until they hold everywhere ("Changes that I make are not always immediately
/// visible", IAM User Guide).
const RIGHTS_SPREAD: Duration = Duration::from_secs(5);

/// Why no connection can be had.
#[derive(Debug, Error)]
pub enum NoCallback {
    /// The event lacks what the callback URL is made of.
    #[error(
        "the callback URL is unknown, since the event has no {0}: set AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI to https://{{api-id}}.execute-api.{{region}}.amazonaws.com/{{stage}}"
    )]
    Missing(&'static str),
    /// The SDK knows no endpoint for the Region.
    #[error("the SDK has no execute-api endpoint for the Region")]
    Region(#[source] Box<dyn Error + Send + Sync>),
}

/// The connections of all clients.
#[derive(Clone, Debug)]
pub struct Connections {
    endpoint: Endpoint,
    /// Whether any post of this process has arrived.
    delivered: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
enum Endpoint {
    /// The one that the environment names.
    Configured(Client),
    /// One for each API and stage, on the Region's host.
    Derived { config: Box<aws_sdk_apigatewaymanagement::Config>, host: String },
}

impl Connections {
    /// Connections through the SDK configuration. With `endpoint_is_set` the environment names the
    /// callback endpoint, which the SDK reads by itself; without, it is derived from each event.
    ///
    /// # Errors
    /// The endpoint is to be derived, and the SDK knows none for the Region.
    pub async fn new(sdk: &SdkConfig, endpoint_is_set: bool) -> Result<Self, NoCallback> {
        let config = Builder::from(sdk)
            // Frames are tried again here, see `retry`.
            .retry_config(retry::without_the_sdk())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
            // An attempt has its time limit, which bounds one that stalls, too.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .interceptor(IgnoreBodyOfSuccess)
            .build();
        let endpoint = if endpoint_is_set {
            Endpoint::Configured(Client::from_conf(config))
        } else {
            let region = sdk.region().ok_or(NoCallback::Missing("Region"))?;
            Endpoint::Derived {
                config: config.into(),
                host: execute_api_host(region.as_ref()).await?,
            }
        };
        Ok(Self { endpoint, delivered: Arc::default() })
    }

    /// The connection that a message came from.
    ///
    /// # Errors
    /// The environment names no endpoint, and none can be derived from the event.
    pub fn to(&self, connection: &ConnectionRef) -> Result<Connection, NoCallback> {
        let client = match &self.endpoint {
            Endpoint::Configured(client) => client.clone(),
            Endpoint::Derived { config, host } => {
                let url = callback_url(connection, host)?;
                Client::from_conf(config.to_builder().endpoint_url(url).build())
            }
        };
        let delivered = Arc::clone(&self.delivered);
        Ok(Connection { client, id: connection.connection_id.clone(), delivered })
    }

    /// Posts to nobody through `rehearsal`, if the address is known before there is an event.
    pub async fn rehearse(&self, rehearsal: Rehearsal) {
        if let Endpoint::Configured(client) = &self.endpoint {
            let post = client.post_to_connection().connection_id("rehearsal").data(Blob::new(""));
            let override_ = Builder::new().http_client(rehearsal);
            let sent = post.customize().config_override(override_).send().await;
            debug!(ended = ?sent.err().map(|error| chain(&error)), "a post was rehearsed");
        }
    }
}

/// The host of a Region's APIs, `execute-api.{region}.{suffix}`: the SDK knows the suffix of every
/// partition.
async fn execute_api_host(region: &str) -> Result<String, NoCallback> {
    let params = Params::builder().region(region).build();
    let params = params.map_err(|error| NoCallback::Region(error.into()))?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await;
    let url = endpoint.map_err(NoCallback::Region)?.url().to_owned();
    Ok(url.trim_start_matches("https://").trim_end_matches('/').to_owned())
}

/// `https://{apiId}.execute-api.{region}.{suffix}/{stage}`, as "Use @connections commands in your
/// backend service" has it. The host name of the event is not used: with a custom domain it is one
/// that does not serve callbacks, and a client could choose it.
fn callback_url(connection: &ConnectionRef, host: &str) -> Result<String, NoCallback> {
    let api_id = connection.api_id.as_deref().ok_or(NoCallback::Missing("API id"))?;
    let stage = connection.stage.as_deref().ok_or(NoCallback::Missing("stage"))?;
    Ok(format!("https://{api_id}.{host}/{stage}"))
}

/// One client's connection.
#[derive(Clone, Debug)]
pub struct Connection {
    client: Client,
    id: String,
    /// That of all [`Connections`].
    delivered: Arc<AtomicBool>,
}

impl FrameSink for Connection {
    fn max_frame(&self) -> Option<usize> {
        Some(MAX_FRAME)
    }

    async fn send(&self, outgoing: Outgoing) -> Result<u32, SendError> {
        let Outgoing::Frame(frame) = outgoing else { return Ok(1) };
        let frame = Blob::new(frame);
        let mut forbidden_since = None;
        let mut attempt = 1;
        loop {
            let post = self.client.post_to_connection().connection_id(&self.id).data(frame.clone());
            // Large, and most of the time none is in flight.
            let sent = Box::pin(timeout(time_limit(attempt), post.send())).await;
            let Some(error) = FailedPost::of(sent) else {
                self.delivered.store(true, Relaxed);
                return Ok(attempt);
            };
            let wait = match error.decision() {
                RetryDecision::Gone => return Err(SendError::Gone),
                RetryDecision::Never => return Err(SendError::Refused(error.into())),
                RetryDecision::WhileRightsSpread => {
                    let since = *forbidden_since.get_or_insert_with(Instant::now);
                    if self.delivered.load(Relaxed) || since.elapsed() >= RIGHTS_SPREAD {
                        return Err(SendError::Refused(error.into()));
                    }
                    Backoff::POST.after(attempt)
                }
                // The connection had died, most likely, and the next attempt has a new one.
                RetryDecision::OnAnotherConnection if attempt == 1 => Some(Duration::ZERO),
                RetryDecision::OnAnotherConnection | RetryDecision::Later => {
                    Backoff::POST.after(attempt)
                }
            };
            let wait = wait.unwrap_or_default();
            warn!(attempt, ?wait, error = chain(&error), "a post failed and is tried again");
            if !wait.is_zero() {
                sleep(wait).await;
            }
            attempt += 1;
        }
    }
}

/// How long an attempt may take. The first may be on a connection that has died unnoticed, and one
/// that was only slow arrives twice, with the same number.
fn time_limit(attempt: u32) -> Duration {
    if attempt == 1 { FIRST_ATTEMPT_TIMEOUT } else { ATTEMPT_TIMEOUT }
}

/// Why a post was not delivered.
#[derive(Debug, Error)]
enum FailedPost {
    #[error("there was no answer in time")]
    TimedOut(#[source] Elapsed),
    #[error("API Gateway refused the post")]
    Sdk(#[source] Box<SdkError<PostToConnectionError>>),
}

/// What is to be done about a failed post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RetryDecision {
    /// Nothing: the client has closed its connection.
    Gone,
    /// Nothing: the answer will not change.
    Never,
    /// Try again after a wait.
    Later,
    /// Try again: the request or its answer was lost on the way.
    OnAnotherConnection,
    /// Try again for a while: after a deployment it takes seconds until a new right holds everywhere.
    WhileRightsSpread,
}

impl FailedPost {
    /// `None` for a post that was delivered.
    fn of(
        sent: Result<Result<PostToConnectionOutput, SdkError<PostToConnectionError>>, Elapsed>,
    ) -> Option<Self> {
        match sent {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(Self::Sdk(error.into())),
            Err(elapsed) => Some(Self::TimedOut(elapsed)),
        }
    }

    fn decision(&self) -> RetryDecision {
        let Self::Sdk(error) = self else { return RetryDecision::OnAnotherConnection };
        // What API Gateway calls it says more than the status.
        if let Some(name) = error.code() {
            if name == "GoneException" {
                return RetryDecision::Gone;
            }
            if THROTTLING_ERRORS.contains(&name) || TRANSIENT_ERRORS.contains(&name) {
                return RetryDecision::Later;
            }
        }
        match error.raw_response().map(|response| response.status().as_u16()) {
            Some(410) => RetryDecision::Gone,
            Some(403) => RetryDecision::WhileRightsSpread,
            Some(408 | 429 | 500..) => RetryDecision::Later,
            // No final answer: HTTP/1.1 has none below 200 to a post.
            Some(..200) => RetryDecision::OnAnotherConnection,
            Some(status) => {
                debug!(status, "API Gateway's answer to a post is final");
                RetryDecision::Never
            }
            None if is_lost_on_the_way(error) => RetryDecision::OnAnotherConnection,
            // A request that could not even be made, for want of credentials say, will not fare better
            // next time.
            None => RetryDecision::Never,
        }
    }
}

/// How much of a good answer's body is read, and for how long. It should be empty; one that comes late
/// is read to its end, so that its connection can be used again.
const REST_BYTES: usize = 64 * 1024;
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes the body of a good answer away: the frame is delivered, whatever becomes of the rest.
#[derive(Debug)]
struct IgnoreBodyOfSuccess;

#[dyn_dispatch_hint]
impl Intercept for IgnoreBodyOfSuccess {
    fn name(&self) -> &'static str {
        "IgnoreBodyOfSuccess"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success() {
            let body = mem::replace(response.body_mut(), SdkBody::empty());
            if !body.is_end_stream() {
                let rest = Limited::new(body, REST_BYTES);
                tokio::spawn(async move { timeout(REST_TIMEOUT, rest.collect()).await.map(drop) });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection_ref() -> ConnectionRef {
        ConnectionRef {
            connection_id: "JKJZ8fTwSQhgCIhw=".to_owned(),
            api_id: Some("abc123".to_owned()),
            stage: Some("prod".to_owned()),
        }
    }

    #[tokio::test]
    async fn the_callback_url_follows_the_region_and_its_partition() {
        for (region, url) in [
            ("eu-west-1", "https://abc123.execute-api.eu-west-1.amazonaws.com/prod"),
            ("cn-north-1", "https://abc123.execute-api.cn-north-1.amazonaws.com.cn/prod"),
        ] {
            let host = execute_api_host(region).await.unwrap();
            assert_eq!(callback_url(&connection_ref(), &host).unwrap(), url);
        }
    }

    #[test]
    fn an_event_without_an_api_id_is_an_error_that_says_what_to_set() {
        let connection = ConnectionRef { api_id: None, ..connection_ref() };
        let error = callback_url(&connection, "example").unwrap_err().to_string();
        assert!(error.contains("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"), "{error}");
        assert!(error.contains("no API id"), "{error}");
    }
}
