//! A source's events ⇒ frames, in order.
//!
//! One task, one `select!` over four things: the post in flight, the agent, the keepalive and the
//! deadline; and over the run's item and the writes to it, where it is kept. With no post in flight an
//! event is posted at once, together with what came with it. While one is, what arrives waits in the
//! [`Outbox`], where adjacent text becomes one frame: so a chunk is at most about two posts behind the
//! agent at any rate, and a fast agent costs fewer posts, not more delay. When the outbox is full, the
//! agent is not read until there is room again.
//!
//! A run that is kept goes on over another connection when its item says so, and without any when the
//! client has gone; nothing of that is in the way of a post.

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
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::{Stream, StreamExt as _};
use tracing::{info, warn};

use crate::agui::{Confirmation, Frame, RunIds, Stats};
use crate::error::{ErrorCode, Failure, chain};
use crate::invocation::ConnectionRef;
use crate::relay::delivery::{Change, Destination, LeftBehind};
use crate::relay::journal::{Journal, ROOM_FOR_AFTER};
use crate::relay::keeper::{Keeper, NoKeeper};
use crate::relay::kept_run::KeptRun;
use crate::relay::outbox::{Outbox, serialise};
use crate::source::{AguiEvent, Event, FinishedToolCall, Raw, ResultKind, ToolCall, Usage};
use crate::transport::{FrameSink, Outgoing, SendError};
use crate::utf8::Utf8;

pub mod cut;
pub mod delivery;
pub mod journal;
pub mod keeper;
mod kept_run;
pub mod outbox;

pub use crate::relay::kept_run::Kept;

/// How long the first post may take before the run is written that it belongs to. Usually it is written
/// behind that post; but whoever joins looks for it for some seconds only.
const START_DELAY: Duration = Duration::from_secs(1);

/// How often the item of a run is looked at, when there is something else to do as well.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// How much longer the look waits for something else to do: waking up for it alone costs as much as it does.
const WATCH_SLACK: Duration = Duration::from_millis(100);

/// How long it may take to tell a client that its answer goes on elsewhere: it may be long gone.
const MOVED_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a post may take once the run is written: whoever is there can join.
const STALLED_TIMEOUT: Duration = Duration::from_secs(30);

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
    /// The client has gone, and the run went on to its end without it. It is kept.
    Kept,
    /// Somebody wanted the run to end, or its client was gone for longer than the agent may work alone.
    Stopped,
    /// Somebody who wanted to join the run took it to be lost, and was told so.
    Lost,
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
    /// The tokens that its models used, where they are told.
    pub usage: Option<Usage>,
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
    /// How it was kept, if it was to be.
    pub kept: Option<Kept>,
}

/// How a run is kept.
#[derive(Debug)]
pub struct Keeping<'a, K> {
    /// Where.
    pub keeper: &'a K,
    /// What the client can join it with.
    pub key: String,
    /// Where the frames go at first.
    pub destination: Destination,
    /// The largest post of all connections that it can be joined from, in bytes.
    pub max_frame: usize,
    /// How long the agent works on while nobody is there.
    pub alone: Duration,
}

/// Relays a run's events to where its frames go until both are done, or until `shutdown` says that the
/// process is about to end. Without `trace`, the client gets no step of the source's work.
///
/// A panic on the way ends this run and no other: the client gets what was waiting, and is told.
/// One in the agent's stream does not even disturb the post in flight.
pub fn relay<S>(
    ids: RunIds,
    trace: bool,
    events: S,
    sink: &impl FrameSink,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
) -> impl Future<Output = Summary>
where
    S: Stream<Item = Result<Event, Failure>>,
{
    relay_and_keep(ids, trace, events, sink, limits, shutdown, None::<Keeping<'_, NoKeeper>>)
}

/// The same for a run that is kept, if it is to be: it outlives its client's connection, and goes on over
/// any that it is joined from.
pub async fn relay_and_keep<S, K>(
    ids: RunIds,
    trace: bool,
    events: S,
    sink: &impl FrameSink,
    limits: &Limits,
    shutdown: impl Future<Output = ()>,
    keeping: Option<Keeping<'_, K>>,
) -> Summary
where
    S: Stream<Item = Result<Event, Failure>>,
    K: Keeper,
{
    let alone = keeping.as_ref().map_or(Duration::MAX, |keeping| keeping.alone);
    let keeper = keeping.as_ref().map(|keeping| Keep { keeper: keeping.keeper, alone });
    let mut run = ActiveRun::new(ids, trace, sink.max_frame(), keeping);
    let relayed = run.drive(Some(events), sink, limits, shutdown, keeper);
    let outcome = match AssertUnwindSafe(relayed).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => {
            run.on_panic(panicked(&*panic));
            // Seldom needed, so it takes no room in the future of every run.
            let rest = Box::pin(run.drive(None::<S>, sink, limits, pending(), keeper));
            let rest = AssertUnwindSafe(rest).catch_unwind().await;
            rest.unwrap_or_else(|_| Outcome::Failed(Failure::new(ErrorCode::Internal)))
        }
    };
    run.end(outcome)
}

/// Tells the client why it does not get a run, in one frame: with the number `seq`, which is 0 where nothing
/// has begun, and follows those that a client has which wanted to join.
///
/// # Errors
/// The client is gone, or can't be told.
pub async fn refuse(
    run_id: String,
    seq: u64,
    failure: &Failure,
    sink: &impl FrameSink,
) -> Result<(), SendError> {
    let ids = RunIds { run_id, ..RunIds::default() };
    let mut outbox = Outbox::new(ids, sink.max_frame()).starting_at(seq);
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

/// Where a run is kept, and how long its agent works on while nobody is there.
struct Keep<'a, K> {
    keeper: &'a K,
    alone: Duration,
}

impl<K> Clone for Keep<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Keep<'_, K> {}

/// Where posts go: to the sink that the run began with, or to a connection that it was joined from.
enum Route<'a, S, C> {
    Begun(&'a S),
    Joined(C),
}

impl<S, C: Clone> Clone for Route<'_, S, C> {
    fn clone(&self) -> Self {
        match self {
            Self::Begun(sink) => Self::Begun(sink),
            Self::Joined(connection) => Self::Joined(connection.clone()),
        }
    }
}

impl<S: FrameSink, C: FrameSink> Route<'_, S, C> {
    fn has_keepalive(&self) -> bool {
        match self {
            Self::Begun(sink) => sink.has_keepalive(),
            Self::Joined(connection) => connection.has_keepalive(),
        }
    }

    async fn send(self, outgoing: Outgoing) -> Result<u32, SendError> {
        match self {
            Self::Begun(sink) => sink.send(outgoing).await,
            Self::Joined(connection) => connection.send(outgoing).await,
        }
    }

    /// Tells a client that its answer goes on elsewhere, as well as that can be done.
    async fn send_last(self, frame: Vec<u8>) {
        let _ = timeout(MOVED_TIMEOUT, self.send(Outgoing::Frame(frame))).await;
    }
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
    // Frames that were posted, and their bytes.
    frames: u64,
    bytes: u64,
    text_bytes: u64,
    retried_posts: u64,
    failure: Option<Failure>,
    /// Whether the run was ended before its time because somebody wanted it.
    stopped: bool,
    kept: Option<KeptRun>,
}

impl ActiveRun {
    /// A run that was just accepted: the client is told so while the agent is still thinking.
    fn new<K>(
        ids: RunIds,
        trace: bool,
        max_frame: Option<usize>,
        keeping: Option<Keeping<'_, K>>,
    ) -> Self {
        let message_id = ids.message_id.as_str().into();
        let (outbox, kept) = match keeping {
            None => {
                let mut outbox = Outbox::new(ids, max_frame);
                outbox.push(Frame::RunStarted);
                (outbox, None)
            }
            Some(Keeping { key, destination, max_frame, .. }) => {
                let journal = Journal::new(ids.clone(), max_frame);
                let mut outbox = Outbox::new(ids, Some(max_frame - ROOM_FOR_AFTER));
                outbox.push(Frame::JoinableRunStarted { key });
                (outbox, Some(KeptRun::new(journal, destination)))
            }
        };
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
            frames: 0,
            bytes: 0,
            text_bytes: 0,
            retried_posts: 0,
            failure: None,
            stopped: false,
            kept,
        }
    }

    /// Posts what the agent says and what waits already, until there is nothing more of either.
    #[expect(clippy::too_many_lines, reason = "it is one `select!` over all that a run waits for")]
    async fn drive<S, K: Keeper>(
        &mut self,
        events: Option<S>,
        sink: &impl FrameSink,
        limits: &Limits,
        shutdown: impl Future<Output = ()>,
        keep: Option<Keep<'_, K>>,
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
        // What follows is of runs that are kept. Of writes and looks, too, there is at most one at a time.
        let mut route = self.route(sink, keep);
        let mut store = FuturesUnordered::new();
        let mut look = FuturesUnordered::new();
        let mut last_words = FuturesUnordered::new();
        let mut start_is_due = pin!(sleep(START_DELAY));
        let mut next_look = pin!(sleep(WATCH_INTERVAL + WATCH_SLACK));
        let mut alone = pin!(sleep(Duration::ZERO));
        let mut stalled = pin!(sleep(STALLED_TIMEOUT));

        loop {
            if let Some(kept) = &mut self.kept {
                kept.freeze(&mut self.outbox, events.is_none());
            }
            if post.is_empty()
                && let Some(frame) = self.next_post()
            {
                self.frames += 1;
                self.bytes += frame.len() as u64;
                stalled.as_mut().reset(Instant::now() + STALLED_TIMEOUT);
                post.push(route.clone().send(Outgoing::Frame(frame)));
            }
            if let (Some(kept), Some(Keep { keeper, .. })) = (&mut self.kept, keep)
                && let Some(job) = kept.next_job(keeper)
            {
                store.push(job.carry_out(keeper));
            }
            let is_over = self.kept.as_ref().is_none_or(KeptRun::is_over);
            if post.is_empty() && events.is_none() && last_words.is_empty() && is_over {
                break;
            }
            let has_begun = self.kept.as_ref().is_none_or(KeptRun::has_begun);
            let is_alone = self.kept.as_ref().is_some_and(KeptRun::is_alone);
            let is_written = self.kept.as_ref().is_some_and(KeptRun::is_written);
            let is_watched = self.kept.as_ref().is_some_and(KeptRun::is_to_be_watched);
            let silent = post.is_empty() && events.is_some() && !is_alone;
            tokio::select! {
                // Posts first: each one that ends makes room, and lets the next begin.
                biased;
                Some(posted) = post.next() => match posted {
                    Ok(attempts) => {
                        self.retried_posts += u64::from(attempts) - 1;
                        keepalive.as_mut().reset(Instant::now() + limits.keepalive);
                        if let Some(kept) = &mut self.kept {
                            kept.on_posted();
                        }
                    }
                    Err(error) => {
                        if let (Some(kept), Some(keep)) = (&mut self.kept, keep) {
                            let is_gone = matches!(error, SendError::Gone);
                            kept.on_gone(error);
                            alone.as_mut().reset(Instant::now() + keep.alone);
                            if is_gone {
                                info!("the client has gone, and the run goes on without it");
                            } else if events.is_some() {
                                // Something is wrong here, and would be for every client.
                                events.set(None);
                                let message = "The answer could not be delivered. The text so far is valid; try again.";
                                self.fail(Failure::new(ErrorCode::Internal).with_message(message));
                            }
                        } else if matches!(error, SendError::Gone) {
                            return Outcome::ClientGone;
                        } else {
                            return Outcome::Undelivered(error);
                        }
                    }
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
                    if is_watched && next_look.deadline() <= Instant::now() + WATCH_SLACK {
                        next_look.as_mut().reset(Instant::now());
                    }
                }
                () = &mut keepalive, if silent => {
                    if route.has_keepalive() {
                        post.push(route.clone().send(Outgoing::Keepalive));
                    } else {
                        self.outbox.push(Frame::Keepalive);
                    }
                }
                Some(written) = store.next() => if let Some(kept) = &mut self.kept {
                    kept.on_written(written);
                    stalled.as_mut().reset(Instant::now() + STALLED_TIMEOUT);
                },
                () = &mut start_is_due, if !has_begun => {
                    if let Some(kept) = &mut self.kept {
                        kept.begin();
                    }
                }
                () = &mut next_look, if is_watched && look.is_empty() => {
                    look.extend(keep.map(|keep| keep.keeper.watch()));
                }
                Some(item) = look.next() => {
                    next_look.as_mut().reset(Instant::now() + WATCH_INTERVAL + WATCH_SLACK);
                    let changes = self.kept.as_mut().map(|kept| kept.on_item(item));
                    for change in changes.unwrap_or_default() {
                        match change {
                            Change::Lost => {
                                events.set(None);
                                post.clear();
                                self.outbox.clear();
                            }
                            Change::Stop if events.is_some() => {
                                events.set(None);
                                self.stop("somebody wants the run to end");
                            }
                            Change::Stop | Change::Taken { .. } => {}
                            Change::Moved { from, is_complete, .. } => {
                                // What is in flight is posted again, where it is wanted now.
                                post.clear();
                                if let Some(left) = from {
                                    let frame = self.moved(&left);
                                    last_words.push(route.clone().send_last(frame));
                                }
                                route = self.route(sink, keep);
                                if let Some(keep) = keep {
                                    // If the connection can't be reached.
                                    alone.as_mut().reset(Instant::now() + keep.alone);
                                }
                                // At once if there is nothing to post: they wait for a sign of having joined.
                                keepalive.as_mut().reset(Instant::now());
                                if !is_complete {
                                    warn!("the client has lost more than is kept of the run: it sees a gap");
                                }
                            }
                        }
                    }
                }
                Some(()) = last_words.next() => {}
                () = &mut alone, if is_alone && events.is_some() => {
                    events.set(None);
                    self.stop("the client was gone for too long: see ALONE_SECONDS");
                }
                () = &mut stalled, if is_written && !post.is_empty() => {
                    post.clear();
                    if let Some(kept) = &mut self.kept {
                        info!("a post hangs, and is given up: the run is kept");
                        kept.on_gone(SendError::Gone);
                    }
                }
            }
        }
        self.outcome()
    }

    /// Where frames go now.
    fn route<'s, S: FrameSink, K: Keeper>(
        &mut self,
        sink: &'s S,
        keep: Option<Keep<'_, K>>,
    ) -> Route<'s, S, K::Connection> {
        let begun = Route::Begun(sink);
        let (Some(kept), Some(Keep { keeper, .. })) = (&mut self.kept, keep) else { return begun };
        let Some(Destination::Connection(to)) = kept.destination().filter(|_| kept.has_moved())
        else {
            return begun;
        };
        let ConnectionRef { connection_id, .. } = to;
        match keeper.connect(to) {
            Ok(connection) => {
                info!(joined_from = connection_id, "the client has come back");
                Route::Joined(connection)
            }
            Err(error) => {
                warn!(
                    joined_from = connection_id,
                    error = chain(&*error),
                    "a client that has come back can't be reached"
                );
                kept.on_gone(SendError::Gone);
                begun
            }
        }
    }

    /// The next frame, if there is one to be posted.
    fn next_post(&mut self) -> Option<Vec<u8>> {
        match &mut self.kept {
            None => self.outbox.next_frame(),
            Some(kept) => kept.next_post(&mut self.outbox),
        }
    }

    /// The last frame for a client whose answer goes on elsewhere.
    fn moved(&self, left: &LeftBehind) -> Vec<u8> {
        let frame = Frame::from(&Failure::new(ErrorCode::Moved));
        serialise(&self.outbox.ids().json_after(left.seq, left.after, &frame))
    }

    /// The agent is not heard to its end. The text so far stays.
    fn stop(&mut self, why: &str) {
        info!(why, "the run is stopped");
        self.end_text();
        self.stats.total_ms = self.elapsed_ms();
        self.outbox.push(Frame::RunStopped { stats: self.stats, usage: self.usage });
        self.stopped = true;
    }

    /// Something that should not happen, happened, and what was in flight may be lost.
    fn on_panic(&mut self, failure: Failure) {
        if let Some(kept) = &mut self.kept {
            kept.on_panic();
            // The end is told already, and can't be another any more.
            if kept.is_frozen() {
                warn!(error = failure.cause(), "a run goes on after an error");
                return;
            }
        }
        // The run did not end well, even if the agent has.
        self.outbox.take_back_terminal();
        self.fail(failure);
    }

    /// How it ended, when nothing more is to be done.
    fn outcome(&mut self) -> Outcome {
        if self.kept.as_ref().is_some_and(KeptRun::is_lost) {
            return Outcome::Lost;
        }
        if let Some(error) = self.kept.as_mut().and_then(KeptRun::take_undelivered) {
            return Outcome::Undelivered(error);
        }
        if let Some(failure) = self.failure.take() {
            return Outcome::Failed(failure);
        }
        match &self.kept {
            Some(kept) if kept.is_alone() && kept.is_written() => Outcome::Kept,
            Some(kept) if kept.is_alone() => Outcome::ClientGone,
            _ if self.stopped => Outcome::Stopped,
            _ => Outcome::Finished,
        }
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
                && matches!(outcome, Outcome::Finished | Outcome::Failed(_) | Outcome::Kept),
            outcome,
            stats: self.stats,
            usage: self.usage,
            events: self.events,
            frames: self.frames,
            bytes: self.bytes,
            text_bytes: self.text_bytes,
            retried_posts: self.retried_posts,
            kept: self.kept.map(|kept| kept.kept()),
        }
    }
}
