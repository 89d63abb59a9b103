//! Return of control ⇔ tool calls and their results.
//!
//! When an action group has no Lambda function of its own, the agent hands the action to its caller
//! and ends the turn. The client gets a tool call for each action; its results begin the next turn.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_bedrockagentruntime::error::BuildError;
use aws_sdk_bedrockagentruntime::types::{
    ApiResult, ConfirmationState, ContentBody, FunctionResult, InvocationResultMember,
    ResponseState,
};
use serde_json::{Map, Value};

use crate::request::{ToolResult, ToolResults};
use crate::source::bedrock_agent::tool_call_id::{Action, MAX_CALLS, ToolCallId};
use crate::source::payload::Object;
use crate::source::{ResultKind, ToolCall};

/// The tool calls in a return of control. `None` if one of them is of a kind that is not known, since
/// answering some of the calls only would be an error.
pub(super) fn calls(payload: &Object<'_>, session_id: &str) -> Option<Vec<ToolCall>> {
    let invocation_id = payload.text("invocationId")?.into_owned();
    let session = ToolCallId::session_fingerprint(session_id);
    let call = |(number, input): (usize, Object<'_>)| {
        let call_ref =
            CallRef { session: session.clone(), invocation_id: invocation_id.clone(), number };
        if let Some(input) = input.object("functionInvocationInput") {
            function_call(call_ref, &input)
        } else {
            api_call(call_ref, &input.object("apiInvocationInput")?)
        }
    };
    let inputs = payload.list("invocationInputs")?.into_iter();
    let inputs: Option<Vec<Object<'_>>> = inputs.map(|input| Object::parse(input.get())).collect();
    let calls: Option<Vec<ToolCall>> = inputs?.into_iter().enumerate().map(call).collect();
    calls.filter(|calls| !calls.is_empty())
}

/// What the calls of one payload differ in by nothing but a number.
struct CallRef {
    session: String,
    invocation_id: String,
    number: usize,
}

fn function_call(call_ref: CallRef, input: &Object<'_>) -> Option<ToolCall> {
    let function = input.text("function")?.into_owned();
    let id = call_ref.id(input, Action::Function { function })?;
    Some(tool_call(&id, parameters(input, "parameters"), input))
}

fn api_call(call_ref: CallRef, input: &Object<'_>) -> Option<ToolCall> {
    let mut arguments = parameters(input, "parameters");
    let content = input.object("requestBody").and_then(|body| body.object("content"));
    let types = content.iter().flat_map(Object::members);
    let body: Map<String, Value> = types
        .filter_map(|(_, content)| Object::parse(content.get()))
        .flat_map(|content| parameters(&content, "properties"))
        .collect();
    if !body.is_empty() {
        arguments.insert("requestBody".to_owned(), Value::Object(body));
    }
    let action = Action::Api {
        method: input.text("httpMethod")?.into_owned(),
        path: input.text("apiPath")?.into_owned(),
    };
    let id = call_ref.id(input, action)?;
    Some(tool_call(&id, arguments, input))
}

fn tool_call(id: &ToolCallId, arguments: Map<String, Value>, input: &Object<'_>) -> ToolCall {
    ToolCall {
        id: id.encode(),
        name: id.name(),
        arguments: Value::Object(arguments).to_string(),
        result_kind: result_kind(input),
    }
}

impl CallRef {
    fn id(self, input: &Object<'_>, action: Action) -> Option<ToolCallId> {
        Some(ToolCallId {
            session: self.session,
            invocation_id: self.invocation_id,
            number: self.number,
            agent_id: input.text("agentId").map(Cow::into_owned),
            action_group: input.text("actionGroup")?.into_owned(),
            action,
        })
    }
}

fn result_kind(input: &Object<'_>) -> ResultKind {
    match input.text("actionInvocationType").as_deref() {
        Some("USER_CONFIRMATION") => ResultKind::Confirmation,
        Some("USER_CONFIRMATION_AND_RESULT") => ResultKind::ConfirmationAndResult,
        _ => ResultKind::Result,
    }
}

/// The parameters in a member as a JSON object: name, type and value each, as the agent sends them.
fn parameters(input: &Object<'_>, member: &str) -> Map<String, Value> {
    let parameters = input.objects(member).unwrap_or_default();
    let parameters = parameters.iter().filter_map(|parameter| {
        let value = match parameter.text("value") {
            Some(text) => typed(parameter.text("type").as_deref(), &text),
            // It should be text, and is passed on as what it is.
            None => serde_json::from_str(parameter.get("value")?.get()).ok()?,
        };
        Some((parameter.text("name")?.into_owned(), value))
    });
    parameters.collect()
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

/// The results that a client has for the calls of one invocation, each with its call.
///
/// # Errors
/// Says what is wrong with them, for the client.
pub(super) fn answered<'a>(
    results: &'a ToolResults,
    session_id: &str,
) -> Result<Vec<(ToolCallId, &'a ToolResult)>, String> {
    let field = results.field;
    let answered = results.results.iter().map(|result| {
        let id = ToolCallId::decode(&result.tool_call_id).ok_or_else(|| {
            format!("`{}` is not the id of a tool call of this relay.", result.id_field)
        })?;
        Ok((id, result))
    });
    let answered = answered.collect::<Result<Vec<_>, String>>()?;
    if answered.len() > MAX_CALLS {
        return Err(format!(
            "`{field}` answers {} tool calls, but an invocation has at most {MAX_CALLS}.",
            answered.len()
        ));
    }
    let of_one_invocation =
        |pair: &[(ToolCallId, &ToolResult)]| pair[0].0.invocation_id == pair[1].0.invocation_id;
    if !answered.windows(2).all(of_one_invocation) {
        return Err(format!("`{field}` answers tool calls of more than one invocation."));
    }
    let session = ToolCallId::session_fingerprint(session_id);
    if answered.iter().any(|(id, _)| id.session != session) {
        return Err(
            "The tool call belongs to another conversation: name its `threadId` or `sessionId`."
                .to_owned(),
        );
    }
    Ok(answered)
}

/// The results as the agent wants them: `returnControlInvocationResults`.
///
/// # Errors
/// Never in practice: an action group is always named.
pub(super) fn results(
    answered: &[(ToolCallId, &ToolResult)],
) -> Result<Vec<InvocationResultMember>, BuildError> {
    answered.iter().map(|(id, result)| member(id, result)).collect()
}

fn member(id: &ToolCallId, result: &ToolResult) -> Result<InvocationResultMember, BuildError> {
    let confirmation = result
        .confirmed
        .map(|yes| if yes { ConfirmationState::Confirm } else { ConfirmationState::Deny });
    let state = result.failed.then_some(ResponseState::Failure);
    let body = |content_type: &str| {
        let content = result.content.as_ref()?;
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
                    result.content.as_ref().filter(|_| !result.failed).map(|_| 200),
                )
                .set_response_body(body("application/json"))
                .build()?,
        ),
    })
}
