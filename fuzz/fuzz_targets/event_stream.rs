//! What the response of an agent or a harness says does not depend on where the network cuts it, and no response makes
//! the reader panic.
//!
//! Input that begins with `!` is the body itself. Any other is a line for each frame, a type and a
//! payload: made-up bytes hardly ever have the checksums of a frame.

#![no_main]

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use agent_relay::config::{BedrockAgentConfig, HarnessConfig};
use agent_relay::request::{Input, Run};
use agent_relay::source::Source;
use agent_relay::source::agentcore_harness::AgentcoreHarness;
use agent_relay::source::bedrock_agent::BedrockAgent;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// Answers each request with a body in these pieces.
#[derive(Clone, Debug, Default)]
struct Pieces(Arc<Mutex<Vec<Bytes>>>);

impl HttpConnector for Pieces {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let pieces = std::mem::take(&mut *self.0.lock().unwrap());
        let pieces = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let body = SdkBody::from_body_1_x(StreamBody::new(stream::iter(pieces)));
        let mut response = Response::new(StatusCode::try_from(200).unwrap(), body);
        response.headers_mut().insert("content-type", "application/vnd.amazon.eventstream");
        HttpConnectorFuture::ready(Ok(response))
    }
}

struct Reader {
    runtime: Runtime,
    pieces: Pieces,
    agent: BedrockAgent,
    harness: AgentcoreHarness,
}

impl Reader {
    fn new() -> Self {
        let pieces = Pieces::default();
        let answering = pieces.clone();
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "fuzz");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://localhost:1")
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::new(answering.clone())))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let config = BedrockAgentConfig {
            agent_id: "ABCDE12345".to_owned(),
            agent_alias_id: "TSTALIASID".to_owned(),
            memory_id: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let harness = HarnessConfig {
            harness_arn: "arn:aws:bedrock-agentcore:us-east-1:000000000000:harness/h-0123456789"
                .to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: None,
            memory_id: None,
            stop_on_leave: false,
        };
        let agent = BedrockAgent::new(&sdk, config);
        Self { runtime, pieces, agent, harness: AgentcoreHarness::new(&sdk, harness) }
    }

    /// What either is understood to say in these pieces.
    fn read(&self, pieces: impl Iterator<Item = Bytes>) -> [Vec<String>; 2] {
        let pieces: Vec<Bytes> = pieces.collect();
        [self.read_of(&self.agent, &pieces), self.read_of(&self.harness, &pieces)]
    }

    fn read_of<S: Source>(&self, source: &S, pieces: &[Bytes]) -> Vec<String>
    where
        S::Options: Default,
    {
        *self.pieces.0.lock().unwrap() = pieces.to_vec();
        let call = source.prepare(&run(), Instant::now()).expect("the run can be asked");
        let events = source.invoke(call);
        self.runtime.block_on(events.map(|event| format!("{event:?}")).collect())
    }
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
        trace: true,
        trace_context: None,
        options: O::default(),
    }
}

fn body(data: &[u8]) -> Vec<u8> {
    if let Some(body) = data.strip_prefix(b"!") {
        return body.to_vec();
    }
    let mut body = Vec::new();
    for line in data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let blank = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let name = String::from_utf8_lossy(&line[..blank]).into_owned();
        let payload = line.get(blank + 1..).unwrap_or_default().to_vec();
        // An exception is an event whose name begins so.
        let (kind, of_kind) = match name.strip_prefix('?') {
            Some(_) => ("exception", ":exception-type"),
            None => ("event", ":event-type"),
        };
        let name = name.trim_start_matches('?').to_owned();
        let message = Message::new(payload)
            .add_header(Header::new(":message-type", HeaderValue::String(kind.into())))
            .add_header(Header::new(of_kind, HeaderValue::String(name.into())));
        if write_message_to(&message, &mut body).is_err() {
            break;
        }
    }
    body
}

thread_local! {
    static READER: RefCell<Option<Reader>> = const { RefCell::new(None) };
}

fuzz_target!(|data: &[u8]| {
    let body = Bytes::from(body(data));
    READER.with_borrow_mut(|reader| {
        let reader = reader.get_or_insert_with(Reader::new);
        let whole = reader.read([body.clone()].into_iter());
        let single = reader.read((0..body.len()).map(|at| body.slice(at..=at)));
        assert_eq!(whole, single, "cut into single bytes");
        let at = data.first().map_or(0, |first| usize::from(*first) * body.len() / 256);
        let halves = reader.read([body.slice(..at), body.slice(at..)].into_iter());
        assert_eq!(whole, halves, "cut at {at}");
    });
});
