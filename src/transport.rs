//! The seam to where frames go: whoever takes them can be relayed to.
//!
//! | Transport | takes frames by |
//! |---|---|
//! | [`websocket`] | `PostToConnection` of an API Gateway WebSocket API |
//! | [`sse`] | a response that is streamed, as server-sent events |
//!
//! A transport knows no source, and nothing of what is in a frame.

use std::error::Error;

use thiserror::Error;

pub mod sse;
pub mod websocket;

/// What is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A frame.
    Frame(Vec<u8>),
    /// The sign that nothing has happened, for a sink that has one.
    Keepalive,
}

/// Takes the frames of a run, one after the other.
pub trait FrameSink {
    /// The largest frame that it takes, in bytes; `None` if it takes any.
    fn max_frame(&self) -> Option<usize>;

    /// Whether it has a sign of its own that nothing has happened. Otherwise a frame says so.
    fn has_keepalive(&self) -> bool {
        false
    }

    /// Delivers one of them, trying again for as long as that makes sense. Whoever has a deadline
    /// drops the future. Returns the number of attempts.
    ///
    /// # Errors
    /// The client is gone, or the frame can't be delivered whatever one does.
    fn send(&self, outgoing: Outgoing) -> impl Future<Output = Result<u32, SendError>> + Send;
}

/// Why a frame can't be delivered.
#[derive(Debug, Error)]
pub enum SendError {
    /// The client has closed the connection.
    #[error("the client has closed the connection")]
    Gone,
    /// It was refused for good, for example because the function lacks a right.
    #[error("the frame was refused")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
}
