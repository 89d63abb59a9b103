//! Both clocks of the machine at one moment, and what they say about the time between two moments.

use std::time::{Duration, Instant, SystemTime};

/// A moment by the monotonic clock and by the wall clock.
///
/// Lambda freezes an environment between two events, for seconds or for hours. Whether the monotonic
/// clock goes on meanwhile is not documented, and others report that it does not (aws-lambda-web-adapter
/// #569); the wall clock is right again when the environment goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    monotonic: Instant,
    wall: SystemTime,
}

impl Clocks {
    pub(super) fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// The moment so much later by both clocks.
    #[cfg(test)]
    pub(super) fn after(self, time: Duration) -> Self {
        Self { monotonic: self.monotonic + time, wall: self.wall + time }
    }

    /// Whether this moment was before the other one.
    pub(super) fn is_before(self, other: Self) -> bool {
        self.monotonic < other.monotonic
    }

    /// The time from `earlier` until this moment by the monotonic clock, and by the wall clock. That
    /// one may have been set back, which counts as no time.
    fn since(self, earlier: Self) -> [Duration; 2] {
        [
            self.monotonic.saturating_duration_since(earlier.monotonic),
            self.wall.duration_since(earlier.wall).unwrap_or_default(),
        ]
    }

    /// The time from `earlier` until this moment, by the clock that says more.
    pub(super) fn longest_since(self, earlier: Self) -> Duration {
        let [monotonic, wall] = self.since(earlier);
        monotonic.max(wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_mins(10);

    #[test]
    fn the_clock_that_says_more_counts() {
        let now = Clocks::now();
        let wall_only = Clocks { wall: now.wall + STEP, ..now };
        assert_eq!(wall_only.longest_since(now), STEP);
        let monotonic_only = Clocks { monotonic: now.monotonic + STEP, ..now };
        assert_eq!(monotonic_only.longest_since(now), STEP);
    }

    #[test]
    fn a_wall_clock_that_was_set_back_does_not_count() {
        let now = Clocks::now();
        let set_back = Clocks { wall: now.wall - STEP, monotonic: now.monotonic + STEP / 2 };
        assert_eq!(set_back.longest_since(now), STEP / 2);
    }
}
