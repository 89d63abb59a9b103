//! The seam to where a run is kept while it is under way, and to the connections that it is joined from.

use crate::invocation::ConnectionRef;
use crate::runs::error::{BoxError, RunsError};
use crate::runs::item::{Item, KeptJournal, Update};
use crate::transport::{FrameSink, Outgoing, SendError};

/// Keeps one run. What goes wrong never reaches the client's answer.
pub trait Keeper {
    /// A connection that the run can go on over.
    type Connection: FrameSink + Clone;

    /// A connection that somebody joins from.
    ///
    /// # Errors
    /// It can't be reached from here.
    fn connect(&self, to: &ConnectionRef) -> Result<Self::Connection, BoxError>;

    /// Keeps that the run has begun. Made again, it changes nothing.
    fn start(&self) -> impl Future<Output = Result<(), RunsError>> + Send;

    /// The run's item, perhaps a little out of date.
    fn watch(&self) -> impl Future<Output = Result<Option<Item>, RunsError>> + Send;

    /// Makes a change in one step, if the item allows it. Whether it did.
    fn update(&self, update: Update) -> impl Future<Output = Result<bool, RunsError>> + Send;

    /// Keeps the parts of the run's journal, or leaves them to the end that is written next if they are
    /// small. Where they are from then on.
    fn put_journal(
        &self,
        parts: Vec<Vec<u8>>,
    ) -> impl Future<Output = Result<KeptJournal, RunsError>> + Send;

    /// When a run that ends now counts as gone, in seconds since 1970.
    fn expires(&self) -> u64;
}

/// Keeps no run: there is none of these.
#[derive(Clone, Copy, Debug)]
pub enum NoKeeper {}

impl Keeper for NoKeeper {
    type Connection = Self;

    fn connect(&self, _: &ConnectionRef) -> Result<Self, BoxError> {
        match *self {}
    }

    async fn start(&self) -> Result<(), RunsError> {
        match *self {}
    }

    async fn watch(&self) -> Result<Option<Item>, RunsError> {
        match *self {}
    }

    async fn update(&self, _: Update) -> Result<bool, RunsError> {
        match *self {}
    }

    async fn put_journal(&self, _: Vec<Vec<u8>>) -> Result<KeptJournal, RunsError> {
        match *self {}
    }

    fn expires(&self) -> u64 {
        match *self {}
    }
}

impl FrameSink for NoKeeper {
    fn max_frame(&self) -> Option<usize> {
        match *self {}
    }

    async fn send(&self, _: Outgoing) -> Result<u32, SendError> {
        match *self {}
    }
}
