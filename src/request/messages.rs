//! The messages of a `RunAgentInput`. Those that nobody has to read may be anything.

use crate::request::fields::{Fields, Item, short};

/// A message, and who wrote it.
pub(super) struct ChatMessage<'a> {
    pub(super) role: String,
    pub(super) fields: Fields<'a>,
}

/// The messages of a conversation, oldest first.
pub(super) struct Messages<'a>(Vec<Item<'a>>);

impl<'a> Messages<'a> {
    /// Those in `messages`.
    pub(super) fn of(input: &Fields<'a>) -> Result<Self, String> {
        let messages = input.items("messages")?;
        messages.map(Self).ok_or_else(|| input.missing("messages", "a list"))
    }

    /// From the newest to the oldest, each read when its turn comes.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = Result<ChatMessage<'a>, String>> {
        self.0.iter().rev().map(|message| {
            let fields = message.fields()?;
            Ok(ChatMessage { role: fields.required_text("role")?, fields })
        })
    }

    /// The text of the last user message. Earlier ones are not sent on: Bedrock keeps the history of a
    /// session itself.
    pub(super) fn last_user_text(&self) -> Result<String, String> {
        for message in self.newest_first() {
            let message = message?;
            if message.role == "user" {
                return content_text(&message.fields);
            }
        }
        Err("`messages` has no message with the role `user`.".to_owned())
    }

    /// The newest message that calls tools, if the agent has said nothing after it, and the messages after
    /// it from the newest to the oldest. What can't be read is left out.
    pub(super) fn last_tool_calls(&self) -> Option<(ChatMessage<'a>, Vec<ChatMessage<'a>>)> {
        let mut after = Vec::new();
        for message in self.newest_first().flatten() {
            match &*message.role {
                "assistant" if message.fields.has_items("toolCalls") => {
                    return Some((message, after));
                }
                "assistant" => return None,
                _ => after.push(message),
            }
        }
        None
    }

    /// Whether the last message is the user's and came after a tool call.
    pub(super) fn user_spoke_after_tool_call(&self) -> bool {
        let mut messages = self.newest_first();
        let last_is_users =
            messages.next().is_some_and(|last| last.is_ok_and(|last| last.role == "user"));
        last_is_users && messages.flatten().any(|earlier| earlier.fields.has_items("toolCalls"))
    }
}

/// `content` is a string, or a list of parts of which only text can be sent to the agent.
fn content_text(message: &Fields<'_>) -> Result<String, String> {
    if message.is_list("content") {
        text_of_parts(message)
    } else {
        message.required_text("content")
    }
}

/// The `content` of a tool's result, which may be absent.
pub(super) fn optional_content_text(message: &Fields<'_>) -> Result<Option<String>, String> {
    if message.is_list("content") {
        text_of_parts(message).map(Some)
    } else {
        message.text("content")
    }
}

fn text_of_parts(message: &Fields<'_>) -> Result<String, String> {
    let mut text = String::new();
    for part in message.objects("content")? {
        match &*part.required_text("type")? {
            "text" => text.push_str(&part.required_text("text")?),
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
