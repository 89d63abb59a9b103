//! One connection from its first message to its last: messages in, posts out, until one side ends it.

use std::future::pending;
use std::pin::pin;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::connection::{Close, Connection, Queues};
use super::event;
use super::socket::{CLOSE_TIMEOUT, CloseStatus, RawSocket, Socket, SocketError, send_close};
use super::state::Gateway;
use crate::faults::Loss;
use crate::ids::random_id;
use crate::journal::Entry;
use crate::lambda::InvokeError;
use crate::route::Route;

/// Why a connection ends.
enum Cause {
    /// The client closed it, or is gone: nothing can be sent any more.
    Client(CloseStatus),
    /// The gateway closes it.
    Gateway(CloseCode, &'static str),
    /// A fault aborts it, as if the client had vanished.
    Fault,
    /// It does not end yet: a fault loses the client, and the gateway does not notice.
    Lost(Loss),
}

/// Serves a connection until it ends. What is left of the socket is for
/// [`drain`](super::socket::drain).
pub(super) async fn serve(
    gateway: &Gateway,
    connection: &Connection,
    queues: Queues,
    socket: Socket,
) -> (CloseStatus, Option<RawSocket>) {
    let Queues { mut posts, mut close } = queues;
    let frame_bytes = gateway.limits.frame_bytes;
    let (mut sink, mut stream) = socket.split();
    let lifetime = Instant::now() + gateway.limits.lifetime;
    let mut dispatches = FuturesUnordered::new();
    let cause = {
        let mut sending = pin!(connection.send_posts(&mut posts, &mut sink, frame_bytes));
        let mut stopped = pin!(stopped(gateway));
        loop {
            let idle = connection.idle_since() + gateway.limits.idle;
            tokio::select! {
                received = stream.next() => match received {
                    Some(Ok(Message::Text(text))) => {
                        connection.touch();
                        let connection_id = connection.id.clone();
                        let bytes = text.len();
                        gateway.journal.record(Entry::MessageReceived { connection_id, bytes });
                        dispatches.push(dispatch(gateway, connection, text));
                    }
                    // "WebSocket APIs don't currently support binary frames in incoming message
                    // payloads" (the page "Binary media types for WebSocket APIs").
                    Some(Ok(Message::Binary(_))) => {
                        break Cause::Gateway(CloseCode::Unsupported, "Binary frames are not supported");
                    }
                    Some(Ok(Message::Close(frame))) => break Cause::Client(CloseStatus::of_frame(frame)),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break match error.into() {
                        SocketError::ClientGone => Cause::Client(client_gone()),
                        SocketError::Refused(code, reason) => Cause::Gateway(code, reason),
                    },
                    None => break Cause::Client(client_gone()),
                },
                Some(()) = dispatches.next(), if !dispatches.is_empty() => {}
                loss = &mut sending => {
                    break loss.map_or_else(|| Cause::Client(client_gone()), Cause::Lost);
                }
                Some(close) = close.recv() => break match close {
                    Close::Graceful => {
                        Cause::Gateway(CloseCode::Normal, "Connection Closed Normally")
                    }
                    Close::Abort => Cause::Fault,
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
    if !matches!(cause, Cause::Lost(_)) {
        // From here on posts are refused: the connection is gone.
        posts.close();
    }
    match cause {
        Cause::Client(status) => {
            // One more read lets tungstenite answer the client's close frame.
            let read = async { while let Some(Ok(_)) = stream.next().await {} };
            let _ = timeout(CLOSE_TIMEOUT, read).await;
            (status, None)
        }
        Cause::Fault => (client_gone(), None),
        Cause::Lost(loss) => {
            // The client's side ends with the socket, or waits for what never comes.
            let _socket = (loss == Loss::Swallow).then_some((sink, stream));
            (noticed(gateway, connection, &mut close, &mut dispatches, lifetime).await, None)
        }
        Cause::Gateway(code, reason) => {
            let last = connection.send_posts(&mut posts, &mut sink, frame_bytes);
            let _ = timeout(CLOSE_TIMEOUT, last).await;
            let raw = match stream.reunite(sink) {
                Ok(socket) => timeout(CLOSE_TIMEOUT, send_close(socket, code, reason)).await,
                // Both halves come from the same socket.
                Err(_) => Ok(None),
            };
            (CloseStatus { code: code.into(), reason: reason.to_owned() }, raw.ok().flatten())
        }
    }
}

/// How the connection of a lost client ends: at the latest when it has been idle or open for too long.
/// Meanwhile the function may answer what the client has said.
async fn noticed(
    gateway: &Gateway,
    connection: &Connection,
    close: &mut mpsc::Receiver<Close>,
    dispatches: &mut FuturesUnordered<impl Future<Output = ()>>,
    lifetime: Instant,
) -> CloseStatus {
    let away = || CloseStatus { code: CloseCode::Away.into(), reason: "Going away".to_owned() };
    let mut stopped = pin!(stopped(gateway));
    loop {
        let idle = connection.idle_since() + gateway.limits.idle;
        tokio::select! {
            Some(()) = dispatches.next(), if !dispatches.is_empty() => {}
            Some(close) = close.recv() => break match close {
                Close::Graceful => CloseStatus {
                    code: CloseCode::Normal.into(),
                    reason: "Connection Closed Normally".to_owned(),
                },
                Close::Abort => client_gone(),
            },
            () = sleep_until(idle) => {
                if connection.idle_since() + gateway.limits.idle <= Instant::now() {
                    break away();
                }
            }
            () = sleep_until(lifetime) => break away(),
            () = &mut stopped => break away(),
        }
    }
}

/// Waits until everything stops.
async fn stopped(gateway: &Gateway) {
    let mut stopping = gateway.stopping.clone();
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        pending::<()>().await;
    }
}

fn client_gone() -> CloseStatus {
    CloseStatus::abnormal_closure("Connection closed abnormally")
}

/// Invokes the function for one message. The client is told only when that fails: the route has no
/// route response, so the function's response goes nowhere.
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
        // It fails when the client is gone or reads nothing.
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
