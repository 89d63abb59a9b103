//! When something happens.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long before a cut nothing is said: what was said before must be on its way, or the cut takes it
/// along.
pub(crate) const BEFORE_CUT: Duration = Duration::from_millis(20);

/// Waits until this moment; `None` when the local AWS stops before.
pub(crate) async fn reach(due: Instant, stopping: &mut watch::Receiver<bool>) -> Option<()> {
    tokio::select! {
        () = sleep_until(due) => Some(()),
        _ = stopping.wait_for(|stopping| *stopping) => None,
    }
}

/// A silence of a script that is so many times as fast; at speed 0 there is none at all.
pub(crate) fn at_speed(silence: Duration, speed: f64) -> Duration {
    Duration::try_from_secs_f64(silence.as_secs_f64() / speed).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_can_be_shorter_or_longer_or_none() {
        let silence = Duration::from_millis(100);
        for (speed, milliseconds) in [(10.0, 10), (0.5, 200), (0.0, 0)] {
            assert_eq!(at_speed(silence, speed), Duration::from_millis(milliseconds), "{speed}");
        }
        assert_eq!(at_speed(Duration::ZERO, 0.0), Duration::ZERO);
    }
}
