//! Under which circumstances turns are measured, and the names of workloads and figures.

use std::time::Duration;

/// The memory whose share of the CPU a function gets, in MB: that of the template.
const MEMORY_MB: u32 = 256;

/// The workload that the goals look at.
pub(crate) const GOALS: &str = "TLS, 5 ms, 256 MB";

/// The part of a workload whose environments were started in advance (provisioned concurrency), so that
/// none of them opens a connection before its first event.
pub(crate) const IN_ADVANCE: &str = "started in advance";

/// What the names of workloads begin with in which connections die.
pub(crate) const THAWS: &str = "TLS, thaws";
pub(crate) const DEAD: &str = "TLS, dead connections";

/// The figures of those that the goals look at.
pub(crate) const LOST: &str = "lost";
pub(crate) const ASKED_AGAIN: &str = "agent asked twice";
pub(crate) const LONGEST: &str = "longest stall ms";

/// Under which circumstances turns are measured.
#[derive(Clone, Copy)]
pub(super) struct Setup {
    pub(super) name: &'static str,
    pub(super) rtt: Duration,
    /// None for the whole machine.
    pub(super) cpu_share_mb: Option<u32>,
}

impl Setup {
    const fn held_back(name: &'static str, rtt_ms: u64) -> Self {
        Self { name, rtt: Duration::from_millis(rtt_ms), cpu_share_mb: Some(MEMORY_MB) }
    }

    const fn whole(name: &'static str, rtt_ms: u64) -> Self {
        Self { name, rtt: Duration::from_millis(rtt_ms), cpu_share_mb: None }
    }
}

/// In this order, so that the share that is usual comes first.
pub(super) const SETUPS: [Setup; 6] = [
    Setup::held_back("TLS, 0 ms, 256 MB", 0),
    Setup::held_back(GOALS, 5),
    Setup::held_back("TLS, 20 ms, 256 MB", 20),
    Setup::whole("TLS, 0 ms, whole CPU", 0),
    Setup::whole("TLS, 5 ms, whole CPU", 5),
    Setup::whole("TLS, 20 ms, whole CPU", 20),
];

/// Where connections die.
pub(super) const UNSAFE: Setup = Setup::held_back(THAWS, 5);
