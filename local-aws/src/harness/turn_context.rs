//! What a script may depend on.

use std::time::SystemTime;

use super::address::Address;
use crate::scripted::placeholders::Placeholders;

/// One run of a session, as its script sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnContext<'a> {
    /// The harness and the session.
    pub(super) address: &'a Address,
    /// What the user wrote.
    pub(super) prompt: &'a str,
    /// Tells all runs apart; what ids of calls and hooks are made of: 32 hexadecimal digits.
    pub(super) id: &'a str,
    /// Counts the prompts of the conversation from 1.
    pub(super) number: u32,
    /// The time at which the script begins.
    pub(super) now: SystemTime,
}

impl TurnContext<'_> {
    /// What stands for the placeholders of a timeline.
    pub(super) fn placeholders(&self) -> Placeholders {
        let Address { harness_arn, session_id, .. } = self.address;
        Placeholders::new(self.prompt, self.number, self.now)
            .with("harness_arn", harness_arn)
            .with("id", self.id)
            .with("session_id", session_id)
            .with("uuid_tail", &uuid_tail(self.id))
    }
}

/// What follows the first group of a UUID, made of the id's 32 digits.
fn uuid_tail(id: &str) -> String {
    let groups = [(8, 12), (12, 16), (16, 20), (20, 32)];
    let group = |(start, end)| id.get(start..end).unwrap_or_default();
    groups.map(group).join("-")
}
