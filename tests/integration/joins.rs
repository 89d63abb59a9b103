//! Answers that outlive their connections, over real sockets: joined from another, stopped from another, and
//! kept after their end, whatever is wrong with the network or the table.

use std::time::Duration;

use agent_relay::runs::key::RunKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use local_aws::{AwsLimits, Entry, FaultKind, FunctionProcess, Options, Program};
use local_aws::{TableCalls, TableFault, TableOperation};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use test_support::issuer::{AUDIENCE, Issuer, Key};
use test_support::source::is_drop;
use test_support::table::{RUNS_TABLE, call, calls, dollars, items, with_table};
use test_support::test_bed::{TestBed, function_program, numbers, prompt, relay_options, text};
use test_support::{Client, soon, wait_for_entry};

use crate::http;

async fn start() -> TestBed {
    start_with(Options::default(), &[]).await
}

async fn start_with(options: Options, changes: &[(&str, &str)]) -> TestBed {
    TestBed::with_environment(with_table(options, 24), changes).await
}

/// What a client has of a run, by the rule that clients follow.
#[derive(Debug)]
struct Reader {
    /// The number of the last frame.
    last: i64,
    frames: Vec<Value>,
}

impl Reader {
    fn new() -> Self {
        Self { last: -1, frames: Vec::new() }
    }

    fn take(&mut self, frame: Value) {
        let relay = &frame["metadata"]["relay"];
        let seq = relay["seq"].as_i64().unwrap();
        let after = relay["after"].as_i64().unwrap_or(seq - 1);
        if seq <= self.last {
            return;
        }
        assert!(after <= self.last, "a gap behind {}: {frame}", self.last);
        self.last = seq;
        self.frames.push(frame);
    }

    async fn read_until(&mut self, client: &mut Client, fits: impl Fn(&Self) -> bool) {
        while !fits(self) {
            let text = client.text().await;
            assert!(text.len() <= 32 * 1024, "{} bytes", text.len());
            self.take(serde_json::from_str(&text).unwrap());
        }
    }

    async fn read_to_end(&mut self, client: &mut Client) {
        self.read_until(client, Self::has_ended).await;
    }

    fn has_ended(&self) -> bool {
        let kind = self.frames.last().map(|frame| &frame["type"]);
        kind.is_some_and(|kind| kind == "RUN_FINISHED" || kind == "RUN_ERROR")
    }

    /// So many of the numbers that the agent says.
    fn has_words(&self, count: usize) -> bool {
        self.text().split_whitespace().count() > count
    }

    fn text(&self) -> String {
        self.frames.iter().filter_map(|frame| frame["delta"].as_str()).collect()
    }

    fn key(&self) -> &str {
        let start = &self.frames[0];
        assert_eq!(start["type"], "RUN_STARTED");
        start["metadata"]["relay"]["key"].as_str().expect("the run can be joined")
    }

    fn end(&self) -> &Value {
        self.frames.last().unwrap()
    }

    #[track_caller]
    fn assert_finished(&self, count: usize) {
        assert_eq!(self.text(), numbers(count));
        assert_eq!(self.end()["type"], "RUN_FINISHED", "{}", self.end());
        assert!(self.end()["metadata"]["relay"].get("stopped").is_none());
        let ends = self
            .frames
            .iter()
            .filter(|frame| frame["type"] == "RUN_FINISHED" || frame["type"] == "RUN_ERROR");
        assert_eq!(ends.count(), 1);
    }

    #[track_caller]
    fn assert_stopped(&self) {
        assert_eq!(self.end()["type"], "RUN_FINISHED", "{}", self.end());
        assert_eq!(self.end()["metadata"]["relay"]["stopped"], true, "{}", self.end());
    }
}

async fn send(client: &mut Client, message: &Value) {
    client.send(message.to_string()).await;
}

fn tokens(count: usize, rate: usize) -> Value {
    json!({"prompt": format!("/tokens {count} {rate}"), "sessionId": "conversation-1"})
}

fn join(key: &str, after: i64) -> Value {
    json!({"join": {"key": key, "after": after}})
}

async fn one_frame(bed: &TestBed, message: &Value) -> Value {
    let mut client = bed.client().await;
    send(&mut client, message).await;
    serde_json::from_str(&client.text().await).unwrap()
}

async fn log_line(bed: &TestBed, part: &'static str) -> String {
    let line = wait_for_entry(
        &bed.aws,
        part,
        |entry| matches!(entry, Entry::FunctionLog { line } if line.contains(part)),
    );
    let Entry::FunctionLog { line } = line.await.entry else { unreachable!() };
    line
}

/// The sum of a metric.
fn metric(bed: &TestBed, name: &str) -> u64 {
    let entries = bed.aws.journal().entries();
    let value = |entry: &Entry| match entry {
        Entry::FunctionLog { line } => serde_json::from_str::<Value>(line).ok()?[name].as_u64(),
        _ => None,
    };
    entries.iter().filter_map(value).sum()
}

/// Until the run's end is in the table.
async fn kept(bed: &TestBed) {
    wait_for_entry(&bed.aws, "the end in the table", |entry| match entry {
        Entry::TableCalled { operation, request, error: None, .. } => {
            *operation == TableOperation::UpdateItem && request.to_string().contains("#parts = ")
        }
        _ => false,
    })
    .await;
}

async fn lost(bed: &TestBed, kind: FaultKind) {
    let fits = move |entry: &Entry| matches!(entry, Entry::FaultInjected { kind: injected, .. } if *injected == kind);
    wait_for_entry(&bed.aws, "the loss of the client", fits).await;
    bed.aws.faults().clear();
}

#[tokio::test]
async fn spaces_around_the_tables_address_do_not_count_and_a_blank_one_is_none() {
    for is_blank in [false, true] {
        let aws = test_support::start(relay_options(with_table(Options::default(), 24))).await;
        let (url, of_table) = (aws.dynamodb_url(), "AWS_ENDPOINT_URL_DYNAMODB");
        let spaced = format!(" {url} ");
        let changes = if is_blank {
            vec![(of_table, ""), ("AWS_ENDPOINT_URL", &*url)]
        } else {
            vec![(of_table, &*spaced)]
        };
        let program = Program::Executable(function_program());
        let function = FunctionProcess::start_with(&aws, &program, &changes);
        let function = soon("the function", function).await.unwrap();
        let bed = TestBed { aws, function };
        assert_eq!(text(&bed.ask(&prompt("/tokens 5 100")).await), numbers(5), "{changes:?}");
        bed.wait_until_polling().await;
        assert_eq!(items(&bed.aws).await.len(), 1, "{changes:?}");
    }
}

#[tokio::test]
async fn a_phone_that_changes_its_network_gets_the_rest() {
    // The gateway may notice, or may answer 200 to frames that nobody gets.
    for half_open in [true, false] {
        let bed = start().await;
        let (mut client, mut reader) = (bed.client().await, Reader::new());
        send(&mut client, &tokens(60, 20)).await;
        reader.read_until(&mut client, |reader| reader.has_words(5)).await;
        let kind = if half_open {
            bed.aws.faults().half_open_from(1);
            FaultKind::HalfOpen
        } else {
            bed.aws.faults().vanish_at(1);
            FaultKind::Vanish
        };
        lost(&bed, kind).await;
        while let Ok(text) = client.next_text(Duration::from_secs(5)).await {
            reader.take(serde_json::from_str(&text).unwrap());
        }
        let mut client = bed.client().await;
        send(&mut client, &join(reader.key(), reader.last)).await;
        reader.read_to_end(&mut client).await;
        reader.assert_finished(60);
        assert_eq!(bed.agent_requests().len(), 1);
        log_line(&bed, "the client has come back").await;
        log_line(&bed, "run ended").await;
        log_line(&bed, "UnkeptRuns").await;
        assert_eq!((metric(&bed, "Joins"), metric(&bed, "UnkeptRuns")), (1, 0));
        assert_eq!(metric(&bed, "GoneClients"), 0);
        // The key is the client's alone.
        let key = reader.key();
        let has_key = |entry: &Entry| match entry {
            Entry::FunctionLog { line } => line.contains(key),
            Entry::TableCalled { request, .. } => request.to_string().contains(key),
            _ => false,
        };
        assert!(!bed.aws.journal().entries().iter().any(has_key));
    }
}

#[tokio::test]
async fn a_page_that_is_loaded_again_gets_everything() {
    let bed = start().await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(60, 20)).await;
    reader.read_until(&mut client, |reader| reader.has_words(10)).await;
    let key = reader.key().to_owned();
    client.close().await;
    drop(client);
    let (mut client, mut again) = (bed.client().await, Reader::new());
    send(&mut client, &join(&key, -1)).await;
    again.read_to_end(&mut client).await;
    again.assert_finished(60);
    assert_eq!(again.key(), key);
    // What was said before comes in a few frames.
    assert!(again.frames.len() < 60, "{}", again.frames.len());
    assert_eq!(bed.agent_requests().len(), 1);
}

#[tokio::test]
async fn a_connection_that_lasts_too_long_is_followed_by_another() {
    let limits = AwsLimits { lifetime: Duration::from_millis(1500), ..AwsLimits::default() };
    let bed = start_with(Options { limits, ..Options::default() }, &[]).await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(70, 20)).await;
    let mut connections = 1;
    while !reader.has_ended() {
        if let Ok(text) = client.next_text(Duration::from_secs(10)).await {
            reader.take(serde_json::from_str(&text).unwrap());
        } else {
            connections += 1;
            client = bed.client().await;
            send(&mut client, &join(reader.key(), reader.last)).await;
        }
    }
    reader.assert_finished(70);
    assert!(connections > 1);
    assert_eq!(bed.agent_requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_went_into_a_black_hole_is_there_later() {
    let bed = start().await;
    bed.aws.faults().swallow_from(3);
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(30, 100)).await;
    reader.read_until(&mut client, |reader| reader.last == 1).await;
    kept(&bed).await;
    bed.aws.faults().clear();
    for after in [reader.last, -1] {
        let (mut client, mut all) = (bed.client().await, Reader::new());
        all.last = after;
        if after >= 0 {
            all.frames.clone_from(&reader.frames);
        }
        send(&mut client, &join(reader.key(), after)).await;
        all.read_to_end(&mut client).await;
        all.assert_finished(30);
        assert_eq!(all.key(), reader.key());
    }
    log_line(&bed, "Replays").await;
    assert_eq!(bed.agent_requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_nobody_waited_for_is_there_later() {
    let bed = start().await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(40, 40)).await;
    reader.read_until(&mut client, |reader| reader.has_words(1)).await;
    client.close().await;
    kept(&bed).await;
    assert!(log_line(&bed, "run ended").await.contains("kept"));
    let mut client = bed.client().await;
    send(&mut client, &join(reader.key(), reader.last)).await;
    reader.read_to_end(&mut client).await;
    reader.assert_finished(40);
    // Who has all of it still gets the end.
    let (last, key) = (reader.last, reader.key().to_owned());
    for after in [last - 1, last, last + 100] {
        assert_eq!(one_frame(&bed, &join(&key, after)).await["type"], "RUN_FINISHED");
    }
    assert_eq!(metric(&bed, "GoneClients"), 1);
}

#[tokio::test]
async fn an_answer_goes_on_in_the_window_that_joined_last() {
    let bed = start().await;
    let (mut first, mut reader) = (bed.client().await, Reader::new());
    send(&mut first, &tokens(80, 20)).await;
    reader.read_until(&mut first, |reader| reader.has_words(3)).await;
    let (mut second, mut other) = (bed.client().await, Reader::new());
    send(&mut second, &join(reader.key(), -1)).await;
    reader.read_to_end(&mut first).await;
    assert_eq!(reader.end()["code"], "moved");
    assert_eq!(reader.end()["metadata"]["relay"]["retryable"], false);
    other.read_until(&mut second, |other| other.has_words(20)).await;
    // And back.
    let mut third = bed.client().await;
    send(&mut third, &join(reader.key(), other.last)).await;
    let mut rest = Reader { last: other.last, frames: other.frames.clone() };
    other.read_to_end(&mut second).await;
    assert_eq!(other.end()["code"], "moved");
    rest.read_to_end(&mut third).await;
    rest.assert_finished(80);
    assert_eq!(bed.agent_requests().len(), 1);
}

#[tokio::test]
async fn who_joins_again_over_the_same_connection_gets_nothing_twice() {
    let bed = start().await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(60, 20)).await;
    reader.read_until(&mut client, |reader| reader.has_words(3)).await;
    send(&mut client, &join(reader.key(), reader.last)).await;
    while !reader.has_ended() {
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!(frame["metadata"]["relay"]["seq"], reader.last + 1, "{frame}");
        reader.take(frame);
    }
    reader.assert_finished(60);
}

#[tokio::test]
async fn a_run_whose_function_was_killed_is_lost() {
    let mut bed = start().await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(4000, 20)).await;
    reader.read_until(&mut client, |reader| reader.has_words(10)).await;
    // Until the item is there, the run is not known.
    wait_for_entry(&bed.aws, "the item", |entry| {
        matches!(entry, Entry::TableCalled { operation: TableOperation::PutItem, .. })
    })
    .await;
    let pid = i32::try_from(bed.function.pid()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    soon("the end", bed.function.exited()).await;
    let program = Program::Executable(function_program());
    bed.function = FunctionProcess::start_with(&bed.aws, &program, &[]).await.unwrap();
    let mut client = bed.client().await;
    send(&mut client, &join(reader.key(), reader.last)).await;
    // The relay has ten seconds.
    let text = client.next_text(Duration::from_secs(30)).await.unwrap();
    reader.take(serde_json::from_str(&text).unwrap());
    assert_eq!(reader.end()["code"], "run_lost");
    assert_eq!(reader.end()["metadata"]["relay"]["retryable"], true);
    assert_eq!(reader.end()["metadata"]["relay"]["runId"], reader.frames[0]["runId"]);
    log_line(&bed, "LostRuns").await;
    // Whoever comes next is told at once.
    assert_eq!(one_frame(&bed, &join(reader.key(), 3)).await["code"], "run_lost");
    // So is whoever is shown the conversation, each time.
    for _ in 0..2 {
        let mut client = bed.client().await;
        send(&mut client, &json!({"history": {"key": reader.key()}})).await;
        let (mut history, mut follower) = (Reader::new(), Reader::new());
        history.read_to_end(&mut client).await;
        assert_eq!(snapshot(&history.frames).len(), 1, "the prompt alone");
        let follows = &history.end()["metadata"]["relay"]["follows"];
        assert_eq!(*follows, reader.frames[0]["runId"]);
        follower.read_to_end(&mut client).await;
        assert_eq!(follower.end()["code"], "run_lost");
    }
}

#[tokio::test]
async fn a_run_is_stopped_from_another_connection() {
    let bed = start().await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(4000, 20)).await;
    reader.read_until(&mut client, |reader| reader.has_words(3)).await;
    let mut other = bed.client().await;
    send(&mut other, &json!({"stop": {"key": reader.key()}})).await;
    reader.read_to_end(&mut client).await;
    reader.assert_stopped();
    assert!(numbers(4000).starts_with(&reader.text()));
    wait_for_entry(&bed.aws, "the agent's end", is_drop).await;
    assert!(log_line(&bed, "run ended").await.contains("stopped"));
    kept(&bed).await;
    // To stop it again is no error, and it stays what it was. The sender hears nothing of either.
    send(&mut other, &json!({"stop": {"key": reader.key()}})).await;
    let (mut late, mut all) = (bed.client().await, Reader::new());
    send(&mut late, &join(reader.key(), -1)).await;
    all.read_to_end(&mut late).await;
    all.assert_stopped();
    assert_eq!(all.text(), reader.text());
    send(&mut other, &json!({"stop": {"key": "nonsense"}})).await;
    let first: Value = serde_json::from_str(&other.text().await).unwrap();
    assert_eq!(first["code"], "no_such_run");
}

#[tokio::test]
async fn a_run_that_the_end_of_its_process_ends_is_kept() {
    let mut bed = start().await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(4000, 20)).await;
    reader.read_until(&mut client, |reader| reader.has_words(3)).await;
    let pid = i32::try_from(bed.function.pid()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    reader.read_to_end(&mut client).await;
    assert_eq!(reader.end()["code"], "internal");
    kept(&bed).await;
    soon("the end", bed.function.exited()).await;
    let program = Program::Executable(function_program());
    bed.function = FunctionProcess::start_with(&bed.aws, &program, &[]).await.unwrap();
    let (mut late, mut all) = (bed.client().await, Reader::new());
    send(&mut late, &join(reader.key(), -1)).await;
    all.read_to_end(&mut late).await;
    assert_eq!((all.text(), all.end()), (reader.text(), reader.end()));
}

/// Traces are larger than a post, so they come in fragments; over HTTP they are whole.
#[tokio::test]
async fn what_is_larger_than_a_post_is_joined_in_the_middle_of_it() {
    let bed = start().await;
    let message = json!({"prompt": "/trace 300", "trace": true, "sessionId": "conversation-1"});
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &message).await;
    reader.read_to_end(&mut client).await;
    kept(&bed).await;
    let fragments: Vec<_> =
        reader.frames.iter().filter(|frame| frame["name"] == "relay.fragment").collect();
    assert!(fragments.len() > 3, "{}", fragments.len());
    let middle = fragments[2]["metadata"]["relay"]["seq"].as_i64().unwrap();
    let (mut late, mut rest) = (bed.client().await, Reader::new());
    rest.last = middle;
    rest.frames = reader.frames[..=usize::try_from(middle).unwrap()].to_vec();
    send(&mut late, &join(reader.key(), middle)).await;
    rest.read_to_end(&mut late).await;
    // Too long to be shown.
    let fragments_of = |frames: &[Value]| -> Vec<Value> {
        let is_fragment = |frame: &&Value| frame["name"] == "relay.fragment";
        frames.iter().filter(is_fragment).cloned().collect()
    };
    assert!(fragments_of(&rest.frames) == fragments_of(&reader.frames));
    assert_eq!((rest.text(), rest.end()), (reader.text(), reader.end()));

    let whole =
        over_http(&bed, &agui("run-2", None, &json!({"join": {"key": reader.key()}}))).await;
    assert!(whole.frames.iter().all(|frame| frame["name"] != "relay.fragment"));
    let joined: String =
        fragments.iter().map(|frame| frame["value"]["data"].as_str().unwrap()).collect();
    let joined: Value = serde_json::from_str(&joined).unwrap();
    assert!(
        whole
            .frames
            .iter()
            .any(|frame| frame["event"] == joined["event"] && frame["type"] == joined["type"])
    );
    assert_eq!(whole.last, reader.last);
}

#[tokio::test]
async fn a_client_that_is_lost_before_its_run_is_in_the_table_gets_all_of_it() {
    let bed = start().await;
    let starts = TableCalls::of(TableOperation::PutItem);
    // Then all attempts have failed, and it is tried again at the next look.
    bed.aws.faults().fail_table_calls(3, starts, TableFault::Hang);
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(240, 20)).await;
    reader.read_until(&mut client, |reader| reader.last == 0).await;
    client.close().await;
    let (mut client, key) = (bed.client().await, reader.key().to_owned());
    // Neither is said to be none.
    let (mut other, mut history) = (bed.client().await, Reader::new());
    send(&mut other, &json!({"history": {"key": key}})).await;
    history.read_to_end(&mut other).await;
    assert_eq!(snapshot(&history.frames).len(), 1);
    send(&mut client, &join(&key, 0)).await;
    reader.read_to_end(&mut client).await;
    reader.assert_finished(240);
    assert_eq!(bed.agent_requests().len(), 1);
}

#[tokio::test]
async fn a_slow_table_makes_a_join_slower_and_nothing_else() {
    let bed = start().await;
    let slow = TableFault::Slow(Duration::from_millis(700));
    bed.aws.faults().fail_table_calls(u32::MAX, TableCalls::all(), slow);
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(120, 20)).await;
    reader.read_until(&mut client, |reader| reader.has_words(40)).await;
    let (mut other, mut rest) = (bed.client().await, Reader::new());
    send(&mut other, &join(reader.key(), -1)).await;
    rest.read_to_end(&mut other).await;
    rest.assert_finished(120);
    reader.read_to_end(&mut client).await;
    assert_eq!(reader.end()["code"], "moved");
    kept(&bed).await;
    log_line(&bed, "UnkeptRuns").await;
    assert_eq!(metric(&bed, "UnkeptRuns"), 0);
}

#[tokio::test]
async fn an_agent_does_not_work_alone_for_longer_than_it_may() {
    let bed = start_with(Options::default(), &[("ALONE_SECONDS", "1")]).await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(4000, 20)).await;
    reader.read_until(&mut client, |reader| reader.has_words(3)).await;
    client.close().await;
    kept(&bed).await;
    let mut client = bed.client().await;
    send(&mut client, &join(reader.key(), reader.last)).await;
    reader.read_to_end(&mut client).await;
    reader.assert_stopped();
}

#[tokio::test]
async fn a_foreign_key_is_of_no_run() {
    let bed = start().await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(3, 100)).await;
    reader.read_to_end(&mut client).await;
    kept(&bed).await;
    let mine = RunKey::parse(reader.key()).unwrap();
    let other =
        |thread: &str, sort_key: &str| RunKey::generate(thread, sort_key).unwrap().to_text();
    for key in [
        other(&mine.thread_id, &mine.sort_key),
        other("conversation-2", &mine.sort_key),
        other(&mine.thread_id, "1764150000000-request="),
        "nonsense".to_owned(),
    ] {
        for (message, seq) in [
            (join(&key, 17), 18),
            (json!({"stop": {"key": key}}), 0),
            (json!({"history": {"key": key}}), 0),
        ] {
            let frame = one_frame(&bed, &message).await;
            assert_eq!(frame["code"], "no_such_run", "{message}: {frame}");
            assert_eq!(frame["metadata"]["relay"]["seq"], seq);
            assert_eq!(frame["metadata"]["relay"]["retryable"], false);
        }
    }
    // Nobody is known by name here.
    let named = json!({"join": {"threadId": "conversation-1"}});
    assert_eq!(one_frame(&bed, &named).await["code"], "no_such_run");
}

#[tokio::test]
async fn whoever_has_a_name_joins_their_own_runs_by_it_and_no_others() {
    let key = Key::elliptic("key-1");
    let issuer = Issuer::start(&[&key]).await;
    let variables =
        [("ACCESS", "oidc"), ("OIDC_ISSUER", &*issuer.url), ("OIDC_AUDIENCE", AUDIENCE)];
    let options = Options { authorizer: true, ..Options::default() };
    let bed = start_with(options, &variables).await;
    let enter = async |name: &str| {
        let token = key.sign(&issuer.claims(name));
        let protocols = format!("agent-relay, token.{}", URL_SAFE_NO_PAD.encode(token));
        let headers = [("sec-websocket-protocol", &*protocols)];
        Client::connect(&bed.aws, &headers).await.expect("the handshake succeeds")
    };
    let (mut client, mut reader) = (enter("alice").await, Reader::new());
    send(&mut client, &tokens(240, 20)).await;
    reader.read_until(&mut client, |reader| reader.has_words(3)).await;
    for message in
        [join(reader.key(), 5), json!({"join": {"threadId": "conversation-1", "after": 5}})]
    {
        let mut bob = enter("bob").await;
        send(&mut bob, &message).await;
        let frame: Value = serde_json::from_str(&bob.text().await).unwrap();
        assert_eq!(frame["code"], "no_such_run", "{message}");
    }
    let mut elsewhere = enter("alice").await;
    send(&mut elsewhere, &json!({"join": {"threadId": "conversation-1", "after": reader.last}}))
        .await;
    let mut all = Reader { last: reader.last, frames: reader.frames.clone() };
    all.read_to_end(&mut elsewhere).await;
    all.assert_finished(240);
    reader.read_to_end(&mut client).await;
    assert_eq!(reader.end()["code"], "moved");
}

#[tokio::test]
async fn a_run_that_has_expired_is_none() {
    let bed = start().await;
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(3, 100)).await;
    reader.read_to_end(&mut client).await;
    kept(&bed).await;
    for item in items(&bed.aws).await {
        let key = json!({"conversation": item["conversation"], "run": item["run"]});
        let update = json!({
            "TableName": RUNS_TABLE, "Key": key,
            "UpdateExpression": "SET expires = :past",
            "ExpressionAttributeValues": {":past": {"N": "1764150000"}},
        });
        let (status, response) = call(&bed.aws, TableOperation::UpdateItem, &update).await;
        assert_eq!(status, 200, "{response}");
    }
    for message in [join(reader.key(), -1), json!({"stop": {"key": reader.key()}})] {
        assert_eq!(one_frame(&bed, &message).await["code"], "no_such_run", "{message}");
    }
}

#[tokio::test]
async fn a_table_that_fails_is_not_noticed_in_an_answer() {
    let faults = [
        TableFault::Throttled,
        TableFault::KeyThrottled,
        TableFault::Failed,
        TableFault::Hang,
        TableFault::Cut,
        TableFault::Slow(Duration::from_secs(5)),
    ];
    for fault in faults {
        let bed = start().await;
        bed.aws.faults().fail_table_calls(u32::MAX, TableCalls::all(), fault);
        let begun = tokio::time::Instant::now();
        let (mut client, mut reader) = (bed.client().await, Reader::new());
        send(&mut client, &tokens(20, 20)).await;
        reader.read_to_end(&mut client).await;
        reader.assert_finished(20);
        // The agent takes a second for it, and no call of the table is waited for.
        assert!(begun.elapsed() < Duration::from_millis(3500), "{fault:?}: {:?}", begun.elapsed());
        // Joining is refused with a sentence that says so; after a while, where nothing is answered.
        let key = reader.key().to_owned();
        let mut other = bed.client().await;
        send(&mut other, &join(&key, -1)).await;
        let text = other.next_text(Duration::from_secs(30)).await.unwrap();
        let frame: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(frame["code"], "internal", "{fault:?}: {frame}");
        assert!(frame["message"].as_str().unwrap().contains("kept runs"), "{frame}");
        wait_for_long(&bed, "UnkeptRuns").await;
        assert_eq!(metric(&bed, "UnkeptRuns"), 1, "{fault:?}");
    }
}

/// A line of log that comes only when three attempts at several calls were in vain.
async fn wait_for_long(bed: &TestBed, part: &str) {
    let waiting = bed
        .aws
        .journal()
        .wait_for(|entry| matches!(entry, Entry::FunctionLog { line } if line.contains(part)));
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("a line of log");
}

#[tokio::test]
async fn a_table_that_cannot_be_reached_is_not_noticed_in_an_answer() {
    let bed = start_with(Options { wire: true, ..Options::default() }, &[]).await;
    bed.aws.table_wire().unwrap().refuse_next(u32::MAX);
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(20, 20)).await;
    reader.read_to_end(&mut client).await;
    reader.assert_finished(20);
    wait_for_long(&bed, "UnkeptRuns").await;
    assert_eq!(metric(&bed, "UnkeptRuns"), 1);
}

#[tokio::test]
async fn a_table_that_fails_at_the_beginning_only_has_the_run_later() {
    // Short enough to end before its beginning is tried again, or long enough to be joined then.
    for count in [20, 100] {
        let bed = start().await;
        let starts = TableCalls::of(TableOperation::PutItem);
        bed.aws.faults().fail_table_calls(3, starts, TableFault::Failed);
        let (mut client, mut reader) = (bed.client().await, Reader::new());
        send(&mut client, &tokens(count, 20)).await;
        reader.read_until(&mut client, |reader| reader.has_words(3)).await;
        let (mut other, mut all) = (bed.client().await, Reader::new());
        if count == 20 {
            reader.read_to_end(&mut client).await;
            reader.assert_finished(count);
            kept(&bed).await;
        } else {
            log_line(&bed, "its beginning is not kept").await;
        }
        send(&mut other, &join(reader.key(), -1)).await;
        all.read_to_end(&mut other).await;
        all.assert_finished(count);
        kept(&bed).await;
        assert_eq!(metric(&bed, "UnkeptRuns"), 0);
        assert_eq!(bed.agent_requests().len(), 1);
    }
}

#[tokio::test]
async fn an_end_that_is_not_kept_is_counted_and_not_noticed_in_the_answer() {
    let bed = start().await;
    let ends = TableCalls::of(TableOperation::UpdateItem).containing("#parts = ");
    bed.aws.faults().fail_table_calls(3, ends, TableFault::Failed);
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(20, 100)).await;
    reader.read_to_end(&mut client).await;
    reader.assert_finished(20);
    log_line(&bed, "its end is not kept").await;
    log_line(&bed, "UnkeptRuns").await;
    assert_eq!(metric(&bed, "UnkeptRuns"), 1);
}

/// As a large run may, whose parts are more than a partition takes at once.
#[tokio::test]
async fn an_end_that_is_throttled_for_some_seconds_is_kept() {
    let bed = start().await;
    let ends = TableCalls::of(TableOperation::UpdateItem).containing("#parts = ");
    bed.aws.faults().fail_table_calls(4, ends, TableFault::Throttled);
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(20, 100)).await;
    reader.read_to_end(&mut client).await;
    kept(&bed).await;
    assert_eq!(metric(&bed, "UnkeptRuns"), 0);
}

#[tokio::test]
async fn answers_of_the_table_that_are_lost_change_nothing() {
    let bed = start().await;
    // Three: then nobody knows that the run is in the table, until it is looked at.
    for (operation, lost) in [(TableOperation::PutItem, 3), (TableOperation::UpdateItem, 2)] {
        bed.aws.faults().fail_table_calls(lost, TableCalls::of(operation), TableFault::LoseAnswer);
    }
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(60, 20)).await;
    reader.read_until(&mut client, |reader| reader.has_words(3)).await;
    let mut other = bed.client().await;
    send(&mut other, &join(reader.key(), reader.last)).await;
    reader.read_to_end(&mut other).await;
    reader.assert_finished(60);
    kept(&bed).await;
    assert_eq!(bed.agent_requests().len(), 1);
}

fn agui(run_id: &str, prompt: Option<&str>, props: &Value) -> Value {
    let messages: Vec<_> = prompt
        .map(|prompt| json!({"id": format!("{run_id}-prompt"), "role": "user", "content": prompt}))
        .into_iter()
        .collect();
    json!({
        "threadId": "conversation-1", "runId": run_id, "messages": messages, "state": {},
        "tools": [], "context": [], "forwardedProps": props,
    })
}

async fn over_http(bed: &TestBed, input: &Value) -> Reader {
    let mut reader = Reader::new();
    read_over_http(bed, input, &mut reader).await;
    reader
}

async fn read_over_http(bed: &TestBed, input: &Value, reader: &mut Reader) {
    let response = http::post(bed, input).await;
    assert_eq!(response.status(), 200);
    let events: Vec<Value> =
        http::blocks(response).filter_map(async |block| http::event(&block)).collect().await;
    for event in events {
        reader.take(event);
    }
}

#[tokio::test]
async fn a_run_over_http_goes_on_without_its_client_and_is_joined_over_either_transport() {
    let bed = start().await;
    let response = http::post(&bed, &agui("run-1", Some("/tokens 40 20"), &json!({}))).await;
    let mut reader = Reader::new();
    let mut blocks = http::blocks(response);
    while !reader.has_words(3) {
        let block = soon("an event", blocks.next()).await.unwrap();
        reader.take(http::event(&block).unwrap());
    }
    drop(blocks);
    // Another request waits for the end, and gets what it misses.
    let input = agui("run-1", None, &json!({"join": {"key": reader.key(), "after": reader.last}}));
    read_over_http(&bed, &input, &mut reader).await;
    reader.assert_finished(40);
    assert_eq!(reader.frames[0]["runId"], "run-1");

    let (mut client, mut late) = (bed.client().await, Reader::new());
    send(&mut client, &join(reader.key(), -1)).await;
    late.read_to_end(&mut client).await;
    late.assert_finished(40);
    assert_eq!(bed.agent_requests().len(), 1);
}

#[tokio::test]
async fn a_run_over_http_is_taken_over_by_a_websocket_and_stopped_over_http() {
    let bed = start().await;
    let response = http::post(&bed, &agui("run-1", Some("/tokens 4000 20"), &json!({}))).await;
    let mut reader = Reader::new();
    let mut blocks = http::blocks(response);
    while !reader.has_words(3) {
        let block = soon("an event", blocks.next()).await.unwrap();
        reader.take(http::event(&block).unwrap());
    }
    let (mut client, mut other) = (bed.client().await, Reader::new());
    send(&mut client, &join(reader.key(), -1)).await;
    other.read_until(&mut client, |other| other.has_words(20)).await;
    while !reader.has_ended() {
        let block = soon("an event", blocks.next()).await.unwrap();
        reader.take(http::event(&block).unwrap());
    }
    assert_eq!(reader.end()["code"], "moved");
    let stop = agui("run-2", None, &json!({"stop": {"key": other.key()}}));
    assert!(over_http(&bed, &stop).await.frames.is_empty());
    other.read_to_end(&mut client).await;
    other.assert_stopped();
    assert!(numbers(4000).starts_with(&other.text()));
    let foreign = agui("run-3", None, &json!({"join": {"key": "nonsense"}}));
    let refused = over_http(&bed, &foreign).await;
    assert_eq!(refused.end()["code"], "no_such_run");
    assert_eq!(refused.end()["metadata"]["relay"]["runId"], "run-3");
}

/// The messages of a snapshot, which is in a run of its own.
fn snapshot(frames: &[Value]) -> &Vec<Value> {
    let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]);
    frames[1]["messages"].as_array().unwrap()
}

#[tokio::test]
async fn a_conversation_is_shown_again_and_the_run_under_way_goes_on() {
    let bed = start().await;
    let mut client = bed.client().await;
    let mut first = Reader::new();
    send(&mut client, &tokens(3, 100)).await;
    first.read_to_end(&mut client).await;
    kept(&bed).await;
    let mut second = Reader::new();
    let prompt = agui("run-2", Some("/tokens 60 20"), &json!({}));
    send(&mut client, &prompt).await;
    second.read_until(&mut client, |second| second.has_words(3)).await;
    // Not with the key of an older run.
    let older = json!({"history": {"key": first.key()}});
    assert_eq!(one_frame(&bed, &older).await["code"], "no_such_run");

    let mut again = bed.client().await;
    send(&mut again, &json!({"history": {"key": second.key()}})).await;
    let (mut history, mut under_way) = (Reader::new(), Reader::new());
    history.read_to_end(&mut again).await;
    let messages = snapshot(&history.frames);
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_eq!(messages[0]["role"], "user");
    assert_eq!(messages[0]["content"], "/tokens 3 100");
    assert_eq!(
        (&messages[1]["role"], &messages[1]["content"]),
        (&json!("assistant"), &json!(numbers(3)))
    );
    assert_eq!(messages[2], prompt["messages"][0]);
    let follows =
        |history: &Reader| history.frames.last().unwrap()["metadata"]["relay"]["follows"].clone();
    assert_eq!(follows(&history), "run-2");
    under_way.read_to_end(&mut again).await;
    under_way.assert_finished(60);
    assert_eq!(under_way.key(), second.key());

    wait_for_entry(&bed.aws, "both ends", {
        let mut ends = 0;
        move |entry| {
            ends += usize::from(
                matches!(entry, Entry::FunctionLog { line } if line.contains("run ended")),
            );
            ends == 2
        }
    })
    .await;
    let shown = agui("shown", None, &json!({"history": {"key": second.key()}}));
    let shown = over_http(&bed, &shown).await;
    let messages = snapshot(&shown.frames);
    assert_eq!(messages.len(), 4, "{messages:?}");
    assert_eq!(messages[3]["content"], numbers(60));
    assert_eq!(follows(&shown), Value::Null);
    assert_eq!(bed.agent_requests().len(), 2);
}

#[tokio::test]
async fn what_messages_alone_do_not_show_is_said_again_behind_them() {
    for (prompt, shows) in
        [("/tool", "TOOL_CALL_CHUNK"), ("/error throttlingException 2", "RUN_ERROR")]
    {
        let bed = start().await;
        let (mut client, mut run) = (bed.client().await, Reader::new());
        send(&mut client, &agui("run-1", Some(prompt), &json!({}))).await;
        run.read_to_end(&mut client).await;
        kept(&bed).await;
        let mut again = bed.client().await;
        send(&mut again, &json!({"history": {"key": run.key()}})).await;
        let (mut history, mut follower) = (Reader::new(), Reader::new());
        history.read_to_end(&mut again).await;
        assert_eq!(snapshot(&history.frames).len(), 1, "{prompt}: the prompt alone");
        assert_eq!(history.frames.last().unwrap()["metadata"]["relay"]["follows"], "run-1");
        follower.read_to_end(&mut again).await;
        assert!(follower.frames.iter().any(|frame| frame["type"] == shows), "{prompt}");
        assert_eq!(bed.agent_requests().len(), 1);
    }
}

#[tokio::test]
async fn keeping_a_thousand_usual_turns_costs_half_a_cent() {
    let bed = start().await;
    // Ten seconds, and as much text as a long paragraph has.
    let (mut client, mut reader) = (bed.client().await, Reader::new());
    send(&mut client, &tokens(300, 30)).await;
    reader.read_to_end(&mut client).await;
    reader.assert_finished(300);
    kept(&bed).await;
    let calls = calls(&bed.aws);
    let reads = calls.iter().filter(|call| call.operation == TableOperation::GetItem).count();
    assert!((7..=11).contains(&reads), "one look a second: {reads}");
    // Its beginning, and its end with what was said.
    assert_eq!(calls.len() - reads, 2, "{calls:?}");
    let thousand = 1000.0 * dollars(&calls);
    assert!(thousand < 0.006, "{thousand}");
}

#[tokio::test]
async fn without_a_table_nothing_can_be_joined() {
    let bed = TestBed::start(Options::default()).await;
    let frames = bed.ask(&tokens(3, 100)).await;
    assert!(frames[0]["metadata"]["relay"].get("key").is_none(), "{}", frames[0]);
    assert_eq!(one_frame(&bed, &join("key", -1)).await["code"], "no_such_run");
    let frame = one_frame(&bed, &json!({"join": {"after": 1}})).await;
    assert_eq!(frame["code"], "invalid_request");
}
