//! What the agent remembers of its sessions.

use std::collections::HashMap;

use super::address::Address;
use super::return_control::ReturnControl;

/// How many sessions are remembered.
const SESSIONS: usize = 10_000;

/// All sessions, up to a bound: the least recently used one is forgotten first.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: HashMap<Address, Session>,
    /// Counts the turns of all sessions.
    clock: u64,
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
    /// When it was last used, on the clock of all sessions.
    used: u64,
}

/// A timeline that is played turn by turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Playing {
    /// The file, as the prompt named it.
    pub(super) file: String,
    /// How many times as fast.
    pub(super) speed: f64,
    /// How many turns are over, up to that which was played last.
    pub(super) played: usize,
}

impl Sessions {
    /// Counts one more turn of a session, from 1. A new turn forgets what was pending.
    pub(super) fn begin(&mut self, address: &Address) -> &mut Session {
        self.clock += 1;
        if self.sessions.len() >= SESSIONS
            && !self.sessions.contains_key(address)
            && let Some(oldest) = self
                .sessions
                .iter()
                .min_by_key(|(_, session)| session.used)
                .map(|(address, _)| address.clone())
        {
            self.sessions.remove(&oldest);
        }
        let session = self.sessions.entry(address.clone()).or_default();
        session.turns += 1;
        session.pending = None;
        session.used = self.clock;
        session
    }

    /// A session that has had a turn.
    pub(super) fn get_mut(&mut self, address: &Address) -> Option<&mut Session> {
        self.sessions.get_mut(address)
    }

    pub(super) fn forget(&mut self, address: &Address) {
        self.sessions.remove(address);
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
    fn turns_are_counted_for_each_session_and_the_least_recently_used_one_is_forgotten() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.begin(&Address::example("first")).turns, 1);
        assert_eq!(sessions.begin(&Address::example("first")).turns, 2);
        assert_eq!(sessions.begin(&Address::example("second")).turns, 1);
        for n in 0..SESSIONS - 1 {
            sessions.begin(&Address::example(&format!("other-{n}")));
        }
        assert_eq!(sessions.sessions.len(), SESSIONS);
        assert_eq!(
            sessions.begin(&Address::example("second")).turns,
            2,
            "it was used later than `first`"
        );
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
