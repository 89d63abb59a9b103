//! The seam to the table of runs: what a joiner needs of it.

use crate::runs::error::RunsError;
use crate::runs::item::{Item, RunAddress, Update};

/// Has the items of runs.
pub trait Table {
    /// The item at this address as it is now; `None` if there is none, or if it has expired.
    fn read(
        &self,
        address: &RunAddress,
    ) -> impl Future<Output = Result<Option<Item>, RunsError>> + Send;

    /// Makes a change in one step, if the item allows it. Whether it did: not if there is no item either.
    fn update(
        &self,
        address: &RunAddress,
        update: Update,
    ) -> impl Future<Output = Result<bool, RunsError>> + Send;
}
