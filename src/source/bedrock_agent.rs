//! `InvokeAgent` ⇒ a stream of agent events, understood where the relay has to and in their own JSON
//! where it passes them on.
//!
//! This is the seam behind which another source of answers could stand: whoever gives a stream of
//! [`AgentEvent`]s can be relayed.

use std::error::Error;

use aws_config::SdkConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_bedrockagentruntime::Client;
use aws_sdk_bedrockagentruntime::config::Builder;
use aws_sdk_bedrockagentruntime::error::{BuildError, ProvideErrorMetadata as _, SdkError};
use aws_sdk_bedrockagentruntime::operation::invoke_agent::InvokeAgentError;
use aws_sdk_bedrockagentruntime::operation::invoke_agent::builders::InvokeAgentFluentBuilder;
use aws_sdk_bedrockagentruntime::types::{SessionState, StreamingConfigurations};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use futures::stream::{self, TryStreamExt as _};
use serde_json::value::RawValue;
use tokio_stream::Stream;
use tracing::{debug, warn};

use crate::agui::Usage;
use crate::aws::{CONNECT_TIMEOUT, Rehearsal, is_lost_on_the_way, is_not_connected};
use crate::config::Config;
use crate::descriptors::{self, TOO_MANY_TURNS};
use crate::error::{ErrorCode, Failure, chain, has_cause};
use crate::request::{Attributes, Input, Run};
use crate::retry::{self, Backoff};
use crate::source::bedrock_agent::response_stream::Answer;
use crate::source::bedrock_agent::tool_call_id::ToolCall;
use crate::source::event_stream::{NotAnEventStream, TakeBody};

mod response_stream;
mod return_of_control;
pub mod tool_call_id;
mod usage;

/// What an agent says, one event of its stream at a time.
#[derive(Debug)]
pub enum AgentEvent {
    /// A piece of the answer.
    Chunk {
        /// Bytes of UTF-8, which may begin and end inside a character.
        bytes: Vec<u8>,
        /// The citations of the answer's text, as Bedrock sent them: a JSON list.
        citations: Option<Box<RawValue>>,
    },
    /// A step of the agent's reasoning.
    Trace {
        /// The step as Bedrock sent it: a JSON object (`TracePart`).
        json: Box<RawValue>,
        /// The tokens that a model used in this step.
        usage: Option<Usage>,
    },
    /// The agent hands actions to the client, whose answers begin the next turn. At least one.
    ReturnControl(Vec<ToolCall>),
    /// Files that the agent made: JSON objects of `name`, `type` and `bytes` (base64).
    Files(Vec<Box<RawValue>>),
    /// An event without a meaning of its own to the relay, as Bedrock sent it.
    Other {
        /// The event's type.
        name: String,
        /// The event's JSON.
        json: Box<RawValue>,
    },
}

/// A Bedrock agent behind one of its aliases.
#[derive(Clone, Debug)]
pub struct Agent {
    client: Client,
    id: String,
    alias_id: String,
}

impl Agent {
    /// The configured agent, called through the SDK configuration.
    #[must_use]
    pub fn new(sdk: &SdkConfig, config: &Config) -> Self {
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
        Self {
            client: Client::from_conf(settings),
            id: config.agent_id.clone(),
            alias_id: config.agent_alias_id.clone(),
        }
    }

    /// Asks the agent. The stream does nothing until it is polled, ends after the agent's last
    /// event or with the first error, and frees the agent when it is dropped.
    pub fn invoke(
        &self,
        run: &Run,
    ) -> impl Stream<Item = Result<AgentEvent, Failure>> + Send + use<> {
        let call = self.call(run);
        let session_id = run.session_id.clone();
        let answer = async move { begin(call?, session_id).await };
        // The call's future is large, and whoever takes this stream may move it about.
        Box::pin(stream::once(answer).try_flatten())
    }

    /// Asks for nothing through `rehearsal`, which sends nothing.
    pub async fn rehearse(&self, rehearsal: Rehearsal) {
        let call = self.client.invoke_agent().agent_id(&self.id).agent_alias_id(&self.alias_id);
        let call =
            call.session_id("rehearsal").input_text("").streaming_configurations(streaming());
        let override_ = Builder::new().http_client(rehearsal);
        let sent = call.customize().config_override(override_).send().await;
        debug!(ended = ?sent.err().map(|error| chain(&error)), "a call of the agent was rehearsed");
    }

    fn call(&self, run: &Run) -> Result<InvokeAgentFluentBuilder, Failure> {
        let state = session_state(run)
            .map_err(|error| Failure::new(ErrorCode::Internal).caused_by(error))?;
        let prompt = match &run.input {
            Input::Prompt(prompt) => Some(prompt.clone()),
            Input::Answers(_) => None,
        };
        let call = self
            .client
            .invoke_agent()
            .agent_id(&self.id)
            .agent_alias_id(&self.alias_id)
            .session_id(&run.session_id)
            .set_memory_id(run.memory_id.clone())
            .set_input_text(prompt)
            .enable_trace(run.trace)
            .set_end_session(run.end_session.then_some(true))
            .set_session_state(state)
            .streaming_configurations(streaming());
        Ok(call)
    }
}

/// The default is one chunk with the whole answer.
fn streaming() -> StreamingConfigurations {
    StreamingConfigurations::builder().stream_final_response(true).build()
}

/// Calls the agent, again where that is safe, and waits for the beginning of its answer.
async fn begin(
    call: InvokeAgentFluentBuilder,
    session_id: String,
) -> Result<impl Stream<Item = Result<AgentEvent, Failure>> + Send, Failure> {
    let mut attempt = 1;
    loop {
        let body = TakeBody::default();
        let call = call.clone().customize().interceptor(body.clone());
        // Large, and no longer needed once the answer has begun.
        let sent = Box::pin(call.send()).await;
        let (failure, nothing_happened) = match (sent, body.taken()) {
            (Ok(_), Some(body)) => {
                // It is moved with each event, so it is in a box.
                let answer = Box::new(Answer::new(body, session_id));
                return Ok(stream::try_unfold(answer, Answer::next));
            }
            (Ok(_), None) => {
                let missing = "a good response without a body";
                (Failure::new(ErrorCode::Internal).caused_by(missing), false)
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

/// What the session is told besides the prompt; `None` when that is nothing.
fn session_state(run: &Run) -> Result<Option<SessionState>, BuildError> {
    let attributes = |attributes: &Attributes| {
        (!attributes.is_empty()).then(|| attributes.clone().into_iter().collect())
    };
    let mut state = SessionState::builder()
        .set_session_attributes(attributes(&run.session_attributes))
        .set_prompt_session_attributes(attributes(&run.prompt_session_attributes));
    let mut is_empty =
        run.session_attributes.is_empty() && run.prompt_session_attributes.is_empty();
    if let Input::Answers(answers) = &run.input
        && let Some(first) = answers.first()
    {
        is_empty = false;
        state = state
            .invocation_id(&first.id.invocation_id)
            .set_return_control_invocation_results(Some(return_of_control::results(answers)?));
    }
    Ok((!is_empty).then(|| state.build()))
}

/// Why the agent did not begin to answer, and whether nothing can have happened yet.
fn refusal(error: SdkError<InvokeAgentError>) -> (Failure, bool) {
    let nothing_was_sent = is_not_connected(&error);
    let code = match &error {
        SdkError::ServiceError(service) => error
            .code()
            .and_then(ErrorCode::of_exception)
            .unwrap_or_else(|| code_of_status(service.raw().status().as_u16())),
        SdkError::ResponseError(response) => code_of_response(&error, response.raw()),
        _ if is_lost_on_the_way(&error) => ErrorCode::ConnectionLost,
        // The request could not be made, most likely for want of credentials.
        _ => ErrorCode::Internal,
    };
    let nothing_happened =
        nothing_was_sent || matches!(code, ErrorCode::Throttling | ErrorCode::ModelNotReady);
    let no_descriptors = descriptors::are_exhausted(&error);
    let failure = failure(code, error);
    if no_descriptors {
        return (Failure { code: ErrorCode::Internal, ..failure.saying(TOO_MANY_TURNS) }, true);
    }
    (failure, nothing_happened)
}

/// The code for a response that could not be understood.
fn code_of_response(error: &(dyn Error + 'static), response: &HttpResponse) -> ErrorCode {
    if has_cause::<NotAnEventStream>(error) {
        return ErrorCode::BadGateway;
    }
    let name = response.headers().get("x-amzn-errortype").and_then(ErrorCode::of_exception);
    if let Some(code) = name {
        return code;
    }
    match response.status().as_u16() {
        // Its body broke off or never ended, but the status says enough.
        status @ (401 | 403 | 404 | 429 | 500..) => code_of_status(status),
        _ => ErrorCode::ConnectionLost,
    }
}

/// The code for an answer that is none of the ten exceptions, for example of the signature check.
fn code_of_status(status: u16) -> ErrorCode {
    match status {
        401 | 403 => ErrorCode::AccessDenied,
        404 => ErrorCode::ResourceNotFound,
        429 => ErrorCode::Throttling,
        500.. => ErrorCode::InternalServer,
        // No final answer: HTTP/1.1 has none below 200 to a call.
        ..200 => ErrorCode::ConnectionLost,
        _ => ErrorCode::Internal,
    }
}

fn failure(code: ErrorCode, error: SdkError<InvokeAgentError>) -> Failure {
    let failure = Failure::new(code);
    match (code, error.message()) {
        // Only here Bedrock's own words help whoever wrote the message.
        (ErrorCode::Validation, Some(said)) => {
            let detail = format!("{} Bedrock says: {}", code.advice(), without_arns(said));
            failure.saying(detail).caused_by(error)
        }
        _ => failure.caused_by(error),
    }
}

/// A message without the names of resources, which are not the client's business.
fn without_arns(message: &str) -> String {
    let words =
        message.split(' ').map(|word| if word.contains("arn:") { "(a resource)" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
