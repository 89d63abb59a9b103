//! A turn without a network and without waiting: the function's own clients of the agent and of the
//! connection, whose requests are answered here. So one run costs what another does, to the
//! allocation and almost to the instruction.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use agent_relay::config::BedrockAgentConfig;
use agent_relay::invocation::ConnectionRef;
use agent_relay::relay::{Limits, Outcome, Summary, relay};
use agent_relay::request::{Input, Run};
use agent_relay::source::Source as _;
use agent_relay::source::bedrock_agent::{BedrockAgent, InvokeAgentOptions};
use agent_relay::transport::websocket::Connections;
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
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::Instant;

/// The most chunks of a turn.
const MOST: usize = 1200;

/// What the agent says, of which a turn is a beginning. All of it is there before any turn begins, so
/// that the making of it is not counted.
pub(crate) struct Recorded {
    runtime: Runtime,
    events: Arc<[Bytes]>,
}

impl Recorded {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self { runtime: runtime.unwrap(), events: (1..=MOST).map(event).collect() }
    }

    /// Relays a turn of so many chunks, so many of which come together. So each post holds these, but
    /// for the first and the last, which hold no text.
    pub(crate) fn turn(&self, chunks: usize, together: usize) -> Summary {
        let summary = self.runtime.block_on(turn(self.events.clone(), chunks, together));
        assert!(matches!(summary.outcome, Outcome::Finished), "{summary:?}");
        assert_eq!(summary.stats.chunks, chunks as u64);
        assert_eq!(summary.frames, chunks.div_ceil(together) as u64 + 2);
        summary
    }
}

async fn turn(events: Arc<[Bytes]>, chunks: usize, together: usize) -> Summary {
    let sdk = sdk(Aws { events, chunks, together, due: Semaphore::new(0).into() }).await;
    let agent = BedrockAgentConfig {
        agent_id: "LOCALAGENT".to_owned(),
        agent_alias_id: "LOCALALIAS".to_owned(),
        memory_id: None,
    };
    let agent = BedrockAgent::new(&sdk, agent);
    let connection =
        ConnectionRef { connection_id: "JKJZ8fTwSQhgCIhw=".to_owned(), ..ConnectionRef::default() };
    let connection = Connections::new(&sdk, true).await.unwrap().to(&connection).unwrap();
    let run = run();
    let now = Instant::now();
    let limits = Limits {
        keepalive: Duration::from_secs(30),
        deadline: now + Duration::from_secs(800),
        hard_deadline: now + Duration::from_secs(805),
        shutdown_grace: Duration::from_millis(1500),
        outbox_bytes: Limits::OUTBOX_BYTES,
    };
    // In a box, as the function has it.
    let events = agent.invoke(agent.prepare(&run).unwrap());
    Box::pin(relay(run.ids(), run.trace, events, &connection, &limits, pending())).await
}

fn run() -> Run<InvokeAgentOptions> {
    Run {
        thread_id: "thread-1".to_owned(),
        run_id: "run-1".to_owned(),
        request_id: "request-1".to_owned(),
        session_id: "thread-1".to_owned(),
        principal: None,
        input: Input::Prompt("hello".to_owned()),
        trace: false,
        options: InvokeAgentOptions::default(),
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
        let Self { events, due, .. } = self.clone();
        let pieces = stream::iter(0..self.chunks).then(move |number| {
            let (event, due) = (events[number].clone(), Arc::clone(&due));
            async move {
                due.acquire().await.unwrap().forget();
                yield_now().await;
                Ok::<_, Infallible>(Frame::data(event))
            }
        });
        let body = SdkBody::from_body_1_x(StreamBody::new(pieces));
        HttpConnectorFuture::ready(Ok(response(body)))
    }
}

fn response(body: SdkBody) -> Response {
    let mut response = Response::new(StatusCode::try_from(200).unwrap(), body);
    response.headers_mut().insert("content-type", "application/vnd.amazon.eventstream");
    response
}

/// A chunk as Bedrock sends it.
fn event(number: usize) -> Bytes {
    let payload = json!({ "bytes": STANDARD.encode(format!("{number} ")) });
    let mut message = Message::new(payload.to_string());
    let headers = [
        (":event-type", "chunk"),
        (":message-type", "event"),
        (":content-type", "application/json"),
    ];
    for (name, value) in headers {
        message = message.add_header(Header::new(name, HeaderValue::String(value.into())));
    }
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes.into()
}
