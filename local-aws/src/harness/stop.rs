//! What a request to stop a session asks for, and how a session ends.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use serde_json::Value;

use super::exception::{HarnessException, Refusal};
use super::service_model::STOP_REQUEST;
use super::shape;
use crate::journal::{Entry, Journal};
use crate::scripted::sessions::Stop;

/// The largest request body that is read where texts are sent. The service's own limit is 100 MB; this is
/// more than any test needs.
pub(crate) const REQUEST_LIMIT: usize = 4 * 1024 * 1024;

/// The body of a request.
///
/// # Errors
/// When it is too large.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::unreadable(format!("The request is larger than {limit} bytes."));
    to_bytes(body, limit).await.map_err(|_| too_large())
}

/// What tells apart the requests to stop a session, if this one has it.
///
/// # Errors
/// When the body is not as the model of the service has it.
pub(crate) fn client_token(body: &[u8]) -> Result<Option<String>, Refusal> {
    if body.is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::unreadable(format!("The request is not JSON: {error}")))?;
    shape::check(&value, &STOP_REQUEST)?;
    Ok(value["clientToken"].as_str().map(str::to_owned))
}

/// Ends the run of a session that is stopped.
///
/// # Errors
/// When there is no such session.
pub(crate) async fn end(stop: Stop, session_id: &str, journal: &Journal) -> Result<(), Refusal> {
    let run = match stop {
        Stop::Repeated => return Ok(()),
        Stop::NoSession => {
            let message = format!("Session {session_id} not found");
            return Err(Refusal::new(HarnessException::ResourceNotFound, message));
        }
        Stop::Stopped(run) => run,
    };
    journal.record(Entry::SessionStopped { session_id: session_id.to_owned() });
    if let Some(run) = run {
        run.stop().await;
    }
    Ok(())
}
