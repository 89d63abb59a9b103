//! The API's state: the way to the function, and the exchanges that are under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::gateway_error::GatewayError;
use crate::journal::{Entry, Journal};
use crate::lambda::Lambda;
use crate::options::AwsLimits;

/// The REST API: the way to the function, and the exchanges that are under way.
#[derive(Debug)]
pub(crate) struct RestApi {
    pub(super) lambda: Arc<Lambda>,
    pub(super) journal: Journal,
    pub(super) limits: AwsLimits,
    /// `host:port` of this server.
    pub(super) authority: String,
    /// The tasks of the exchanges, which outlive their clients.
    exchanges: Mutex<JoinSet<()>>,
    stopping: watch::Receiver<bool>,
}

impl RestApi {
    pub(crate) fn new(
        lambda: Arc<Lambda>,
        journal: Journal,
        limits: AwsLimits,
        authority: String,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self { lambda, journal, limits, authority, exchanges: Mutex::default(), stopping })
    }

    /// Waits until every exchange has ended, at most this long.
    pub(crate) async fn finish(&self, limit: Duration) {
        let mut exchanges = std::mem::take(&mut *self.exchanges());
        let all = async { while exchanges.join_next().await.is_some() {} };
        // What is still running then is aborted with the set.
        let _ = tokio::time::timeout(limit, all).await;
    }

    /// Runs an exchange to its end, or until everything stops.
    pub(super) fn spawn(&self, exchange: impl Future<Output = ()> + Send + 'static) {
        let mut stopping = self.stopping.clone();
        let mut exchanges = self.exchanges();
        while exchanges.try_join_next().is_some() {}
        exchanges.spawn(async move {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => {}
                () = exchange => {}
            }
        });
    }

    /// API Gateway's own response, instead of the function's.
    pub(super) fn refuse(&self, error: &GatewayError) -> Response {
        let response = error.response();
        let (status, reason) = (response.status().as_u16(), error.to_string());
        self.journal.record(Entry::Refused { status, reason });
        response
    }

    fn exchanges(&self) -> MutexGuard<'_, JoinSet<()>> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
