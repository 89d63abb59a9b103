//! Return of control: the agent asks its caller to act, or to ask the user, and ends its turn.
//!
//! The shapes are those of the SDK's `ReturnControlPayload`: function details or an API schema, five
//! calls at most. The caller answers in its next request of the session: see [`results`].

mod results;

use serde_json::{Value, json};

use super::scenario::Turn;
use super::script::{Script, Step};
use super::team;
use super::trace::{ModelCall, Traces};

pub(super) use results::{Resumed, resume};

/// What the agent asks of its caller in one turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Invocation {
    /// The id by which the caller's answer names it.
    pub(super) id: String,
    /// The calls, none twice.
    pub(super) calls: Vec<&'static Call>,
    /// What the caller is to answer for each call.
    pub(super) wants: Wants,
}

/// What the caller is to answer: `actionInvocationType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// What the call returned.
    Result,
    /// Whether the user confirms that the agent makes the call.
    Confirmation,
    /// Whether the user confirms it, and what it returned.
    ConfirmationAndResult,
}

/// One call that the caller is to make.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) action_group: &'static str,
    pub(super) operation: Operation,
    /// Name, type and value of each parameter; Bedrock sends every value as text.
    pub(super) parameters: &'static [(&'static str, &'static str, &'static str)],
    /// The agent of the team that asks, if it is not the scripted one itself.
    pub(super) asked_by: Option<&'static team::Member>,
}

/// How an action group describes what it can do.
#[derive(Debug, PartialEq)]
pub(super) enum Operation {
    /// By function details.
    Function {
        /// The function's name.
        name: &'static str,
    },
    /// By an API schema.
    Api {
        /// The HTTP method.
        method: &'static str,
        /// The path as in the schema, with its placeholders.
        path: &'static str,
        /// The properties of the JSON body: name, type and value.
        body: &'static [(&'static str, &'static str, &'static str)],
    },
}

/// The calls of `/tool N`: both kinds, with and without parameters, with and without a body.
static TOOLS: [Call; 5] = [
    Call {
        action_group: "weather",
        operation: Operation::Function { name: "get_weather" },
        parameters: &[("city", "string", "Zürich"), ("days", "integer", "3")],
        asked_by: None,
    },
    Call {
        action_group: "orders",
        operation: Operation::Api {
            method: "POST",
            path: "/orders/{orderId}/refunds",
            body: &[
                ("amount", "number", "12.50"),
                ("currency", "string", "CHF"),
                ("reason", "string", "“arrived broken”, said the customer"),
                ("items", "array", "[\"cup\", \"saucer\"]"),
            ],
        },
        parameters: &[("orderId", "string", "A-1017"), ("notify", "boolean", "true")],
        asked_by: None,
    },
    Call {
        action_group: "calendar",
        operation: Operation::Function { name: "find_free_slot" },
        parameters: &[],
        asked_by: None,
    },
    Call {
        action_group: "stock",
        operation: Operation::Api { method: "GET", path: "/articles/{articleId}", body: &[] },
        parameters: &[("articleId", "string", "cup-blue")],
        asked_by: None,
    },
    Call {
        action_group: "calendar",
        operation: Operation::Function { name: "book_slot" },
        parameters: &[
            ("start", "string", "2026-12-01T09:00:00+01:00"),
            ("minutes", "integer", "30"),
        ],
        asked_by: None,
    },
];

/// The call of `/tool team`.
static TEAM_TOOL: Call = Call {
    action_group: "station",
    operation: Operation::Function { name: "read_thermometer" },
    parameters: &[("station", "string", "Üetliberg")],
    asked_by: Some(&team::WEATHER_DESK),
};

/// The calls of `/confirm` and `/confirm api`.
static CONFIRMATIONS: [Call; 2] = [
    Call {
        action_group: "bookings",
        operation: Operation::Function { name: "cancel_booking" },
        parameters: &[("bookingId", "string", "B-42"), ("refund", "boolean", "true")],
        asked_by: None,
    },
    Call {
        action_group: "payments",
        operation: Operation::Api {
            method: "POST",
            path: "/transfers",
            body: &[("amount", "number", "250"), ("to", "string", "CH93 0076 2011 6238 5295 7")],
        },
        parameters: &[],
        asked_by: None,
    },
];

/// The script of `/tool`.
pub(super) fn tool(turn: &Turn<'_>, arguments: &[&str]) -> Result<Script, String> {
    let calls: Vec<&Call> = match arguments {
        [] => vec![&TOOLS[0]],
        ["api"] => vec![&TOOLS[1]],
        ["team"] => vec![&TEAM_TOOL],
        [count] if count.parse().is_ok_and(|count| (1..=TOOLS.len()).contains(&count)) => {
            TOOLS.iter().take(count.parse().unwrap_or_default()).collect()
        }
        _ => {
            return Err(
                "`/tool` takes nothing after it, `api`, `team`, or a number of calls from \
                        1 to 5, such as `/tool 3`."
                    .to_owned(),
            );
        }
    };
    Ok(ask(turn, calls, Wants::Result, "I cannot know this myself, so I ask my caller."))
}

/// The script of `/confirm`.
pub(super) fn confirm(turn: &Turn<'_>, arguments: &[&str]) -> Result<Script, String> {
    let (call, wants) = match arguments {
        [] => (&CONFIRMATIONS[0], Wants::Confirmation),
        ["api"] => (&CONFIRMATIONS[1], Wants::Confirmation),
        ["result"] => (&CONFIRMATIONS[0], Wants::ConfirmationAndResult),
        _ => {
            return Err("`/confirm` takes nothing after it, `api`, or `result`.".to_owned());
        }
    };
    Ok(ask(turn, vec![call], wants, "This cannot be undone, so the user has to confirm it."))
}

/// Thinks for a moment, then asks. A turn that returns control says nothing to the user.
fn ask(turn: &Turn<'_>, calls: Vec<&'static Call>, wants: Wants, rationale: &str) -> Script {
    let traces = Traces::new(turn);
    let invocation = Invocation { id: turn.id.to_owned(), calls, wants };
    let call = ModelCall::first(turn.prompt, rationale, 200);
    let mut script = Script::new()
        .trace(traces.orchestration_input(&call))
        .wait(call.took)
        .trace(traces.orchestration_output(&call))
        .trace(traces.rationale(rationale));
    for call in &invocation.calls {
        script = script.trace(traces.returned(&invocation.id, call));
    }
    script.wait_ms(50).step(Step::ReturnControl(invocation))
}

impl Invocation {
    /// The JSON of the event; `agent_id` is the scripted agent's.
    pub(super) fn payload(&self, agent_id: &str) -> Value {
        let inputs = self.calls.iter().map(|call| call.input(self.wants, agent_id));
        json!({
            "invocationId": self.id,
            "invocationInputs": inputs.collect::<Vec<_>>(),
        })
    }

    /// One for the tests of what remembers it.
    #[cfg(test)]
    pub(super) fn example() -> Self {
        Self { id: "example".to_owned(), calls: vec![&TOOLS[0]], wants: Wants::Result }
    }
}

impl Wants {
    fn action_invocation_type(self) -> &'static str {
        match self {
            Self::Result => "RESULT",
            Self::Confirmation => "USER_CONFIRMATION",
            Self::ConfirmationAndResult => "USER_CONFIRMATION_AND_RESULT",
        }
    }
}

impl Call {
    fn input(&self, wants: Wants, agent_id: &str) -> Value {
        let mut input = json!({
            "actionGroup": self.action_group,
            "actionInvocationType": wants.action_invocation_type(),
            "agentId": self.agent_id(agent_id),
            "parameters": named(self.parameters),
        });
        if let Some(member) = self.asked_by {
            input["collaboratorName"] = json!(member.name);
        }
        match self.operation {
            Operation::Function { name } => {
                input["function"] = json!(name);
                json!({ "functionInvocationInput": input })
            }
            Operation::Api { method, path, body } => {
                input["apiPath"] = json!(path);
                input["httpMethod"] = json!(method);
                if !body.is_empty() {
                    let content = json!({ "application/json": { "properties": named(body) } });
                    input["requestBody"] = json!({ "content": content });
                }
                json!({ "apiInvocationInput": input })
            }
        }
    }

    /// The id of the agent that asks.
    fn agent_id<'a>(&self, agent_id: &'a str) -> &'a str {
        self.asked_by.map_or(agent_id, |member| member.agent_id)
    }

    /// How people name it, such as `weather get_weather` or `orders POST /orders/{orderId}`.
    fn name(&self) -> String {
        match self.operation {
            Operation::Function { name } => format!("{} {name}", self.action_group),
            Operation::Api { method, path, .. } => format!("{} {method} {path}", self.action_group),
        }
    }
}

/// Parameters or properties as Bedrock sends them.
pub(super) fn named(parameters: &[(&str, &str, &str)]) -> Value {
    let named = parameters
        .iter()
        .map(|(name, kind, value)| json!({ "name": name, "type": kind, "value": value }));
    Value::Array(named.collect())
}
