//! A response that is streamed: each frame is a server-sent event.
//!
//! The response is read by the Lambda runtime, which hands it to API Gateway as fast as that takes it. So
//! a client that reads slowly slows the relay, and that the source. Nobody is told when the client has
//! gone.

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::transport::{FrameSink, Outgoing, SendError};

/// What the body of a response is.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// A line that is no event: AG-UI's clients leave comments out.
const KEEPALIVE: &[u8] = b": keepalive\n\n";

/// What stands before the JSON of an event, which is one line, and behind it.
const BEFORE: &[u8] = b"data: ";
const BEHIND: &[u8] = b"\n\n";

/// The pieces of a response. It never fails: the runtime would write the error into it.
pub type Body = BoxStream<'static, Result<Bytes, Infallible>>;

/// Takes the frames of a response.
#[derive(Debug)]
pub struct EventSink {
    pieces: mpsc::Sender<Bytes>,
}

/// A sink of frames, and the body that they become. The body ends when the sink is dropped.
#[must_use]
pub fn response() -> (EventSink, Body) {
    // One waits here while another is on its way, so that the relay notices how fast the client reads.
    let (pieces, body) = mpsc::channel(1);
    (EventSink { pieces }, ReceiverStream::new(body).map(Ok).boxed())
}

impl FrameSink for EventSink {
    fn max_frame(&self) -> Option<usize> {
        None
    }

    fn has_keepalive(&self) -> bool {
        true
    }

    async fn send(&self, outgoing: Outgoing) -> Result<u32, SendError> {
        let piece = match outgoing {
            Outgoing::Frame(frame) => [BEFORE, &frame, BEHIND].concat().into(),
            Outgoing::Keepalive => Bytes::from_static(KEEPALIVE),
        };
        self.pieces.send(piece).await.map(|()| 1).map_err(|_| SendError::Gone)
    }
}
