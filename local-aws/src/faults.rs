//! Faults on purpose: what really goes wrong between a function, its clients, its agent and its table.
//!
//! Some come by chance, at the rates of [`Faults`], drawn from one seed; others exactly when a test
//! asks for them, through the [`FaultInjector`] of the running local AWS. Each one is counted, and
//! stands in the journal before its effect.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use fastrand::Rng;

use super::agent::exception::Exception;
use super::dynamodb::fault::{TableCalls, TableFault};
use super::dynamodb::operation::TableOperation;

/// The posts at which a client that is lost by chance may be lost: after the first frame of an answer, and
/// long before the last of any but the shortest.
const LOST_AT_POSTS: RangeInclusive<u32> = 2..=50;

/// What goes wrong by chance; by default nothing does.
///
/// Each rate is a share, from 0 for never to 1 for always. Those of posts add up to 1 at most,
/// since one post has one connection, and so do those of clients.
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
    /// Clients that get no more in the middle of an answer, as in [`FaultInjector::swallow_from`]; decided
    /// at the same moment.
    pub swallowed_clients: f64,
    /// Clients whose side ends in the middle of an answer, as in [`FaultInjector::half_open_from`];
    /// decided at the same moment.
    pub half_open_clients: f64,
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
    /// More lost clients than clients.
    #[error("the rates of the faults of clients add up to {0}, which is more than 1")]
    SumOfClients(f64),
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
    /// From a post on, a client got nothing more.
    Swallow,
    /// A client's side ended, and the gateway did not notice.
    HalfOpen,
    /// The agent or the harness refused to answer.
    Refusal,
    /// A call of DynamoDB met this.
    Table(TableFault),
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
    /// The post of each connection, counted from 1, at which its client is lost, and how.
    lose_at: BTreeMap<Loss, u32>,
    refusals: VecDeque<(u32, Exception)>,
    /// Of DynamoDB: which calls, how many more, and what happens to them.
    table: Vec<(TableCalls, u32, TableFault)>,
    counts: BTreeMap<FaultKind, u64>,
}

/// What the faults know of one connection.
#[derive(Debug, Default)]
pub(crate) struct ConnectionFaults {
    posts: AtomicU32,
    /// How its client is lost by chance, and at which post.
    lost_by_chance: OnceLock<Option<(Loss, u32)>>,
    /// Its client is lost already, and the gateway has not noticed.
    lost: AtomicBool,
}

/// How a client is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// It vanishes, and the gateway notices at once.
    Vanish,
    /// Nothing gets to it or comes from it any more; neither side notices.
    Swallow,
    /// Its side of the connection ends, and the gateway does not notice.
    HalfOpen,
}

/// What happens to a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InjectedFault {
    /// This goes wrong with it.
    Post(PostFault),
    /// Its client is lost before it is delivered.
    Lose(Loss),
}

impl Faults {
    /// Checks the rates.
    ///
    /// # Errors
    /// When one is not from 0 to 1, or those of posts add up to more than 1.
    pub fn check(&self) -> Result<(), FaultsError> {
        let posts = self.posts().map(|(name, rate, _)| (name, rate));
        let clients = self.clients().map(|(name, rate, _)| (name, rate));
        let wrong = |(_, rate): &(&str, f64)| !(0.0..=1.0).contains(rate);
        if let Some((name, rate)) = posts.into_iter().chain(clients).find(wrong) {
            return Err(FaultsError::Rate { name, rate });
        }
        let sum = |rates: &[(&str, f64)]| rates.iter().map(|(_, rate)| rate).sum::<f64>();
        // Tenths do not add up exactly.
        let is_too_much = |sum: &f64| *sum > 1.0 + 1e-9;
        if let Some(sum) = Some(sum(&posts)).filter(is_too_much) {
            return Err(FaultsError::Sum(sum));
        }
        Some(sum(&clients))
            .filter(is_too_much)
            .map_or(Ok(()), |sum| Err(FaultsError::SumOfClients(sum)))
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

    /// The rates of clients, and what they are rates of.
    fn clients(&self) -> [(&'static str, f64, Loss); 3] {
        [
            ("vanishing clients", self.vanishing_clients, Loss::Vanish),
            ("swallowed clients", self.swallowed_clients, Loss::Swallow),
            ("half-open clients", self.half_open_clients, Loss::HalfOpen),
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
            lose_at: BTreeMap::new(),
            refusals: VecDeque::new(),
            table: Vec::new(),
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
        self.state().lose_at.insert(Loss::Vanish, nth);
    }

    /// Lets each connection lose everything in both directions from its `nth` post on, counted as in
    /// [`fail_from`](Self::fail_from), without a sign to either side, as when a phone has left its network:
    /// what was posted before still arrives, and posts go on to be answered with 200, until the client's
    /// buffer at the gateway is full ([`AwsLimits::client_buffer_bytes`](crate::AwsLimits::client_buffer_bytes)).
    /// The gateway notices when the connection has been idle or open for too long, or is deleted.
    ///
    /// A connection that is lost stays so when the faults are [cleared](Self::clear); others then are not.
    pub fn swallow_from(&self, nth: u32) {
        self.state().lose_at.insert(Loss::Swallow, nth);
    }

    /// The same, but the client's side of the connection ends at once, without a close frame: the client
    /// knows, and may connect again, while the gateway still answers 200 and sends no `$disconnect`.
    pub fn half_open_from(&self, nth: u32) {
        self.state().lose_at.insert(Loss::HalfOpen, nth);
    }

    /// Lets so many of these calls of DynamoDB fail. Of several such wishes, the earliest that is about
    /// a call and not used up is the one that counts.
    pub fn fail_table_calls(&self, count: u32, calls: TableCalls, fault: TableFault) {
        self.state().table.push((calls, count, fault));
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
            lose_at: BTreeMap::new(),
            refusals: VecDeque::new(),
            table: Vec::new(),
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

    /// What goes wrong with one more call of DynamoDB, whose body is this, which is then counted.
    pub(crate) fn table_fault(&self, operation: TableOperation, body: &[u8]) -> Option<TableFault> {
        let state = &mut *self.state();
        for (calls, count, fault) in &mut state.table {
            if *count > 0 && calls.include(operation, body) {
                *count -= 1;
                *state.counts.entry(FaultKind::Table(*fault)).or_default() += 1;
                return Some(*fault);
            }
        }
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_fault(&mut self, connection: &ConnectionFaults, n: u32) -> Option<InjectedFault> {
        let lost_by_chance = *connection.lost_by_chance.get_or_init(|| {
            let loss = draw(&mut self.chance, self.faults.clients())?;
            Some((loss, self.chance.u32(LOST_AT_POSTS)))
        });
        let wished = self.lose_at.iter().map(|(loss, at)| (*loss, *at));
        let lost = wished.chain(lost_by_chance).min_by_key(|(_, at)| *at);
        if let Some((loss, at)) = lost
            && n >= at
            // Who has vanished is gone for every post; the others are lost once.
            && (loss == Loss::Vanish || !connection.lost.swap(true, Ordering::Relaxed))
        {
            return Some(InjectedFault::Lose(loss));
        }
        if let Some((nth, fault)) = self.from
            && n >= nth
        {
            return Some(InjectedFault::Post(fault));
        }
        let by_chance = || draw(&mut self.chance, self.faults.posts());
        take(&mut self.next).or_else(by_chance).map(InjectedFault::Post)
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
            Self::Lose(Loss::Vanish) => FaultKind::Vanish,
            Self::Lose(Loss::Swallow) => FaultKind::Swallow,
            Self::Lose(Loss::HalfOpen) => FaultKind::HalfOpen,
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
            Self::Swallow => f.write_str("swallow"),
            Self::HalfOpen => f.write_str("half-open"),
            Self::Refusal => f.write_str("refusal"),
            Self::Table(fault) => write!(f, "table {fault}"),
        }
    }
}

/// One draw for all rates: each has its part of the line from 0 to 1.
fn draw<T, const N: usize>(chance: &mut Rng, rates: [(&str, f64, T); N]) -> Option<T> {
    let mut rest = chance.f64();
    rates.into_iter().find_map(|(_, rate, fault)| {
        rest -= rate;
        (rest < 0.0).then_some(fault)
    })
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
