//! The client's results of tool calls, in both forms of a message.

use crate::request::fields::{Fields, short};
use crate::request::messages::{Messages, optional_content_text};

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
    /// What went wrong, where the result is told besides.
    pub error: Option<String>,
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
    pub(super) fn from_short_form(fields: &Fields<'_>) -> Result<ToolResults, String> {
        let mut collected = Self::default();
        for object in fields.objects("toolResults")? {
            object.only(&["toolCallId", "content", "error", "confirmed"])?;
            let result = collected.of(&object, "toolCallId")?;
            if let Some(confirmed) = object.optional_flag("confirmed")? {
                take_confirmation(result, confirmed, &object)?;
            }
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
        fields: &Fields<'_>,
        messages: &Messages<'_>,
    ) -> Result<Option<ToolResults>, String> {
        let mut collected = Self::default();
        let mut tool_messages = Vec::new();
        for message in messages.newest_first() {
            let message = message?;
            if message.role != "tool" {
                break;
            }
            tool_messages.push(message.fields);
        }
        for message in tool_messages.iter().rev() {
            let result = collected.of(message, "toolCallId")?;
            take_result(result, message)?;
            if result.content.is_none() {
                return Err(message.missing("content", "a string"));
            }
        }
        for resumption in fields.objects("resume")? {
            let result = collected.of(&resumption, "interruptId")?;
            let confirmed = confirmed(&resumption)?;
            take_confirmation(result, confirmed, &resumption)?;
            if confirmed {
                take_payload_result(result, &resumption)?;
            }
        }
        if collected.results.is_empty() {
            return Ok(None);
        }
        if messages.user_spoke_after_tool_call() {
            // The user has turned to something else: the agent's question is withdrawn.
            return if collected.results.iter().all(ToolResult::is_denial_only) {
                Ok(None)
            } else {
                Err("The message answers a return of control and has a new user message besides; the agent would not see the second. Send one after the other.".to_owned())
            };
        }
        collected.of_field("messages").map(Some)
    }

    /// Results for the last tool calls before the user said something else: what the tools returned so far,
    /// and a failure for each that has returned nothing. Also where every call has its result: the agent has
    /// said nothing to them, so they may not have reached it.
    ///
    /// History is only carried along, so what is odd in it is left out and no error.
    pub(super) fn set_aside(messages: &Messages<'_>) -> Vec<ToolResult> {
        let Some((caller, after)) = messages.last_tool_calls() else { return Vec::new() };
        let mut returned = Self::default();
        for message in after.iter().rev().filter(|message| message.role == "tool") {
            if let Ok(result) = returned.of(&message.fields, "toolCallId") {
                let _keeps_the_first = take_result(result, &message.fields);
            }
        }
        let calls = caller.fields.objects("toolCalls").unwrap_or_default();
        let ids = calls.iter().filter_map(|call| {
            let id = call.text("id").ok().flatten()?;
            Some((id, call.path("id")))
        });
        let result = |(tool_call_id, id_field): (String, String)| {
            let mut returned = returned.results.iter();
            let known = returned.find(|result| result.tool_call_id == tool_call_id);
            let known = known.filter(|result| result.content.is_some());
            known.cloned().unwrap_or(ToolResult {
                tool_call_id,
                id_field,
                content: None,
                failed: true,
                error: None,
                confirmed: None,
            })
        };
        ids.map(result).collect()
    }

    /// The result of the call that `field` names.
    fn of(&mut self, object: &Fields<'_>, field: &str) -> Result<&mut ToolResult, String> {
        let id = object.required_text(field)?;
        let known = self.results.iter().position(|result| result.tool_call_id == id);
        let index = known.unwrap_or_else(|| {
            self.results.push(ToolResult {
                tool_call_id: id,
                id_field: object.path(field),
                content: None,
                failed: false,
                error: None,
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

/// Takes a yes or a no. A second one would be a contradiction, or one too many.
fn take_confirmation(
    result: &mut ToolResult,
    confirmed: bool,
    object: &Fields<'_>,
) -> Result<(), String> {
    if result.confirmed.is_some() {
        return Err(format!("`{}` confirms or denies a tool call a second time.", object.place()));
    }
    result.confirmed = Some(confirmed);
    Ok(())
}

/// Reads `content`, and `error`, which says that the action failed.
fn take_result(result: &mut ToolResult, object: &Fields<'_>) -> Result<(), String> {
    let (content, error) = (optional_content_text(object)?, object.text("error")?);
    if result.content.is_some() || result.failed {
        return Err(format!("`{}` answers a tool call a second time.", object.place()));
    }
    result.failed = error.is_some();
    let content = content.filter(|content| error.is_none() || !content.is_empty());
    // Some clients say it in both.
    let differs = |error: &String| content.as_ref().is_some_and(|content| content != error);
    result.error = error.clone().filter(|error| !error.is_empty() && differs(error));
    result.content = content.or(error);
    Ok(())
}

/// Reads the result in the payload of a confirmation, for clients that fill in the interrupt's
/// `responseSchema`; others send a tool message.
fn take_payload_result(result: &mut ToolResult, resumption: &Fields<'_>) -> Result<(), String> {
    let payload = resumption.object("payload")?;
    let Some(content) = payload.text("result")? else { return Ok(()) };
    if result.content.is_some() {
        return Err(format!("`{}` answers a tool call a second time.", payload.path("result")));
    }
    result.content = Some(content);
    Ok(())
}

/// Resolved, unless the payload says otherwise, is a yes; cancelled is a no.
fn confirmed(resumption: &Fields<'_>) -> Result<bool, String> {
    match &*resumption.required_text("status")? {
        "resolved" => Ok(resumption.object("payload")?.optional_flag("confirmed")?.unwrap_or(true)),
        "cancelled" => Ok(false),
        other => Err(format!(
            "`{}` must be `resolved` or `cancelled`, not `{}`.",
            resumption.path("status"),
            short(other)
        )),
    }
}
