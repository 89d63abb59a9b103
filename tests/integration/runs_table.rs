//! The table of runs, over real sockets: that it keeps what it is given, and allows what the rules allow.

use std::time::{SystemTime, UNIX_EPOCH};

use agent_relay::aws::Http;
use agent_relay::invocation::ConnectionRef;
use agent_relay::runs::dynamodb::RunsTable;
use agent_relay::runs::error::RunsError;
use agent_relay::runs::item::{Item, Joined, KeptInput, KeptJournal, RunAddress, Update};
use agent_relay::runs::table::Table as _;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, Region};
use fastrand::Rng;
use local_aws::{LocalAws, Options, TableCalls, TableFault, TableOperation};
use test_support::table::{RUNS_TABLE, calls, items, with_table};
use test_support::{soon, start};

async fn start_with_table() -> LocalAws {
    start(with_table(Options::default(), 24)).await
}

async fn sdk(aws: &LocalAws) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .endpoint_url(aws.dynamodb_url())
        .load()
        .await
}

async fn table(aws: &LocalAws) -> RunsTable {
    RunsTable::new(&sdk(aws).await, Http::new().unwrap(), RUNS_TABLE.to_owned())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn address(number: u64) -> RunAddress {
    RunAddress::new("conversation-1", 1_764_150_000_000 + number, "request=")
}

fn item() -> Item {
    Item::new("run-1", [7; 32], now() * 1000 + 900_000, now() + 3600)
}

fn joined(random: &mut Rng) -> Joined {
    let connection = ConnectionRef {
        connection_id: format!("connection-{}", random.u32(0..3)),
        api_id: random.bool().then(|| "api".to_owned()),
        stage: random.bool().then(|| "live".to_owned()),
    };
    Joined { connection, after: random.i64(-1..5) }
}

fn any_journal(random: &mut Rng) -> KeptJournal {
    match random.u32(0..3) {
        0 => KeptJournal::Here(vec![1, 2, 3]),
        parts => KeptJournal::Apart { parts },
    }
}

fn any_item(random: &mut Rng) -> Item {
    let generation = random.u64(0..4);
    Item {
        generation,
        joined: (generation > 0).then(|| joined(random)),
        taken: random.u64(0..=generation),
        stop: random.bool(),
        journal: (random.u8(0..3) == 0).then(|| any_journal(random)),
        lost: random.u8(0..3) == 0,
        ..item()
    }
}

fn any_update(random: &mut Rng) -> Update {
    let generation = random.u64(1..4);
    match random.u8(0..5) {
        0 => Update::Join { generation, joined: joined(random) },
        1 => Update::Take { generation },
        2 => Update::Stop {
            key_hash: random.bool().then(|| [7 + random.u8(0..2); 32]),
            now: now() + [0, 7200][random.usize(0..2)],
        },
        3 => Update::End { journal: any_journal(random), generation, expires: now() + 7200 },
        _ => Update::Lose { generation },
    }
}

#[tokio::test]
async fn the_table_allows_what_the_rules_allow_and_changes_what_they_change() {
    let aws = start_with_table().await;
    let table = table(&aws).await;
    let mut random = Rng::with_seed(1);
    let (mut allowed_updates, count) = (0, 300);
    for number in 0..count {
        let (before, update) = (any_item(&mut random), any_update(&mut random));
        let address = address(number);
        soon("the start", table.start(&address, before.clone(), None)).await.unwrap();
        let allowed = soon("the change", table.update(&address, update.clone())).await.unwrap();
        assert_eq!(allowed, update.is_allowed(&before), "{update:?} of {before:?}");
        let mut after = before.clone();
        if allowed {
            allowed_updates += 1;
            update.clone().apply(&mut after);
        }
        let read = soon("the item", table.read(&address)).await.unwrap();
        assert_eq!(read.as_ref(), Some(&after), "{update:?} of {before:?}");
        assert_eq!(soon("the item", table.watch(&address)).await.unwrap(), read);
    }
    assert!((count / 4..count * 3 / 4).contains(&allowed_updates), "{allowed_updates}");
}

#[tokio::test]
async fn a_change_of_no_item_makes_none() {
    let aws = start_with_table().await;
    let table = table(&aws).await;
    let mut random = Rng::with_seed(2);
    for _ in 0..50 {
        let update = any_update(&mut random);
        assert!(!soon("the change", table.update(&address(1), update.clone())).await.unwrap());
        assert_eq!(soon("the item", table.read(&address(1))).await.unwrap(), None, "{update:?}");
    }
    assert_eq!(items(&aws).await.len(), 0);
}

#[tokio::test]
async fn what_has_expired_is_nothing() {
    let aws = start_with_table().await;
    let table = table(&aws).await;
    let expired = Item { expires: now(), ..item() };
    soon("the start", table.start(&address(1), expired, None)).await.unwrap();
    assert_eq!(soon("the item", table.read(&address(1))).await.unwrap(), None);
    assert_eq!(soon("the item", table.watch(&address(1))).await.unwrap(), None);
    assert_eq!(soon("the newest", table.newest("conversation-1")).await.unwrap(), None);
    assert_eq!(items(&aws).await.len(), 1, "the table still has it");
}

#[tokio::test]
async fn a_conversation_has_its_newest_runs_in_their_order() {
    let aws = start_with_table().await;
    let table = table(&aws).await;
    assert_eq!(soon("the newest", table.newest("conversation-1")).await.unwrap(), None);
    for number in [3, 1, 4, 2] {
        soon("the start", table.start(&address(number), item(), Some("[]"))).await.unwrap();
        // A part is no run of the conversation.
        let parts = vec![vec![1; 3000]];
        soon("a part", table.put_journal(&address(number), parts, now() + 60)).await.unwrap();
    }
    let other = RunAddress::new("conversation-2", 1_764_150_000_009, "request=");
    soon("the start", table.start(&other, item(), None)).await.unwrap();
    let history = soon("the history", table.history("conversation-1", 3)).await.unwrap();
    let addresses: Vec<_> = history.iter().map(|(address, _)| address.clone()).collect();
    assert_eq!(addresses, [address(2), address(3), address(4)]);
    let (newest, _) = soon("the newest", table.newest("conversation-1")).await.unwrap().unwrap();
    assert_eq!(newest, address(4));
}

#[tokio::test]
async fn a_journal_and_what_a_run_began_with_come_back() {
    let aws = start_with_table().await;
    let table = table(&aws).await;
    let mut random = Rng::with_seed(3);
    // Large ones stand apart, in as many items as they need.
    let noise: String = (0..700_000).map(|_| random.alphanumeric()).collect();
    for (number, input) in
        [None, Some("[]".to_owned()), Some("x".repeat(2049)), Some(noise)].into_iter().enumerate()
    {
        let address = address(number as u64);
        soon("the start", table.start(&address, item(), input.as_deref())).await.unwrap();
        let item = soon("the item", table.read(&address)).await.unwrap().unwrap();
        match (&item.input, number) {
            (None, 0) | (Some(KeptInput::Here(_)), 1) => {}
            (Some(KeptInput::Apart { parts }), 2 | 3) => assert_eq!(*parts > 1, number == 3),
            other => panic!("{other:?}"),
        }
        assert_eq!(soon("the input", table.input(&address, &item)).await.unwrap(), input);
    }
    // So do large journals. A small one stands in the item, with the run's end.
    for (number, parts) in [
        vec![vec![1; 2048]],
        vec![vec![1; 2049]],
        vec![vec![1; 380_000], vec![2; 380_000], vec![3]],
    ]
    .into_iter()
    .enumerate()
    {
        let address = address(number as u64);
        let put = table.put_journal(&address, parts.clone(), now() + 60);
        let journal = soon("the parts", put).await.unwrap();
        assert_eq!(matches!(journal, KeptJournal::Here(_)), number == 0);
        let end = Update::End { journal, generation: 0, expires: now() + 60 };
        assert!(soon("the end", table.update(&address, end)).await.unwrap());
        let item = soon("the item", table.read(&address)).await.unwrap().unwrap();
        let journal = item.journal.unwrap();
        assert_eq!(soon("the parts", table.journal(&address, &journal)).await.unwrap(), parts);
    }
    let four = KeptJournal::Apart { parts: 4 };
    let missing = soon("the parts", table.journal(&address(2), &four)).await.unwrap_err();
    assert!(matches!(missing, RunsError::MissingPart(3)), "{missing}");
}

#[tokio::test]
async fn a_call_that_fails_twice_is_made_a_third_time() {
    let aws = start_with_table().await;
    let table = table(&aws).await;
    for (number, fault) in [
        TableFault::Throttled,
        TableFault::KeyThrottled,
        TableFault::Failed,
        TableFault::Cut,
        TableFault::LoseAnswer,
    ]
    .into_iter()
    .enumerate()
    {
        let address = address(number as u64);
        let fail = || aws.faults().fail_table_calls(2, TableCalls::all(), fault);
        fail();
        soon("the start", table.start(&address, item(), Some("[]"))).await.unwrap();
        fail();
        let generation = 1;
        let joined = joined(&mut Rng::with_seed(4));
        let join = Update::Join { generation, joined: joined.clone() };
        let allowed = soon("the join", table.update(&address, join)).await.unwrap();
        // It is there, but the third attempt finds that it is not allowed any more: a joiner looks again.
        assert_eq!(allowed, fault != TableFault::LoseAnswer, "{fault}");
        fail();
        let take = Update::Take { generation };
        assert!(soon("the take", table.update(&address, take)).await.unwrap(), "{fault}");
        fail();
        let journal = KeptJournal::Here(vec![1]);
        let end = Update::End { journal: journal.clone(), generation, expires: now() + 60 };
        assert!(soon("the end", table.update(&address, end)).await.unwrap(), "{fault}");
        fail();
        let read = soon("the item", table.read(&address)).await.unwrap().unwrap();
        assert_eq!((read.generation, read.taken, read.journal), (1, 1, Some(journal)), "{fault}");
        assert_eq!(read.joined, Some(joined), "{fault}");
    }
}

#[tokio::test]
async fn a_call_that_was_throttled_may_still_fail_twice() {
    let aws = start_with_table().await;
    let table = table(&aws).await;
    for (times, fault) in [(3, TableFault::Throttled), (2, TableFault::Failed)] {
        aws.faults().fail_table_calls(times, TableCalls::all(), fault);
    }
    soon("the start", table.start(&address(1), item(), None)).await.unwrap();
    let statuses: Vec<_> = calls(&aws).iter().map(|call| call.status).collect();
    assert_eq!(statuses, [400, 400, 400, 500, 500, 200]);
}

#[tokio::test]
async fn a_call_that_fails_too_often_says_why() {
    let aws = start_with_table().await;
    let table = table(&aws).await;
    let fails = async |fault, times| {
        aws.faults().fail_table_calls(times, TableCalls::all(), fault);
        soon("the item", table.read(&address(1))).await.unwrap_err()
    };
    let throttled = fails(TableFault::Throttled, 8).await;
    assert!(matches!(throttled, RunsError::Throttled { operation: "GetItem", .. }), "{throttled}");
    let failed = fails(TableFault::Failed, 3).await;
    assert!(matches!(failed, RunsError::NoAnswer { operation: "GetItem", .. }), "{failed}");
    let cut = fails(TableFault::Cut, 3).await;
    assert!(matches!(cut, RunsError::NoAnswer { .. }), "{cut}");
    let elsewhere = RunsTable::new(&sdk(&aws).await, Http::new().unwrap(), "elsewhere".to_owned());
    let missing = soon("the item", elsewhere.read(&address(1))).await.unwrap_err();
    assert!(matches!(missing, RunsError::NoTable(_)), "{missing}");
    // What will not change is asked once.
    let about = |name: &str| {
        let named = |call: &&test_support::table::TableCall| call.request["TableName"] == name;
        calls(&aws).iter().filter(named).count()
    };
    assert_eq!(about("elsewhere"), 1);
}

#[tokio::test]
async fn a_call_that_hangs_is_given_up() {
    let aws = start_with_table().await;
    let table = table(&aws).await;
    let of = TableCalls::of(TableOperation::GetItem);
    aws.faults().fail_table_calls(1, of, TableFault::Hang);
    assert_eq!(soon("the item", table.read(&address(1))).await.unwrap(), None);
}
