//! What the caller answers to a return of control, and what the agent makes of it.
//!
//! The rules are those of the API reference: `sessionState.invocationId` is the id of the agent's
//! question, `returnControlInvocationResults` has one to five members, `responseState` `FAILURE`
//! lets the request fail with a dependency failure, and `inputText` is ignored. Bedrock's own words
//! for what it refuses are not documented; these say what was wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Call, Invocation, Operation, Wants};
use crate::agent::answer;
use crate::agent::scenario::Turn;
use crate::agent::script::Script;
use crate::agent::trace::{ModelCall, Traces};

/// The most results of one answer, and so the most calls of one question.
const MOST_RESULTS: usize = 5;

/// The most of a result that the agent quotes, in characters.
const MOST_QUOTED: usize = 2000;

/// What becomes of a turn whose question is answered.
pub(in crate::agent) enum Resumed {
    /// It goes on.
    GoesOn(Script),
    /// The caller said that a call failed: why the turn fails.
    Failed(String),
}

/// Goes on with the turn that asked, if the results fit the question; else says what is wrong.
pub(in crate::agent) fn resume(
    turn: &Turn<'_>,
    pending: Option<&Invocation>,
    invocation_id: Option<&str>,
    results: &[Value],
    agent_id: &str,
) -> Result<Resumed, String> {
    if !(1..=MOST_RESULTS).contains(&results.len()) {
        return Err(format!(
            "Value at 'sessionState.returnControlInvocationResults' failed to satisfy constraint: \
             Member must have from 1 to {MOST_RESULTS} members, not {}.",
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
    if pending.id != invocation_id {
        return Err(format!(
            "The invocationId '{}' is not the one that is pending in this session.",
            shorten(invocation_id),
        ));
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    for (index, result) in results.iter().enumerate() {
        let at = format!("sessionState.returnControlInvocationResults[{index}]");
        let outcome = Outcome::read(result, pending, agent_id)
            .map_err(|problem| format!("{at}: {problem}"))?;
        if outcomes.iter().any(|earlier| earlier.call == outcome.call) {
            return Err(format!("{at}: '{}' has a result already.", outcome.call.name()));
        }
        outcomes.push(outcome);
    }
    let answered = |call: &Call| outcomes.iter().any(|outcome| outcome.call == call);
    if let Some(missing) = pending.calls.iter().find(|call| !answered(call)) {
        return Err(format!(
            "sessionState.returnControlInvocationResults has no result of '{}'.",
            missing.name(),
        ));
    }
    Ok(match outcomes.iter().find(|outcome| outcome.response == Response::Failure) {
        Some(failure) => Resumed::Failed(failure.failure()),
        None => Resumed::GoesOn(go_on(turn, &outcomes)),
    })
}

/// The answer to one call, checked.
#[derive(Debug, PartialEq)]
struct Outcome {
    call: &'static Call,
    confirmed: Option<bool>,
    response: Response,
    body: Option<String>,
}

/// `responseState`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Response {
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
    response_state: Option<Response>,
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

impl Outcome {
    fn read(result: &Value, pending: &Invocation, agent_id: &str) -> Result<Self, String> {
        let member: Member = serde_json::from_value(result.clone())
            .map_err(|error| format!("it has a wrong shape: {error}"))?;
        let (Member::FunctionResult(wire) | Member::ApiResult(wire)) = &member;
        let named = match &member {
            Member::FunctionResult(_) => format!("function {}", words(&[&wire.function])),
            Member::ApiResult(_) => format!("API {}", words(&[&wire.http_method, &wire.api_path])),
        };
        let call =
            pending.calls.iter().copied().find(|call| call.is(&member)).ok_or_else(|| {
                format!(
                    "the agent did not ask for the {named} of the action group '{}'.",
                    shorten(&wire.action_group),
                )
            })?;
        if let Some(given) = &wire.agent_id
            && given != call.agent_id(agent_id)
        {
            return Err(format!("the agent '{}' did not ask for it.", shorten(given)));
        }
        let confirmed = wire.confirmation_state.map(|state| state == Confirmation::Confirm);
        match (pending.wants, confirmed) {
            (Wants::Result, Some(_)) => {
                return Err("no confirmationState is expected, but a result.".to_owned());
            }
            (Wants::Confirmation | Wants::ConfirmationAndResult, None) => {
                return Err("confirmationState CONFIRM or DENY is required.".to_owned());
            }
            _ => {}
        }
        let body = wire.body(&call.operation)?;
        let response = wire.response_state.unwrap_or_default();
        let result_due = pending.wants == Wants::Result
            || (pending.wants == Wants::ConfirmationAndResult && confirmed == Some(true));
        if result_due && body.is_none() && response == Response::Good {
            return Err("responseBody is required.".to_owned());
        }
        Ok(Self { call, confirmed, response, body })
    }

    /// What the agent tells the user.
    fn sentence(&self) -> String {
        let name = self.call.name();
        let verb = match (self.confirmed, self.response, &self.body) {
            (Some(false), ..) => return format!("You **declined** `{name}`, so nothing was done."),
            (_, Response::Reprompt, _) => "wants to be asked again",
            (Some(true), _, Some(_)) => "was **confirmed** and returned",
            (Some(true), _, None) => {
                return format!("You **confirmed** `{name}`, and it is done.");
            }
            (None, ..) => "returned",
        };
        match &self.body {
            Some(body) => format!("`{name}` {verb}{}", quote(body)),
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

impl Call {
    /// Whether a result is one of this call.
    fn is(&self, member: &Member) -> bool {
        match (&self.operation, member) {
            (Operation::Function { name }, Member::FunctionResult(wire)) => {
                wire.action_group == self.action_group && wire.function.as_deref() == Some(name)
            }
            (Operation::Api { method, path, .. }, Member::ApiResult(wire)) => {
                wire.action_group == self.action_group
                    && wire.http_method.as_deref() == Some(method)
                    && wire.api_path.as_deref() == Some(path)
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

/// The rest of the turn: the agent tells what it was told.
fn go_on(turn: &Turn<'_>, outcomes: &[Outcome]) -> Script {
    let sentences: Vec<_> =
        outcomes.iter().map(|outcome| format!("- {}\n", outcome.sentence())).collect();
    let text = format!(
        "Thank you, that is what I was waiting for:\n\n{}\nThis is still turn {} of this conversation.",
        sentences.concat(),
        turn.number,
    );
    let traces = Traces::new(turn);
    let mut script = Script::new();
    for body in outcomes.iter().filter_map(|outcome| outcome.body.as_deref()) {
        script = script.trace(traces.acted(body, Duration::ZERO, Duration::ZERO));
    }
    let call = ModelCall::first(turn.prompt, &text, 150);
    let took = call.took;
    script
        .trace(traces.orchestration_input(&call))
        .wait(took)
        .steps(answer::spoken(&text))
        .trace(traces.orchestration_output(&call))
        .trace(traces.finish(&text, Duration::ZERO, took))
}

/// A result as it stands in a list item of Markdown: in the line if it fits there, else as a block.
fn quote(body: &str) -> String {
    let mut body = body.to_owned();
    if let Some((cut, _)) = body.char_indices().nth(MOST_QUOTED) {
        body.truncate(cut);
        body.push('…');
    }
    if body.len() <= 160 && !body.contains(['`', '\n', '\r']) && !body.trim().is_empty() {
        return format!(" `{body}`.");
    }
    // The fence is longer than any inside.
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let indented = body.lines().collect::<Vec<_>>().join("\n  ");
    format!(":\n\n  {fence}\n  {indented}\n  {fence}\n")
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
