//! What the function of a test asks. Tests of what holds for any source run for each of them: for the
//! scripted agent, and with `TEST_BED_SOURCE=harness` or `runtime` for the scripted harness or runtime.

use std::fmt::Write as _;

use local_aws::{
    AGENT_ALIAS_ID, AGENT_ID, Entry, HARNESS_ARN, HarnessEnd, LocalAws, RUNTIME_ARN, Source,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The source that the environment of the tests names.
///
/// # Panics
/// It names none that there is.
pub fn source() -> Source {
    match std::env::var("TEST_BED_SOURCE").as_deref() {
        Err(_) | Ok("agent") => Source::Agent,
        Ok("harness") => Source::Harness,
        Ok("runtime") => Source::Runtime,
        Ok(other) => panic!("TEST_BED_SOURCE is {other}, but it must be agent, harness or runtime"),
    }
}

/// The function's variables that name a source.
pub fn variables(source: Source) -> Vec<(&'static str, &'static str)> {
    match source {
        Source::Agent => vec![("AGENT_ID", AGENT_ID), ("AGENT_ALIAS_ID", AGENT_ALIAS_ID)],
        Source::Harness => vec![("HARNESS_ARN", HARNESS_ARN)],
        Source::Runtime => vec![("RUNTIME_ARN", RUNTIME_ARN)],
    }
}

/// The SDK's variable for where the source is.
pub fn endpoint_variable() -> &'static str {
    match source() {
        Source::Agent => "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME",
        Source::Harness | Source::Runtime => "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE",
    }
}

/// Where the source is on a local AWS.
pub fn endpoint(aws: &LocalAws) -> String {
    match source() {
        Source::Agent => aws.agent_url(),
        Source::Harness => aws.harness_url(),
        Source::Runtime => aws.runtime_url(),
    }
}

/// The request with which a source was called, if an entry says so.
pub fn request_of(entry: &Entry) -> Option<&Value> {
    match entry {
        Entry::AgentInvoked { request, .. }
        | Entry::HarnessInvoked { request, .. }
        | Entry::RuntimeInvoked { request, .. } => Some(request),
        _ => None,
    }
}

/// Whether an entry says that a source was called.
pub fn is_call(entry: &Entry) -> bool {
    request_of(entry).is_some()
}

/// Whether an entry says that a source was called for a session of the relay.
pub fn is_call_for(entry: &Entry, session: &str) -> bool {
    match entry {
        Entry::AgentInvoked { session_id, .. } => session_id == session,
        Entry::HarnessInvoked { session_id, .. } | Entry::RuntimeInvoked { session_id, .. } => {
            *session_id == harness_session(session)
        }
        _ => false,
    }
}

/// Whether an entry says that the function has dropped the answer of a source, or that a harness has ended
/// it when the time was up that the function gave it.
pub fn is_drop(entry: &Entry) -> bool {
    matches!(
        entry,
        Entry::AgentDropped { .. }
            | Entry::HarnessAbandoned { .. }
            | Entry::HarnessEnded { how: HarnessEnd::TimedOut, .. }
    )
}

/// Whether an entry says that the function has dropped the answer of a source to a session of the relay.
pub fn is_drop_of(entry: &Entry, session: &str) -> bool {
    match entry {
        Entry::AgentDropped { session_id, .. } => session_id == session,
        Entry::HarnessAbandoned { session_id, .. } => *session_id == harness_session(session),
        _ => false,
    }
}

/// AgentCore's id of a session of the relay.
pub fn harness_session(session: &str) -> String {
    let mut id = String::new();
    for byte in Sha256::digest(session) {
        write!(id, "{byte:02x}").unwrap();
    }
    id
}
