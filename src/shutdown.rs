//! The end of the process, announced by a signal: runs under way end in good order first.
//!
//! Lambda sends SIGTERM to a runtime where an extension is registered, and Managed Instances and
//! container platforms do; soon after, they kill the process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Tells runs when the process is about to end, and waits for those under way.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    begun: CancellationToken,
    runs: TaskTracker,
    responses: TaskTracker,
}

impl Shutdown {
    /// Counts a run as under way, until what is returned is dropped.
    pub fn track_run(&self) -> TaskTrackerToken {
        self.runs.token()
    }

    /// Counts a response as under way, until what is returned is dropped: one that is streamed has its last
    /// pieces to send when its run has ended.
    pub fn track_response(&self) -> TaskTrackerToken {
        self.responses.token()
    }

    /// How many runs are under way.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Ends when the process is about to end.
    pub async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Waits for SIGTERM or SIGINT, tells the runs, and waits until they have ended and their responses are
    /// sent.
    ///
    /// # Errors
    /// The signals can't be listened to.
    pub async fn on_signal(&self) -> io::Result<()> {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        self.begun.cancel();
        self.runs.close();
        self.runs.wait().await;
        self.responses.close();
        self.responses.wait().await;
        Ok(())
    }
}
