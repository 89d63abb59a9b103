//! The scripted harness: `InvokeHarness` as Bedrock AgentCore answers them on the
//! wire.
//!
//! What of it is known and what is only likely stands with each part. In three respects it decides what is
//! not documented: a session that is busy answers with the conflict that AWS calls retryable; a stopped
//! session ends its stream without another event; and a session belongs to the endpoint that it began at.

pub(crate) mod address;
pub(crate) mod exception;
mod prompt;
pub(crate) mod recorder;
mod recording;
mod request;
mod run;
mod scenario;
mod scenario_files;
mod script;
pub(crate) mod service_model;
mod session;
pub(crate) mod shape;
pub(crate) mod stop;
mod timeline;
mod tool_results;
mod turn_context;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::watch;

use super::faults::{FaultInjector, FaultKind};
use super::ids::hex_id;
use super::journal::{Entry, HarnessEnd, Journal};
use super::scripted::event_stream;
use super::scripted::playing::Playing;
use super::trace_headers;

pub use address::{HARNESS_ARN, is_harness_arn, is_harness_endpoint};
pub use exception::HarnessException;
pub(crate) use prompt::scenarios;

use address::Address;
use exception::Refusal;
use prompt::Prompt;
use request::{Input, Request, ToolResult};
use run::{Ended, Run};
use script::{Script, Step};
use session::{Conversation, Sessions};
use turn_context::TurnContext;

/// Prompts that show what the scripted harness can do.
pub const HARNESS_SUGGESTED_PROMPTS: [&str; 8] = [
    "How does this answer reach me?",
    "/slow 35",
    "/work",
    "/think",
    "/tool 3",
    "/limit max_tokens",
    "/error throttling",
    "/help",
];

/// The harness and what it remembers.
#[derive(Debug)]
pub(crate) struct ScriptedHarness {
    sessions: Mutex<Sessions>,
    journal: Journal,
    faults: FaultInjector,
    /// Where `/play` finds timelines.
    timelines: Option<PathBuf>,
    stopping: watch::Receiver<bool>,
}

impl ScriptedHarness {
    pub(crate) fn new(
        journal: Journal,
        faults: FaultInjector,
        timelines: Option<PathBuf>,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self { sessions: Mutex::default(), journal, faults, timelines, stopping })
    }

    /// Begins a run, and returns the body of its response, or the exception that it is.
    fn invoke(
        self: &Arc<Self>,
        query: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Body, Refusal> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::unreadable(format!("The request is not JSON: {error}")))?;
        let session_id = address::session_id(headers).unwrap_or_default();
        let (subject, request) = (session_id.clone(), value.clone());
        trace_headers::record(&self.journal, &session_id, headers);
        self.journal.record(Entry::HarnessInvoked { session_id, request });
        if let Some(exception) = self.faults.refusal() {
            self.journal.record(Entry::FaultInjected { kind: FaultKind::Refusal, subject });
            return Err(HarnessException::from(exception).into());
        }
        let address = Address::of_invocation(query, headers)?;
        let Request { input, actor_id, timeout_seconds } = Request::read(&value)?;
        let mut sessions = self.sessions();
        if sessions.is_busy(&address) {
            return Err(HarnessException::RetryableConflict.into());
        }
        let conversation = sessions.memory(&address).of(actor_id.as_deref());
        let script = match &input {
            Input::Prompt(text) => self.begin(&address, conversation, text)?,
            Input::Results(results) => self.resume(&address, conversation, results)?,
        };
        if let Some(refusal) = script.refusal() {
            return Err(refusal.clone());
        }
        let timeout = Duration::from_secs(timeout_seconds);
        let body = sessions.begin_run(&address, |id, stopped| {
            let (journal, stopping) = (self.journal.clone(), self.stopping.clone());
            let session_id = address.session_id.clone();
            let (run, body) = Run::new(script, session_id, timeout, journal, stopped, stopping);
            let (harness, address) = (Arc::clone(self), address.clone());
            let task = tokio::spawn(async move {
                let ended = run.play().await;
                harness.run_ended(&address, actor_id.as_deref(), id, ended);
            });
            (task, body)
        });
        Ok(body)
    }

    /// Frees the session of a run, and only then ends its response.
    fn run_ended(&self, address: &Address, actor_id: Option<&str>, id: u64, ended: Ended) {
        // When everything stops, nothing more is to be told.
        let Some(how) = ended.how else { return };
        {
            let mut sessions = self.sessions();
            if sessions.end_run(address, id) && how == HarnessEnd::Finished {
                sessions.memory(address).of(actor_id).pending.clone_from(&ended.pending);
            }
        }
        self.journal.record(Entry::HarnessEnded { session_id: address.session_id.clone(), how });
        drop(ended);
    }

    /// Begins a turn: the user says something.
    fn begin(
        &self,
        address: &Address,
        conversation: &mut Conversation,
        text: &str,
    ) -> Result<Script, Refusal> {
        tool_results::check_none_pending(&conversation.pending)?;
        let prompt = prompt::parse(text);
        if let Ok(Some(Prompt::Refuse { exception, times })) = prompt {
            return if conversation.refuse(text, times) {
                Err(exception.into())
            } else {
                Ok(scenario::accepted(times))
            };
        }
        conversation.refusing = None;
        conversation.turns += 1;
        conversation.results.clear();
        conversation.next.clear();
        let id = hex_id();
        let turn = turn(address, text, &id, conversation.turns);
        let last = conversation.playing.take();
        let scripts = match prompt {
            Ok(Some(Prompt::Play { file, turn: number, speed })) => {
                let playing = Playing::asked_for(file, number, speed, last);
                self.play(&turn, conversation, playing, number.is_none()).map(|script| vec![script])
            }
            Ok(prompt) => Ok(scenario::scripts(&turn, prompt.as_ref())),
            Err(reason) => Err(reason),
        };
        let scripts = scripts.unwrap_or_else(|reason| vec![scenario::explanation(&reason)]);
        conversation.next.extend(scripts);
        Ok(conversation.next.pop_front().unwrap_or_default())
    }

    /// Plays the next run of a timeline, and after the last one the first again, if it may.
    fn play(
        &self,
        turn: &TurnContext<'_>,
        conversation: &mut Conversation,
        mut playing: Playing,
        again: bool,
    ) -> Result<Script, String> {
        let parse = |text: &str| timeline::parse(text, &turn.placeholders());
        let script = playing.next(self.timelines.as_deref(), again, parse)?;
        let script = script.at_speed(playing.speed);
        conversation.playing = Some(playing);
        Ok(script)
    }

    /// Goes on with a turn that asked its caller for results, now that they are here.
    fn resume(
        &self,
        address: &Address,
        conversation: &mut Conversation,
        results: &[ToolResult],
    ) -> Result<Script, Refusal> {
        tool_results::check(&conversation.pending, results)?;
        if results.iter().any(|result| result.text.is_none()) {
            // The model of the API has JSON here, the service has not. The call stays pending.
            let problem = "Failed to process the request: content_type=<json_> | unsupported type";
            let refusal = Refusal::new(HarnessException::RuntimeClient, problem);
            return Ok(Script::new().wait_ms(20).step(Step::Exception(refusal)));
        }
        // What was understood may not come again.
        for call in std::mem::take(&mut conversation.pending) {
            let result = results.iter().find(|result| result.tool_use_id == call.tool_use_id);
            conversation.results.extend(result.map(|result| (call, result.clone())));
        }
        if let Some(script) = conversation.next.pop_front() {
            return Ok(script);
        }
        let id = hex_id();
        let turn = turn(address, "The results of the calls are here.", &id, conversation.turns);
        if let Some(playing) = conversation.playing.take() {
            let script = self.play(&turn, conversation, playing, false);
            return Ok(script.unwrap_or_else(|reason| scenario::explanation(&reason)));
        }
        let sentence = |(call, result)| format!("- {}\n", tool_results::sentence(call, result));
        let results = conversation.results.iter().map(|(call, result)| (call, result));
        let sentences: String = results.map(sentence).collect();
        conversation.next.extend(scenario::results(&turn, &sentences));
        Ok(conversation.next.pop_front().unwrap_or_default())
    }

    /// Stops a session: its run ends at once, and its history is forgotten. Returns the session's id.
    pub(crate) async fn stop(
        &self,
        harness_arn: String,
        query: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<String, Refusal> {
        let address = Address::of_stop(harness_arn, query, headers)?;
        let client_token = stop::client_token(body)?;
        let stopped = self.sessions().stop(&address, client_token.as_deref());
        stop::end(stopped, &address.session_id, &self.journal).await?;
        Ok(address.session_id)
    }

    /// An exception instead of what was asked for.
    pub(crate) fn refuse(&self, session_id: String, refusal: Refusal) -> Response {
        self.journal.record(Entry::AgentRefused {
            session_id,
            status: refusal.exception.status(),
            exception: refusal.exception.member().to_owned(),
            message: refusal.message.clone(),
        });
        refusal.into_response()
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conversation {
    /// Whether a prompt that wants to be refused so often is refused once more.
    fn refuse(&mut self, prompt: &str, times: u32) -> bool {
        let before = self.refusing.take().filter(|(refused, _)| refused == prompt);
        let before = before.map_or(0, |(_, times)| times);
        let refused = before < times;
        if refused {
            self.refusing = Some((prompt.to_owned(), before + 1));
        } else {
            self.turns += 1;
        }
        refused
    }
}

/// The routes of the harness, below the endpoint URL that the function is given.
pub(crate) fn router(harness: Arc<ScriptedHarness>) -> Router {
    Router::new().route("/agentcore/harnesses/invoke", post(invoke)).with_state(harness)
}

async fn invoke(
    State(harness): State<Arc<ScriptedHarness>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let response = match stop::read(body, stop::REQUEST_LIMIT).await {
        Ok(body) => harness.invoke(uri.query(), &headers, &body),
        Err(refusal) => Err(refusal),
    };
    match response {
        Ok(body) => ([("content-type", event_stream::CONTENT_TYPE)], body).into_response(),
        Err(refusal) => harness.refuse(address::session_id(&headers).unwrap_or_default(), refusal),
    }
}

fn turn<'a>(address: &'a Address, prompt: &'a str, id: &'a str, number: u32) -> TurnContext<'a> {
    TurnContext { address, prompt, id, number, now: SystemTime::now() }
}
