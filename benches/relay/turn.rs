//! One turn, measured.

use std::fmt::{self, Display};
use std::time::{Duration, Instant};

use local_aws::Entry;
use test_support::source::harness_session;

use crate::client::{Received, TimedClient};
use crate::process::Process;

/// How long the function may go on after the last frame: its log, and what it asks Lambda next.
const SETTLING: Duration = Duration::from_millis(50);

/// What the agent says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) chunks: usize,
    /// Chunks a second; 0 for as fast as possible.
    pub(crate) rate: usize,
    /// The size of a trace before every tenth chunk.
    pub(crate) trace_kib: Option<usize>,
}

impl Answer {
    pub(crate) const fn new(chunks: usize, rate: usize) -> Self {
        Self { chunks, rate, trace_kib: None }
    }

    pub(crate) fn prompt(self) -> String {
        let trace = self.trace_kib.map(|kib| format!(" {kib}")).unwrap_or_default();
        format!("/tokens {} {}{trace}", self.chunks, self.rate)
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} chunks ", self.chunks)?;
        match self.rate {
            0 => f.write_str("at once"),
            rate => write!(f, "at {rate}/s"),
        }?;
        self.trace_kib.map_or(Ok(()), |kib| write!(f, ", {kib} KiB of trace every tenth"))
    }
}

/// What one turn amounted to.
#[derive(Debug)]
pub(crate) struct Turn {
    /// For each chunk: when the agent sent it, counted from its first, and how much later the client
    /// had it.
    pub(crate) lags: Vec<(Duration, Duration)>,
    /// Posts to the client.
    pub(crate) posts: u64,
    /// CPU time of the function.
    pub(crate) cpu: Duration,
}

/// Lets a client ask for an answer.
pub(crate) async fn measure(process: &Process, answer: Answer) -> Turn {
    let session = format!("session-{:016x}", fastrand::u64(..));
    let mut client = TimedClient::of(process).await;
    tokio::time::sleep(SETTLING).await;
    let mut journal = process.aws.journal().follow_from_now();
    let before = process.cpu();
    let received = client.ask(&answer.prompt(), &session, answer.trace_kib.is_some()).await;
    tokio::time::sleep(SETTLING).await;
    let cpu = process.cpu().saturating_sub(before);
    client.close().await;

    let in_harness = harness_session(&session);
    let mut sent = Vec::with_capacity(answer.chunks);
    let mut posts = 0;
    while let Some(record) = journal.try_next() {
        match record.entry {
            Entry::AgentChunk { session_id, .. }
                if [&session, &in_harness].contains(&&session_id) =>
            {
                sent.push(record.at.into_std());
            }
            Entry::Posted { .. } => posts += 1,
            _ => {}
        }
    }
    Turn { lags: lags(&sent, &received), posts, cpu }
}

/// Lets so many clients ask at once, each on a connection of its own. Returns the CPU time of the
/// function for all of them, and the number of posts.
pub(crate) async fn crowd(process: &Process, answer: Answer, turns: usize) -> (Duration, u64) {
    let mut clients = Vec::new();
    for _ in 0..turns {
        clients.push(TimedClient::of(process).await);
    }
    tokio::time::sleep(SETTLING).await;
    let mut journal = process.aws.journal().follow_from_now();
    let before = process.cpu();
    let asking = clients.into_iter().enumerate().map(|(number, mut client)| {
        let session = format!("session-{number}");
        tokio::spawn(async move {
            let received = client.ask(&answer.prompt(), &session, false).await;
            assert_eq!(received.arrivals(answer.chunks).len(), answer.chunks);
            // A connection that closed now would be one more event for the function.
            client
        })
    });
    // All of them at once, not one after the other.
    let asking: Vec<_> = asking.collect();
    let mut clients = Vec::new();
    for client in asking {
        clients.push(client.await.expect("every client gets its answer"));
    }
    tokio::time::sleep(SETTLING).await;
    let cpu = process.cpu().saturating_sub(before);
    let mut posts = 0;
    while let Some(record) = journal.try_next() {
        posts += u64::from(matches!(record.entry, Entry::Posted { .. }));
    }
    (cpu, posts)
}

/// A function's start with a client that is there already. How long it takes from the start of the
/// process to the first request for an event, to the client's first frame, and to its first text.
pub(crate) async fn cold(process: &Process) -> [Duration; 3] {
    let first_turn = async {
        let mut client = TimedClient::of(process).await;
        let received = client.ask("/tokens 1 0", "session-cold", false).await;
        (received.frames[0], received.text.first().expect("text").0)
    };
    let (ready, (frame, text)) = tokio::join!(process.ready(), first_turn);
    [ready, frame - process.spawned, text - process.spawned]
}

fn lags(sent: &[Instant], received: &Received) -> Vec<(Duration, Duration)> {
    let arrivals = received.arrivals(sent.len());
    let pairs = sent.iter().zip(arrivals);
    pairs.map(|(sent_at, arrived)| (*sent_at - sent[0], arrived - *sent_at)).collect()
}
