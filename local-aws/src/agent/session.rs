//! What the agent remembers of its sessions.

use super::address::Address;
use super::return_control::ReturnControl;
use crate::scripted::playing::Playing;
use crate::scripted::recently_used::RecentlyUsed;

/// How many sessions are remembered.
const SESSIONS: usize = 10_000;

/// All sessions, up to a bound: the least recently used one is forgotten first.
#[derive(Debug)]
pub(super) struct Sessions {
    sessions: RecentlyUsed<Address, Session>,
}

/// One session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The number of turns so far.
    pub(super) turns: u32,
    /// What the agent has asked of its caller and has no results of yet.
    pub(super) pending: Option<ReturnControl>,
    /// The timeline that the last turn came from.
    pub(super) playing: Option<Playing>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { sessions: RecentlyUsed::new(SESSIONS) }
    }
}

impl Sessions {
    /// Counts one more turn of a session, from 1. A new turn forgets what was pending.
    pub(super) fn begin(&mut self, address: &Address) -> &mut Session {
        let session = self.sessions.get_or_default(address);
        session.turns += 1;
        session.pending = None;
        session
    }

    /// A session that has had a turn.
    pub(super) fn get_mut(&mut self, address: &Address) -> Option<&mut Session> {
        self.sessions.get_mut(address)
    }

    pub(super) fn forget(&mut self, address: &Address) {
        self.sessions.forget(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> ReturnControl {
        let payload = r#"{"invocationId":"id","invocationInputs":[]}"#;
        ReturnControl::from_payload(serde_json::from_str(payload).unwrap()).unwrap()
    }

    #[test]
    fn turns_are_counted_for_each_session() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.begin(&Address::example("first")).turns, 1);
        assert_eq!(sessions.begin(&Address::example("first")).turns, 2);
        assert_eq!(sessions.begin(&Address::example("second")).turns, 1);
        sessions.forget(&Address::example("first"));
        assert_eq!(sessions.begin(&Address::example("first")).turns, 1);
    }

    #[test]
    fn a_new_turn_forgets_what_was_pending() {
        let mut sessions = Sessions::default();
        let session = sessions.begin(&Address::example("first"));
        session.pending = Some(example());
        assert_eq!(sessions.begin(&Address::example("first")).pending, None);
    }
}
