//! Agent events ⇒ frames, in order: the heart.
//!
//! One task, one `select!` over four things: the post in flight, the agent, the keepalive and the
//! deadline. With no post in flight an event is posted at once. While one is, what arrives waits in
//! the [`Outbox`], where adjacent text becomes one frame: so a chunk is at most about two posts
//! behind the agent at any rate, and a fast agent costs fewer posts, not more delay. When the outbox
//! is full, the agent is not read until there is room again.

use std::future::pending;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::future::{Fuse, FusedFuture as _, FutureExt as _};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_stream::{Stream, StreamExt as _};
use tracing::warn;

use crate::agent::AgentEvent;
use crate::agui::{Event, RunIds, Stats};
use crate::connection::{Connection, PostError};
use crate::error::{ErrorCode, Failure};
use crate::relay::outbox::{LARGEST_FRAME, Outbox};
use crate::relay::utf8::Utf8;
use crate::request::Run;

pub mod outbox;
mod utf8;

/// The limits of a relay.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest silence towards the client.
    pub keepalive: Duration,
    /// When the agent is told off and the client told so.
    pub deadline: Instant,
    /// When posting ends, too: shortly before the function's own end.
    pub hard_deadline: Instant,
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
    /// Frames that were posted.
    pub frames: u64,
    /// Attempts to post that had to be repeated.
    pub retried_posts: u64,
}

/// Relays a run's events to its connection until both are done.
pub async fn relay<S>(
    run: &Run,
    events: S,
    connection: &impl Connection,
    limits: &Limits,
) -> Summary
where
    S: Stream<Item = Result<AgentEvent, Failure>>,
{
    let mut turn = Turn::new(run);
    // `None` when there is nothing more to expect from the agent. Dropping it frees the agent.
    let mut events = pin!(Some(events));
    let mut post = pin!(Fuse::terminated());
    let mut keepalive = pin!(sleep(limits.keepalive));
    let mut deadline = pin!(sleep_until(limits.deadline));
    let mut hard_deadline = pin!(sleep_until(limits.hard_deadline));

    loop {
        if post.is_terminated() {
            match turn.outbox.next_frame() {
                Some(frame) => post.set(connection.post(frame).fuse()),
                None if events.is_none() => break,
                None => {}
            }
        }
        let silent = post.is_terminated() && events.is_some();
        let has_room = turn.outbox.weight() < limits.outbox_bytes;
        tokio::select! {
            // Posts first: each one that ends makes room, and lets the next begin.
            biased;
            posted = &mut post => match posted {
                Ok(attempts) => {
                    turn.retried_posts += u64::from(attempts) - 1;
                    keepalive.as_mut().reset(Instant::now() + limits.keepalive);
                }
                Err(PostError::Gone) => return turn.end(Outcome::ClientGone),
                Err(error) => return turn.end(Outcome::Undelivered(error)),
            },
            () = &mut hard_deadline => return turn.end(Outcome::OutOfTime),
            () = &mut deadline, if events.is_some() => {
                events.set(None);
                turn.fail(Failure::new(ErrorCode::Deadline));
            }
            event = next(events.as_mut().as_pin_mut()), if has_room => match event {
                Some(Ok(event)) => turn.take(event),
                Some(Err(failure)) => {
                    events.set(None);
                    turn.fail(failure);
                }
                None => {
                    events.set(None);
                    turn.finish();
                }
            },
            () = &mut keepalive, if silent => turn.outbox.push(Event::Keepalive),
        }
    }
    let outcome = turn.failure.take().map_or(Outcome::Finished, Outcome::Failed);
    turn.end(outcome)
}

/// The next event; never, when there is nothing more to expect.
async fn next<S: Stream>(events: Option<Pin<&mut S>>) -> Option<S::Item> {
    match events {
        Some(mut events) => events.next().await,
        None => pending().await,
    }
}

/// One run under way: what the agent has said, and what the client has not got yet.
struct Turn<'a> {
    run: &'a Run,
    started: Instant,
    outbox: Outbox,
    text: Utf8,
    stats: Stats,
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
            retried_posts: 0,
            failure: None,
        }
    }

    fn take(&mut self, event: AgentEvent) {
        match event {
            AgentEvent::Chunk { bytes, citations } => {
                self.stats.chunks += 1;
                let elapsed = self.elapsed_ms();
                self.stats.first_chunk_ms.get_or_insert(elapsed);
                let text = self.text.decode(&bytes);
                self.push_text(text);
                if let Some(citations) = citations {
                    self.outbox.push(Event::Citations(citations));
                }
            }
            AgentEvent::Trace(json) if self.run.trace => {
                self.outbox.push(Event::Agent { name: "trace".to_owned(), json });
            }
            // The agent is not asked for what the client may not see; should it come all the
            // same, it stays here.
            AgentEvent::Trace(_) => {}
            AgentEvent::Other { name, json } => self.outbox.push(Event::Agent { name, json }),
        }
    }

    /// The agent has said everything.
    fn finish(&mut self) {
        self.flush_text();
        self.stats.total_ms = self.elapsed_ms();
        let thread_id = self.run.thread_id.clone();
        self.outbox.push(Event::RunFinished { thread_id, stats: self.stats });
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
            frames: self.outbox.frames(),
            retried_posts: self.retried_posts,
        }
    }
}
