//! What the table knows of one run, who may change it and how, and what follows from it: for the relay that
//! carries the run, and for whoever wants to join it.
//!
//! All of this is without a table and without a clock: the relay, the joiner, and the model that tries
//! random schedules ask the same functions.

use crate::invocation::ConnectionRef;

/// The SHA-256 of a run's secret.
pub type KeyHash = [u8; 32];

/// Where the item of a run is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunAddress {
    /// The conversation, as a source knows it: with the principal's hash before it, if there is one.
    pub session_id: String,
    /// The run among those of the conversation: a later one is larger.
    pub sort_key: String,
}

impl RunAddress {
    /// The address of a run that begins so many milliseconds after 1970 and is asked for by the request
    /// with this id.
    #[must_use]
    pub fn new(session_id: &str, now_ms: u64, request_id: &str) -> Self {
        let sort_key = format!("{now_ms:0MS_DIGITS$}-{request_id}");
        Self { session_id: session_id.to_owned(), sort_key }
    }
}

impl RunAddress {
    /// When the run began, in milliseconds since 1970; `None` if that is no sort key of a run.
    #[must_use]
    pub fn begun_ms(&self) -> Option<u64> {
        self.sort_key.split_once('-')?.0.parse().ok()
    }
}

/// How many digits the milliseconds in a sort key have, so that texts are in the order of numbers until
/// the year 2286.
pub(super) const MS_DIGITS: usize = 13;

/// What a run began with: messages, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptInput {
    /// Here it is.
    Here(String),
    /// It is too large for the item, and stands apart, in so many parts.
    Apart {
        /// How many parts.
        parts: u32,
    },
}

/// Where the journal of a run is that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptJournal {
    /// Here it is, as small as most are.
    Here(Vec<u8>),
    /// It is too large for the item, and stands apart, in so many parts.
    Apart {
        /// How many parts.
        parts: u32,
    },
}

/// What the table knows of one run: the control item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The client's id of the run.
    pub run_id: String,
    /// The hash of the secret in the run's key.
    pub key_hash: KeyHash,
    /// The messages that the run began with.
    pub input: Option<KeptInput>,
    /// When the relay that carries the run is certainly gone, in milliseconds since 1970.
    pub until_ms: u64,
    /// When the item counts as gone, in seconds since 1970.
    pub expires: u64,
    /// How many joins there have been.
    pub generation: u64,
    /// Where the newest join wants the frames, if there has been one.
    pub joined: Option<Joined>,
    /// The newest join that the relay serves.
    pub taken: u64,
    /// Whether somebody wants the run to end.
    pub stop: bool,
    /// What it has said. Present when the run has ended.
    pub journal: Option<KeptJournal>,
    /// Whether its relay is taken to be dead.
    pub lost: bool,
}

/// Where a join wants the frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The connection.
    pub connection: ConnectionRef,
    /// The number of the last frame that the client has; −1 if none.
    pub after: i64,
}

impl Joined {
    /// The number of the first frame that the client wants.
    #[must_use]
    pub fn first_seq(&self) -> u64 {
        first_seq(self.after)
    }
}

/// The number of the first frame wanted by a client whose last one is `after`.
#[must_use]
pub fn first_seq(after: i64) -> u64 {
    u64::try_from(after.saturating_add(1)).unwrap_or_default()
}

impl Item {
    /// A run that is about to be carried by a relay.
    #[must_use]
    pub fn new(run_id: &str, key_hash: KeyHash, until_ms: u64, expires: u64) -> Self {
        Self {
            run_id: run_id.to_owned(),
            key_hash,
            input: None,
            until_ms,
            expires,
            generation: 0,
            joined: None,
            taken: 0,
            stop: false,
            journal: None,
            lost: false,
        }
    }

    /// Whether it counts as gone at this time, in seconds since 1970. The table removes such items days
    /// later ("Using time to live (TTL) in `DynamoDB`").
    #[must_use]
    pub fn has_expired(&self, now: u64) -> bool {
        self.expires <= now
    }
}

/// One change of an item. Each is made in one step, and only if the item allows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// A client wants the frames: by a join with this number, one more than the item had when it was read.
    ///
    /// JOIN.md's `ADD gen 1` would do, too, but for an attempt whose answer is lost: made again, it would
    /// count twice, and if it arrived late, it would take the run from a newer join.
    Join {
        /// The number of the join.
        generation: u64,
        /// Where the frames are to go.
        joined: Joined,
    },
    /// The relay serves the join with this number.
    Take {
        /// The number of the join.
        generation: u64,
    },
    /// Somebody wants the run to end.
    Stop {
        /// The hash of the key that they have; `None` if they are known by name.
        key_hash: Option<KeyHash>,
        /// The time, in seconds since 1970.
        now: u64,
    },
    /// The run has ended, and its journal has been kept. From now on who joins finds it in the table, but
    /// for the join with this number, which the relay serves to the end.
    End {
        /// Where the journal is.
        journal: KeptJournal,
        /// The newest join that the relay serves.
        generation: u64,
        /// When the item counts as gone from now on, in seconds since 1970.
        expires: u64,
    },
    /// The relay did not take the join with this number, and is taken to be dead.
    Lose {
        /// The number of the join.
        generation: u64,
    },
}

impl Update {
    /// Whether an item allows this. The table checks the same, see `attributes`.
    #[must_use]
    pub fn is_allowed(&self, item: &Item) -> bool {
        let under_way = item.journal.is_none() && !item.lost;
        match self {
            Self::Join { generation, .. } => under_way && item.generation + 1 == *generation,
            Self::Take { generation } => under_way && item.taken <= *generation,
            Self::Stop { key_hash, now } => {
                !item.has_expired(*now) && key_hash.is_none_or(|hash| hash == item.key_hash)
            }
            Self::End { .. } => !item.lost,
            Self::Lose { generation } => item.journal.is_none() && item.taken < *generation,
        }
    }

    /// Makes the change.
    pub fn apply(self, item: &mut Item) {
        match self {
            Self::Join { generation, joined } => {
                item.generation = generation;
                item.joined = Some(joined);
            }
            Self::Take { generation } => item.taken = generation,
            Self::Stop { .. } => item.stop = true,
            Self::End { journal, generation, expires } => {
                item.journal = Some(journal);
                item.taken = generation;
                item.expires = expires;
            }
            Self::Lose { .. } => item.lost = true,
        }
    }
}

/// What the relay that carries a run learns from its item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The relay was taken to be dead, and the client has been told so: it ends without another frame.
    pub is_lost: bool,
    /// The run is to end.
    pub is_to_stop: bool,
    /// A join that the relay has not served yet.
    pub join: Option<NewJoin>,
}

/// A join that the relay has not served yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJoin {
    /// Its number.
    pub generation: u64,
    /// Where the frames go from now on; `None` if that is where they go already, so that nothing is sent
    /// again.
    pub moved_to: Option<Joined>,
}

impl Item {
    /// What the relay learns that has served the join with the number `generation`, and whose frames go to
    /// `connection`. Nothing from an item that is older than what it knows: it may read one that is.
    #[must_use]
    pub fn news(&self, generation: u64, connection: Option<&ConnectionRef>) -> News {
        if self.lost {
            return News { is_lost: true, ..News::default() };
        }
        let join = (self.generation > generation).then(|| NewJoin {
            generation: self.generation,
            moved_to: self.joined.clone().filter(|new| Some(&new.connection) != connection),
        });
        News { is_lost: false, is_to_stop: self.stop, join }
    }
}

/// What somebody does who wants to join a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// The run has ended: they replay its journal.
    Replay {
        /// Where that is.
        journal: KeptJournal,
    },
    /// The relay serves their connection: there is nothing more to do.
    LeaveToRelay,
    /// A newer join has taken the run over.
    LeaveToNewerJoin,
    /// The relay is dead: they tell the client so.
    TellLost,
    /// They make this change, and look again.
    Make(Update),
    /// They look again later.
    Wait,
}

/// How somebody joins a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinMode {
    /// The relay is to go on over their connection.
    TakeOver(Joined),
    /// They wait for the run's end: no relay can write into a response over HTTP that another invocation
    /// has.
    AwaitEnd,
}

/// How far somebody has come who wants to join a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// How.
    mode: JoinMode,
    /// The number of their join, once the item has it.
    generation: Option<u64>,
    /// The number with which they have tried, unless the item has refused it: whether it has arrived is not
    /// known before they see that.
    tried: Option<u64>,
}

impl Joining {
    /// Somebody who has not tried anything yet.
    #[must_use]
    pub fn new(mode: JoinMode) -> Self {
        Self { mode, generation: None, tried: None }
    }

    /// The number of their join, once the item has it.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.generation
    }

    /// What to do on seeing this item at this time, in milliseconds since 1970. `is_overdue`: whether the
    /// relay has had time enough to take the join.
    #[must_use]
    pub fn next_step(&mut self, item: &Item, now_ms: u64, is_overdue: bool) -> NextStep {
        if self.has_arrived_unheard(item) {
            self.generation = self.tried;
        }
        // It may have arrived and been served, until the newer one came. To join again would take the run
        // back from that, and replay what the client has.
        if self.generation.is_none() && self.tried.is_some_and(|tried| tried < item.generation) {
            return NextStep::LeaveToNewerJoin;
        }
        if let Some(journal) = &item.journal {
            return match self.generation {
                Some(mine) if item.taken >= mine => NextStep::LeaveToRelay,
                _ => NextStep::Replay { journal: journal.clone() },
            };
        }
        if item.lost {
            return NextStep::TellLost;
        }
        let is_gone = item.until_ms <= now_ms;
        match (self.generation, &self.mode) {
            (None, JoinMode::TakeOver(joined)) => {
                let generation = item.generation + 1;
                self.tried = Some(generation);
                NextStep::Make(Update::Join { generation, joined: joined.clone() })
            }
            // Nobody has taken a join that was never made.
            (None, JoinMode::AwaitEnd) if is_gone => {
                NextStep::Make(Update::Lose { generation: item.taken + 1 })
            }
            (Some(mine), _) if item.taken == mine => NextStep::LeaveToRelay,
            (Some(mine), _) if item.generation > mine => NextStep::LeaveToNewerJoin,
            (Some(mine), _) if is_gone || is_overdue => {
                NextStep::Make(Update::Lose { generation: mine })
            }
            (None, JoinMode::AwaitEnd) | (Some(_), _) => NextStep::Wait,
        }
    }

    /// Whether the item has allowed the change that the last step asked for.
    pub fn made(&mut self, allowed: bool) {
        if !allowed {
            self.tried = None;
        } else if self.generation.is_none() {
            self.generation = self.tried;
        }
    }

    /// Whether the newest join is theirs, though they were not told: the answer was lost.
    fn has_arrived_unheard(&self, item: &Item) -> bool {
        let JoinMode::TakeOver(mine) = &self.mode else { return false };
        self.generation.is_none()
            && self.tried == Some(item.generation)
            && item.joined.as_ref() == Some(mine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(connection_id: &str) -> Joined {
        let connection_id = connection_id.to_owned();
        Joined { connection: ConnectionRef { connection_id, ..ConnectionRef::default() }, after: 0 }
    }

    fn join(joining: &mut Joining, item: &Item) -> Update {
        match joining.next_step(item, 0, false) {
            NextStep::Make(update) => update,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_join_whose_answer_is_lost_does_not_take_the_run_back_from_a_newer_one() {
        let mut item = Item::new("run-1", [0; 32], u64::MAX, u64::MAX);
        let mut first = Joining::new(JoinMode::TakeOver(joined("first")));
        let mut second = Joining::new(JoinMode::TakeOver(joined("second")));
        // It arrives, and they are not told.
        join(&mut first, &item).apply(&mut item);
        join(&mut second, &item).apply(&mut item);
        second.made(true);
        assert_eq!(first.next_step(&item, 0, false), NextStep::LeaveToNewerJoin);
        Update::Take { generation: 2 }.apply(&mut item);
        Update::End { journal: KeptJournal::Apart { parts: 1 }, generation: 2, expires: 1 }
            .apply(&mut item);
        assert_eq!(first.next_step(&item, 0, false), NextStep::LeaveToNewerJoin);
        assert_eq!(second.next_step(&item, 0, false), NextStep::LeaveToRelay);
    }

    #[test]
    fn a_join_that_was_refused_is_made_again() {
        let mut item = Item::new("run-1", [0; 32], u64::MAX, u64::MAX);
        let mut late = Joining::new(JoinMode::TakeOver(joined("late")));
        let refused = join(&mut late, &item);
        for generation in 1..=2 {
            Update::Join { generation, joined: joined("other") }.apply(&mut item);
        }
        assert!(!refused.is_allowed(&item));
        late.made(false);
        assert!(matches!(join(&mut late, &item), Update::Join { generation: 3, .. }));
    }
}
