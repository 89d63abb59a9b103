//! `InvokeHarness`: a managed harness of Amazon Bedrock `AgentCore`.
//!
//! What is different from a Bedrock agent:
//!
//! - The harness trusts its whole input: tools, model and system prompt of a call amount to running code.
//!   So the body is made here, of texts, results and ids, and nothing else of a client goes into it.
//! - The harness runs most tools by itself. A tool call is the client's only if the stream ends while
//!   it waits.
//! - The harness works on when its caller leaves. `StopRuntimeSession` ends that, and the session with it.

use aws_config::SdkConfig;
use aws_sdk_bedrockagentcore::Client;
use aws_sdk_bedrockagentcore::config::Builder;
use aws_sdk_bedrockagentcore::operation::invoke_harness::builders::InvokeHarnessFluentBuilder;
use aws_sdk_bedrockagentcore::operation::stop_runtime_session::builders::StopRuntimeSessionFluentBuilder;
use futures::stream::{self, TryStreamExt as _};
use tokio::time::Instant;
use tokio_stream::Stream;
use tracing::{debug, info};

use crate::aws::Rehearsal;
use crate::config::HarnessConfig;
use crate::error::{ErrorCode, Failure, chain};
use crate::ids::hex_hash;
use crate::request::{Input, InvalidRequest, Run, ToolResult, User};
use crate::source::agentcore;
use crate::source::agentcore_harness::failure::HarnessRefusals;
use crate::source::agentcore_harness::request_body::{Answered, Messages, RequestBody, SetBody};
use crate::source::agentcore_harness::response_stream::ResponseStream;
use crate::source::call::{self, refusal};
use crate::source::event_stream::CONTENT_TYPE;
use crate::source::{Event, Source, Usage};

pub use crate::source::agentcore_harness::options::HarnessOptions;
pub use crate::source::agentcore_harness::tool_call_id::ToolCallId;

mod failure;
mod options;
mod request_body;
mod response_stream;
mod tool_call_id;

/// How many times in a row a harness may ask for another tool while its calls are being cancelled.
const MAX_CANCELLED_ROUNDS: usize = 5;

/// A harness, behind one of its endpoints.
#[derive(Clone, Debug)]
pub struct AgentcoreHarness {
    client: Client,
    config: HarnessConfig,
}

/// A call of `InvokeHarness` that was not sent yet.
#[derive(Clone, Debug)]
pub struct Call {
    request: InvokeHarnessFluentBuilder,
    actor_id: Option<String>,
    /// What is sent first, whose answer nobody sees: results for calls that the user turned away from.
    cancelled: Vec<Answered>,
    messages: Messages,
    /// What stands for the session in the ids of tool calls.
    session: String,
    deadline: Instant,
    /// Ends the session, where that is wished.
    stop: StopRuntimeSessionFluentBuilder,
    ends_session: bool,
}

impl AgentcoreHarness {
    /// The configured harness, called through the SDK configuration in its own Region.
    #[must_use]
    pub fn new(sdk: &SdkConfig, config: HarnessConfig) -> Self {
        Self { client: agentcore::client(sdk, &config.region), config }
    }

    /// Asks for nothing through `rehearsal`, which sends nothing.
    pub async fn rehearse(&self, rehearsal: Rehearsal) {
        let call = self.request(&agentcore::session_id("rehearsal"));
        let override_ = Builder::new().http_client(rehearsal);
        let sent = call.customize().config_override(override_).send().await;
        debug!(ended = ?sent.err().map(|error| chain(&error)), "a call of the harness was rehearsed");
    }

    fn request(&self, session_id: &str) -> InvokeHarnessFluentBuilder {
        self.client
            .invoke_harness()
            .harness_arn(&self.config.harness_arn)
            .set_qualifier(self.config.endpoint.clone())
            .runtime_session_id(session_id)
    }

    /// Each run has a token of its own, by which the service knows another attempt of the same stop.
    fn stop_request(&self, session_id: &str, request_id: &str) -> StopRuntimeSessionFluentBuilder {
        self.client
            .stop_runtime_session()
            // A harness is stopped under its own name; that of the runtime behind it is refused.
            .agent_runtime_arn(&self.config.harness_arn)
            .set_qualifier(self.config.endpoint.clone())
            .runtime_session_id(session_id)
            .client_token(hex_hash(request_id))
    }
}

impl Source for AgentcoreHarness {
    type Options = HarnessOptions;
    type Call = Call;

    const WHY_IN_ONE_CHUNK: &str =
        "the harness's model, or a guardrail that looks at the whole answer, may not stream";

    fn prepare(&self, run: &Run<HarnessOptions>, deadline: Instant) -> Result<Call, Failure> {
        let invalid = |reason: String| InvalidRequest::failure(&reason);
        if run.options.end_session && !self.config.stop_on_leave {
            return Err(invalid(
                "`endSession` can't be granted: only a deployment with STOP_ON_LEAVE set to true may stop sessions of its harness. Leave it out.".to_owned(),
            ));
        }
        let session = ToolCallId::session_fingerprint(&run.session_id);
        let (cancelled, messages) = match &run.input {
            Input::Prompt(prompt) => {
                let cancelled = cancelled(&run.set_aside, &session);
                (cancelled, Messages::Prompt(prompt.clone()))
            }
            // Only for sources that read messages by themselves.
            Input::Whole => return Err(Failure::new(ErrorCode::Internal)),
            Input::ToolResults(results) => {
                let answered = request_body::answered(results, &session).map_err(invalid)?;
                (Vec::new(), Messages::ToolResults(answered))
            }
        };
        let session_id = agentcore::session_id(&run.session_id);
        let mut request = self.request(&session_id);
        if let Some(trace) = &run.trace_context {
            request = request
                .trace_id(trace.x_amzn_trace_id())
                .set_trace_parent(trace.traceparent())
                .set_trace_state(trace.tracestate().map(str::to_owned));
        }
        let of_user = || run.user.as_ref().map(actor_id);
        Ok(Call {
            request,
            actor_id: self.config.memory_id.clone().or_else(of_user),
            cancelled,
            messages,
            session,
            deadline,
            stop: self.stop_request(&session_id, &run.request_id),
            ends_session: run.options.end_session,
        })
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
        Box::pin(stream::once(begin(call)).try_flatten())
    }
}

/// The id under which a memory knows a user: it must begin with a letter or digit, which a hash need not.
fn actor_id(user: &User) -> String {
    let begins_well = user.hash.starts_with(|char: char| char.is_ascii_alphanumeric());
    if begins_well { user.hash.clone() } else { format!("u{}", user.hash) }
}

/// Results for calls that the user turned away from, of those that this harness waits for.
fn cancelled(set_aside: &[ToolResult], session: &str) -> Vec<Answered> {
    let answered = set_aside.iter().filter_map(|result| {
        let id = ToolCallId::decode(&result.tool_call_id).filter(|id| id.session == session)?;
        Some(Answered::new(id, result).unwrap_or_else(Answered::cancelled))
    });
    answered.collect()
}

/// Calls the harness, and waits for the beginning of its answer.
async fn begin(
    mut call: Call,
) -> Result<impl Stream<Item = Result<Event, Failure>> + Send, Failure> {
    let cancelled = std::mem::take(&mut call.cancelled);
    let used = cancel(&call, cancelled).await?;
    let mut events = Box::new(send(&call, call.messages.clone()).await?);
    if let Some(used) = used {
        events.used_before(used);
    }
    let stop = call.ends_session.then_some(call.stop);
    Ok(stream::try_unfold((events, stop), next))
}

/// The next event of an answer. After the last one, good or bad, the session is ended if it is to be.
async fn next(
    (events, stop_request): (Box<ResponseStream>, Option<StopRuntimeSessionFluentBuilder>),
) -> Result<Option<(Event, (Box<ResponseStream>, Option<StopRuntimeSessionFluentBuilder>))>, Failure>
{
    let end = match events.next().await {
        Ok(Some((event, events))) => return Ok(Some((event, (events, stop_request)))),
        Ok(None) => Ok(None),
        Err(failure) => Err(failure),
    };
    if let Some(request) = stop_request {
        Box::pin(agentcore::stop(request)).await;
    }
    end
}

/// Tells the harness that the user turned away from the calls that it waits for. Nobody sees what it
/// answers; what that used is returned, if it was something.
///
/// # Errors
/// The harness can't be called, so the prompt would not reach it either.
async fn cancel(call: &Call, mut waiting: Vec<Answered>) -> Result<Option<Usage>, Failure> {
    let mut used: Option<Usage> = None;
    for _ in 0..MAX_CANCELLED_ROUNDS {
        if waiting.is_empty() {
            break;
        }
        let mut answer = match send(call, Messages::ToolResults(waiting)).await {
            Ok(answer) => Box::new(answer),
            Err(failure) if failure.code == ErrorCode::Validation => {
                info!(error = failure.cause(), "the harness no longer waits for the calls");
                break;
            }
            Err(failure) => return Err(failure),
        };
        waiting = Vec::new();
        loop {
            match answer.next().await {
                Ok(Some((event, rest))) => {
                    answer = rest;
                    match event {
                        Event::Usage(usage) => {
                            used = Some(used.unwrap_or_default().plus(usage));
                        }
                        Event::ToolCall(tool_call) => {
                            let id = ToolCallId::decode(&tool_call.id);
                            waiting.extend(id.map(Answered::cancelled));
                        }
                        _ => {}
                    }
                }
                Ok(None) => break,
                Err(failure) => {
                    info!(error = failure.cause(), "the answer that nobody sees failed");
                    break;
                }
            }
        }
    }
    Ok(used)
}

/// Sends messages, again where that is safe, and waits for the beginning of the answer.
async fn send(call: &Call, messages: Messages) -> Result<ResponseStream, Failure> {
    let body = call::begin(CONTENT_TYPE, |body| {
        let time = call.deadline.saturating_duration_since(Instant::now());
        let own = RequestBody { actor_id: call.actor_id.as_deref(), messages: &messages, time };
        let request =
            call.request.clone().customize().interceptor(SetBody::new(&own)).interceptor(body);
        async { request.send().await.map(drop).map_err(refusal::<HarnessRefusals, _>) }
    });
    Ok(ResponseStream::new(body.await?, call.session.clone()))
}
