//! What happens in the environment that gets a join: it leaves a note in the run's item for the relay that
//! carries the run, and waits until that has taken it; or it finds that the run has ended, and replays it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::error::chain;
use crate::runs::error::RunsError;
use crate::runs::item::{Item, JoinMode, Joining, KeptJournal, NextStep, RunAddress, Update};
use crate::runs::key::RunKey;
use crate::runs::table::Table;

/// How long the relay has to take a join. It looks each second.
pub const RELAY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long after its beginning a run may not be in the table yet: it is written behind the first frame, and
/// a client may lose its connection sooner. So long do three attempts of two seconds take, the look behind
/// them, and one attempt more.
const START_MS: u64 = 8000;

/// By how much the clocks of two environments may differ.
const CLOCK_SKEW_MS: u64 = 1000;

/// How long it takes until the item is looked at again.
pub const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// How often it is looked at while the end of a run is awaited that nobody takes over.
const POLL_INTERVAL_FOR_END: Duration = Duration::from_secs(1);

/// How often a join is made whose answer is lost: each such time, three attempts were made.
const MAX_FAILED_JOINS: u32 = 2;

/// What becomes of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinOutcome {
    /// The run has ended: its journal is to be replayed.
    Replay {
        /// The item.
        item: Box<Item>,
        /// Where that is.
        journal: KeptJournal,
    },
    /// The relay that carries the run goes on over the client's connection.
    TakenOver,
    /// A newer join has taken the run: the client is to be told that the answer goes on elsewhere.
    Superseded,
    /// The function that carried the run has ended: `run_lost`.
    Lost,
    /// There is no such run, it is kept no longer, or it is somebody else's: `no_such_run`.
    NoSuchRun,
}

/// Who may join.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Who has the run's key.
    Key(RunKey),
    /// Who is known by name: the address begins with the hash of it.
    Name,
}

impl Credential {
    /// Whether it is good for this run.
    #[must_use]
    pub fn opens(&self, item: &Item) -> bool {
        match self {
            Self::Key(key) => key.opens(item),
            Self::Name => true,
        }
    }
}

/// The time of day, which goes on with tokio's clock: for as long as one message is attended to. A longer
/// one would be wrong after the environment was frozen.
#[derive(Clone, Copy, Debug)]
pub struct TimeOfDay {
    /// Since 1970.
    at_start: Duration,
    start: Instant,
}

impl TimeOfDay {
    /// From now on.
    #[must_use]
    pub fn start() -> Self {
        let at_start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at_start, start: Instant::now() }
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        let now = self.at_start + self.start.elapsed();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Joins a run: returns once it is certain who serves the client, or nobody.
///
/// While a relay has its time to take the join, a table that does not answer is asked again: the join has
/// arrived, and the relay may be at work already.
///
/// # Errors
/// The table does not answer.
pub async fn join(
    table: &impl Table,
    address: &RunAddress,
    credential: &Credential,
    mode: JoinMode,
) -> Result<JoinOutcome, RunsError> {
    let poll_interval = match mode {
        JoinMode::TakeOver(_) => POLL_INTERVAL,
        JoinMode::AwaitEnd => POLL_INTERVAL_FOR_END,
    };
    let time = TimeOfDay::start();
    let mut joining = Joining::new(mode);
    // Set when the join has arrived.
    let mut overdue_at = None;
    let mut failed_joins = 0;
    loop {
        let is_overdue = overdue_at.is_some_and(|overdue_at| overdue_at <= Instant::now());
        let item = match table.read(address).await {
            Ok(None) if is_about_to_be_kept(address, time.now_ms()) => {
                sleep(POLL_INTERVAL).await;
                continue;
            }
            Ok(item) => item.filter(|item| credential.opens(item)),
            Err(error) if overdue_at.is_some() && !is_overdue => {
                warn!(error = chain(&error), "the item of a run could not be read, and is again");
                sleep(poll_interval).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(item) = item else { return Ok(JoinOutcome::NoSuchRun) };
        match joining.next_step(&item, time.now_ms(), is_overdue) {
            NextStep::Replay { journal } => {
                return Ok(JoinOutcome::Replay { item: Box::new(item), journal });
            }
            NextStep::LeaveToRelay => return Ok(JoinOutcome::TakenOver),
            NextStep::LeaveToNewerJoin => return Ok(JoinOutcome::Superseded),
            NextStep::TellLost => return Ok(JoinOutcome::Lost),
            NextStep::Make(update) => {
                let is_join = matches!(update, Update::Join { .. });
                match table.update(address, update).await {
                    Ok(allowed) => joining.made(allowed),
                    // The next look tells whether it has arrived.
                    Err(error) if is_join => {
                        failed_joins += 1;
                        if failed_joins == MAX_FAILED_JOINS {
                            return Err(error);
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            NextStep::Wait => sleep(poll_interval).await,
        }
        if overdue_at.is_none() && joining.generation().is_some() {
            overdue_at = Some(Instant::now() + RELAY_TIMEOUT);
        }
    }
}

/// Asks the relay that carries a run to end it. It does so within about a second. Whether there is such a
/// run: stopping one that has ended is no error.
///
/// # Errors
/// The table does not answer.
pub async fn stop(
    table: &impl Table,
    address: &RunAddress,
    credential: &Credential,
) -> Result<bool, RunsError> {
    let key_hash = match credential {
        Credential::Key(key) => Some(key.hash()),
        Credential::Name => None,
    };
    let time = TimeOfDay::start();
    loop {
        let now = time.now_ms() / 1000;
        let stopped = table.update(address, Update::Stop { key_hash, now }).await?;
        if stopped || !is_about_to_be_kept(address, time.now_ms()) {
            return Ok(stopped);
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// Whether a run that is not in the table may be there soon, at this time, in milliseconds since 1970.
#[must_use]
pub fn is_about_to_be_kept(address: &RunAddress, now_ms: u64) -> bool {
    address
        .begun_ms()
        .is_some_and(|begun_ms| begun_ms <= now_ms + CLOCK_SKEW_MS && now_ms < begun_ms + START_MS)
}

#[cfg(test)]
mod tests;
