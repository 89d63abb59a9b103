//! One invocation ⇒ one response. What takes longer than API Gateway waits goes on in the background.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument as _, Span, error, field, info, info_span, warn};

use crate::access::{Authorizer, CREDENTIAL_PREFIX, Identity, SUBPROTOCOL};
use crate::agui::{EventForm, RunIds};
use crate::background::Background;
use crate::config::Config;
use crate::config::access::Access;
use crate::descriptors::TOO_MANY_TURNS;
use crate::error::{ErrorCode, Failure, chain};
use crate::handler::keeping::RunKeeper;
use crate::ids::hex_hash;
use crate::invocation::{Authorize, Connect, Invocation, Message, Principal};
use crate::page::{self, Page};
use crate::relay::delivery::Destination;
use crate::relay::{Limits, refuse, relay_and_keep};
use crate::request::kept::KeptRunRequest;
use crate::request::{ClientMessage, InvalidRequest, Run};
use crate::services::{ConfiguredSource, Services};
use crate::shutdown::Shutdown;
use crate::source::Source;
use crate::telemetry;
use crate::trace_context::TraceContext;
use crate::transport::SendError;
use crate::transport::websocket::Connection;

pub(crate) mod http;
mod keeping;
mod kept;
mod uploads;

/// How long before the function's own time is up the source's answer is cancelled, so that the client
/// still gets what is waiting and a terminal frame.
const DEADLINE_MARGIN: Duration = Duration::from_secs(6);

/// How long before the function's own time is up posting ends, too.
const HARD_DEADLINE_MARGIN: Duration = Duration::from_secs(1);

/// How long posting goes on when the process is about to be killed. Lambda gives a runtime at most
/// two seconds ("Lambda execution environment lifecycle").
const SHUTDOWN_GRACE: Duration = Duration::from_millis(1500);

/// What answers invocations. Cheap to clone, since every one gets its own.
#[derive(Clone)]
pub struct Handler {
    config: Arc<Config>,
    services: Arc<Services>,
    background: Background,
    shutdown: Shutdown,
    authorizer: Arc<Authorizer>,
    page: Arc<Page>,
    /// How many runs there are file descriptors for.
    max_runs: usize,
}

/// A run that can be relayed.
struct Accepted<C> {
    ids: RunIds,
    /// Whether the client gets the source's trace.
    trace: bool,
    call: C,
    /// Where it is kept, if it is.
    keeper: Option<RunKeeper>,
}

/// Why a message is no run.
struct Refused {
    run_id: String,
    /// The number of the frame that says so.
    seq: u64,
    failure: Failure,
    /// The HTTP status that API Gateway gets.
    status: u16,
}

/// Why nothing can be done for a client, whatever it asks.
struct Refusal {
    failure: Failure,
    /// The HTTP status that API Gateway gets.
    status: u16,
}

impl Refusal {
    /// The refusal of the run with this id.
    fn of(self, run_id: &str) -> Refused {
        let Self { failure, status } = self;
        Refused { run_id: run_id.to_owned(), seq: 0, failure, status }
    }

    /// The refusal of what is asked of a run that is kept.
    fn of_wish(self, request: &KeptRunRequest) -> Refused {
        Refused { seq: request.wish.first_seq(), ..self.of(&request.request_id) }
    }
}

/// A message that was not understood, and came with this id.
fn refused_as_invalid(invalid: InvalidRequest, request_id: &str) -> Refused {
    info!(reason = invalid.reason, "the message was not understood");
    Refused {
        failure: InvalidRequest::failure(&invalid.reason),
        run_id: invalid.run_id.unwrap_or_else(|| request_id.to_owned()),
        seq: invalid.seq,
        status: 400,
    }
}

impl Handler {
    /// A handler for this configuration that calls AWS through `services`, and goes on in `background`.
    #[must_use]
    pub fn new(
        config: Config,
        services: Services,
        background: Background,
        shutdown: Shutdown,
        max_runs: usize,
    ) -> Self {
        Self {
            authorizer: Authorizer::new(&config.access, &config.origins, &services.http).into(),
            page: Page::new(&config).into(),
            services: services.into(),
            config: config.into(),
            background,
            shutdown,
            max_runs,
        }
    }

    /// The response to API Gateway, at once; a run is relayed after it. It has the form that the one who
    /// asks understands: "Set up Lambda proxy integration" of WebSocket APIs, "Output from an API Gateway
    /// Lambda authorizer", or "Lambda function response for format 2.0" of HTTP APIs.
    ///
    /// Requests for an answer over HTTP are no part of this: their responses are streamed.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Value {
        match Invocation::classify(&event.payload) {
            Invocation::Authorize(authorize) => self.authorize(&authorize).await,
            Invocation::Connect(connect) => self.connect(&connect),
            Invocation::Disconnect { connection_id, reason } => {
                info!(connection_id, reason, "a client has disconnected");
                status(200)
            }
            Invocation::Message(message) => {
                let trace_context = trace_of(None, &event.context);
                let span = info_span!(
                    "run",
                    request_id = event.context.request_id,
                    connection_id = message.connection.connection_id,
                    run_id = field::Empty,
                    session_id = field::Empty,
                    trace_id = trace_context.as_ref().map(TraceContext::trace_id),
                );
                let _entered = span.enter();
                if let Some(response) = self.attend_to_upload(&message, &event.context) {
                    return response;
                }
                if let Some(response) = self.attend_to_kept_run(&message, &event.context) {
                    return response;
                }
                match &self.services.source {
                    ConfiguredSource::BedrockAgent(agent) => {
                        self.run(agent, &message, trace_context.as_ref(), &event.context)
                    }
                    ConfiguredSource::AgentcoreHarness(harness) => {
                        self.run(harness, &message, trace_context.as_ref(), &event.context)
                    }
                    ConfiguredSource::AgentcoreRuntime(runtime) => {
                        self.run(runtime, &message, trace_context.as_ref(), &event.context)
                    }
                }
            }
            Invocation::Page(request) => page_response(self.page.respond(&request)),
            Invocation::Unknown(looks) => {
                warn!(
                    "this invocation is not an event of an API Gateway WebSocket API but {looks}; the function answers the routes $connect, $disconnect and $default, their authorizer, and the HTTP API of the page"
                );
                status(400)
            }
        }
    }

    /// Lets a client in, or not.
    async fn authorize(&self, authorize: &Authorize) -> Value {
        let connection_id = &authorize.connection_id;
        let (effect, identity) = match self.authorizer.authorize(&authorize.presented).await {
            Ok(identity) => ("Allow", identity),
            Err(denied) => {
                warn!(connection_id, reason = %denied, "a client is not let in");
                let nobody =
                    Identity { principal: "nobody".to_owned(), access: "refused", email: None };
                ("Deny", nobody)
            }
        };
        let statement = json!({
            "Action": ["execute-api:Invoke"], "Effect": effect, "Resource": [authorize.method_arn],
        });
        // An address that is not known is left out: values must be texts.
        let context = match &identity.email {
            Some(email) => json!({"access": identity.access, "email": email}),
            None => json!({"access": identity.access}),
        };
        json!({
            "principalId": identity.principal,
            "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": context,
        })
    }

    /// The response to `$connect`. A subprotocol that was asked for must be named in it, or the
    /// browser closes the connection. One that carries a credential is never repeated.
    fn connect(&self, connect: &Connect) -> Value {
        let connection_id = &connect.connection_id;
        // A route without its authorizer would let everybody in.
        if self.config.access != Access::Open && !connect.authorized {
            error!(
                connection_id,
                "nobody checked this client: the route $connect has no authorizer, although ACCESS asks for one"
            );
            return status(403);
        }
        info!(connection_id, "a client connects");
        let offered =
            || connect.subprotocols.iter().filter(|name| !name.starts_with(CREDENTIAL_PREFIX));
        match offered().find(|name| *name == SUBPROTOCOL).or_else(|| offered().next()) {
            Some(chosen) => json!({
                "statusCode": 200, "headers": {"Sec-WebSocket-Protocol": chosen},
            }),
            None => status(200),
        }
    }

    /// Does what a message asks of a run that is kept; `None` if it does not.
    fn attend_to_kept_run(&self, message: &Message, context: &Context) -> Option<Value> {
        let request = KeptRunRequest::parse(message).transpose()?;
        let connection = match self.services.connections.to(&message.connection) {
            Ok(connection) => connection,
            Err(error) => {
                error!(error = chain(&error), "there is no way to answer the client");
                return Some(status(500));
            }
        };
        let remaining =
            context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let request = request.map_err(|invalid| refused_as_invalid(invalid, &message.request_id));
        let is_possible = |request: KeptRunRequest| {
            self.is_possible(message.principal.as_ref(), remaining)
                .map_err(|refusal| refusal.of_wish(&request))
                .map(|()| request)
        };
        Some(match request.and_then(is_possible) {
            Err(refused) => {
                let response = status(refused.status);
                self.spawn(context, self.refuse(connection, refused, remaining));
                response
            }
            Ok(request) => {
                let limits = self.limits(remaining, self.config.keepalive);
                let kept_runs = self.kept_runs(&context.env_config.function_name, limits);
                let joined_from = Some(message.connection.clone());
                self.spawn(context, kept_runs.attend(request, joined_from, connection));
                status(200)
            }
        })
    }

    /// Runs what a message asks for.
    fn run<S: Source>(
        &self,
        source: &S,
        message: &Message,
        trace_context: Option<&TraceContext>,
        context: &Context,
    ) -> Value {
        let connection = match self.services.connections.to(&message.connection) {
            Ok(connection) => connection,
            Err(error) => {
                error!(error = chain(&error), "there is no way to answer the client");
                return status(500);
            }
        };
        let remaining =
            context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let limits = self.limits(remaining, self.config.keepalive);
        let destination = Destination::Connection(message.connection.clone());
        let message = ClientMessage::from(message).in_trace(trace_context);
        let accepted = self.accept(source, message, EventForm::Chunks, remaining, limits.deadline);
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(refused) => {
                let response = status(refused.status);
                self.spawn(context, self.refuse(connection, refused, remaining));
                return response;
            }
        };
        let Accepted { ids, trace, call, keeper } = accepted;
        let stop = source.stop(&call);
        let events = source.invoke(call);
        let shutdown = self.shutdown.clone();
        let function_name = context.env_config.function_name.clone();
        self.spawn(context, async move {
            let keeping = keeper.as_ref().map(|keeper| keeper.keeping(destination));
            let begun = shutdown.begun();
            let summary =
                relay_and_keep(ids, trace, events, &connection, &limits, begun, keeping).await;
            telemetry::run(&function_name, &summary, S::WHY_IN_ONE_CHUNK);
            if !summary.source_ended {
                stop.await;
            }
        });
        status(200)
    }

    /// The limits of a run that begins now, for which the function has so much time left.
    fn limits(&self, remaining: Duration, keepalive: Duration) -> Limits {
        let now = Instant::now();
        Limits {
            keepalive: keepalive.min(self.config.keepalive),
            // With less time than the margins a run is refused.
            deadline: now + remaining.saturating_sub(DEADLINE_MARGIN),
            hard_deadline: now + remaining.saturating_sub(HARD_DEADLINE_MARGIN),
            shutdown_grace: SHUTDOWN_GRACE,
            outbox_bytes: Limits::OUTBOX_BYTES,
        }
    }

    /// Understands a message, and makes sure that its run can be relayed. Nothing is called.
    fn accept<S: Source>(
        &self,
        source: &S,
        message: ClientMessage<'_>,
        form: EventForm,
        remaining: Duration,
        deadline: Instant,
    ) -> Result<Accepted<S::Call>, Refused> {
        let mut run = Run::<S::Options>::parse(message, &self.config)
            .map_err(|invalid| refused_as_invalid(invalid, message.request_id))?;
        // The session as AgentCore shows it. Whoever reads it here can't enter the conversation with it.
        Span::current()
            .record("run_id", &run.run_id)
            .record("session_id", hex_hash(&run.session_id));
        let call = source.prepare(&run, deadline).map_err(|failure| {
            info!(reason = failure.cause(), "the source can't take this run");
            Refused { run_id: run.run_id.clone(), seq: 0, failure, status: 400 }
        })?;
        self.is_possible(message.principal, remaining)
            .map_err(|refusal| refusal.of(&run.run_id))?;
        let files = mem::take(&mut run.files);
        let call = if files.is_empty() {
            call
        } else {
            let user_hash = run.user.as_ref().map(|user| user.hash.clone());
            source.attach(call, self.files_to_come(files, user_hash))
        };
        let keeper = RunKeeper::new(&self.config, &self.services, &run, message, remaining);
        Ok(Accepted { ids: run.ids(form), trace: run.trace, call, keeper })
    }

    /// Whether anything can be done for a client of this name, for which the function has so much time left.
    fn is_possible(
        &self,
        principal: Option<&Principal>,
        remaining: Duration,
    ) -> Result<(), Refusal> {
        let refused = |failure, status| Refusal { failure, status };
        if remaining <= DEADLINE_MARGIN {
            error!(
                ?remaining,
                "the function's timeout is too short for an answer: set it to 900 s"
            );
            return Err(refused(Failure::new(ErrorCode::Internal), 500));
        }
        if matches!(self.config.access, Access::Oidc(_)) && principal.is_none() {
            error!("API Gateway does not say who the client is: is its authorizer this function?");
            return Err(refused(Failure::new(ErrorCode::Internal), 403));
        }
        if self.shutdown.runs() >= self.max_runs {
            warn!(
                max_runs = self.max_runs,
                "there are no file descriptors for another turn: lower PerExecutionEnvironmentMaxConcurrency"
            );
            let failure = Failure::new(ErrorCode::Internal).with_message(TOO_MANY_TURNS);
            return Err(refused(failure, 503));
        }
        Ok(())
    }

    /// Tells the client why a run could not begin, for as long as the function may run: until shortly
    /// before its own time is up, or until shortly after it is told to end.
    fn refuse(
        &self,
        connection: Connection,
        refused: Refused,
        remaining: Duration,
    ) -> impl Future<Output = ()> + Send + use<> {
        let shutdown = self.shutdown.clone();
        async move {
            let out_of_time = async {
                let until_shutdown = async {
                    shutdown.begun().await;
                    sleep(SHUTDOWN_GRACE).await;
                };
                let _ =
                    timeout(remaining.saturating_sub(HARD_DEADLINE_MARGIN), until_shutdown).await;
            };
            tokio::select! {
                sent = refuse(refused.run_id, refused.seq, &refused.failure, &connection) => match sent {
                    Ok(()) => {}
                    Err(SendError::Gone) => info!("the client is gone"),
                    Err(error) => error!(error = chain(&error), "the client could not be told"),
                },
                () = out_of_time => error!("the client could not be told in time"),
            }
        }
    }

    /// Goes on in the background once the response has been posted, in the current span.
    fn spawn(&self, context: &Context, work: impl Future<Output = ()> + Send + 'static) {
        let run = self.shutdown.track_run();
        let work = async move {
            work.await;
            drop(run);
        };
        self.background.spawn(&context.request_id, work.in_current_span());
    }
}

/// The trace that an invocation is part of, for a client that may have begun one.
fn trace_of(client: Option<TraceContext>, context: &Context) -> Option<TraceContext> {
    let lambda = context.xray_trace_id.as_deref().and_then(TraceContext::of_lambda);
    TraceContext::of_run(client, lambda)
}

/// The page's response. Its bytes travel as base64, since they are compressed.
fn page_response(response: page::Response) -> Value {
    let headers = response.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
    json!({
        "statusCode": response.status,
        "headers": headers.collect::<Map<String, Value>>(),
        "isBase64Encoded": true,
        "body": STANDARD.encode(response.body),
    })
}

/// A response of nothing but its HTTP status.
fn status(code: u16) -> Value {
    json!({"statusCode": code})
}
