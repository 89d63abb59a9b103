//! Lambda's Runtime API: where the function fetches events and leaves its answers.
//!
//! A function is free exactly while one of its polls for the next event is pending. Shape of the
//! API: the page "Using the Lambda runtime API for custom runtimes" of the Lambda guide.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::ids::{trace_id, uuid};
use super::journal::{Entry, Journal};
use super::proxy_response::status_of;
use super::route::Route;

/// The largest answer to a synchronous invocation (Lambda quotas).
const RESPONSE_LIMIT: usize = 6 * 1024 * 1024;

/// The Lambda service, as far as one function needs it.
#[derive(Debug)]
pub(crate) struct Lambda {
    state: Mutex<Queues>,
    journal: Journal,
    arn: String,
    timeout: Duration,
    /// How many want no poll to get an event yet.
    holds: watch::Sender<usize>,
    stopping: watch::Receiver<bool>,
}

/// While it exists, polls get no event.
pub(crate) struct Hold(Arc<Lambda>);

/// Why an invocation has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InvokeError {
    /// Every function was busy.
    Throttled,
    /// The function failed, or answered something that API Gateway does not understand.
    Failed,
    /// The caller's own limit was reached; the function goes on.
    TimedOut { request_id: String },
}

/// What is to be invoked.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) route: Route,
    pub(crate) connection_id: String,
    /// The JSON of the event.
    pub(crate) event: Bytes,
    /// How long it may wait for a function that is between two events.
    pub(crate) grace: Duration,
    /// How long the caller waits for the answer.
    pub(crate) limit: Duration,
}

#[derive(Debug, Default)]
struct Queues {
    /// The pending polls, oldest first. Some may be dead: then sending to them fails.
    polls: VecDeque<oneshot::Sender<Invocation>>,
    /// Invocations that no poll has taken yet, oldest first.
    waiting: VecDeque<Invocation>,
    /// Invocations that the function works on, by request id.
    running: HashMap<String, Running>,
}

#[derive(Debug)]
struct Invocation {
    request_id: String,
    call: Call,
    taken: oneshot::Sender<()>,
    answer: oneshot::Sender<Option<Bytes>>,
}

#[derive(Debug)]
struct Running {
    answer: oneshot::Sender<Option<Bytes>>,
    deadline: SystemTime,
}

impl Lambda {
    pub(crate) fn new(
        journal: Journal,
        arn: String,
        timeout: Duration,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let (state, holds) = (Mutex::default(), watch::Sender::new(0));
        Arc::new(Self { state, journal, arn, timeout, holds, stopping })
    }

    /// Lets polls wait for their event until what is returned is dropped.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        self.holds.send_modify(|holds| *holds += 1);
        Hold(Arc::clone(self))
    }

    /// Hands an event to a free function and waits for the answer, which is JSON of whatever shape.
    pub(crate) async fn invoke(&self, call: Call) -> Result<Bytes, InvokeError> {
        let request_id = uuid();
        let (grace, limit) = (call.grace, call.limit);
        let answered = async {
            let (taken, on_taken) = oneshot::channel();
            let (answer, on_answer) = oneshot::channel();
            self.offer(Invocation { request_id: request_id.clone(), call, taken, answer });
            if timeout(grace, on_taken).await.is_err() && self.withdraw(&request_id) {
                return Err(InvokeError::Throttled);
            }
            if let Ok(answer) = timeout(self.timeout, on_answer).await {
                return answer.ok().flatten().ok_or(InvokeError::Failed);
            }
            self.state().running.remove(&request_id);
            self.journal.record(Entry::InvocationError {
                request_id: request_id.clone(),
                error_type: "Sandbox.Timedout".to_owned(),
                message: format!("Task timed out after {:.2} seconds", self.timeout.as_secs_f64()),
            });
            Err(InvokeError::Failed)
        };
        let outcome = timeout(limit, answered).await;
        outcome.unwrap_or_else(|_| Err(InvokeError::TimedOut { request_id: request_id.clone() }))
    }

    /// Gives an invocation to the oldest poll that is still alive, or else puts it in the queue.
    fn offer(&self, mut invocation: Invocation) {
        let mut state = self.state();
        while let Some(poll) = state.polls.pop_front() {
            match poll.send(invocation) {
                Ok(()) => return,
                Err(returned) => invocation = returned,
            }
        }
        state.waiting.push_back(invocation);
    }

    /// Takes an invocation out of the queue again; false when a poll has already taken it.
    fn withdraw(&self, request_id: &str) -> bool {
        let mut state = self.state();
        let before = state.waiting.len();
        state.waiting.retain(|invocation| invocation.request_id != request_id);
        state.waiting.len() < before
    }

    /// The next invocation for a poll.
    async fn next(self: &Arc<Self>) -> Delivery {
        self.journal.record(Entry::NextPolled);
        let mut holds = self.holds.subscribe();
        let mut stopping = self.stopping.clone();
        tokio::select! {
            _ = holds.wait_for(|holds| *holds == 0) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
        let (sender, receiver) = oneshot::channel();
        let mut poll = PendingPoll { lambda: Arc::clone(self), receiver };
        {
            let mut state = self.state();
            // Nobody waits any more for the answer of an invocation whose caller has gone.
            state.waiting.retain(|invocation| !invocation.answer.is_closed());
            match state.waiting.pop_front() {
                // The receiver is just above, so this cannot fail.
                Some(invocation) => drop(sender.send(invocation)),
                None => state.polls.push_back(sender),
            }
        }
        let invocation = tokio::select! {
            taken = &mut poll.receiver => taken.ok(),
            _ = stopping.wait_for(|stopping| *stopping) => None,
        };
        Delivery { lambda: Arc::clone(self), invocation }
    }

    /// Notes that an invocation's event goes out to the function.
    fn begin(&self, invocation: Invocation) -> Bytes {
        let Invocation { request_id, call, taken, answer } = invocation;
        let now = SystemTime::now();
        {
            let running = &mut self.state().running;
            running.retain(|_, other| other.deadline > now);
            running.insert(request_id.clone(), Running { answer, deadline: now + self.timeout });
        }
        self.journal.record(Entry::Invoked {
            request_id,
            connection_id: call.connection_id,
            route: call.route,
        });
        // It fails when the caller has gone, which is no concern of the function's.
        let _ = taken.send(());
        call.event
    }

    /// Ends an invocation; false when there is none of this id.
    fn finish(
        &self,
        request_id: &str,
        response: Option<Bytes>,
        entry: impl FnOnce(bool) -> Entry,
    ) -> bool {
        let Some(running) = self.state().running.remove(request_id) else { return false };
        // Recorded first, so that whatever the answer causes comes after it in the journal.
        self.journal.record(entry(running.answer.is_closed()));
        let _ = running.answer.send(response);
        true
    }

    fn state(&self) -> MutexGuard<'_, Queues> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.holds.send_modify(|holds| *holds -= 1);
    }
}

/// A poll that waits. When it dies with an invocation already in its hands, that goes to another.
struct PendingPoll {
    lambda: Arc<Lambda>,
    receiver: oneshot::Receiver<Invocation>,
}

impl Drop for PendingPoll {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(invocation) = self.receiver.try_recv() {
            self.lambda.offer(invocation);
        }
    }
}

/// An invocation on its way out: the body of the answer to a poll. Only when the connection asks
/// for the bytes does the invocation begin; until then a dead poll gives it back.
struct Delivery {
    lambda: Arc<Lambda>,
    invocation: Option<Invocation>,
}

impl http_body::Body for Delivery {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let invocation = self.invocation.take();
        let event = invocation.map(|invocation| self.lambda.begin(invocation));
        Poll::Ready(event.map(|event| Ok(http_body::Frame::data(event))))
    }

    fn is_end_stream(&self) -> bool {
        self.invocation.is_none()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let length = self.invocation.as_ref().map_or(0, |invocation| invocation.call.event.len());
        http_body::SizeHint::with_exact(length as u64)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(invocation) = self.invocation.take() {
            self.lambda.offer(invocation);
        }
    }
}

/// The routes of the Runtime API.
pub(crate) fn router(lambda: Arc<Lambda>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{request_id}/response", post(respond))
        .route("/2018-06-01/runtime/invocation/{request_id}/error", post(fail))
        .route("/2018-06-01/runtime/init/error", post(fail_to_start))
        .with_state(lambda)
}

async fn next(State(lambda): State<Arc<Lambda>>) -> Response {
    let delivery = lambda.next().await;
    let Some(invocation) = &delivery.invocation else {
        // Only the end of the local AWS ends a poll without an event.
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let deadline = SystemTime::now() + lambda.timeout;
    let deadline_ms = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", invocation.request_id.clone()),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", lambda.arn.clone()),
        (
            "lambda-runtime-trace-id",
            format!("{};Parent={:016x};Sampled=0", trace_id(), fastrand::u64(..)),
        ),
    ];
    (headers, Body::new(delivery)).into_response()
}

async fn respond(
    State(lambda): State<Arc<Lambda>>,
    Path(request_id): Path<String>,
    body: Body,
) -> Response {
    let Ok(body) = to_bytes(body, RESPONSE_LIMIT).await else {
        let message = "Exceeded maximum allowed payload size (6291556 bytes).";
        lambda.finish(&request_id, None, |_| Entry::InvocationError {
            request_id: request_id.clone(),
            error_type: "Function.ResponseSizeTooLarge".to_owned(),
            message: message.to_owned(),
        });
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message);
    };
    let status = status_of(&body);
    let known = lambda.finish(&request_id, Some(body), |late| Entry::Responded {
        request_id: request_id.clone(),
        status,
        late,
    });
    acknowledge(known)
}

async fn fail(
    State(lambda): State<Arc<Lambda>>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (error_type, message) = diagnostic(&headers, body).await;
    let known = lambda.finish(&request_id, None, |_| Entry::InvocationError {
        request_id: request_id.clone(),
        error_type,
        message,
    });
    acknowledge(known)
}

async fn fail_to_start(
    State(lambda): State<Arc<Lambda>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (error_type, message) = diagnostic(&headers, body).await;
    lambda.journal.record(Entry::InitError { error_type, message });
    acknowledge(true)
}

/// The kind of an error and its description, as a function posts them.
async fn diagnostic(headers: &HeaderMap, body: Body) -> (String, String) {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Diagnostic {
        error_type: String,
        error_message: String,
    }
    let body = to_bytes(body, RESPONSE_LIMIT).await.unwrap_or_default();
    let said: Diagnostic = serde_json::from_slice(&body).unwrap_or_default();
    let header = headers.get("lambda-runtime-function-error-type");
    let header = header.and_then(|value| value.to_str().ok()).unwrap_or("Unknown");
    let kind = if said.error_type.is_empty() { header.to_owned() } else { said.error_type };
    (kind, said.error_message)
}

fn acknowledge(known: bool) -> Response {
    if known {
        (StatusCode::ACCEPTED, axum::Json(json!({ "status": "OK" }))).into_response()
    } else {
        refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
    }
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    let body: Value = json!({ "errorMessage": message, "errorType": kind });
    (status, axum::Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    type Answer = oneshot::Receiver<Option<Bytes>>;

    /// A Lambda service with its switch, and an invocation for it with the far end of its answer.
    fn lambda() -> (Arc<Lambda>, watch::Sender<bool>, Invocation, Answer) {
        let (taken, _) = oneshot::channel();
        let (answer, on_answer) = oneshot::channel();
        let call = Call {
            route: Route::Default,
            connection_id: "c=".to_owned(),
            event: Bytes::from_static(b"{}"),
            grace: Duration::ZERO,
            limit: Duration::ZERO,
        };
        let invocation = Invocation { request_id: uuid(), call, taken, answer };
        let (stop, stopping) = watch::channel(false);
        let lambda = Lambda::new(Journal::new(10), String::new(), Duration::ZERO, stopping);
        (lambda, stop, invocation, on_answer)
    }

    #[test]
    fn a_poll_that_dies_with_an_invocation_in_its_hands_gives_it_back() {
        let (lambda, _stop, invocation, _answer) = lambda();
        let mut poll = Box::pin(lambda.next());
        assert!(poll.as_mut().now_or_never().is_none());
        lambda.offer(invocation);
        assert!(lambda.state().waiting.is_empty(), "the poll has taken it");
        drop(poll);
        assert_eq!(lambda.state().waiting.len(), 1);
    }

    #[test]
    fn an_answer_that_is_never_written_gives_its_invocation_back() {
        let (lambda, _stop, invocation, _answer) = lambda();
        lambda.offer(invocation);
        let delivery = lambda.next().now_or_never().expect("an invocation waits");
        drop(delivery);
        assert_eq!(lambda.state().waiting.len(), 1);
        assert!(lambda.state().running.is_empty());
    }

    #[test]
    fn an_invocation_that_nobody_waits_for_is_not_handed_out() {
        let (lambda, _stop, invocation, answer) = lambda();
        lambda.offer(invocation);
        drop(answer);
        assert!(lambda.next().now_or_never().is_none());
    }
}
