//! What AgentCore does for harnesses and runtimes alike: it ends sessions, by `StopRuntimeSession`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::harness::ScriptedHarness;
use super::harness::address::{SESSION_HEADER, session_id};
use super::harness::stop::{REQUEST_LIMIT, read};
use super::runtime::{ScriptedRuntime, is_runtime_arn};

#[derive(Clone)]
struct Both {
    harness: Arc<ScriptedHarness>,
    runtime: Arc<ScriptedRuntime>,
}

/// The route of what harnesses and runtimes have in common.
pub(crate) fn router(harness: Arc<ScriptedHarness>, runtime: Arc<ScriptedRuntime>) -> Router {
    Router::new()
        .route("/agentcore/runtimes/{agentRuntimeArn}/stopruntimesession", post(stop))
        .with_state(Both { harness, runtime })
}

async fn stop(
    State(Both { harness, runtime }): State<Both>,
    Path(arn): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let stopped = async {
        let body = read(body, REQUEST_LIMIT).await?;
        if is_runtime_arn(&arn) {
            runtime.stop(arn, uri.query(), &headers, &body).await
        } else {
            harness.stop(arn, uri.query(), &headers, &body).await
        }
    };
    match stopped.await {
        Ok(session_id) => [(SESSION_HEADER, session_id)].into_response(),
        Err(refusal) => harness.refuse(session_id(&headers).unwrap_or_default(), refusal),
    }
}
