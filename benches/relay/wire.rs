//! What a user waits for who is at the other end of a real network: over TLS, with time that bytes take to
//! AWS and back, and with the share of a CPU that Lambda gives to a function.
//!
//! - [`setup`]: under which circumstances, and what that is called.
//! - [`site`]: a local AWS of that kind, with a client that is connected already.
//! - [`environment`]: a function there, from its start over its turns to a thaw.
//! - [`turns`]: how soon the first and later turns begin to answer, and what they cost.
//! - [`losses`]: what becomes of turns when connections have died.

mod environment;
mod losses;
pub(crate) mod setup;
mod site;
mod turns;

use local_aws::cpu_share_is_possible;

use self::setup::{SETUPS, Setup, UNSAFE};
use crate::figures::Figures;
use crate::runner::Runner;

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
