//! Answers over HTTP: AG-UI's own transport, a `POST` whose response is streamed as server-sent events.
//!
//! Every outcome of a run is a response 200 with a terminal event, since AG-UI's clients show any other
//! status raw. Another status is only for those who are not let in, and for what is no request of AG-UI's.
//! Even these are streamed, in one piece: API Gateway expects nothing else here.

use std::time::{Duration, SystemTime};

use futures::stream::{self, StreamExt as _};
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use lambda_runtime::{Context, MetadataPrelude, StreamResponse};
use serde_json::json;
use tracing::{Instrument as _, Span, error, field, info, info_span, warn};

use crate::access::Identity;
use crate::agui::EventForm;
use crate::error::chain;
use crate::handler::uploads::keep;
use crate::handler::{Accepted, Handler, Refused, refused_as_invalid, trace_of};
use crate::invocation::{HttpRequest, Principal};
use crate::relay::delivery::Destination;
use crate::relay::{refuse, relay_and_keep};
use crate::request::kept::KeptRunRequest;
use crate::request::upload::UploadRequest;
use crate::request::{ClientMessage, InvalidRequest};
use crate::services::ConfiguredSource;
use crate::source::Source;
use crate::telemetry;
use crate::trace_context::TraceContext;
use crate::transport::SendError;
use crate::transport::sse::{self, Body, EventSink};

/// The longest silence towards the client. API Gateway ends a streamed response that is silent for five
/// minutes, and proxies on the way after a minute or less ("Stream the integration response").
const KEEPALIVE: Duration = Duration::from_secs(25);

/// How long a browser may remember what a page of another origin may send.
const PREFLIGHT_MAX_AGE: &str = "7200";

/// A response: its status and headers, and a body whose pieces come one after the other. It never fails.
pub(crate) type Response = StreamResponse<Body>;

impl Handler {
    /// The response to a request for an answer; what it has is relayed while it is streamed.
    pub(crate) async fn respond_over_http(
        &self,
        request: &HttpRequest,
        context: &Context,
    ) -> Response {
        let mut headers = HeaderMap::new();
        self.allow_origin(request, &mut headers);
        match &*request.method {
            "POST" => {}
            "OPTIONS" => return preflight(request, headers),
            _ => {
                insert(&mut headers, header::ALLOW, "POST, OPTIONS");
                let message = "Answers are asked for with POST.";
                return refused(StatusCode::METHOD_NOT_ALLOWED, message, headers);
            }
        }
        let identity = match self.authorizer.authorize(&request.presented).await {
            Ok(identity) => identity,
            Err(denied) => {
                warn!(request_id = context.request_id, reason = %denied, "a client is not let in");
                if self.is_foreign(request) {
                    return refused(StatusCode::FORBIDDEN, &denied.to_string(), headers);
                }
                insert(&mut headers, header::WWW_AUTHENTICATE, "Bearer");
                return refused(StatusCode::UNAUTHORIZED, &denied.to_string(), headers);
            }
        };
        if !is_json(request.content_type.as_deref()) {
            let message = "A request is JSON: send it with Content-Type application/json.";
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message, headers);
        }
        let principal = principal(identity);
        let trace_context = trace_of(request.trace_context.clone(), context);
        let message = ClientMessage::of_http(request, &context.request_id, principal.as_ref())
            .in_trace(trace_context.as_ref());
        let body = if let Some(request) = UploadRequest::parse(message).transpose() {
            self.stream_upload(request, message, context)
        } else if let Some(request) = KeptRunRequest::parse(message).transpose() {
            self.stream_kept_run(request, message, context)
        } else {
            match &self.services.source {
                ConfiguredSource::BedrockAgent(agent) => self.stream(agent, message, context),
                ConfiguredSource::AgentcoreHarness(harness) => {
                    self.stream(harness, message, context)
                }
                ConfiguredSource::AgentcoreRuntime(runtime) => {
                    self.stream(runtime, message, context)
                }
            }
        };
        insert(&mut headers, header::CONTENT_TYPE, sse::CONTENT_TYPE);
        streamed(StatusCode::OK, headers, body)
    }

    /// Begins what a message asks for, and returns the body that it becomes.
    fn stream<S: Source>(&self, source: &S, message: ClientMessage<'_>, context: &Context) -> Body {
        let span = span_of(message);
        let _entered = span.enter();
        let remaining =
            context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let limits = self.limits(remaining, KEEPALIVE);
        let (sink, body) = sse::response();
        match self.accept(source, message, EventForm::StartAndEnd, remaining, limits.deadline) {
            Err(refused) => self.spawn_at_once(tell(refused, sink)),
            Ok(Accepted { ids, trace, call, keeper }) => {
                let stop = source.stop(&call);
                let events = source.invoke(call);
                let shutdown = self.shutdown.clone();
                let function_name = context.env_config.function_name.clone();
                self.spawn_at_once(async move {
                    let keeping =
                        keeper.as_ref().map(|keeper| keeper.keeping(Destination::Response));
                    let begun = shutdown.begun();
                    let summary =
                        relay_and_keep(ids, trace, events, &sink, &limits, begun, keeping).await;
                    telemetry::run(&function_name, &summary, S::WHY_IN_ONE_CHUNK);
                    if !summary.source_ended {
                        stop.await;
                    }
                    // The response ends with the sink: until then Lambda lets the function work.
                    drop(sink);
                });
            }
        }
        body
    }

    /// Keeps a piece of a file, and returns the body that says so.
    fn stream_upload(
        &self,
        request: Result<UploadRequest, InvalidRequest>,
        message: ClientMessage<'_>,
        context: &Context,
    ) -> Body {
        let span = info_span!("run", request_id = context.request_id, run_id = field::Empty);
        let _entered = span.enter();
        let remaining =
            context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let (sink, body) = sse::response();
        match self.accept_upload(request, message, remaining) {
            Err(refused) => self.spawn_at_once(tell(refused, sink)),
            Ok((table, request)) => self.spawn_at_once(keep(table, request, sink)),
        }
        body
    }

    /// Begins what a message asks of a run that is kept, and returns the body that it becomes.
    fn stream_kept_run(
        &self,
        request: Result<KeptRunRequest, InvalidRequest>,
        message: ClientMessage<'_>,
        context: &Context,
    ) -> Body {
        let span = span_of(message);
        let _entered = span.enter();
        let remaining =
            context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let (sink, body) = sse::response();
        let request = request
            .map_err(|invalid| refused_as_invalid(invalid, message.request_id))
            .and_then(|request| match self.is_possible(message.principal, remaining) {
                Ok(()) => Ok(request),
                Err(refusal) => Err(refusal.of_wish(&request)),
            });
        match request {
            Err(refused) => self.spawn_at_once(tell(refused, sink)),
            Ok(request) => {
                let limits = self.limits(remaining, KEEPALIVE);
                let kept_runs = self.kept_runs(&context.env_config.function_name, limits);
                // No other invocation can write into this response, so nobody can take a run over to it.
                self.spawn_at_once(kept_runs.attend(request, None, sink));
            }
        }
        body
    }

    /// Works beside the response, in the current span.
    fn spawn_at_once(&self, work: impl Future<Output = ()> + Send + 'static) {
        let run = self.shutdown.track_run();
        let work = async move {
            work.await;
            drop(run);
        };
        tokio::spawn(work.in_current_span());
    }

    /// Whether a page asks that may not.
    fn is_foreign(&self, request: &HttpRequest) -> bool {
        !request.presented.origins.iter().all(|origin| self.authorizer.allows_origin(origin))
    }

    /// Lets the page that asks read the response, if it may.
    fn allow_origin(&self, request: &HttpRequest, headers: &mut HeaderMap) {
        insert(headers, header::VARY, "Origin");
        if let [origin] = &request.presented.origins[..]
            && self.authorizer.allows_origin(origin)
        {
            insert(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}

/// What the lines of log have in common that a message leads to.
fn span_of(message: ClientMessage<'_>) -> Span {
    let trace_id = message.trace_context.map(TraceContext::trace_id);
    info_span!(
        "run",
        request_id = message.request_id,
        run_id = field::Empty,
        session_id = field::Empty,
        trace_id,
    )
}

/// Tells a client why there is no run.
async fn tell(refused: Refused, sink: EventSink) {
    match refuse(refused.run_id, refused.seq, &refused.failure, &sink).await {
        Ok(()) => {}
        Err(SendError::Gone) => info!("the response is no longer read"),
        Err(error) => error!(error = chain(&error), "the client could not be told"),
    }
}

/// Who is known by name.
fn principal(identity: Identity) -> Option<Principal> {
    let Identity { principal, access, email } = identity;
    (access == "oidc").then_some(Principal { subject: principal, email })
}

fn is_json(content_type: Option<&str>) -> bool {
    let essence = content_type.and_then(|content_type| content_type.split(';').next());
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// What a browser asks before a page of another origin may send something. No page sends a cookie, so it may
/// send any header.
fn preflight(request: &HttpRequest, mut headers: HeaderMap) -> Response {
    insert(&mut headers, header::ACCESS_CONTROL_ALLOW_METHODS, "POST");
    let to_come = request.headers_to_come.as_deref().unwrap_or("authorization, content-type");
    insert(&mut headers, header::ACCESS_CONTROL_ALLOW_HEADERS, to_come);
    insert(&mut headers, header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE);
    streamed(StatusCode::NO_CONTENT, headers, stream::empty().boxed())
}

/// The response where this function is at fault.
pub(crate) fn failed() -> Response {
    let message = "The function failed. Its log says more.";
    refused(StatusCode::INTERNAL_SERVER_ERROR, message, HeaderMap::new())
}

/// A response that says why there is no answer.
fn refused(status: StatusCode, message: &str, mut headers: HeaderMap) -> Response {
    insert(&mut headers, header::CONTENT_TYPE, "application/json");
    let body = json!({"message": message}).to_string();
    streamed(status, headers, stream::iter([Ok(body.into())]).boxed())
}

fn streamed(status_code: StatusCode, mut headers: HeaderMap, stream: Body) -> Response {
    insert(&mut headers, header::CACHE_CONTROL, "no-store");
    insert(&mut headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let metadata_prelude = MetadataPrelude { status_code, headers, cookies: Vec::new() };
    StreamResponse { metadata_prelude, stream }
}

/// Sets a header, unless its value can't be one: then it came from the client, who asked for nothing that
/// exists.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
