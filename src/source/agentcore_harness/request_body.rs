//! The body of a call of `InvokeHarness`.
//!
//! It is written here and not by the SDK, whose documents round numbers: the input of a tool call goes
//! back to the harness as it came. And it has nothing but what is named here.

use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::json;
use crate::request::{ToolResult, ToolResults};
use crate::source::agentcore_harness::tool_call_id::ToolCallId;

/// What a call says to the harness.
#[derive(Clone, Debug)]
pub(super) enum Messages {
    /// The user says something.
    Prompt(String),
    /// Results of tool calls. At least one.
    ToolResults(Vec<Answered>),
}

/// A tool call with its result.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    id: ToolCallId,
    result: String,
    failed: bool,
}

impl Answered {
    /// A call with the client's result of it. The id is given back if that is no result.
    pub(super) fn new(id: ToolCallId, result: &ToolResult) -> Result<Self, ToolCallId> {
        let (text, failed) = match (&result.content, result.confirmed) {
            (_, Some(false)) => {
                (result.content.as_deref().unwrap_or("The user declined the call."), true)
            }
            (Some(content), _) => (content.as_str(), result.failed),
            (None, _) => return Err(id),
        };
        let text = match &result.error {
            Some(error) => format!("{error}\n\n{text}"),
            // The service takes no text without a character.
            None if text.is_empty() => "(nothing was returned)".to_owned(),
            None => text.to_owned(),
        };
        Ok(Self { id, result: text, failed })
    }

    /// A call that the user turned away from.
    pub(super) fn cancelled(id: ToolCallId) -> Self {
        let result = "Tool execution cancelled by the user.".to_owned();
        Self { id, result, failed: true }
    }
}

/// The results that a client has for tool calls of this session, each with its call.
///
/// # Errors
/// Says what is wrong with them, for the client.
pub(super) fn answered(results: &ToolResults, session: &str) -> Result<Vec<Answered>, String> {
    let ids: Vec<Option<ToolCallId>> =
        results.results.iter().map(|result| ToolCallId::decode(&result.tool_call_id)).collect();
    // A history has results of tools that the harness ran, too, if the client has seen them.
    let may_have_others = results.field == "messages" && ids.iter().any(Option::is_some);
    let mut answered = Vec::new();
    for (result, id) in results.results.iter().zip(ids) {
        let id = match id {
            Some(id) => id,
            None if may_have_others => continue,
            None => {
                return Err(format!(
                    "`{}` is not the id of a tool call of this relay.",
                    result.id_field
                ));
            }
        };
        if id.session != session {
            return Err(
                "The tool call belongs to another conversation: name its `threadId` or `sessionId`."
                    .to_owned(),
            );
        }
        answered.push(Answered::new(id, result).map_err(|_| {
            format!("The tool call of `{}` waits for a result: name it in `content`, or what went wrong in `error`.", result.id_field)
        })?);
    }
    Ok(answered)
}

/// What is sent.
#[derive(Debug)]
pub(super) struct RequestBody<'a> {
    pub(super) actor_id: Option<&'a str>,
    pub(super) messages: &'a Messages,
    /// How long the answer may take.
    pub(super) time: Duration,
}

impl RequestBody<'_> {
    fn json(&self) -> Vec<u8> {
        let messages = match self.messages {
            Messages::Prompt(text) => {
                vec![Message { role: "user", content: vec![Block::Text(text)] }]
            }
            // The calls are repeated: before 2026 the service wanted that, and now it reads over it.
            Messages::ToolResults(answered) => vec![
                Message { role: "assistant", content: answered.iter().map(Block::call).collect() },
                Message { role: "user", content: answered.iter().map(Block::result).collect() },
            ],
        };
        let body =
            Body { messages, actor_id: self.actor_id, timeout_seconds: self.time.as_secs().max(1) };
        // Texts, numbers and JSON can always be written.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<&'a str>,
    timeout_seconds: u64,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Block<'a> {
    Text(&'a str),
    ToolUse { tool_use_id: &'a str, name: &'a str, input: Box<RawValue> },
    ToolResult { tool_use_id: &'a str, content: [ResultBlock<'a>; 1], status: &'static str },
}

/// The model has `json` beside it, which the service refuses.
#[derive(Serialize)]
struct ResultBlock<'a> {
    text: &'a str,
}

impl<'a> Block<'a> {
    fn call(Answered { id, .. }: &'a Answered) -> Self {
        // The member must be JSON: what is none goes as a string.
        let input = json::raw(if id.input.is_empty() { b"{}" } else { id.input.as_bytes() });
        Self::ToolUse { tool_use_id: &id.tool_use_id, name: &id.name, input }
    }

    fn result(Answered { id, result, failed }: &'a Answered) -> Self {
        let status = if *failed { "error" } else { "success" };
        Self::ToolResult {
            tool_use_id: &id.tool_use_id,
            content: [ResultBlock { text: result }],
            status,
        }
    }
}

/// Puts a body of our own into a request, before it is signed.
#[derive(Debug)]
pub(super) struct SetBody(Vec<u8>);

impl SetBody {
    pub(super) fn new(body: &RequestBody<'_>) -> Self {
        Self(body.json())
    }
}

#[dyn_dispatch_hint]
impl Intercept for SetBody {
    fn name(&self) -> &'static str {
        "SetBody"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().insert("content-length", self.0.len().to_string());
        *request.body_mut() = SdkBody::from(self.0.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
