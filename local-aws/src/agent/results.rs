//! The results that the caller sends for a return of control, and what the agent makes of them.
//!
//! The rules are those of the API reference: `sessionState.invocationId` is the id of the return of
//! control, `returnControlInvocationResults` has one to five members, `responseState` `FAILURE`
//! lets the request fail with a dependency failure, and `inputText` is ignored. Bedrock's own words
//! for what it refuses are not documented; these say what was wrong.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::return_control::{Operation, ResultKind, ReturnControl, ToolCall};
use super::scenario_files::{RESULT, RESULTS, play};
use super::script::Script;
use super::turn_context::TurnContext;
use crate::scripted::speech::quoted_result;

/// The most results of one request, and so the most calls of one return of control.
const MAX_RESULTS: usize = 5;

/// Results that fit the calls.
#[derive(Debug, PartialEq)]
pub(super) struct ToolResults {
    results: Vec<ToolResult>,
}

/// Reads the results, if they fit the pending return of control; else says what is wrong.
pub(super) fn read(
    pending: Option<&ReturnControl>,
    invocation_id: Option<&str>,
    results: &[Value],
    agent_id: &str,
) -> Result<ToolResults, String> {
    if !(1..=MAX_RESULTS).contains(&results.len()) {
        return Err(format!(
            "Value at 'sessionState.returnControlInvocationResults' failed to satisfy constraint: \
             Member must have from 1 to {MAX_RESULTS} members, not {}.",
            results.len(),
        ));
    }
    let invocation_id = invocation_id.ok_or(
        "sessionState.invocationId is required with returnControlInvocationResults: it is the \
         invocationId of the returnControl event.",
    )?;
    let pending = pending.ok_or(
        "No return of control is pending in this session, so it expects no results. A new prompt \
         withdraws one.",
    )?;
    if pending.invocation_id != invocation_id {
        return Err(format!(
            "The invocationId '{}' is not the one that is pending in this session.",
            shorten(invocation_id),
        ));
    }
    let mut read: Vec<(usize, ToolResult)> = Vec::new();
    for (index, result) in results.iter().enumerate() {
        let at = format!("sessionState.returnControlInvocationResults[{index}]");
        let taken = |call: usize| read.iter().any(|(earlier, _)| *earlier == call);
        let result = ToolResult::read(result, pending, agent_id, taken)
            .map_err(|problem| format!("{at}: {problem}"))?;
        read.push(result);
    }
    let mut calls = pending.calls.iter().enumerate();
    if let Some((_, missing)) = calls.find(|(index, _)| read.iter().all(|(call, _)| call != index))
    {
        return Err(format!(
            "sessionState.returnControlInvocationResults has no result of '{}'.",
            missing.name(),
        ));
    }
    Ok(ToolResults { results: read.into_iter().map(|(_, result)| result).collect() })
}

impl ToolResults {
    /// Why the turn fails, if the caller said that a call failed.
    pub(super) fn failure(&self) -> Option<String> {
        let failed = self.results.iter().find(|result| result.state == ResponseState::Failure);
        failed.map(ToolResult::failure)
    }

    /// The rest of the turn: the agent tells what it was told.
    pub(super) fn script(&self, turn: &TurnContext<'_>) -> Script {
        let placeholders = turn.placeholders();
        let mut script = Script::new();
        for body in self.results.iter().filter_map(|result| result.body.as_deref()) {
            let result = play(RESULT, &placeholders.clone().with("result", body));
            script = script.steps(result.steps);
        }
        let sentences = self.results.iter().map(|result| format!("- {}\n", result.sentence()));
        let sentences = sentences.collect::<String>();
        script.steps(play(RESULTS, &placeholders.with("results", &sentences)).steps)
    }
}

/// The result of one call, checked.
#[derive(Debug, PartialEq)]
struct ToolResult {
    call: ToolCall,
    confirmed: Option<bool>,
    state: ResponseState,
    body: Option<String>,
}

/// `responseState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ResponseState {
    /// Absent: the call went well.
    #[default]
    #[serde(skip)]
    Good,
    /// The turn fails.
    Failure,
    /// The model is told, and may try again.
    Reprompt,
}

/// The wire shape of `InvocationResultMember`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Member {
    FunctionResult(WireResult),
    ApiResult(WireResult),
}

/// The wire shapes of `FunctionResult` and `ApiResult`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireResult {
    action_group: String,
    function: Option<String>,
    http_method: Option<String>,
    api_path: Option<String>,
    agent_id: Option<String>,
    confirmation_state: Option<Confirmation>,
    response_state: Option<ResponseState>,
    response_body: Option<BTreeMap<String, ContentBody>>,
    #[serde(rename = "httpStatusCode")]
    _http_status_code: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Confirmation {
    Confirm,
    Deny,
}

#[derive(Deserialize)]
struct ContentBody {
    body: Option<String>,
}

impl ToolResult {
    /// Reads a result and finds its call, among those that have none yet; returns the index, too.
    fn read(
        result: &Value,
        pending: &ReturnControl,
        agent_id: &str,
        taken: impl Fn(usize) -> bool,
    ) -> Result<(usize, Self), String> {
        let member: Member = serde_json::from_value(result.clone())
            .map_err(|error| format!("it has a wrong shape: {error}"))?;
        let (Member::FunctionResult(wire) | Member::ApiResult(wire)) = &member;
        let named = match &member {
            Member::FunctionResult(_) => format!("function {}", words(&[&wire.function])),
            Member::ApiResult(_) => format!("API {}", words(&[&wire.http_method, &wire.api_path])),
        };
        let calls: Vec<(usize, &ToolCall)> =
            pending.calls.iter().enumerate().filter(|(_, call)| call.is(&member)).collect();
        let Some((_, first)) = calls.first() else {
            return Err(format!(
                "the agent did not ask for the {named} of the action group '{}'.",
                shorten(&wire.action_group),
            ));
        };
        // The same call may be asked for twice.
        let Some(&(index, call)) = calls.iter().find(|(index, _)| !taken(*index)) else {
            return Err(format!("'{}' has a result already.", first.name()));
        };
        if let Some(given) = &wire.agent_id
            && given != call.agent_id.as_deref().unwrap_or(agent_id)
        {
            return Err(format!("the agent '{}' did not ask for it.", shorten(given)));
        }
        let confirmed = wire.confirmation_state.map(|state| state == Confirmation::Confirm);
        match (call.result_kind, confirmed) {
            (ResultKind::Result, Some(_)) => {
                return Err("no confirmationState is expected, but a result.".to_owned());
            }
            (ResultKind::Confirmation | ResultKind::ConfirmationAndResult, None) => {
                return Err("confirmationState CONFIRM or DENY is required.".to_owned());
            }
            _ => {}
        }
        let body = wire.body(&call.operation)?;
        let state = wire.response_state.unwrap_or_default();
        let result_due = call.result_kind == ResultKind::Result
            || (call.result_kind == ResultKind::ConfirmationAndResult && confirmed == Some(true));
        if result_due && body.is_none() && state == ResponseState::Good {
            return Err("responseBody is required.".to_owned());
        }
        Ok((index, Self { call: call.clone(), confirmed, state, body }))
    }

    /// What the agent tells the user.
    fn sentence(&self) -> String {
        let name = self.call.name();
        let verb = match (self.confirmed, self.state, &self.body) {
            (Some(false), ..) => return format!("You **declined** `{name}`, so nothing was done."),
            (_, ResponseState::Reprompt, _) => "wants to be asked again",
            (Some(true), _, Some(_)) => "was **confirmed** and returned",
            (Some(true), _, None) => {
                return format!("You **confirmed** `{name}`, and it is done.");
            }
            (None, ..) => "returned",
        };
        match &self.body {
            Some(body) => format!("`{name}` {verb}{}", quoted_result(body)),
            None => format!("`{name}` {verb}."),
        }
    }

    /// Why the turn fails.
    fn failure(&self) -> String {
        let reason = self.body.as_deref().map(shorten).unwrap_or_default();
        let colon = if reason.is_empty() { "." } else { ": " };
        format!("The caller reported that '{}' failed{colon}{reason}", self.call.name())
    }
}

impl ToolCall {
    /// Whether a result is one of this call.
    fn is(&self, member: &Member) -> bool {
        match (&self.operation, member) {
            (Operation::Function { name }, Member::FunctionResult(wire)) => {
                wire.action_group == self.action_group && wire.function.as_ref() == Some(name)
            }
            (Operation::Api { method, path }, Member::ApiResult(wire)) => {
                wire.action_group == self.action_group
                    && wire.http_method.as_ref() == Some(method)
                    && wire.api_path.as_ref() == Some(path)
            }
            _ => false,
        }
    }
}

impl WireResult {
    /// The text of the body. A function's has the key `TEXT`, an API's the content type.
    fn body(&self, operation: &Operation) -> Result<Option<String>, String> {
        let Some(bodies) = &self.response_body else { return Ok(None) };
        let mut bodies = bodies.iter();
        let (Some((key, content)), None) = (bodies.next(), bodies.next()) else {
            return Err("responseBody must have exactly one content type.".to_owned());
        };
        if matches!(operation, Operation::Function { .. }) && key != "TEXT" {
            return Err(format!("a function's responseBody is TEXT, not '{}'.", shorten(key)));
        }
        content.body.clone().map(Some).ok_or_else(|| format!("responseBody.{key} has no body."))
    }
}

fn words(names: &[&Option<String>]) -> String {
    let names = names.iter().map(|name| name.as_deref().map_or("?", |name| name));
    format!("'{}'", shorten(&names.collect::<Vec<_>>().join(" ")))
}

fn shorten(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
