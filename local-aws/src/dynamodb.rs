//! DynamoDB, with the one table of a function: the JSON 1.0 wire of the service, faults and a record of
//! every call. What the operations do is up to an engine that others test against AWS.
//!
//! From the ground up: an [`operation`] is what can be called; a [`fault`] what can go wrong with a call;
//! the [`engine`] carries operations out; a [`response`] is how the outcome looks on the wire.

mod engine;
pub(crate) mod fault;
pub(crate) mod operation;
mod response;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::faults::{FaultInjector, FaultKind};
use super::journal::{Entry, Journal};
use super::no_response::close_without_response;
use engine::{Engine, Outcome};
use fault::TableFault;
use operation::TableOperation;

/// The largest body of a request: that of 25 items of 400 KB in base64 is about as large.
const REQUEST_LIMIT: usize = 16 * 1024 * 1024;

/// DynamoDB, with one table in memory.
#[derive(Debug)]
pub(crate) struct DynamoDb {
    /// A call at a time, so that the journal has the calls in the order in which they were carried out.
    engine: Mutex<Engine>,
    table: String,
    journal: Journal,
    faults: FaultInjector,
    stopping: watch::Receiver<bool>,
}

impl DynamoDb {
    /// DynamoDB with a table of this name, which has the keys `conversation` and `run`, is paid by request,
    /// and lets items expire by their `expires`.
    ///
    /// # Errors
    /// Why there can't be such a table, in DynamoDB's words.
    pub(crate) fn with_table(
        table: &str,
        journal: Journal,
        faults: FaultInjector,
        stopping: watch::Receiver<bool>,
    ) -> Result<Arc<Self>, String> {
        let engine = Mutex::new(Engine::with_table(table)?);
        Ok(Arc::new(Self { engine, table: table.to_owned(), journal, faults, stopping }))
    }

    /// Carries a call out, on a thread that may be kept waiting. It is carried out to its end although its
    /// caller may be gone.
    async fn carry_out(
        self: &Arc<Self>,
        operation: TableOperation,
        request: Map<String, Value>,
    ) -> Outcome {
        let dynamodb = Arc::clone(self);
        let carried_out = tokio::task::spawn_blocking(move || {
            // A call either changes the tables or does not, so a panic in another spoils nothing.
            let engine = dynamodb.engine.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = engine.carry_out(operation, request.clone());
            dynamodb.record(operation, request, &outcome);
            outcome
        });
        carried_out.await.unwrap_or_else(|panicked| Outcome::failure(&panicked.to_string()))
    }

    /// Refuses a call, as a fault wants it.
    fn refuse(
        &self,
        operation: TableOperation,
        request: Map<String, Value>,
        outcome: Outcome,
    ) -> Outcome {
        self.record(operation, request, &outcome);
        outcome
    }

    fn record(&self, operation: TableOperation, request: Map<String, Value>, outcome: &Outcome) {
        self.journal.record(Entry::TableCalled {
            operation,
            request: Value::Object(request),
            status: outcome.status,
            error: outcome.error.clone(),
            capacity_units: outcome.capacity_units,
        });
    }
}

/// The route of all operations, below the endpoint URL that the function is given.
pub(crate) fn router(dynamodb: Arc<DynamoDb>) -> Router {
    Router::new()
        .route("/dynamodb", post(call))
        .route("/dynamodb/", post(call))
        .with_state(dynamodb)
}

async fn call(State(dynamodb): State<Arc<DynamoDb>>, headers: HeaderMap, body: Body) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let Some(operation) = target.and_then(TableOperation::by_target) else {
        return response::unknown_operation(target);
    };
    let Ok(body) = to_bytes(body, REQUEST_LIMIT).await else {
        return response::too_large();
    };
    let Ok(Value::Object(request)) = serde_json::from_slice(&body) else {
        return response::not_an_object();
    };
    let Some(fault) = dynamodb.fault(operation, &body) else {
        return response::of(dynamodb.carry_out(operation, request).await);
    };
    match fault {
        TableFault::Throttled | TableFault::KeyThrottled | TableFault::Failed => {
            let outcome = Outcome::of_fault(fault, operation, &dynamodb.table);
            response::of(dynamodb.refuse(operation, request, outcome))
        }
        TableFault::Hang => {
            let mut stopping = dynamodb.stopping.clone();
            // An error means that everything has stopped.
            let _ = stopping.wait_for(|stopping| *stopping).await;
            close_without_response()
        }
        TableFault::Cut => close_without_response(),
        TableFault::LoseAnswer => {
            dynamodb.carry_out(operation, request).await;
            close_without_response()
        }
        TableFault::Slow(time) => {
            let outcome = dynamodb.carry_out(operation, request).await;
            tokio::time::sleep(time).await;
            response::of(outcome)
        }
    }
}

impl DynamoDb {
    /// What goes wrong with a call on purpose, if anything.
    fn fault(&self, operation: TableOperation, body: &Bytes) -> Option<TableFault> {
        let fault = self.faults.table_fault(operation, body)?;
        let (kind, subject) = (FaultKind::Table(fault), operation.name().to_owned());
        self.journal.record(Entry::FaultInjected { kind, subject });
        Some(fault)
    }
}
