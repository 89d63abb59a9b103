//! Faults on purpose: what really goes wrong between a function, its clients and its agent.
//!
//! Some come by chance, at the rates of [`Faults`], drawn from one seed; others exactly when a test
//! asks for them, through the [`FaultInjector`] of the running local AWS. Each one is counted, and
//! stands in the journal before its effect.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use fastrand::Rng;

use super::agent::exception::Exception;

/// The posts at which a vanishing client may vanish: after the first frame of an answer, and long
/// before the last of any but the shortest.
const VANISH_AT_POSTS: RangeInclusive<u32> = 2..=50;

/// What goes wrong by chance; by default nothing does.
///
/// Each rate is a share, from 0 for never to 1 for always. Those of posts add up to 1 at most,
/// since one post has one connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Posts that are refused with 429 `LimitExceededException`.
    pub throttled_posts: f64,
    /// Posts that fail with 500.
    pub failed_posts: f64,
    /// Posts that are refused with 403 `ForbiddenException`.
    pub forbidden_posts: f64,
    /// Posts that are never answered and not delivered.
    pub hanging_posts: f64,
    /// Posts whose connection is closed without an answer; they are not delivered.
    pub cut_posts: f64,
    /// Posts that are delivered, but whose connection is closed without an answer.
    pub lost_answers: f64,
    /// Clients that vanish in the middle of an answer, without a close frame. Whether one does is
    /// decided when the first post comes to it.
    pub vanishing_clients: f64,
    /// What all chance is drawn from. The same seed and the same order of posts give the same
    /// faults.
    pub seed: u64,
}

/// Why [`Faults`] make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FaultsError {
    /// A rate is no share.
    #[error("the rate of {name} must be from 0 to 1, not {rate}")]
    Rate {
        /// Which rate.
        name: &'static str,
        /// What it was.
        rate: f64,
    },
    /// More faults than posts.
    #[error("the rates of the faults of posts add up to {0}, which is more than 1")]
    Sum(f64),
}

/// What can go wrong with one post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostFault {
    /// It is answered with this HTTP status, such as 403, 410, 413, 429 or 500, and not delivered.
    Status(u16),
    /// It is never answered and not delivered.
    Hang,
    /// Its connection is closed without an answer; it is not delivered.
    Cut,
    /// It is delivered, but its connection is closed without an answer.
    LoseAnswer,
    /// It is delivered at once, but the answer takes so much longer.
    Slow(Duration),
}

/// The kinds of faults, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// A post was answered with this HTTP status.
    Status(u16),
    /// A post was never answered.
    Hang,
    /// The connection of a post was closed, and the post not delivered.
    Cut,
    /// The connection of a post was closed, though the post was delivered.
    LostAnswer,
    /// The answer to a post took longer.
    Slow,
    /// A client vanished.
    Vanish,
    /// The agent or the harness refused to answer.
    Refusal,
}

/// The way to change the faults of a running local AWS. Clones share everything.
#[derive(Clone, Debug)]
pub struct FaultInjector {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    faults: Faults,
    chance: Rng,
    /// For posts to any connection: how many more, and what happens to them.
    next: VecDeque<(u32, PostFault)>,
    /// For the posts of each connection: from which on, counted from 1, and what happens to them.
    from: Option<(u32, PostFault)>,
    /// The post of each connection, counted from 1, at which its client vanishes.
    vanish_at: Option<u32>,
    refusals: VecDeque<(u32, Exception)>,
    counts: BTreeMap<FaultKind, u64>,
}

/// What the faults know of one connection.
#[derive(Debug, Default)]
pub(crate) struct ConnectionFaults {
    posts: AtomicU32,
    vanishes_at: OnceLock<Option<u32>>,
}

/// What happens to a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InjectedFault {
    /// This goes wrong with it.
    Post(PostFault),
    /// Its client vanishes before it is delivered.
    Vanish,
}

impl Faults {
    /// Checks the rates.
    ///
    /// # Errors
    /// When one is not from 0 to 1, or those of posts add up to more than 1.
    pub fn check(&self) -> Result<(), FaultsError> {
        let posts = self.posts();
        let clients = ("vanishing clients", self.vanishing_clients);
        let named = posts.map(|(name, rate, _)| (name, rate));
        let wrong = |(_, rate): &(&str, f64)| !(0.0..=1.0).contains(rate);
        if let Some((name, rate)) = named.into_iter().chain([clients]).find(wrong) {
            return Err(FaultsError::Rate { name, rate });
        }
        let sum: f64 = posts.iter().map(|(_, rate, _)| rate).sum();
        // Tenths do not add up exactly.
        if sum > 1.0 + 1e-9 { Err(FaultsError::Sum(sum)) } else { Ok(()) }
    }

    /// The rates of posts, and what they are rates of.
    fn posts(&self) -> [(&'static str, f64, PostFault); 6] {
        [
            ("throttled posts", self.throttled_posts, PostFault::Status(429)),
            ("failed posts", self.failed_posts, PostFault::Status(500)),
            ("forbidden posts", self.forbidden_posts, PostFault::Status(403)),
            ("hanging posts", self.hanging_posts, PostFault::Hang),
            ("cut posts", self.cut_posts, PostFault::Cut),
            ("lost answers", self.lost_answers, PostFault::LoseAnswer),
        ]
    }
}

impl FaultInjector {
    pub(crate) fn new(faults: Faults) -> Self {
        let state = State {
            chance: Rng::with_seed(faults.seed),
            faults,
            next: VecDeque::new(),
            from: None,
            vanish_at: None,
            refusals: VecDeque::new(),
            counts: BTreeMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Replaces the rates, and begins again with their seed.
    ///
    /// # Errors
    /// As [`Faults::check`]; then nothing changes.
    pub fn set(&self, faults: Faults) -> Result<(), FaultsError> {
        faults.check()?;
        let mut state = self.state();
        state.chance = Rng::with_seed(faults.seed);
        state.faults = faults;
        Ok(())
    }

    /// Lets so many posts fail, to whichever connections they go, after those of earlier calls.
    pub fn fail_next(&self, count: u32, fault: PostFault) {
        self.state().next.push_back((count, fault));
    }

    /// Lets each connection's posts fail from its `nth` on, which counts from 1 and counts every
    /// post that the function tried. It replaces what an earlier call said.
    pub fn fail_from(&self, nth: u32, fault: PostFault) {
        self.state().from = Some((nth, fault));
    }

    /// Lets each connection's client vanish when its `nth` post comes, counted as in
    /// [`fail_from`](Self::fail_from).
    pub fn vanish_at(&self, nth: u32) {
        self.state().vanish_at = Some(nth);
    }

    /// Lets the scripted agent or harness refuse so many invocations with this exception, before it looks
    /// at their prompts. The harness takes the one of its own that comes closest.
    pub fn refuse_next(&self, count: u32, exception: Exception) {
        self.state().refusals.push_back((count, exception));
    }

    /// Ends all faults. The counts stay.
    pub fn clear(&self) {
        let mut state = self.state();
        let counts = std::mem::take(&mut state.counts);
        let seed = state.faults.seed;
        *state = State {
            faults: Faults { seed, ..Faults::default() },
            chance: Rng::with_seed(seed),
            next: VecDeque::new(),
            from: None,
            vanish_at: None,
            refusals: VecDeque::new(),
            counts,
        };
    }

    /// How many faults of each kind there were so far.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<FaultKind, u64> {
        self.state().counts.clone()
    }

    /// Decides about one more post of a connection, and counts what goes wrong.
    pub(crate) fn next_fault(&self, connection: &ConnectionFaults) -> Option<InjectedFault> {
        let n = connection.posts.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let mut state = self.state();
        let fault = state.next_fault(connection, n)?;
        *state.counts.entry(fault.kind()).or_default() += 1;
        Some(fault)
    }

    /// The exception with which the agent is to refuse, which is then counted.
    pub(crate) fn refusal(&self) -> Option<Exception> {
        let mut state = self.state();
        let exception = take(&mut state.refusals)?;
        *state.counts.entry(FaultKind::Refusal).or_default() += 1;
        Some(exception)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_fault(&mut self, connection: &ConnectionFaults, n: u32) -> Option<InjectedFault> {
        let vanishes_at = connection.vanishes_at.get_or_init(|| {
            let vanishes = self.chance.f64() < self.faults.vanishing_clients;
            vanishes.then(|| self.chance.u32(VANISH_AT_POSTS))
        });
        let vanishes_at = [*vanishes_at, self.vanish_at].into_iter().flatten().min();
        if vanishes_at.is_some_and(|at| n >= at) {
            return Some(InjectedFault::Vanish);
        }
        if let Some((nth, fault)) = self.from
            && n >= nth
        {
            return Some(InjectedFault::Post(fault));
        }
        take(&mut self.next).or_else(|| self.draw()).map(InjectedFault::Post)
    }

    /// One draw for all rates: each has its part of the line from 0 to 1.
    fn draw(&mut self) -> Option<PostFault> {
        let mut rest = self.chance.f64();
        self.faults.posts().into_iter().find_map(|(_, rate, fault)| {
            rest -= rate;
            (rest < 0.0).then_some(fault)
        })
    }
}

impl InjectedFault {
    pub(crate) fn kind(self) -> FaultKind {
        match self {
            Self::Post(PostFault::Status(status)) => FaultKind::Status(status),
            Self::Post(PostFault::Hang) => FaultKind::Hang,
            Self::Post(PostFault::Cut) => FaultKind::Cut,
            Self::Post(PostFault::LoseAnswer) => FaultKind::LostAnswer,
            Self::Post(PostFault::Slow(_)) => FaultKind::Slow,
            Self::Vanish => FaultKind::Vanish,
        }
    }
}

impl Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Hang => f.write_str("hang"),
            Self::Cut => f.write_str("cut"),
            Self::LostAnswer => f.write_str("lost answer"),
            Self::Slow => f.write_str("slow"),
            Self::Vanish => f.write_str("vanish"),
            Self::Refusal => f.write_str("refusal"),
        }
    }
}

/// Takes one of so many from the front.
fn take<T: Copy>(queue: &mut VecDeque<(u32, T)>) -> Option<T> {
    loop {
        let (count, item) = queue.front_mut()?;
        if *count > 0 {
            *count -= 1;
            return Some(*item);
        }
        queue.pop_front();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
