//! What of a request to the agent decides its response.

use serde::Deserialize;
use serde_json::Value;

/// The body of `InvokeAgent`, as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Request {
    pub(super) input_text: Option<String>,
    pub(super) enable_trace: bool,
    pub(super) end_session: bool,
    pub(super) streaming_configurations: StreamingConfigurations,
    pub(super) session_state: SessionState,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StreamingConfigurations {
    pub(super) stream_final_response: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SessionState {
    pub(super) invocation_id: Option<String>,
    pub(super) return_control_invocation_results: Option<Vec<Value>>,
    pub(super) files: Vec<Value>,
}
