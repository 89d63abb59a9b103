//! The client's answers to a return of control, in both forms of a message.

use crate::request::ChatMessage;
use crate::request::fields::{Fields, short};
use crate::source::bedrock_agent::tool_call_id::{MOST_CALLS, ToolAnswer, ToolCallId};

/// Answers under way of being collected: a call may be answered in two places.
#[derive(Default)]
pub(super) struct Answers {
    answers: Vec<ToolAnswer>,
}

impl Answers {
    /// `toolResults` of the short form: `toolCallId` with `content`, `error` or `confirmed`.
    pub(super) fn from_short_form(fields: &Fields) -> Result<Vec<ToolAnswer>, String> {
        let mut answers = Self::default();
        for result in fields.objects("toolResults")?.into_iter().flatten() {
            result.only(&["toolCallId", "content", "error", "confirmed"])?;
            let answer = answers.of(&result, "toolCallId")?;
            answer.confirmed = result.optional_flag("confirmed")?;
            take_result(answer, &result)?;
            if answer.content.is_none() && answer.confirmed.is_none() {
                return Err(format!(
                    "`{}` has neither `content` nor `error` nor `confirmed`.",
                    result.place()
                ));
            }
        }
        answers.checked("toolResults")
    }

    /// The tool messages behind the last message of anybody else, and `resume`, which answers
    /// confirmations. `None` when there is neither: then the user has said something.
    pub(super) fn from_agui(
        fields: &Fields,
        messages: &[ChatMessage<'_>],
    ) -> Result<Option<Vec<ToolAnswer>>, String> {
        let mut answers = Self::default();
        let said = messages.iter().rposition(|message| message.role != "tool");
        for message in &messages[said.map_or(0, |last| last + 1)..] {
            let message = &message.fields;
            let answer = answers.of(message, "toolCallId")?;
            take_result(answer, message)?;
            if answer.content.is_none() {
                return Err(message.missing("content", "a string"));
            }
        }
        for resumption in fields.objects("resume")?.into_iter().flatten() {
            let answer = answers.of(&resumption, "interruptId")?;
            let confirmed = confirmed(&resumption)?;
            answer.confirmed = Some(confirmed);
            if confirmed {
                take_payload_result(answer, &resumption)?;
            }
        }
        if answers.answers.is_empty() {
            return Ok(None);
        }
        if user_spoke_since(messages)? {
            // The user has turned to something else: the agent's question is withdrawn.
            return if answers.answers.iter().all(ToolAnswer::is_mere_denial) {
                Ok(None)
            } else {
                Err("The message answers a return of control and has a new user message besides; the agent would not see the second. Send one after the other.".to_owned())
            };
        }
        answers.checked("messages").map(Some)
    }

    /// The answer to the call that `field` names.
    fn of(&mut self, object: &Fields, field: &str) -> Result<&mut ToolAnswer, String> {
        let id = object.required_text(field)?;
        let id = ToolCallId::decode(id).ok_or_else(|| {
            format!("`{}` is not the id of a tool call of this relay.", object.path(field))
        })?;
        let known = self.answers.iter().position(|answer| answer.id == id);
        let index = known.unwrap_or_else(|| {
            self.answers.push(ToolAnswer { id, content: None, failed: false, confirmed: None });
            self.answers.len() - 1
        });
        Ok(&mut self.answers[index])
    }

    fn checked(self, place: &str) -> Result<Vec<ToolAnswer>, String> {
        let answers = self.answers;
        let Some(first) = answers.first() else {
            return Err(format!("`{place}` has no answer to a tool call."));
        };
        if answers.len() > MOST_CALLS {
            return Err(format!(
                "`{place}` answers {} tool calls, but an invocation has at most {MOST_CALLS}.",
                answers.len()
            ));
        }
        if answers.iter().any(|answer| answer.id.invocation_id != first.id.invocation_id) {
            return Err(format!("`{place}` answers tool calls of more than one invocation."));
        }
        Ok(answers)
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

/// Refuses answers to calls of another session.
pub(super) fn check_session(answers: &[ToolAnswer], session_id: &str) -> Result<(), String> {
    let mark = ToolCallId::session_mark(session_id);
    if answers.iter().any(|answer| answer.id.session != mark) {
        return Err(
            "The tool call belongs to another conversation: name its `threadId` or `sessionId`."
                .to_owned(),
        );
    }
    Ok(())
}

/// Reads `content`, and `error`, which says that the action failed.
fn take_result(answer: &mut ToolAnswer, object: &Fields) -> Result<(), String> {
    let (content, error) = (object.text("content")?, object.text("error")?);
    if answer.content.is_some() || answer.failed {
        return Err(format!("`{}` answers a tool call a second time.", object.place()));
    }
    answer.failed = error.is_some();
    answer.content = content
        .filter(|content| error.is_none() || !content.is_empty())
        .or(error)
        .map(str::to_owned);
    Ok(())
}

/// Reads the result in the payload of a confirmation, for clients that fill in the interrupt's
/// `responseSchema`; others send a tool message.
fn take_payload_result(answer: &mut ToolAnswer, resumption: &Fields) -> Result<(), String> {
    let payload = resumption.object("payload")?;
    let Some(result) = payload.text("result")? else { return Ok(()) };
    if answer.content.is_some() {
        return Err(format!("`{}` answers a tool call a second time.", payload.path("result")));
    }
    answer.content = Some(result.to_owned());
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
