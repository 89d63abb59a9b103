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
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::faults::{FaultInjector, InjectedFault, Loss, PostFault};
use super::gateway::{Connection, Gateway, PostError};
use super::ids::is_random_id;
use super::journal::{Entry, Journal};
use super::no_response::close_without_response;

/// What the commands need.
#[derive(Clone)]
pub(crate) struct ManagementApi {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) journal: Journal,
    /// How long the response to a post takes.
    pub(crate) post_latency: Duration,
    /// The largest data of a post, in bytes.
    pub(crate) message_bytes: usize,
    pub(crate) faults: FaultInjector,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The errors of the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ApiError {
    Gone,
    /// The id is none that API Gateway makes.
    InvalidConnectionId,
    PayloadTooLarge,
    LimitExceeded,
    NotText,
    /// A fault asks for this status.
    Injected(u16),
}

/// The routes of the commands.
pub(crate) fn router(api: ManagementApi) -> Router {
    Router::new()
        .route(
            "/local/@connections/{connection_id}",
            post(post_to_connection).get(get_connection).delete(delete_connection),
        )
        .with_state(api)
}

async fn post_to_connection(
    State(api): State<ManagementApi>,
    Path(connection_id): Path<String>,
    body: Body,
) -> Response {
    let Ok(data) = to_bytes(body, api.message_bytes).await else {
        // The bytes past the limit are not read, so the connection ends with this response.
        let refused = Err(ApiError::PayloadTooLarge);
        return api.respond(connection_id, Bytes::new(), refused, Duration::ZERO).await;
    };
    let (outcome, more_latency) = match api.fault(&connection_id) {
        None => (api.deliver(&connection_id, &data), Duration::ZERO),
        Some(PostFault::Slow(time)) => (api.deliver(&connection_id, &data), time),
        Some(PostFault::Status(status)) => (Err(ApiError::Injected(status)), Duration::ZERO),
        Some(PostFault::Hang) => {
            let mut stopping = api.stopping.clone();
            // An error means that everything has stopped.
            let _ = stopping.wait_for(|stopping| *stopping).await;
            return close_without_response();
        }
        Some(PostFault::Cut) => return close_without_response(),
        Some(PostFault::LoseAnswer) => {
            let outcome = api.deliver(&connection_id, &data);
            api.respond(connection_id, data, outcome, Duration::ZERO).await;
            return close_without_response();
        }
    };
    api.respond(connection_id, data, outcome, more_latency).await
}

async fn get_connection(
    State(api): State<ManagementApi>,
    Path(connection_id): Path<String>,
) -> Response {
    let found = api.find(&connection_id);
    let status = found.as_ref().map_or_else(|error| error.status(), |_| StatusCode::OK);
    api.journal.record(Entry::Inspected { connection_id, status: status.as_u16() });
    let connection = match found {
        Ok(connection) => connection,
        Err(error) => return error.into_response(),
    };
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

async fn delete_connection(
    State(api): State<ManagementApi>,
    Path(connection_id): Path<String>,
) -> Response {
    let found = api.find(&connection_id);
    let status = found.as_ref().map_or_else(|error| error.status(), |_| StatusCode::NO_CONTENT);
    api.journal.record(Entry::Deleted { connection_id, status: status.as_u16() });
    match found {
        Ok(connection) => {
            connection.close();
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => error.into_response(),
    }
}

impl ManagementApi {
    /// What goes wrong with a post on purpose, if anything. Posts to a connection that has ended are
    /// not counted.
    fn fault(&self, connection_id: &str) -> Option<PostFault> {
        let connection = self.gateway.connection(connection_id)?;
        let fault = self.faults.next_fault(&connection.faults)?;
        let subject = connection_id.to_owned();
        self.journal.record(Entry::FaultInjected { kind: fault.kind(), subject });
        match fault {
            InjectedFault::Post(fault) => Some(fault),
            InjectedFault::Lose(Loss::Vanish) => {
                connection.abort();
                Some(PostFault::Status(410))
            }
            InjectedFault::Lose(loss) => {
                connection.lose(loss);
                None
            }
        }
    }

    /// The connection of an id. API Gateway tells an id that is none of its own from one of a connection
    /// that has ended: the first is a bad request.
    fn find(&self, connection_id: &str) -> Result<Arc<Connection>, ApiError> {
        if !is_random_id(connection_id) {
            return Err(ApiError::InvalidConnectionId);
        }
        self.gateway.connection(connection_id).ok_or(ApiError::Gone)
    }

    /// Hands a post to its connection, if that takes it.
    fn deliver(&self, connection_id: &str, data: &Bytes) -> Result<(), ApiError> {
        let connection = self.find(connection_id)?;
        let text = Utf8Bytes::try_from(data.clone()).map_err(|_| ApiError::NotText)?;
        connection.post(text).map_err(|error| match error {
            PostError::Gone => ApiError::Gone,
            PostError::BufferFull => ApiError::LimitExceeded,
        })
    }

    /// The response to a post, when it is due.
    async fn respond(
        &self,
        connection_id: String,
        data: Bytes,
        outcome: Result<(), ApiError>,
        more_latency: Duration,
    ) -> Response {
        let status = outcome.map_or_else(ApiError::status, |()| StatusCode::OK);
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
        outcome.map_or_else(ApiError::into_response, |()| StatusCode::OK.into_response())
    }
}

impl ApiError {
    fn status(self) -> StatusCode {
        match self {
            Self::Gone => StatusCode::GONE,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::InvalidConnectionId | Self::NotText => StatusCode::BAD_REQUEST,
            Self::Injected(status) => {
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// The exception's name and a message.
    fn name_and_message(self) -> (&'static str, &'static str) {
        match self {
            Self::Injected(410) => Self::Gone.name_and_message(),
            Self::Injected(413) => Self::PayloadTooLarge.name_and_message(),
            Self::Injected(429) => ("LimitExceededException", "Too Many Requests"),
            Self::Injected(403) => ("ForbiddenException", "Forbidden"),
            Self::Injected(400..500) => ("BadRequestException", "Bad Request"),
            Self::Injected(_) => ("InternalServerErrorException", "Internal server error"),
            Self::Gone => ("GoneException", "The connection has ended or never existed."),
            Self::InvalidConnectionId => ("BadRequestException", "Invalid connectionId"),
            Self::PayloadTooLarge => {
                ("PayloadTooLargeException", "The data is larger than 131072 bytes.")
            }
            Self::LimitExceeded => {
                ("LimitExceededException", "The client reads too slowly and its buffer is full.")
            }
            // What API Gateway does with bytes that are no text is not documented. A function that
            // sends them to a client that receives text has a mistake, which this names.
            Self::NotText => ("BadRequestException", "The data is not UTF-8 text."),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (kind, message) = self.name_and_message();
        let headers = [("x-amzn-ErrorType", kind)];
        (self.status(), headers, axum::Json(json!({ "message": message }))).into_response()
    }
}

fn timestamp(time: SystemTime) -> String {
    DateTime::from(time).fmt(Format::DateTime).unwrap_or_default()
}
