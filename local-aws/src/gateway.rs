//! API Gateway's WebSocket side: handshakes, connections, and the events they send to the function.

mod authorizer;
mod connection;
mod event;
mod handshake;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::journal::{Entry, Journal};
use super::lambda::{Call, InvokeError, Lambda};
use super::options::AwsLimits;
use super::proxy_response::ProxyResponse;
use super::route::Route;

pub(crate) use connection::{Connection, PostError};

/// The API's id: ten lower-case letters and digits, as real ones.
const API_ID: &str = "relaylocal";

/// The gateway: all open connections, and the way to the function.
#[derive(Debug)]
pub(crate) struct Gateway {
    connections: Mutex<HashMap<String, Arc<Connection>>>,
    /// The tasks that serve the connections, so that the end of the gateway can wait for them.
    tasks: Mutex<JoinSet<()>>,
    lambda: Arc<Lambda>,
    journal: Journal,
    limits: AwsLimits,
    /// `host:port` of this server.
    authority: String,
    /// Whether the function decides who may connect.
    has_authorizer: bool,
    stopping: watch::Receiver<bool>,
}

impl Gateway {
    pub(crate) fn new(
        lambda: Arc<Lambda>,
        journal: Journal,
        limits: AwsLimits,
        authority: String,
        has_authorizer: bool,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connections: Mutex::default(),
            tasks: Mutex::default(),
            lambda,
            journal,
            limits,
            authority,
            has_authorizer,
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

    /// Invokes the function for one event of a connection's proxy integration.
    async fn invoke(
        &self,
        route: Route,
        connection: &Connection,
        event: Vec<u8>,
    ) -> Result<ProxyResponse, InvokeError> {
        let answer = self.call(route, connection, event).await?;
        ProxyResponse::parse(&answer).ok_or(InvokeError::Failed)
    }

    /// Invokes the function for one event of a connection.
    async fn call(
        &self,
        route: Route,
        connection: &Connection,
        event: Vec<u8>,
    ) -> Result<Bytes, InvokeError> {
        let connection_id = connection.id.clone();
        let call = Call {
            route,
            connection_id: connection_id.clone(),
            event: event.into(),
            grace: match route {
                Route::Default => self.limits.message_grace,
                _ => self.limits.lifecycle_grace,
            },
            limit: self.limits.integration_timeout,
        };
        let outcome = self.lambda.invoke(call).await;
        match &outcome {
            Err(InvokeError::Throttled) => {
                self.journal.record(Entry::Throttled { connection_id, route });
            }
            Err(InvokeError::TimedOut { request_id }) => {
                let request_id = request_id.clone();
                self.journal.record(Entry::TimedOut { request_id, connection_id, route });
            }
            Ok(_) | Err(InvokeError::Failed) => {}
        }
        outcome
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        lock(&self.connections)
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
