//! Runs as the function reads them out of a client's message.

use agent_relay::request::{Input, Run};
use agent_relay::source::bedrock_agent::InvokeAgentOptions;

/// A run that asks for nothing but an answer to `prompt`.
pub(crate) fn run(prompt: &str) -> Run<InvokeAgentOptions> {
    Run {
        thread_id: "thread-1".to_owned(),
        run_id: "run-1".to_owned(),
        request_id: "request-1".to_owned(),
        session_id: "thread-1".to_owned(),
        user: None,
        input: Input::Prompt(prompt.to_owned()),
        set_aside: Vec::new(),
        files: Vec::new(),
        trace: false,
        trace_context: None,
        options: InvokeAgentOptions::default(),
    }
}
