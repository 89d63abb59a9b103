//! Invocations: from the one who invokes, through the queue, to a poll of the function, and back.
//!
//! A function is free exactly while one of its polls for the next event is pending.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

use super::streamed_response::{StreamedResponse, timeout_message};
use crate::ids::{trace_id, uuid};
use crate::journal::{Entry, Journal};
use crate::response_pieces::{ResponsePieces, response_pieces};
use crate::route::Route;

/// The Lambda service, as far as one function needs it.
#[derive(Debug)]
pub(crate) struct Lambda {
    state: Mutex<Queues>,
    journal: Journal,
    arn: String,
    timeout: Duration,
    /// Whether every invocation is traced.
    traces: bool,
    /// How many [`PollHold`]s there are.
    holds: watch::Sender<usize>,
    stopping: watch::Receiver<bool>,
}

/// While it exists, polls get no event.
pub(crate) struct PollHold(Arc<Lambda>);

/// Why an invocation has no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InvokeError {
    /// Every function was busy.
    Throttled,
    /// The function failed, or its response is nothing that API Gateway does not understand.
    Failed,
    /// The caller's own limit was reached; the function goes on.
    TimedOut { request_id: String },
}

/// What is to be invoked.
#[derive(Debug)]
pub(crate) struct InvokeRequest {
    pub(crate) route: Route,
    pub(crate) connection_id: String,
    /// The JSON of the event.
    pub(crate) event: Bytes,
    /// How long it may wait for a function that is between two events.
    pub(crate) grace: Duration,
    /// How long the caller waits for the response.
    pub(crate) timeout: Duration,
}

#[derive(Debug, Default)]
struct Queues {
    /// The pending polls, oldest first. Some may have been cancelled: then sending to them fails.
    polls: VecDeque<oneshot::Sender<Invocation>>,
    /// Invocations that no poll has taken yet, oldest first.
    waiting: VecDeque<Invocation>,
    /// Invocations that the function works on, by request id.
    running: HashMap<String, Running>,
}

#[derive(Debug)]
struct Invocation {
    request_id: String,
    trace_header: String,
    request: InvokeRequest,
    taken: oneshot::Sender<()>,
    caller: Caller,
}

#[derive(Debug)]
struct Running {
    caller: Caller,
    deadline: Instant,
}

/// Who waits for a response: it gets `None` if the function fails.
#[derive(Debug)]
enum Caller {
    /// For the whole of it, as with Lambda's `Invoke`.
    Buffered(oneshot::Sender<Option<Bytes>>),
    /// For its beginning, as with Lambda's `InvokeWithResponseStream`.
    Streaming(oneshot::Sender<Option<ResponsePieces>>),
}

impl Lambda {
    pub(crate) fn new(
        journal: Journal,
        arn: String,
        timeout: Duration,
        traces: bool,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let (state, holds) = (Mutex::default(), watch::Sender::new(0));
        Arc::new(Self { state, journal, arn, timeout, traces, holds, stopping })
    }

    /// Lets polls wait for their event until what is returned is dropped.
    pub(crate) fn hold_polls(self: &Arc<Self>) -> PollHold {
        self.holds.send_modify(|holds| *holds += 1);
        PollHold(Arc::clone(self))
    }

    /// Hands an event to a free function and waits for the response, which is JSON of whatever shape.
    pub(crate) async fn invoke(&self, request: InvokeRequest) -> Result<Bytes, InvokeError> {
        let (caller, on_response) = oneshot::channel();
        self.wait_for(&uuid(), request, Caller::Buffered(caller), on_response).await
    }

    /// Hands an event to a free function and waits for its response to begin. The response is then
    /// read as it comes; dropped before its end, the function is not told.
    pub(crate) async fn invoke_streaming(
        &self,
        request_id: &str,
        request: InvokeRequest,
    ) -> Result<ResponsePieces, InvokeError> {
        let (caller, on_response) = oneshot::channel();
        self.wait_for(request_id, request, Caller::Streaming(caller), on_response).await
    }

    async fn wait_for<T>(
        &self,
        request_id: &str,
        request: InvokeRequest,
        caller: Caller,
        on_response: oneshot::Receiver<Option<T>>,
    ) -> Result<T, InvokeError> {
        let (grace, limit) = (request.grace, request.timeout);
        let responded = async {
            let (taken, on_taken) = oneshot::channel();
            self.offer(Invocation {
                request_id: request_id.to_owned(),
                trace_header: trace_header(self.traces),
                request,
                taken,
                caller,
            });
            if timeout(grace, on_taken).await.is_err() && self.withdraw(request_id) {
                return Err(InvokeError::Throttled);
            }
            if let Ok(response) = timeout(self.timeout, on_response).await {
                return response.ok().flatten().ok_or(InvokeError::Failed);
            }
            // A response that begins at this very moment finds that the time is over.
            if self.state().running.remove(request_id).is_some() {
                self.journal.record(Entry::InvocationError {
                    request_id: request_id.to_owned(),
                    error_type: "Sandbox.Timedout".to_owned(),
                    message: timeout_message(self.timeout),
                });
            }
            Err(InvokeError::Failed)
        };
        let outcome = timeout(limit, responded).await;
        outcome.unwrap_or_else(|_| Err(InvokeError::TimedOut { request_id: request_id.to_owned() }))
    }

    /// Gives an invocation to the oldest poll that still waits, or else puts it in the queue.
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
    pub(super) async fn next(self: &Arc<Self>) -> Delivery {
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
            // The response to an invocation whose caller has gone is not waited for.
            state.waiting.retain(|invocation| !invocation.caller.has_gone());
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
        let Invocation { request_id, trace_header, request, taken, caller } = invocation;
        let now = Instant::now();
        {
            let running = &mut self.state().running;
            running.retain(|_, other| other.deadline > now);
            running.insert(request_id.clone(), Running { caller, deadline: now + self.timeout });
        }
        self.journal.record(Entry::Invoked {
            request_id,
            trace_header,
            connection_id: request.connection_id,
            route: request.route,
        });
        // It fails when the caller has gone; the function gets the event all the same.
        let _ = taken.send(());
        request.event
    }

    /// Whether the function works on an invocation of this id, and has not begun to respond to it.
    pub(super) fn is_running(&self, request_id: &str) -> bool {
        self.state().running.contains_key(request_id)
    }

    /// Ends an invocation; false when there is none of this id.
    pub(super) fn finish(
        &self,
        request_id: &str,
        response: Option<Bytes>,
        entry: impl FnOnce(bool) -> Entry,
    ) -> bool {
        let Some(running) = self.state().running.remove(request_id) else { return false };
        // Recorded first, so that whatever the response causes comes after it in the journal.
        self.journal.record(entry(running.caller.has_gone()));
        match running.caller {
            Caller::Buffered(caller) => drop(caller.send(response)),
            // A response to a streaming invocation is what `begin_streaming` begins, so this is none.
            Caller::Streaming(caller) => drop(caller.send(None)),
        }
        true
    }

    /// Begins the response to a streaming invocation, which holds the invocation from now on; `None` when
    /// there is none of this id.
    pub(super) fn begin_streaming(self: &Arc<Self>, request_id: &str) -> Option<StreamedResponse> {
        let running = {
            let running = &mut self.state().running;
            let is_streaming = |running: &Running| matches!(running.caller, Caller::Streaming(_));
            if !running.get(request_id).is_some_and(is_streaming) {
                return None;
            }
            running.remove(request_id)?
        };
        let Running { caller: Caller::Streaming(caller), deadline } = running else { return None };
        let (sender, pieces) = response_pieces();
        // It fails when the caller has gone; the pieces are dropped then, as they come.
        let _ = caller.send(Some(pieces));
        Some(StreamedResponse::new(
            request_id.to_owned(),
            self.journal.clone(),
            self.stopping.clone(),
            self.timeout,
            deadline,
            sender,
        ))
    }

    /// How long the function may take for one event.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The function's ARN.
    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    fn state(&self) -> MutexGuard<'_, Queues> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller {
    fn has_gone(&self) -> bool {
        match self {
            Self::Buffered(caller) => caller.is_closed(),
            Self::Streaming(caller) => caller.is_closed(),
        }
    }
}

impl Drop for PollHold {
    fn drop(&mut self) {
        self.0.holds.send_modify(|holds| *holds -= 1);
    }
}

/// A poll that waits. When it is cancelled after it was given an invocation, another poll gets that.
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

/// What Lambda says of the trace of an invocation that nobody named one for.
fn trace_header(traces: bool) -> String {
    let span = fastrand::u64(1..);
    format!("{};Parent={span:016x};Sampled={}", trace_id(), u8::from(traces))
}

/// An invocation on its way out: the body of the response to a poll. Only when the connection asks
/// for the bytes does the invocation begin; until then a cancelled poll gives it back.
pub(super) struct Delivery {
    lambda: Arc<Lambda>,
    invocation: Option<Invocation>,
}

impl Delivery {
    /// The id of the invocation; `None` when everything stops.
    pub(super) fn request_id(&self) -> Option<&str> {
        self.invocation.as_ref().map(|invocation| &*invocation.request_id)
    }

    /// Which trace the invocation is part of; empty when everything stops.
    pub(super) fn trace_header(&self) -> &str {
        self.invocation.as_ref().map_or("", |invocation| &invocation.trace_header)
    }
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
        let length =
            self.invocation.as_ref().map_or(0, |invocation| invocation.request.event.len());
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    type ResponseReceiver = oneshot::Receiver<Option<Bytes>>;

    /// A Lambda service with its switch, and an invocation for it with the far end of its response.
    fn lambda() -> (Arc<Lambda>, watch::Sender<bool>, Invocation, ResponseReceiver) {
        let (taken, _) = oneshot::channel();
        let (response, on_response) = oneshot::channel();
        let request = InvokeRequest {
            route: Route::Default,
            connection_id: "c=".to_owned(),
            event: Bytes::from_static(b"{}"),
            grace: Duration::ZERO,
            timeout: Duration::ZERO,
        };
        let caller = Caller::Buffered(response);
        let trace_header = trace_header(false);
        let invocation = Invocation { request_id: uuid(), trace_header, request, taken, caller };
        let (stop, stopping) = watch::channel(false);
        let lambda = Lambda::new(Journal::new(10), String::new(), Duration::ZERO, false, stopping);
        (lambda, stop, invocation, on_response)
    }

    #[test]
    fn a_cancelled_poll_gives_its_invocation_back() {
        let (lambda, _stop, invocation, _response) = lambda();
        let mut poll = Box::pin(lambda.next());
        assert!(poll.as_mut().now_or_never().is_none());
        lambda.offer(invocation);
        assert!(lambda.state().waiting.is_empty(), "the poll has taken it");
        drop(poll);
        assert_eq!(lambda.state().waiting.len(), 1);
    }

    #[test]
    fn a_delivery_that_is_never_written_gives_its_invocation_back() {
        let (lambda, _stop, invocation, _response) = lambda();
        lambda.offer(invocation);
        let delivery = lambda.next().now_or_never().expect("an invocation waits");
        drop(delivery);
        assert_eq!(lambda.state().waiting.len(), 1);
        assert!(lambda.state().running.is_empty());
    }

    #[test]
    fn an_invocation_whose_caller_has_gone_is_not_handed_out() {
        let (lambda, _stop, invocation, response) = lambda();
        lambda.offer(invocation);
        drop(response);
        assert!(lambda.next().now_or_never().is_none());
    }
}
