//! API Gateway's `@connections` commands: how the function reaches a client.
//!
//! Shapes as in the model of the SDK's `apigatewaymanagementapi`. Any signature is accepted, none is
//! asked for.

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
use serde_json::json;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::gateway::{Gateway, PostError};
use super::journal::{Event, Journal};

/// What the commands need.
#[derive(Clone)]
pub(crate) struct Callbacks {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) journal: Journal,
    /// How long the answer to a post takes.
    pub(crate) post_latency: Duration,
    /// The largest data of a post, in bytes.
    pub(crate) message_bytes: usize,
}

/// The errors of the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Gone,
    PayloadTooLarge,
    LimitExceeded,
    NotText,
}

/// The routes of the commands.
pub(crate) fn router(callbacks: Callbacks) -> Router {
    Router::new()
        .route("/local/@connections/{connection_id}", post(send).get(inspect).delete(end))
        .with_state(callbacks)
}

async fn send(
    State(callbacks): State<Callbacks>,
    Path(connection_id): Path<String>,
    body: Body,
) -> Response {
    let (data, outcome) = match to_bytes(body, callbacks.message_bytes).await {
        Ok(data) => (data.clone(), callbacks.deliver(&connection_id, data)),
        // The bytes past the limit are not read, so the connection ends with this answer.
        Err(_) => (Bytes::new(), Err(Refusal::PayloadTooLarge)),
    };
    let status = outcome.map_or_else(Refusal::status, |()| StatusCode::OK);
    callbacks.journal.record(Event::Posted {
        connection_id,
        bytes: data.len(),
        status: status.as_u16(),
        data,
    });
    // The message is on its way already, so its order against other posts is that of their arrival.
    tokio::time::sleep(callbacks.post_latency).await;
    outcome.map_or_else(Refusal::into_response, |()| StatusCode::OK.into_response())
}

async fn inspect(
    State(callbacks): State<Callbacks>,
    Path(connection_id): Path<String>,
) -> Response {
    let connection = callbacks.gateway.connection(&connection_id);
    let status = if connection.is_some() { StatusCode::OK } else { StatusCode::GONE };
    callbacks.journal.record(Event::Inspected { connection_id, status: status.as_u16() });
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

async fn end(State(callbacks): State<Callbacks>, Path(connection_id): Path<String>) -> Response {
    let connection = callbacks.gateway.connection(&connection_id);
    let status = if connection.is_some() { StatusCode::NO_CONTENT } else { StatusCode::GONE };
    callbacks.journal.record(Event::Deleted { connection_id, status: status.as_u16() });
    match connection {
        Some(connection) => {
            connection.close();
            StatusCode::NO_CONTENT.into_response()
        }
        None => Refusal::Gone.into_response(),
    }
}

impl Callbacks {
    /// Decides about a post, and hands it to the connection.
    fn deliver(&self, connection_id: &str, data: Bytes) -> Result<(), Refusal> {
        let connection = self.gateway.connection(connection_id).ok_or(Refusal::Gone)?;
        let text = Utf8Bytes::try_from(data).map_err(|_| Refusal::NotText)?;
        connection.post(text).map_err(|error| match error {
            PostError::Gone => Refusal::Gone,
            PostError::BufferFull => Refusal::LimitExceeded,
        })
    }
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Self::Gone => StatusCode::GONE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::NotText => StatusCode::BAD_REQUEST,
        }
    }

    /// The exception's name and a message.
    fn words(self) -> (&'static str, &'static str) {
        match self {
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
