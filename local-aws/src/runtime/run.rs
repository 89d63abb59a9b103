//! A run: the steps of its script, each the moment it is due, whether or not the caller is still there.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use tokio::sync::watch;

use super::script::{Event, Script, Step};
use crate::journal::{HarnessEnd, Journal};
use crate::scripted::session_run::{Caller, Interruption, SessionRun};

/// How long a streamed response of a runtime may take ("Quotas for Amazon Bedrock AgentCore").
const LONGEST: Duration = Duration::from_hours(1);

/// A run that is under way.
#[derive(Debug)]
pub(super) struct Run {
    script: Script,
    in_session: SessionRun,
}

/// How a run has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The end; `None` when the local AWS stops.
    pub(super) how: Option<HarnessEnd>,
    /// Kept until the session is free, since the response ends with it.
    _caller: Option<Caller>,
}

impl Run {
    /// A run, and the body of the response that its caller reads.
    pub(super) fn new(
        script: Script,
        session_id: String,
        journal: Journal,
        stopped: watch::Receiver<bool>,
        stopping: watch::Receiver<bool>,
    ) -> (Self, Body) {
        let (in_session, body) = SessionRun::new(session_id, LONGEST, journal, stopped, stopping);
        (Self { script, in_session }, body)
    }

    /// Plays the script to its end, or until the session is stopped.
    pub(super) async fn play(mut self) -> Ended {
        let ended = self.steps().await;
        let how = match ended {
            Ok(how) => Some(how),
            Err(Interruption::Stopped) => Some(HarnessEnd::Stopped),
            Err(Interruption::TimedOut) => Some(HarnessEnd::TimedOut),
            Err(Interruption::Stopping) => None,
        };
        let exception = match how {
            Some(HarnessEnd::Exception(name)) => Some(name.to_owned()),
            _ => None,
        };
        if let Some(HarnessEnd::Finished | HarnessEnd::Exception(_) | HarnessEnd::TimedOut) = how {
            self.in_session.finished(exception);
        }
        Ended { how, _caller: self.in_session.into_caller() }
    }

    async fn steps(&mut self) -> Result<HarnessEnd, Interruption> {
        let mut end = HarnessEnd::Finished;
        for step in std::mem::take(&mut self.script.steps) {
            match step {
                Step::Wait(duration) => self.in_session.wait(duration),
                Step::Cut => {
                    self.in_session.cut().await?;
                    return Ok(HarnessEnd::Broke);
                }
                Step::Data(text) => self.send(self.script.framing.bytes(&text)).await?,
                Step::Rejection(rejection) => {
                    self.event(&Event::new(rejection.event()), &mut end).await?;
                }
                Step::Event(event) => self.event(&event, &mut end).await?,
                // They are events by now.
                Step::Messages(_) | Step::State => {}
            }
        }
        // A script may end with silence.
        self.in_session.reach().await.map(|()| end)
    }

    async fn event(&mut self, event: &Event, end: &mut HarnessEnd) -> Result<(), Interruption> {
        // Each event happens when it is due, its place in the journal included.
        self.in_session.reach().await?;
        if event.is_text {
            self.in_session.count_chunk();
        }
        if event.is_failure {
            *end = HarnessEnd::Exception("RUN_ERROR");
        }
        self.send(self.script.framing.event(event)).await
    }

    async fn send(&mut self, pieces: Vec<Bytes>) -> Result<(), Interruption> {
        self.in_session.reach().await?;
        self.in_session.count_event();
        for piece in pieces {
            self.in_session.send(piece).await?;
        }
        Ok(())
    }
}
