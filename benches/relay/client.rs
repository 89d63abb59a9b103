//! A client that notes when each piece of text arrives.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use local_aws::LocalAws;
use serde::Deserialize;
use serde_json::json;
use test_support::Client;
use test_support::client::NoText;

/// How long a turn may be silent before the benchmark gives up. Longer than any answer that arrives
/// as a whole.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);

/// A connection.
#[derive(Debug)]
pub(crate) struct TimedClient(Client);

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

/// What is read of a frame: little, since every function's frames have it, and since a client that
/// takes longer would be measured instead.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", default)]
    kind: &'a str,
    #[serde(borrow, default)]
    delta: Cow<'a, str>,
}

impl TimedClient {
    /// Connects; waits until the function has let the client in.
    pub(crate) async fn connect(aws: &LocalAws) -> Self {
        let client = Client::connect_without_limit(&aws.websocket_url(), &[]).await;
        Self(client.expect("the handshake"))
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
        self.0.send(message.to_string()).await;
        let mut received = Received::default();
        let mut chunks = 0;
        loop {
            let text = match self.0.next_text(SILENCE_LIMIT).await {
                Ok(text) => text,
                Err(NoText::TimedOut) => return Err(Lost { received, why: "silence".to_owned() }),
                Err(NoText::Closed(how)) => panic!("the connection ended: {how}"),
            };
            let now = Instant::now();
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
        self.0.close().await;
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
