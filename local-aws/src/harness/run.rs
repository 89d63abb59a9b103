//! A run: the steps of its script, each the moment it is due, whether or not the caller is still there.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::script::{Event, Script, Step, ToolCall};
use crate::journal::{Entry, HarnessEnd, Journal};
use crate::scripted::event_stream;
use crate::scripted::pace::BEFORE_CUT;

/// A run that is under way.
#[derive(Debug)]
pub(super) struct Run {
    script: Script,
    session_id: String,
    journal: Journal,
    /// The body of the response, as long as anybody reads it.
    caller: Option<mpsc::Sender<io::Result<Bytes>>>,
    /// When the next step is due. Waits add up here, so that a slow reader or timer does not slow the
    /// harness down.
    due: Instant,
    /// When the run has taken as long as it may.
    deadline: Instant,
    /// Whether the session is stopped.
    stopped: watch::Receiver<bool>,
    /// Whether the local AWS stops.
    stopping: watch::Receiver<bool>,
    chunks: usize,
    events: usize,
    in_message: bool,
}

/// How a run has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The end; `None` when the local AWS stops.
    pub(super) how: Option<HarnessEnd>,
    /// What the caller is to do.
    pub(super) pending: Vec<ToolCall>,
    /// Kept until the session is free, since the response ends with it.
    _caller: Option<mpsc::Sender<io::Result<Bytes>>>,
}

/// Why a run does not go on.
#[derive(Debug)]
enum Interruption {
    /// Its session is stopped.
    Stopped,
    /// It has taken as long as it may.
    TimedOut,
    /// The local AWS stops.
    Stopping,
}

impl Run {
    /// A run, and the body of the response that its caller reads.
    pub(super) fn new(
        script: Script,
        session_id: String,
        timeout: Duration,
        journal: Journal,
        stopped: watch::Receiver<bool>,
        stopping: watch::Receiver<bool>,
    ) -> (Self, Body) {
        // One event may wait, so that each leaves the moment it is made.
        let (caller, reader) = mpsc::channel(1);
        let now = Instant::now();
        let run = Self {
            script,
            session_id,
            journal,
            caller: Some(caller),
            due: now,
            deadline: now + timeout,
            stopped,
            stopping,
            chunks: 0,
            events: 0,
            in_message: false,
        };
        let body = stream::unfold(reader, async |mut reader| {
            let bytes = reader.recv().await?;
            Some((bytes, reader))
        });
        (run, Body::from_stream(body))
    }

    /// Plays the script to its end, or until the session is stopped.
    pub(super) async fn play(mut self) -> Ended {
        let pending = self.script.pending();
        let steps = std::mem::take(&mut self.script.steps);
        let mut ended = Ok(HarnessEnd::Finished);
        for step in steps {
            ended = self.step(step).await.transpose().unwrap_or(Ok(HarnessEnd::Finished));
            if !matches!(ended, Ok(HarnessEnd::Finished)) {
                break;
            }
        }
        if matches!(ended, Ok(HarnessEnd::Finished)) {
            // A script may end with silence.
            ended = self.reach(self.due).await.map(|()| HarnessEnd::Finished);
        }
        if matches!(ended, Err(Interruption::TimedOut)) {
            ended = self.time_out().await.map(|()| HarnessEnd::TimedOut);
        }
        let how = match ended {
            Ok(how) => Some(how),
            // A second time-out cannot be: the first one has no deadline any more.
            Err(Interruption::Stopped | Interruption::TimedOut) => Some(HarnessEnd::Stopped),
            Err(Interruption::Stopping) => None,
        };
        let exception = match how {
            Some(HarnessEnd::Exception(member)) => Some(member.to_owned()),
            _ => None,
        };
        if let Some(HarnessEnd::Finished | HarnessEnd::Exception(_) | HarnessEnd::TimedOut) = how {
            self.journal.record(Entry::AgentFinished {
                session_id: self.session_id.clone(),
                chunks: self.chunks,
                events: self.events,
                exception,
            });
        }
        let pending = if how == Some(HarnessEnd::Finished) { pending } else { Vec::new() };
        if !pending.is_empty() {
            let tool_use_ids = pending.iter().map(|call| call.tool_use_id.clone()).collect();
            let session_id = self.session_id.clone();
            self.journal.record(Entry::HarnessReturnedControl { session_id, tool_use_ids });
        }
        Ended { how, pending, _caller: self.caller }
    }

    /// Does one step. It may be the last one: then it says how the run ends.
    async fn step(&mut self, step: Step) -> Result<Option<HarnessEnd>, Interruption> {
        if let Step::Wait(duration) = step {
            self.due += duration;
            return Ok(None);
        }
        if matches!(step, Step::Cut) {
            self.due = self.due.max(Instant::now() + BEFORE_CUT);
        }
        // Each event happens when it is due, its place in the journal included.
        self.reach(self.due).await?;
        self.events += 1;
        let (bytes, end) = match step {
            Step::Wait(_) => return Ok(None),
            Step::Event(event) => (self.event(&event), None),
            Step::Frame { headers, payload } => (event_stream::frame(headers, payload), None),
            Step::Exception(refusal) => {
                let member = refusal.exception.member();
                let bytes = event_stream::exception(member, &refusal.payload());
                (bytes, Some(HarnessEnd::Exception(member)))
            }
            Step::Cut => {
                self.broke("the connection was cut");
                self.send(Err(io::ErrorKind::ConnectionAborted.into())).await?;
                return Ok(Some(HarnessEnd::Broke));
            }
            Step::Corrupt => {
                self.broke("a frame with a wrong checksum");
                let delta =
                    json!({ "contentBlockIndex": 1, "delta": { "text": "This is corrupt." } });
                let bytes = event_stream::corrupt_event("contentBlockDelta", delta.to_string());
                (bytes, Some(HarnessEnd::Broke))
            }
        };
        self.send(Ok(bytes)).await?;
        Ok(end)
    }

    /// The bytes of an event, which is noted.
    fn event(&mut self, event: &Event) -> Bytes {
        match &*event.event_type {
            "messageStart" => self.in_message = true,
            "messageStop" => self.in_message = false,
            _ => {}
        }
        if event.is_text() {
            self.chunks += 1;
            let (session_id, n) = (self.session_id.clone(), self.chunks);
            self.journal.record(Entry::AgentChunk { session_id, n });
        }
        event_stream::event(&event.event_type, event.payload.clone())
    }

    /// Says that the run has taken as long as it may.
    async fn time_out(&mut self) -> Result<(), Interruption> {
        self.deadline += Duration::from_hours(24);
        let mut events = Vec::new();
        if !self.in_message {
            events.push(("messageStart", json!({ "role": "assistant" })));
        }
        events.push(("messageStop", json!({ "stopReason": "timeout_exceeded" })));
        let usage = json!({ "inputTokens": 0, "outputTokens": 0, "totalTokens": 0 });
        events.push(("metadata", json!({ "usage": usage, "metrics": { "latencyMs": 0 } })));
        for (event_type, payload) in events {
            self.events += 1;
            let bytes = self.event(&Event::new(event_type, &payload));
            self.send(Ok(bytes)).await?;
        }
        Ok(())
    }

    /// Waits until this moment. The caller may leave meanwhile, which does not end the run.
    async fn reach(&mut self, due: Instant) -> Result<(), Interruption> {
        loop {
            let caller = &self.caller;
            let left = async move {
                match caller {
                    Some(caller) => caller.closed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = self.stopping.wait_for(|stopping| *stopping) => return Err(Interruption::Stopping),
                _ = self.stopped.wait_for(|stopped| *stopped) => return Err(Interruption::Stopped),
                () = left => {}
                () = sleep_until(self.deadline), if self.deadline < due => {
                    return Err(Interruption::TimedOut);
                }
                () = sleep_until(due) => return Ok(()),
            }
            self.abandon();
        }
    }

    /// Sends bytes to the caller, if anybody reads them.
    async fn send(&mut self, bytes: io::Result<Bytes>) -> Result<(), Interruption> {
        let Some(caller) = &self.caller else { return Ok(()) };
        let sent = tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stopping| *stopping) => return Err(Interruption::Stopping),
            _ = self.stopped.wait_for(|stopped| *stopped) => return Err(Interruption::Stopped),
            sent = caller.send(bytes) => sent,
        };
        if sent.is_err() {
            self.abandon();
        }
        Ok(())
    }

    /// The caller has left; the run goes on without it.
    fn abandon(&mut self) {
        self.caller = None;
        let (session_id, chunks) = (self.session_id.clone(), self.chunks);
        self.journal.record(Entry::HarnessAbandoned { session_id, chunks });
    }

    /// The response ends here, and not as it should.
    fn broke(&mut self, how: &'static str) {
        let (session_id, chunks) = (self.session_id.clone(), self.chunks);
        self.journal.record(Entry::AgentBroke { session_id, chunks, how });
    }
}
