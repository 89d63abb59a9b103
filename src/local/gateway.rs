//! API Gateway's WebSocket side: handshakes, connections, and the events they send to the function.

mod connection;
mod event;
mod handshake;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::journal::{Event, Journal};
use super::options::Limits;
use super::runtime_api::{Call, InvokeError, Lambda};

pub(crate) use connection::{Connection, PostError};

/// The name of the stage, and so the path of the WebSocket URL.
pub(crate) const STAGE: &str = "local";

/// The API's id: ten lower-case letters and digits, as real ones.
const API_ID: &str = "relaylocal";

/// Which of the three routes an event goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// A client wants to connect.
    Connect,
    /// A client sent a message.
    Default,
    /// A connection has ended.
    Disconnect,
}

impl Route {
    /// The route's key, such as `$connect`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Connect => "$connect",
            Self::Default => "$default",
            Self::Disconnect => "$disconnect",
        }
    }
}

/// The gateway: all open connections, and the way to the function.
#[derive(Debug)]
pub(crate) struct Gateway {
    connections: Mutex<HashMap<String, Arc<Connection>>>,
    /// The tasks that serve the connections, so that the end of the gateway can wait for them.
    tasks: Mutex<JoinSet<()>>,
    lambda: Arc<Lambda>,
    journal: Journal,
    limits: Limits,
    /// `host:port` of this server.
    authority: String,
    stopping: watch::Receiver<bool>,
}

/// The function's answer to an event of a proxy integration.
#[derive(Clone, Debug)]
pub(crate) struct ProxyResponse {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Gateway {
    pub(crate) fn new(
        lambda: Arc<Lambda>,
        journal: Journal,
        limits: Limits,
        authority: String,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections: Mutex::default(),
            tasks: Mutex::default(),
            lambda,
            journal,
            limits,
            authority,
            stopping,
        })
    }

    /// The open connection of this id.
    pub(crate) fn connection(&self, connection_id: &str) -> Option<Arc<Connection>> {
        self.connections().get(connection_id).cloned()
    }

    /// Waits until every connection has ended, at most this long.
    pub(crate) async fn finish(&self, patience: Duration) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let all = async { while tasks.join_next().await.is_some() {} };
        // What is still running then is aborted with the set.
        let _ = tokio::time::timeout(patience, all).await;
    }

    /// Invokes the function for one event of a connection.
    async fn invoke(
        &self,
        route: Route,
        connection: &Connection,
        event: Vec<u8>,
    ) -> Result<ProxyResponse, InvokeError> {
        let connection_id = connection.id.clone();
        let call = Call {
            route,
            connection_id: connection_id.clone(),
            event: event.into(),
            grace: match route {
                Route::Default => self.limits.message_grace,
                Route::Connect | Route::Disconnect => self.limits.lifecycle_grace,
            },
            limit: self.limits.integration_timeout,
        };
        let outcome = self.lambda.invoke(call).await;
        match &outcome {
            Err(InvokeError::Throttled) => {
                self.journal.record(Event::Throttled { connection_id, route });
            }
            Err(InvokeError::TimedOut { request_id }) => {
                let request_id = request_id.clone();
                self.journal.record(Event::TimedOut { request_id, connection_id, route });
            }
            Ok(_) | Err(InvokeError::Failed) => {}
        }
        outcome
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        lock(&self.connections)
    }
}

impl ProxyResponse {
    /// Reads the JSON of a proxy response. Of a streamed one only the part before its body counts,
    /// which eight NUL bytes end.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            status_code: Value,
            #[serde(default)]
            headers: Option<HashMap<String, Value>>,
            #[serde(default)]
            multi_value_headers: Option<HashMap<String, Vec<Value>>>,
        }
        let end = bytes.windows(8).position(|window| window == [0; 8]).unwrap_or(bytes.len());
        let wire: Wire = serde_json::from_slice(&bytes[..end]).ok()?;
        let status = match &wire.status_code {
            Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
            Value::String(text) => text.parse().ok()?,
            _ => return None,
        };
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let single = wire.headers.unwrap_or_default().into_iter();
        let single = single.map(|(name, value)| (name, text(value)));
        let multi = wire.multi_value_headers.unwrap_or_default().into_iter();
        let multi = multi.flat_map(|(name, values)| {
            values.into_iter().map(move |value| (name.clone(), text(value)))
        });
        (100..600)
            .contains(&status)
            .then(|| Self { status, headers: single.chain(multi).collect() })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The routes of the WebSocket side.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/local", get(handshake::accept))
        .route("/local/", get(handshake::accept))
        .with_state(gateway)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is complete in itself, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_response_needs_a_status() {
        assert_eq!(ProxyResponse::parse(br#"{"statusCode":200}"#).unwrap().status, 200);
        assert_eq!(ProxyResponse::parse(br#"{"statusCode":"403"}"#).unwrap().status, 403);
        for bad in [&b"null"[..], b"", b"{}", b"\"ok\"", br#"{"statusCode":7}"#] {
            assert!(ProxyResponse::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_streamed_response_counts_up_to_its_body() {
        let bytes = b"{\"statusCode\":201}\0\0\0\0\0\0\0\0hello";
        assert_eq!(ProxyResponse::parse(bytes).unwrap().status, 201);
    }

    #[test]
    fn headers_are_found_in_both_forms_and_any_case() {
        let bytes = br#"{"statusCode":200,"headers":{"sec-websocket-protocol":"agui"},
            "multiValueHeaders":{"X-Other":["a","b"]}}"#;
        let response = ProxyResponse::parse(bytes).unwrap();
        assert_eq!(response.header("Sec-WebSocket-Protocol"), Some("agui"));
        assert_eq!(response.header("x-other"), Some("a"));
    }
}
