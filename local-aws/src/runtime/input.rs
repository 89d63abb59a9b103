//! What an agent gets: a `RunAgentInput`, which it believes.

use serde::Deserialize;

use crate::scripted::json::Json;
use crate::scripted::speech::quoted_result;

/// The input of a run, as agents of AG-UI's Python package read it: all of this must be there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    pub(super) thread_id: String,
    pub(super) run_id: String,
    pub(super) state: Json,
    /// The messages in their own spelling.
    pub(super) messages: Vec<Json>,
    #[serde(rename = "tools")]
    _tools: Vec<Json>,
    #[serde(rename = "context")]
    _context: Vec<Json>,
    #[serde(rename = "forwardedProps")]
    _forwarded_props: Json,
    #[serde(default)]
    resume: Option<Vec<Resume>>,
}

/// What of a message matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    role: String,
    #[serde(default)]
    content: Content,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    tool_call_id: Option<String>,
    error: Option<String>,
}

/// Text, in one piece or among parts of other kinds.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
    #[default]
    None,
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
struct ToolCall {
    id: String,
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
}

/// The answer to an interrupt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resume {
    interrupt_id: String,
    #[serde(default)]
    status: String,
    payload: Option<Json>,
}

/// What is new in an input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The user says something.
    Prompt(String),
    /// The results of calls are here: a sentence about each, as a list.
    Results(String),
    /// Interrupts are answered: a sentence about each, as a list.
    Resumed(String),
}

impl Input {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// When something is missing or of another type.
    pub(super) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// What is new in it; `None` if there is nothing to answer.
    pub(super) fn news(&self) -> Option<News> {
        let resumed: Vec<&Resume> = self.resume.iter().flatten().collect();
        if !resumed.is_empty() {
            return Some(News::Resumed(resumed.into_iter().map(Resume::sentence).collect()));
        }
        let read = |json: &Json| serde_json::from_str::<Message>(json.text()).ok();
        let messages: Vec<Message> = self.messages.iter().filter_map(read).collect();
        let last = messages.last()?;
        if last.role == "user" {
            return Some(News::Prompt(last.text()));
        }
        let results = messages.iter().rev().take_while(|message| message.role == "tool");
        let mut results: Vec<&Message> = results.collect();
        if results.is_empty() {
            return None;
        }
        results.reverse();
        let calls = messages.iter().flat_map(|message| &message.tool_calls);
        let calls: Vec<&ToolCall> = calls.collect();
        Some(News::Results(results.into_iter().map(|result| result.sentence(&calls)).collect()))
    }
}

impl Message {
    fn text(&self) -> String {
        match &self.content {
            Content::Text(text) => text.clone(),
            Content::Parts(parts) => parts.iter().map(|part| part.text.as_str()).collect(),
            Content::None => String::new(),
        }
    }

    /// What is said about a result.
    fn sentence(&self, calls: &[&ToolCall]) -> String {
        let id = self.tool_call_id.as_deref().unwrap_or_default();
        let name = calls.iter().find(|call| call.id == id);
        let name = name.map_or("A call that I did not make", |call| &call.function.name);
        match &self.error {
            Some(error) => format!("- `{name}` failed with{}\n", quoted_result(error)),
            None => format!("- `{name}` returned{}\n", quoted_result(&self.text())),
        }
    }
}

impl Resume {
    /// What is said about an answer.
    fn sentence(&self) -> String {
        let Self { interrupt_id, status, payload } = self;
        let payload = payload.as_ref().map_or("null", Json::text);
        format!("- `{interrupt_id}` is {status} with{}\n", quoted_result(payload))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn news(messages: &Value, resume: &Value) -> Option<News> {
        let input = json!({
            "threadId": "t", "runId": "r", "state": null, "tools": [], "context": [],
            "forwardedProps": {}, "messages": messages, "resume": resume,
        });
        Input::read(input.to_string().as_bytes()).unwrap().news()
    }

    #[test]
    fn the_last_message_says_what_is_new() {
        let user = json!({"id": "1", "role": "user", "content": [{"type": "text", "text": "hi"}]});
        let call = json!({"id": "2", "role": "assistant", "toolCalls": [{
            "id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}]});
        let result = json!({"id": "3", "role": "tool", "toolCallId": "c", "content": "dry"});
        let none = Value::Null;
        assert_eq!(news(&json!([user]), &none), Some(News::Prompt("hi".to_owned())));
        let returned = "- `look` returned `dry`.\n".to_owned();
        assert_eq!(news(&json!([user, call, result]), &none), Some(News::Results(returned)));
        assert_eq!(news(&json!([user, call]), &none), None);
        let resume = json!([{"interruptId": "i", "status": "resolved", "payload": {"n": 1}}]);
        let resumed = "- `i` is resolved with `{\"n\":1}`.\n".to_owned();
        assert_eq!(news(&json!([user]), &resume), Some(News::Resumed(resumed)));
    }

    #[test]
    fn what_agents_insist_on_must_be_there() {
        assert!(Input::read(br#"{"threadId":"t","runId":"r","messages":[]}"#).is_err());
        assert!(Input::read(b"[]").is_err());
    }
}
