//! Work that goes on after the response.
//!
//! API Gateway waits at most 29 s for a response, and an agent may take minutes. The function is its
//! own runtime, so it may post its response and go on working before it asks for the next event: the
//! Lambda guide calls this step "cleanup" ("Building a custom runtime"), and the runtime crate's
//! OpenTelemetry layer uses the same seam. Lambda keeps the execution environment running, and
//! billed, until `/next` is polled.
//!
//! The handler leaves its work in [`After`] under the id of its invocation; the [`AfterLayer`] waits
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

/// The work that handlers have left, each under the id of its invocation.
#[derive(Clone, Default)]
pub struct After {
    work: Arc<Mutex<HashMap<String, BoxFuture<'static, ()>>>>,
}

impl After {
    /// Leaves `work` to be done when the response of the invocation has been posted.
    pub fn leave(&self, request_id: &str, work: impl Future<Output = ()> + Send + 'static) {
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
pub struct AfterLayer {
    after: After,
}

impl AfterLayer {
    /// A layer that does what is left in `after`.
    #[must_use]
    pub fn new(after: After) -> Self {
        Self { after }
    }
}

impl<S> Layer<S> for AfterLayer {
    type Service = AfterService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AfterService { inner, after: self.after.clone() }
    }
}

/// The service that [`AfterLayer`] makes.
#[derive(Clone)]
pub struct AfterService<S> {
    inner: S,
    after: After,
}

impl<S> Service<LambdaInvocation> for AfterService<S>
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
        let after = self.after.clone();
        let responded = self.inner.call(invocation);
        Box::pin(async move {
            let result = responded.await;
            // The client waits for its answer even where the response could not be posted.
            if let Some(work) = after.take(&request_id) {
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
