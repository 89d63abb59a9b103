//! The journal: everything that happens in the local AWS, in order.
//!
//! Tests wait for entries of it instead of sleeping, and the log lines of the binary are printed
//! from it.

mod entry;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;
use tokio::time::Instant;

pub use entry::{Entry, HarnessEnd, HttpResponseEnd, Record};

/// The record of everything that happened, shared by all parts of the local AWS.
///
/// It keeps the newest entries up to its capacity and forgets older ones.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
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
    ring: Mutex<Ring>,
    /// The number of entries so far; readers sleep on it.
    newest: watch::Sender<u64>,
}

/// The newest records, and how many there have been.
#[derive(Debug)]
struct Ring {
    records: VecDeque<Record>,
    capacity: usize,
    next: u64,
}

impl Journal {
    /// An empty journal that keeps the newest `capacity` entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let ring = Ring { records: VecDeque::new(), capacity: capacity.max(1), next: 0 };
        Self { shared: Arc::new(Shared { ring: Mutex::new(ring), newest: watch::Sender::new(0) }) }
    }

    /// All entries that are still kept, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.ring().records.iter().cloned().collect()
    }

    /// What happened in all entries that are still kept, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.ring().records.iter().map(|record| record.entry.clone()).collect()
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
        let next = self.ring().next;
        self.follow_from(next)
    }

    /// Notes that something has happened, just now.
    pub(crate) fn record(&self, entry: Entry) {
        let newest = {
            let mut ring = self.ring();
            if ring.records.len() == ring.capacity {
                ring.records.pop_front();
            }
            let index = ring.next;
            ring.next += 1;
            let record = Record { index, time: SystemTime::now(), at: Instant::now(), entry };
            ring.records.push_back(record);
            ring.next
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

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // A panic elsewhere cannot leave the list half written.
        self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// The next entry; waits until there is one. Entries that were forgotten before they were read
    /// are skipped, which shows in [`Record::index`].
    pub async fn next(&mut self) -> Record {
        loop {
            // Marked as seen before the look, so that an entry recorded in between ends the wait.
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
        let ring = self.journal.ring();
        let oldest = ring.next - ring.records.len() as u64;
        let position = usize::try_from(self.next.max(oldest) - oldest).ok()?;
        let record = ring.records.get(position).cloned()?;
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
