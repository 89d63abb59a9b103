//! The body of a response that is an error.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Limited;
use thiserror::Error;
use tokio::time::{Sleep, sleep};

/// How long the rest of an error may take, less than an attempt to post. It is a few hundred bytes of
/// JSON, and the status has said already what matters.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How many bytes of an error are read.
const MAX_BYTES: usize = 1024 * 1024;

/// A body with bounds in time and length. Where there is no good answer to wait for, nobody waits for
/// one that does not end.
pub(super) struct ErrorBody<B> {
    body: Limited<B>,
    out_of_time: Pin<Box<Sleep>>,
}

#[derive(Debug, Error)]
#[error("the rest of the error did not come within {TIMEOUT:?}")]
struct OutOfTime;

impl<B> ErrorBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body: Limited::new(body, MAX_BYTES), out_of_time: Box::pin(sleep(TIMEOUT)) }
    }
}

impl<B> Body for ErrorBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        self.out_of_time.as_mut().poll(context).map(|()| Some(Err(OutOfTime.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
