//! `InvokeAgentRuntime`: an agent of one's own on a runtime of Amazon Bedrock `AgentCore`, which speaks
//! AG-UI: `RunAgentInput` in, AG-UI's events as server-sent events out, whatever the runtime's protocol
//! setting.
//!
//! Its events pass in their own form. What changes is only what belongs to the run: the conversation is
//! that of whoever asks, by whose id such agents keep their history, and the run's ends are the relay's own.

use aws_config::SdkConfig;
use aws_sdk_bedrockagentcore::Client;
use aws_sdk_bedrockagentcore::config::Builder;
use aws_sdk_bedrockagentcore::operation::invoke_agent_runtime::builders::InvokeAgentRuntimeFluentBuilder;
use aws_sdk_bedrockagentcore::operation::stop_runtime_session::builders::StopRuntimeSessionFluentBuilder;
use aws_smithy_types::Blob;
use futures::stream::{self, TryStreamExt as _};
use tokio::time::Instant;
use tokio_stream::Stream;
use tracing::debug;

use crate::aws::Rehearsal;
use crate::config::RuntimeConfig;
use crate::error::{Failure, chain};
use crate::ids::hex_hash;
use crate::request::Run;
use crate::source::agentcore;
use crate::source::agentcore_runtime::event_stream::{CONTENT_TYPE, EventStream};
use crate::source::agentcore_runtime::failure::refusal;
use crate::source::call;
use crate::source::{Event, Source};

pub use crate::source::agentcore_runtime::options::RuntimeOptions;

mod event_stream;
mod failure;
mod open_parts;
mod options;
mod split_characters;

/// An agent on a runtime, behind one of its endpoints.
#[derive(Clone, Debug)]
pub struct AgentcoreRuntime {
    client: Client,
    config: RuntimeConfig,
}

/// A call of `InvokeAgentRuntime` that was not sent yet.
#[derive(Clone, Debug)]
pub struct Call {
    request: InvokeAgentRuntimeFluentBuilder,
    /// The relay's id of what the client asked.
    request_id: String,
    /// Ends the session, where that is wished.
    stop: StopRuntimeSessionFluentBuilder,
}

impl AgentcoreRuntime {
    /// The configured runtime, called through the SDK configuration in its own Region.
    #[must_use]
    pub fn new(sdk: &SdkConfig, config: RuntimeConfig) -> Self {
        Self { client: agentcore::client(sdk, &config.region), config }
    }

    /// Asks for nothing through `rehearsal`, which sends nothing.
    pub async fn rehearse(&self, rehearsal: Rehearsal) {
        let call = self.request(&agentcore::session_id("rehearsal"), Vec::new());
        let override_ = Builder::new().http_client(rehearsal);
        let sent = call.customize().config_override(override_).send().await;
        debug!(ended = ?sent.err().map(|error| chain(&error)), "a call of the runtime was rehearsed");
    }

    fn request(&self, session_id: &str, payload: Vec<u8>) -> InvokeAgentRuntimeFluentBuilder {
        self.client
            .invoke_agent_runtime()
            .agent_runtime_arn(&self.config.runtime_arn)
            .set_qualifier(self.config.endpoint.clone())
            .runtime_session_id(session_id)
            .content_type("application/json")
            // An agent may have another form of AG-UI's events, too.
            .accept("text/event-stream")
            .payload(Blob::new(payload))
    }
}

impl Source for AgentcoreRuntime {
    type Options = RuntimeOptions;
    type Call = Call;

    const WHY_IN_ONE_CHUNK: &str = "the agent on the runtime does not stream its model's answer";

    fn prepare(&self, run: &Run<RuntimeOptions>, _: Instant) -> Result<Call, Failure> {
        let session_id = agentcore::session_id(&run.session_id);
        let payload = run.options.input(&session_id, run);
        let stop = self
            .client
            .stop_runtime_session()
            .agent_runtime_arn(&self.config.runtime_arn)
            .set_qualifier(self.config.endpoint.clone())
            .runtime_session_id(&session_id)
            // By its token, the service knows another attempt of the same stop.
            .client_token(hex_hash(&run.request_id));
        let mut request = self.request(&session_id, payload);
        if let Some(trace) = &run.trace_context {
            request = request
                .trace_id(trace.x_amzn_trace_id())
                .set_trace_parent(trace.traceparent())
                .set_trace_state(trace.tracestate().map(str::to_owned));
        }
        Ok(Call { request, request_id: run.request_id.clone(), stop })
    }

    fn stop(&self, call: &Call) -> impl Future<Output = ()> + Send + 'static {
        let request = self.config.stop_on_leave.then(|| call.stop.clone());
        async move {
            if let Some(request) = request {
                agentcore::stop(request).await;
            }
        }
    }

    fn invoke(&self, call: Call) -> impl Stream<Item = Result<Event, Failure>> + Send + 'static {
        // The call's future is large, and whoever takes this stream may move it about.
        Box::pin(stream::once(begin(call.request, call.request_id)).try_flatten())
    }
}

/// Calls the agent, and waits for the beginning of its answer.
async fn begin(
    request: InvokeAgentRuntimeFluentBuilder,
    seed: String,
) -> Result<impl Stream<Item = Result<Event, Failure>> + Send, Failure> {
    let body = call::begin(CONTENT_TYPE, |body| {
        let request = request.clone().customize().interceptor(body);
        async { request.send().await.map(drop).map_err(refusal) }
    });
    let events = Box::new(EventStream::new(body.await?, seed));
    Ok(stream::try_unfold(events, EventStream::next))
}
