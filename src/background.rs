//! Work that goes on after the response.
//!
//! API Gateway waits at most 29 s for a response, and an agent may take minutes. The function is its
//! own runtime, so it may post its response and go on working before it asks for the next event: the
//! Lambda guide calls this step "cleanup" ("Building a custom runtime"), and the runtime crate's
//! OpenTelemetry layer uses the same seam. Lambda keeps the execution environment running, and
//! billed, until `/next` is polled.
//!
//! The handler puts its work into [`Background`] under the id of its invocation; the [`BackgroundLayer`] waits
//! for it when the response has been posted, and only then lets the runtime go on.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use lambda_runtime::LambdaInvocation;
use tower::{Layer, Service};
use tracing::error;

use crate::error::chain;
use crate::shutdown::Shutdown;

/// The work of handlers that waits for their responses, each under the id of its invocation.
#[derive(Clone, Default)]
pub struct Background {
    work: Arc<Mutex<HashMap<String, BoxFuture<'static, ()>>>>,
}

impl Background {
    /// Begins `work` when the response of the invocation has been posted.
    pub fn spawn(&self, request_id: &str, work: impl Future<Output = ()> + Send + 'static) {
        self.lock().insert(request_id.to_owned(), Box::pin(work));
    }

    fn take(&self, request_id: &str) -> Option<BoxFuture<'static, ()>> {
        self.lock().remove(request_id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, BoxFuture<'static, ()>>> {
        // The map is whole after every operation, so another thread's panic does not spoil it.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wraps the runtime's service, which calls the handler and posts its response.
#[derive(Clone)]
pub struct BackgroundLayer {
    background: Background,
    shutdown: Shutdown,
}

impl BackgroundLayer {
    /// A layer that begins what is in `background`, and lets `shutdown` wait for responses.
    #[must_use]
    pub fn new(background: Background, shutdown: Shutdown) -> Self {
        Self { background, shutdown }
    }
}

impl<S> Layer<S> for BackgroundLayer {
    type Service = BackgroundService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let (background, shutdown) = (self.background.clone(), self.shutdown.clone());
        BackgroundService { inner, background, shutdown }
    }
}

/// The service that [`BackgroundLayer`] makes.
#[derive(Clone)]
pub struct BackgroundService<S> {
    inner: S,
    background: Background,
    shutdown: Shutdown,
}

impl<S> Service<LambdaInvocation> for BackgroundService<S>
where
    S: Service<LambdaInvocation, Response = ()>,
    S::Future: Send + 'static,
    S::Error: Send,
{
    type Response = ();
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<(), S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let request_id = invocation.context.request_id.clone();
        let background = self.background.clone();
        let response = self.shutdown.track_response();
        let responded = self.inner.call(invocation);
        Box::pin(async move {
            let result = responded.await;
            drop(response);
            // The client waits for its answer even where the response could not be posted.
            if let Some(work) = background.take(&request_id) {
                // As a task: where an invocation is no task of its own, each waking would look for
                // news of all sockets, too.
                if let Err(panic) = tokio::spawn(work).await {
                    error!(error = chain(&panic), "the work after a response has failed");
                }
            }
            result
        })
    }
}
