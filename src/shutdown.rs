//! The end of the process, announced by a signal: runs under way end in good order first.
//!
//! Lambda sends SIGTERM to a runtime where an extension is registered, and Managed Instances and
//! container platforms do; soon after, they kill the process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Tells runs when the process is about to end, and waits for those under way.
#[derive(Clone, Debug)]
pub struct Shutdown {
    ending: watch::Sender<bool>,
    runs: watch::Sender<usize>,
}

/// A run under way, until it is dropped.
#[derive(Debug)]
pub struct Running {
    runs: watch::Sender<usize>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.runs.send_modify(|runs| *runs -= 1);
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { ending: watch::Sender::new(false), runs: watch::Sender::new(0) }
    }
}

impl Shutdown {
    /// Counts a run as under way.
    #[must_use]
    pub fn running(&self) -> Running {
        self.runs.send_modify(|runs| *runs += 1);
        Running { runs: self.runs.clone() }
    }

    /// How many runs are under way.
    #[must_use]
    pub fn runs(&self) -> usize {
        *self.runs.borrow()
    }

    /// Ends when the process is about to end.
    pub async fn begun(&self) {
        // It fails when the sender is gone, which it can't be: `self` is one.
        let _ = self.ending.subscribe().wait_for(|ending| *ending).await;
    }

    /// Waits for SIGTERM or SIGINT, tells the runs, and waits until they have ended.
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
        self.ending.send_replace(true);
        let _ = self.runs.subscribe().wait_for(|runs| *runs == 0).await;
        Ok(())
    }
}
