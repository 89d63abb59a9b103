//! API Gateway's `@connections` commands: how the function reaches a client.
//!
//! Shapes as in the model of the SDK's `apigatewaymanagementapi`. Any signature is accepted, none is
//! asked for.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::stream;
use serde_json::json;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::faults::{FaultInjector, PostFault, Verdict};
use super::gateway::{Gateway, PostError};
use super::journal::{Entry, Journal};

/// What the commands need.
#[derive(Clone)]
pub(crate) struct ManagementApi {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) journal: Journal,
    /// How long the answer to a post takes.
    pub(crate) post_latency: Duration,
    /// The largest data of a post, in bytes.
    pub(crate) message_bytes: usize,
    pub(crate) faults: FaultInjector,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The errors of the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Gone,
    PayloadTooLarge,
    LimitExceeded,
    NotText,
    /// A fault wants this status.
    Injected(u16),
}

/// The routes of the commands.
pub(crate) fn router(api: ManagementApi) -> Router {
    Router::new()
        .route("/local/@connections/{connection_id}", post(send).get(inspect).delete(end))
        .with_state(api)
}

async fn send(
    State(api): State<ManagementApi>,
    Path(connection_id): Path<String>,
    body: Body,
) -> Response {
    let Ok(data) = to_bytes(body, api.message_bytes).await else {
        // The bytes past the limit are not read, so the connection ends with this answer.
        let refused = Err(Refusal::PayloadTooLarge);
        return api.answer(connection_id, Bytes::new(), refused, Duration::ZERO).await;
    };
    let (outcome, more_latency) = match api.fault(&connection_id) {
        None => (api.deliver(&connection_id, &data), Duration::ZERO),
        Some(PostFault::Slow(time)) => (api.deliver(&connection_id, &data), time),
        Some(PostFault::Status(status)) => (Err(Refusal::Injected(status)), Duration::ZERO),
        Some(PostFault::Hang) => {
            let mut stopping = api.stopping.clone();
            // An error means that everything has stopped.
            let _ = stopping.wait_for(|stopping| *stopping).await;
            return cut();
        }
        Some(PostFault::Cut) => return cut(),
        Some(PostFault::LoseAnswer) => {
            let outcome = api.deliver(&connection_id, &data);
            api.answer(connection_id, data, outcome, Duration::ZERO).await;
            return cut();
        }
    };
    api.answer(connection_id, data, outcome, more_latency).await
}

async fn inspect(State(api): State<ManagementApi>, Path(connection_id): Path<String>) -> Response {
    let connection = api.gateway.connection(&connection_id);
    let status = if connection.is_some() { StatusCode::OK } else { StatusCode::GONE };
    api.journal.record(Entry::Inspected { connection_id, status: status.as_u16() });
    let Some(connection) = connection else { return Refusal::Gone.into_response() };
    let mut identity = json!({ "sourceIp": connection.source_ip });
    if let Some(user_agent) = &connection.user_agent {
        identity["userAgent"] = json!(user_agent);
    }
    axum::Json(json!({
        "connectedAt": timestamp(connection.connected_at),
        "identity": identity,
        "lastActiveAt": timestamp(connection.last_active_at()),
    }))
    .into_response()
}

async fn end(State(api): State<ManagementApi>, Path(connection_id): Path<String>) -> Response {
    let connection = api.gateway.connection(&connection_id);
    let status = if connection.is_some() { StatusCode::NO_CONTENT } else { StatusCode::GONE };
    api.journal.record(Entry::Deleted { connection_id, status: status.as_u16() });
    match connection {
        Some(connection) => {
            connection.close();
            StatusCode::NO_CONTENT.into_response()
        }
        None => Refusal::Gone.into_response(),
    }
}

impl ManagementApi {
    /// What goes wrong with a post on purpose, if anything. A connection that has ended has no
    /// faults but that.
    fn fault(&self, connection_id: &str) -> Option<PostFault> {
        let connection = self.gateway.connection(connection_id)?;
        let verdict = self.faults.judge(&connection.fate)?;
        let subject = connection_id.to_owned();
        self.journal.record(Entry::FaultInjected { kind: verdict.kind(), subject });
        match verdict {
            Verdict::Fault(fault) => Some(fault),
            Verdict::Vanish => {
                connection.vanish();
                Some(PostFault::Status(410))
            }
        }
    }

    /// Hands a post to its connection, if that takes it.
    fn deliver(&self, connection_id: &str, data: &Bytes) -> Result<(), Refusal> {
        let connection = self.gateway.connection(connection_id).ok_or(Refusal::Gone)?;
        let text = Utf8Bytes::try_from(data.clone()).map_err(|_| Refusal::NotText)?;
        connection.post(text).map_err(|error| match error {
            PostError::Gone => Refusal::Gone,
            PostError::BufferFull => Refusal::LimitExceeded,
        })
    }

    /// The answer to a post, when it is due.
    async fn answer(
        &self,
        connection_id: String,
        data: Bytes,
        outcome: Result<(), Refusal>,
        more_latency: Duration,
    ) -> Response {
        let status = outcome.map_or_else(Refusal::status, |()| StatusCode::OK);
        self.journal.record(Entry::Posted {
            connection_id,
            bytes: data.len(),
            status: status.as_u16(),
            data,
        });
        // The message is on its way already, so its order against other posts is that of their
        // arrival.
        let latency = self.post_latency + more_latency;
        // A sleep of no length would still last until the next tick of the clock, up to 1 ms.
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        outcome.map_or_else(Refusal::into_response, |()| StatusCode::OK.into_response())
    }
}

/// Closes the connection without an answer: hyper gives a connection up whose response has a body
/// that fails, before it has sent anything of that response.
fn cut() -> Response {
    let error = io::Error::from(io::ErrorKind::ConnectionAborted);
    Body::from_stream(stream::iter([Err::<Bytes, _>(error)])).into_response()
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Gone => StatusCode::GONE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::NotText => StatusCode::BAD_REQUEST,
            Self::Injected(status) => {
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// The exception's name and a message.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Injected(410) => Self::Gone.words(),
            Self::Injected(413) => Self::PayloadTooLarge.words(),
            Self::Injected(429) => ("LimitExceededException", "Too Many Requests"),
            Self::Injected(403) => ("ForbiddenException", "Forbidden"),
            Self::Injected(400..500) => ("BadRequestException", "Bad Request"),
            Self::Injected(_) => ("InternalServerErrorException", "Internal server error"),
            Self::Gone => ("GoneException", "The connection has ended or never existed."),
            Self::PayloadTooLarge => {
                ("PayloadTooLargeException", "The data is larger than 131072 bytes.")
            }
            Self::LimitExceeded => {
                ("LimitExceededException", "The client reads too slowly and its buffer is full.")
            }
            // What API Gateway does with bytes that are no text is not documented. Nobody sends
            // them on purpose to a client that receives text, so this says it clearly.
            Self::NotText => ("BadRequestException", "The data is not UTF-8 text."),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (kind, message) = self.words();
        let headers = [("x-amzn-ErrorType", kind)];
        (self.status(), headers, axum::Json(json!({ "message": message }))).into_response()
    }
}

fn timestamp(time: SystemTime) -> String {
    DateTime::from(time).fmt(Format::DateTime).unwrap_or_default()
}
