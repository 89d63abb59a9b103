//! What a harness remembers of its sessions.
//!
//! A session is a machine of its own: it has one run at a time, and stopping it forgets all of it. Within
//! it, each actor has a conversation.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::address::Address;
use super::request::ToolResult;
use super::script::{Script, ToolCall};
use crate::scripted::playing::Playing;
use crate::scripted::recently_used::RecentlyUsed;

/// How many sessions are remembered.
const SESSIONS: usize = 10_000;

/// How many requests to stop are remembered, so that the same one may come again.
const STOPS: usize = 1_000;

/// All sessions, up to a bound: the least recently used one is forgotten first.
#[derive(Debug)]
pub(super) struct Sessions {
    histories: RecentlyUsed<Address, BTreeMap<Option<String>, Conversation>>,
    runs: HashMap<Address, ActiveRun>,
    /// Counts all runs.
    last_run: u64,
    stops: VecDeque<(Address, String)>,
}

/// The conversation of one actor in one session.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// The number of prompts so far.
    pub(super) turns: u32,
    /// What the last run asked of its caller and has no results of yet.
    pub(super) pending: Vec<ToolCall>,
    /// What follows once the results are here.
    pub(super) next: VecDeque<Script>,
    /// The results of this turn so far.
    pub(super) results: Vec<(ToolCall, ToolResult)>,
    /// The timeline that the last run came from.
    pub(super) playing: Option<Playing>,
    /// The prompt that is being refused, and how often it has been.
    pub(super) refusing: Option<(String, u32)>,
}

/// A run that is under way, whether or not its caller is still there.
#[derive(Debug)]
pub(super) struct ActiveRun {
    id: u64,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            histories: RecentlyUsed::new(SESSIONS),
            runs: HashMap::new(),
            last_run: 0,
            stops: VecDeque::new(),
        }
    }
}

impl Sessions {
    /// The conversation of an actor, which may be new.
    pub(super) fn conversation(
        &mut self,
        address: &Address,
        actor_id: Option<&str>,
    ) -> &mut Conversation {
        let actors = self.histories.get_or_default(address);
        actors.entry(actor_id.map(str::to_owned)).or_default()
    }

    /// Whether a session has a run that is under way.
    pub(super) fn is_busy(&self, address: &Address) -> bool {
        self.runs.contains_key(address)
    }

    /// Begins a run, which `spawn` is to play: it gets the run's number, and hears when it is to stop.
    pub(super) fn begin_run<T>(
        &mut self,
        address: &Address,
        spawn: impl FnOnce(u64, watch::Receiver<bool>) -> (JoinHandle<()>, T),
    ) -> T {
        self.last_run += 1;
        let id = self.last_run;
        let (stop, stopped) = watch::channel(false);
        let (task, result) = spawn(id, stopped);
        self.runs.insert(address.clone(), ActiveRun { id, stop, task });
        result
    }

    /// Ends a run, and returns whether it was one still: its session may have been stopped.
    pub(super) fn end_run(&mut self, address: &Address, id: u64) -> bool {
        let is_active = self.runs.get(address).is_some_and(|run| run.id == id);
        if is_active {
            self.runs.remove(address);
        }
        is_active
    }

    /// Whether there is such a session.
    pub(super) fn contains(&mut self, address: &Address) -> bool {
        self.is_busy(address) || self.histories.get_mut(address).is_some()
    }

    /// Forgets a session, and returns its run, if one is under way.
    pub(super) fn forget(&mut self, address: &Address) -> Option<ActiveRun> {
        self.histories.forget(address);
        self.runs.remove(address)
    }

    /// Whether this very request stopped the session before.
    pub(super) fn was_stopped_by(&self, address: &Address, client_token: &str) -> bool {
        let same =
            |(stopped, token): &(Address, String)| stopped == address && token == client_token;
        self.stops.iter().any(same)
    }

    /// Remembers a request to stop.
    pub(super) fn remember_stop(&mut self, address: Address, client_token: String) {
        if self.stops.len() >= STOPS {
            self.stops.pop_front();
        }
        self.stops.push_back((address, client_token));
    }
}

impl ActiveRun {
    /// Ends the run at once, and waits until it has ended.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        // A run that has panicked has ended, too.
        let _ended = self.task.await;
    }
}
