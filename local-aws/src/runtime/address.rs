//! Whom a request is for: a runtime, one of its endpoints and a session.

use axum::http::HeaderMap;

use crate::harness::address::{DEFAULT_ENDPOINT, session_id};
use crate::harness::exception::Refusal;
use crate::harness::service_model::{ANY_SESSION_ID, HARNESS_ENDPOINT_NAME};
use crate::harness::shape::{Shape, check_text, fits};
use crate::ids::hex_id;

/// The ARN of the scripted runtime.
pub const RUNTIME_ARN: &str =
    "arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime/local_runtime-LOCALRUNT1";

/// The name of a runtime.
const RUNTIME_ARN_PATTERN: &str = "arn:([^:]+)?:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:runtime/[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10}";

/// `agentRuntimeArn`
static RUNTIME_ARN_SHAPE: Shape =
    Shape::Text { length: 0..=usize::MAX, pattern: Some(RUNTIME_ARN_PATTERN) };

/// The runtime, the endpoint and the session that a request names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) runtime_arn: String,
    pub(super) endpoint: String,
    pub(super) session_id: String,
}

/// Whether this is the ARN of a runtime that has its own callers. One behind a harness has that in its name.
#[must_use]
pub fn is_runtime_arn(text: &str) -> bool {
    fits(text, RUNTIME_ARN_PATTERN) && !is_of_a_harness(text)
}

fn is_of_a_harness(arn: &str) -> bool {
    arn.rsplit_once('/').is_some_and(|(_, name)| name.contains("harness"))
}

impl Address {
    /// Reads the address of `InvokeAgentRuntime` or `StopRuntimeSession`. Whoever invokes may leave the
    /// session to the service.
    ///
    /// # Errors
    /// When something is missing or not as the model of the service has it.
    pub(super) fn read(
        runtime_arn: String,
        query: Option<&str>,
        headers: &HeaderMap,
        session_may_be_new: bool,
    ) -> Result<Self, Refusal> {
        check_text("agentRuntimeArn", Some(&runtime_arn), &RUNTIME_ARN_SHAPE)?;
        if is_of_a_harness(&runtime_arn) {
            let message = format!(
                "Agent runtime '{runtime_arn}' is managed by a harness and cannot be invoked directly."
            );
            return Err(Refusal::invalid_field("agentRuntimeArn", message));
        }
        let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let endpoint = pairs.find(|(name, _)| name == "qualifier");
        let endpoint = endpoint.map_or(DEFAULT_ENDPOINT.to_owned(), |(_, name)| name.into_owned());
        check_text("qualifier", Some(&endpoint), &HARNESS_ENDPOINT_NAME)?;
        let session_id = session_id(headers).or_else(|| session_may_be_new.then(new_session));
        check_text("runtimeSessionId", session_id.as_deref(), &ANY_SESSION_ID)?;
        Ok(Self { runtime_arn, endpoint, session_id: session_id.unwrap_or_default() })
    }
}

/// The id of a session that nobody has named.
fn new_session() -> String {
    format!("local-{}", hex_id())
}
