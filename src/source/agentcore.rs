//! What harnesses and runtimes of Bedrock `AgentCore` have in common: their client, the ids of their
//! sessions, how sessions are stopped, and how the service refuses.

use std::time::Duration;

use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_bedrockagentcore::Client;
use aws_sdk_bedrockagentcore::config::Builder;
use aws_sdk_bedrockagentcore::operation::stop_runtime_session::builders::StopRuntimeSessionFluentBuilder;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::aws::CONNECT_TIMEOUT;
use crate::error::chain;
use crate::ids::hex_hash;
use crate::retry::{self, Backoff};

pub(super) mod failure;

/// How long stopping a session may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of the service in this Region.
pub(super) fn client(sdk: &SdkConfig, region: &str) -> Client {
    let settings = Builder::from(sdk)
        .region(Region::new(region.to_owned()))
        // Calls are tried again here, see `retry`.
        .retry_config(retry::without_the_sdk())
        // For the answer itself there is no limit but the function's own time: an agent may work for
        // minutes.
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        // It may be silent for as long as it likes, which the SDK would not let it.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build();
    Client::from_conf(settings)
}

/// The service's id of a session: 33 to 100 letters, digits, `-` and `_`, which the relay's own ids are
/// not. Cut or replaced characters would let two conversations meet, so it is a hash, in the letters that
/// every kind of session id may have.
pub(super) fn session_id(of_relay: &str) -> String {
    hex_hash(of_relay)
}

/// Ends a session and what runs in it, as far as that is possible.
pub(super) async fn stop(request: StopRuntimeSessionFluentBuilder) {
    let stopping = async {
        let mut attempt = 1;
        while let Err(error) = Box::pin(request.clone().send()).await {
            let status = error.raw_response().map(|response| response.status().as_u16());
            if status == Some(404) {
                debug!("the session has ended by itself");
                return;
            }
            let may_pass = status.is_none_or(|status| matches!(status, 409 | 429 | 500..));
            match Backoff::AGENT.after(attempt) {
                Some(wait) if may_pass => sleep(wait).await,
                _ => {
                    warn!(error = chain(&error), "the session of the agent could not be stopped");
                    return;
                }
            }
            attempt += 1;
        }
        info!("the session of the agent was stopped");
    };
    if timeout(STOP_TIMEOUT, stopping).await.is_err() {
        warn!("the session of the agent was not stopped in time");
    }
}
