//! Sleeps that end on time.
//!
//! Those of tokio end at a tick of its clock, up to 1 ms late, which is much beside the 2.5 ms that a
//! packet takes to another machine. A thread of its own wakes within some 0.1 ms.

use std::collections::BTreeMap;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use tokio::sync::oneshot;

/// The clock, whose thread starts with the first sleep and lives as long as the process.
static CLOCK: LazyLock<Clock> = LazyLock::new(|| {
    // Without the thread, sleepers go by tokio's clock.
    let started = thread::Builder::new().name("wire".to_owned()).spawn(|| CLOCK.run()).is_ok();
    Clock { state: Mutex::new(State { started, ..State::default() }), earlier: Condvar::new() }
});

struct Clock {
    state: Mutex<State>,
    /// There is a sleeper with an earlier moment than all others.
    earlier: Condvar,
}

#[derive(Default)]
struct State {
    started: bool,
    /// The sleepers by the moment at which they wake; the number orders those of the same moment.
    sleepers: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
    count: u64,
}

/// Sleeps until this moment. It takes no time if that has passed.
pub(super) async fn sleep_until(moment: Instant) {
    if moment <= Instant::now() {
        return;
    }
    match CLOCK.enter(moment) {
        // The sender is dropped only after it was used.
        Some(woken) => drop(woken.await),
        None => tokio::time::sleep_until(moment.into()).await,
    }
}

impl Clock {
    fn enter(&self, moment: Instant) -> Option<oneshot::Receiver<()>> {
        let (waker, woken) = oneshot::channel();
        let mut state = self.state();
        if !state.started {
            return None;
        }
        let key = (moment, state.count);
        state.count += 1;
        state.sleepers.insert(key, waker);
        if state.sleepers.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.earlier.notify_one();
        }
        Some(woken)
    }

    fn run(&self) {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            while let Some(first) =
                state.sleepers.first_entry().filter(|first| first.key().0 <= now)
            {
                // It fails when the sleeper was cancelled.
                let _ = first.remove().send(());
            }
            state = match state.sleepers.first_key_value() {
                Some(((moment, _), _)) => {
                    let rest = moment.saturating_duration_since(now);
                    let waited = self.earlier.wait_timeout(state, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.earlier.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::StreamExt as _;
    use futures::stream::FuturesUnordered;

    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_moments() {
        let now = Instant::now();
        let woken = Mutex::new(Vec::new());
        let sleep = async |milliseconds| {
            let moment = now + Duration::from_millis(milliseconds);
            sleep_until(moment).await;
            assert!(Instant::now() >= moment);
            woken.lock().unwrap().push(milliseconds);
        };
        // Each has a waker of its own, so on a busy machine, too, they go on in the order of the clock.
        let mut sleepers: FuturesUnordered<_> = [30, 10, 20, 0].map(sleep).into_iter().collect();
        while sleepers.next().await.is_some() {}
        assert_eq!(*woken.lock().unwrap(), [0, 10, 20, 30]);
    }
}
