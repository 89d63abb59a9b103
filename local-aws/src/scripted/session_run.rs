//! A run in a session of AgentCore: it goes on when its caller has left, and ends when its session is
//! stopped.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::pace::BEFORE_CUT;
use crate::journal::{Entry, Journal};

/// The end of a response's body that a run writes to.
pub(crate) type Caller = mpsc::Sender<io::Result<Bytes>>;

/// A run that is under way.
#[derive(Debug)]
pub(crate) struct SessionRun {
    session_id: String,
    journal: Journal,
    /// The body of the response, as long as anybody reads it.
    caller: Option<Caller>,
    /// When the next step is due. Waits add up here, so that a slow reader or timer does not slow the
    /// run down.
    due: Instant,
    /// When the run has taken as long as it may.
    deadline: Instant,
    /// Whether the session is stopped.
    stopped: watch::Receiver<bool>,
    /// Whether the local AWS stops.
    stopping: watch::Receiver<bool>,
    chunks: usize,
    events: usize,
}

/// Why a run does not go on.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// Its session is stopped.
    Stopped,
    /// It has taken as long as it may.
    TimedOut,
    /// The local AWS stops.
    Stopping,
}

impl SessionRun {
    /// A run, and the body of the response that its caller reads.
    pub(crate) fn new(
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
            session_id,
            journal,
            caller: Some(caller),
            due: now,
            deadline: now + timeout,
            stopped,
            stopping,
            chunks: 0,
            events: 0,
        };
        let body = stream::unfold(reader, async |mut reader| {
            let bytes = reader.recv().await?;
            Some((bytes, reader))
        });
        (run, Body::from_stream(body))
    }

    /// Nothing happens for this long.
    pub(crate) fn wait(&mut self, duration: Duration) {
        self.due += duration;
    }

    /// Waits until the next step is due. The caller may leave meanwhile, which does not end the run.
    pub(crate) async fn reach(&mut self) -> Result<(), Interruption> {
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
                () = sleep_until(self.deadline), if self.deadline < self.due => {
                    return Err(Interruption::TimedOut);
                }
                () = sleep_until(self.due) => return Ok(()),
            }
            self.abandon();
        }
    }

    /// Lets the run go on past its time, to say that it is over.
    pub(crate) fn extend(&mut self) {
        self.deadline += Duration::from_hours(24);
    }

    /// Counts an event.
    pub(crate) fn count_event(&mut self) {
        self.events += 1;
    }

    /// Notes that a chunk of text is said.
    pub(crate) fn count_chunk(&mut self) {
        self.chunks += 1;
        let (session_id, n) = (self.session_id.clone(), self.chunks);
        self.journal.record(Entry::AgentChunk { session_id, n });
    }

    /// Sends bytes to the caller, if anybody reads them.
    pub(crate) async fn send(&mut self, bytes: Bytes) -> Result<(), Interruption> {
        self.pass(Ok(bytes)).await
    }

    /// Breaks the connection to the caller, once what was said before is on its way.
    pub(crate) async fn cut(&mut self) -> Result<(), Interruption> {
        self.due = self.due.max(Instant::now() + BEFORE_CUT);
        self.reach().await?;
        self.broke("the connection was cut");
        self.pass(Err(io::ErrorKind::ConnectionAborted.into())).await
    }

    async fn pass(&mut self, bytes: io::Result<Bytes>) -> Result<(), Interruption> {
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

    /// Notes that the response ends here, and not as it should.
    pub(crate) fn broke(&mut self, how: &'static str) {
        let (session_id, chunks) = (self.session_id.clone(), self.chunks);
        self.journal.record(Entry::AgentBroke { session_id, chunks, how });
    }

    /// Notes that the answer has ended, with an exception or without.
    pub(crate) fn finished(&self, exception: Option<String>) {
        self.journal.record(Entry::AgentFinished {
            session_id: self.session_id.clone(),
            chunks: self.chunks,
            events: self.events,
            exception,
        });
    }

    /// Its session.
    pub(crate) fn session_id(&self) -> &str {
        &self.session_id
    }

    /// Where what happens is noted.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What is to be kept until the session is free, since the response ends with it.
    pub(crate) fn into_caller(self) -> Option<Caller> {
        self.caller
    }
}
