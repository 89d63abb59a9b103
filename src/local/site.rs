//! The page, over HTTP.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::get;

use super::options::Agent;
use crate::page::{self, Access, Settings};

/// Prompts that show what the scripted agent can do.
const SCRIPTED: [&str; 8] = [
    "How does this answer reach me?",
    "/slow 35",
    "/team",
    "/tool",
    "/file",
    "/emoji",
    "/error throttling 5",
    "/help",
];

/// A prompt that suits any agent.
const ANY: [&str; 1] = ["What can you do?"];

/// The route of everything that no other part answers.
pub(crate) fn router(endpoint: String, allow_trace: bool, agent: &Agent) -> Router {
    let suggestions: &[&str] = match agent {
        Agent::Scripted => &SCRIPTED,
        Agent::Real { .. } => &ANY,
    };
    let settings = Settings {
        endpoint,
        access: Access::Open,
        allow_trace,
        suggestions: suggestions.iter().map(|&prompt| prompt.to_owned()).collect(),
    };
    Router::new().fallback(get(serve)).with_state(Arc::new(settings))
}

async fn serve(State(settings): State<Arc<Settings>>, uri: Uri) -> Response {
    match page::asset(uri.path(), &settings) {
        Some(asset) => {
            let content_type = [("content-type", asset.content_type)];
            (content_type, AppendHeaders(asset.headers), asset.body.into_owned()).into_response()
        }
        None => (StatusCode::NOT_FOUND, "There is nothing at this address.\n").into_response(),
    }
}
