//! How many runs a process has file descriptors for.
//!
//! Lambda gives a process 1,024 ("Lambda quotas"), and no way to ask for more. A run takes two, one for
//! its agent and one for its posts; a third for the table, if it is kept there. Each invocation that is
//! waited for takes one, to Lambda itself.

use std::error::Error;
use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::causes;

/// What a run takes: the agent's connection, and the one that its frames are posted on.
const PER_RUN: u64 = 2;

/// What a run takes besides that is kept: a connection to the table.
const PER_KEPT_RUN: u64 = 1;

/// What the process needs besides: its own files, names to be resolved, and connections on which those
/// who are turned away are told so.
const RESERVE: u64 = 32;

/// What a client is told whose turn there are no file descriptors for.
pub const TOO_MANY_TURNS: &str =
    "The relay has too many turns at once. Wait until others have ended, then try again.";

/// Whether an error was caused by the want of file descriptors, of the process or of the system.
#[must_use]
pub fn are_exhausted(error: &(dyn Error + 'static)) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| {
        let code = error.raw_os_error();
        code == Some(Errno::MFILE.raw_os_error()) || code == Some(Errno::NFILE.raw_os_error())
    })
}

/// The most runs at once for a process that waits for so many invocations at once, and in which runs are
/// kept or not. At least one, however low the limit.
#[must_use]
pub fn max_runs(invocations: usize, are_kept: bool) -> usize {
    let invocations = u64::try_from(invocations).unwrap_or(u64::MAX);
    let free = limit().saturating_sub(RESERVE).saturating_sub(invocations);
    let per_run = PER_RUN + if are_kept { PER_KEPT_RUN } else { 0 };
    usize::try_from(free / per_run).unwrap_or(usize::MAX).max(1)
}

/// As many descriptors as the system lets this process have.
fn limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // A process may have as many as its maximum, but has to say so.
    if setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() {
        maximum.unwrap_or(u64::MAX)
    } else {
        current.unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_run_whatever_the_limit() {
        for are_kept in [false, true] {
            assert_eq!(max_runs(usize::MAX, are_kept), 1);
            assert!(max_runs(1, are_kept) > 1);
        }
    }
}
