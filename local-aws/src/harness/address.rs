//! Whom a request is for: a harness, one of its endpoints and a session.

use axum::http::HeaderMap;

use super::exception::Refusal;
use super::service_model::{self, HARNESS_ARN_PATTERN, HARNESS_ENDPOINT_NAME, HEADERS};
use super::shape::{check_text, fits};

/// The ARN of the scripted harness.
pub const HARNESS_ARN: &str =
    "arn:aws:bedrock-agentcore:us-east-1:000000000000:harness/local_harness-LOCALHARN1";

/// The header that names the session, of requests and of responses.
pub(crate) const SESSION_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// The endpoint that is meant where none is named.
pub(crate) const DEFAULT_ENDPOINT: &str = "DEFAULT";

/// The harness, the endpoint and the session that a request names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) harness_arn: String,
    pub(super) endpoint: String,
    pub(super) session_id: String,
}

/// Whether this is the ARN of a harness.
#[must_use]
pub fn is_harness_arn(text: &str) -> bool {
    fits(text, HARNESS_ARN_PATTERN)
}

/// Whether this can be the name of an endpoint of a harness or a runtime.
#[must_use]
pub fn is_harness_endpoint(text: &str) -> bool {
    check_text("qualifier", Some(text), &HARNESS_ENDPOINT_NAME).is_ok()
}

impl Address {
    /// Reads the address of `InvokeHarness`: query and headers.
    ///
    /// # Errors
    /// When something is missing or not as the model of the service has it.
    pub(super) fn of_invocation(query: Option<&str>, headers: &HeaderMap) -> Result<Self, Refusal> {
        let parameter = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
            pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        let harness_arn = parameter("harnessArn");
        check_text("harnessArn", harness_arn.as_deref(), &service_model::HARNESS_ARN)?;
        let endpoint = parameter("qualifier").unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        check_text("qualifier", Some(&endpoint), &HARNESS_ENDPOINT_NAME)?;
        let session_id = session_id(headers);
        check_text("runtimeSessionId", session_id.as_deref(), &service_model::SESSION_ID)?;
        for (name, shape) in &HEADERS {
            if let Some(value) = headers.get(*name) {
                check_text(name, Some(&String::from_utf8_lossy(value.as_bytes())), shape)?;
            }
        }
        Ok(Self {
            harness_arn: harness_arn.unwrap_or_default(),
            endpoint,
            session_id: session_id.unwrap_or_default(),
        })
    }

    /// Reads the address of `StopRuntimeSession`, whose path names the harness.
    ///
    /// # Errors
    /// When something is missing or not as the model of the service has it, or it is no harness.
    pub(super) fn of_stop(
        harness_arn: String,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Self, Refusal> {
        let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let endpoint = pairs.find(|(name, _)| name == "qualifier");
        let endpoint = endpoint.map_or(DEFAULT_ENDPOINT.to_owned(), |(_, name)| name.into_owned());
        check_text("qualifier", Some(&endpoint), &HARNESS_ENDPOINT_NAME)?;
        let session_id = session_id(headers);
        check_text("runtimeSessionId", session_id.as_deref(), &service_model::ANY_SESSION_ID)?;
        if harness_arn.contains(":runtime/") {
            let message = format!(
                "Agent runtime '{harness_arn}' is managed by a harness and cannot be invoked directly."
            );
            return Err(Refusal::invalid_field("agentRuntimeArn", message));
        }
        check_text("agentRuntimeArn", Some(&harness_arn), &service_model::HARNESS_ARN)?;
        Ok(Self { harness_arn, endpoint, session_id: session_id.unwrap_or_default() })
    }

    /// The endpoint, where it is not the one that is meant anyhow.
    pub(super) fn named_endpoint(&self) -> Option<String> {
        (self.endpoint != DEFAULT_ENDPOINT).then(|| self.endpoint.clone())
    }

    /// A session of the scripted harness, for tests.
    #[cfg(test)]
    pub(super) fn example(session_id: &str) -> Self {
        Self {
            harness_arn: HARNESS_ARN.to_owned(),
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            session_id: session_id.to_owned(),
        }
    }
}

/// The session that a request names, whether or not it can be one.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(SESSION_HEADER)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
