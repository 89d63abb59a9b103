//! One open connection: the queue of posts to its client, its state, and its faults.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::socket::{SocketSink, send_in_frames};
use crate::faults::{ConnectionFaults, Loss};

/// How many posts may wait for a slow client, however small they are.
const MAX_WAITING_POSTS: usize = 4096;

/// What the rest of the gateway knows of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) source_ip: String,
    pub(crate) user_agent: Option<String>,
    pub(crate) connected_at: SystemTime,
    /// What the authorizer said of the client, once it has accepted it.
    pub(super) authorizer: OnceLock<Map<String, Value>>,
    /// When the last message went either way, by the wall clock and by the monotonic one.
    last_active: Mutex<(SystemTime, Instant)>,
    posts: mpsc::Sender<Queued>,
    /// The bytes of the posts that wait for the client.
    waiting_bytes: AtomicUsize,
    /// How many of them there may be.
    buffer_bytes: usize,
    close: mpsc::Sender<Close>,
    /// The client is lost, and the gateway has not noticed: posts are taken, and put in no queue.
    lost: AtomicBool,
    /// What the faults know of it.
    pub(crate) faults: ConnectionFaults,
}

/// How the gateway closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// With a close frame, after the posts that are waiting.
    Graceful,
    /// At once and without a close frame, as if the client had vanished.
    Abort,
}

/// What is in the queue to a client.
#[derive(Debug)]
pub(super) enum Queued {
    /// A post.
    Post(Utf8Bytes),
    /// From here on, the client is lost, and the gateway does not notice.
    Loss(Loss),
}

/// Why a post is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PostError {
    /// The connection has ended.
    Gone,
    /// Too much waits already for this client.
    BufferFull,
}

/// The ends of a connection's queues that its task reads.
pub(super) struct Queues {
    pub(super) posts: mpsc::Receiver<Queued>,
    pub(super) close: mpsc::Receiver<Close>,
}

impl Connection {
    pub(super) fn new(
        id: String,
        source_ip: String,
        user_agent: Option<String>,
        buffer_bytes: usize,
    ) -> (Self, Queues) {
        // With room for a loss behind as many posts as there may be.
        let (posts, posts_out) = mpsc::channel(MAX_WAITING_POSTS + 1);
        let (close, close_out) = mpsc::channel(1);
        let connected_at = SystemTime::now();
        let connection = Self {
            id,
            source_ip,
            user_agent,
            connected_at,
            authorizer: OnceLock::new(),
            last_active: Mutex::new((connected_at, Instant::now())),
            posts,
            waiting_bytes: AtomicUsize::new(0),
            buffer_bytes,
            close,
            lost: AtomicBool::new(false),
            faults: ConnectionFaults::default(),
        };
        (connection, Queues { posts: posts_out, close: close_out })
    }

    /// Puts a message in the queue to the client. Messages leave in the order of these calls.
    pub(crate) fn post(&self, text: Utf8Bytes) -> Result<(), PostError> {
        let bytes = text.len();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        // One message always fits, whatever its size.
        let sent = if before > 0 && before + bytes > self.buffer_bytes {
            Err(PostError::BufferFull)
        } else if self.lost.load(Ordering::Relaxed) {
            // It waits until the gateway notices.
            if self.posts.is_closed() { Err(PostError::Gone) } else { Ok(()) }
        } else if self.posts.capacity() <= 1 && !self.posts.is_closed() {
            Err(PostError::BufferFull)
        } else {
            self.posts.try_send(Queued::Post(text)).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => PostError::BufferFull,
                mpsc::error::TrySendError::Closed(_) => PostError::Gone,
            })
        };
        match sent {
            Ok(()) => self.touch(),
            Err(_) => {
                self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
        sent
    }

    /// Ends the connection, after the posts that are waiting.
    pub(crate) fn close(&self) {
        // A full queue already has a close in it, a closed one has no connection behind it.
        let _ = self.close.try_send(Close::Graceful);
    }

    /// Ends the connection as if the client had vanished.
    pub(crate) fn abort(&self) {
        let _ = self.close.try_send(Close::Abort);
    }

    /// Loses the client, after the posts that are waiting, without noticing. What is posted from now on
    /// is taken and gets to nobody.
    pub(crate) fn lose(&self, loss: Loss) {
        self.lost.store(true, Ordering::Relaxed);
        // There is room, or there is no connection any more.
        let _ = self.posts.try_send(Queued::Loss(loss));
    }

    /// When the last message went either way.
    pub(crate) fn last_active_at(&self) -> SystemTime {
        self.last_active().0
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.last_active().1
    }

    /// Notes that a message goes either way now.
    pub(super) fn touch(&self) {
        *self.last_active() = (SystemTime::now(), Instant::now());
    }

    /// Sends what is posted until the queue is closed and empty, or the client is gone or, as is then
    /// returned, lost.
    pub(super) async fn send_posts(
        &self,
        posts: &mut mpsc::Receiver<Queued>,
        sink: &mut SocketSink,
        frame_bytes: usize,
    ) -> Option<Loss> {
        loop {
            let text = match posts.recv().await? {
                Queued::Post(text) => text,
                Queued::Loss(loss) => return Some(loss),
            };
            let bytes = text.len();
            let sent = send_in_frames(sink, text.into(), frame_bytes).await;
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            if sent.is_err() {
                return None;
            }
        }
    }

    fn last_active(&self) -> MutexGuard<'_, (SystemTime, Instant)> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.last_active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
