//! The scripted runtime: `InvokeAgentRuntime` as Bedrock AgentCore answers it on the wire, and on it an
//! agent that speaks AG-UI as those of Strands do.
//!
//! The platform knows sessions: each has one run at a time, which goes on when its caller leaves, and
//! stopping one ends its run. The agent knows nothing of them: it keeps its history by the `threadId` of its
//! input, outside of its machine, so that stopping a session does not touch it. In one respect this decides
//! what is not documented: a session that is busy answers with the conflict that AWS calls retryable.

mod address;
mod input;
mod prompt;
mod rejection;
mod run;
mod scenario;
mod scenario_files;
mod script;
mod timeline;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use super::faults::{FaultInjector, FaultKind};
use super::harness::address::{SESSION_HEADER, session_id};
use super::harness::exception::{HarnessException, Refusal};
use super::harness::stop;
use super::ids::hex_id;
use super::journal::{Entry, Journal};
use super::scripted::playing::Playing;
use super::scripted::recently_used::RecentlyUsed;
use super::scripted::sessions::Sessions;
use super::trace_headers;

pub use address::{RUNTIME_ARN, is_runtime_arn};
pub(crate) use prompt::scenarios;
pub use rejection::RuntimeError;

use address::Address;
use input::{Input, News};
use prompt::Prompt;
use rejection::Rejection;
use run::{Ended, Run};
use scenario::TurnContext;
use script::Script;

/// Prompts that show what the scripted runtime's agent can do.
pub const RUNTIME_SUGGESTED_PROMPTS: [&str; 8] = [
    "How does this answer reach me?",
    "/slow 35",
    "/strands",
    "/think",
    "/tool 3",
    "/interrupt",
    "/error RATE_LIMIT_EXCEEDED",
    "/help",
];

/// The largest request body that is read: more than Lambda's own limit of 6 MB lets through.
const REQUEST_LIMIT: usize = 16 * 1024 * 1024;

/// How many conversations the agent remembers.
const THREADS: usize = 10_000;

/// The runtime and what it remembers.
#[derive(Debug)]
pub(crate) struct ScriptedRuntime {
    sessions: Mutex<Sessions<Address, ()>>,
    /// The agent's own memory, by the `threadId` of its inputs.
    threads: Mutex<RecentlyUsed<String, Thread>>,
    journal: Journal,
    faults: FaultInjector,
    /// Where `/play` finds timelines.
    timelines: Option<PathBuf>,
    stopping: watch::Receiver<bool>,
}

/// One conversation.
#[derive(Debug, Default)]
struct Thread {
    /// The number of prompts so far.
    turns: u32,
    /// The timeline that the last run came from.
    playing: Option<Playing>,
    /// The prompt that is being refused, and how often it has been.
    refusing: Option<(String, u32)>,
}

impl ScriptedRuntime {
    pub(crate) fn new(
        journal: Journal,
        faults: FaultInjector,
        timelines: Option<PathBuf>,
        stopping: watch::Receiver<bool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sessions: Mutex::default(),
            threads: Mutex::new(RecentlyUsed::new(THREADS)),
            journal,
            faults,
            timelines,
            stopping,
        })
    }

    /// Begins a run, and returns its response, or the one that refuses it.
    fn invoke(
        self: &Arc<Self>,
        runtime_arn: String,
        query: Option<&str>,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response, Rejection> {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let named = session_id(headers).unwrap_or_default();
        trace_headers::record(&self.journal, &named, headers);
        self.journal.record(Entry::RuntimeInvoked {
            session_id: named.clone(),
            request,
            body: body.clone(),
        });
        if let Some(exception) = self.faults.refusal() {
            let kind = FaultKind::Refusal;
            self.journal.record(Entry::FaultInjected { kind, subject: named });
            return Err(Refusal::from(HarnessException::from(exception)).into());
        }
        let address = Address::read(runtime_arn, query, headers, true)?;
        if !is_json(headers) {
            return Err(Rejection::of_agent(415));
        }
        let input = Input::read(body).map_err(|_| Rejection::of_agent(422))?;
        let news = input.news().ok_or_else(|| Rejection::of_agent(400))?;
        let mut sessions = lock(&self.sessions);
        if sessions.is_busy(&address) {
            return Err(Refusal::from(HarnessException::RetryableConflict).into());
        }
        let script = self.script(&address, &input, &news).with_snapshots_of(&input);
        if let Some(rejection) = script.rejection() {
            return Err(rejection.clone());
        }
        // Whatever is asked of it, the session is there from now on.
        sessions.memory(&address);
        let content_type = script.content_type;
        let body = sessions.begin_run(&address, |id, stopped| {
            let (journal, stopping) = (self.journal.clone(), self.stopping.clone());
            let session_id = address.session_id.clone();
            let (run, body) = Run::new(script, session_id, journal, stopped, stopping);
            let (runtime, address) = (Arc::clone(self), address.clone());
            let task = tokio::spawn(async move {
                let ended = run.play().await;
                runtime.run_ended(&address, id, ended);
            });
            (task, body)
        });
        let headers = [("content-type", content_type), (SESSION_HEADER, &address.session_id)];
        Ok((headers, body).into_response())
    }

    /// Frees the session of a run, and only then ends its response.
    fn run_ended(&self, address: &Address, id: u64, ended: Ended) {
        // When everything stops, nothing more is to be told.
        let Some(how) = ended.how else { return };
        lock(&self.sessions).end_run(address, id);
        self.journal.record(Entry::HarnessEnded { session_id: address.session_id.clone(), how });
        drop(ended);
    }

    /// What the agent does in one run.
    fn script(&self, address: &Address, input: &Input, news: &News) -> Script {
        let id = hex_id();
        let mut threads = lock(&self.threads);
        let thread = threads.get_or_default(&input.thread_id);
        let turn = |prompt, number| TurnContext {
            input,
            runtime_arn: &address.runtime_arn,
            session_id: &address.session_id,
            prompt,
            id: &id,
            number,
        };
        let text = match news {
            News::Results(sentences) => {
                let turn = turn("The results are here.", thread.turns);
                return match thread.playing.take() {
                    Some(playing) => self.play(&turn, thread, playing, false),
                    None => scenario::results(&turn, sentences),
                };
            }
            News::Resumed(sentences) => {
                return scenario::resumed(&turn("Go on.", thread.turns), sentences);
            }
            News::Prompt(text) => text,
        };
        let prompt = prompt::parse(text);
        if let Ok(Some(Prompt::Refuse { rejection, times })) = &prompt {
            return if thread.refuse(text, *times) {
                Script::new().step(script::Step::Rejection(rejection.clone()))
            } else {
                scenario::accepted(&turn(text, thread.turns), *times)
            };
        }
        thread.refusing = None;
        thread.turns += 1;
        let turn = turn(text, thread.turns);
        let last = thread.playing.take();
        match prompt {
            Ok(Some(Prompt::Play { file, turn: number, speed })) => {
                let playing = Playing::asked_for(file, number, speed, last);
                self.play(&turn, thread, playing, number.is_none())
            }
            Ok(prompt) => scenario::script(&turn, prompt.as_ref()),
            Err(reason) => scenario::explanation(&turn, &reason),
        }
    }

    /// Plays the next run of a timeline, and after the last one the first again, if it may.
    fn play(
        &self,
        turn: &TurnContext<'_>,
        thread: &mut Thread,
        mut playing: Playing,
        again: bool,
    ) -> Script {
        let parse = |text: &str| timeline::parse(text, &turn.placeholders());
        match playing.next(self.timelines.as_deref(), again, parse) {
            Ok(script) => {
                let script = script.at_speed(playing.speed);
                thread.playing = Some(playing);
                script
            }
            Err(reason) => scenario::explanation(turn, &reason),
        }
    }

    /// Stops a session: its run ends at once. Returns the session's id.
    pub(crate) async fn stop(
        &self,
        runtime_arn: String,
        query: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<String, Refusal> {
        let address = Address::read(runtime_arn, query, headers, false)?;
        let client_token = stop::client_token(body)?;
        let stopped = lock(&self.sessions).stop(&address, client_token.as_deref());
        stop::end(stopped, &address.session_id, &self.journal).await?;
        Ok(address.session_id)
    }

    /// A response instead of an answer.
    fn reject(&self, session_id: String, rejection: Rejection) -> Response {
        let (status, exception, message) = rejection.parts();
        self.journal.record(Entry::AgentRefused { session_id, status, exception, message });
        rejection.into_response()
    }
}

impl Thread {
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

/// Whether the body is JSON, as agents' own servers insist.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
    let kind = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change under a lock is complete in itself, so a panic elsewhere spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The routes of the runtime, below the endpoint URL that the function is given.
pub(crate) fn router(runtime: Arc<ScriptedRuntime>) -> Router {
    Router::new()
        .route("/agentcore/runtimes/{agentRuntimeArn}/invocations", post(invoke))
        .with_state(runtime)
}

async fn invoke(
    State(runtime): State<Arc<ScriptedRuntime>>,
    Path(runtime_arn): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let response = match stop::read(body, REQUEST_LIMIT).await {
        Ok(body) => runtime.invoke(runtime_arn, uri.query(), &headers, &body),
        Err(refusal) => Err(refusal.into()),
    };
    response.unwrap_or_else(|rejection| {
        runtime.reject(session_id(&headers).unwrap_or_default(), rejection)
    })
}
