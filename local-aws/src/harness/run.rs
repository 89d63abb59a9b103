//! A run: the steps of its script, each the moment it is due, whether or not the caller is still there.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::watch;

use super::script::{Event, Script, Step, ToolCall};
use crate::journal::{Entry, HarnessEnd, Journal};
use crate::scripted::event_stream;
use crate::scripted::session_run::{Caller, Interruption, SessionRun};

/// A run that is under way.
#[derive(Debug)]
pub(super) struct Run {
    script: Script,
    in_session: SessionRun,
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
    _caller: Option<Caller>,
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
        let (in_session, body) = SessionRun::new(session_id, timeout, journal, stopped, stopping);
        (Self { script, in_session, in_message: false }, body)
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
            ended = self.in_session.reach().await.map(|()| HarnessEnd::Finished);
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
            self.in_session.finished(exception);
        }
        let pending = if how == Some(HarnessEnd::Finished) { pending } else { Vec::new() };
        if !pending.is_empty() {
            let tool_use_ids = pending.iter().map(|call| call.tool_use_id.clone()).collect();
            let session_id = self.in_session.session_id().to_owned();
            self.in_session
                .journal()
                .record(Entry::HarnessReturnedControl { session_id, tool_use_ids });
        }
        Ended { how, pending, _caller: self.in_session.into_caller() }
    }

    /// Does one step. It may be the last one: then it says how the run ends.
    async fn step(&mut self, step: Step) -> Result<Option<HarnessEnd>, Interruption> {
        if let Step::Wait(duration) = step {
            self.in_session.wait(duration);
            return Ok(None);
        }
        if matches!(step, Step::Cut) {
            self.in_session.cut().await?;
            return Ok(Some(HarnessEnd::Broke));
        }
        // Each event happens when it is due, its place in the journal included.
        self.in_session.reach().await?;
        self.in_session.count_event();
        let (bytes, end) = match step {
            Step::Wait(_) | Step::Cut => return Ok(None),
            Step::Event(event) => (self.event(&event), None),
            Step::Frame { headers, payload } => (event_stream::frame(headers, payload), None),
            Step::Exception(refusal) => {
                let member = refusal.exception.member();
                let bytes = event_stream::exception(member, &refusal.payload());
                (bytes, Some(HarnessEnd::Exception(member)))
            }
            Step::Corrupt => {
                self.in_session.broke("a frame with a wrong checksum");
                let delta =
                    json!({ "contentBlockIndex": 1, "delta": { "text": "This is corrupt." } });
                let bytes = event_stream::corrupt_event("contentBlockDelta", delta.to_string());
                (bytes, Some(HarnessEnd::Broke))
            }
        };
        self.in_session.send(bytes).await?;
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
            self.in_session.count_chunk();
        }
        event_stream::event(&event.event_type, event.payload.clone())
    }

    /// Says that the run has taken as long as it may.
    async fn time_out(&mut self) -> Result<(), Interruption> {
        self.in_session.extend();
        let mut events = Vec::new();
        if !self.in_message {
            events.push(("messageStart", json!({ "role": "assistant" })));
        }
        events.push(("messageStop", json!({ "stopReason": "timeout_exceeded" })));
        let usage = json!({ "inputTokens": 0, "outputTokens": 0, "totalTokens": 0 });
        events.push(("metadata", json!({ "usage": usage, "metrics": { "latencyMs": 0 } })));
        for (event_type, payload) in events {
            self.in_session.count_event();
            let bytes = self.event(&Event::new(event_type, &payload));
            self.in_session.send(bytes).await?;
        }
        Ok(())
    }
}
