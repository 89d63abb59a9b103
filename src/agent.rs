//! `InvokeAgent` ⇒ a stream of agent events, typed where the relay has to understand them and in
//! their own JSON where it passes them on.
//!
//! This is the seam behind which another source of answers could stand: whoever gives a stream of
//! [`AgentEvent`]s can be relayed.

use std::error::Error;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_bedrockagentruntime::Client;
use aws_sdk_bedrockagentruntime::config::Builder;
use aws_sdk_bedrockagentruntime::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockagentruntime::operation::invoke_agent::InvokeAgentError;
use aws_sdk_bedrockagentruntime::operation::invoke_agent::builders::InvokeAgentFluentBuilder;
use aws_sdk_bedrockagentruntime::primitives::Blob;
use aws_sdk_bedrockagentruntime::primitives::event_stream::EventReceiver;
use aws_sdk_bedrockagentruntime::types::error::ResponseStreamError;
use aws_sdk_bedrockagentruntime::types::{ResponseStream, SessionState, StreamingConfigurations};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use futures::stream::{self, TryStreamExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_stream::Stream;
use tracing::{debug, warn};

use crate::agent::tap::{NotAnEventStream, Tap, WireEvent, WireEvents};
use crate::agui::Usage;
use crate::config::Config;
use crate::descriptors::{self, TOO_MANY_TURNS};
use crate::error::{ErrorCode, Failure, chain, has_cause};
use crate::http::{CONNECT_TIMEOUT, Rehearsal, is_lost_on_the_way, is_not_connected};
use crate::request::{Attributes, Input, Run};
use crate::retry::Backoff;
use crate::tool::ToolCall;

mod control;
mod tap;
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
            .retry_config(RetryConfig::disabled())
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
        let answer = async move { Answer::begin(call?, session_id).await };
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

/// An answer under way.
struct Answer {
    events: EventReceiver<ResponseStream, ResponseStreamError>,
    wire: WireEvents,
    /// Whether any event has been understood.
    has_begun: bool,
    session_id: String,
}

impl Answer {
    /// Calls the agent, again where that is safe, and waits for the beginning of its answer.
    async fn begin(
        call: InvokeAgentFluentBuilder,
        session_id: String,
    ) -> Result<impl Stream<Item = Result<AgentEvent, Failure>> + Send, Failure> {
        let mut attempt = 1;
        loop {
            let wire = WireEvents::default();
            let call = call.clone().customize().interceptor(Tap::new(wire.clone()));
            // Large, and no longer needed once the answer has begun.
            let sent = Box::pin(call.send()).await;
            let (failure, nothing_happened) = match sent {
                Ok(output) => {
                    // It is moved with each event, so it is in a box.
                    let answer = Box::new(Self {
                        events: output.completion,
                        wire,
                        has_begun: false,
                        session_id,
                    });
                    return Ok(stream::try_unfold(answer, Self::next));
                }
                Err(error) => refusal(error),
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

    async fn next(mut self: Box<Self>) -> Result<Option<(AgentEvent, Box<Self>)>, Failure> {
        let typed = match self.events.recv().await {
            Ok(Some(typed)) => typed,
            Ok(None) => return Ok(None),
            // The frame that the SDK could not make an event of is the next one.
            Err(error) => return Err(self.interruption(error)),
        };
        self.has_begun = true;
        // Every event passes the tap before the SDK decodes it, so a missing one is a fault of ours.
        let wire = self.wire.take().ok_or_else(|| {
            Failure::new(ErrorCode::Internal).caused_by("the tap missed an event")
        })?;
        Ok(Some((event(typed, &wire, &self.session_id), self)))
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
            .set_return_control_invocation_results(Some(control::results(answers)?));
    }
    Ok((!is_empty).then(|| state.build()))
}

fn event(typed: ResponseStream, wire: &WireEvent, session_id: &str) -> AgentEvent {
    match typed {
        ResponseStream::Chunk(chunk) => AgentEvent::Chunk {
            citations: chunk.attribution.is_some().then(|| citations(wire.payload())).flatten(),
            bytes: chunk.bytes.map(Blob::into_inner).unwrap_or_default(),
        },
        ResponseStream::Trace(part) => {
            AgentEvent::Trace { json: json(wire.payload()), usage: usage::usage(&part) }
        }
        ResponseStream::ReturnControl(payload) => match control::calls(&payload, session_id) {
            Some(calls) => AgentEvent::ReturnControl(calls),
            None => other(wire),
        },
        ResponseStream::Files(_) => match files(wire.payload()) {
            Some(files) => AgentEvent::Files(files),
            None => other(wire),
        },
        _ => other(wire),
    }
}

fn other(wire: &WireEvent) -> AgentEvent {
    let name = wire.name().unwrap_or_else(|| "unknown".to_owned());
    AgentEvent::Other { name, json: json(wire.payload()) }
}

/// The files in a payload, each untouched.
fn files(payload: &[u8]) -> Option<Vec<Box<RawValue>>> {
    #[derive(Deserialize)]
    struct FilePart {
        files: Vec<Box<RawValue>>,
    }
    Some(serde_json::from_slice::<FilePart>(payload).ok()?.files)
}

/// The list of citations in a chunk's payload, untouched.
fn citations(payload: &[u8]) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Chunk {
        attribution: Attribution,
    }
    #[derive(Deserialize)]
    struct Attribution {
        citations: Option<Box<RawValue>>,
    }
    serde_json::from_slice::<Chunk>(payload).ok()?.attribution.citations
}

/// A payload as JSON. Events of types that are still unknown need not be JSON; what is not, becomes
/// a JSON string.
fn json(payload: &[u8]) -> Box<RawValue> {
    serde_json::from_slice(payload)
        .or_else(|_| serde_json::value::to_raw_value(&String::from_utf8_lossy(payload)))
        .unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The code of one of the ten exceptions, which the SDK has as two types of the same shape.
macro_rules! code_of {
    ($type:ident, $error:expr) => {
        match $error {
            $type::AccessDeniedException(_) => Some(ErrorCode::AccessDenied),
            $type::BadGatewayException(_) => Some(ErrorCode::BadGateway),
            $type::ConflictException(_) => Some(ErrorCode::Conflict),
            $type::DependencyFailedException(_) => Some(ErrorCode::DependencyFailed),
            $type::InternalServerException(_) => Some(ErrorCode::InternalServer),
            $type::ModelNotReadyException(_) => Some(ErrorCode::ModelNotReady),
            $type::ResourceNotFoundException(_) => Some(ErrorCode::ResourceNotFound),
            $type::ServiceQuotaExceededException(_) => Some(ErrorCode::ServiceQuotaExceeded),
            $type::ThrottlingException(_) => Some(ErrorCode::Throttling),
            $type::ValidationException(_) => Some(ErrorCode::Validation),
            _ => None,
        }
    };
}

/// Why the agent did not begin to answer, and whether nothing can have happened yet.
fn refusal(error: SdkError<InvokeAgentError>) -> (Failure, bool) {
    let nothing_was_sent = is_not_connected(&error);
    let code = match &error {
        SdkError::ServiceError(service) => code_of!(InvokeAgentError, service.err())
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
    match response.status().as_u16() {
        // Its body broke off, but the status says enough.
        429 => ErrorCode::Throttling,
        _ => ErrorCode::ConnectionLost,
    }
}

impl Answer {
    /// Why the answer broke off.
    fn interruption<R>(&self, error: SdkError<ResponseStreamError, R>) -> Failure
    where
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        if let Some(frame) = self.wire.take().and_then(|frame| frame.error()) {
            warn!(code = frame.code, message = frame.message, "the agent sent an error");
            let code = ErrorCode::of_exception(&frame.code).unwrap_or(ErrorCode::InternalServer);
            return failure(code, error);
        }
        let code = match &error {
            SdkError::ServiceError(service) => {
                code_of!(ResponseStreamError, service.err()).unwrap_or(ErrorCode::InternalServer)
            }
            // What came is not the beginning of an event stream, whatever it calls itself.
            SdkError::ResponseError(_) if !self.has_begun => ErrorCode::BadGateway,
            _ => ErrorCode::ConnectionLost,
        };
        failure(code, error)
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

fn failure<E, R>(code: ErrorCode, error: SdkError<E, R>) -> Failure
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let failure = Failure::new(code);
    let detail = match (code, error.as_service_error().and_then(ProvideErrorMetadata::message)) {
        // Only here Bedrock's own words help whoever wrote the message.
        (ErrorCode::Validation, Some(said)) => {
            format!("{} Bedrock says: {}", code.advice(), without_arns(said))
        }
        _ => return failure.caused_by(error),
    };
    failure.saying(detail).caused_by(error)
}

/// A message without the names of resources, which are not the client's business.
fn without_arns(message: &str) -> String {
    let words =
        message.split(' ').map(|word| if word.contains("arn:") { "(a resource)" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
