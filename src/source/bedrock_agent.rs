//! `InvokeAgent`: a Bedrock agent ("Agents Classic") behind one of its aliases.

use aws_config::SdkConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_bedrockagentruntime::Client;
use aws_sdk_bedrockagentruntime::config::Builder;
use aws_sdk_bedrockagentruntime::operation::invoke_agent::builders::InvokeAgentFluentBuilder;
use aws_sdk_bedrockagentruntime::types::builders::SessionStateBuilder;
use aws_sdk_bedrockagentruntime::types::{
    InvocationResultMember, SessionState, StreamingConfigurations,
};
use futures::stream::{self, TryStreamExt as _};
use tokio_stream::Stream;
use tracing::{debug, warn};

use crate::aws::{CONNECT_TIMEOUT, Rehearsal};
use crate::config::BedrockAgentConfig;
use crate::error::{ErrorCode, Failure, chain};
use crate::request::{Attributes, Input, InvalidRequest, Run};
use crate::retry::{self, Backoff};
use crate::source::bedrock_agent::failure::refusal;
use crate::source::bedrock_agent::response_stream::ResponseStream;
use crate::source::event_stream::TakeBody;
use crate::source::{Event, Source};

pub use crate::source::bedrock_agent::options::InvokeAgentOptions;
pub use crate::source::bedrock_agent::tool_call_id::{Action, MAX_CALLS, ToolCallId};

mod failure;
mod options;
mod response_stream;
mod return_of_control;
mod tool_call_id;
mod usage;

/// A Bedrock agent behind one of its aliases.
#[derive(Clone, Debug)]
pub struct BedrockAgent {
    client: Client,
    config: BedrockAgentConfig,
}

/// A call of `InvokeAgent` that was not sent yet.
#[derive(Clone, Debug)]
pub struct Call {
    request: InvokeAgentFluentBuilder,
    session_id: String,
}

impl BedrockAgent {
    /// The configured agent, called through the SDK configuration.
    #[must_use]
    pub fn new(sdk: &SdkConfig, config: BedrockAgentConfig) -> Self {
        let settings = Builder::from(sdk)
            // Calls are tried again here, see `retry`.
            .retry_config(retry::without_the_sdk())
            // For the answer itself there is no limit but the function's own time: an agent may think
            // for minutes.
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
            // An agent may be silent for as long as it likes. Today the SDK leaves event streams out of
            // its protection against stalled streams; it did not always (aws-sdk-rust #1287).
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self { client: Client::from_conf(settings), config }
    }

    /// Asks for nothing through `rehearsal`, which sends nothing.
    pub async fn rehearse(&self, rehearsal: Rehearsal) {
        let call = self.request().session_id("rehearsal").input_text("");
        let override_ = Builder::new().http_client(rehearsal);
        let sent = call.customize().config_override(override_).send().await;
        debug!(ended = ?sent.err().map(|error| chain(&error)), "a call of the agent was rehearsed");
    }

    fn request(&self) -> InvokeAgentFluentBuilder {
        self.client
            .invoke_agent()
            .agent_id(&self.config.agent_id)
            .agent_alias_id(&self.config.agent_alias_id)
            .streaming_configurations(streaming())
    }
}

impl Source for BedrockAgent {
    type Options = InvokeAgentOptions;
    type Call = Call;

    fn prepare(&self, run: &Run<InvokeAgentOptions>) -> Result<Call, Failure> {
        let request = self
            .request()
            .session_id(&run.session_id)
            .set_memory_id(self.config.memory_id.clone().or_else(|| run.principal.clone()))
            .enable_trace(run.trace)
            .set_end_session(run.options.end_session.then_some(true));
        let mut state = session_state(&run.options);
        let request = match &run.input {
            Input::Prompt(prompt) => request.input_text(prompt),
            Input::ToolResults(results) => {
                let answered = return_of_control::answered(results, &run.session_id)
                    .map_err(|reason| InvalidRequest::failure(&reason))?;
                let results: Vec<InvocationResultMember> = return_of_control::results(&answered)
                    .map_err(|error| Failure::new(ErrorCode::Internal).with_source(error))?;
                let invocation_id = answered.first().map(|(id, _)| id.invocation_id.clone());
                let with_results = state
                    .unwrap_or_else(SessionState::builder)
                    .set_invocation_id(invocation_id)
                    .set_return_control_invocation_results(Some(results));
                state = Some(with_results);
                request
            }
        };
        let request = request.set_session_state(state.map(SessionStateBuilder::build));
        Ok(Call { request, session_id: run.session_id.clone() })
    }

    fn invoke(&self, call: Call) -> impl Stream<Item = Result<Event, Failure>> + Send + 'static {
        // The call's future is large, and whoever takes this stream may move it about.
        Box::pin(stream::once(begin(call)).try_flatten())
    }
}

/// The default is one chunk with the whole answer.
fn streaming() -> StreamingConfigurations {
    StreamingConfigurations::builder().stream_final_response(true).build()
}

/// Calls the agent, again where that is safe, and waits for the beginning of its answer.
async fn begin(call: Call) -> Result<impl Stream<Item = Result<Event, Failure>> + Send, Failure> {
    let mut attempt = 1;
    loop {
        let body = TakeBody::default();
        let request = call.request.clone().customize().interceptor(body.clone());
        // Large, and no longer needed once the answer has begun.
        let sent = Box::pin(request.send()).await;
        let (failure, nothing_happened) = match (sent, body.taken()) {
            (Ok(_), Some(body)) => {
                // It is moved with each event, so it is in a box.
                let events = Box::new(ResponseStream::new(body, call.session_id));
                return Ok(stream::try_unfold(events, ResponseStream::next));
            }
            (Ok(_), None) => {
                let missing = "a good response without a body";
                (Failure::new(ErrorCode::Internal).with_source(missing), false)
            }
            (Err(error), _) => refusal(error),
        };
        match Backoff::AGENT.after(attempt) {
            Some(wait) if nothing_happened => {
                warn!(attempt, ?wait, error = failure.cause(), "the agent is called again");
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
            _ => return Err(failure),
        }
    }
}

/// What the session is told besides the input; `None` when that is nothing.
fn session_state(options: &InvokeAgentOptions) -> Option<SessionStateBuilder> {
    let attributes = |attributes: &Attributes| {
        (!attributes.is_empty()).then(|| attributes.clone().into_iter().collect())
    };
    let is_empty =
        options.session_attributes.is_empty() && options.prompt_session_attributes.is_empty();
    (!is_empty).then(|| {
        SessionState::builder()
            .set_session_attributes(attributes(&options.session_attributes))
            .set_prompt_session_attributes(attributes(&options.prompt_session_attributes))
    })
}
