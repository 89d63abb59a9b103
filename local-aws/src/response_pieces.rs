//! A streamed response on its way from one who writes it to one who reads it, piece by piece.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

/// Where the pieces of a response are written. Dropped without [`PieceSender::complete`], it breaks the
/// response off.
#[derive(Debug)]
pub(crate) struct PieceSender {
    pieces: mpsc::Sender<Bytes>,
    complete: Arc<AtomicBool>,
}

/// The pieces of a response as they come. One that breaks off ends with an error.
#[derive(Debug)]
pub(crate) struct ResponsePieces {
    pieces: mpsc::Receiver<Bytes>,
    complete: Arc<AtomicBool>,
    ended: bool,
}

/// The response is not whole, and no more of it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response broke off")]
pub(crate) struct BrokenOff;

/// Both ends of a response.
pub(crate) fn response_pieces() -> (PieceSender, ResponsePieces) {
    // One piece waits while another is on its way: a reader that is slow makes the writer wait.
    let (sender, receiver) = mpsc::channel(1);
    let complete = Arc::new(AtomicBool::new(false));
    let pieces = ResponsePieces { pieces: receiver, complete: Arc::clone(&complete), ended: false };
    (PieceSender { pieces: sender, complete }, pieces)
}

impl PieceSender {
    /// Hands a piece on, as soon as there is room for it; false when nobody reads any more.
    pub(crate) async fn send(&self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// Waits until nobody reads any more.
    pub(crate) async fn closed(&self) {
        self.pieces.closed().await;
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.pieces.is_closed()
    }

    /// Ends the response in good order.
    pub(crate) fn complete(self) {
        self.complete.store(true, Ordering::Release);
    }
}

impl Stream for ResponsePieces {
    type Item = Result<Bytes, BrokenOff>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| {
            self.ended = piece.is_none();
            let is_complete = || self.complete.load(Ordering::Acquire);
            match piece {
                None if is_complete() => None,
                piece => Some(piece.ok_or(BrokenOff)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    #[tokio::test]
    async fn a_response_ends_in_good_order_or_breaks_off() {
        let (sender, mut pieces) = response_pieces();
        assert!(sender.send(Bytes::from_static(b"a")).await);
        sender.complete();
        assert_eq!(pieces.next().await, Some(Ok(Bytes::from_static(b"a"))));
        assert_eq!(pieces.next().await, None);

        let (sender, mut pieces) = response_pieces();
        drop(sender);
        assert_eq!(pieces.next().await, Some(Err(BrokenOff)));
        assert_eq!(pieces.next().await, None);
    }

    #[tokio::test]
    async fn a_writer_waits_for_its_reader_and_notices_that_it_has_gone() {
        let (sender, pieces) = response_pieces();
        assert!(sender.send(Bytes::from_static(b"a")).await);
        assert_eq!(sender.send(Bytes::from_static(b"b")).now_or_never(), None);
        assert_eq!(sender.closed().now_or_never(), None);
        drop(pieces);
        sender.closed().await;
        assert!(sender.is_closed() && !sender.send(Bytes::from_static(b"c")).await);
    }
}
