//! What a user waits for who is at the other end of a real network: over TLS, with time that bytes take to
//! AWS and back, and with the share of a CPU that Lambda gives to a function.
//!
//! - [`site`]: a local AWS of that kind, with a client that is connected already.
//! - [`environment`]: a function there, from its start over its turns to a thaw.
//! - [`turns`]: how soon the first and later turns begin to answer, and what they cost.
//! - [`losses`]: what becomes of turns when connections have died.

mod environment;
mod losses;
mod site;
mod turns;

use std::time::Duration;

use local_aws::cpu_share_is_possible;

use crate::figures::Figures;
use crate::runs::Runner;

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
struct Setup {
    name: &'static str,
    rtt: Duration,
    /// None for the whole machine.
    cpu_share_mb: Option<u32>,
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
const SETUPS: [Setup; 6] = [
    Setup::held_back("TLS, 0 ms, 256 MB", 0),
    Setup::held_back(GOALS, 5),
    Setup::held_back("TLS, 20 ms, 256 MB", 20),
    Setup::whole("TLS, 0 ms, whole CPU", 0),
    Setup::whole("TLS, 5 ms, whole CPU", 5),
    Setup::whole("TLS, 20 ms, whole CPU", 20),
];

/// Where connections die.
const UNSAFE: Setup = Setup::held_back(THAWS, 5);

/// Runs all of this that was asked for.
pub(crate) async fn run(runner: &Runner<'_>, figures: &mut Figures) {
    let can_hold_back = cpu_share_is_possible();
    if let Err(error) = &can_hold_back {
        eprintln!("nothing is measured with a share of the CPU: {error}");
    }
    let is_possible = |setup: &Setup| setup.cpu_share_mb.is_none() || can_hold_back.is_ok();
    for setup in SETUPS.iter().filter(|setup| is_possible(setup)) {
        turns::measure(runner, setup, figures).await;
    }
    if is_possible(&UNSAFE) {
        losses::measure(runner, figures).await;
    }
}
