//! Agent events ⇒ frames, in order: the heart.
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
use std::task::Poll;
use std::time::Duration;

use futures::future::FutureExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_stream::{Stream, StreamExt as _};
use tracing::warn;

use crate::agui::{Confirmation, Event, RunIds, Stats, Usage};
use crate::error::{ErrorCode, Failure};
use crate::relay::outbox::{LARGEST_FRAME, Outbox};
use crate::relay::utf8::Utf8;
use crate::request::Run;
use crate::source::bedrock_agent::AgentEvent;
use crate::source::bedrock_agent::tool_call_id::{ToolCall, Wants};
use crate::transport::websocket::{Connection, PostError};

pub mod outbox;
mod utf8;

/// How many events that are there already are taken before the posts are looked after: so many take
/// a millisecond and a half, in which other turns have theirs.
const AT_A_TIME: usize = 512;

/// The limits of a relay.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest silence towards the client.
    pub keepalive: Duration,
    /// When the agent is told off and the client told so.
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
    /// The client closed its connection. The agent was freed at once.
    ClientGone,
    /// A frame could not be delivered.
    Undelivered(PostError),
    /// Posts hung or failed until the function's time was up.
    OutOfTime,
}

/// What a relay amounted to.
#[derive(Debug)]
pub struct Summary {
    /// How it ended.
    pub outcome: Outcome,
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

/// Relays a run's events to its connection until both are done, or until `shutdown` says that the
/// process is about to end.
///
/// A panic on the way ends this run and no other: the client gets what was waiting, and is told.
/// One in the agent's stream does not even disturb the post in flight.
pub async fn relay<S>(
    run: &Run,
    events: S,
    connection: &impl Connection,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
) -> Summary
where
    S: Stream<Item = Result<AgentEvent, Failure>>,
{
    let mut turn = Turn::new(run);
    let relayed = turn.pump(Some(events), connection, limits, shutdown);
    let outcome = match AssertUnwindSafe(relayed).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => {
            // The frame in flight may be lost, so the run did not end well, even if the agent has.
            turn.outbox.withdraw_end();
            turn.fail(panicked(&*panic));
            // Seldom needed, so it takes no room in the future of every run.
            let rest = Box::pin(turn.pump(None::<S>, connection, limits, pending()));
            let rest = AssertUnwindSafe(rest).catch_unwind().await;
            rest.unwrap_or_else(|_| Outcome::Failed(Failure::new(ErrorCode::Internal)))
        }
    };
    turn.end(outcome)
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let cause = format!("a panic: {}", words.unwrap_or("without words"));
    Failure::new(ErrorCode::Internal).caused_by(cause)
}

/// Gives the tasks that are ready their turn. Tokio's `yield_now` would look for news of all sockets
/// first, each time.
async fn give_way() {
    let mut gave_way = false;
    poll_fn(|context| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The next event; never, when there is nothing more to expect.
async fn next<S>(events: Option<Pin<&mut S>>) -> Option<Result<AgentEvent, Failure>>
where
    S: Stream<Item = Result<AgentEvent, Failure>>,
{
    let Some(mut events) = events else { return pending().await };
    let event = AssertUnwindSafe(events.next()).catch_unwind().await;
    event.unwrap_or_else(|panic| Some(Err(panicked(&*panic))))
}

/// One run under way: what the agent has said, and what the client has not got yet.
struct Turn<'a> {
    run: &'a Run,
    started: Instant,
    outbox: Outbox,
    text: Utf8,
    stats: Stats,
    events: u64,
    usage: Option<Usage>,
    confirmations: Vec<Confirmation>,
    bytes: u64,
    text_bytes: u64,
    retried_posts: u64,
    failure: Option<Failure>,
}

impl<'a> Turn<'a> {
    /// A run that was just accepted: the client is told so while the agent is still thinking.
    fn new(run: &'a Run) -> Self {
        let mut outbox = Outbox::new(RunIds::of(run), LARGEST_FRAME);
        outbox.push(Event::RunStarted { thread_id: run.thread_id.clone() });
        Self {
            run,
            started: Instant::now(),
            outbox,
            text: Utf8::default(),
            stats: Stats::default(),
            events: 0,
            usage: None,
            confirmations: Vec::new(),
            bytes: 0,
            text_bytes: 0,
            retried_posts: 0,
            failure: None,
        }
    }

    /// Posts what the agent says and what waits already, until there is nothing more of either.
    async fn pump<S>(
        &mut self,
        events: Option<S>,
        connection: &impl Connection,
        limits: &Limits,
        shutdown: impl Future<Output = ()>,
    ) -> Outcome
    where
        S: Stream<Item = Result<AgentEvent, Failure>>,
    {
        // `None` when there is nothing more to expect. Dropping the stream frees the agent.
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
                        post.push(connection.post(frame));
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
                    Err(PostError::Gone) => return Outcome::ClientGone,
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
                        self.fail(Failure::new(ErrorCode::Internal).saying(message));
                    }
                }
                event = next(events.as_mut().as_pin_mut()), if self.has_room(limits) => {
                    self.hear(event, events.as_mut());
                    self.hear_what_is_there(events.as_mut(), limits).await;
                }
                () = &mut keepalive, if silent => self.outbox.push(Event::Keepalive),
            }
        }
        self.failure.take().map_or(Outcome::Finished, Outcome::Failed)
    }

    /// What the agent has said already: it goes into the next post together, whether one is in flight
    /// or not.
    async fn hear_what_is_there<S>(&mut self, mut events: Pin<&mut Option<S>>, limits: &Limits)
    where
        S: Stream<Item = Result<AgentEvent, Failure>>,
    {
        for _ in 0..AT_A_TIME {
            if events.is_none() || !self.has_room(limits) {
                return;
            }
            let mut event = next(events.as_mut().as_pin_mut()).now_or_never();
            if event.is_none() {
                // The agent's connection is a task of its own, which reads on when it is its turn.
                give_way().await;
                event = next(events.as_mut().as_pin_mut()).now_or_never();
            }
            let Some(event) = event else { return };
            self.hear(event, events.as_mut());
        }
    }

    /// Whether the agent may be read.
    fn has_room(&self, limits: &Limits) -> bool {
        self.outbox.weight() < limits.outbox_bytes
    }

    /// What the agent says next, or that this is all, for good or bad.
    fn hear<S>(
        &mut self,
        event: Option<Result<AgentEvent, Failure>>,
        mut events: Pin<&mut Option<S>>,
    ) {
        match event {
            Some(Ok(event)) => self.take(event),
            Some(Err(failure)) => {
                events.set(None);
                self.fail(failure);
            }
            None => {
                events.set(None);
                self.finish();
            }
        }
    }

    fn take(&mut self, event: AgentEvent) {
        self.events += 1;
        match event {
            AgentEvent::Chunk { bytes, citations } => {
                self.stats.chunks += 1;
                if self.stats.first_chunk_ms.is_none() {
                    self.stats.first_chunk_ms = Some(self.elapsed_ms());
                }
                let text = self.text.decode(&bytes);
                self.push_text(text);
                if let Some(citations) = citations {
                    self.outbox.push(Event::Citations(citations));
                }
            }
            AgentEvent::Trace { json, usage } => {
                if let Some(usage) = usage {
                    let sum = self.usage.get_or_insert_default();
                    sum.input_tokens = sum.input_tokens.saturating_add(usage.input_tokens);
                    sum.output_tokens = sum.output_tokens.saturating_add(usage.output_tokens);
                }
                // The agent is not asked for what the client may not see; should it come all the
                // same, it stays here.
                if self.run.trace {
                    self.outbox.push(Event::Agent { name: "trace".to_owned(), json });
                }
            }
            AgentEvent::ReturnControl(calls) => {
                for call in calls {
                    self.hand_over(call);
                }
            }
            AgentEvent::Files(files) => {
                for file in files {
                    self.outbox.push(Event::File(file));
                }
            }
            AgentEvent::Other { name, json } => self.outbox.push(Event::Agent { name, json }),
        }
    }

    /// The agent has said everything.
    fn finish(&mut self) {
        self.flush_text();
        self.stats.total_ms = self.elapsed_ms();
        let thread_id = self.run.thread_id.clone();
        let confirmations = std::mem::take(&mut self.confirmations);
        let (stats, usage) = (self.stats, self.usage);
        self.outbox.push(Event::RunFinished { thread_id, stats, confirmations, usage });
    }

    /// The agent wants the client to do something.
    fn hand_over(&mut self, call: ToolCall) {
        let (id, name) = (call.id.encode(), call.id.name());
        if call.wants != Wants::Result {
            self.confirmations.push(Confirmation {
                tool_call_id: id.clone(),
                name: name.clone(),
                with_result: call.wants == Wants::ConfirmationAndResult,
            });
        }
        self.outbox.push(Event::ToolCall { id, name, arguments: call.arguments });
    }

    /// There is nothing more to come, for a bad reason. The text so far stays valid.
    fn fail(&mut self, failure: Failure) {
        self.flush_text();
        self.stats.total_ms = self.elapsed_ms();
        self.outbox.push(Event::from(&failure));
        self.failure = Some(failure);
    }

    fn push_text(&mut self, text: String) {
        // AG-UI's clients refuse a piece of text that is empty.
        if !text.is_empty() {
            self.text_bytes += text.len() as u64;
            self.outbox.push(Event::Text(text));
        }
    }

    fn flush_text(&mut self) {
        let rest = self.text.finish().to_owned();
        self.push_text(rest);
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
