//! The connections that wait for their next request.
//!
//! A connection may have died unnoticed: the other end closed it while the environment was frozen,
//! or a gateway on the way has forgotten it. What is sent on it then is lost, and nobody can tell
//! whether it was processed. So one is used again only where that can't be:
//!
//! - it has been idle for less than its limit by both clocks,
//! - the process has run all that time. While connections wait, the pool looks at the clocks several
//!   times a second, with each request or else by itself, and after a gap it gives all of them up, and
//! - no other one to the same host has failed meanwhile: what killed that one may have killed more.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, Sleep, sleep};
use tracing::debug;

use crate::aws::clocks::Clocks;
use crate::aws::connection::Connection;

/// The same for a request that is not made again when it fails. Even while the process runs, a connection
/// may die unnoticed, and the longer it waits, the likelier; a new one costs two round trips.
pub(super) const IDLE_LIMIT_WITHOUT_REPETITION: Duration = Duration::from_secs(2);

/// How often the clocks are looked at while connections wait.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A gap between two looks that is longer than this means that the process was frozen. At the CPU
/// share of 256 MB, a process that has used up its share runs again after 85 ms.
const MAX_GAP: Duration = Duration::from_millis(250);

/// The connections of a process. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pool(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// The one used last is the last.
    idle: Vec<Idle>,
    /// When the clocks were looked at.
    looked: Clocks,
    /// When a task looks at them, if there is one.
    watch: Option<Pin<Box<Sleep>>>,
    /// How many connections will wait once an answer has ended.
    busy: usize,
    /// How often all connections were given up.
    times_given_up: u64,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Clocks,
}

impl Default for Pool {
    fn default() -> Self {
        let state = State {
            idle: Vec::new(),
            looked: Clocks::now(),
            watch: None,
            busy: 0,
            times_given_up: 0,
        };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl Pool {
    /// A connection to the host of `url` that is alive, for all that can be known, and has been idle for
    /// less than this, if there is one.
    pub(super) fn take(&self, url: &Uri, idle_limit: Duration) -> Option<Connection> {
        let now = Clocks::now();
        let mut state = self.lock();
        state.look(now);
        // Waking up only to look costs more than the look.
        state.put_off_watch();
        let place = state.idle.iter().rposition(|idle| {
            idle.connection.leads_to(url) && now.longest_since(idle.since) < idle_limit
        })?;
        let mut connection = state.idle.remove(place).connection;
        connection.idle_limit = idle_limit;
        Some(connection)
    }

    /// Gives up every connection that waits, for its file descriptor. Whether there was one.
    pub(super) fn give_up_idle(&self) -> bool {
        let mut state = self.lock();
        let had_any = !state.idle.is_empty();
        state.give_up_all("there are no file descriptors for new ones");
        had_any
    }

    /// Says that a request to the host of `url` is under way.
    pub(super) fn under_way(&self, url: &Uri) -> UnderWay {
        UnderWay { pool: self.clone(), url: url.clone(), since: Clocks::now(), is_answered: false }
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(&self, connection: Connection) {
        let now = Clocks::now();
        let mut state = self.lock();
        state.look(now);
        state.idle.push(Idle { connection, since: now });
        self.have_watched(&mut state);
    }

    /// Keeps a connection as soon as the answer that is under way on it has been read to its end.
    pub(super) fn put_when_ready(&self, mut connection: Connection) {
        if connection.sender.is_ready() {
            self.put(connection);
            return;
        }
        let pool = self.clone();
        // An answer may end after a freeze in which the connection has died, too.
        let times_given_up = {
            let mut state = self.lock();
            state.look(Clocks::now());
            state.busy += 1;
            self.have_watched(&mut state);
            state.times_given_up
        };
        tokio::spawn(async move {
            // It fails when the connection has ended, as it does when an answer is not read to its end.
            let is_ready = connection.sender.ready().await.is_ok();
            let is_given_up = {
                let mut state = pool.lock();
                state.look(Clocks::now());
                state.busy -= 1;
                state.times_given_up != times_given_up
            };
            if is_ready && !is_given_up {
                pool.put(connection);
            }
        });
    }

    fn have_watched(&self, state: &mut State) {
        if state.watch.is_none() {
            state.watch = Some(Box::pin(sleep(LOOK_INTERVAL)));
            tokio::spawn(self.clone().watch());
        }
    }

    /// Looks at the clocks for as long as connections wait.
    async fn watch(self) {
        // Job control and some container platforms stop processes, too.
        let mut continued = signal(SignalKind::from_raw(Signal::CONT.as_raw())).ok();
        loop {
            let was_stopped = tokio::select! {
                () = poll_fn(|context| self.lock().poll_watch(context)) => false,
                Some(()) = async { continued.as_mut()?.recv().await } => true,
            };
            let mut state = self.lock();
            if was_stopped {
                state.give_up_all("the process was stopped");
            }
            state.look(Clocks::now());
            if state.idle.is_empty() && state.busy == 0 {
                state.watch = None;
                return;
            }
            state.put_off_watch();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The list is whole after every operation, so another thread's panic does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is under way. Dropping it before it is answered gives up the connections to the same
/// host that have waited since before it was made, for its own has died, most likely.
#[derive(Debug)]
pub(super) struct UnderWay {
    pool: Pool,
    url: Uri,
    since: Clocks,
    is_answered: bool,
}

impl UnderWay {
    pub(super) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.is_answered {
            self.pool.lock().idle.retain(|idle| {
                !(idle.connection.leads_to(&self.url) && idle.since.is_before(self.since))
            });
        }
    }
}

impl State {
    /// Gives up what may be dead by now.
    fn look(&mut self, now: Clocks) {
        if now.longest_since(self.looked) > MAX_GAP {
            self.give_up_all("the process did not run for a while");
        }
        self.looked = now;
        self.idle.retain(|idle| {
            idle.connection.sender.is_ready()
                && now.longest_since(idle.since) < idle.connection.idle_limit
        });
    }

    fn put_off_watch(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.as_mut().reset(Instant::now() + LOOK_INTERVAL);
        }
    }

    fn poll_watch(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.watch.as_mut().map_or(Poll::Pending, |watch| watch.as_mut().poll(context))
    }

    fn give_up_all(&mut self, reason: &'static str) {
        self.times_given_up += 1;
        if !self.idle.is_empty() {
            debug!(connections = self.idle.len(), reason, "no kept connection is used again");
            self.idle.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::{DuplexStream, duplex};

    use super::*;
    use crate::aws::connection::IDLE_LIMIT;

    const URL: &str = "https://agent.example/";

    /// A connection that waits, and its other end.
    async fn idle(idle_limit: Duration, since: Clocks) -> (Idle, DuplexStream) {
        let (near, far) = duplex(1024);
        let (mut sender, driver) = http1::handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(driver);
        sender.ready().await.unwrap();
        let connection = Connection::new(&Uri::from_static(URL), sender, None);
        (Idle { connection: connection.with_idle_limit(idle_limit), since }, far)
    }

    /// Lets time pass as the pool sees it while the process runs.
    fn pass(state: &mut State, mut now: Clocks, looks: u32) -> Clocks {
        for _ in 0..looks {
            now = now.after(LOOK_INTERVAL);
            state.look(now);
        }
        now
    }

    #[tokio::test]
    async fn a_connection_that_may_not_be_used_any_more_holds_no_descriptor() {
        let pool = Pool::default();
        let now = Clocks::now();
        let (for_agent, _agent) = idle(IDLE_LIMIT_WITHOUT_REPETITION, now).await;
        let (for_posts, _gateway) = idle(IDLE_LIMIT, now).await;
        let mut state = pool.lock();
        state.looked = now;
        state.idle.extend([for_agent, for_posts]);
        let now = pass(&mut state, now, 19);
        assert_eq!(state.idle.len(), 2);
        let now = pass(&mut state, now, 1);
        assert_eq!(state.idle.len(), 1, "the one for the agent, after 2 s");
        pass(&mut state, now, 180);
        assert!(state.idle.is_empty(), "the one for posts, after 20 s");
    }

    #[tokio::test]
    async fn nothing_is_kept_over_a_gap() {
        let pool = Pool::default();
        let now = Clocks::now();
        let (kept, _other_end) = idle(IDLE_LIMIT, now).await;
        let mut state = pool.lock();
        state.looked = now;
        state.idle.push(kept);
        state.look(now.after(MAX_GAP));
        assert_eq!(state.idle.len(), 1);
        state.look(now.after(MAX_GAP * 2 + Duration::from_millis(1)));
        assert!(state.idle.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_clocks_are_looked_at_with_each_request_or_else_without_one() {
        let pool = Pool::default();
        let (kept, _other_end) = idle(IDLE_LIMIT, Clocks::now()).await;
        pool.put(kept.connection);
        sleep(LOOK_INTERVAL / 2).await;
        assert!(pool.take(&Uri::from_static("https://other.example/"), IDLE_LIMIT).is_none());
        let with_request = pool.lock().looked;
        let next = pool.lock().watch.as_ref().map(|watch| watch.deadline());
        assert_eq!(next, Some(Instant::now() + LOOK_INTERVAL));
        for _ in 0..3 {
            let before = pool.lock().looked;
            sleep(LOOK_INTERVAL + Duration::from_millis(1)).await;
            assert!(before.is_before(pool.lock().looked));
        }
        assert!(with_request.is_before(pool.lock().looked));
        drop(pool.take(&Uri::from_static(URL), IDLE_LIMIT).unwrap());
        sleep(LOOK_INTERVAL * 2).await;
        assert!(pool.lock().watch.is_none(), "nothing waits");
    }

    #[tokio::test]
    async fn waiting_connections_make_room_for_new_ones() {
        let pool = Pool::default();
        let (kept, _other_end) = idle(IDLE_LIMIT, Clocks::now()).await;
        pool.put(kept.connection);
        assert!(pool.give_up_idle());
        assert!(!pool.give_up_idle());
        assert!(pool.take(&Uri::from_static(URL), IDLE_LIMIT).is_none());
    }
}
