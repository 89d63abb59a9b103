//! Where the frames of a run go, and how far they have come there: over one connection, then over another
//! that a client joins with, or nowhere, while nobody is there.
//!
//! Without a clock, a connection and a table, so that a model can try all that may happen: the relay does
//! what is asked for here, and says what became of it.

use crate::invocation::ConnectionRef;
use crate::relay::cut::{Cut, CutKind};
use crate::relay::journal::{Journal, Replayed};
use crate::runs::item::{Item, KeptJournal, Update};

/// Where frames go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Into the response over HTTP that the run began with.
    Response,
    /// To a connection of a WebSocket API.
    Connection(ConnectionRef),
}

/// What has changed in the item of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The run was taken to be lost, and the client has been told so: it ends, and nothing is kept.
    Lost,
    /// The run is to end.
    Stop,
    /// The frames go to another destination from now on. What was in flight has been given up.
    Moved {
        /// Where they went before; `None` if nobody was there.
        from: Option<LeftBehind>,
        /// The number of the join, which the relay is to say that it has taken.
        generation: u64,
        /// Whether all that the client wants is still here. If not, the first frame shows the gap.
        is_complete: bool,
    },
    /// A join that is served already: the relay is to say that it has taken it.
    Taken {
        /// The number of the join.
        generation: u64,
    },
}

/// A destination that the frames no longer go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// Where they went.
    pub destination: Destination,
    /// The number of the last frame that has certainly arrived, `after` in a last frame for it; −1 if none.
    pub after: i64,
    /// A number that no frame has that may have arrived there: that of a last frame for it.
    pub seq: u64,
}

/// The frames of a run on their way.
#[derive(Clone, Debug)]
pub struct Delivery {
    journal: Journal,
    /// The newest frame as it was cut, with its number, unless it is posted in fragments: most of the time,
    /// this is what is posted next, and need not be made again.
    newest: Option<(u64, Vec<u8>)>,
    /// Nobody is there with `None`: frames are kept, and posted to nobody.
    destination: Option<Destination>,
    /// The number of the first frame that has not arrived.
    next_seq: u64,
    /// What `next_seq` becomes when the post in flight has arrived.
    in_flight: Option<u64>,
    /// The same of a post that may have arrived: it is made again as it was, or its client would get a part
    /// of a longer one twice.
    unposted: Option<u64>,
    /// The newest join that is served.
    generation: u64,
    /// Whether changes of the item no longer count, since the end has been written or is on its way.
    is_closed: bool,
}

impl Delivery {
    /// A run that begins, whose frames go there.
    #[must_use]
    pub fn new(journal: Journal, destination: Destination) -> Self {
        Self {
            journal,
            newest: None,
            destination: Some(destination),
            next_seq: 0,
            in_flight: None,
            unposted: None,
            generation: 0,
            is_closed: false,
        }
    }

    /// What the run has said.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Where the frames go.
    #[must_use]
    pub fn destination(&self) -> Option<&Destination> {
        self.destination.as_ref()
    }

    /// Keeps a frame. It is posted in its turn, if somebody is there.
    pub fn push(&mut self, cut: Cut) {
        self.journal.push(&cut);
        let is_whole = !matches!(cut.kind, CutKind::Fragmented { .. });
        self.newest = is_whole.then_some((cut.seq, cut.json));
        let wanted =
            if self.destination.is_some() { self.next_seq } else { self.journal.next_seq() };
        self.journal.forget_oldest(wanted);
    }

    /// Whether nothing waits that has been cut: the next frame may be.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let has_waiting = self.destination.is_some() && self.journal.has_frame_from(self.next_seq);
        self.in_flight.is_none() && !has_waiting
    }

    /// The frame to post now; `None` if there is none, if one is in flight, or if nobody is there.
    pub fn next_post(&mut self) -> Option<Vec<u8>> {
        let destination = self.destination.as_ref().filter(|_| self.in_flight.is_none())?;
        let whole = *destination == Destination::Response;
        let before = self.unposted.take().unwrap_or(u64::MAX);
        let next_seq = self.next_seq;
        let Replayed { frame, next_seq } = match self.newest.take_if(|(seq, _)| *seq == next_seq) {
            Some((seq, frame)) => Replayed { frame, next_seq: seq + 1 },
            None => self.journal.frame_between(next_seq, before, whole)?,
        };
        self.in_flight = Some(next_seq);
        Some(frame)
    }

    /// The post in flight has arrived.
    pub fn on_posted(&mut self) {
        if let Some(next_seq) = self.in_flight.take() {
            self.next_seq = next_seq;
        }
    }

    /// It is not known what has become of the post in flight: the same is posted again.
    pub fn on_unposted(&mut self) {
        self.unposted = self.in_flight.take();
    }

    /// The newest join that is served.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether changes of the item no longer count.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The client has gone. The run goes on alone.
    pub fn on_gone(&mut self) {
        self.destination = None;
        self.in_flight = None;
        self.unposted = None;
    }

    /// What has changed in the item, in the order in which it is to be attended to.
    pub fn on_item(&mut self, item: &Item) -> Vec<Change> {
        if self.is_closed {
            return Vec::new();
        }
        let connection = match &self.destination {
            Some(Destination::Connection(connection)) => Some(connection),
            Some(Destination::Response) | None => None,
        };
        let news = item.news(self.generation, connection);
        if news.is_lost {
            self.on_gone();
            self.is_closed = true;
            return vec![Change::Lost];
        }
        let mut changes = Vec::new();
        if let Some(join) = news.join {
            self.generation = join.generation;
            changes.push(match join.moved_to {
                None => Change::Taken { generation: join.generation },
                Some(joined) => {
                    let from = self.leave_behind();
                    // Nobody has what was never cut, whatever they say.
                    self.next_seq = joined.first_seq().min(self.journal.next_seq());
                    self.destination = Some(Destination::Connection(joined.connection));
                    let is_complete = self.journal.has(self.next_seq);
                    Change::Moved { from, generation: join.generation, is_complete }
                }
            });
        }
        if news.is_to_stop {
            changes.push(Change::Stop);
        }
        changes
    }

    fn leave_behind(&mut self) -> Option<LeftBehind> {
        let in_flight = self.in_flight.take().or(self.unposted.take());
        let destination = self.destination.take()?;
        let after = i64::try_from(self.next_seq).unwrap_or(i64::MAX) - 1;
        Some(LeftBehind { destination, after, seq: in_flight.unwrap_or(self.next_seq) })
    }

    /// That the run has ended, for its item: what is kept, and which join is served to the end. From now on
    /// changes of the item no longer count. All that waits must have been cut.
    pub fn close(&mut self, journal: KeptJournal, expires: u64) -> Update {
        self.is_closed = true;
        Update::End { journal, generation: self.generation, expires }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agui::{Frame, RunIds};
    use crate::relay::journal::ROOM_FOR_AFTER;
    use crate::relay::outbox::Outbox;

    /// A run that has begun, and what it says.
    fn begun() -> (Delivery, impl FnMut(&mut Delivery, &str)) {
        let ids = RunIds::default();
        let mut outbox = Outbox::new(ids.clone(), Some(1000 - ROOM_FOR_AFTER));
        let connection = Destination::Connection(ConnectionRef::default());
        let mut delivery = Delivery::new(Journal::new(ids, 1000), connection);
        outbox.push(Frame::RunStarted);
        delivery.push(outbox.cut().unwrap());
        assert!(post(&mut delivery).contains("RUN_STARTED"));
        delivery.on_posted();
        let say = move |delivery: &mut Delivery, text: &str| {
            let delta = text.to_owned();
            outbox.push(Frame::Text { message_id: "message-1".into(), delta });
            while let Some(cut) = outbox.cut() {
                delivery.push(cut);
            }
        };
        (delivery, say)
    }

    fn post(delivery: &mut Delivery) -> String {
        String::from_utf8(delivery.next_post().unwrap()).unwrap()
    }

    #[test]
    fn what_may_have_arrived_is_posted_again_as_it_was() {
        let (mut delivery, mut say) = begun();
        say(&mut delivery, "one ");
        let posted = post(&mut delivery);
        assert!(posted.contains("one "), "{posted}");
        say(&mut delivery, "two ");
        say(&mut delivery, "three ");
        delivery.on_unposted();
        assert_eq!(post(&mut delivery), posted);
        delivery.on_posted();
        let rest = post(&mut delivery);
        assert!(rest.contains("two three "), "{rest}");
    }

    #[test]
    fn what_waits_longest_is_posted_first_and_the_newest_frame_once() {
        let (mut delivery, mut say) = begun();
        say(&mut delivery, "one ");
        say(&mut delivery, "two ");
        let both = post(&mut delivery);
        assert!(both.contains("one two "), "{both}");
        delivery.on_posted();
        assert!(delivery.next_post().is_none());
        say(&mut delivery, "three ");
        let third = post(&mut delivery);
        assert!(third.contains("three ") && !third.contains("after"), "{third}");
        delivery.on_posted();
        assert!(delivery.next_post().is_none());
    }
}
