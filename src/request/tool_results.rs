//! The client's results of tool calls, in both forms of a message.

use crate::request::fields::{Fields, short};
use crate::request::messages::ChatMessage;

/// What a client says to the tool calls of an earlier run. At least one result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResults {
    /// Where they stand in the message: `toolResults` or `messages`.
    pub field: &'static str,
    /// The results, no two of them of the same call.
    pub results: Vec<ToolResult>,
}

/// What a client says to one tool call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolResult {
    /// The call's id, which its source reads.
    pub tool_call_id: String,
    /// Where the id stands in the message, as in `messages[2].toolCallId`.
    pub id_field: String,
    /// The result, or what went wrong.
    pub content: Option<String>,
    /// Whether the action failed.
    pub failed: bool,
    /// Whether the user confirmed the action; `None` where that was not the question.
    pub confirmed: Option<bool>,
}

impl ToolResult {
    /// Whether it says no and nothing else.
    #[must_use]
    pub fn is_denial_only(&self) -> bool {
        self.confirmed == Some(false) && self.content.is_none()
    }
}

/// Results under way of being collected: a call may be answered in two places.
#[derive(Default)]
pub(super) struct Collected {
    results: Vec<ToolResult>,
}

impl Collected {
    /// `toolResults` of the short form: `toolCallId` with `content`, `error` or `confirmed`.
    pub(super) fn from_short_form(fields: &Fields) -> Result<ToolResults, String> {
        let mut collected = Self::default();
        for object in fields.objects("toolResults")?.into_iter().flatten() {
            object.only(&["toolCallId", "content", "error", "confirmed"])?;
            let result = collected.of(&object, "toolCallId")?;
            result.confirmed = object.optional_flag("confirmed")?;
            take_result(result, &object)?;
            if result.content.is_none() && result.confirmed.is_none() {
                return Err(format!(
                    "`{}` has neither `content` nor `error` nor `confirmed`.",
                    object.place()
                ));
            }
        }
        collected.of_field("toolResults")
    }

    /// The tool messages behind the last message of anybody else, and `resume`, which answers
    /// confirmations. `None` when there is neither: then the user has said something.
    pub(super) fn from_agui(
        fields: &Fields,
        messages: &[ChatMessage<'_>],
    ) -> Result<Option<ToolResults>, String> {
        let mut collected = Self::default();
        let said = messages.iter().rposition(|message| message.role != "tool");
        for message in &messages[said.map_or(0, |last| last + 1)..] {
            let message = &message.fields;
            let result = collected.of(message, "toolCallId")?;
            take_result(result, message)?;
            if result.content.is_none() {
                return Err(message.missing("content", "a string"));
            }
        }
        for resumption in fields.objects("resume")?.into_iter().flatten() {
            let result = collected.of(&resumption, "interruptId")?;
            let confirmed = confirmed(&resumption)?;
            result.confirmed = Some(confirmed);
            if confirmed {
                take_payload_result(result, &resumption)?;
            }
        }
        if collected.results.is_empty() {
            return Ok(None);
        }
        if user_spoke_since(messages)? {
            // The user has turned to something else: the agent's question is withdrawn.
            return if collected.results.iter().all(ToolResult::is_denial_only) {
                Ok(None)
            } else {
                Err("The message answers a return of control and has a new user message besides; the agent would not see the second. Send one after the other.".to_owned())
            };
        }
        collected.of_field("messages").map(Some)
    }

    /// The result of the call that `field` names.
    fn of(&mut self, object: &Fields, field: &str) -> Result<&mut ToolResult, String> {
        let id = object.required_text(field)?;
        let known = self.results.iter().position(|result| result.tool_call_id == id);
        let index = known.unwrap_or_else(|| {
            self.results.push(ToolResult {
                tool_call_id: id.to_owned(),
                id_field: object.path(field),
                content: None,
                failed: false,
                confirmed: None,
            });
            self.results.len() - 1
        });
        Ok(&mut self.results[index])
    }

    /// All of them, which stand in this field of the message.
    fn of_field(self, field: &'static str) -> Result<ToolResults, String> {
        if self.results.is_empty() {
            return Err(format!("`{field}` has no answer to a tool call."));
        }
        Ok(ToolResults { field, results: self.results })
    }
}

/// Whether the last message is the user's and came after a tool call.
fn user_spoke_since(messages: &[ChatMessage<'_>]) -> Result<bool, String> {
    let Some((last, earlier)) = messages.split_last() else { return Ok(false) };
    let mut called = false;
    for message in earlier {
        called |= message.fields.objects("toolCalls")?.is_some_and(|calls| !calls.is_empty());
    }
    Ok(called && last.role == "user")
}

/// Reads `content`, and `error`, which says that the action failed.
fn take_result(result: &mut ToolResult, object: &Fields) -> Result<(), String> {
    let (content, error) = (object.text("content")?, object.text("error")?);
    if result.content.is_some() || result.failed {
        return Err(format!("`{}` answers a tool call a second time.", object.place()));
    }
    result.failed = error.is_some();
    result.content = content
        .filter(|content| error.is_none() || !content.is_empty())
        .or(error)
        .map(str::to_owned);
    Ok(())
}

/// Reads the result in the payload of a confirmation, for clients that fill in the interrupt's
/// `responseSchema`; others send a tool message.
fn take_payload_result(result: &mut ToolResult, resumption: &Fields) -> Result<(), String> {
    let payload = resumption.object("payload")?;
    let Some(content) = payload.text("result")? else { return Ok(()) };
    if result.content.is_some() {
        return Err(format!("`{}` answers a tool call a second time.", payload.path("result")));
    }
    result.content = Some(content.to_owned());
    Ok(())
}

/// Resolved, unless the payload says otherwise, is a yes; cancelled is a no.
fn confirmed(resumption: &Fields) -> Result<bool, String> {
    match resumption.required_text("status")? {
        "resolved" => Ok(resumption.object("payload")?.optional_flag("confirmed")?.unwrap_or(true)),
        "cancelled" => Ok(false),
        other => Err(format!(
            "`{}` must be `resolved` or `cancelled`, not `{}`.",
            resumption.path("status"),
            short(other)
        )),
    }
}
