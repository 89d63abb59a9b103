//! The sessions of AgentCore.
//!
//! A session is a machine of its own: it has one run at a time, and stopping it forgets all of it.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::recently_used::RecentlyUsed;

/// How many sessions are remembered.
const SESSIONS: usize = 10_000;

/// How many requests to stop are remembered, so that the same one may come again.
const STOPS: usize = 1_000;

/// All sessions, by what names one, and what each remembers; up to a bound: the least recently used one
/// is forgotten first.
#[derive(Debug)]
pub(crate) struct Sessions<A, M> {
    memories: RecentlyUsed<A, M>,
    runs: HashMap<A, ActiveRun>,
    /// Counts all runs.
    last_run: u64,
    stops: VecDeque<(A, String)>,
}

/// A run that is under way, whether or not its caller is still there.
#[derive(Debug)]
pub(crate) struct ActiveRun {
    id: u64,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl<A: Clone + Eq + Hash, M: Default> Default for Sessions<A, M> {
    fn default() -> Self {
        Self {
            memories: RecentlyUsed::new(SESSIONS),
            runs: HashMap::new(),
            last_run: 0,
            stops: VecDeque::new(),
        }
    }
}

impl<A: Clone + Eq + Hash, M: Default> Sessions<A, M> {
    /// What a session remembers, which may be new.
    pub(crate) fn memory(&mut self, address: &A) -> &mut M {
        self.memories.get_or_default(address)
    }

    /// Whether a session has a run that is under way.
    pub(crate) fn is_busy(&self, address: &A) -> bool {
        self.runs.contains_key(address)
    }

    /// Begins a run, which `spawn` is to play: it gets the run's number, and hears when it is to stop.
    pub(crate) fn begin_run<T>(
        &mut self,
        address: &A,
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
    pub(crate) fn end_run(&mut self, address: &A, id: u64) -> bool {
        let is_active = self.runs.get(address).is_some_and(|run| run.id == id);
        if is_active {
            self.runs.remove(address);
        }
        is_active
    }

    /// Stops a session: forgets it, and returns its run, if one is under way.
    pub(crate) fn stop(&mut self, address: &A, client_token: Option<&str>) -> Stop {
        let same = |(stopped, token): &(A, String)| {
            stopped == address && Some(token.as_str()) == client_token
        };
        if self.stops.iter().any(same) {
            return Stop::Repeated;
        }
        if !self.is_busy(address) && self.memories.get_mut(address).is_none() {
            return Stop::NoSession;
        }
        if let Some(token) = client_token {
            if self.stops.len() >= STOPS {
                self.stops.pop_front();
            }
            self.stops.push_back((address.clone(), token.to_owned()));
        }
        self.memories.forget(address);
        Stop::Stopped(self.runs.remove(address))
    }
}

/// What a request to stop a session does.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nothing: this very request has stopped it before.
    Repeated,
    /// Nothing: there is no such session.
    NoSession,
    /// It ends the session, and its run, if one is under way.
    Stopped(Option<ActiveRun>),
}

impl ActiveRun {
    /// Ends the run at once, and waits until it has ended.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        // A run that has panicked has ended, too.
        let _ended = self.task.await;
    }
}
