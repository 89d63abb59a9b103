//! Many turns at once through one process of the function, for minutes, while posts fail, clients
//! vanish, connections die and the process is frozen: is anything lost? `scripts/soak` runs it; `scripts/soak --help` lists the options.

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
use local_aws::{AwsLimits, Entry, FaultKind, Faults, LocalAws, Options};
use test_support::Client;
use test_support::received_run::{RunEnd, RunReader};
use test_support::test_bed::{TestBed, numbers, prompt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// How long an event may wait for the function, which may be frozen.
const GRACE: Duration = Duration::from_secs(10);

/// How long a client may hear nothing: longer than any keepalive, freeze and hanging post together.
const SILENCE_LIMIT: Duration = Duration::from_mins(2);

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
    /// Reach the agent and the callbacks over TLS
    #[arg(long)]
    tls: bool,
    /// Freeze the function (SIGSTOP) every so many seconds, for 0.1 s to 2 s
    #[arg(long, value_name = "SECONDS", value_parser = interval)]
    freeze: Option<Duration>,
    /// Swallow all connections to API Gateway every so many seconds: what is on them is lost, and neither
    /// end is told
    #[arg(long, value_name = "SECONDS", value_parser = interval)]
    swallow: Option<Duration>,
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

/// What the journal counted.
#[derive(Debug, Default)]
struct Counted {
    posts: u64,
    agents_finished: u64,
    agents_dropped: u64,
    summaries: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chunks = (arguments.seconds * arguments.rate).round().max(1.0);
    let bed = TestBed::start(options(&arguments)).await;
    let turns = u64::from(arguments.turns);
    let counting = count(&bed.aws, turns);
    eprintln!("{turns} turns of {chunks} chunks at {} a second …", arguments.rate);

    let began = Instant::now();
    let message = prompt(&format!("/tokens {chunks} {}", arguments.rate)).to_string();
    let mut clients: FuturesUnordered<_> =
        (0..turns).map(|_| tokio::spawn(turn(bed.aws.websocket_url(), message.clone()))).collect();
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
        () = swallow(&bed, &arguments, &disturbed) => {}
    }
    // The last client may have had its last frame in the middle of a freeze.
    bed.function.thaw().expect("the function runs");
    let took = began.elapsed();
    let counted = timeout(Duration::from_secs(30), counting).await;
    let counted = counted.map_or_else(|_| Counted::default(), |counted| counted.unwrap());
    let memory = bed.peak_memory_kib();

    let whole = numbers(chunks as usize);
    let finished = |client: &&RunReader| client.end == Some(RunEnd::Finished);
    let survivors: Vec<&RunReader> = results.iter().filter(finished).collect();
    let vanished = turns - survivors.len() as u64;
    let lost = survivors.iter().filter(|client| client.text != whole).count() as u64;
    let out_of_order: usize = results.iter().map(|client| client.out_of_order).sum();
    let faults = bed.aws.faults().counts();
    let wanted_to_vanish = faults.get(&FaultKind::Vanish).copied().unwrap_or_default();
    let sum = |of: fn(&RunReader) -> u64| results.iter().map(of).sum::<u64>();

    println!("| what | figure |\n|---|---:|");
    let row = |what: &str, figure: String| println!("| {what} | {figure} |");
    row("turns", format!("{turns} at once, {:.0} s", took.as_secs_f64()));
    row("chunks that the agents sent to survivors", sum(|client| client.chunks).to_string());
    row("frames that clients received", sum(|client| client.frames as u64).to_string());
    row("posts", counted.posts.to_string());
    for (kind, count) in &faults {
        row(&format!("fault: {kind}"), count.to_string());
    }
    if arguments.freeze.is_some() {
        let (freezes, frozen) = (disturbed.freezes.get(), disturbed.frozen.get());
        row("freezes", format!("{freezes}, {:.1} s in all", frozen.as_secs_f64()));
    }
    if arguments.swallow.is_some() {
        row("connections swallowed", disturbed.swallowed.get().to_string());
    }
    row("clients that vanished", vanished.to_string());
    row("agent streams dropped", counted.agents_dropped.to_string());
    row("texts lost or changed", lost.to_string());
    row("frames duplicated (dropped by `seq`)", sum(|client| client.repeated as u64).to_string());
    row("frames out of order", out_of_order.to_string());
    row("peak memory of the function", format!("{:.1} MiB", memory as f64 / 1024.0));

    let good = lost == 0
        && out_of_order == 0
        && vanished == wanted_to_vanish
        && counted.agents_dropped == vanished
        && counted.agents_finished == turns - vanished
        && counted.summaries == turns;
    if !good {
        eprintln!("Something is wrong: {counted:?}, {wanted_to_vanish} clients were to vanish.");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn options(arguments: &Arguments) -> Options {
    Options {
        // What is more than the turns takes the events of clients that disconnect meanwhile.
        concurrency: arguments.turns + 50,
        post_latency: Duration::from_millis(arguments.post_latency_ms),
        tls: arguments.tls,
        wire: arguments.swallow.is_some(),
        faults: Faults {
            throttled_posts: arguments.fail_429,
            failed_posts: arguments.fail_5xx,
            hanging_posts: arguments.hang,
            lost_answers: arguments.lose_answer,
            vanishing_clients: arguments.vanish,
            seed: arguments.seed,
            ..Faults::default()
        },
        // All turns begin at once, and take their time to connect, over TLS above all.
        limits: AwsLimits { message_grace: GRACE, lifecycle_grace: GRACE, ..AwsLimits::default() },
        journal_capacity: 500_000,
        ..Options::default()
    }
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
async fn swallow(bed: &TestBed, arguments: &Arguments, disturbed: &Disturbed) {
    let (Some(interval), Some(wire)) = (arguments.swallow, bed.aws.callback_wire()) else {
        return pending().await;
    };
    let mut random = Rng::with_seed(arguments.seed.wrapping_add(1));
    loop {
        sleep(around(interval, &mut random)).await;
        disturbed.swallowed.set(disturbed.swallowed.get() + wire.swallow_open());
    }
}

/// One client: sends its prompt, and reads until its run ends or its connection does.
async fn turn(url: String, message: String) -> RunReader {
    let client = Client::connect_without_limit(&url, &[]).await;
    let mut client = client.expect("the handshake succeeds");
    client.send(message).await;
    let mut received = RunReader::default();
    while let Ok(text) = client.next_text(SILENCE_LIMIT).await {
        let is_new = received.read(&text).is_none();
        if is_new && received.end == Some(RunEnd::Finished) {
            client.close().await;
        }
    }
    received
}

/// Counts what happens until every agent is done and the function has reported every run.
fn count(aws: &LocalAws, turns: u64) -> JoinHandle<Counted> {
    let mut journal = aws.journal().follow();
    tokio::spawn(async move {
        let mut counted = Counted::default();
        let mut next = 0;
        while counted.summaries < turns || counted.agents_finished + counted.agents_dropped < turns
        {
            let record = journal.next().await;
            assert_eq!(record.index, next, "the journal forgot what was not counted yet");
            next += 1;
            match record.entry {
                Entry::Posted { .. } => counted.posts += 1,
                Entry::AgentFinished { .. } => counted.agents_finished += 1,
                Entry::AgentDropped { .. } => counted.agents_dropped += 1,
                Entry::FunctionLog { line } if line.contains("run ended") => counted.summaries += 1,
                _ => {}
            }
        }
        counted
    })
}
