//! One invocation ⇒ one response.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lambda_events::encodings::Body;
use aws_lambda_events::event::apigw::{
    ApiGatewayCustomAuthorizerPolicy, ApiGatewayCustomAuthorizerResponse, ApiGatewayProxyResponse,
    ApiGatewayV2httpResponse,
};
use aws_lambda_events::event::iam::{IamPolicyEffect, IamPolicyStatement};
use aws_lambda_events::http::{HeaderMap, HeaderName, HeaderValue};
use lambda_runtime::{Context, LambdaEvent};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tracing::{Instrument as _, Span, error, field, info, info_span, warn};

use crate::access::{Admitted, Authorizer, CREDENTIAL_PREFIX, SUBPROTOCOL};
use crate::agui::{Event, RunIds};
use crate::background::After;
use crate::config::Config;
use crate::config::access::Access;
use crate::descriptors::TOO_MANY_TURNS;
use crate::error::{ErrorCode, Failure, chain};
use crate::invocation::{Authorize, Connect, Invocation, Message};
use crate::page::{self, Page};
use crate::relay::outbox::{LARGEST_FRAME, Outbox};
use crate::relay::{Limits, relay};
use crate::request::Run;
use crate::services::Clients;
use crate::shutdown::Shutdown;
use crate::telemetry;
use crate::transport::websocket::{Connection, GatewayConnection, PostError};

/// How long before the function's own time is up the agent is told off, so that the client still
/// gets what is waiting and a terminal frame.
const DEADLINE_MARGIN: Duration = Duration::from_secs(6);

/// How long before the function's own time is up posting ends, too.
const HARD_DEADLINE_MARGIN: Duration = Duration::from_secs(1);

/// How long posting goes on when the process is about to be killed. Lambda gives a runtime at most
/// two seconds ("Lambda execution environment lifecycle").
const SHUTDOWN_GRACE: Duration = Duration::from_millis(1500);

/// What answers invocations. Cheap to clone, since every one gets its own.
#[derive(Clone)]
pub(crate) struct Handler {
    config: Arc<Config>,
    clients: Arc<Clients>,
    after: After,
    shutdown: Shutdown,
    authorizer: Arc<Authorizer>,
    page: Arc<Page>,
    /// How many runs there are file descriptors for.
    most_runs: usize,
}

/// What the function answers, in the form that the one who asks understands.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Policy(Box<ApiGatewayCustomAuthorizerResponse>),
    Proxy(Box<ApiGatewayProxyResponse>),
    Page(Box<ApiGatewayV2httpResponse>),
}

impl From<ApiGatewayProxyResponse> for Answer {
    fn from(response: ApiGatewayProxyResponse) -> Self {
        Self::Proxy(Box::new(response))
    }
}

impl Handler {
    /// A handler for this configuration that calls AWS through `clients`, and leaves what comes after a
    /// response in `after`.
    pub(crate) fn new(
        config: Config,
        clients: Clients,
        after: After,
        shutdown: Shutdown,
        most_runs: usize,
    ) -> Self {
        Self {
            authorizer: Authorizer::new(&config.access, &config.origins, &clients.http).into(),
            page: Page::new(&config).into(),
            clients: clients.into(),
            config: config.into(),
            after,
            shutdown,
            most_runs,
        }
    }

    /// The response to API Gateway, at once; the relay of an answer is left for after it.
    pub(crate) async fn handle(&self, event: LambdaEvent<Value>) -> Answer {
        match Invocation::classify(event.payload) {
            Invocation::Authorize(authorize) => self.authorize(&authorize).await,
            Invocation::Connect(connect) => self.connect(&connect).into(),
            Invocation::Disconnect { connection_id, reason } => {
                info!(connection_id, reason, "a client has disconnected");
                status(200).into()
            }
            Invocation::Message(message) => {
                let span = info_span!(
                    "run",
                    request_id = event.context.request_id,
                    connection_id = message.origin.connection_id,
                    run_id = field::Empty,
                );
                let _entered = span.enter();
                self.begin(&message, &event.context).into()
            }
            Invocation::Page(request) => page_answer(self.page.answer(&request)),
            Invocation::Unknown(looks) => {
                warn!(
                    "this invocation is not an event of an API Gateway WebSocket API but {looks}; the function answers the routes $connect, $disconnect and $default, their authorizer, and the HTTP API of the page"
                );
                status(400).into()
            }
        }
    }

    /// Lets a client in, or not.
    async fn authorize(&self, authorize: &Authorize) -> Answer {
        let connection_id = &authorize.connection_id;
        let (effect, admitted) = match self.authorizer.decide(&authorize.handshake).await {
            Ok(admitted) => (IamPolicyEffect::Allow, admitted),
            Err(refusal) => {
                warn!(connection_id, reason = %refusal, "a client is not let in");
                let nobody = Admitted { principal: "nobody".to_owned(), access: "refused" };
                (IamPolicyEffect::Deny, nobody)
            }
        };
        let mut statement = IamPolicyStatement::default();
        statement.action = vec!["execute-api:Invoke".to_owned()];
        statement.effect = effect;
        statement.resource = vec![authorize.method_arn.clone()];
        let mut policy = ApiGatewayCustomAuthorizerPolicy::default();
        policy.version = Some("2012-10-17".to_owned());
        policy.statement = vec![statement];
        let mut response = ApiGatewayCustomAuthorizerResponse::default();
        response.principal_id = Some(admitted.principal);
        response.policy_document = policy;
        response.context = json!({"access": admitted.access});
        Answer::Policy(Box::new(response))
    }

    /// The response to `$connect`. A subprotocol that was asked for must be named in it, or the
    /// browser closes the connection. One that carries a credential is never repeated.
    fn connect(&self, connect: &Connect) -> ApiGatewayProxyResponse {
        let connection_id = &connect.connection_id;
        // A route without its authorizer would be an open door that looks closed.
        if self.config.access != Access::Open && !connect.authorized {
            error!(
                connection_id,
                "nobody checked this client: the route $connect has no authorizer, although ACCESS asks for one"
            );
            return status(403);
        }
        info!(connection_id, "a client connects");
        let mut response = status(200);
        let offered =
            || connect.subprotocols.iter().filter(|name| !name.starts_with(CREDENTIAL_PREFIX));
        let chosen = offered().find(|name| *name == SUBPROTOCOL).or_else(|| offered().next());
        if let Some(value) = chosen.and_then(|name| HeaderValue::from_str(name).ok()) {
            response.headers.insert("Sec-WebSocket-Protocol", value);
        }
        response
    }

    /// Begins what a message asks for.
    fn begin(&self, message: &Message, context: &Context) -> ApiGatewayProxyResponse {
        let connection = match self.clients.connections.to(&message.origin) {
            Ok(connection) => connection,
            Err(error) => {
                error!(error = chain(&error), "there is no way to answer the client");
                return status(500);
            }
        };
        let remaining =
            context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let run = match Run::parse(message, &self.config) {
            Ok(run) => run,
            Err(invalid) => {
                let failure = Failure::new(ErrorCode::InvalidRequest).saying(invalid.message());
                info!(reason = invalid.reason, "the message was not understood");
                let run_id = invalid.run_id.unwrap_or_else(|| message.request_id.clone());
                self.leave(context, self.refuse(connection, run_id, failure, remaining));
                return status(400);
            }
        };
        Span::current().record("run_id", &run.run_id);
        if remaining <= DEADLINE_MARGIN {
            error!(
                ?remaining,
                "the function's timeout is too short for an answer: set it to 900 s"
            );
            let failure = Failure::new(ErrorCode::Internal);
            self.leave(context, self.refuse(connection, run.run_id, failure, remaining));
            return status(500);
        }
        if matches!(self.config.access, Access::Oidc(_)) && message.principal.is_none() {
            error!("API Gateway does not say who the client is: is its authorizer this function?");
            let failure = Failure::new(ErrorCode::Internal);
            self.leave(context, self.refuse(connection, run.run_id, failure, remaining));
            return status(403);
        }
        if self.shutdown.runs() >= self.most_runs {
            warn!(
                most_runs = self.most_runs,
                "there are no file descriptors for another turn: lower PerExecutionEnvironmentMaxConcurrency"
            );
            let failure = Failure::new(ErrorCode::Internal).saying(TOO_MANY_TURNS);
            self.leave(context, self.refuse(connection, run.run_id, failure, remaining));
            return status(503);
        }
        let now = Instant::now();
        let limits = Limits {
            keepalive: self.config.keepalive,
            deadline: now + remaining - DEADLINE_MARGIN,
            hard_deadline: now + remaining - HARD_DEADLINE_MARGIN,
            shutdown_grace: SHUTDOWN_GRACE,
            outbox_bytes: Limits::OUTBOX_BYTES,
        };
        let events = self.clients.agent.invoke(&run);
        let shutdown = self.shutdown.clone();
        let function_name = context.env_config.function_name.clone();
        self.leave(context, async move {
            let summary = relay(&run, events, &connection, &limits, shutdown.begun()).await;
            telemetry::run(&function_name, &summary);
        });
        status(200)
    }

    /// Tells the client why a run could not begin, for as long as the function may run: until shortly
    /// before its own time is up, or until shortly after it is told to end.
    fn refuse(
        &self,
        connection: GatewayConnection,
        run_id: String,
        failure: Failure,
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
                posted = post_failure(&connection, run_id, &failure) => match posted {
                    Ok(()) => {}
                    Err(PostError::Gone) => info!("the client is gone"),
                    Err(error) => error!(error = chain(&error), "the client could not be told"),
                },
                () = out_of_time => error!("the client could not be told in time"),
            }
        }
    }

    /// Leaves work for after the response, in the current span.
    fn leave(&self, context: &Context, work: impl Future<Output = ()> + Send + 'static) {
        let running = self.shutdown.running();
        let work = async move {
            work.await;
            drop(running);
        };
        self.after.leave(&context.request_id, work.in_current_span());
    }
}

/// The page's response in the form of HTTP APIs, payload version 2.0. Its bytes travel as base64,
/// since they are compressed.
fn page_answer(response: page::Response) -> Answer {
    let headers = response.headers.into_iter().filter_map(|(name, value)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
    });
    let mut answer = ApiGatewayV2httpResponse::default();
    answer.status_code = response.status.into();
    answer.headers = headers.collect::<HeaderMap>();
    answer.is_base64_encoded = true;
    answer.body = Some(Body::Binary(response.body));
    Answer::Page(Box::new(answer))
}

fn status(code: i64) -> ApiGatewayProxyResponse {
    let mut response = ApiGatewayProxyResponse::default();
    response.status_code = code;
    response
}

/// Posts a failure as the only frame of a run.
async fn post_failure(
    connection: &GatewayConnection,
    run_id: String,
    failure: &Failure,
) -> Result<(), PostError> {
    let ids = RunIds { run_id, message_id: String::new() };
    let mut outbox = Outbox::new(ids, LARGEST_FRAME);
    outbox.push(Event::from(failure));
    while let Some(frame) = outbox.next_frame() {
        connection.post(frame).await?;
    }
    Ok(())
}
