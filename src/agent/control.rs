//! Return of control in the SDK's types ⇔ tool calls and their answers.

use std::collections::HashMap;

use aws_sdk_bedrockagentruntime::error::BuildError;
use aws_sdk_bedrockagentruntime::types::{
    ActionInvocationType, ApiInvocationInput, ApiResult, ConfirmationState, ContentBody,
    FunctionInvocationInput, FunctionResult, InvocationInputMember, InvocationResultMember,
    ResponseState, ReturnControlPayload,
};
use serde_json::{Map, Value};

use crate::tool::{Action, ToolAnswer, ToolCall, ToolCallId, Wants};

/// The tool calls in a return of control. `None` if one of them is of a kind that the SDK does not
/// know, since answering some of the calls only would be an error.
pub(super) fn calls(payload: &ReturnControlPayload, session_id: &str) -> Option<Vec<ToolCall>> {
    let invocation_id = payload.invocation_id()?;
    let session = ToolCallId::session_mark(session_id);
    let call = |(number, input): (usize, &InvocationInputMember)| {
        let origin =
            Origin { session: session.clone(), invocation_id: invocation_id.to_owned(), number };
        match input {
            InvocationInputMember::FunctionInvocationInput(input) => function_call(origin, input),
            InvocationInputMember::ApiInvocationInput(input) => api_call(origin, input),
            _ => None,
        }
    };
    let calls: Option<Vec<ToolCall>> =
        payload.invocation_inputs().iter().enumerate().map(call).collect();
    calls.filter(|calls| !calls.is_empty())
}

/// What the calls of one payload differ in by nothing but a number.
struct Origin {
    session: String,
    invocation_id: String,
    number: usize,
}

fn function_call(origin: Origin, input: &FunctionInvocationInput) -> Option<ToolCall> {
    let parameters = input.parameters().iter();
    let arguments = object(
        parameters.map(|parameter| (parameter.name(), parameter.r#type(), parameter.value())),
    );
    Some(ToolCall {
        id: origin.id(
            input.action_group(),
            input.agent_id(),
            Action::Function { function: input.function()?.to_owned() },
        ),
        arguments: Value::Object(arguments).to_string(),
        wants: wants(input.action_invocation_type()),
    })
}

fn api_call(origin: Origin, input: &ApiInvocationInput) -> Option<ToolCall> {
    let parameters = input.parameters().iter();
    let mut arguments = object(
        parameters.map(|parameter| (parameter.name(), parameter.r#type(), parameter.value())),
    );
    let content = input.request_body().and_then(|body| body.content());
    let properties = content.into_iter().flatten().flat_map(|(_, content)| content.properties());
    let body =
        object(properties.map(|property| (property.name(), property.r#type(), property.value())));
    if !body.is_empty() {
        arguments.insert("requestBody".to_owned(), Value::Object(body));
    }
    Some(ToolCall {
        id: origin.id(
            input.action_group(),
            input.agent_id(),
            Action::Api {
                method: input.http_method()?.to_owned(),
                path: input.api_path()?.to_owned(),
            },
        ),
        arguments: Value::Object(arguments).to_string(),
        wants: wants(input.action_invocation_type()),
    })
}

impl Origin {
    fn id(self, action_group: &str, agent_id: Option<&str>, action: Action) -> ToolCallId {
        ToolCallId {
            session: self.session,
            invocation_id: self.invocation_id,
            number: self.number,
            agent_id: agent_id.map(str::to_owned),
            action_group: action_group.to_owned(),
            action,
        }
    }
}

fn wants(kind: Option<&ActionInvocationType>) -> Wants {
    match kind {
        Some(ActionInvocationType::UserConfirmation) => Wants::Confirmation,
        Some(ActionInvocationType::UserConfirmationAndResult) => Wants::ConfirmationAndResult,
        _ => Wants::Result,
    }
}

/// Parameters as a JSON object: name, type and value each, as the agent sends them.
fn object<'a>(
    parameters: impl Iterator<Item = (Option<&'a str>, Option<&'a str>, Option<&'a str>)>,
) -> Map<String, Value> {
    parameters
        .filter_map(|(name, kind, value)| Some((name?.to_owned(), typed(kind, value?))))
        .collect()
}

/// All values come as text, beside the type that the action's definition gives them. A text that
/// is not of its type stays a text.
fn typed(kind: Option<&str>, text: &str) -> Value {
    let value = || serde_json::from_str::<Value>(text).ok();
    let value = match kind {
        Some("integer" | "number") => value().filter(Value::is_number),
        Some("boolean") => value().filter(Value::is_boolean),
        Some("array") => value().filter(Value::is_array),
        Some("object") => value().filter(Value::is_object),
        _ => None,
    };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The answers as the agent wants them: `returnControlInvocationResults`.
///
/// # Errors
/// Never in practice: an action group is always named.
pub(super) fn results(answers: &[ToolAnswer]) -> Result<Vec<InvocationResultMember>, BuildError> {
    answers.iter().map(result).collect()
}

fn result(answer: &ToolAnswer) -> Result<InvocationResultMember, BuildError> {
    let id = &answer.id;
    let confirmation = answer
        .confirmed
        .map(|yes| if yes { ConfirmationState::Confirm } else { ConfirmationState::Deny });
    let state = answer.failed.then_some(ResponseState::Failure);
    let body = |content_type: &str| {
        let content = answer.content.as_ref()?;
        let body = ContentBody::builder().body(content).build();
        Some(HashMap::from([(content_type.to_owned(), body)]))
    };
    Ok(match &id.action {
        Action::Function { function } => InvocationResultMember::FunctionResult(
            FunctionResult::builder()
                .action_group(&id.action_group)
                .set_agent_id(id.agent_id.clone())
                .function(function)
                .set_confirmation_state(confirmation)
                .set_response_state(state)
                .set_response_body(body("TEXT"))
                .build()?,
        ),
        Action::Api { method, path } => InvocationResultMember::ApiResult(
            ApiResult::builder()
                .action_group(&id.action_group)
                .set_agent_id(id.agent_id.clone())
                .http_method(method)
                .api_path(path)
                .set_confirmation_state(confirmation)
                .set_response_state(state)
                .set_http_status_code(
                    answer.content.as_ref().filter(|_| !answer.failed).map(|_| 200),
                )
                .set_response_body(body("application/json"))
                .build()?,
        ),
    })
}
