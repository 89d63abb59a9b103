//! What a script may depend on.

use std::time::SystemTime;

use super::address::Address;

/// One turn of a session, as its script sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnContext<'a> {
    /// The agent and the session.
    pub(super) address: &'a Address,
    /// What the user wrote.
    pub(super) prompt: &'a str,
    /// Tells all turns apart; the id of a return of control.
    pub(super) id: &'a str,
    /// Counts the turns of the session from 1.
    pub(super) number: u32,
    /// Whether the caller receives traces.
    pub(super) traced: bool,
    /// The time at which the script begins.
    pub(super) now: SystemTime,
}
