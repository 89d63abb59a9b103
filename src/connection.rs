//! A client's connection: posting frames to it, through API Gateway's `PostToConnection`.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::Builder;
use aws_sdk_apigatewaymanagement::config::endpoint::{
    DefaultResolver, Params, ResolveEndpoint as _,
};
use aws_sdk_apigatewaymanagement::error::SdkError;
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use thiserror::Error;
use tracing::{debug, warn};

use crate::error::chain;
use crate::event::Origin;
use crate::http::CONNECT_TIMEOUT;
use crate::retry::{Backoff, broke};

/// How long one attempt to post may take. Posts usually take some 20 ms, but users report that they
/// can hang (aws-sdk-js-v3 #6896 and #7632), and one that hangs would hold up the whole answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Takes the frames of a run, one after the other.
pub trait Connection {
    /// Delivers one frame, trying again for as long as that makes sense. Whoever has a deadline
    /// drops the future. Returns the number of attempts.
    ///
    /// # Errors
    /// The client is gone, or the frame can't be delivered whatever one does.
    fn post(&self, frame: Vec<u8>) -> impl Future<Output = Result<u32, PostError>> + Send;
}

/// Why a frame can't be delivered.
#[derive(Debug, Error)]
pub enum PostError {
    /// The client has closed the connection (410).
    #[error("the client has closed the connection")]
    Gone,
    /// API Gateway refused the post for good, for example because the function's role lacks
    /// `execute-api:ManageConnections` (403).
    #[error("API Gateway refused the post")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}

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
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let config = Builder::from(sdk)
            // Frames are tried again here, see `retry`.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // An attempt has its time limit, which bounds one that stalls, too.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
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
        Ok(Self { endpoint })
    }

    /// The connection that a message came from.
    ///
    /// # Errors
    /// The environment names no endpoint, and none can be derived from the event.
    pub fn to(&self, origin: &Origin) -> Result<GatewayConnection, NoCallback> {
        let client = match &self.endpoint {
            Endpoint::Configured(client) => client.clone(),
            Endpoint::Derived { config, host } => {
                let url = callback_url(origin, host)?;
                Client::from_conf(config.to_builder().endpoint_url(url).build())
            }
        };
        Ok(GatewayConnection { client, id: origin.connection_id.clone() })
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
fn callback_url(origin: &Origin, host: &str) -> Result<String, NoCallback> {
    let api_id = origin.api_id.as_deref().ok_or(NoCallback::Missing("API id"))?;
    let stage = origin.stage.as_deref().ok_or(NoCallback::Missing("stage"))?;
    Ok(format!("https://{api_id}.{host}/{stage}"))
}

/// One client's connection.
#[derive(Clone, Debug)]
pub struct GatewayConnection {
    client: Client,
    id: String,
}

impl Connection for GatewayConnection {
    async fn post(&self, frame: Vec<u8>) -> Result<u32, PostError> {
        let frame = Blob::new(frame);
        let mut attempt = 1;
        loop {
            let post = self.client.post_to_connection().connection_id(&self.id).data(frame.clone());
            // Large, and most of the time none is in flight.
            let Err(error) = Box::pin(post.send()).await else { return Ok(attempt) };
            match Verdict::on(&error) {
                Verdict::Gone => return Err(PostError::Gone),
                Verdict::Final => return Err(PostError::Refused(error.into())),
                Verdict::TryAgain => {
                    let wait = Backoff::POST.after(attempt).unwrap_or_default();
                    warn!(
                        attempt,
                        ?wait,
                        error = chain(&error),
                        "a post failed and is tried again"
                    );
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                }
            }
        }
    }
}

/// What a failed post means.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Gone,
    TryAgain,
    Final,
}

impl Verdict {
    fn on(error: &SdkError<PostToConnectionError>) -> Self {
        if error.as_service_error().is_some_and(PostToConnectionError::is_gone_exception) {
            return Self::Gone;
        }
        match error.raw_response().map(|response| response.status().as_u16()) {
            Some(410) => Self::Gone,
            Some(429 | 500..) => Self::TryAgain,
            Some(status) => {
                debug!(status, "API Gateway's answer to a post is final");
                Self::Final
            }
            // No answer at all: a time-out, or no connection. A request that could not even be
            // made, for want of credentials say, will not fare better next time.
            None => match error {
                SdkError::TimeoutError(_) => Self::TryAgain,
                SdkError::DispatchFailure(failure) if broke(failure) => Self::TryAgain,
                _ => Self::Final,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
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
            assert_eq!(callback_url(&origin(), &host).unwrap(), url);
        }
    }

    #[test]
    fn an_event_without_an_api_id_is_an_error_that_says_what_to_set() {
        let origin = Origin { api_id: None, ..origin() };
        let error = callback_url(&origin, "example").unwrap_err().to_string();
        assert!(error.contains("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"), "{error}");
        assert!(error.contains("no API id"), "{error}");
    }
}
