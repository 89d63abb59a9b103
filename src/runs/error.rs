//! What can go wrong with the table of runs. None of it reaches the answer of a run that is under way.

use std::error::Error;

use thiserror::Error;

use crate::relay::journal::kept::UnreadableJournal;

/// What can go wrong with the table of runs.
#[derive(Debug, Error)]
pub enum RunsError {
    /// There is no such table.
    #[error(
        "there is no table of runs of the name that RUNS_TABLE has, in the Region of the function"
    )]
    NoTable(#[source] BoxError),
    /// The function lacks a right.
    #[error("the function's role needs dynamodb:{operation} on the table of runs")]
    AccessDenied {
        /// What was not allowed.
        operation: &'static str,
        /// What the table said.
        source: BoxError,
    },
    /// The table takes no more for the moment.
    #[error("the table of runs refused {operation} each time, since it gets too many requests")]
    Throttled {
        /// What was refused.
        operation: &'static str,
        /// What the table said.
        source: BoxError,
    },
    /// There was no answer.
    #[error("the table of runs did not answer {operation}")]
    NoAnswer {
        /// What was asked.
        operation: &'static str,
        /// Why.
        source: BoxError,
    },
    /// The table refused, and will again.
    #[error("the table of runs refused {operation}")]
    Refused {
        /// What was refused.
        operation: &'static str,
        /// What the table said.
        source: BoxError,
    },
    /// An item is not what this function writes.
    #[error("an item in the table of runs can't be read: {0}")]
    UnreadableItem(String),
    /// A part of a kept run is not there.
    #[error("part {0} of a kept run is not in the table of runs")]
    MissingPart(u32),
    /// The parts are there, and are no journal.
    #[error("a kept run can't be read")]
    UnreadableJournal(#[from] UnreadableJournal),
}

/// A cause.
pub type BoxError = Box<dyn Error + Send + Sync>;
