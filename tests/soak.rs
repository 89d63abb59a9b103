//! Many turns at once through one process of the function, for minutes, while posts fail, clients
//! vanish, drop and come back, connections die and the process is frozen: is anything lost?
//! `scripts/soak` runs it; `scripts/soak --help` lists the options.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// Figures far below what these casts would change.
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

use std::cell::Cell;
use std::future::pending;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use fastrand::Rng;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use local_aws::{AwsLimits, Entry, FaultKind, Faults, Follower, LocalAws, Options};
use serde_json::Value;
use test_support::received_run::RunEnd;
use test_support::table::with_table;
use test_support::test_bed::{TestBed, numbers, prompt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::turn::{Plan, Turn, take_turn};

#[path = "soak/turn.rs"]
mod turn;

/// How long an event may wait for the function, which may be frozen.
const GRACE: Duration = Duration::from_secs(10);

/// How many of the function's warnings are shown when something is wrong.
const MAX_WARNINGS: usize = 30;

/// The most invocations at once, as in Lambda.
const MAX_CONCURRENCY: u16 = 1600;

/// Sends many turns at once through one process of the function, with faults, and compares every
/// surviving client's text byte by byte with what the agent sent.
#[derive(Clone, Debug, Parser)]
#[command(name = "scripts/soak")]
struct Arguments {
    /// How many turns run at once
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1500))]
    turns: u16,
    /// How many chunks each agent sends in a second
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// How many seconds each agent speaks
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// How long each post takes, in milliseconds
    #[arg(long, default_value_t = 20)]
    post_latency_ms: u64,
    /// The share of posts that are throttled (429)
    #[arg(long, default_value_t = 0.05)]
    fail_429: f64,
    /// The share of posts that fail (500)
    #[arg(long, default_value_t = 0.01)]
    fail_5xx: f64,
    /// The share of posts that are never answered
    #[arg(long, default_value_t = 0.0)]
    hang: f64,
    /// The share of posts that arrive, but whose answers are lost
    #[arg(long, default_value_t = 0.0)]
    lose_answer: f64,
    /// The share of clients that vanish in mid-answer
    #[arg(long, default_value_t = 0.01)]
    vanish: f64,
    /// The share of clients that drop their connections in mid-answer, once to three times, and join their
    /// runs again, some at once and some after the end. With this or --swallow, runs are kept in a table,
    /// and clients that vanish come back as well
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    drop: f64,
    /// The share of connections of clients that get nothing more from some frame on, while posts go on to
    /// be answered with 200: their clients join again when they have heard nothing for a while
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    swallow: f64,
    /// Reach the agent and the callbacks over TLS
    #[arg(long)]
    tls: bool,
    /// Freeze the function (SIGSTOP) every so many seconds, for 0.1 s to 2 s
    #[arg(long, value_name = "SECONDS", value_parser = interval)]
    freeze: Option<Duration>,
    /// Swallow all connections to API Gateway every so many seconds: what is on them is lost, and neither
    /// end is told
    #[arg(long, value_name = "SECONDS", value_parser = interval)]
    swallow_connections: Option<Duration>,
    /// What all chance is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What was done to the function besides the faults of the local AWS.
#[derive(Debug, Default)]
struct Disturbed {
    freezes: Cell<u64>,
    frozen: Cell<Duration>,
    swallowed: Cell<usize>,
}

impl Arguments {
    /// Whether runs are kept, and clients come back to them.
    fn keeps_runs(&self) -> bool {
        self.drop > 0.0 || self.swallow > 0.0
    }
}

/// What the journal counted.
#[derive(Debug, Default)]
struct Counted {
    posts: u64,
    agents_called: u64,
    agents_finished: u64,
    agents_dropped: u64,
    summaries: u64,
    table_calls: u64,
    // Sums of the metrics of these names.
    joins: u64,
    replays: u64,
    unkept_runs: u64,
    lost_runs: u64,
    /// The first warnings of the function but those about posts, which faults see to.
    warnings: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chunks = (arguments.seconds * arguments.rate).round().max(1.0);
    let bed = TestBed::start(options(&arguments)).await;
    let turns = u64::from(arguments.turns);
    let (clients_are_done, done) = oneshot::channel();
    let counting = tokio::spawn(count(bed.aws.journal().follow(), turns, done));
    eprintln!("{turns} turns of {chunks} chunks at {} a second …", arguments.rate);

    let began = Instant::now();
    let message = prompt(&format!("/tokens {chunks} {}", arguments.rate)).to_string();
    let mut random = Rng::with_seed(arguments.seed.wrapping_add(2));
    let seconds = Duration::from_secs_f64(arguments.seconds);
    let mut clients: FuturesUnordered<_> = (0..turns)
        .map(|_| Plan::draw(&mut random, arguments.drop, seconds))
        .map(|plan| tokio::spawn(take_turn(bed.aws.websocket_url(), message.clone(), plan)))
        .collect();
    let mut results = Vec::new();
    let collecting = async {
        while let Some(result) = clients.next().await {
            results.push(result.expect("a client does not panic"));
        }
    };
    let disturbed = Disturbed::default();
    tokio::select! {
        () = collecting => {}
        () = freeze(&bed, &arguments, &disturbed) => {}
        () = swallow_connections(&bed, &arguments, &disturbed) => {}
    }
    // The last client may have had its last frame in the middle of a freeze.
    bed.function.thaw().expect("the function runs");
    let took = began.elapsed();
    // Who is counting may have failed, which the counts tell.
    let _ = clients_are_done.send(());
    let counted = timeout(Duration::from_secs(30), counting).await;
    let counted = counted.map_or_else(|_| Counted::default(), |counted| counted.unwrap());
    let memory = bed.peak_memory_kib();
    if report(&arguments, &bed.aws, &Figures { took, chunks, results, disturbed, counted, memory })
    {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// All that is known in the end.
struct Figures {
    took: Duration,
    /// How many chunks each agent was to send.
    chunks: f64,
    results: Vec<Turn>,
    disturbed: Disturbed,
    counted: Counted,
    /// The most memory of the function, in KiB.
    memory: u64,
}

/// Prints the table of figures, and returns whether they are as they have to be.
fn report(arguments: &Arguments, aws: &LocalAws, figures: &Figures) -> bool {
    let Figures { took, chunks, results, disturbed, counted, memory } = figures;
    let turns = u64::from(arguments.turns);
    let whole = numbers(*chunks as usize);
    let finished = |turn: &&Turn| turn.received.end == Some(RunEnd::Finished);
    let survivors: Vec<&Turn> = results.iter().filter(finished).collect();
    let vanished = turns - survivors.len() as u64;
    let lost = survivors.iter().filter(|turn| turn.received.text != whole).count() as u64;
    let out_of_order: usize = results.iter().map(|turn| turn.received.out_of_order).sum();
    let faults = aws.faults().counts();
    let sum = |of: fn(&Turn) -> u64| results.iter().map(of).sum::<u64>();
    let clients = |of: fn(&Turn) -> u64| results.iter().filter(|turn| of(turn) > 0).count();

    println!("| what | figure |\n|---|---:|");
    let row = |what: &str, figure: String| println!("| {what} | {figure} |");
    row("turns", format!("{turns} at once, {:.0} s", took.as_secs_f64()));
    row("chunks that the agents sent to survivors", sum(|turn| turn.received.chunks).to_string());
    row("frames that clients received", sum(|turn| turn.frames).to_string());
    row("posts", counted.posts.to_string());
    for (kind, count) in &faults {
        row(&format!("fault: {kind}"), count.to_string());
    }
    if arguments.freeze.is_some() {
        let (freezes, frozen) = (disturbed.freezes.get(), disturbed.frozen.get());
        row("freezes", format!("{freezes}, {:.1} s in all", frozen.as_secs_f64()));
    }
    if arguments.swallow_connections.is_some() {
        row("connections swallowed", disturbed.swallowed.get().to_string());
    }
    if arguments.keeps_runs() {
        let of = |of: fn(&Turn) -> u64| format!("{} clients, {} times", clients(of), sum(of));
        row("dropped their connection", of(|turn| turn.drops));
        row("found it closed", of(|turn| turn.closed));
        row("heard nothing for 15 s", of(|turn| turn.silences));
        row("joined again", of(|turn| turn.joins));
        row("joins that the relay went on over", counted.joins.to_string());
        row("runs replayed from the table", counted.replays.to_string());
        row("runs not kept · lost", format!("{} · {}", counted.unkept_runs, counted.lost_runs));
        row("calls of the table", counted.table_calls.to_string());
    }
    row("calls of the agent", counted.agents_called.to_string());
    row("clients that vanished", vanished.to_string());
    row("agent streams dropped", counted.agents_dropped.to_string());
    row("texts lost or changed", lost.to_string());
    row(
        "frames duplicated (dropped by `seq`)",
        sum(|turn| turn.received.repeated as u64).to_string(),
    );
    row("frames out of order", out_of_order.to_string());
    row("peak memory of the function", format!("{:.1} MiB", *memory as f64 / 1024.0));

    let lost_by = |kind| faults.get(&kind).copied().unwrap_or_default();
    // Where runs are kept, whoever can come back does, and no agent is told that somebody has left.
    let (may_vanish, may_be_dropped) = if arguments.keeps_runs() {
        let without_key = results.iter().filter(|turn| turn.received.key.is_none()).count() as u64;
        (without_key.min(lost_by(FaultKind::Vanish) + lost_by(FaultKind::Swallow)), 0)
    } else {
        (lost_by(FaultKind::Vanish), lost_by(FaultKind::Vanish))
    };
    let good = lost == 0
        && out_of_order == 0
        && vanished == may_vanish
        && counted.agents_called == turns
        && counted.agents_dropped == may_be_dropped
        && counted.agents_finished == turns - may_be_dropped
        && counted.summaries == turns
        && counted.unkept_runs == 0
        && counted.lost_runs == 0;
    if !good {
        let codes: Vec<_> = results.iter().filter_map(|turn| turn.received.code.as_ref()).collect();
        eprintln!(
            "Something is wrong: {counted:#?}, {may_vanish} clients were to vanish. Codes: {codes:?}"
        );
    }
    good
}

fn options(arguments: &Arguments) -> Options {
    // What is more than the turns takes the events of clients that disconnect meanwhile, and of those that
    // come back, each of which may wait for seconds.
    let more = if arguments.keeps_runs() { arguments.turns / 2 + 50 } else { 50 };
    let options = Options {
        concurrency: (arguments.turns + more).min(MAX_CONCURRENCY),
        post_latency: Duration::from_millis(arguments.post_latency_ms),
        tls: arguments.tls,
        wire: arguments.swallow_connections.is_some(),
        faults: Faults {
            throttled_posts: arguments.fail_429,
            failed_posts: arguments.fail_5xx,
            hanging_posts: arguments.hang,
            lost_answers: arguments.lose_answer,
            vanishing_clients: arguments.vanish,
            swallowed_clients: arguments.swallow,
            seed: arguments.seed,
            ..Faults::default()
        },
        // All turns begin at once, and take their time to connect, over TLS above all.
        limits: AwsLimits { message_grace: GRACE, lifecycle_grace: GRACE, ..AwsLimits::default() },
        journal_capacity: 500_000,
        ..Options::default()
    };
    if arguments.keeps_runs() { with_table(options, 24) } else { options }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "it takes a share, from 0 to 1".to_owned())
}

fn interval(seconds: &str) -> Result<Duration, String> {
    let seconds =
        seconds.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let seconds = seconds.filter(|seconds| *seconds >= Duration::from_millis(100));
    seconds.ok_or_else(|| "it takes a number of seconds, 0.1 or more".to_owned())
}

/// A time around the interval, so that nothing keeps in step with it.
fn around(interval: Duration, random: &mut Rng) -> Duration {
    interval.mul_f64(0.5 + random.f64())
}

/// Freezes the function now and then, with all its turns under way, for as long as it is asked to.
async fn freeze(bed: &TestBed, arguments: &Arguments, disturbed: &Disturbed) {
    let Some(interval) = arguments.freeze else { return pending().await };
    let mut random = Rng::with_seed(arguments.seed);
    loop {
        sleep(around(interval, &mut random)).await;
        let time = Duration::from_millis(random.u64(100..=2000));
        bed.function.freeze().await.expect("the function can be frozen");
        sleep(time).await;
        bed.function.thaw().expect("the function can be thawed");
        disturbed.freezes.set(disturbed.freezes.get() + 1);
        disturbed.frozen.set(disturbed.frozen.get() + time);
    }
}

/// Swallows the connections to API Gateway now and then.
async fn swallow_connections(bed: &TestBed, arguments: &Arguments, disturbed: &Disturbed) {
    let (Some(interval), Some(wire)) = (arguments.swallow_connections, bed.aws.callback_wire())
    else {
        return pending().await;
    };
    let mut random = Rng::with_seed(arguments.seed.wrapping_add(1));
    loop {
        sleep(around(interval, &mut random)).await;
        disturbed.swallowed.set(disturbed.swallowed.get() + wire.swallow_open());
    }
}

/// Counts what happens until the clients are done, every agent is, and the function has reported every run.
async fn count(
    mut journal: Follower,
    turns: u64,
    mut clients_are_done: oneshot::Receiver<()>,
) -> Counted {
    let mut counted = Counted::default();
    let mut next = 0;
    let mut clients_have_ended = false;
    while !clients_have_ended
        || counted.summaries < turns
        || counted.agents_finished + counted.agents_dropped < turns
    {
        let record = tokio::select! {
            biased;
            record = journal.next() => record,
            _ = &mut clients_are_done, if !clients_have_ended => {
                clients_have_ended = true;
                continue;
            }
        };
        assert_eq!(record.index, next, "the journal forgot what was not counted yet");
        next += 1;
        match record.entry {
            Entry::Posted { .. } => counted.posts += 1,
            Entry::AgentInvoked { .. } => counted.agents_called += 1,
            Entry::AgentFinished { .. } => counted.agents_finished += 1,
            Entry::AgentDropped { .. } => counted.agents_dropped += 1,
            Entry::TableCalled { .. } => counted.table_calls += 1,
            Entry::FunctionLog { line } if line.contains("CloudWatchMetrics") => {
                let metrics: Value = serde_json::from_str(&line).expect("metrics are JSON");
                let of = |name: &str| metrics[name].as_u64().unwrap_or_default();
                counted.summaries += of("Runs");
                counted.joins += of("Joins");
                counted.replays += of("Replays");
                counted.unkept_runs += of("UnkeptRuns");
                counted.lost_runs += of("LostRuns");
            }
            Entry::FunctionLog { line }
                if line.contains("WARN")
                    && !line.contains("a post failed")
                    && counted.warnings.len() < MAX_WARNINGS =>
            {
                counted.warnings.push(line);
            }
            _ => {}
        }
    }
    counted
}
