//! What is asked of a run that is kept: to join it, to stop it, or to see its conversation.

use std::future::pending;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{error, info, warn};

use crate::agui::history::{Answer, Message};
use crate::agui::{Frame, RunIds};
use crate::error::{ErrorCode, Failure, chain};
use crate::handler::{Handler, SHUTDOWN_GRACE};
use crate::invocation::ConnectionRef;
use crate::relay::journal::Journal;
use crate::relay::outbox::Outbox;
use crate::relay::{Limits, refuse};
use crate::request::kept::{KeptRunRequest, Target, Wish};
use crate::runs::dynamodb::RunsTable;
use crate::runs::error::RunsError;
use crate::runs::item::{Item, JoinMode, Joined, RunAddress};
use crate::runs::joiner::{self, Credential, JoinOutcome, POLL_INTERVAL, TimeOfDay};
use crate::runs::table::Table as _;
use crate::shutdown::Shutdown;
use crate::source::AguiEvent;
use crate::telemetry;
use crate::transport::websocket::MAX_FRAME;
use crate::transport::{FrameSink, Outgoing, SendError};

/// The most runs of a conversation that are shown.
const MAX_RUNS_OF_HISTORY: u16 = 100;

/// The most bytes of messages that are shown, but for those of the newest run.
const MAX_HISTORY: usize = 1024 * 1024;

/// How many runs of a history are read at once.
const MAX_READS: usize = 8;

/// What it takes to do what is asked of a run that is kept.
pub(super) struct KeptRuns {
    /// `None` if runs are not kept.
    table: Option<RunsTable>,
    shutdown: Shutdown,
    function_name: String,
    limits: Limits,
}

/// Why somebody does not get what they asked for.
enum Trouble {
    /// They are told why.
    Failed(Failure),
    /// They can't be told.
    Send(SendError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<ErrorCode> for Trouble {
    fn from(code: ErrorCode) -> Self {
        Self::Failed(Failure::new(code))
    }
}

impl From<SendError> for Trouble {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<RunsError> for Trouble {
    fn from(error: RunsError) -> Self {
        let message = "The kept runs can't be reached. Try again in a moment.";
        Self::Failed(Failure::new(ErrorCode::Internal).with_message(message).with_source(error))
    }
}

impl Handler {
    /// What it takes to do what is asked of a run that is kept.
    pub(super) fn kept_runs(&self, function_name: &str, limits: Limits) -> KeptRuns {
        KeptRuns {
            table: self.services.runs.clone(),
            shutdown: self.shutdown.clone(),
            function_name: function_name.to_owned(),
            limits,
        }
    }
}

impl KeptRuns {
    /// Does what is asked, for as long as the function may run. Frames go to `sink`; those of a run that is
    /// joined while it is under way come over `connection`, if there is one.
    pub(super) async fn attend(
        self,
        request: KeptRunRequest,
        connection: Option<ConnectionRef>,
        sink: impl FrameSink,
    ) {
        let out_of_time = async {
            tokio::select! {
                () = sleep_until(self.limits.hard_deadline) => {}
                () = async {
                    self.shutdown.begun().await;
                    sleep(SHUTDOWN_GRACE).await;
                } => {}
            }
        };
        let answered = async {
            // The run's own, as soon as it is known: clients tell runs apart by it.
            let mut run_id = request.request_id.clone();
            match self.answer(&request, connection, &sink, &mut run_id).await {
                Ok(()) => Ok(()),
                Err(Trouble::Send(error)) => Err(error),
                Err(Trouble::Failed(failure)) => {
                    let code = failure.code.as_str();
                    if failure.code == ErrorCode::Internal {
                        error!(code, error = failure.cause(), "a kept run can't be had");
                    } else {
                        info!(code, wish = ?request.wish, "a kept run can't be had");
                    }
                    let seq = request.wish.first_seq();
                    refuse(run_id, seq, &failure, &sink).await
                }
            }
        };
        tokio::select! {
            answered = answered => match answered {
                Ok(()) => {}
                Err(SendError::Gone) => info!("the client is gone"),
                Err(error) => error!(error = chain(&error), "the client could not be told"),
            },
            () = out_of_time => error!("the client could not be told in time"),
        }
    }

    async fn answer(
        &self,
        request: &KeptRunRequest,
        connection: Option<ConnectionRef>,
        sink: &impl FrameSink,
        run_id: &mut String,
    ) -> Result<(), Trouble> {
        let (Some(table), Some(target)) = (&self.table, &request.target) else {
            return Err(ErrorCode::NoSuchRun.into());
        };
        match request.wish {
            Wish::Stop => {
                let address = address(table, target).await?;
                if !joiner::stop(table, &address, &target.credential).await? {
                    return Err(ErrorCode::NoSuchRun.into());
                }
                info!("a run is asked to end");
                Ok(())
            }
            Wish::Join { after } => {
                let address = address(table, target).await?;
                let joined = self.join(table, target, &address, after, connection, sink).await;
                if joined.is_err() {
                    name_run(table, target, &address, run_id).await;
                }
                joined
            }
            Wish::History => {
                let newest = history_of(table, target, &request.request_id, sink).await?;
                let Some(address) = newest else { return Ok(()) };
                let joined = self.join(table, target, &address, -1, connection, sink).await;
                if joined.is_err() {
                    name_run(table, target, &address, run_id).await;
                }
                joined
            }
        }
    }

    /// Joins a run.
    async fn join(
        &self,
        table: &RunsTable,
        target: &Target,
        address: &RunAddress,
        after: i64,
        connection: Option<ConnectionRef>,
        sink: &impl FrameSink,
    ) -> Result<(), Trouble> {
        let mode = match connection {
            Some(connection) => JoinMode::TakeOver(Joined { connection, after }),
            None => JoinMode::AwaitEnd,
        };
        let outcome = tokio::select! {
            outcome = joiner::join(table, address, &target.credential, mode) => outcome?,
            () = sleep_until(self.limits.deadline) => {
                let message = "The run goes on for longer than this request may. Join it again.";
                return Err(Failure::new(ErrorCode::Deadline).with_message(message).into());
            }
            () = self.shutdown.begun() => {
                let message = "The function is being shut down. Join the run again.";
                return Err(Failure::new(ErrorCode::Internal).with_message(message).into());
            }
            gone = keep_alive(sink, self.limits.keepalive) => return Err(gone.into()),
        };
        match outcome {
            JoinOutcome::TakenOver => {
                info!("the run goes on over this connection");
                Ok(())
            }
            JoinOutcome::Superseded => Err(ErrorCode::Moved.into()),
            JoinOutcome::NoSuchRun => Err(ErrorCode::NoSuchRun.into()),
            JoinOutcome::Lost => {
                telemetry::joined(&self.function_name, telemetry::Joined::Lost);
                Err(ErrorCode::RunLost.into())
            }
            JoinOutcome::Replay { item, journal: kept } => {
                let parts = table.journal(address, &kept).await?;
                let journal = journal(target, &item, &parts)?;
                info!(replayed = item.run_id, "a run that has ended is replayed");
                telemetry::joined(&self.function_name, telemetry::Joined::Replayed);
                Ok(replay(&journal, after, sink).await?)
            }
        }
    }
}

/// Says at times that nothing has happened, where that is no frame. Ends only when that can't be said.
async fn keep_alive(sink: &impl FrameSink, every: Duration) -> SendError {
    if !sink.has_keepalive() {
        return pending().await;
    }
    let mut next = Instant::now() + every;
    loop {
        sleep_until(next).await;
        if let Err(error) = sink.send(Outgoing::Keepalive).await {
            return error;
        }
        next = Instant::now() + every;
    }
}

/// Where the run is that is meant.
async fn address(table: &RunsTable, target: &Target) -> Result<RunAddress, Trouble> {
    match &target.address {
        Some(address) => Ok(address.clone()),
        None => match table.newest(&target.session_id).await? {
            Some((address, _)) => Ok(address),
            None => Err(ErrorCode::NoSuchRun.into()),
        },
    }
}

/// Finds out the client's id of a run that can't be joined, if there is such a run and it is theirs.
async fn name_run(table: &RunsTable, target: &Target, address: &RunAddress, run_id: &mut String) {
    // Without it, the frame has the id of the message.
    if let Ok(Some(item)) = table.read(address).await
        && target.credential.opens(&item)
    {
        *run_id = item.run_id;
    }
}

/// What a run has said that was kept. The key is only in the `RUN_STARTED` of whoever has it.
fn journal(target: &Target, item: &Item, parts: &[Vec<u8>]) -> Result<Journal, RunsError> {
    let (thread_id, run_id) = (target.thread_id.clone(), item.run_id.clone());
    let ids = RunIds { thread_id, run_id, ..RunIds::default() };
    let mut start = Outbox::new(ids.clone(), None);
    start.push(match &target.credential {
        Credential::Key(key) => Frame::JoinableRunStarted { key: key.to_text() },
        Credential::Name => Frame::RunStarted,
    });
    let start = start.next_frame().unwrap_or_default();
    Ok(Journal::from_parts(ids, MAX_FRAME, start, parts)?)
}

/// Sends what a run has said behind the number `after`, and in any case its last frame.
async fn replay(journal: &Journal, after: i64, sink: &impl FrameSink) -> Result<(), SendError> {
    let whole = sink.max_frame().is_none();
    let last_seq = journal.next_seq().saturating_sub(1);
    let mut seq = Wish::Join { after }.first_seq().min(last_seq);
    while let Some(replayed) = journal.frame_from(seq, whole) {
        sink.send(Outgoing::Frame(replayed.frame)).await?;
        seq = replayed.next_seq;
    }
    Ok(())
}

/// Sends the messages of a conversation as a run of their own, with this id. Returns where the newest run is
/// if messages alone don't show it: it is under way, it failed, or it waits for somebody. It is to follow.
async fn history_of(
    table: &RunsTable,
    target: &Target,
    run_id: &str,
    sink: &impl FrameSink,
) -> Result<Option<RunAddress>, Trouble> {
    let runs = runs_of_history(table, target).await?;
    let newest = runs.last().map(|(address, item)| (address.clone(), item.run_id.clone()));
    let mut left_out = runs.len();
    let each = runs.into_iter().rev();
    let each = each.map(|(address, item)| shown_run(table, target, address, item));
    let mut each = stream::iter(each).buffered(MAX_READS);
    let mut newest_first = Vec::new();
    let mut bytes = 0;
    let mut follows = None;
    while let Some(ShownRun { input, answer, is_open }) = each.next().await {
        let mut messages = input;
        if newest_first.is_empty() && is_open {
            follows.clone_from(&newest);
        } else {
            messages.extend(answer);
        }
        bytes += messages.iter().map(|message| message.get().len()).sum::<usize>();
        if bytes > MAX_HISTORY && !newest_first.is_empty() {
            info!(left_out, "a conversation is longer than what is shown of it");
            break;
        }
        left_out -= 1;
        newest_first.push(messages);
    }
    let (follows, id_of_follower) = follows.unzip();
    let messages: Vec<_> = newest_first.into_iter().rev().flatten().collect();
    let messages = serde_json::value::to_raw_value(&messages)
        .map_err(|error| Failure::new(ErrorCode::Internal).with_source(error))?;
    let ids = RunIds {
        thread_id: target.thread_id.clone(),
        run_id: run_id.to_owned(),
        ..RunIds::default()
    };
    let mut outbox = Outbox::new(ids, sink.max_frame());
    outbox.push(Frame::RunStarted);
    outbox.push(Frame::Agui(AguiEvent {
        kind: "MESSAGES_SNAPSHOT",
        members: vec![("messages".to_owned(), messages)],
        delta: None,
        metadata: Vec::new(),
    }));
    outbox.push(Frame::HistoryFinished { follows: id_of_follower });
    while let Some(frame) = outbox.next_frame() {
        sink.send(Outgoing::Frame(frame)).await?;
    }
    Ok(follows)
}

/// The newest runs of a conversation, the oldest of them first, for who may see them: who has no name shows
/// the key of the newest.
async fn runs_of_history(
    table: &RunsTable,
    target: &Target,
) -> Result<Vec<(RunAddress, Item)>, Trouble> {
    let time = TimeOfDay::start();
    loop {
        let runs = table.history(&target.session_id, MAX_RUNS_OF_HISTORY).await?;
        if runs.last().is_some_and(|(_, newest)| target.credential.opens(newest)) {
            return Ok(runs);
        }
        let is_there = |address: &RunAddress| runs.iter().any(|(other, _)| other == address);
        let is_awaited = target.address.as_ref().is_some_and(|address| {
            !is_there(address) && joiner::is_about_to_be_kept(address, time.now_ms())
        });
        if !is_awaited {
            return Err(ErrorCode::NoSuchRun.into());
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// A run of a conversation, as messages.
struct ShownRun {
    /// What it began with.
    input: Vec<Box<RawValue>>,
    /// What was answered, if it has ended.
    answer: Vec<Box<RawValue>>,
    /// Whether messages alone don't show it.
    is_open: bool,
}

/// What can't be read of a run is left out, and the log says so.
async fn shown_run(
    table: &RunsTable,
    target: &Target,
    address: RunAddress,
    item: Item,
) -> ShownRun {
    let left_out = |error: &RunsError, what| {
        warn!(error = chain(error), run_id = item.run_id, what, "a part of a history is left out");
    };
    let mut shown = ShownRun { input: Vec::new(), answer: Vec::new(), is_open: false };
    match table.input(&address, &item).await {
        Ok(Some(input)) => match serde_json::from_str(&input) {
            Ok(input) => shown.input = input,
            Err(error) => left_out(&RunsError::UnreadableItem(error.to_string()), "input"),
        },
        Ok(None) => {}
        Err(error) => left_out(&error, "input"),
    }
    let Some(kept) = &item.journal else {
        // It is under way, or it is lost, which is said as well.
        shown.is_open = true;
        return shown;
    };
    let answer = async {
        let journal = journal(target, &item, &table.journal(&address, kept).await?)?;
        let frames: Vec<_> = journal.whole_frames().collect();
        let mut answer = Answer::of(frames.iter().map(Vec::as_slice));
        if !journal.has(1) {
            answer.has_lost_its_beginning();
        }
        Ok(answer)
    };
    match answer.await {
        Ok(Answer { messages, is_open }) => {
            let raw = |message: &Message| serde_json::value::to_raw_value(message).ok();
            shown.answer = messages.iter().filter_map(raw).collect();
            shown.is_open = is_open;
        }
        Err(error) => left_out(&error, "answer"),
    }
    shown
}
