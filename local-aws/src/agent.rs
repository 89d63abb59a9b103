//! The scripted Bedrock agent: `InvokeAgent` as Bedrock answers it on the wire.

mod answer;
mod control;
mod exception;
mod files;
mod player;
mod scenario;
mod script;
mod session;
mod team;
mod trace;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use super::faults::{FaultInjector, FaultKind};
use super::ids::uuid;
use super::journal::{Entry, Journal};

pub use exception::Exception;
pub use files::file_bytes;
pub use scenario::SCENARIOS;

use control::Resumed;
use scenario::Turn;
use script::Script;
use session::Sessions;

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

/// The largest request body that is read. Bedrock allows 25,000,000 characters of input text; a
/// tenth of that is more than any test needs.
const REQUEST_LIMIT: usize = 4 * 1024 * 1024;

/// The agent and what it remembers.
#[derive(Debug)]
pub(crate) struct ScriptedAgent {
    sessions: Mutex<Sessions>,
    journal: Journal,
    faults: FaultInjector,
    stopping: watch::Receiver<bool>,
}

/// The agent, alias and session that a request names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "these are Bedrock's names")]
struct Address {
    agent_id: String,
    agent_alias_id: String,
    session_id: String,
}

/// What of a request decides the answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Request {
    input_text: Option<String>,
    enable_trace: bool,
    end_session: bool,
    streaming_configurations: Streaming,
    session_state: SessionState,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Streaming {
    stream_final_response: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SessionState {
    invocation_id: Option<String>,
    return_control_invocation_results: Option<Vec<Value>>,
}

impl ScriptedAgent {
    pub(crate) fn new(
        journal: Journal,
        faults: FaultInjector,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self { sessions: Mutex::default(), journal, faults, stopping })
    }

    /// Decides what to answer, or which exception.
    fn decide(&self, address: &Address, body: &[u8]) -> Result<Script, (Exception, String)> {
        check_address(address)?;
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| invalid(format!("The request body is not JSON: {error}")))?;
        let session_id = address.session_id.clone();
        self.journal.record(Entry::AgentInvoked { session_id, request: value.clone() });
        if let Some(exception) = self.faults.refusal() {
            let subject = address.session_id.clone();
            self.journal.record(Entry::FaultInjected { kind: FaultKind::Refusal, subject });
            return Err((exception, exception.message().to_owned()));
        }
        let request: Request = serde_json::from_value(value)
            .map_err(|error| invalid(format!("The request body has a wrong shape: {error}")))?;
        let script = if request.end_session {
            self.sessions().forget(address);
            // The words of the real service.
            Script::new().text("Session is terminated as 'endSession' flag is set in request.")
        } else if let Some(results) = &request.session_state.return_control_invocation_results {
            self.resume(address, &request, results)?
        } else {
            self.begin(address, &request)?
        };
        let script = if request.enable_trace { script } else { script.without_traces() };
        let streamed = request.streaming_configurations.stream_final_response;
        Ok(if streamed { script } else { script.in_one_chunk() })
    }

    /// Begins a turn.
    fn begin(&self, address: &Address, request: &Request) -> Result<Script, (Exception, String)> {
        if request.session_state.invocation_id.is_some() {
            return Err(invalid(
                "sessionState.invocationId is there, but no returnControlInvocationResults.",
            ));
        }
        let prompt = request.input_text.as_deref().filter(|prompt| !prompt.is_empty());
        let prompt =
            prompt.ok_or_else(|| invalid("Input text is required when endSession is false."))?;
        let id = uuid();
        let mut sessions = self.sessions();
        let session = sessions.begin(address);
        let traced = request.enable_trace;
        let turn = Turn { prompt, id: &id, number: session.turns, traced, now: SystemTime::now() };
        let script = scenario::play(&turn);
        session.pending = script.invocation().cloned();
        Ok(script)
    }

    /// Goes on with a turn that returned control, now that the results are here.
    fn resume(
        &self,
        address: &Address,
        request: &Request,
        results: &[Value],
    ) -> Result<Script, (Exception, String)> {
        let id = uuid();
        let mut sessions = self.sessions();
        let session = sessions.get_mut(address);
        let turn = Turn {
            prompt: "The results of the calls are here.",
            id: &id,
            number: session.as_ref().map_or(0, |session| session.turns),
            traced: request.enable_trace,
            now: SystemTime::now(),
        };
        let pending = session.as_ref().and_then(|session| session.pending.as_ref());
        let invocation_id = request.session_state.invocation_id.as_deref();
        let resumed = control::resume(&turn, pending, invocation_id, results, &address.agent_id)
            .map_err(invalid)?;
        // What was refused may come again and better; what was understood may not.
        if let Some(session) = session {
            session.pending = None;
        }
        match resumed {
            Resumed::GoesOn(script) => Ok(script),
            Resumed::Failed(message) => Err((Exception::DependencyFailed, message)),
        }
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
    body: Body,
) -> Response {
    let decision = match to_bytes(body, REQUEST_LIMIT).await {
        Ok(body) => agent.decide(&address, &body),
        Err(_) => Err(invalid(format!("The request is larger than {REQUEST_LIMIT} bytes."))),
    };
    let (exception, message) = match decision {
        Err(refusal) => refusal,
        Ok(script) => {
            let Some(refusal) = script.refusal() else {
                let headers = [
                    ("content-type", "application/vnd.amazon.eventstream".to_owned()),
                    ("x-amzn-bedrock-agent-content-type", "application/json".to_owned()),
                    ("x-amz-bedrock-agent-session-id", address.session_id.clone()),
                ];
                let body = player::body(script, address, &agent.journal, agent.stopping.clone());
                return (headers, body).into_response();
            };
            refusal
        }
    };
    agent.journal.record(Entry::AgentRefused {
        session_id: address.session_id,
        status: exception.status(),
        exception: exception.member().to_owned(),
        message: message.clone(),
    });
    wire::refusal(exception, &message)
}

/// Checks the ids as Bedrock does, with the patterns of its API model.
fn check_address(address: &Address) -> Result<(), (Exception, String)> {
    let checks = [
        ("agentId", &address.agent_id, 1..=10, "[0-9a-zA-Z]+", ""),
        ("agentAliasId", &address.agent_alias_id, 1..=10, "[0-9a-zA-Z]+", ""),
        ("sessionId", &address.session_id, 2..=100, "[0-9a-zA-Z._:-]+", "._:-"),
    ];
    for (name, value, length, pattern, marks) in checks {
        let fits = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
        if !length.contains(&value.len()) || !value.chars().all(fits) {
            let (least, most) = length.into_inner();
            return Err(invalid(format!(
                "1 validation error detected: Value '{value}' at '{name}' failed to satisfy \
                 constraint: Member must have a length from {least} to {most} and satisfy regular \
                 expression pattern: {pattern}"
            )));
        }
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> (Exception, String) {
    (Exception::Validation, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of the scripted agent.
    pub(super) fn address(session_id: &str) -> Address {
        Address {
            agent_id: AGENT_ID.to_owned(),
            agent_alias_id: AGENT_ALIAS_ID.to_owned(),
            session_id: session_id.to_owned(),
        }
    }

    #[test]
    fn ids_are_checked_with_bedrocks_patterns() {
        assert!(check_address(&address("a1._:-")).is_ok());
        let long = "a".repeat(101);
        for session_id in ["a", "", "white space", "umlaut-ä", &long] {
            assert!(check_address(&address(session_id)).is_err(), "{session_id}");
        }
        let agent = Address { agent_id: "ELEVENCHARS".to_owned(), ..address("ab") };
        assert!(check_address(&agent).is_err());
    }
}
