use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::invocation::ConnectionRef;
use crate::runs::error::BoxError;
use crate::runs::item::{Joined, KeptJournal};

/// A journal that stands apart.
fn apart(parts: u32) -> KeptJournal {
    KeptJournal::Apart { parts }
}

/// A table with one item, and what is to happen to calls of it.
struct OneItem {
    state: Mutex<State>,
    started: Instant,
}

#[derive(Default)]
struct State {
    item: Option<Item>,
    /// What happens to the next calls.
    faults: VecDeque<Fault>,
    /// What happens to the item, and when.
    events: VecDeque<(u64, Event)>,
    reads: u32,
}

type Event = Box<dyn FnOnce(&mut Item) + Send>;

#[derive(Clone, Copy)]
enum Fault {
    None,
    /// The call does not arrive.
    Lost,
    /// The call is carried out, and its answer is lost.
    AnswerLost,
}

impl OneItem {
    fn with(item: Option<Item>) -> Self {
        let state = State { item, ..State::default() };
        Self { state: Mutex::new(state), started: Instant::now() }
    }

    fn at(self, ms: u64, event: impl FnOnce(&mut Item) + Send + 'static) -> Self {
        self.state.lock().unwrap().events.push_back((ms, Box::new(event)));
        self
    }

    fn failing(self, faults: &[Fault]) -> Self {
        self.state.lock().unwrap().faults.extend(faults);
        self
    }

    fn call<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, RunsError> {
        let mut state = self.state.lock().unwrap();
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap();
        while let Some((_, event)) = state.events.pop_front_if(|(at, _)| *at <= now) {
            event(state.item.as_mut().unwrap());
        }
        let no_answer = || {
            let source: BoxError = "a fault".into();
            Err(RunsError::NoAnswer { operation: "UpdateItem", source })
        };
        match state.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => Ok(act(&mut state)),
            Fault::Lost => no_answer(),
            Fault::AnswerLost => {
                act(&mut state);
                no_answer()
            }
        }
    }

    fn item(&self) -> Item {
        self.state.lock().unwrap().item.clone().unwrap()
    }

    fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }
}

impl Table for OneItem {
    async fn read(&self, _: &RunAddress) -> Result<Option<Item>, RunsError> {
        self.call(|state| {
            state.reads += 1;
            state.item.clone()
        })
    }

    async fn update(&self, _: &RunAddress, update: Update) -> Result<bool, RunsError> {
        self.call(|state| match &mut state.item {
            Some(item) if update.is_allowed(item) => {
                update.apply(item);
                true
            }
            _ => false,
        })
    }
}

fn key() -> RunKey {
    RunKey::generate("thread-1", "1764150000000-a").unwrap()
}

fn address() -> RunAddress {
    RunAddress::new("thread-1", 1_764_150_000_000, "a")
}

fn running(key: &RunKey) -> Item {
    let now = TimeOfDay::start().now_ms();
    Item::new("run-1", key.hash(), now + 900_000, now / 1000 + 86_400)
}

fn joined(connection_id: &str) -> Joined {
    let connection_id = connection_id.to_owned();
    let connection = ConnectionRef { connection_id, ..ConnectionRef::default() };
    Joined { connection, after: 17 }
}

fn take_over() -> JoinMode {
    JoinMode::TakeOver(joined("new"))
}

async fn join_with(table: &OneItem, key: RunKey, mode: JoinMode) -> JoinOutcome {
    join(table, &address(), &Credential::Key(key), mode).await.unwrap()
}

/// The relay takes the newest join.
fn take(item: &mut Item) {
    item.taken = item.generation;
}

#[test]
fn an_address_sorts_by_time() {
    assert_eq!(address().sort_key, "1764150000000-a");
    assert_eq!(RunAddress::new("thread-1", 5, "a").sort_key, "0000000000005-a");
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_lives_takes_the_join() {
    let key = key();
    let table = OneItem::with(Some(running(&key))).at(900, take);
    assert_eq!(join_with(&table, key, take_over()).await, JoinOutcome::TakenOver);
    assert_eq!(table.item().joined, Some(joined("new")));
    assert_eq!((table.item().generation, table.seconds()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_dead_is_given_up_after_ten_seconds() {
    let key = key();
    let table = OneItem::with(Some(running(&key)));
    assert_eq!(join_with(&table, key.clone(), take_over()).await, JoinOutcome::Lost);
    assert_eq!((table.item().lost, table.seconds()), (true, 10));
    // Later ones need not wait.
    assert_eq!(join_with(&table, key, take_over()).await, JoinOutcome::Lost);
    assert_eq!((table.item().generation, table.seconds()), (1, 10));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_must_be_gone_is_not_waited_for() {
    let key = key();
    let item = Item { until_ms: TimeOfDay::start().now_ms(), ..running(&key) };
    for mode in [take_over(), JoinMode::AwaitEnd] {
        let table = OneItem::with(Some(item.clone()));
        assert_eq!(join_with(&table, key.clone(), mode).await, JoinOutcome::Lost);
        assert_eq!((table.item().lost, table.seconds()), (true, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_has_ended_is_replayed_without_a_join() {
    let key = key();
    let item = Item { journal: Some(apart(2)), generation: 3, taken: 3, ..running(&key) };
    for mode in [take_over(), JoinMode::AwaitEnd] {
        let table = OneItem::with(Some(item.clone()));
        let replay = JoinOutcome::Replay {
            item: Box::new(item.clone()),
            journal: KeptJournal::Apart { parts: 2 },
        };
        assert_eq!(join_with(&table, key.clone(), mode).await, replay);
        assert_eq!(table.item(), item);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_meanwhile_is_replayed_only_if_its_relay_did_not_take_the_join() {
    let key = key();
    let end = |generation| {
        move |item: &mut Item| {
            let expires = item.expires;
            Update::End { journal: KeptJournal::Apart { parts: 1 }, generation, expires }
                .apply(item);
        }
    };
    let table = OneItem::with(Some(running(&key))).at(300, end(0));
    let outcome = join_with(&table, key.clone(), take_over()).await;
    assert!(
        matches!(outcome, JoinOutcome::Replay { journal: KeptJournal::Apart { parts: 1 }, .. }),
        "{outcome:?}"
    );
    let table = OneItem::with(Some(running(&key))).at(300, end(1));
    assert_eq!(join_with(&table, key, take_over()).await, JoinOutcome::TakenOver);
}

#[tokio::test(start_paused = true)]
async fn over_http_the_end_is_awaited_and_nothing_is_changed() {
    let key = key();
    let table = OneItem::with(Some(running(&key))).at(61_500, |item| item.journal = Some(apart(1)));
    let before = table.item();
    let outcome = join_with(&table, key, JoinMode::AwaitEnd).await;
    assert!(
        matches!(outcome, JoinOutcome::Replay { journal: KeptJournal::Apart { parts: 1 }, .. }),
        "{outcome:?}"
    );
    assert_eq!(table.item(), Item { journal: Some(apart(1)), ..before });
    assert_eq!((table.seconds(), table.state.lock().unwrap().reads), (62, 63));
}

#[tokio::test(start_paused = true)]
async fn a_newer_join_wins() {
    let key = key();
    let newer = |item: &mut Item| {
        let generation = item.generation + 1;
        Update::Join { generation, joined: joined("newer") }.apply(item);
    };
    let table = OneItem::with(Some(running(&key))).at(300, newer);
    assert_eq!(join_with(&table, key, take_over()).await, JoinOutcome::Superseded);
    assert_eq!(table.item().joined, Some(joined("newer")));
}

#[tokio::test(start_paused = true)]
async fn a_join_whose_answer_is_lost_is_made_once() {
    let key = key();
    for faults in [
        &[Fault::None, Fault::AnswerLost][..],
        &[Fault::None, Fault::Lost],
        // While the relay has its time, looking may fail.
        &[Fault::None, Fault::None, Fault::Lost, Fault::Lost],
    ] {
        let table = OneItem::with(Some(running(&key))).at(900, take).failing(faults);
        assert_eq!(join_with(&table, key.clone(), take_over()).await, JoinOutcome::TakenOver);
        assert_eq!((table.item().generation, table.item().taken), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_does_not_answer_is_an_error() {
    let key = key();
    for faults in [vec![Fault::Lost], [vec![Fault::None], vec![Fault::Lost; 4]].concat()] {
        let table = OneItem::with(Some(running(&key))).failing(&faults);
        let (address, credential) = (address(), Credential::Key(key.clone()));
        let error = join(&table, &address, &credential, take_over()).await.unwrap_err();
        assert!(matches!(error, RunsError::NoAnswer { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_not_the_key_finds_no_run() {
    let table = OneItem::with(Some(running(&key())));
    assert_eq!(join_with(&table, key(), take_over()).await, JoinOutcome::NoSuchRun);
    assert_eq!(table.item().generation, 0);
    assert!(!stop(&table, &address(), &Credential::Key(key())).await.unwrap());
    assert!(!table.item().stop);
    let none = OneItem::with(None);
    assert_eq!(join_with(&none, key(), take_over()).await, JoinOutcome::NoSuchRun);
    // Who is known by name needs none: the address is theirs.
    assert!(stop(&table, &address(), &Credential::Name).await.unwrap());
    assert!(table.item().stop);
}

#[tokio::test(start_paused = true)]
async fn stopping_what_has_ended_is_no_error_and_what_has_expired_is_nothing() {
    let key = key();
    let ended = Item { journal: Some(apart(1)), ..running(&key) };
    let credential = Credential::Key(key);
    assert!(stop(&OneItem::with(Some(ended.clone())), &address(), &credential).await.unwrap());
    let expired = Item { expires: TimeOfDay::start().now_ms() / 1000, ..ended };
    assert!(!stop(&OneItem::with(Some(expired)), &address(), &credential).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_has_just_begun_is_waited_for_and_an_older_one_is_not() {
    let key = key();
    let young = RunAddress::new("thread-1", TimeOfDay::start().now_ms(), "a");
    for (address, seconds) in [(young.clone(), 8), (address(), 0)] {
        let credential = Credential::Key(key.clone());
        let table = OneItem::with(None);
        let outcome = join(&table, &address, &credential, take_over()).await.unwrap();
        assert_eq!((outcome, table.seconds()), (JoinOutcome::NoSuchRun, seconds));
        let table = OneItem::with(None);
        assert!(!stop(&table, &address, &credential).await.unwrap());
        assert!(table.seconds() <= seconds);
    }
    // Whoever has another key learns nothing by it.
    let table = OneItem::with(Some(running(&RunKey::generate("thread-1", "0-a").unwrap())));
    let outcome = join(&table, &young, &Credential::Key(key), take_over()).await.unwrap();
    assert_eq!((outcome, table.seconds()), (JoinOutcome::NoSuchRun, 0));
}
