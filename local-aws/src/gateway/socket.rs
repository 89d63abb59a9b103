//! The socket of a connection: its frames, their limits, and how it closes.

use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;
use futures::stream::SplitSink;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// How long the client may take to answer a close frame, and to read what was sent before it.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the client may take to answer a close frame when everything stops.
const STOP_TIMEOUT: Duration = Duration::from_millis(50);

/// The bytes below the WebSocket.
pub(super) type RawSocket = TokioIo<Upgraded>;

/// The WebSocket.
pub(super) type Socket = WebSocketStream<RawSocket>;

/// The half of the WebSocket that sends.
pub(super) type SocketSink = SplitSink<Socket, Message>;

/// What a close frame, or the lack of one, says about the end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CloseStatus {
    /// The code of section 7.4 of RFC 6455.
    pub(super) code: u16,
    /// The text beside the code.
    pub(super) reason: String,
}

/// Which side ends a connection after an error of the socket.
pub(super) enum SocketError {
    /// The client is gone: nothing can be sent any more.
    ClientGone,
    /// The client broke a rule of the protocol or a limit, which the close frame tells it.
    Refused(CloseCode, &'static str),
}

/// The WebSocket of an upgraded HTTP connection, which takes messages and frames of at most so many
/// bytes.
pub(super) async fn open(upgraded: Upgraded, message_bytes: usize, frame_bytes: usize) -> Socket {
    let config = WebSocketConfig::default()
        .max_message_size(Some(message_bytes))
        .max_frame_size(Some(frame_bytes));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// Sends one message in frames of at most `frame_bytes`.
pub(super) async fn send_in_frames(
    sink: &mut SocketSink,
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

/// Sends a close frame and closes the gateway's side of the socket. What is left is for
/// [`drain`].
pub(super) async fn send_close(
    mut socket: Socket,
    code: CloseCode,
    reason: &'static str,
) -> Option<RawSocket> {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    socket.send(Message::Close(Some(frame))).await.ok()?;
    let mut raw = socket.into_inner();
    raw.shutdown().await.ok()?;
    Some(raw)
}

/// Reads what the client still sends until it closes its side, too. A socket dropped with unread
/// bytes would be reset, and the close frame on its way to the client lost with it.
pub(super) async fn drain(mut raw: RawSocket, mut stopping: watch::Receiver<bool>) {
    let mut discarded = [0; 8192];
    let drained = async { while raw.read(&mut discarded).await.is_ok_and(|bytes| bytes > 0) {} };
    tokio::select! {
        _ = timeout(CLOSE_TIMEOUT, drained) => {}
        () = async {
            let _ = stopping.wait_for(|stopping| *stopping).await;
            sleep(STOP_TIMEOUT).await;
        } => {}
    }
}

impl CloseStatus {
    /// The status of a close frame that the client sent.
    pub(super) fn of_frame(frame: Option<CloseFrame>) -> Self {
        match frame {
            Some(frame) => Self { code: frame.code.into(), reason: frame.reason.to_string() },
            None => Self {
                code: CloseCode::Status.into(),
                reason: "Client-side close frame status not set".to_owned(),
            },
        }
    }

    /// The status of a connection that ended without a close frame.
    pub(super) fn abnormal_closure(reason: &str) -> Self {
        Self { code: CloseCode::Abnormal.into(), reason: reason.to_owned() }
    }
}

impl From<Error> for SocketError {
    fn from(error: Error) -> Self {
        match error {
            Error::Capacity(_) => Self::Refused(CloseCode::Size, "Message or frame too large"),
            Error::Utf8(_) => Self::Refused(CloseCode::Invalid, "Text is not UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::ClientGone,
            Error::Protocol(_) => Self::Refused(CloseCode::Protocol, "Protocol error"),
            _ => Self::ClientGone,
        }
    }
}
