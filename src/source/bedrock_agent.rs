//! `InvokeAgent`: a Bedrock agent ("Agents Classic") behind one of its aliases.

use aws_config::SdkConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_bedrockagentruntime::Client;
use aws_sdk_bedrockagentruntime::config::Builder;
use aws_sdk_bedrockagentruntime::error::BuildError;
use aws_sdk_bedrockagentruntime::operation::invoke_agent::builders::InvokeAgentFluentBuilder;
use aws_sdk_bedrockagentruntime::primitives::Blob;
use aws_sdk_bedrockagentruntime::types::builders::SessionStateBuilder;
use aws_sdk_bedrockagentruntime::types::{
    ByteContentFile, FileSource, FileSourceType, FileUseCase, InputFile as SentFile,
    InvocationResultMember, SessionState, StreamingConfigurations,
};
use futures::stream::{self, TryStreamExt as _};
use tokio::time::Instant;
use tokio_stream::Stream;
use tracing::debug;

use crate::aws::{CONNECT_TIMEOUT, Rehearsal};
use crate::config::{BedrockAgentConfig, FileUse};
use crate::error::{ErrorCode, Failure, chain};
use crate::request::files::InputFile;
use crate::request::{Attributes, Input, InvalidRequest, Run};
use crate::retry;
use crate::source::bedrock_agent::failure::InvokeAgentRefusals;
use crate::source::bedrock_agent::response_stream::ResponseStream;
use crate::source::call::{self, refusal};
use crate::source::event_stream::CONTENT_TYPE;
use crate::source::{Event, FilesToCome, Source};
use crate::trace_context::TraceContext;

pub use crate::source::bedrock_agent::options::InvokeAgentOptions;
pub use crate::source::bedrock_agent::tool_call_id::{Action, MAX_CALLS, ToolCallId};

mod failure;
mod options;
mod response_stream;
mod return_of_control;
mod tool_call_id;
mod usage;

/// The header that says which trace a call is part of.
const X_AMZN_TRACE_ID: &str = "x-amzn-trace-id";

/// A Bedrock agent behind one of its aliases.
#[derive(Clone, Debug)]
pub struct BedrockAgent {
    client: Client,
    config: BedrockAgentConfig,
}

/// A call of `InvokeAgent` that was not sent yet.
#[derive(Debug)]
pub struct Call {
    /// All but what the session is told.
    request: InvokeAgentFluentBuilder,
    /// What it is told besides the files.
    state: Option<SessionStateBuilder>,
    files: FilesToCome,
    session_id: String,
    /// The value of `X-Amzn-Trace-Id`, which is no member of the operation.
    x_amzn_trace_id: Option<String>,
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

    const WHY_IN_ONE_CHUNK: &str = "the agent's role may lack bedrock:InvokeModelWithResponseStream, or the agent's pre- or post-processing is enabled, which holds the answer back";

    /// `InvokeAgent` knows no limit of time.
    fn prepare(&self, run: &Run<InvokeAgentOptions>, _: Instant) -> Result<Call, Failure> {
        let request = self
            .request()
            .session_id(&run.session_id)
            .set_memory_id(
                self.config
                    .memory_id
                    .clone()
                    .or_else(|| run.user.as_ref().map(|user| user.hash.clone())),
            )
            .enable_trace(run.trace)
            .set_end_session(run.options.end_session.then_some(true));
        let options = run.options.with_user(run.user.as_ref());
        let options = options.map_err(|reason| InvalidRequest::failure(&reason))?;
        let mut state = session_state(&options);
        let request = match &run.input {
            Input::Prompt(prompt) => request.input_text(prompt),
            // Only for sources that read messages by themselves.
            Input::Whole => return Err(Failure::new(ErrorCode::Internal)),
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
        let files = FilesToCome::default();
        let x_amzn_trace_id = run.trace_context.as_ref().map(TraceContext::x_amzn_trace_id);
        Ok(Call { request, state, files, session_id: run.session_id.clone(), x_amzn_trace_id })
    }

    fn attach(&self, call: Call, files: FilesToCome) -> Call {
        Call { files, ..call }
    }

    /// Dropping the stream is enough: the agent ends with its connection.
    fn stop(&self, _: &Call) -> impl Future<Output = ()> + Send + 'static {
        std::future::ready(())
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

/// Calls the agent, and waits for the beginning of its answer.
async fn begin(call: Call) -> Result<impl Stream<Item = Result<Event, Failure>> + Send, Failure> {
    let files = call.files.read().await?;
    let mut state = call.state;
    if !files.is_empty() {
        let files = files.into_iter().map(sent_file).collect::<Result<_, _>>();
        let files = files.map_err(|error| Failure::new(ErrorCode::Internal).with_source(error))?;
        state = Some(state.unwrap_or_else(SessionState::builder).set_files(Some(files)));
    }
    let request = call.request.set_session_state(state.map(SessionStateBuilder::build));
    let body = call::begin(CONTENT_TYPE, |body| {
        let x_amzn_trace_id = call.x_amzn_trace_id.clone();
        let request = request.clone().customize().interceptor(body);
        // The SDK sets this header by itself, from an environment that is one for all turns of a process.
        let request = request.mutate_request(move |request| {
            if let Some(value) = &x_amzn_trace_id {
                request.headers_mut().insert(X_AMZN_TRACE_ID, value.clone());
            }
        });
        async { request.send().await.map(drop).map_err(refusal::<InvokeAgentRefusals, _>) }
    });
    // It is moved with each event, so it is in a box.
    let events = Box::new(ResponseStream::new(body.await?, call.session_id));
    Ok(stream::try_unfold(events, ResponseStream::next))
}

/// A file in the service's own shape. Its bytes are not copied.
fn sent_file(file: InputFile) -> Result<SentFile, BuildError> {
    let InputFile { name, media_type, file_use, data } = file;
    let content =
        ByteContentFile::builder().media_type(media_type).data(Blob::new(data)).build()?;
    let source = FileSource::builder()
        .source_type(FileSourceType::ByteContent)
        .byte_content(content)
        .build()?;
    let use_case = match file_use {
        FileUse::Chat => FileUseCase::Chat,
        FileUse::CodeInterpreter => FileUseCase::CodeInterpreter,
    };
    SentFile::builder().name(name).source(source).use_case(use_case).build()
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
