//! A turn without a network and without waiting: the function's own clients of the agent and of the
//! connection, whose requests are answered here. So one run costs what another does, to the
//! allocation and almost to the instruction.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use agent_relay::agui::EventForm;
use agent_relay::config::{BedrockAgentConfig, HarnessConfig};
use agent_relay::invocation::ConnectionRef;
use agent_relay::relay::{Limits, Outcome, Summary, relay};
use agent_relay::request::{Input, Run};
use agent_relay::source::Source;
use agent_relay::source::agentcore_harness::AgentcoreHarness;
use agent_relay::source::bedrock_agent::BedrockAgent;
use agent_relay::transport::websocket::{Connection, Connections};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_bedrockagentruntime::config::{Credentials, Region};
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::Instant;

/// The most chunks of a turn.
const MOST: usize = 1200;

/// Who says it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Speaker {
    Agent,
    Harness,
}

/// What an agent or a harness says, of which a turn is a beginning. All of it is there before any turn
/// begins, so that the making of it is not counted.
pub(crate) struct Recorded {
    runtime: Runtime,
    speaker: Speaker,
    events: Arc<[Bytes]>,
    /// What comes after the last chunk.
    end: Bytes,
}

impl Recorded {
    pub(crate) fn of(speaker: Speaker) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let events = (1..=MOST).map(|number| speaker.chunk(number)).collect();
        Self { runtime: runtime.unwrap(), speaker, events, end: speaker.end() }
    }

    /// Relays a turn of so many chunks, so many of which come together. So each post holds these, but
    /// for the first and the last, which hold no text.
    pub(crate) fn turn(&self, chunks: usize, together: usize) -> Summary {
        let due = Semaphore::new(0).into();
        let aws = Aws { events: self.events.clone(), end: self.end.clone(), chunks, together, due };
        let summary = self.runtime.block_on(turn(self.speaker, aws));
        assert!(matches!(summary.outcome, Outcome::Finished), "{summary:?}");
        assert_eq!(summary.stats.chunks, chunks as u64);
        assert_eq!(summary.frames, chunks.div_ceil(together) as u64 + 2);
        summary
    }
}

async fn turn(speaker: Speaker, aws: Aws) -> Summary {
    let sdk = sdk(aws).await;
    let connection =
        ConnectionRef { connection_id: "JKJZ8fTwSQhgCIhw=".to_owned(), ..ConnectionRef::default() };
    let connection = Connections::new(&sdk, true).await.unwrap().to(&connection).unwrap();
    match speaker {
        Speaker::Agent => {
            let agent = BedrockAgentConfig {
                agent_id: "LOCALAGENT".to_owned(),
                agent_alias_id: "LOCALALIAS".to_owned(),
                memory_id: None,
            };
            relayed(&BedrockAgent::new(&sdk, agent), &connection).await
        }
        Speaker::Harness => {
            let harness = HarnessConfig {
                harness_arn: "arn:aws:bedrock-agentcore:us-east-1:000000000000:harness/local_harness-LOCALHARN1".to_owned(),
                region: "us-east-1".to_owned(),
                endpoint: None,
                memory_id: None,
                stop_on_leave: false,
            };
            relayed(&AgentcoreHarness::new(&sdk, harness), &connection).await
        }
    }
}

async fn relayed<S: Source>(source: &S, connection: &Connection) -> Summary
where
    S::Options: Default,
{
    let run = run::<S::Options>();
    let now = Instant::now();
    let limits = Limits {
        keepalive: Duration::from_secs(30),
        deadline: now + Duration::from_secs(800),
        hard_deadline: now + Duration::from_secs(805),
        shutdown_grace: Duration::from_millis(1500),
        outbox_bytes: Limits::OUTBOX_BYTES,
    };
    // In a box, as the function has it.
    let events = source.invoke(source.prepare(&run, now).unwrap());
    Box::pin(relay(run.ids(EventForm::Chunks), run.trace, events, connection, &limits, pending()))
        .await
}

fn run<O: Default>() -> Run<O> {
    Run {
        thread_id: "thread-1".to_owned(),
        run_id: "run-1".to_owned(),
        request_id: "request-1".to_owned(),
        session_id: "thread-1".to_owned(),
        user: None,
        input: Input::Prompt("hello".to_owned()),
        set_aside: Vec::new(),
        files: Vec::new(),
        trace: false,
        trace_context: None,
        options: O::default(),
    }
}

/// A configuration whose every request is answered by [`Aws`].
async fn sdk(aws: Aws) -> SdkConfig {
    let client = http_client_fn(move |_, _| SharedHttpConnector::new(aws.clone()));
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .endpoint_url("http://localhost:1")
        .http_client(client)
        .load()
        .await
}

/// The agent and API Gateway at once.
#[derive(Clone, Debug)]
struct Aws {
    events: Arc<[Bytes]>,
    end: Bytes,
    chunks: usize,
    /// How many chunks the agent says after each post.
    together: usize,
    /// How many of them it has not said yet.
    due: Arc<Semaphore>,
}

impl HttpConnector for Aws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.uri().contains("/@connections/") {
            self.due.add_permits(self.together);
            return HttpConnectorFuture::ready(Ok(response(SdkBody::empty())));
        }
        // Each chunk is a piece of the body, as it is when the agent sends each by itself.
        let Self { events, end, due, .. } = self.clone();
        let pieces = stream::iter(0..self.chunks).then(move |number| {
            let (event, due) = (events[number].clone(), Arc::clone(&due));
            async move {
                due.acquire().await.unwrap().forget();
                yield_now().await;
                Ok::<_, Infallible>(Frame::data(event))
            }
        });
        let end = stream::iter((!end.is_empty()).then(|| Ok(Frame::data(end))));
        let body = SdkBody::from_body_1_x(StreamBody::new(pieces.chain(end)));
        HttpConnectorFuture::ready(Ok(response(body)))
    }
}

fn response(body: SdkBody) -> Response {
    let mut response = Response::new(StatusCode::try_from(200).unwrap(), body);
    response.headers_mut().insert("content-type", "application/vnd.amazon.eventstream");
    response
}

impl Speaker {
    /// A chunk as it comes on the wire.
    fn chunk(self, number: usize) -> Bytes {
        match self {
            Self::Agent => {
                event("chunk", &json!({ "bytes": STANDARD.encode(format!("{number} ")) }))
            }
            Self::Harness => event(
                "contentBlockDelta",
                &json!({ "contentBlockIndex": 0, "delta": { "text": format!("{number} ") } }),
            ),
        }
    }

    /// What stands behind the last chunk; empty if nothing does.
    fn end(self) -> Bytes {
        match self {
            Self::Agent => Bytes::new(),
            Self::Harness => event("messageStop", &json!({ "stopReason": "end_turn" })),
        }
    }
}

/// An event as AWS sends it.
fn event(name: &str, payload: &Value) -> Bytes {
    let mut message = Message::new(payload.to_string());
    let headers =
        [(":event-type", name), (":message-type", "event"), (":content-type", "application/json")];
    for (name, value) in headers {
        let value = HeaderValue::String(value.to_owned().into());
        message = message.add_header(Header::new(name, value));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes.into()
}
