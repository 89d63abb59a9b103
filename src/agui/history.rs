//! Frames that a client once got ⇒ the messages that it made of them, for `MESSAGES_SNAPSHOT`: what AG-UI's
//! clients show as a conversation. Thoughts, traces, citations and files are no messages.

use serde::Serialize;

use crate::json::Object;

/// A message of a conversation, in AG-UI's form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "role", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Message {
    /// What the agent said, and the actions that it asked for.
    Assistant {
        /// The id.
        id: String,
        /// The text, if there is any.
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<String>,
        /// The actions.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// The result of an action.
    Tool {
        /// The id.
        id: String,
        /// Which action's.
        tool_call_id: String,
        /// The result.
        content: String,
    },
}

/// An action that an agent asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolCall {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Function {
    name: String,
    arguments: String,
}

/// What a run has said, for who sees it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its messages.
    pub messages: Vec<Message>,
    /// Whether messages alone do not show it: it failed, or it waits for somebody's results or decision.
    pub is_open: bool,
}

impl Answer {
    /// What stands in the frames of a run, which are whole and in order, each as its JSON.
    pub fn of<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut answer = Self::default();
        for frame in frames {
            // What can't be read was not made here, and is no message.
            if let Some(frame) = std::str::from_utf8(frame).ok().and_then(Object::parse) {
                answer.is_open |= has_failed_or_asks(&frame);
                take(&mut answer.messages, &frame);
            }
        }
        answer.is_open |= has_open_call(&answer.messages);
        answer
    }
}

impl Answer {
    /// Says where messages are shown that what stood before them is kept no longer.
    pub fn has_lost_its_beginning(&mut self) {
        let first = self.messages.iter_mut().find_map(|message| match message {
            Message::Assistant { content: Some(content), .. } => Some(content),
            Message::Assistant { .. } | Message::Tool { .. } => None,
        });
        if let Some(content) = first {
            content.insert_str(0, "(The beginning of this answer is kept no longer.)\n\n");
        }
    }
}

fn has_failed_or_asks(frame: &Object<'_>) -> bool {
    match frame.text("type").as_deref() {
        Some("RUN_ERROR") => true,
        Some("RUN_FINISHED") => {
            let outcome = frame.object("outcome");
            outcome.and_then(|it| it.text("type").map(|it| it == "interrupt")).unwrap_or_default()
        }
        _ => false,
    }
}

fn has_open_call(messages: &[Message]) -> bool {
    let is_answered = |wanted: &ToolCall| {
        let is_result = |message: &Message| match message {
            Message::Tool { tool_call_id, .. } => *tool_call_id == wanted.id,
            Message::Assistant { .. } => false,
        };
        messages.iter().any(is_result)
    };
    messages.iter().any(|message| match message {
        Message::Assistant { tool_calls, .. } => !tool_calls.iter().all(is_answered),
        Message::Tool { .. } => false,
    })
}

fn take(messages: &mut Vec<Message>, frame: &Object<'_>) -> Option<()> {
    let text = |name| frame.text(name).map(Into::into);
    match &*frame.text("type")? {
        "TEXT_MESSAGE_CHUNK" | "TEXT_MESSAGE_CONTENT" => {
            let (content, _) = assistant(messages, &frame.text("messageId")?)?;
            content.get_or_insert_default().push_str(&frame.text("delta")?);
        }
        "TOOL_CALL_CHUNK" | "TOOL_CALL_START" => {
            let id: String = text("toolCallId")?;
            let name = text("toolCallName").unwrap_or_default();
            // Of a source's own making, a chunk may continue the one before.
            if find_call(messages, &id).is_none() {
                let parent: String = text("parentMessageId").unwrap_or_else(|| id.clone());
                let (_, calls) = assistant(messages, &parent)?;
                let function = Function { name, arguments: String::new() };
                calls.push(ToolCall { id: id.clone(), kind: "function", function });
            }
            if let Some(delta) = frame.text("delta") {
                find_call(messages, &id)?.function.arguments.push_str(&delta);
            }
        }
        "TOOL_CALL_ARGS" => {
            let call = find_call(messages, &frame.text("toolCallId")?)?;
            call.function.arguments.push_str(&frame.text("delta")?);
        }
        "TOOL_CALL_RESULT" => messages.push(Message::Tool {
            id: text("messageId")?,
            tool_call_id: text("toolCallId")?,
            content: text("content")?,
        }),
        _ => {}
    }
    Some(())
}

/// The content and the actions of the agent's message with this id, which begins here if there is none.
fn assistant<'a>(
    messages: &'a mut Vec<Message>,
    wanted: &str,
) -> Option<(&'a mut Option<String>, &'a mut Vec<ToolCall>)> {
    let is_it =
        |message: &Message| matches!(message, Message::Assistant { id, .. } if id == wanted);
    let index = messages.iter().position(is_it).unwrap_or_else(|| {
        let (content, tool_calls) = (None, Vec::new());
        messages.push(Message::Assistant { id: wanted.to_owned(), content, tool_calls });
        messages.len() - 1
    });
    match messages.get_mut(index)? {
        Message::Assistant { content, tool_calls, .. } => Some((content, tool_calls)),
        Message::Tool { .. } => None,
    }
}

fn find_call<'a>(messages: &'a mut [Message], id: &str) -> Option<&'a mut ToolCall> {
    messages.iter_mut().rev().find_map(|message| match message {
        Message::Assistant { tool_calls, .. } => tool_calls.iter_mut().find(|call| call.id == id),
        Message::Tool { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::agui::{EventForm, Frame, RunIds, Stats};
    use crate::relay::outbox::Outbox;

    fn frames(form: EventForm) -> Vec<Vec<u8>> {
        let ids = RunIds { run_id: "run-1".to_owned(), form, ..RunIds::default() };
        let message_id: Arc<str> = "message-1".into();
        let said =
            |delta: &str| Frame::Text { message_id: message_id.clone(), delta: delta.to_owned() };
        let call = |number: u32| Frame::ToolCall {
            message_id: message_id.clone(),
            id: format!("call-{number}"),
            name: "getWeather".to_owned(),
            arguments: "{\"city\":\"Zürich\"}".to_owned(),
        };
        let result = Frame::ToolResult {
            message_id: "result-1".into(),
            tool_call_id: "call-1".to_owned(),
            content: "sunny".to_owned(),
            failed: false,
        };
        let all = [
            Frame::RunStarted,
            said("Let me "),
            said("look. "),
            call(1),
            result,
            said("Sunny."),
            call(2),
            Frame::Keepalive,
            Frame::RunFinished {
                stats: Stats::default(),
                confirmations: Vec::new(),
                usage: None,
                stop_reason: None,
                members: Vec::new(),
            },
        ];
        let mut outbox = Outbox::new(ids, None);
        for frame in all {
            outbox.push(frame);
        }
        std::iter::from_fn(|| outbox.next_frame()).collect()
    }

    #[test]
    fn what_was_said_becomes_messages_in_either_form() {
        for form in [EventForm::Chunks, EventForm::StartAndEnd] {
            let frames = frames(form);
            let Answer { messages, is_open } = Answer::of(frames.iter().map(Vec::as_slice));
            assert!(is_open, "nobody has answered the second call");
            let function = serde_json::json!({
                "name": "getWeather", "arguments": "{\"city\":\"Zürich\"}",
            });
            let call =
                |id: &str| serde_json::json!({"id": id, "type": "function", "function": function});
            // With beginnings and ends, a call behind the result of another is a message of its own.
            let is_apart = form == EventForm::StartAndEnd;
            let mut expected = vec![
                serde_json::json!({
                    "role": "assistant", "id": "message-1", "content": "Let me look. Sunny.",
                    "toolCalls": if is_apart { vec![call("call-1")] } else { vec![call("call-1"), call("call-2")] },
                }),
                serde_json::json!({
                    "role": "tool", "id": "result-1", "toolCallId": "call-1", "content": "sunny",
                }),
            ];
            if is_apart {
                expected.push(serde_json::json!({
                    "role": "assistant", "id": "call-2", "toolCalls": [call("call-2")],
                }));
            }
            let expected = serde_json::Value::Array(expected);
            assert_eq!(serde_json::to_value(&messages).unwrap(), expected, "{form:?}");
        }
        let nothing = [&b"nonsense"[..], b"{}", b"{\"type\":\"TEXT_MESSAGE_CHUNK\"}"];
        assert_eq!(Answer::of(nothing), Answer::default());
    }

    #[test]
    fn an_answer_whose_beginning_has_gone_says_so() {
        let frames = frames(EventForm::Chunks);
        let mut answer = Answer::of(frames.iter().map(Vec::as_slice));
        answer.has_lost_its_beginning();
        let shown = serde_json::to_value(&answer.messages).unwrap();
        let text = shown[0]["content"].as_str().unwrap();
        assert!(text.starts_with("(The beginning") && text.ends_with("Sunny."), "{text}");
    }
}
