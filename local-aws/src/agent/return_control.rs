//! Return of control: the agent asks its caller to act, or to ask the user, and ends its turn.
//!
//! The shape is that of the SDK's `ReturnControlPayload`: function details or an API schema, five calls
//! at most.

use serde::Deserialize;

use crate::scripted::json::Json;

/// What the agent asks of its caller in one turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReturnControl {
    /// The JSON of the event.
    pub(super) payload: Json,
    /// The id by which the caller's results name it.
    pub(super) invocation_id: String,
    /// The calls.
    pub(super) calls: Vec<ToolCall>,
}

/// One call that the caller is to make.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ToolCall {
    pub(super) action_group: String,
    pub(super) operation: Operation,
    /// The id of the agent that asks, which may be a collaborator.
    pub(super) agent_id: Option<String>,
    /// What the caller is to send for it.
    pub(super) result_kind: ResultKind,
}

/// What an action group can do: by function details or by an API schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operation {
    Function { name: String },
    Api { method: String, path: String },
}

/// What the caller is to send for a call: `actionInvocationType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum ResultKind {
    /// What the call returned.
    #[default]
    #[serde(rename = "RESULT")]
    Result,
    /// Whether the user confirms that the agent makes the call.
    #[serde(rename = "USER_CONFIRMATION")]
    Confirmation,
    /// Whether the user confirms it, and what it returned.
    #[serde(rename = "USER_CONFIRMATION_AND_RESULT")]
    ConfirmationAndResult,
}

impl ReturnControl {
    /// Reads the JSON of the event; `None` if it is not one that a caller could reply to.
    pub(super) fn from_payload(payload: Json) -> Option<Self> {
        let read: Payload = serde_json::from_str(payload.text()).ok()?;
        let calls =
            read.invocation_inputs.into_iter().map(Input::into_call).collect::<Option<_>>()?;
        Some(Self { payload, invocation_id: read.invocation_id, calls })
    }

    /// Asks for the first calls only.
    pub(super) fn with_calls(&self, calls: usize) -> Option<Self> {
        let mut payload: serde_json::Value = serde_json::from_str(self.payload.text()).ok()?;
        payload.get_mut("invocationInputs")?.as_array_mut()?.truncate(calls);
        Self::from_payload(serde_json::from_value(payload).ok()?)
    }
}

impl ToolCall {
    /// How people name it, such as `weather get_weather` or `orders POST /orders/{orderId}`.
    pub(super) fn name(&self) -> String {
        let group = &self.action_group;
        match &self.operation {
            Operation::Function { name } => format!("{group} {name}"),
            Operation::Api { method, path } => format!("{group} {method} {path}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    invocation_id: String,
    invocation_inputs: Vec<Input>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Input {
    FunctionInvocationInput(InputFields),
    ApiInvocationInput(InputFields),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InputFields {
    action_group: String,
    function: Option<String>,
    http_method: Option<String>,
    api_path: Option<String>,
    agent_id: Option<String>,
    action_invocation_type: Option<ResultKind>,
}

impl Input {
    fn into_call(self) -> Option<ToolCall> {
        let (operation, fields) = match self {
            Self::FunctionInvocationInput(mut fields) => {
                (Operation::Function { name: fields.function.take()? }, fields)
            }
            Self::ApiInvocationInput(mut fields) => {
                let (method, path) = (fields.http_method.take()?, fields.api_path.take()?);
                (Operation::Api { method, path }, fields)
            }
        };
        Some(ToolCall {
            action_group: fields.action_group,
            operation,
            agent_id: fields.agent_id,
            result_kind: fields.action_invocation_type.unwrap_or_default(),
        })
    }
}
