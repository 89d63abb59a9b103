//! The messages of a `RunAgentInput`.

use serde_json::Value;

use crate::request::fields::{Fields, short};

/// A message of a `RunAgentInput`, and who wrote it.
pub(super) struct ChatMessage<'a> {
    pub(super) role: &'a str,
    pub(super) fields: Fields<'a>,
}

pub(super) fn messages<'a>(fields: &Fields<'a>) -> Result<Vec<ChatMessage<'a>>, String> {
    let messages =
        fields.objects("messages")?.ok_or_else(|| fields.missing("messages", "a list"))?;
    messages
        .into_iter()
        .map(|fields| Ok(ChatMessage { role: fields.required_text("role")?, fields }))
        .collect()
}

/// The text of the last user message. Earlier ones are not sent on: Bedrock keeps the history of a
/// session itself.
pub(super) fn last_user_text(messages: &[ChatMessage<'_>]) -> Result<String, String> {
    match messages.iter().rev().find(|message| message.role == "user") {
        Some(message) => content_text(&message.fields),
        None => Err("`messages` has no message with the role `user`.".to_owned()),
    }
}

/// `content` is a string, or a list of parts of which only text can be sent to the agent.
fn content_text(message: &Fields) -> Result<String, String> {
    if !matches!(message.get("content"), Some(Value::Array(_))) {
        return Ok(message.required_text("content")?.to_owned());
    }
    let mut text = String::new();
    for part in message.objects("content")?.into_iter().flatten() {
        match part.required_text("type")? {
            "text" => text.push_str(part.required_text("text")?),
            other => {
                return Err(format!(
                    "`{}` is of the type `{}`, but the agent takes only text.",
                    part.place(),
                    short(other)
                ));
            }
        }
    }
    Ok(text)
}
