//! What a script may depend on.

use std::time::SystemTime;

use super::address::Address;
use super::files::ReceivedFile;
use crate::scripted::placeholders::Placeholders;

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
    /// The files that came with the prompt.
    pub(super) files: &'a [ReceivedFile],
}

impl TurnContext<'_> {
    /// What stands for the placeholders of a timeline.
    pub(super) fn placeholders(&self) -> Placeholders {
        let Address { agent_id, agent_alias_id, session_id } = self.address;
        let since_epoch = self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = since_epoch.as_secs() & 0xffff_ffff;
        let trace_id = format!("{seconds:08x}-0000-4000-8000-{:012x}", self.number);
        Placeholders::new(self.prompt, self.number, self.now)
            .with("agent_alias_id", agent_alias_id)
            .with("agent_id", agent_id)
            .with("invocation_id", self.id)
            .with("session_id", session_id)
            .with("trace_id", &trace_id)
    }
}
