//! A source's events ⇒ frames, in order.
//!
//! One task, one `select!` over four things: the post in flight, the agent, the keepalive and the
//! deadline. With no post in flight an event is posted at once, together with what came with it.
//! While one is, what arrives waits in the [`Outbox`], where adjacent text becomes one frame: so a
//! chunk is at most about two posts behind the agent at any rate, and a fast agent costs fewer posts,
//! not more delay. When the outbox is full, the agent is not read until there is room again.

use std::any::Any;
use std::future::{pending, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::future::FutureExt as _;
use futures::stream::FuturesUnordered;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_stream::{Stream, StreamExt as _};
use tracing::warn;

use crate::agui::{Confirmation, Frame, RunIds, Stats};
use crate::error::{ErrorCode, Failure};
use crate::relay::outbox::Outbox;
use crate::source::{AguiEvent, Event, FinishedToolCall, Raw, ResultKind, ToolCall, Usage};
use crate::transport::{FrameSink, Outgoing, SendError};
use crate::utf8::Utf8;

pub mod outbox;

/// How many events that are there already are taken before the posts are looked after: so many take
/// a millisecond and a half, in which other turns have theirs.
const MAX_BATCH: usize = 512;

/// The limits of a relay.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest silence towards the client.
    pub keepalive: Duration,
    /// When the source is cancelled, and the client told so.
    pub deadline: Instant,
    /// When posting ends, too: shortly before the function's own end.
    pub hard_deadline: Instant,
    /// How long posting may go on when the process is about to end.
    pub shutdown_grace: Duration,
    /// How many bytes may wait for the connection before the agent is no longer read.
    pub outbox_bytes: usize,
}

impl Limits {
    /// The default of `outbox_bytes`.
    pub const OUTBOX_BYTES: usize = 1024 * 1024;
}

/// How a relay ended.
#[derive(Debug)]
pub enum Outcome {
    /// The agent said everything, and the client has it.
    Finished,
    /// The run failed, and the client was told why.
    Failed(Failure),
    /// The client closed its connection. The source's stream was dropped at once.
    ClientGone,
    /// A frame could not be delivered.
    Undelivered(SendError),
    /// Posts hung or failed until the function's time was up.
    OutOfTime,
}

/// What a relay amounted to.
#[derive(Debug)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the source said everything that it had to say, and the client has it. Otherwise whoever asked
    /// has left, or has been left, and the source may be at work still or wait for an answer.
    pub source_ended: bool,
    /// What the agent said.
    pub stats: Stats,
    /// The agent's events.
    pub events: u64,
    /// Frames that were posted.
    pub frames: u64,
    /// The bytes of those frames.
    pub bytes: u64,
    /// The bytes of the answer's text.
    pub text_bytes: u64,
    /// Attempts to post that had to be repeated.
    pub retried_posts: u64,
}

/// Relays a run's events to where its frames go until both are done, or until `shutdown` says that the
/// process is about to end. Without `trace`, the client gets no step of the source's work.
///
/// A panic on the way ends this run and no other: the client gets what was waiting, and is told.
/// One in the agent's stream does not even disturb the post in flight.
pub async fn relay<S>(
    ids: RunIds,
    trace: bool,
    events: S,
    sink: &impl FrameSink,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
) -> Summary
where
    S: Stream<Item = Result<Event, Failure>>,
{
    let mut run = ActiveRun::new(ids, trace, sink.max_frame());
    let relayed = run.drive(Some(events), sink, limits, shutdown);
    let outcome = match AssertUnwindSafe(relayed).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => {
            // The frame in flight may be lost, so the run did not end well, even if the agent has.
            run.outbox.take_back_terminal();
            run.fail(panicked(&*panic));
            // Seldom needed, so it takes no room in the future of every run.
            let rest = Box::pin(run.drive(None::<S>, sink, limits, pending()));
            let rest = AssertUnwindSafe(rest).catch_unwind().await;
            rest.unwrap_or_else(|_| Outcome::Failed(Failure::new(ErrorCode::Internal)))
        }
    };
    run.end(outcome)
}

/// Tells the client why a run could not begin, in the only frame of the run.
///
/// # Errors
/// The client is gone, or can't be told.
pub async fn refuse(
    run_id: String,
    failure: &Failure,
    sink: &impl FrameSink,
) -> Result<(), SendError> {
    let ids = RunIds { run_id, ..RunIds::default() };
    let mut outbox = Outbox::new(ids, sink.max_frame());
    outbox.push(Frame::from(failure));
    while let Some(frame) = outbox.next_frame() {
        sink.send(Outgoing::Frame(frame)).await?;
    }
    Ok(())
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let cause = format!("a panic: {}", words.unwrap_or("without words"));
    Failure::new(ErrorCode::Internal).with_source(cause)
}

/// Gives the tasks that are ready their run. Tokio's `yield_now` would look for news of all sockets
/// first, each time.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The next event; never, when there is nothing more to expect.
async fn next<S>(events: Option<Pin<&mut S>>) -> Option<Result<Event, Failure>>
where
    S: Stream<Item = Result<Event, Failure>>,
{
    let Some(mut events) = events else { return pending().await };
    let event = AssertUnwindSafe(events.next()).catch_unwind().await;
    event.unwrap_or_else(|panic| Some(Err(panicked(&*panic))))
}

/// One run under way: what the agent has said, and what the client has not got yet.
struct ActiveRun {
    /// Whether the client gets the source's trace.
    trace: bool,
    started: Instant,
    outbox: Outbox,
    text: Utf8,
    stats: Stats,
    events: u64,
    usage: Option<Usage>,
    stop_reason: Option<String>,
    /// What else the source says at the end.
    end_members: Vec<(&'static str, Box<RawValue>)>,
    confirmations: Vec<Confirmation>,
    /// The id of the message that text belongs to now.
    message_id: Arc<str>,
    /// How many messages have begun.
    messages: u64,
    /// The id of the thought that is not at its end, if there is one.
    thought_id: Option<Arc<str>>,
    /// How many thoughts have begun.
    thoughts: u64,
    /// How many results of actions there were.
    tool_results: u64,
    source_ended: bool,
    bytes: u64,
    text_bytes: u64,
    retried_posts: u64,
    failure: Option<Failure>,
}

impl ActiveRun {
    /// A run that was just accepted: the client is told so while the agent is still thinking.
    fn new(ids: RunIds, trace: bool, max_frame: Option<usize>) -> Self {
        let message_id = ids.message_id.as_str().into();
        let mut outbox = Outbox::new(ids, max_frame);
        outbox.push(Frame::RunStarted);
        Self {
            trace,
            started: Instant::now(),
            outbox,
            text: Utf8::default(),
            stats: Stats::default(),
            events: 0,
            usage: None,
            stop_reason: None,
            end_members: Vec::new(),
            confirmations: Vec::new(),
            message_id,
            messages: 0,
            thought_id: None,
            thoughts: 0,
            tool_results: 0,
            source_ended: false,
            bytes: 0,
            text_bytes: 0,
            retried_posts: 0,
            failure: None,
        }
    }

    /// Posts what the agent says and what waits already, until there is nothing more of either.
    async fn drive<S>(
        &mut self,
        events: Option<S>,
        sink: &impl FrameSink,
        limits: &Limits,
        shutdown: impl Future<Output = ()>,
    ) -> Outcome
    where
        S: Stream<Item = Result<Event, Failure>>,
    {
        // `None` when there is nothing more to expect. Dropping the stream cancels the call.
        let mut events = pin!(events);
        // At most one. In here it is polled only when it has something to say, and not with each of the
        // agent's events.
        let mut post = FuturesUnordered::new();
        let mut keepalive = pin!(sleep(limits.keepalive));
        let mut deadline = pin!(sleep_until(limits.deadline));
        let mut hard_deadline = pin!(sleep_until(limits.hard_deadline));
        let mut shutdown = pin!(shutdown.fuse());

        loop {
            if post.is_empty() {
                match self.outbox.next_frame() {
                    Some(frame) => {
                        self.bytes += frame.len() as u64;
                        post.push(sink.send(Outgoing::Frame(frame)));
                    }
                    None if events.is_none() => break,
                    None => {}
                }
            }
            let silent = post.is_empty() && events.is_some();
            tokio::select! {
                // Posts first: each one that ends makes room, and lets the next begin.
                biased;
                Some(posted) = post.next() => match posted {
                    Ok(attempts) => {
                        self.retried_posts += u64::from(attempts) - 1;
                        keepalive.as_mut().reset(Instant::now() + limits.keepalive);
                    }
                    Err(SendError::Gone) => return Outcome::ClientGone,
                    Err(error) => return Outcome::Undelivered(error),
                },
                () = &mut hard_deadline => return Outcome::OutOfTime,
                () = &mut deadline, if events.is_some() => {
                    events.set(None);
                    self.fail(Failure::new(ErrorCode::Deadline));
                }
                () = &mut shutdown => {
                    let last_moment = Instant::now() + limits.shutdown_grace;
                    hard_deadline.as_mut().reset(last_moment.min(limits.hard_deadline));
                    if events.is_some() {
                        events.set(None);
                        let message = "The function is being shut down. The text so far is valid; try again.";
                        self.fail(Failure::new(ErrorCode::Internal).with_message(message));
                    }
                }
                event = next(events.as_mut().as_pin_mut()), if self.has_room(limits) => {
                    self.on_event(event, events.as_mut());
                    self.drain_ready(events.as_mut(), limits).await;
                }
                () = &mut keepalive, if silent => {
                    if sink.has_keepalive() {
                        post.push(sink.send(Outgoing::Keepalive));
                    } else {
                        self.outbox.push(Frame::Keepalive);
                    }
                }
            }
        }
        self.failure.take().map_or(Outcome::Finished, Outcome::Failed)
    }

    /// What the agent has said already: it goes into the next post together, whether one is in flight
    /// or not.
    async fn drain_ready<S>(&mut self, mut events: Pin<&mut Option<S>>, limits: &Limits)
    where
        S: Stream<Item = Result<Event, Failure>>,
    {
        for _ in 0..MAX_BATCH {
            if events.is_none() || !self.has_room(limits) {
                return;
            }
            let mut event = next(events.as_mut().as_pin_mut()).now_or_never();
            if event.is_none() {
                // The agent's connection is a task of its own, which reads on when it is its run.
                yield_once().await;
                event = next(events.as_mut().as_pin_mut()).now_or_never();
            }
            let Some(event) = event else { return };
            self.on_event(event, events.as_mut());
        }
    }

    /// Whether the agent may be read.
    fn has_room(&self, limits: &Limits) -> bool {
        self.outbox.weight() < limits.outbox_bytes
    }

    /// What the agent says next, or that this is all, for good or bad.
    fn on_event<S>(
        &mut self,
        event: Option<Result<Event, Failure>>,
        mut events: Pin<&mut Option<S>>,
    ) {
        match event {
            Some(Ok(event)) => self.take(event),
            Some(Err(failure)) => {
                events.set(None);
                self.source_ended = true;
                self.fail(failure);
            }
            None => {
                events.set(None);
                self.source_ended = true;
                self.finish();
            }
        }
    }

    fn take(&mut self, event: Event) {
        self.events += 1;
        match event {
            Event::MessageStart => self.begin_message(),
            Event::Text(bytes) => {
                self.stats.chunks += 1;
                if self.stats.first_chunk_ms.is_none() {
                    self.stats.first_chunk_ms = Some(self.elapsed_ms());
                }
                let text = self.text.decode(&bytes);
                self.push_text(text);
            }
            Event::Annotation { name, member, json } => {
                self.end_thought();
                let message_id = self.message_id.clone();
                self.outbox.push(Frame::Annotation { message_id, name, member, json });
            }
            Event::Custom { name, json } => {
                self.end_thought();
                self.outbox.push(Frame::Custom { name, json });
            }
            // What the client may not see stays here. Not every source can be told not to say it.
            Event::Trace(_)
            | Event::Reasoning(_)
            | Event::ReasoningEnd
            | Event::FinishedToolCall(_)
                if !self.trace => {}
            Event::Reasoning(text) => self.push_reasoning(text),
            Event::ReasoningEnd => self.end_thought(),
            Event::FinishedToolCall(call) => self.push_finished_tool_call(call),
            Event::Trace(raw) | Event::Other(raw) => {
                let Raw { source, name, json } = raw;
                self.outbox.push(Frame::Raw { source, name, json });
            }
            Event::Usage(usage) => {
                self.usage = Some(self.usage.unwrap_or_default().plus(usage));
            }
            Event::ToolCall(call) => self.push_tool_call(call),
            Event::StopReason(reason) => self.stop_reason = Some(reason),
            Event::Agui(event) => self.push_agui(event),
            Event::RunEnd(members) => self.end_members = members,
        }
    }

    /// Text that comes now is not of the message before.
    fn begin_message(&mut self) {
        self.messages += 1;
        if self.messages > 1 {
            self.end_thought();
            self.flush_text();
            self.message_id = self.outbox.ids().part("message", self.messages);
        }
    }

    /// The agent has said everything.
    fn finish(&mut self) {
        self.end_text();
        self.stats.total_ms = self.elapsed_ms();
        let confirmations = std::mem::take(&mut self.confirmations);
        let (stats, usage, stop_reason) = (self.stats, self.usage, self.stop_reason.take());
        let members = std::mem::take(&mut self.end_members);
        let end = Frame::RunFinished { stats, confirmations, usage, stop_reason, members };
        self.outbox.push(end);
    }

    fn push_reasoning(&mut self, delta: String) {
        // As with text, clients refuse an empty piece.
        if delta.is_empty() {
            return;
        }
        let message_id = self.thought_id.clone().unwrap_or_else(|| {
            self.thoughts += 1;
            let message_id = self.outbox.ids().part("reasoning", self.thoughts);
            self.outbox.push(Frame::ReasoningStart { message_id: message_id.clone() });
            self.thought_id = Some(message_id.clone());
            message_id
        });
        self.outbox.push(Frame::Reasoning { message_id, delta });
    }

    /// An event that is one of AG-UI's already.
    fn push_agui(&mut self, event: AguiEvent) {
        if event.kind.starts_with("TEXT_MESSAGE_")
            && let Some(delta) = &event.delta
        {
            self.stats.chunks += 1;
            self.text_bytes += delta.len() as u64;
            if self.stats.first_chunk_ms.is_none() {
                self.stats.first_chunk_ms = Some(self.elapsed_ms());
            }
        }
        self.outbox.push(Frame::Agui(event));
    }

    /// What comes now is no part of the thought before, if there was one.
    fn end_thought(&mut self) {
        if let Some(message_id) = self.thought_id.take() {
            self.outbox.push(Frame::ReasoningEnd { message_id });
        }
    }

    /// An action and its result. Clients take an action without a result for one of their own.
    fn push_finished_tool_call(&mut self, call: FinishedToolCall) {
        self.end_thought();
        let FinishedToolCall { id, name, arguments, result, failed } = call;
        self.tool_results += 1;
        let result_id = self.outbox.ids().part("tool-result", self.tool_results);
        self.outbox.push(Frame::ToolCall {
            message_id: self.message_id.clone(),
            id: id.clone(),
            name,
            arguments,
        });
        self.outbox.push(Frame::ToolResult {
            message_id: result_id,
            tool_call_id: id,
            content: result,
            failed,
        });
    }

    /// An action is handed to the client.
    fn push_tool_call(&mut self, call: ToolCall) {
        let ToolCall { id, name, arguments, result_kind } = call;
        if result_kind != ResultKind::Result {
            self.confirmations.push(Confirmation {
                tool_call_id: id.clone(),
                name: name.clone(),
                with_result: result_kind == ResultKind::ConfirmationAndResult,
            });
        }
        self.end_thought();
        let message_id = self.message_id.clone();
        self.outbox.push(Frame::ToolCall { message_id, id, name, arguments });
    }

    /// There is nothing more to come, for a bad reason. The text so far stays valid.
    fn fail(&mut self, failure: Failure) {
        self.end_text();
        self.stats.total_ms = self.elapsed_ms();
        self.outbox.push(Frame::RunError {
            code: failure.code,
            message: failure.message.clone(),
            usage: self.usage,
            stop_reason: self.stop_reason.take(),
        });
        self.failure = Some(failure);
    }

    fn push_text(&mut self, text: String) {
        // AG-UI's clients refuse a piece of text that is empty.
        if !text.is_empty() {
            self.end_thought();
            self.text_bytes += text.len() as u64;
            let message_id = self.message_id.clone();
            self.outbox.push(Frame::Text { message_id, delta: text });
        }
    }

    /// What is left of a character that was never completed.
    fn flush_text(&mut self) {
        let rest = self.text.finish().to_owned();
        self.push_text(rest);
    }

    /// There is no more text in this run.
    fn end_text(&mut self) {
        self.end_thought();
        self.flush_text();
        if self.text.replaced() > 0 {
            warn!(replaced = self.text.replaced(), "the agent sent bytes that are not UTF-8");
        }
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn end(mut self, outcome: Outcome) -> Summary {
        if self.stats.total_ms == 0 {
            self.stats.total_ms = self.elapsed_ms();
        }
        Summary {
            source_ended: self.source_ended
                && matches!(outcome, Outcome::Finished | Outcome::Failed(_)),
            outcome,
            stats: self.stats,
            events: self.events,
            frames: self.outbox.frames(),
            bytes: self.bytes,
            text_bytes: self.text_bytes,
            retried_posts: self.retried_posts,
        }
    }
}
