//! A client that notes when each piece of text arrives.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use local_aws::LocalAws;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::json;
use test_support::Client;
use test_support::client::NoText;
use tokio::time::timeout;

use crate::process::Process;

/// How long a turn may be silent before the benchmark gives up. Longer than any answer that arrives
/// as a whole.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);

/// A connection, over which one turn after the other is asked for.
#[derive(Debug)]
pub(crate) enum TimedClient {
    WebSocket(Box<Client>),
    Http {
        client: reqwest::Client,
        /// The address of `POST /agui`.
        url: String,
    },
}

/// What arrived in one turn.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// When each frame arrived.
    pub(crate) frames: Vec<Instant>,
    /// When text arrived, and how many chunks had arrived whole by then.
    pub(crate) text: Vec<(Instant, usize)>,
    /// How many chunks have arrived whole.
    chunks: usize,
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
    /// A client of this function, over the transport on which it is measured.
    pub(crate) async fn of(process: &Process) -> Self {
        if process.function.is_over_http() {
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            return Self::Http { client, url: process.aws.agui_url() };
        }
        Self::connect(&process.aws).await
    }

    /// Connects; waits until the function has let the client in.
    pub(crate) async fn connect(aws: &LocalAws) -> Self {
        let client = Client::connect_without_limit(&aws.websocket_url(), &[]).await;
        Self::WebSocket(Box::new(client.expect("the handshake")))
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
        match self {
            Self::WebSocket(client) => ask_over_websocket(client, prompt, session, trace).await,
            Self::Http { client, url } => ask_over_http(client, url, prompt, session, trace).await,
        }
    }

    pub(crate) async fn close(self) {
        if let Self::WebSocket(mut client) = self {
            client.close().await;
        }
    }
}

async fn ask_over_websocket(
    client: &mut Client,
    prompt: &str,
    session: &str,
    trace: bool,
) -> Result<Received, Lost> {
    let message = json!({ "prompt": prompt, "sessionId": session, "trace": trace });
    client.send(message.to_string()).await;
    let mut received = Received::default();
    loop {
        let text = match client.next_text(SILENCE_LIMIT).await {
            Ok(text) => text,
            Err(NoText::TimedOut) => return Err(Lost { received, why: "silence".to_owned() }),
            Err(NoText::Closed(how)) => panic!("the connection ended: {how}"),
        };
        match received.take(&text, Instant::now()) {
            None => {}
            Some(Ok(())) => return Ok(received),
            Some(Err(why)) => return Err(Lost { received, why }),
        }
    }
}

async fn ask_over_http(
    client: &reqwest::Client,
    url: &str,
    prompt: &str,
    session: &str,
    trace: bool,
) -> Result<Received, Lost> {
    let input = json!({
        "threadId": session, "runId": format!("run-{:016x}", fastrand::u64(..)), "state": {},
        "messages": [{ "id": "1", "role": "user", "content": prompt }],
        "tools": [], "context": [], "forwardedProps": { "trace": trace }
    });
    let request = client.post(url).header(CONTENT_TYPE, "application/json").body(input.to_string());
    let response = request.send().await.and_then(reqwest::Response::error_for_status);
    let mut pieces = response.expect("an answer").bytes_stream();
    let mut received = Received::default();
    let mut buffer = Vec::new();
    loop {
        let piece = match timeout(SILENCE_LIMIT, pieces.next()).await {
            Ok(piece) => piece.expect("more of the answer").expect("the connection holds"),
            Err(_) => return Err(Lost { received, why: "silence".to_owned() }),
        };
        let now = Instant::now();
        buffer.extend_from_slice(&piece);
        // Each event is a line, and empty lines are between them.
        let mut lines = buffer.split_inclusive(|byte| *byte == b'\n');
        let mut read = 0;
        let mut end = None;
        while let Some(line) = lines.next().filter(|line| line.ends_with(b"\n")) {
            read += line.len();
            if let Some(data) = line.strip_prefix(b"data: ") {
                end = received.take(str::from_utf8(data).expect("UTF-8"), now);
            }
        }
        buffer.drain(..read);
        match end {
            None => {}
            Some(Ok(())) => {
                // A response that is not read to its end costs its connection.
                while let Some(Ok(_)) = pieces.next().await {}
                return Ok(received);
            }
            Some(Err(why)) => return Err(Lost { received, why }),
        }
    }
}

impl Received {
    /// Takes a frame that arrived now. Returns how the run ended, if it did.
    fn take(&mut self, text: &str, now: Instant) -> Option<Result<(), String>> {
        let frame: Frame<'_> = serde_json::from_str(text).expect("a frame");
        self.frames.push(now);
        if !frame.delta.is_empty() {
            // In the scenario `/tokens` each chunk ends with white space, and only there is any.
            self.chunks += frame.delta.bytes().filter(u8::is_ascii_whitespace).count();
            self.text.push((now, self.chunks));
            self.whole.push_str(&frame.delta);
        }
        match frame.kind {
            "RUN_FINISHED" => Some(Ok(())),
            "RUN_ERROR" => Some(Err(text.to_owned())),
            _ => None,
        }
    }

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
