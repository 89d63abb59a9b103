//! One open connection: messages in, posts out, and its limits.

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::stream::{FuturesUnordered, SplitSink};
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::event::{self, Ending};
use super::{Gateway, lock};
use crate::faults::Fate;
use crate::ids::random_id;
use crate::journal::Entry;
use crate::lambda::InvokeError;
use crate::route::Route;

/// How many posts may wait for a slow client, however small they are.
const POSTS_WAITING: usize = 4096;

/// How long a closing connection may take, for its last posts and again for the client's goodbye.
const CLOSING: Duration = Duration::from_secs(2);

/// How long the client's goodbye may take when everything stops.
const STOPPING: Duration = Duration::from_millis(50);

/// The bytes below the WebSocket.
type Raw = TokioIo<Upgraded>;

type Socket = WebSocketStream<Raw>;

/// What the rest of the gateway knows of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) source_ip: String,
    pub(crate) user_agent: Option<String>,
    pub(crate) connected_at: SystemTime,
    /// What the authorizer said of the client, once it has let it in.
    pub(super) authorizer: OnceLock<Map<String, Value>>,
    last_active: Mutex<(SystemTime, Instant)>,
    posts: mpsc::Sender<Utf8Bytes>,
    /// The bytes of the posts that wait for the client.
    waiting_bytes: AtomicUsize,
    buffer_bytes: usize,
    leave: mpsc::Sender<Leave>,
    /// What the faults know of it.
    pub(crate) fate: Fate,
}

/// How the gateway takes leave of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// With a close frame, after the posts that are waiting.
    Goodbye,
    /// As if the client had vanished: at once, without a close frame.
    Vanish,
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
    posts: mpsc::Receiver<Utf8Bytes>,
    leave: mpsc::Receiver<Leave>,
}

impl Connection {
    pub(super) fn new(
        id: String,
        source_ip: String,
        user_agent: Option<String>,
        buffer_bytes: usize,
    ) -> (Self, Queues) {
        let (posts, posts_out) = mpsc::channel(POSTS_WAITING);
        let (leave, leave_out) = mpsc::channel(1);
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
            leave,
            fate: Fate::default(),
        };
        (connection, Queues { posts: posts_out, leave: leave_out })
    }

    /// Puts a message in the queue to the client. Messages leave in the order of these calls.
    pub(crate) fn post(&self, text: Utf8Bytes) -> Result<(), PostError> {
        let bytes = text.len();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        // One message always fits, whatever its size.
        let sent = if before > 0 && before + bytes > self.buffer_bytes {
            Err(PostError::BufferFull)
        } else {
            self.posts.try_send(text).map_err(|error| match error {
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
        // A full queue already holds the same wish, a closed one has no connection behind it.
        let _ = self.leave.try_send(Leave::Goodbye);
    }

    /// Ends the connection as if the client had vanished.
    pub(crate) fn vanish(&self) {
        let _ = self.leave.try_send(Leave::Vanish);
    }

    /// When the last message went either way.
    pub(crate) fn last_active_at(&self) -> SystemTime {
        lock(&self.last_active).0
    }

    fn idle_since(&self) -> Instant {
        lock(&self.last_active).1
    }

    fn touch(&self) {
        *lock(&self.last_active) = (SystemTime::now(), Instant::now());
    }
}

/// Why a connection ends.
enum Cause {
    /// The client said goodbye, or vanished: nothing can be sent any more.
    Client(Ending),
    /// The gateway closes it.
    Gateway(CloseCode, &'static str),
    /// A fault wants the client to vanish.
    Fault,
}

/// Serves a connection until it ends. What is left of the socket then wants to [`linger`].
pub(super) async fn serve(
    gateway: &Gateway,
    connection: &Connection,
    queues: Queues,
    socket: Socket,
) -> (Ending, Option<Raw>) {
    let Queues { mut posts, mut leave } = queues;
    let (mut sink, mut stream) = socket.split();
    let cause = {
        let mut writing =
            pin!(write(connection, &mut posts, &mut sink, gateway.limits.frame_bytes));
        let mut stopping = gateway.stopping.clone();
        let mut stopped = pin!(async move {
            if stopping.wait_for(|stopping| *stopping).await.is_err() {
                pending::<()>().await;
            }
        });
        let lifetime = Instant::now() + gateway.limits.lifetime;
        let mut events = FuturesUnordered::new();
        loop {
            let idle = connection.idle_since() + gateway.limits.idle;
            tokio::select! {
                received = stream.next() => match received {
                    Some(Ok(Message::Text(text))) => {
                        connection.touch();
                        let connection_id = connection.id.clone();
                        let bytes = text.len();
                        gateway.journal.record(Entry::MessageReceived { connection_id, bytes });
                        events.push(dispatch(gateway, connection, text));
                    }
                    // "WebSocket APIs don't currently support binary frames in incoming message
                    // payloads" (the page "Binary media types for WebSocket APIs").
                    Some(Ok(Message::Binary(_))) => {
                        break Cause::Gateway(CloseCode::Unsupported, "Binary frames are not supported");
                    }
                    Some(Ok(Message::Close(frame))) => break Cause::Client(goodbye(frame)),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break failure(&error),
                    None => break Cause::Client(vanished()),
                },
                Some(()) = events.next(), if !events.is_empty() => {}
                () = &mut writing => break Cause::Client(vanished()),
                Some(leave) = leave.recv() => break match leave {
                    Leave::Goodbye => {
                        Cause::Gateway(CloseCode::Normal, "Connection Closed Normally")
                    }
                    Leave::Vanish => Cause::Fault,
                },
                () = sleep_until(idle) => {
                    // A post may have moved the moment while this slept.
                    if connection.idle_since() + gateway.limits.idle <= Instant::now() {
                        break Cause::Gateway(CloseCode::Away, "Going away");
                    }
                }
                () = sleep_until(lifetime) => break Cause::Gateway(CloseCode::Away, "Going away"),
                () = &mut stopped => break Cause::Gateway(CloseCode::Away, "Going away"),
            }
        }
    };
    // From here on posts are refused: the connection is gone.
    posts.close();
    match cause {
        Cause::Client(ending) => {
            // One more read lets tungstenite answer the client's goodbye.
            let _ =
                timeout(CLOSING, async { while let Some(Ok(_)) = stream.next().await {} }).await;
            (ending, None)
        }
        Cause::Fault => (vanished(), None),
        Cause::Gateway(code, reason) => {
            let last = write(connection, &mut posts, &mut sink, gateway.limits.frame_bytes);
            let _ = timeout(CLOSING, last).await;
            let raw = match stream.reunite(sink) {
                Ok(socket) => timeout(CLOSING, say_goodbye(socket, code, reason)).await,
                // Both halves come from the same socket.
                Err(_) => Ok(None),
            };
            (Ending { code: code.into(), reason: reason.to_owned() }, raw.ok().flatten())
        }
    }
}

/// Reads what the client still sends until it closes its side, too. A socket dropped with unread
/// bytes would be reset, and the close frame on its way to the client lost with it.
pub(super) async fn linger(gateway: &Gateway, mut raw: Raw) {
    let mut discarded = [0; 8192];
    let drained = async { while raw.read(&mut discarded).await.is_ok_and(|bytes| bytes > 0) {} };
    let mut stopping = gateway.stopping.clone();
    tokio::select! {
        _ = timeout(CLOSING, drained) => {}
        () = async {
            let _ = stopping.wait_for(|stopping| *stopping).await;
            sleep(STOPPING).await;
        } => {}
    }
}

/// Sends what is posted until the queue is closed and empty, or the client is gone.
async fn write(
    connection: &Connection,
    posts: &mut mpsc::Receiver<Utf8Bytes>,
    sink: &mut SplitSink<Socket, Message>,
    frame_bytes: usize,
) {
    while let Some(text) = posts.recv().await {
        let bytes = text.len();
        let sent = send_in_frames(sink, text.into(), frame_bytes).await;
        connection.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        if sent.is_err() {
            return;
        }
    }
}

/// Sends one message in frames of at most `frame_bytes`.
async fn send_in_frames(
    sink: &mut SplitSink<Socket, Message>,
    mut rest: Bytes,
    frame_bytes: usize,
) -> Result<(), Error> {
    let mut opcode = Data::Text;
    while rest.len() > frame_bytes {
        let payload = rest.split_to(frame_bytes);
        sink.feed(Message::Frame(Frame::message(payload, OpCode::Data(opcode), false))).await?;
        opcode = Data::Continue;
    }
    sink.send(Message::Frame(Frame::message(rest, OpCode::Data(opcode), true))).await
}

/// Invokes the function for one message. The client hears of it only when that fails: the route
/// has no route response, so the function's answer goes nowhere.
async fn dispatch(gateway: &Gateway, connection: &Connection, text: Utf8Bytes) {
    let request_id = random_id();
    let event = event::message(connection, &gateway.authority, &request_id, &text);
    let message = match gateway.invoke(Route::Default, connection, event).await {
        Ok(_) => return,
        // Both texts as users report them (mangum issue 128, chalice issue 1406).
        Err(InvokeError::TimedOut { .. }) => "Endpoint request timed out",
        Err(InvokeError::Failed) => "Internal server error",
        // Inferred: no report of this text in a WebSocket API was found, it is the one of REST APIs.
        Err(InvokeError::Throttled) => "Too Many Requests",
    };
    let frame = ErrorFrame { message, connection_id: &connection.id, request_id: &request_id };
    if let Ok(json) = serde_json::to_string(&frame) {
        // A client that is gone or reads nothing cannot be told.
        let _ = connection.post(json.into());
    }
}

/// What API Gateway itself says to a client.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorFrame<'a> {
    message: &'static str,
    connection_id: &'a str,
    request_id: &'a str,
}

/// Sends a close frame and closes the gateway's side of the socket.
async fn say_goodbye(mut socket: Socket, code: CloseCode, reason: &'static str) -> Option<Raw> {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    socket.send(Message::Close(Some(frame))).await.ok()?;
    let mut raw = socket.into_inner();
    raw.shutdown().await.ok()?;
    Some(raw)
}

fn goodbye(frame: Option<CloseFrame>) -> Ending {
    match frame {
        Some(frame) => Ending { code: frame.code.into(), reason: frame.reason.to_string() },
        None => Ending {
            code: CloseCode::Status.into(),
            reason: "Client-side close frame status not set".to_owned(),
        },
    }
}

fn vanished() -> Ending {
    Ending { code: CloseCode::Abnormal.into(), reason: "Connection closed abnormally".to_owned() }
}

fn failure(error: &Error) -> Cause {
    match error {
        Error::Capacity(_) => Cause::Gateway(CloseCode::Size, "Message or frame too large"),
        Error::Utf8(_) => Cause::Gateway(CloseCode::Invalid, "Text is not UTF-8"),
        Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => Cause::Client(vanished()),
        Error::Protocol(_) => Cause::Gateway(CloseCode::Protocol, "Protocol error"),
        _ => Cause::Client(vanished()),
    }
}
