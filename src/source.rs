//! The seam to where answers come from: whoever says [`Event`]s can be relayed.
//!
//! | Source | asks |
//! |---|---|
//! | [`bedrock_agent`] | a Bedrock agent, by `InvokeAgent` |
//!
//! A source knows no frame and no connection. It reads its own part of a client's message
//! ([`Options`]), says what it can't take before anything is called, and turns what its service sends
//! into events. `event_stream` and `payload` read what AWS's services have in common on the wire.

use tokio_stream::Stream;

use crate::error::Failure;
use crate::request::{Options, Run};

pub use crate::source::event::{Event, Raw, ResultKind, ToolCall, Usage};

pub mod bedrock_agent;
pub mod event;
pub mod event_stream;
mod payload;

/// Who is asked.
pub trait Source {
    /// What it reads of a client's message besides what all sources have in common.
    type Options: Options;

    /// A run that can be begun.
    type Call: Send + 'static;

    /// Makes a call of a run, and sends nothing.
    ///
    /// # Errors
    /// The run asks for something that this source can't take.
    fn prepare(&self, run: &Run<Self::Options>) -> Result<Self::Call, Failure>;

    /// Calls. The stream does nothing until it is polled, ends after the last event or with the first
    /// error, and frees the source when it is dropped.
    fn invoke(
        &self,
        call: Self::Call,
    ) -> impl Stream<Item = Result<Event, Failure>> + Send + 'static;
}
