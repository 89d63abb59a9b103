//! A client's message ⇒ a run: what the client wants, checked before anything is called.
//!
//! Two forms are understood, both JSON objects: AG-UI's `RunAgentInput`, and a short form for
//! `wscat` and scripts. `docs/protocol.md` shows both.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::{Config, is_bedrock_name};
use crate::invocation::Message;
use crate::request::fields::Fields;
use crate::request::tool_results::Answers;
use crate::source::bedrock_agent::tool_call_id::ToolAnswer;

mod fields;
mod tool_results;

/// Session attributes and prompt session attributes: names and values are strings.
pub type Attributes = BTreeMap<String, String>;

/// One turn that the client asks for, ready for the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The conversation as the client knows it: `threadId`, `sessionId`, or one made from the
    /// connection.
    pub thread_id: String,
    /// The client's id of this run, or API Gateway's id of the message.
    pub run_id: String,
    /// API Gateway's id of the message, unique even if a client uses a run id twice.
    pub request_id: String,
    /// The conversation as Bedrock knows it: the thread, behind a hash of the principal when there
    /// is one, so that nobody can enter another's conversation by guessing its id.
    pub session_id: String,
    /// The agent's memory to use.
    pub memory_id: Option<String>,
    /// What to tell the agent.
    pub input: Input,
    /// Whether the client gets the agent's trace.
    pub trace: bool,
    /// Attributes that live as long as the session.
    pub session_attributes: Attributes,
    /// Attributes for this turn only.
    pub prompt_session_attributes: Attributes,
    /// Whether the session ends with this turn.
    pub end_session: bool,
}

/// What a turn begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The user says something. Never empty.
    Prompt(String),
    /// The client answers a return of control. One to five answers, all of one invocation.
    Answers(Vec<ToolAnswer>),
}

/// Why a message is not a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRequest {
    /// What is wrong and what is right.
    pub reason: String,
    /// The run id that the message named, if that much could be read.
    pub run_id: Option<String>,
}

impl InvalidRequest {
    /// The sentence for the client: what is wrong, and a message that would have worked.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{} A valid message: {}", self.reason, Self::EXAMPLE)
    }

    const EXAMPLE: &str = r#"{"prompt":"What can you do?"} or, as AG-UI's RunAgentInput, {"threadId":"conversation-1","runId":"run-1","messages":[{"id":"message-1","role":"user","content":"What can you do?"}]}"#;

    /// The longest run id, in bytes. It travels on every frame, so it has to be short.
    const LONGEST_RUN_ID: usize = 128;
}

impl Run {
    /// Understands a client's message.
    ///
    /// # Errors
    /// Says what is wrong with the message. Nothing has been called by then.
    pub fn parse(message: &Message, config: &Config) -> Result<Self, InvalidRequest> {
        let mut run_id = None;
        Self::understand(message, config, &mut run_id)
            .map_err(|reason| InvalidRequest { reason, run_id })
    }

    /// `run_id` is set as soon as it is known, so that an error can be told apart from other runs.
    fn understand(
        message: &Message,
        config: &Config,
        run_id: &mut Option<String>,
    ) -> Result<Self, String> {
        let fields = object(&message.body)?;
        let fields = Fields::new(&fields);
        let wants = if fields.has("messages") || fields.has("threadId") || fields.has("runId") {
            *run_id = Some(agui_run_id(&fields)?);
            Wants::from_agui(&fields)?
        } else {
            Wants::from_short_form(&fields)?
        };
        wants.into_run(message, config, run_id.as_deref())
    }
}

/// What either form asks for.
struct Wants {
    thread_id: Option<String>,
    /// What the client calls `thread_id`.
    thread_field: &'static str,
    input: Input,
    trace: bool,
    session_attributes: Attributes,
    prompt_session_attributes: Attributes,
    end_session: bool,
}

impl Wants {
    const SHORT_FORM: [&str; 9] = [
        "prompt",
        "toolResults",
        "email",
        "sessionId",
        "trace",
        "sessionAttributes",
        "promptSessionAttributes",
        "endSession",
        // Clients of APIs that select routes by `$request.body.action` send it along.
        "action",
    ];

    fn from_short_form(fields: &Fields) -> Result<Self, String> {
        let input = match (fields.has("prompt"), fields.has("toolResults")) {
            (true, false) => Input::Prompt(fields.required_text("prompt")?.to_owned()),
            (false, true) => Input::Answers(Answers::from_short_form(fields)?),
            (true, true) => {
                return Err("The message has both `prompt` and `toolResults`.".to_owned());
            }
            (false, false) => {
                return Err(
                    "The message has neither `prompt` nor `toolResults` nor `messages`.".to_owned()
                );
            }
        };
        fields.only(&Self::SHORT_FORM)?;
        let mut session_attributes = fields.attributes("sessionAttributes")?;
        if let Some(email) = fields.text("email")? {
            session_attributes.insert("email".to_owned(), email.to_owned());
        }
        Ok(Self {
            thread_id: fields.text("sessionId")?.map(str::to_owned),
            thread_field: "sessionId",
            input,
            trace: fields.flag("trace")?,
            session_attributes,
            prompt_session_attributes: fields.attributes("promptSessionAttributes")?,
            end_session: fields.flag("endSession")?,
        })
    }

    fn from_agui(fields: &Fields) -> Result<Self, String> {
        let forwarded = fields.object("forwardedProps")?;
        let messages = messages(fields)?;
        Ok(Self {
            thread_id: Some(fields.required_text("threadId")?.to_owned()),
            thread_field: "threadId",
            input: match Answers::from_agui(fields, &messages)? {
                Some(answers) => Input::Answers(answers),
                None => Input::Prompt(last_user_text(&messages)?),
            },
            trace: forwarded.flag("trace")?,
            session_attributes: forwarded.attributes("sessionAttributes")?,
            prompt_session_attributes: forwarded.attributes("promptSessionAttributes")?,
            end_session: forwarded.flag("endSession")?,
        })
    }

    fn into_run(
        self,
        message: &Message,
        config: &Config,
        run_id: Option<&str>,
    ) -> Result<Run, String> {
        if let Input::Prompt(prompt) = &self.input {
            check_prompt(prompt, config.max_prompt_chars)?;
        }
        let principal = message.principal.as_deref().map(short_hash);
        let thread_id = match self.thread_id {
            Some(id) => id,
            None => connection_thread(&message.origin.connection_id),
        };
        let session_id = match &principal {
            Some(hash) => format!("{hash}:{thread_id}"),
            None => thread_id.clone(),
        };
        if thread_id.len() < 2 || !is_bedrock_name(&session_id) {
            let longest = 100 - (session_id.len() - thread_id.len());
            return Err(format!(
                "`{}` must be 2 to {longest} letters, digits and the characters . _ : -",
                self.thread_field
            ));
        }
        if let Input::Answers(answers) = &self.input {
            tool_results::check_session(answers, &session_id)?;
        }
        Ok(Run {
            thread_id,
            run_id: run_id.unwrap_or(&message.request_id).to_owned(),
            request_id: message.request_id.clone(),
            session_id,
            memory_id: config.memory_id.clone().or(principal),
            input: self.input,
            trace: self.trace && config.allow_trace,
            session_attributes: self.session_attributes,
            prompt_session_attributes: self.prompt_session_attributes,
            end_session: self.end_session,
        })
    }
}

fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err("The message is empty.".to_owned());
    }
    let text =
        std::str::from_utf8(body).map_err(|_| "The message is not UTF-8 text.".to_owned())?;
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(other) => {
            Err(format!("The message must be a JSON object, not {}.", fields::kind(&other)))
        }
        Err(error) => Err(format!("The message is not JSON ({error}).")),
    }
}

fn agui_run_id(fields: &Fields) -> Result<String, String> {
    let run_id = fields.required_text("runId")?;
    if run_id.is_empty() || run_id.len() > InvalidRequest::LONGEST_RUN_ID {
        return Err(format!("`runId` must be 1 to {} bytes.", InvalidRequest::LONGEST_RUN_ID));
    }
    Ok(run_id.to_owned())
}

fn check_prompt(prompt: &str, most: usize) -> Result<(), String> {
    if prompt.trim().is_empty() {
        return Err("The prompt is empty.".to_owned());
    }
    let length = prompt.chars().count();
    if length > most {
        return Err(format!("The prompt has {length} characters, and at most {most} are allowed."));
    }
    Ok(())
}

/// A message of a `RunAgentInput`, and who wrote it.
struct ChatMessage<'a> {
    role: &'a str,
    fields: Fields<'a>,
}

fn messages<'a>(fields: &Fields<'a>) -> Result<Vec<ChatMessage<'a>>, String> {
    let messages =
        fields.objects("messages")?.ok_or_else(|| fields.missing("messages", "a list"))?;
    messages
        .into_iter()
        .map(|fields| Ok(ChatMessage { role: fields.required_text("role")?, fields }))
        .collect()
}

/// The text of the last user message. Earlier ones are not sent on: Bedrock keeps the history of a
/// session itself.
fn last_user_text(messages: &[ChatMessage<'_>]) -> Result<String, String> {
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
                    fields::short(other)
                ));
            }
        }
    }
    Ok(text)
}

/// A conversation for a client that names none: the connection's own. Connection ids are base64url
/// text, in which only the padding is not allowed in a session id.
fn connection_thread(connection_id: &str) -> String {
    connection_id
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || "-_.:".contains(char) { char } else { '.' })
        .collect()
}

/// The first 96 bits of a SHA-256 as 16 characters of base64url, all of which a session id may have:
/// enough to keep principals apart, short enough to leave room for the thread.
fn short_hash(principal: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(principal)[..12])
}

#[cfg(test)]
mod tests;
