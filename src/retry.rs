//! What is tried again, how often, and how long to wait in between.
//!
//! The SDK's own retries are off for both clients. It makes three attempts, which is too few for
//! posts (at a few per cent of 429 an answer would be lost now and then), and its quota of retries
//! is a token bucket that all turns of a process share, so that one turn's trouble would end
//! another's. And it tries an agent again after errors that may come when the agent is already at
//! work, whose actions would then be carried out twice.
//!
//! | what failed | tried again | why |
//! |---|---|---|
//! | the agent: throttled, model not ready, no connection made (names, TCP, TLS, too many open files) | a few times, before the first event only | nothing can have happened yet |
//! | a harness: throttled, its session being made or ended (`RetryableConflictException`), no connection made | the same | the same |
//! | either: anything else, or after the first event | never | its actions may have been carried out |
//! | a post: 408, 429, 5xx, or called throttling with any status | until it succeeds or the run's deadline | the order of frames allows nothing else |
//! | a post: no answer, a broken one, time-out, no connection | the same, and the first time at once | most likely the connection had died |
//! | a post: 403 while nothing was delivered yet by this process | for 5 s | a new right takes seconds until it holds everywhere |
//! | a post: 410 | never | the client is gone for good |
//! | a post: 403, 413, other 4xx | never | the answer will not change |
//! | the table of runs: throttled | for some five seconds | the parts of one large run are more than a partition takes at once |
//! | the table of runs: 5xx, no answer within 2 s | twice | each of its calls may be made again |
//! | the table of runs: the time of the signature is wrong | once, by the service's clock | this machine's clock is |
//! | the table of runs: anything else | never | the answer will not change |

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_smithy_types::retry::ReconnectMode;

/// The SDK's retries, switched off. Its way of closing a connection after an error of the service is,
/// too: the connection is well, and the SDK, which does not have it, would log an error of its own.
#[must_use]
pub fn without_the_sdk() -> RetryConfig {
    RetryConfig::disabled().with_reconnect_mode(ReconnectMode::ReuseAllConnections)
}

/// Waiting times that double up to a limit, each drawn at random from its upper half, so that many
/// runs that were refused together do not come back together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first waiting time, at most.
    pub first: Duration,
    /// The longest waiting time.
    pub longest: Duration,
    /// How many attempts in all; unlimited if `None`.
    pub attempts: Option<u32>,
}

impl Backoff {
    /// For posts to a connection: until the caller gives up.
    pub const POST: Self =
        Self { first: Duration::from_millis(50), longest: Duration::from_secs(2), attempts: None };

    /// For the call of an agent or a harness: five attempts, as Bedrock's documentation of
    /// `ModelNotReadyException` has it, within about six seconds.
    pub const AGENT: Self = Self {
        first: Duration::from_millis(400),
        longest: Duration::from_secs(4),
        attempts: Some(5),
    };

    /// For a call of the table of runs: three attempts, soon after each other. A run goes on without it.
    pub const TABLE: Self = Self {
        first: Duration::from_millis(50),
        longest: Duration::from_millis(500),
        attempts: Some(3),
    };

    /// For a call of the table of runs that was throttled: within about five seconds. A partition takes one
    /// megabyte a second ("Burst and adaptive capacity" of `DynamoDB`), and a run may have some.
    pub const THROTTLED_TABLE: Self = Self {
        first: Duration::from_millis(50),
        longest: Duration::from_secs(2),
        attempts: Some(8),
    };

    /// How long to wait after the attempt number `attempt` (from 1) has failed; `None` when that
    /// was the last.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Option<Duration> {
        if self.attempts.is_some_and(|most| attempt >= most) {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(20);
        let limit = self.first.saturating_mul(1 << doublings).min(self.longest);
        Some(limit.mul_f64(0.5 + fastrand::f64() / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let limits = [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000];
        for (attempt, limit) in (1..).zip(limits) {
            let wait = Backoff::POST.after(attempt).unwrap();
            let limit = Duration::from_millis(limit);
            assert!(wait >= limit / 2 && wait <= limit, "attempt {attempt}: {wait:?}");
        }
        assert!(Backoff::POST.after(u32::MAX).unwrap() <= Duration::from_secs(2));
    }

    #[test]
    fn the_attempts_end() {
        assert!(Backoff::AGENT.after(4).is_some());
        assert!(Backoff::AGENT.after(5).is_none());
    }
}
