//! The journal: everything that happens in the local AWS, in order.
//!
//! Tests wait for entries of it instead of sleeping, and the log lines of the binary are printed
//! from it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::faults::FaultKind;
use super::route::Route;
use super::wire::{WireFault, WireName};

/// The record of everything that happened, shared by all parts of the local AWS.
///
/// It keeps the newest entries up to its capacity and forgets older ones.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

/// An entry with its place in the journal and its time.
#[derive(Clone, Debug)]
pub struct Record {
    /// Counts all entries from 0, without gaps.
    pub index: u64,
    /// The wall clock, for people.
    pub time: SystemTime,
    /// The monotonic clock, for measuring.
    pub at: Instant,
    /// What happened.
    pub entry: Entry,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Entry {
    /// Gateway: a client's handshake succeeded.
    Connected {
        /// The new connection.
        connection_id: String,
        /// The subprotocol that the function's answer to `$connect` chose.
        subprotocol: Option<String>,
    },
    /// Gateway: a client's handshake was refused with this HTTP status.
    Refused {
        /// The status that the client received.
        status: u16,
        /// Why.
        reason: String,
    },
    /// Gateway: a whole message arrived from a client.
    MessageReceived {
        /// The connection that it came from.
        connection_id: String,
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// Gateway: no function was free for an event, which is lost.
    Throttled {
        /// The connection that the event is about.
        connection_id: String,
        /// The event's route.
        route: Route,
    },
    /// Gateway: the function did not answer in time, and the client was told.
    TimedOut {
        /// The Lambda request id of the invocation.
        request_id: String,
        /// The connection that the event is about.
        connection_id: String,
        /// The event's route.
        route: Route,
    },
    /// Gateway: a connection has ended, whoever ended it.
    Closed {
        /// The connection.
        connection_id: String,
        /// The WebSocket close code; 1005 when the client gave none, 1006 when it vanished.
        code: u16,
        /// The reason beside the code.
        reason: String,
    },

    /// Runtime API: the function asks for its next event.
    NextPolled,
    /// Runtime API: an event was handed to the function.
    Invoked {
        /// The Lambda request id.
        request_id: String,
        /// The connection that the event is about.
        connection_id: String,
        /// The event's route.
        route: Route,
    },
    /// Runtime API: the function answered an event.
    Responded {
        /// The Lambda request id.
        request_id: String,
        /// The `statusCode` of the answer; `None` when it is not an answer that API Gateway understands.
        status: Option<u16>,
        /// Whether the gateway had given up waiting.
        late: bool,
    },
    /// Runtime API: the function failed on an event.
    InvocationError {
        /// The Lambda request id.
        request_id: String,
        /// The function's name for the kind of error.
        error_type: String,
        /// The function's description.
        message: String,
    },
    /// Runtime API: the function could not start.
    InitError {
        /// The function's name for the kind of error.
        error_type: String,
        /// The function's description.
        message: String,
    },

    /// Callbacks: the function posted to a connection.
    Posted {
        /// The connection.
        connection_id: String,
        /// The length of the data.
        bytes: usize,
        /// The HTTP status of the answer.
        status: u16,
        /// The data, unless it was over the limit.
        data: Bytes,
    },
    /// Callbacks: the function asked about a connection.
    Inspected {
        /// The connection.
        connection_id: String,
        /// The HTTP status of the answer.
        status: u16,
    },
    /// Callbacks: the function ended a connection.
    Deleted {
        /// The connection.
        connection_id: String,
        /// The HTTP status of the answer.
        status: u16,
    },

    /// Something goes wrong on purpose.
    FaultInjected {
        /// What.
        kind: FaultKind,
        /// The connection or, of a refusal of the agent, Bedrock's session.
        subject: String,
    },

    /// Agent: it was invoked.
    AgentInvoked {
        /// Bedrock's session.
        session_id: String,
        /// The JSON body of the request.
        request: Value,
    },
    /// Agent: it answered with an exception instead of a stream.
    AgentRefused {
        /// Bedrock's session.
        session_id: String,
        /// The HTTP status.
        status: u16,
        /// The exception, such as `validationException`.
        exception: String,
        /// Its message.
        message: String,
    },
    /// Agent: a chunk of text went out.
    AgentChunk {
        /// Bedrock's session.
        session_id: String,
        /// Counts the chunks of this answer from 1.
        n: usize,
    },
    /// Agent: a trace event went out.
    AgentTrace {
        /// Bedrock's session.
        session_id: String,
    },
    /// Agent: an answer has ended, with an exception or without.
    AgentFinished {
        /// Bedrock's session.
        session_id: String,
        /// The number of chunks of text.
        chunks: usize,
        /// The number of all events.
        events: usize,
        /// The exception that ended it, such as `throttlingException`.
        exception: Option<String>,
    },
    /// Agent: it asked its caller to act.
    AgentReturnedControl {
        /// Bedrock's session.
        session_id: String,
        /// The id that the caller's answer has to name.
        invocation_id: String,
        /// The number of calls.
        calls: usize,
    },
    /// Agent: it broke an answer off, as its scenario wants it.
    AgentBroke {
        /// Bedrock's session.
        session_id: String,
        /// The number of chunks of text that had gone out.
        chunks: usize,
        /// What broke.
        how: &'static str,
    },
    /// Agent: the caller closed the stream before its end.
    AgentDropped {
        /// Bedrock's session.
        session_id: String,
        /// The number of chunks of text that had gone out.
        chunks: usize,
    },

    /// Wire: a connection was accepted.
    WireOpened {
        /// The wire.
        wire: WireName,
        /// Counts the connections of this wire from 1.
        connection: u64,
    },
    /// Wire: something happens to a connection on purpose.
    WireFault {
        /// The wire.
        wire: WireName,
        /// The connection's number.
        connection: u64,
        /// What.
        fault: WireFault,
    },
    /// Wire: a connection has ended, whoever ended it.
    WireClosed {
        /// The wire.
        wire: WireName,
        /// The connection's number.
        connection: u64,
    },

    /// The function: its process has started.
    FunctionStarted {
        /// The id of the process.
        pid: u32,
    },
    /// The function: from now on it has only a share of the CPU, before its first event.
    FunctionHeldBack {
        /// The id of the process.
        pid: u32,
        /// The CPU time that it has in each period, in microseconds.
        quota_us: u64,
        /// The period, in microseconds.
        period_us: u64,
    },
    /// The function: its process has stopped, as between two events on Lambda.
    FunctionFrozen {
        /// The id of the process.
        pid: u32,
    },
    /// The function: its process goes on.
    FunctionThawed {
        /// The id of the process.
        pid: u32,
    },
    /// The function: a line of its output.
    FunctionLog {
        /// The line, without its end.
        line: String,
    },
    /// The function: its process has ended, though nobody stopped it.
    FunctionExited {
        /// How, in words.
        status: String,
    },
}

/// A reader that sees every entry once, in order.
#[derive(Debug)]
pub struct Follower {
    journal: Journal,
    newest: watch::Receiver<u64>,
    next: u64,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<Kept>,
    /// The number of entries so far; readers sleep on it.
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kept {
    records: VecDeque<Record>,
    capacity: usize,
    next: u64,
}

impl Journal {
    /// An empty journal that keeps the newest `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let kept = Kept { records: VecDeque::new(), capacity: capacity.max(1), next: 0 };
        Self { shared: Arc::new(Shared { kept: Mutex::new(kept), newest: watch::Sender::new(0) }) }
    }

    /// All entries that are still kept, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.kept().records.iter().cloned().collect()
    }

    /// What happened in all entries that are still kept, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.kept().records.iter().map(|record| record.entry.clone()).collect()
    }

    /// The first entry that fits, from the oldest one kept; waits until there is one.
    pub async fn wait_for(&self, fits: impl FnMut(&Entry) -> bool) -> Record {
        self.follow_from(0).find(fits).await
    }

    /// The first entry after `index` that fits; waits until there is one.
    pub async fn wait_for_after(&self, index: u64, fits: impl FnMut(&Entry) -> bool) -> Record {
        self.follow_from(index.saturating_add(1)).find(fits).await
    }

    /// A reader of all entries, from the oldest one kept.
    #[must_use]
    pub fn follow(&self) -> Follower {
        self.follow_from(0)
    }

    /// A reader of all entries that are still to come.
    #[must_use]
    pub fn follow_from_now(&self) -> Follower {
        let next = self.kept().next;
        self.follow_from(next)
    }

    pub(crate) fn record(&self, entry: Entry) {
        let newest = {
            let mut kept = self.kept();
            if kept.records.len() == kept.capacity {
                kept.records.pop_front();
            }
            let index = kept.next;
            kept.next += 1;
            let record = Record { index, time: SystemTime::now(), at: Instant::now(), entry };
            kept.records.push_back(record);
            kept.next
        };
        // Two writers may come here in the other order: the count must not go back.
        self.shared.newest.send_if_modified(|seen| {
            let newer = newest > *seen;
            *seen = newest.max(*seen);
            newer
        });
    }

    fn follow_from(&self, index: u64) -> Follower {
        let newest = self.shared.newest.subscribe();
        Follower { journal: self.clone(), newest, next: index }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere cannot leave the list half written, so its content is still good.
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// The next entry; waits until there is one. Entries that were forgotten before they were read
    /// are skipped, which shows in [`Record::index`].
    pub async fn next(&mut self) -> Record {
        loop {
            // The mark comes before the look, so an entry recorded in between wakes the wait.
            self.newest.borrow_and_update();
            if let Some(record) = self.try_next() {
                return record;
            }
            // The sender lives in the journal that this reader holds, so this cannot fail.
            let _ = self.newest.changed().await;
        }
    }

    /// The next entry, if there is one already.
    pub fn try_next(&mut self) -> Option<Record> {
        let kept = self.journal.kept();
        let oldest = kept.next - kept.records.len() as u64;
        let position = usize::try_from(self.next.max(oldest) - oldest).ok()?;
        let record = kept.records.get(position).cloned()?;
        self.next = record.index + 1;
        Some(record)
    }

    async fn find(&mut self, mut fits: impl FnMut(&Entry) -> bool) -> Record {
        loop {
            let record = self.next().await;
            if fits(&record.entry) {
                return record;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: usize) -> Entry {
        Entry::FunctionLog { line: n.to_string() }
    }

    #[tokio::test]
    async fn a_waiter_finds_what_happened_before_it_came_and_what_happens_after() {
        let journal = Journal::new(10);
        journal.record(line(0));
        assert_eq!(journal.wait_for(|entry| *entry == line(0)).await.index, 0);

        let waiting = journal.wait_for(|entry| *entry == line(1));
        let (record, ()) = tokio::join!(waiting, async { journal.record(line(1)) });
        assert_eq!(record.index, 1);
    }

    #[tokio::test]
    async fn a_reader_from_now_on_sees_nothing_older() {
        let journal = Journal::new(3);
        journal.record(line(0));
        let mut follower = journal.follow_from_now();
        assert!(follower.try_next().is_none());
        journal.record(line(1));
        assert_eq!(follower.next().await.entry, line(1));
    }

    #[tokio::test]
    async fn a_full_journal_forgets_the_oldest_and_readers_go_on() {
        let journal = Journal::new(3);
        let mut follower = journal.follow();
        for n in 0..10 {
            journal.record(line(n));
        }
        assert_eq!(journal.records().len(), 3);
        assert_eq!(follower.next().await.entry, line(7));
        assert_eq!(follower.next().await.index, 8);
    }
}
