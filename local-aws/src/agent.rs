//! The scripted Bedrock agent: `InvokeAgent` as Bedrock answers it on the wire.

mod address;
pub(crate) mod exception;
mod files;
mod prompt;
pub(crate) mod recorder;
mod recording;
mod request;
mod response_stream;
mod results;
mod return_control;
mod scenario;
mod scenario_files;
mod script;
mod session;
mod timeline;
mod turn_context;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::watch;

use super::faults::{FaultInjector, FaultKind};
use super::ids::uuid;
use super::journal::{Entry, Journal};
use super::scripted::event_stream;
use super::scripted::playing::Playing;
use super::trace_headers;

pub use exception::Exception;
pub use scenario::file_bytes;

use address::Address;
use exception::Refusal;
use files::ReceivedFile;
pub(crate) use prompt::scenarios;

use prompt::Prompt;
use request::Request;
use script::Script;
use session::{Session, Sessions};
use turn_context::TurnContext;

/// The id of the scripted agent: ten letters, as Bedrock's pattern wants it.
pub const AGENT_ID: &str = "LOCALAGENT";

/// The id of its alias.
pub const AGENT_ALIAS_ID: &str = "LOCALALIAS";

/// Prompts that show what the scripted agent can do.
pub const SUGGESTED_PROMPTS: [&str; 8] = [
    "How does this answer reach me?",
    "/slow 35",
    "/team",
    "/tool",
    "/file",
    "/emoji",
    "/error throttling 5",
    "/help",
];

/// The largest request body that is read: files of 10 MB in base64, and more text than any test needs. Bedrock
/// allows 25,000,000 characters of it.
const REQUEST_LIMIT: usize = 20 * 1024 * 1024;

/// The agent and what it remembers.
#[derive(Debug)]
pub(crate) struct ScriptedAgent {
    sessions: Mutex<Sessions>,
    journal: Journal,
    faults: FaultInjector,
    /// Where `/play` finds timelines.
    timelines: Option<PathBuf>,
    stopping: watch::Receiver<bool>,
}

impl ScriptedAgent {
    pub(crate) fn new(
        journal: Journal,
        faults: FaultInjector,
        timelines: Option<PathBuf>,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self { sessions: Mutex::default(), journal, faults, timelines, stopping })
    }

    /// The script of the response, or the exception that it is.
    fn respond(
        &self,
        address: &Address,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Script, Refusal> {
        address.check()?;
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(format!("The request body is not JSON: {error}")))?;
        let session_id = address.session_id.clone();
        trace_headers::record(&self.journal, &session_id, headers);
        let recorded = files::for_journal(value.clone());
        self.journal.record(Entry::AgentInvoked { session_id, request: recorded });
        if let Some(exception) = self.faults.refusal() {
            let subject = address.session_id.clone();
            self.journal.record(Entry::FaultInjected { kind: FaultKind::Refusal, subject });
            return Err(exception.into());
        }
        let request: Request = serde_json::from_value(value).map_err(|error| {
            Refusal::invalid(format!("The request body has a wrong shape: {error}"))
        })?;
        let received = files::read(&request.session_state.files)?;
        let script = if request.end_session {
            self.sessions().forget(address);
            // The words of the real service.
            Script::new().text("Session is terminated as 'endSession' flag is set in request.")
        } else if let Some(results) = &request.session_state.return_control_invocation_results {
            self.resume(address, &request, results)?
        } else {
            self.begin(address, &request, &received)?
        };
        let script = if request.enable_trace { script } else { script.without_traces() };
        let streamed = request.streaming_configurations.stream_final_response;
        let script = if streamed { script } else { script.in_one_chunk() };
        match script.refusal() {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(script),
        }
    }

    /// Begins a turn.
    fn begin(
        &self,
        address: &Address,
        request: &Request,
        files: &[ReceivedFile],
    ) -> Result<Script, Refusal> {
        if request.session_state.invocation_id.is_some() {
            return Err(Refusal::invalid(
                "sessionState.invocationId is there, but no returnControlInvocationResults.",
            ));
        }
        let text = request.input_text.as_deref().filter(|prompt| !prompt.is_empty());
        let text = text
            .ok_or_else(|| Refusal::invalid("Input text is required when endSession is false."))?;
        let id = uuid();
        let mut sessions = self.sessions();
        let session = sessions.begin(address);
        let turn = TurnContext {
            address,
            prompt: text,
            id: &id,
            number: session.turns,
            traced: request.enable_trace,
            now: SystemTime::now(),
            files,
        };
        let script = match prompt::parse(text) {
            Ok(Some(Prompt::Play { file, turn: number, speed })) => {
                let playing = Playing::asked_for(file, number, speed, session.playing.take());
                self.play(&turn, session, playing, number.is_none())
            }
            Ok(prompt) => {
                session.playing = None;
                Ok(scenario::script(&turn, prompt.as_ref()))
            }
            Err(reason) => Err(reason),
        };
        let script = script.unwrap_or_else(|reason| scenario::explanation(&reason));
        session.pending = script.return_control().cloned();
        Ok(script)
    }

    /// Plays the next turn of a timeline, and after the last one the first again, if it may.
    fn play(
        &self,
        turn: &TurnContext<'_>,
        session: &mut Session,
        mut playing: Playing,
        again: bool,
    ) -> Result<Script, String> {
        let parse = |text: &str| timeline::parse(text, &turn.placeholders());
        let script = playing.next(self.timelines.as_deref(), again, parse)?;
        let script = script.at_speed(playing.speed);
        session.playing = Some(playing);
        Ok(script)
    }

    /// Goes on with a turn that returned control, now that the results are here.
    fn resume(
        &self,
        address: &Address,
        request: &Request,
        results: &[Value],
    ) -> Result<Script, Refusal> {
        let invocation_id = request.session_state.invocation_id.as_deref();
        let mut sessions = self.sessions();
        let session = sessions.get_mut(address);
        let pending = session.as_ref().and_then(|session| session.pending.as_ref());
        let results = results::read(pending, invocation_id, results, &address.agent_id)
            .map_err(Refusal::invalid)?;
        // Without a session nothing is pending, which is refused above.
        let session = session.ok_or_else(|| Refusal::invalid("There is no such session."))?;
        // What was refused may come again and better; what was understood may not.
        session.pending = None;
        if let Some(message) = results.failure() {
            return Err(Refusal { exception: Exception::DependencyFailed, message });
        }
        let id = uuid();
        let turn = TurnContext {
            address,
            prompt: "The results of the calls are here.",
            id: &id,
            number: session.turns,
            traced: request.enable_trace,
            now: SystemTime::now(),
            files: &[],
        };
        let script = match session.playing.take() {
            None => results.script(&turn),
            Some(playing) => self
                .play(&turn, session, playing, false)
                .unwrap_or_else(|reason| scenario::explanation(&reason)),
        };
        session.pending = script.return_control().cloned();
        Ok(script)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        // Counting is complete in itself, so a panic elsewhere spoils nothing.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The route of `InvokeAgent`, below the endpoint URL that the function is given.
pub(crate) fn router(agent: Arc<ScriptedAgent>) -> Router {
    Router::new()
        .route(
            "/bedrock/agents/{agentId}/agentAliases/{agentAliasId}/sessions/{sessionId}/text",
            post(invoke),
        )
        .with_state(agent)
}

async fn invoke(
    State(agent): State<Arc<ScriptedAgent>>,
    Path(address): Path<Address>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let response = match to_bytes(body, REQUEST_LIMIT).await {
        Ok(body) => agent.respond(&address, &headers, &body),
        Err(_) => {
            Err(Refusal::invalid(format!("The request is larger than {REQUEST_LIMIT} bytes.")))
        }
    };
    match response {
        Ok(script) => {
            let headers = [
                ("content-type", event_stream::CONTENT_TYPE.to_owned()),
                ("x-amzn-bedrock-agent-content-type", "application/json".to_owned()),
                ("x-amz-bedrock-agent-session-id", address.session_id.clone()),
            ];
            let stopping = agent.stopping.clone();
            let body = response_stream::body(script, address, &agent.journal, stopping);
            (headers, body).into_response()
        }
        Err(refusal) => {
            agent.journal.record(Entry::AgentRefused {
                session_id: address.session_id,
                status: refusal.exception.status(),
                exception: refusal.exception.member().to_owned(),
                message: refusal.message.clone(),
            });
            refusal.into_response()
        }
    }
}
