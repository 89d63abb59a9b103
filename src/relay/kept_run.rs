//! A run that is kept while it is under way: what it has said, what is still to be written, and what its
//! item says.
//!
//! Writes are made one after the other, beside the posts: the beginning, each join that is taken, the
//! journal, and the end. None is waited for by a frame.

use std::collections::VecDeque;

use tokio::task::yield_now;
use tracing::{debug, warn};

use crate::error::chain;
use crate::relay::delivery::{Change, Delivery, Destination};
use crate::relay::journal::Journal;
use crate::relay::journal::kept::Lines;
use crate::relay::keeper::Keeper;
use crate::relay::outbox::Outbox;
use crate::runs::error::RunsError;
use crate::runs::item::{Item, KeptJournal, Update};
use crate::transport::SendError;

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Write {
    /// That the run has begun.
    Start,
    /// That the newest join is served.
    Take,
    /// What the run has said.
    Journal,
    /// That the run has ended, and where its journal is.
    End { journal: KeptJournal },
}

/// A write, with all that it takes.
#[derive(Debug)]
pub(super) enum Job {
    Start,
    Update(Update),
    /// The journal; the beginning before it, if that has failed.
    Journal {
        lines: Lines,
        with_start: bool,
    },
}

/// What has become of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is made.
    Made,
    /// The item does not allow it.
    Refused,
    /// The journal is kept, or goes with the end.
    Journal { journal: KeptJournal },
}

impl Job {
    /// Carries it out.
    pub(super) async fn carry_out<K: Keeper>(self, keeper: &K) -> Result<Written, RunsError> {
        Ok(match self {
            Self::Start => {
                keeper.start().await?;
                Written::Made
            }
            Self::Update(update) => {
                if keeper.update(update).await? {
                    Written::Made
                } else {
                    Written::Refused
                }
            }
            Self::Journal { lines, with_start } => {
                if with_start {
                    keeper.start().await?;
                }
                // The last post need not wait for this: now its connection, which is a task of its own, sends it.
                yield_now().await;
                Written::Journal { journal: keeper.put_journal(lines.to_parts()).await? }
            }
        })
    }
}

/// How far something is that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Its time has not come.
    NotYet,
    /// It is being written, or is about to be.
    UnderWay,
    Written,
    Failed,
}

/// How a run was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How often it has gone on over another connection.
    pub joins: u64,
    /// Whether it can be joined from now on.
    pub is_kept: bool,
    /// Whether nobody was there at its end.
    pub is_alone: bool,
}

/// A run that is kept.
pub(super) struct KeptRun {
    delivery: Delivery,
    writes: VecDeque<Write>,
    writing: Option<Write>,
    start: Progress,
    end: Progress,
    /// Whether it is not known that the table knows of the newest join being served.
    is_untaken: bool,
    joins: u64,
    /// How often its beginning could not be written.
    failed_starts: u32,
    /// Whether its item was read when it was looked at last.
    is_watched: bool,
    is_lost: bool,
    /// Why the client could not be told, if it is there.
    undelivered: Option<SendError>,
}

impl KeptRun {
    pub(super) fn new(journal: Journal, destination: Destination) -> Self {
        Self {
            delivery: Delivery::new(journal, destination),
            writes: VecDeque::new(),
            writing: None,
            start: Progress::NotYet,
            end: Progress::NotYet,
            is_untaken: false,
            joins: 0,
            failed_starts: 0,
            is_watched: true,
            is_lost: false,
            undelivered: None,
        }
    }

    /// Where the frames go.
    pub(super) fn destination(&self) -> Option<&Destination> {
        self.delivery.destination()
    }

    /// Whether nobody is there.
    pub(super) fn is_alone(&self) -> bool {
        self.delivery.destination().is_none()
    }

    /// Whether the run has gone over to another connection.
    pub(super) fn has_moved(&self) -> bool {
        self.joins > 0
    }

    /// Whether the run was taken to be lost, and its client told so.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Whether all that was said has been cut into frames for the journal: nothing can be added.
    pub(super) fn is_frozen(&self) -> bool {
        self.end != Progress::NotYet
    }

    /// Whether whoever is not served any more can join.
    pub(super) fn is_written(&self) -> bool {
        self.end == Progress::Written
    }

    /// Whether nothing more is to be done for a run of which no more is to be expected.
    pub(super) fn is_over(&self) -> bool {
        let is_written = matches!(self.end, Progress::Written | Progress::Failed);
        self.is_lost || (is_written && (self.is_alone() || self.delivery.is_drained()))
    }

    /// Whether the run has been written, or is about to be.
    pub(super) fn has_begun(&self) -> bool {
        self.start != Progress::NotYet
    }

    /// Whether the item is to be looked at, also where it is not known whether there is one.
    pub(super) fn is_to_be_watched(&self) -> bool {
        let may_be_there = matches!(self.start, Progress::Written | Progress::Failed);
        may_be_there && !self.delivery.is_closed()
    }

    /// The next frame to be posted, if somebody is there; from `outbox` when all before has been posted.
    pub(super) fn next_post(&mut self, outbox: &mut Outbox) -> Option<Vec<u8>> {
        if !self.is_alone()
            && self.delivery.is_drained()
            && let Some(cut) = outbox.cut()
        {
            self.delivery.push(cut);
        }
        self.delivery.next_post()
    }

    /// Keeps what waits while nobody is there to whom it could be posted, and when the run `has_ended`: then
    /// nothing will be added to it, and it is written.
    pub(super) fn freeze(&mut self, outbox: &mut Outbox, has_ended: bool) {
        if self.is_lost || !(has_ended || self.is_alone()) {
            return;
        }
        while let Some(cut) = outbox.cut() {
            self.delivery.push(cut);
        }
        if has_ended && self.end == Progress::NotYet {
            self.begin();
            self.end = Progress::UnderWay;
            self.writes.push_back(Write::Journal);
        }
    }

    /// Keeps that the run has begun, unless that is done already.
    pub(super) fn begin(&mut self) {
        if self.start == Progress::NotYet {
            self.start = Progress::UnderWay;
            self.writes.push_back(Write::Start);
        }
    }

    pub(super) fn on_posted(&mut self) {
        self.delivery.on_posted();
        // Behind the first post, so that neither this nor the agent waits for it.
        self.begin();
    }

    /// What was being posted and written is lost. It can be done again.
    pub(super) fn on_panic(&mut self) {
        self.delivery.on_unposted();
        if let Some(write) = self.writing.take() {
            self.writes.push_front(write);
        }
    }

    /// The client has gone, or can't be told. The run goes on alone.
    pub(super) fn on_gone(&mut self, error: SendError) {
        self.delivery.on_gone();
        self.undelivered = match error {
            SendError::Gone => None,
            SendError::Refused(_) => Some(error),
        };
        self.begin();
    }

    /// Why the client could not be told, if it is there.
    pub(super) fn take_undelivered(&mut self) -> Option<SendError> {
        self.undelivered.take()
    }

    /// The next write, if there is one and none is under way.
    pub(super) fn next_job(&mut self, keeper: &impl Keeper) -> Option<Job> {
        if self.writing.is_some() || self.is_lost {
            return None;
        }
        let write = self.writes.pop_front()?;
        self.writing = Some(write.clone());
        Some(match write {
            Write::Start => Job::Start,
            Write::Take => Job::Update(Update::Take { generation: self.delivery.generation() }),
            Write::Journal => {
                let lines = self.delivery.journal().to_lines();
                Job::Journal { lines, with_start: self.start != Progress::Written }
            }
            Write::End { journal } => Job::Update(self.delivery.close(journal, keeper.expires())),
        })
    }

    /// What has become of the write.
    pub(super) fn on_written(&mut self, written: Result<Written, RunsError>) {
        let Some(write) = self.writing.take() else { return };
        let error = match written {
            // The run was given up by somebody who joined, or its item has gone.
            Ok(Written::Refused) if matches!(write, Write::End { .. }) => {
                warn!("the run's end is not kept: it was taken to be lost before");
                self.end = Progress::Failed;
                return;
            }
            Ok(Written::Journal { journal }) => {
                self.start = Progress::Written;
                self.writes.push_back(Write::End { journal });
                return;
            }
            // Why an item does not allow it, the next look at it tells.
            Ok(Written::Made | Written::Refused) => None,
            Err(error) => Some(error),
        };
        if let Some(error) = &error {
            let error = chain(error);
            match write {
                Write::Start if self.failed_starts > 0 => {
                    debug!(error, "the run's beginning is not kept");
                }
                // It is tried again after the next look.
                Write::Start => {
                    warn!(error, "the run can't be joined yet: its beginning is not kept");
                }
                Write::Take => {
                    warn!(error, "the table does not know that a client is served again");
                }
                Write::Journal | Write::End { .. } => {
                    warn!(error, "the run can't be joined later: its end is not kept");
                }
            }
        }
        let progress = if error.is_none() { Progress::Written } else { Progress::Failed };
        match write {
            Write::Start => {
                self.start = progress;
                self.failed_starts += u32::from(progress == Progress::Failed);
            }
            Write::Take => self.is_untaken = error.is_some(),
            Write::Journal | Write::End { .. } => self.end = progress,
        }
    }

    /// What has changed in the item.
    pub(super) fn on_item(&mut self, item: Result<Option<Item>, RunsError>) -> Vec<Change> {
        let item = match item {
            Ok(item) => item,
            // It is looked at each second: once is enough.
            Err(error) => {
                let error = chain(&error);
                if self.is_watched {
                    warn!(error, "the run's item can't be read: nobody can join or stop it now");
                } else {
                    debug!(error, "the run's item can't be read");
                }
                self.is_watched = false;
                return Vec::new();
            }
        };
        self.is_watched = true;
        let Some(item) = item else {
            if self.start == Progress::Failed {
                self.start = Progress::UnderWay;
                self.writes.push_back(Write::Start);
            }
            return Vec::new();
        };
        // Also where the answer to that was lost.
        self.start = Progress::Written;
        let changes = self.delivery.on_item(&item);
        for change in &changes {
            match change {
                Change::Lost => self.is_lost = true,
                Change::Moved { .. } => {
                    self.joins += 1;
                    self.undelivered = None;
                    self.take();
                }
                Change::Taken { .. } => self.take(),
                Change::Stop => {}
            }
        }
        // Whoever joined is still waiting to hear that.
        if self.is_untaken && !self.is_lost {
            self.take();
        }
        changes
    }

    fn take(&mut self) {
        self.is_untaken = false;
        if !self.writes.contains(&Write::Take) {
            self.writes.push_back(Write::Take);
        }
    }

    /// How it was kept.
    pub(super) fn kept(&self) -> Kept {
        Kept { joins: self.joins, is_kept: self.is_written(), is_alone: self.is_alone() }
    }
}
