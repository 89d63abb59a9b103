//! The seam to where answers come from: whoever says [`Event`]s can be relayed.
//!
//! | Source | asks |
//! |---|---|
//! | [`bedrock_agent`] | a Bedrock agent, by `InvokeAgent` |
//! | [`agentcore_runtime`] | an agent on a runtime of Bedrock `AgentCore`, by `InvokeAgentRuntime` |
//! | [`agentcore_harness`] | a harness of Bedrock `AgentCore`, by `InvokeHarness` |
//!
//! A source knows no frame and no connection. It reads its own part of a client's message
//! ([`Options`]), says what it can't take before anything is called, and turns what its service sends
//! into events. `call` and `event_stream` have what AWS's services have in common on the wire.

use std::fmt;

use futures::future::BoxFuture;
use tokio::time::Instant;
use tokio_stream::Stream;

use crate::error::Failure;
use crate::request::files::InputFile;
use crate::request::{Options, Run};

pub use crate::source::event::{
    AguiEvent, Event, FinishedToolCall, Raw, ResultKind, ToolCall, Usage,
};

mod agentcore;
pub mod agentcore_harness;
pub mod agentcore_runtime;
pub mod bedrock_agent;
pub(crate) mod call;
pub mod event;
pub mod event_stream;

/// The files of a run, which are read once they are wanted: nobody needs a table before the run has begun.
#[derive(Default)]
pub struct FilesToCome(Option<BoxFuture<'static, Result<Vec<InputFile>, Failure>>>);

impl FilesToCome {
    /// The files that this gives.
    #[must_use]
    pub fn new(
        files: impl Future<Output = Result<Vec<InputFile>, Failure>> + Send + 'static,
    ) -> Self {
        Self(Some(Box::pin(files)))
    }

    /// Reads them.
    ///
    /// # Errors
    /// One can't be had.
    pub async fn read(self) -> Result<Vec<InputFile>, Failure> {
        match self.0 {
            Some(files) => files.await,
            None => Ok(Vec::new()),
        }
    }
}

impl fmt::Debug for FilesToCome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "files" } else { "no files" })
    }
}

/// Who is asked.
pub trait Source {
    /// What it reads of a client's message besides what all sources have in common.
    type Options: Options;

    /// A run that can be begun.
    type Call: Send + 'static;

    /// Why a long answer may come in one chunk, for the log.
    const WHY_IN_ONE_CHUNK: &str;

    /// Makes a call of a run that ends at `deadline`, and sends nothing.
    ///
    /// # Errors
    /// The run asks for something that this source can't take.
    fn prepare(&self, run: &Run<Self::Options>, deadline: Instant) -> Result<Self::Call, Failure>;

    /// Gives a call the files of its run. Not called for a source that takes none, whose runs have none.
    #[must_use]
    fn attach(&self, call: Self::Call, _: FilesToCome) -> Self::Call {
        call
    }

    /// Ends the work of a call whose stream was dropped before its end, where that is configured and
    /// dropping is not enough. Does nothing until it is polled, and logs what goes wrong.
    fn stop(&self, call: &Self::Call) -> impl Future<Output = ()> + Send + 'static;

    /// Calls. The stream does nothing until it is polled, and ends after the last event or with the first
    /// error.
    fn invoke(
        &self,
        call: Self::Call,
    ) -> impl Stream<Item = Result<Event, Failure>> + Send + 'static;
}
