//! The gateway's state: all open connections, and the way to the function.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::Connection;
use crate::journal::{Entry, Journal};
use crate::lambda::{InvokeError, InvokeRequest, Lambda};
use crate::options::AwsLimits;
use crate::proxy_response::ProxyResponse;
use crate::route::Route;

/// The gateway: all open connections, and the way to the function.
#[derive(Debug)]
pub(crate) struct Gateway {
    connections: Mutex<HashMap<String, Arc<Connection>>>,
    /// The tasks that serve the connections, so that the end of the gateway can wait for them.
    tasks: Mutex<JoinSet<()>>,
    lambda: Arc<Lambda>,
    pub(super) journal: Journal,
    pub(super) limits: AwsLimits,
    /// `host:port` of this server.
    pub(super) authority: String,
    /// Whether the function decides who may connect.
    pub(super) has_authorizer: bool,
    pub(super) stopping: watch::Receiver<bool>,
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
        lock(&self.connections).get(connection_id).cloned()
    }

    /// Waits until every connection has ended, at most this long.
    pub(crate) async fn finish(&self, limit: Duration) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let all = async { while tasks.join_next().await.is_some() {} };
        // What is still running then is aborted with the set.
        let _ = tokio::time::timeout(limit, all).await;
    }

    /// Takes in a connection whose handshake has succeeded, and runs the task that serves it.
    pub(super) fn insert(
        &self,
        connection: Arc<Connection>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        lock(&self.connections).insert(connection.id.clone(), connection);
        let mut tasks = lock(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Forgets a connection that has ended.
    pub(super) fn remove(&self, connection: &Connection) {
        lock(&self.connections).remove(&connection.id);
    }

    /// Invokes the function for one event of a connection's proxy integration.
    pub(super) async fn invoke(
        &self,
        route: Route,
        connection: &Connection,
        event: Vec<u8>,
    ) -> Result<ProxyResponse, InvokeError> {
        let response = self.invoke_raw(route, connection, event).await?;
        ProxyResponse::parse(&response).ok_or(InvokeError::Failed)
    }

    /// Invokes the function for one event of a connection. Its response is JSON of whatever shape.
    pub(super) async fn invoke_raw(
        &self,
        route: Route,
        connection: &Connection,
        event: Vec<u8>,
    ) -> Result<Bytes, InvokeError> {
        let connection_id = connection.id.clone();
        let request = InvokeRequest {
            route,
            connection_id: connection_id.clone(),
            event: event.into(),
            grace: match route {
                Route::Default => self.limits.message_grace,
                _ => self.limits.lifecycle_grace,
            },
            timeout: self.limits.integration_timeout,
        };
        let outcome = self.lambda.invoke(request).await;
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
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under these locks is complete in itself, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
