//! Responses that are streamed: those to requests over HTTP.
//!
//! The runtime crate could post them, too, but over connections on which the kernel holds back each piece
//! until the one before it was acknowledged, which takes up to 40 ms (Nagle's algorithm, RFC 896). A user
//! would wait for that with every word. So these events are answered beside the crate's own service, which
//! answers all others, over connections that send at once.
//!
//! Shape: the section "Response streaming" of the page "Building a custom runtime for AWS Lambda".

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderName};
use hyper::{Method, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use lambda_runtime::{Error, LambdaInvocation, StreamResponse};
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{Client, build_request};
use tower::{Layer, Service};
use tracing::{error, warn};

use crate::error::chain;
use crate::handler::{Handler, http};
use crate::invocation::HttpRequest;
use crate::transport::sse;

/// How the Runtime API is told that a response is streamed.
const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");

/// The id of an invocation among several at once, which goes back with its response.
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");

/// What a response is whose beginning says its status and headers.
const INTEGRATION_RESPONSE: &str = "application/vnd.awslambda.http-integration-response";

/// What stands between the status and headers and the body.
const DELIMITER: [u8; 8] = [0; 8];

/// Answers requests over HTTP, and leaves all other events to the service that it wraps.
#[derive(Clone)]
pub struct StreamedResponses {
    handler: Handler,
    runtime_api: Arc<Client>,
}

impl StreamedResponses {
    /// A layer that answers by `handler`, at most so many events at once.
    ///
    /// # Errors
    /// `AWS_LAMBDA_RUNTIME_API` is no address.
    pub fn new(handler: Handler, max_concurrency: usize) -> Result<Self, Error> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder().with_connector(connector).with_pool_size(max_concurrency);
        Ok(Self { handler, runtime_api: client.build()?.into() })
    }
}

impl<S> Layer<S> for StreamedResponses {
    type Service = StreamingService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        StreamingService { inner, streamed: self.clone() }
    }
}

/// The service that [`StreamedResponses`] makes.
#[derive(Clone)]
pub struct StreamingService<S> {
    inner: S,
    streamed: StreamedResponses,
}

impl<S> Service<LambdaInvocation> for StreamingService<S>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        match HttpRequest::of_event(&invocation.body) {
            Some(request) => Box::pin(self.streamed.clone().respond(request, invocation)),
            None => Box::pin(self.inner.call(invocation)),
        }
    }
}

impl StreamedResponses {
    /// Answers a request. Ends when the response has.
    async fn respond(
        self,
        request: HttpRequest,
        invocation: LambdaInvocation,
    ) -> Result<(), Error> {
        let LambdaInvocation { mut parts, context, .. } = invocation;
        let path = format!("/2018-06-01/runtime/invocation/{}/response", context.request_id);
        let handler = self.handler;
        // As a task, so that a panic costs this request its answer, and not the process its life.
        let responding = async move { handler.respond_over_http(&request, &context).await };
        let response = tokio::spawn(responding).await.unwrap_or_else(|panic| {
            error!(error = chain(&panic), "a request over HTTP could not be answered");
            http::failed()
        });
        let mut posted = build_request()
            .method(Method::POST)
            .uri(path)
            .header(RESPONSE_MODE, "streaming")
            .header(CONTENT_TYPE, INTEGRATION_RESPONSE)
            .body(body(response)?)?;
        if let Some(id) = parts.headers.remove(INVOCATION_ID) {
            posted.headers_mut().insert(INVOCATION_ID, id);
        }
        let status = self.runtime_api.call(posted).await?.status();
        if status != StatusCode::ACCEPTED {
            warn!(status = status.as_u16(), "the Runtime API did not take a streamed response");
        }
        Ok(())
    }
}

/// The body of a streamed response: its status and headers, the delimiter, and its own body.
fn body(response: StreamResponse<sse::Body>) -> Result<Body, Error> {
    let StreamResponse { metadata_prelude, stream } = response;
    let mut beginning = serde_json::to_vec(&metadata_prelude)?;
    beginning.extend(DELIMITER);
    let pieces = stream::iter([Ok(Bytes::from(beginning))]).chain(stream);
    Ok(Body::new(StreamBody::new(pieces.map(|piece| piece.map(Frame::data)))))
}
