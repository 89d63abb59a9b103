//! A WebSocket client, of the tests, the soak test and the benchmark.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use local_aws::LocalAws;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{Runtime, WAIT_LIMIT, soon};

/// A connection of a client.
#[derive(Debug)]
pub struct Client {
    /// For what the methods below don't do: other messages than text, and broken frames.
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The subprotocol that the server chose.
    pub protocol: Option<String>,
}

/// Why no text came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoText {
    /// There was nothing within the time limit.
    TimedOut,
    /// The connection has ended; the text says how.
    Closed(String),
}

impl Client {
    /// Connects while `runtime` accepts the connection; returns the `$connect` event, too.
    pub async fn accepted(aws: &LocalAws, runtime: &Runtime) -> (Self, Value) {
        let (client, event) = tokio::join!(Self::connect(aws, &[]), runtime.accept("$connect"));
        (client.expect("the handshake succeeds"), event)
    }

    /// Connects with more headers; somebody must answer `$connect`.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn connect(aws: &LocalAws, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        Self::connect_to(&aws.websocket_url(), headers).await
    }

    /// Connects to this URL with more headers; somebody must answer `$connect`.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn connect_to(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        soon("the handshake", Self::connect_without_limit(url, headers)).await
    }

    /// The same without a time limit, for whoever connects more clients at once than can be let in soon.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn connect_without_limit(
        url: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, response) = connect_async(request).await?;
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_nodelay(true).unwrap();
        }
        let protocol = response.headers().get("sec-websocket-protocol");
        let protocol = protocol.map(|value| value.to_str().unwrap().to_owned());
        Ok(Self { socket, protocol })
    }

    /// Sends a text.
    pub async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text, which must come.
    pub async fn text(&mut self) -> Utf8Bytes {
        match self.next_text(WAIT_LIMIT).await {
            Ok(text) => text,
            Err(NoText::TimedOut) => panic!("waited in vain for a message"),
            Err(NoText::Closed(how)) => panic!("instead of a message came {how}"),
        }
    }

    /// The next text, if it comes within the time limit.
    ///
    /// # Errors
    /// When there is none, and when the connection has ended.
    pub async fn next_text(&mut self, limit: Duration) -> Result<Utf8Bytes, NoText> {
        loop {
            let message = timeout(limit, self.socket.next()).await;
            match message.map_err(|_| NoText::TimedOut)? {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    return Err(NoText::Closed(format!("the close frame {frame:?}")));
                }
                Some(Ok(other)) => panic!("a message that is no text: {other:?}"),
                Some(Err(error)) => return Err(NoText::Closed(error.to_string())),
                None => return Err(NoText::Closed("the end of the connection".to_owned())),
            }
        }
    }

    /// The code and reason of the close frame, which must come next.
    pub async fn closed(&mut self) -> (CloseCode, String) {
        soon("a close frame", self.closed_without_limit()).await
    }

    /// The same without a time limit, for tests that stop the clock.
    pub async fn closed_without_limit(&mut self) -> (CloseCode, String) {
        match self.socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => (frame.code, frame.reason.to_string()),
            other => panic!("no close frame but {other:?}"),
        }
    }

    /// Sends a close frame. The other side may have gone first.
    pub async fn close(&mut self) {
        let _ = self.socket.close(None).await;
    }
}
