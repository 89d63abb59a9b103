//! What of a request to a harness decides its response.
//!
//! The model of the service says what each part must be; this says what the parts must be together. The
//! rules are those of Bedrock's Converse, which a harness hands its messages to: roles alternate, the
//! last message is the user's, and results answer the calls of the message before them. Text beside
//! results in one message is refused: whether the service takes it is not documented.

use serde::Deserialize;
use serde_json::Value;

use super::exception::Refusal;
use super::service_model::INVOKE_REQUEST;
use super::shape;

/// How long a run may take where the request does not say: the service's default.
const DEFAULT_TIMEOUT_S: u64 = 3600;

/// A request that is sound in itself.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) input: Input,
    /// Whose conversation it is, within the session.
    pub(super) actor_id: Option<String>,
    /// How long the run may take, in seconds.
    pub(super) timeout_seconds: u64,
}

/// What is new in a request: its last message. Those before it are history, which the harness has itself.
#[derive(Debug, PartialEq)]
pub(super) enum Input {
    /// The user says something.
    Prompt(String),
    /// The results of calls are here.
    Results(Vec<ToolResult>),
}

/// The result of one call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ToolResult {
    pub(super) tool_use_id: String,
    /// The texts of its content, one a line; `None` where it has JSON, which the service does not take.
    pub(super) text: Option<String>,
    /// Whether the call failed.
    pub(super) failed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    messages: Vec<Message>,
    actor_id: Option<String>,
    timeout_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct Message {
    role: Role,
    content: Vec<Block>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    text: Option<String>,
    tool_use: Option<ToolUse>,
    tool_result: Option<ToolResultBlock>,
    reasoning_content: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse {
    tool_use_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResultBlock {
    tool_use_id: String,
    content: Vec<ToolResultContent>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct ToolResultContent {
    text: Option<String>,
}

impl Request {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// When it is not as the model of the service has it, or its messages do not go together.
    pub(super) fn read(body: &Value) -> Result<Self, Refusal> {
        shape::check(body, &INVOKE_REQUEST)?;
        let Body { messages, actor_id, timeout_seconds } =
            Body::deserialize(body).map_err(|error| {
                Refusal::unreadable(format!("The request has a wrong shape: {error}"))
            })?;
        let Some((last, before)) = messages.split_last() else {
            return Err(Refusal::invalid_field("messages", "messages must not be empty."));
        };
        for (message, number) in messages.iter().zip(1..) {
            message.check().map_err(|problem| {
                Refusal::invalid_field(&format!("messages.{number}.member"), problem)
            })?;
        }
        if messages.windows(2).any(|pair| pair[0].role == pair[1].role) {
            let message = "Roles must alternate between \"user\" and \"assistant\".";
            return Err(Refusal::invalid_field("messages", message));
        }
        if last.role != Role::User {
            let message = "A conversation must end with a user message.";
            return Err(Refusal::invalid_field("messages", message));
        }
        let input = last.input(before.last())?;
        let timeout_seconds = timeout_seconds.unwrap_or(DEFAULT_TIMEOUT_S);
        Ok(Self { input, actor_id, timeout_seconds })
    }
}

impl Message {
    /// Whether its blocks are such as its role may have.
    fn check(&self) -> Result<(), String> {
        if self.content.is_empty() {
            return Err("content must not be empty.".to_owned());
        }
        for block in &self.content {
            let misplaced = match self.role {
                Role::User if block.tool_use.is_some() => Some("toolUse"),
                Role::User if block.reasoning_content.is_some() => Some("reasoningContent"),
                Role::Assistant if block.tool_result.is_some() => Some("toolResult"),
                _ => None,
            };
            if let Some(name) = misplaced {
                let role = if self.role == Role::User { "user" } else { "assistant" };
                return Err(format!("A message of the {role} cannot have {name} blocks."));
            }
        }
        Ok(())
    }

    /// What this message, the last one, asks for.
    fn input(&self, before: Option<&Self>) -> Result<Input, Refusal> {
        let results: Vec<ToolResult> =
            self.content.iter().filter_map(|block| block.tool_result.as_ref()).map(read).collect();
        let texts: Vec<&str> =
            self.content.iter().filter_map(|block| block.text.as_deref()).collect();
        if results.is_empty() {
            return Ok(Input::Prompt(texts.join("\n")));
        }
        if !texts.is_empty() {
            let message = "A message with toolResult blocks cannot have text beside them.";
            return Err(Refusal::invalid_field("messages", message));
        }
        for (at, result) in results.iter().enumerate() {
            if results[..at].iter().any(|other| other.tool_use_id == result.tool_use_id) {
                let id = &result.tool_use_id;
                let message = format!("messages has more than one toolResult block for '{id}'.");
                return Err(Refusal::invalid_field("messages", message));
            }
        }
        // A harness ignores calls that are sent to it again. One that still needs them, as all did until
        // the middle of 2026, counts.
        let Some(before) = before else { return Ok(Input::Results(results)) };
        let asked = |result: &ToolResult| {
            let mut calls = before.content.iter().filter_map(|block| block.tool_use.as_ref());
            calls.any(|call| call.tool_use_id == result.tool_use_id)
        };
        if results.iter().all(asked) {
            Ok(Input::Results(results))
        } else {
            let message = "The number of toolResult blocks exceeds the number of toolUse blocks of \
                           previous turn.";
            Err(Refusal::invalid_field("messages", message))
        }
    }
}

fn read(block: &ToolResultBlock) -> ToolResult {
    let texts: Option<Vec<&str>> = block.content.iter().map(|part| part.text.as_deref()).collect();
    ToolResult {
        tool_use_id: block.tool_use_id.clone(),
        text: texts.map(|texts| texts.join("\n")),
        failed: block.status.as_deref() == Some("error"),
    }
}

#[cfg(test)]
mod tests;
