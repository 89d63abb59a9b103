//! The messages of a `RunAgentInput`. Those that nobody has to read may be anything.

use crate::request::fields::{Fields, Item, short};
use crate::request::files::{RequestedFile, from_part, is_file_part};

/// A message, and who wrote it.
pub(super) struct ChatMessage<'a> {
    pub(super) role: String,
    pub(super) fields: Fields<'a>,
}

/// What a user says.
#[derive(Default)]
pub(super) struct UserContent {
    pub(super) text: String,
    pub(super) files: Vec<RequestedFile>,
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

    /// What the last user message says, and its files if the agent takes any. Earlier ones are not sent on:
    /// Bedrock keeps the history of a session itself.
    pub(super) fn last_user_content(&self, takes_files: bool) -> Result<UserContent, String> {
        for message in self.newest_first() {
            let message = message?;
            if message.role == "user" {
                return user_content(&message.fields, takes_files);
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

/// `content` is a string, or a list of parts: text, and files where the agent takes any.
fn user_content(message: &Fields<'_>, takes_files: bool) -> Result<UserContent, String> {
    let mut content = UserContent::default();
    if !message.is_list("content") {
        content.text = message.required_text("content")?;
        return Ok(content);
    }
    for part in message.objects("content")? {
        match &*part.required_text("type")? {
            "text" => content.text.push_str(&part.required_text("text")?),
            kind if takes_files && is_file_part(kind) => {
                content.files.push(from_part(&part, kind, content.files.len() + 1)?);
            }
            other => return Err(not_taken(&part, other, takes_files)),
        }
    }
    Ok(content)
}

fn not_taken(part: &Fields<'_>, kind: &str, takes_files: bool) -> String {
    let taken = if takes_files { "text and files" } else { "text" };
    format!(
        "`{}` is of the type `{}`, but the agent takes only {taken}.",
        part.place(),
        short(kind)
    )
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
            other => return Err(not_taken(&part, other, false)),
        }
    }
    Ok(text)
}
