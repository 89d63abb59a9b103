//! The promises of the relay about runs that are kept, with a scripted table and scripted connections, under
//! a paused clock.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agent_relay::agui::{EventForm, RunIds};
use agent_relay::error::Failure;
use agent_relay::invocation::ConnectionRef;
use agent_relay::relay::delivery::Destination;
use agent_relay::relay::journal::Journal;
use agent_relay::relay::keeper::Keeper;
use agent_relay::relay::{Keeping, Kept, Limits, Outcome, Summary, relay_and_keep};
use agent_relay::runs::error::{BoxError, RunsError};
use agent_relay::runs::item::{Item, Joined, KeptJournal, Update};
use agent_relay::source::Event;
use agent_relay::transport::websocket::MAX_FRAME;
use agent_relay::transport::{FrameSink, Outgoing, SendError};
use fastrand::Rng;
use futures::stream::{self, StreamExt as _};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::Stream;

/// What a connection does with posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    /// They arrive, after so many milliseconds.
    Delivers(u64),
    /// They are answered with 200 and arrive nowhere.
    Swallows,
    Hangs,
    Gone,
    /// They are refused for good.
    Refuses,
}

use Behaviour::{Delivers, Gone, Hangs, Refuses, Swallows};

#[derive(Debug)]
struct ConnectionState {
    behaviour: Behaviour,
    frames: Vec<Value>,
    last_arrived: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Connection(Arc<Mutex<ConnectionState>>);

impl Connection {
    fn new(behaviour: Behaviour) -> Self {
        let state = ConnectionState { behaviour, frames: Vec::new(), last_arrived: None };
        Self(Arc::new(Mutex::new(state)))
    }

    fn now(&self, behaviour: Behaviour) {
        self.0.lock().unwrap().behaviour = behaviour;
    }

    fn frames(&self) -> Vec<Value> {
        self.0.lock().unwrap().frames.clone()
    }
}

impl FrameSink for Connection {
    fn max_frame(&self) -> Option<usize> {
        Some(MAX_FRAME)
    }

    async fn send(&self, outgoing: Outgoing) -> Result<u32, SendError> {
        let Outgoing::Frame(frame) = outgoing else { panic!("it has no keepalive") };
        assert!(frame.len() <= MAX_FRAME);
        let behaviour = self.0.lock().unwrap().behaviour;
        match behaviour {
            Delivers(ms) => {
                {
                    let mut state = self.0.lock().unwrap();
                    state.frames.push(serde_json::from_slice(&frame).unwrap());
                    state.last_arrived = Some(Instant::now());
                }
                sleep(Duration::from_millis(ms)).await;
                Ok(1)
            }
            Swallows => {
                sleep(Duration::from_millis(20)).await;
                Ok(1)
            }
            Hangs => pending().await,
            Gone => Err(SendError::Gone),
            Refuses => Err(SendError::Refused("it is scripted".into())),
        }
    }
}

/// How the table answers.
#[derive(Clone, Copy, Debug, Default)]
struct Table {
    latency: Duration,
    fails: Option<&'static str>,
}

/// A table with one item, by the rules of the real one, and the connections of its clients.
#[derive(Debug)]
struct Scripted {
    table: Table,
    item: Mutex<Option<Item>>,
    parts: Mutex<Vec<Vec<u8>>>,
    /// When the relay asked for the item.
    looks: Mutex<Vec<Instant>>,
    connections: HashMap<String, Connection>,
}

impl Scripted {
    fn new(table: Table, connections: &[(&str, &Connection)]) -> Self {
        let connections = connections.iter();
        Self {
            table,
            item: Mutex::new(None),
            parts: Mutex::default(),
            looks: Mutex::default(),
            connections: connections.map(|(id, it)| ((*id).to_owned(), (*it).clone())).collect(),
        }
    }

    async fn answer(&self, operation: &'static str) -> Result<(), RunsError> {
        sleep(self.table.latency).await;
        match self.table.fails {
            Some(fails) if fails == operation || fails == "all" => {
                Err(RunsError::NoAnswer { operation, source: "it is scripted".into() })
            }
            _ => Ok(()),
        }
    }

    /// What somebody does who joins.
    fn join(&self, connection_id: &str, after: i64) {
        let mut item = self.item.lock().unwrap();
        let item = item.as_mut().expect("the run has begun");
        let connection = to(connection_id);
        let (generation, joined) = (item.generation + 1, Joined { connection, after });
        let update = Update::Join { generation, joined };
        assert!(update.is_allowed(item), "{item:?}");
        update.apply(item);
    }

    fn change(&self, change: impl FnOnce(&mut Item)) {
        change(self.item.lock().unwrap().as_mut().expect("the run has begun"));
    }

    fn item(&self) -> Item {
        self.item.lock().unwrap().clone().expect("the run has begun")
    }

    /// What is kept of the run.
    fn replayed(&self) -> Vec<Value> {
        self.replayed_from(1)
    }

    /// The same for somebody who has everything before the number `seq`.
    fn replayed_from(&self, mut seq: u64) -> Vec<Value> {
        let parts = self.parts.lock().unwrap();
        let journal = Journal::from_parts(ids(), MAX_FRAME, b"{}".to_vec(), &parts).unwrap();
        let mut frames = Vec::new();
        while let Some(replayed) = journal.frame_from(seq, false) {
            frames.push(serde_json::from_slice(&replayed.frame).unwrap());
            seq = replayed.next_seq;
        }
        frames
    }
}

/// A journal that stands apart.
fn apart(parts: u32) -> KeptJournal {
    KeptJournal::Apart { parts }
}

impl Keeper for Scripted {
    type Connection = Connection;

    fn connect(&self, to: &ConnectionRef) -> Result<Connection, BoxError> {
        let connection = self.connections.get(&to.connection_id);
        connection.cloned().ok_or_else(|| "there is no such connection".into())
    }

    async fn start(&self) -> Result<(), RunsError> {
        self.answer("start").await?;
        let mut item = self.item.lock().unwrap();
        item.get_or_insert_with(|| Item::new("run-1", [7; 32], u64::MAX, u64::MAX));
        Ok(())
    }

    async fn watch(&self) -> Result<Option<Item>, RunsError> {
        self.looks.lock().unwrap().push(Instant::now());
        let item = self.item.lock().unwrap().clone();
        self.answer("watch").await?;
        Ok(item)
    }

    async fn update(&self, update: Update) -> Result<bool, RunsError> {
        self.answer(match update {
            Update::Take { .. } => "take",
            _ => "end",
        })
        .await?;
        let mut item = self.item.lock().unwrap();
        let Some(item) = item.as_mut() else { return Ok(false) };
        let is_allowed = update.is_allowed(item);
        if is_allowed {
            update.apply(item);
        }
        Ok(is_allowed)
    }

    async fn put_journal(&self, parts: Vec<Vec<u8>>) -> Result<KeptJournal, RunsError> {
        self.answer("journal").await?;
        let count = u32::try_from(parts.len()).unwrap();
        *self.parts.lock().unwrap() = parts;
        Ok(KeptJournal::Apart { parts: count })
    }

    fn expires(&self) -> u64 {
        u64::MAX
    }
}

fn ids() -> RunIds {
    RunIds {
        thread_id: "thread-1".to_owned(),
        run_id: "run-1".to_owned(),
        message_id: "answer-1".to_owned(),
        form: EventForm::Chunks,
    }
}

fn to(connection_id: &str) -> ConnectionRef {
    ConnectionRef { connection_id: connection_id.to_owned(), ..ConnectionRef::default() }
}

fn limits() -> Limits {
    let now = Instant::now();
    Limits {
        keepalive: Duration::from_secs(30),
        deadline: now + Duration::from_secs(800),
        hard_deadline: now + Duration::from_secs(805),
        shutdown_grace: Duration::from_millis(1500),
        outbox_bytes: Limits::OUTBOX_BYTES,
    }
}

/// An agent that says the numbers, one every so many milliseconds.
fn agent(count: u32, pause_ms: u64) -> impl Stream<Item = Result<Event, Failure>> {
    stream::iter(0..count).then(move |number| async move {
        sleep(Duration::from_millis(pause_ms)).await;
        Ok(Event::Text(format!("{number} ").into_bytes()))
    })
}

fn words(count: u32) -> String {
    let word = |number| format!("{number} ");
    (0..count).map(word).collect()
}

async fn run(
    events: impl Stream<Item = Result<Event, Failure>>,
    first: &Connection,
    keeper: &Scripted,
    limits: &Limits,
    alone: Duration,
) -> Summary {
    let keeping = Keeping {
        keeper,
        key: "key".to_owned(),
        destination: Destination::Connection(to("first")),
        max_frame: MAX_FRAME,
        alone,
    };
    relay_and_keep(ids(), true, events, first, limits, pending(), Some(keeping)).await
}

const ALONE: Duration = Duration::from_mins(15);

/// What a client has by the rule for clients.
#[derive(Debug)]
struct Client {
    last: i64,
    text: String,
    ends: Vec<Value>,
}

impl Client {
    fn new() -> Self {
        Self { last: -1, text: String::new(), ends: Vec::new() }
    }

    fn take(&mut self, frames: &[Value]) {
        for frame in frames {
            let relay = &frame["metadata"]["relay"];
            let seq = relay["seq"].as_i64().unwrap();
            let after = relay["after"].as_i64().unwrap_or(seq - 1);
            if seq <= self.last {
                continue;
            }
            assert!(after <= self.last, "a gap behind {}: {frame}", self.last);
            self.last = seq;
            self.text.push_str(frame["delta"].as_str().unwrap_or_default());
            if frame["type"] == "RUN_FINISHED" || frame["type"] == "RUN_ERROR" {
                self.ends.push(frame.clone());
            }
        }
    }
}

#[track_caller]
fn assert_whole(frames: &[Value], count: u32) {
    let mut client = Client::new();
    client.take(frames);
    assert_eq!(client.text, words(count));
    assert_eq!(client.ends.len(), 1);
    assert_eq!(client.ends[0]["type"], "RUN_FINISHED");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_nobody_joins_is_posted_as_ever_and_kept() {
    let first = Connection::new(Delivers(20));
    let keeper = Scripted::new(Table::default(), &[]);
    let summary = run(agent(50, 100), &first, &keeper, &limits(), ALONE).await;
    assert!(matches!(summary.outcome, Outcome::Finished));
    assert_eq!(summary.kept, Some(Kept { joins: 0, is_kept: true, is_alone: false }));
    let frames = first.frames();
    assert_whole(&frames, 50);
    assert_eq!(frames[0]["metadata"]["relay"]["key"], "key");
    assert_eq!(frames.len(), 52, "nothing was merged that need not be");
    let mut replayed = Client { last: 0, ..Client::new() };
    replayed.take(&keeper.replayed());
    assert_eq!(replayed.text, words(50));
    let item = keeper.item();
    assert_eq!((item.journal, item.taken, item.lost), (Some(apart(1)), 0, false));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_gone_comes_back_and_nothing_was_posted_to_nobody() {
    let (first, second) = (Connection::new(Delivers(20)), Connection::new(Delivers(20)));
    let keeper = Scripted::new(Table::default(), &[("second", &second)]);
    let script = async {
        sleep(Duration::from_millis(2050)).await;
        first.now(Gone);
        sleep(Duration::from_secs(5)).await;
        let last = first.frames().last().unwrap()["metadata"]["relay"]["seq"].as_i64().unwrap();
        keeper.join("second", last);
    };
    let limits = limits();
    let (summary, ()) = tokio::join!(run(agent(100, 100), &first, &keeper, &limits, ALONE), script);
    assert!(matches!(summary.outcome, Outcome::Finished), "{summary:?}");
    assert_eq!(summary.kept, Some(Kept { joins: 1, is_kept: true, is_alone: false }));
    let rest = second.frames();
    // Five seconds are one frame.
    assert!(rest[0]["delta"].as_str().unwrap().split(' ').count() > 45, "{}", rest[0]);
    let all = [first.frames(), rest].concat();
    assert_whole(&all, 100);
    assert_eq!(keeper.item().taken, 1);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_hangs_does_not_keep_a_run_from_the_connection_that_joins() {
    let (first, second) = (Connection::new(Delivers(20)), Connection::new(Delivers(20)));
    let keeper = Scripted::new(Table::default(), &[("second", &second)]);
    let script = async {
        sleep(Duration::from_millis(2050)).await;
        first.now(Hangs);
        sleep(Duration::from_secs(3)).await;
        first.now(Delivers(20));
        keeper.join("second", -1);
    };
    let limits = limits();
    let (summary, ()) = tokio::join!(run(agent(100, 100), &first, &keeper, &limits, ALONE), script);
    assert!(matches!(summary.outcome, Outcome::Finished), "{summary:?}");
    assert_whole(&second.frames(), 100);
    let mut left = Client::new();
    left.take(&first.frames());
    assert_eq!(left.ends.len(), 1);
    assert_eq!(left.ends[0]["code"], "moved");
}

#[tokio::test(start_paused = true)]
async fn whatever_the_table_does_the_answer_is_the_same() {
    let expected = {
        let first = Connection::new(Delivers(20));
        let keeper = Scripted::new(Table::default(), &[]);
        run(agent(50, 100), &first, &keeper, &limits(), ALONE).await;
        first.frames()
    };
    let slow = Table { latency: Duration::from_secs(20), fails: None };
    let failing = ["start", "journal", "end", "watch", "all"]
        .map(|fails| Table { latency: Duration::ZERO, fails: Some(fails) });
    let down = Table { latency: Duration::from_secs(6), fails: Some("all") };
    for table in failing.into_iter().chain([slow, down]) {
        let (begun, first) = (Instant::now(), Connection::new(Delivers(20)));
        let keeper = Scripted::new(table, &[]);
        let summary = run(agent(50, 100), &first, &keeper, &limits(), ALONE).await;
        assert!(matches!(summary.outcome, Outcome::Finished), "{table:?}: {summary:?}");
        assert_eq!(first.frames(), expected, "{table:?}");
        let last = first.0.lock().unwrap().last_arrived.unwrap() - begun;
        assert!(last < Duration::from_millis(5200), "{table:?}: {last:?}");
        let is_kept = !matches!(table.fails, Some("start" | "journal" | "end" | "all"));
        assert_eq!(summary.kept.unwrap().is_kept, is_kept, "{table:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_refused_frees_the_agent_and_is_kept_as_far_as_it_went() {
    let first = Connection::new(Delivers(20));
    let keeper = Scripted::new(Table::default(), &[]);
    let begun = Instant::now();
    let script = async {
        sleep(Duration::from_millis(950)).await;
        first.now(Refuses);
    };
    let limits = limits();
    let events = agent(1000, 100);
    let (summary, ()) = tokio::join!(run(events, &first, &keeper, &limits, ALONE), script);
    assert!(matches!(summary.outcome, Outcome::Undelivered(_)), "{summary:?}");
    assert!(!summary.source_ended && summary.kept.unwrap().is_kept);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    let replayed = keeper.replayed();
    assert_eq!(replayed.last().unwrap()["type"], "RUN_ERROR");
    assert_eq!(replayed[0]["delta"], words(9) + "9 ");
}

#[tokio::test(start_paused = true)]
async fn a_silent_run_is_stopped_within_a_second() {
    let first = Connection::new(Delivers(20));
    let keeper = Scripted::new(Table::default(), &[]);
    let events = agent(3, 100).chain(stream::pending());
    let stopping = async {
        sleep(Duration::from_secs(5)).await;
        keeper.change(|item| item.stop = true);
        Instant::now()
    };
    let limits = limits();
    let (summary, at) = tokio::join!(run(events, &first, &keeper, &limits, ALONE), stopping);
    assert!(matches!(summary.outcome, Outcome::Stopped), "{summary:?}");
    assert!(!summary.source_ended);
    let frames = first.frames();
    let end = frames.last().unwrap();
    assert_eq!(
        (&end["type"], &end["metadata"]["relay"]["stopped"]),
        (&"RUN_FINISHED".into(), &true.into())
    );
    let arrived = first.0.lock().unwrap().last_arrived.unwrap();
    assert!(arrived - at < Duration::from_millis(1100));
    assert_eq!(keeper.replayed().last(), Some(end));
}

#[tokio::test(start_paused = true)]
async fn a_look_goes_with_what_the_agent_says_and_in_silence_alone() {
    let first = Connection::new(Delivers(20));
    let keeper = Scripted::new(Table::default(), &[]);
    let said = Mutex::new(Vec::new());
    let talks = agent(60, 70).inspect(|_| said.lock().unwrap().push(Instant::now()));
    let falls_silent = stream::once(async { sleep(Duration::from_secs(5)).await })
        .filter_map(async |()| None::<Result<Event, Failure>>);
    let summary = run(talks.chain(falls_silent), &first, &keeper, &limits(), ALONE).await;
    assert!(matches!(summary.outcome, Outcome::Finished));

    let (looks, said) = (keeper.looks.lock().unwrap(), said.lock().unwrap());
    let silence = *said.last().unwrap();
    let (beside, alone): (Vec<_>, Vec<_>) = looks.iter().partition(|at| **at <= silence);
    // Of a chunk each 70 ms, the fifteenth is the first after a second.
    assert_eq!(beside, [said[14], said[29], said[44], said[59]]);
    let pauses: Vec<_> =
        [silence].iter().chain(&alone).map(|at| at.elapsed().as_millis()).collect();
    let pauses: Vec<_> = pauses.windows(2).map(|two| two[0] - two[1]).collect();
    assert_eq!(pauses, [1100; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_alone_ends_when_it_may_not_be_any_longer_or_has_no_time() {
    for (alone, expected) in [(Duration::from_secs(10), "RUN_FINISHED"), (ALONE, "RUN_ERROR")] {
        let first = Connection::new(Gone);
        let keeper = Scripted::new(Table::default(), &[]);
        let begun = Instant::now();
        let summary = run(agent(100_000, 100), &first, &keeper, &limits(), alone).await;
        let replayed = keeper.replayed();
        assert_eq!(replayed.last().unwrap()["type"], expected);
        assert!(summary.kept.unwrap().is_kept && summary.kept.unwrap().is_alone);
        assert_eq!(summary.frames, 1, "the rest was posted to nobody");
        let took = begun.elapsed().as_secs();
        if expected == "RUN_FINISHED" {
            assert!(matches!(summary.outcome, Outcome::Kept), "{summary:?}");
            assert_eq!(took, 10);
        } else {
            assert!(matches!(summary.outcome, Outcome::Failed(_)), "{summary:?}");
            assert_eq!(took, 800);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_joins_a_silent_run_hears_that_they_have() {
    let (first, second) = (Connection::new(Delivers(20)), Connection::new(Delivers(20)));
    let keeper = Scripted::new(Table::default(), &[("second", &second)]);
    let script = async {
        sleep(Duration::from_millis(2050)).await;
        let last = first.frames().last().unwrap()["metadata"]["relay"]["seq"].as_i64().unwrap();
        keeper.join("second", last);
        sleep(Duration::from_secs(2)).await;
        let frames = second.frames();
        assert_eq!(frames[0]["event"]["keepalive"], serde_json::json!({}), "{frames:?}");
        assert_eq!(frames.len(), 1);
    };
    let silent = agent(10, 100).chain(agent(1, 60_000).skip(1));
    let limits = limits();
    let (summary, ()) = tokio::join!(run(silent, &first, &keeper, &limits, ALONE), script);
    assert!(matches!(summary.outcome, Outcome::Finished), "{summary:?}");
    let mut all = first.frames();
    all.retain(|frame| frame["code"] != "moved");
    all.extend(second.frames());
    assert_whole(&all, 10);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_first_post_hangs_can_be_joined_soon() {
    let (first, second) = (Connection::new(Hangs), Connection::new(Delivers(20)));
    let keeper = Scripted::new(Table::default(), &[("second", &second)]);
    let script = async {
        sleep(Duration::from_millis(1100)).await;
        keeper.join("second", -1);
    };
    let limits = limits();
    let (summary, ()) = tokio::join!(run(agent(50, 100), &first, &keeper, &limits, ALONE), script);
    assert!(matches!(summary.outcome, Outcome::Finished), "{summary:?}");
    assert_whole(&second.frames(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_hangs_at_the_end_does_not_hold_the_function_up() {
    let first = Connection::new(Delivers(20));
    let keeper = Scripted::new(Table::default(), &[]);
    let begun = Instant::now();
    let script = async {
        sleep(Duration::from_millis(950)).await;
        first.now(Hangs);
    };
    let limits = limits();
    let (summary, ()) = tokio::join!(run(agent(20, 100), &first, &keeper, &limits, ALONE), script);
    assert!(matches!(summary.outcome, Outcome::Kept), "{summary:?}");
    assert!(begun.elapsed() < Duration::from_secs(35), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_taken_to_be_lost_ends_without_another_word() {
    let first = Connection::new(Delivers(20));
    let keeper = Scripted::new(Table::default(), &[]);
    let losing = async {
        sleep(Duration::from_secs(5)).await;
        keeper.change(|item| item.lost = true);
    };
    let limits = limits();
    let (summary, ()) =
        tokio::join!(run(agent(1000, 100), &first, &keeper, &limits, ALONE), losing);
    assert!(matches!(summary.outcome, Outcome::Lost), "{summary:?}");
    let mut client = Client::new();
    client.take(&first.frames());
    assert!(client.ends.is_empty());
    assert!(keeper.parts.lock().unwrap().is_empty());
}

/// Clients that come and go at random, over connections of every kind, always have what the agent said.
#[tokio::test(start_paused = true)]
async fn whoever_comes_back_has_all_of_it_once() {
    let mut joins = 0;
    for seed in 0..300 {
        let mut random = Rng::with_seed(seed);
        let names: Vec<String> = (0..8).map(|number| format!("connection-{number}")).collect();
        let connections: Vec<Connection> =
            names.iter().map(|_| Connection::new(Delivers(random.u64(1..120)))).collect();
        let by_name: Vec<_> = names.iter().map(String::as_str).zip(&connections).collect();
        let table = Table { latency: Duration::from_millis(random.u64(0..400)), fails: None };
        let keeper = Scripted::new(table, &by_name);
        let count = random.u32(50..400);
        let script = async {
            let mut client = Client::new();
            let mut now = 0;
            loop {
                sleep(Duration::from_millis(random.u64(500..6000))).await;
                client.take(&connections[now].frames());
                let ended =
                    keeper.item.lock().unwrap().as_ref().is_some_and(|item| item.journal.is_some());
                if ended || now + 1 == connections.len() {
                    break;
                }
                if keeper.item.lock().unwrap().is_none() {
                    continue;
                }
                connections[now].now([Gone, Swallows, Hangs, Delivers(30)][random.usize(0..4)]);
                // What has arrived until now is what the client has; what comes later it does not see.
                now += 1;
                keeper.join(&names[now], client.last);
            }
            (client, now)
        };
        let limits = limits();
        let first = &connections[0];
        let run = run(agent(count, 37), first, &keeper, &limits, ALONE);
        let (summary, (mut client, now)) = tokio::join!(run, script);
        client.take(&connections[now].frames());
        let item = keeper.item();
        assert_eq!(item.journal, Some(apart(1)), "seed {seed}");
        if item.taken < item.generation {
            // Who has joined replays it.
            let seq = u64::try_from(client.last + 1).unwrap();
            client.take(&keeper.replayed_from(seq.max(1)));
        }
        assert_eq!(client.text, words(count), "seed {seed}: {summary:?}");
        assert_eq!(client.ends.len(), 1, "seed {seed}");
        joins += summary.kept.unwrap().joins;
    }
    assert!(joins > 300, "{joins}");
}

#[tokio::test(start_paused = true)]
async fn without_a_hurry_nothing_is_written_before_the_first_post_has_arrived() {
    let first = Connection::new(Hangs);
    let keeper = Scripted::new(Table::default(), &[]);
    let limits = limits();
    let run = run(agent(1000, 100), &first, &keeper, &limits, ALONE);
    assert!(timeout(Duration::from_millis(900), run).await.is_err());
    assert!(keeper.item.lock().unwrap().is_none());
}
