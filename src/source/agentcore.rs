//! What the harnesses and the runtimes of Bedrock AgentCore have in common.

use std::time::Duration;

use aws_sdk_bedrockagentcore::operation::stop_runtime_session::builders::StopRuntimeSessionFluentBuilder;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::error::chain;
use crate::retry::Backoff;

/// How long stopping a session may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// AgentCore's id of a session: 33 to 100 letters, digits, `-` and `_`, which the relay's own ids are not.
/// Cut or replaced characters would let two conversations meet, so it is a hash, in the letters that
/// every kind of session id may have.
pub(super) fn session_id(of_relay: &str) -> String {
    Sha256::digest(of_relay).iter().map(|byte| format!("{byte:02x}")).collect()
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
                Some(wait) if may_pass => tokio::time::sleep(wait).await,
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
