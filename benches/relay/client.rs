//! A client that notes when each piece of text arrives.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use local_aws::LocalAws;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How long a turn may be silent before the benchmark gives up. Longer than any answer that arrives
/// as a whole.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What arrived in one turn.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// When each frame arrived.
    pub(crate) frames: Vec<Instant>,
    /// When text arrived, and how many chunks had arrived whole by then.
    pub(crate) text: Vec<(Instant, usize)>,
    /// The text itself.
    whole: String,
}

/// An answer that did not come to its end.
#[derive(Debug)]
pub(crate) struct Lost {
    /// What arrived of it.
    pub(crate) received: Received,
    /// The frame that says so, or that there was none.
    pub(crate) why: String,
}

/// What is read of a frame.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", default)]
    kind: &'a str,
    #[serde(borrow, default)]
    delta: Cow<'a, str>,
}

impl Client {
    /// Connects; waits until the function has let the client in.
    pub(crate) async fn connect(aws: &LocalAws) -> Self {
        let (mut socket, _) = connect_async(aws.websocket_url()).await.expect("the handshake");
        if let MaybeTlsStream::Plain(stream) = socket.get_mut() {
            stream.set_nodelay(true).expect("a TCP stream");
        }
        Self { socket }
    }

    /// Sends a prompt in a session, and receives the answer.
    pub(crate) async fn ask(&mut self, prompt: &str, session: &str, trace: bool) -> Received {
        self.try_ask(prompt, session, trace).await.expect("the run finishes")
    }

    /// The same, where the answer may be lost.
    pub(crate) async fn try_ask(
        &mut self,
        prompt: &str,
        session: &str,
        trace: bool,
    ) -> Result<Received, Lost> {
        let message = json!({ "prompt": prompt, "sessionId": session, "trace": trace });
        self.socket.send(Message::text(message.to_string())).await.expect("it is sent");
        let mut received = Received::default();
        let mut chunks = 0;
        loop {
            let Ok(message) = timeout(PATIENCE, self.socket.next()).await else {
                return Err(Lost { received, why: "silence".to_owned() });
            };
            let now = Instant::now();
            let Message::Text(text) = message.expect("no end").expect("a message") else {
                continue;
            };
            let frame: Frame<'_> = serde_json::from_str(&text).expect("a frame");
            received.frames.push(now);
            if !frame.delta.is_empty() {
                // In the scenario `/tokens` each chunk ends with white space, and only there is any.
                chunks += frame.delta.bytes().filter(u8::is_ascii_whitespace).count();
                received.text.push((now, chunks));
                received.whole.push_str(&frame.delta);
            }
            match frame.kind {
                "RUN_FINISHED" => return Ok(received),
                "RUN_ERROR" => return Err(Lost { received, why: text.to_string() }),
                _ => {}
            }
        }
    }

    pub(crate) async fn close(mut self) {
        // The other side may have gone first.
        let _ = self.socket.close(None).await;
    }
}

impl Received {
    /// Whether these are all the chunks of an answer, in their order.
    pub(crate) fn is_complete(&self, chunks: usize) -> bool {
        let numbers = self.whole.split_whitespace().map(|number| number.parse().ok());
        numbers.eq((1..=chunks).map(Some))
    }

    /// When each chunk had arrived whole. The answer must be complete.
    pub(crate) fn arrivals(&self, chunks: usize) -> Vec<Instant> {
        assert!(self.is_complete(chunks), "text is missing, or in another order");
        let mut arrivals = Vec::with_capacity(chunks);
        for (at, arrived) in &self.text {
            arrivals.resize(*arrived, *at);
        }
        arrivals
    }
}
