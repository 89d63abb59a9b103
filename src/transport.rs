//! The seam to where frames go: whoever takes them can be relayed to.
//!
//! | Transport | takes frames by |
//! |---|---|
//! | [`websocket`] | `PostToConnection` of an API Gateway WebSocket API |
//!
//! A transport knows no source, and nothing of what is in a frame.

use std::error::Error;

use thiserror::Error;

pub mod websocket;

/// Takes the frames of a run, one after the other.
pub trait FrameSink {
    /// The largest frame that it takes, in bytes; `None` if it takes any.
    fn max_frame(&self) -> Option<usize>;

    /// Delivers one frame, trying again for as long as that makes sense. Whoever has a deadline
    /// drops the future. Returns the number of attempts.
    ///
    /// # Errors
    /// The client is gone, or the frame can't be delivered whatever one does.
    fn send(&self, frame: Vec<u8>) -> impl Future<Output = Result<u32, SendError>> + Send;
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
