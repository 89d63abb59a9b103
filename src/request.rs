//! A client's message ⇒ a run: what the client wants, checked before anything is called.
//!
//! Two forms are understood, both JSON objects: AG-UI's `RunAgentInput`, and a short form for
//! `wscat` and scripts. `docs/protocol.md` shows both.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::agui::{EventForm, RunIds};
use crate::config::{Config, is_session_or_memory_id};
use crate::error::{ErrorCode, Failure};
use crate::ids::uuid_of;
use crate::invocation::{HttpRequest, Message, Principal};
use crate::json::Object;
use crate::request::messages::Messages;
use crate::request::tool_results::Collected;
use crate::trace_context::TraceContext;

use crate::request::files::RequestedFile;

pub use crate::request::fields::{Attributes, Fields};
pub use crate::request::tool_results::{ToolResult, ToolResults};

mod fields;
pub mod files;
pub mod kept;
mod messages;
mod tool_results;
pub mod upload;

/// What a source reads of a message by itself: what only its own service understands.
pub trait Options: Sized {
    /// Its fields in the short form.
    const SHORT_FORM: &'static [&'static str];

    /// Whether it reads the messages of a `RunAgentInput` by itself, whatever they are.
    const TAKES_WHOLE_INPUT: bool = false;

    /// Reads them from a message in the short form.
    ///
    /// # Errors
    /// Says which field is wrong, and what it must be.
    fn from_short_form(message: &Fields<'_>) -> Result<Self, String>;

    /// Reads them from a `RunAgentInput`, and its `forwardedProps`.
    ///
    /// # Errors
    /// Says which field is wrong, and what it must be.
    fn from_agui(_: &Fields<'_>, forwarded: &Fields<'_>) -> Result<Self, String> {
        Self::from_forwarded_props(forwarded)
    }

    /// Reads them from the `forwardedProps` of a `RunAgentInput`, which may have any others.
    ///
    /// # Errors
    /// Says which field is wrong, and what it must be.
    fn from_forwarded_props(props: &Fields<'_>) -> Result<Self, String>;
}

/// One run that the client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<O> {
    /// The conversation as the client knows it: `threadId`, `sessionId`, or one made from the
    /// connection.
    pub thread_id: String,
    /// The client's id of this run, or API Gateway's id of the message.
    pub run_id: String,
    /// API Gateway's id of the message, unique even if a client uses a run id twice.
    pub request_id: String,
    /// The conversation as a source knows it: the thread, behind the principal's hash when there is one,
    /// so that nobody can enter another's conversation by guessing its id.
    pub session_id: String,
    /// Who asks, if a provider vouches for them.
    pub user: Option<User>,
    /// What the run begins with.
    pub input: Input,
    /// With a prompt: results for the tool calls to which the agent has said nothing yet, if there are any.
    /// A source that waits for them gets them before the prompt.
    pub set_aside: Vec<ToolResult>,
    /// The files that come with the prompt. None if the source takes none.
    pub files: Vec<RequestedFile>,
    /// Whether the client gets the source's trace.
    pub trace: bool,
    /// The trace that the run is part of, for the operator, if anybody has named one.
    pub trace_context: Option<TraceContext>,
    /// What only the source understands.
    pub options: O,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What stands for them in ids: a hash of the subject.
    pub hash: String,
    /// The subject of their token.
    pub subject: String,
    /// Their e-mail address, if the provider has verified it.
    pub email: Option<String>,
}

/// What a run begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The user says something. Never empty.
    Prompt(String),
    /// The client has results for tool calls.
    ToolResults(ToolResults),
    /// What the source reads by itself.
    Whole,
}

/// Why a message is not a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRequest {
    /// What is wrong and what is right.
    pub reason: String,
    /// The run id that the message named, if that much could be read.
    pub run_id: Option<String>,
    /// The number of the frame that says so: the one behind those that a client says it has.
    pub seq: u64,
}

impl InvalidRequest {
    /// A message as it should be, in both forms.
    const EXAMPLE: &str = r#"{"prompt":"What can you do?"} or, as AG-UI's RunAgentInput, {"threadId":"conversation-1","runId":"run-1","messages":[{"id":"message-1","role":"user","content":"What can you do?"}]}"#;

    /// The longest run id, in bytes. It travels on every frame, so it has to be short.
    const MAX_RUN_ID: usize = 128;

    /// The failure for a message with this fault: the client is told what is wrong, and shown a message
    /// that would have worked.
    #[must_use]
    pub fn failure(reason: &str) -> Failure {
        let message = format!("{reason} A valid message: {}", Self::EXAMPLE);
        Failure::new(ErrorCode::InvalidRequest).with_message(message)
    }
}

/// A client's message, however it came.
#[derive(Clone, Copy, Debug)]
pub struct ClientMessage<'a> {
    /// The bytes.
    pub body: &'a [u8],
    /// API Gateway's id of the message.
    pub request_id: &'a str,
    /// Who sent it, if a provider vouches for them.
    pub principal: Option<&'a Principal>,
    /// What the conversation is made from if the message names none: the connection, or a request that has
    /// none.
    pub origin_id: &'a str,
    /// The trace that it is part of, if anybody has named one.
    pub trace_context: Option<&'a TraceContext>,
}

impl<'a> From<&'a Message> for ClientMessage<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            body: &message.body,
            request_id: &message.request_id,
            principal: message.principal.as_ref(),
            origin_id: &message.connection.connection_id,
            trace_context: None,
        }
    }
}

impl<'a> ClientMessage<'a> {
    /// The message in a request over HTTP, of this sender. Its id is that of the invocation: API Gateway's
    /// own can be chosen by the client (`x-amzn-RequestId`).
    #[must_use]
    pub fn of_http(
        request: &'a HttpRequest,
        request_id: &'a str,
        principal: Option<&'a Principal>,
    ) -> Self {
        let body = request.body.as_deref().unwrap_or_default();
        Self { body, request_id, principal, origin_id: request_id, trace_context: None }
    }

    /// The message as part of this trace.
    #[must_use]
    pub fn in_trace(self, trace_context: Option<&'a TraceContext>) -> Self {
        Self { trace_context, ..self }
    }
}

impl<O: Options> Run<O> {
    /// Understands a client's message.
    ///
    /// # Errors
    /// Says what is wrong with the message. Nothing has been called by then.
    pub fn parse<'a>(
        message: impl Into<ClientMessage<'a>>,
        config: &Config,
    ) -> Result<Self, InvalidRequest> {
        let mut run_id = None;
        Self::understand(message.into(), config, &mut run_id).map_err(|reason| InvalidRequest {
            reason,
            run_id,
            seq: 0,
        })
    }

    /// `run_id` is set as soon as it is known, so that an error can be told apart from other runs.
    fn understand(
        message: ClientMessage<'_>,
        config: &Config,
        run_id: &mut Option<String>,
    ) -> Result<Self, String> {
        let fields = Fields::new(object(message.body)?);
        let wanted = if fields.has("messages") || fields.has("threadId") || fields.has("runId") {
            *run_id = Some(agui_run_id(&fields)?);
            Wanted::from_agui(&fields, config.files.is_some())?
        } else {
            Wanted::from_short_form(&fields, config.files.is_some())?
        };
        wanted.into_run(message, config, run_id.as_deref())
    }
}

/// What a run begins with that its message asks for, as a list of AG-UI's messages, for whoever wants to see
/// the conversation later: those behind the agent's last one. Where the source takes files, which it gets once,
/// their names stand in place of what is in them. `None` if there are none.
#[must_use]
pub fn messages_of<'a>(message: impl Into<ClientMessage<'a>>, takes_files: bool) -> Option<String> {
    let message = message.into();
    let fields = Fields::new(object(message.body).ok()?);
    let messages: Vec<Box<RawValue>> = if fields.has("messages") {
        let mut newest_first: Vec<Box<RawValue>> = Vec::new();
        for message in fields.items("messages").ok()??.iter().rev() {
            match &*message.fields().ok()?.required_text("role").ok()? {
                "assistant" => break,
                "user" if takes_files => {
                    let kept = files::kept_message(&message.fields().ok()?, message.json());
                    let kept = kept.and_then(|kept| serde_json::value::to_raw_value(&kept).ok());
                    newest_first.push(kept.unwrap_or_else(|| message.json().to_owned()));
                }
                "user" | "tool" => newest_first.push(message.json().to_owned()),
                _ => {}
            }
        }
        newest_first.into_iter().rev().collect()
    } else {
        let id = |number: usize| uuid_of(&format!("{}/input/{number}", message.request_id));
        let messages = if let Some(prompt) = fields.text("prompt").ok()? {
            let content = files::kept_prompt(&prompt, &fields);
            vec![json!({"id": id(0), "role": "user", "content": content})]
        } else {
            let results = Collected::from_short_form(&fields).ok()?.results;
            let message = |(number, result): (usize, ToolResult)| {
                let ToolResult { tool_call_id, content, .. } = result;
                let content = content?;
                Some(json!({
                    "id": id(number), "role": "tool", "toolCallId": tool_call_id, "content": content,
                }))
            };
            results.into_iter().enumerate().filter_map(message).collect()
        };
        let raw = |message| serde_json::value::to_raw_value(&message).ok();
        messages.into_iter().filter_map(raw).collect()
    };
    serde_json::to_string(&messages).ok().filter(|_| !messages.is_empty())
}

impl<O> Run<O> {
    /// The ids that its frames carry. The message's is made from API Gateway's id of the client's
    /// message, which stays unique if a client uses a run id twice. It is a UUID, which typed clients
    /// insist on.
    #[must_use]
    pub fn ids(&self, form: EventForm) -> RunIds {
        RunIds {
            thread_id: self.thread_id.clone(),
            run_id: self.run_id.clone(),
            message_id: uuid_of(&self.request_id),
            form,
        }
    }
}

/// What either form asks for.
struct Wanted<O> {
    thread_id: Option<String>,
    /// What the client calls `thread_id`.
    thread_field: &'static str,
    input: Input,
    set_aside: Vec<ToolResult>,
    files: Vec<RequestedFile>,
    trace: bool,
    options: O,
}

impl<O: Options> Wanted<O> {
    /// The fields of the short form that every source has.
    const SHORT_FORM: [&str; 5] = [
        "prompt",
        "toolResults",
        "sessionId",
        "trace",
        // Clients of APIs that select routes by `$request.body.action` send it along.
        "action",
    ];

    fn from_short_form(fields: &Fields<'_>, takes_files: bool) -> Result<Self, String> {
        let input = match (fields.has("prompt"), fields.has("toolResults")) {
            (true, false) => Input::Prompt(fields.required_text("prompt")?),
            (false, true) => Input::ToolResults(Collected::from_short_form(fields)?),
            (true, true) => {
                return Err("The message has both `prompt` and `toolResults`.".to_owned());
            }
            (false, false) => {
                return Err(
                    "The message has neither `prompt` nor `toolResults` nor `messages`.".to_owned()
                );
            }
        };
        let files = match (fields.has("files"), takes_files, &input) {
            (false, ..) => Vec::new(),
            (true, true, Input::Prompt(_)) => files::from_short_form(fields)?,
            (true, true, _) => {
                return Err("The message has both `files` and `toolResults`.".to_owned());
            }
            (true, false, _) => {
                return Err(
                    "The message has `files`, but the agent of this deployment takes none."
                        .to_owned(),
                );
            }
        };
        let of_files: &[&str] = if takes_files { &["files"] } else { &[] };
        fields.only(&[&Self::SHORT_FORM, of_files, O::SHORT_FORM].concat())?;
        Ok(Self {
            thread_id: fields.text("sessionId")?,
            thread_field: "sessionId",
            input,
            set_aside: Vec::new(),
            files,
            trace: fields.flag("trace")?,
            options: O::from_short_form(fields)?,
        })
    }

    fn from_agui(fields: &Fields<'_>, takes_files: bool) -> Result<Self, String> {
        let forwarded = fields.object("forwardedProps")?;
        let messages = Messages::of(fields)?;
        let thread_id = Some(fields.required_text("threadId")?);
        let mut set_aside = Vec::new();
        let mut files = Vec::new();
        let input = if O::TAKES_WHOLE_INPUT {
            Input::Whole
        } else if let Some(results) = Collected::from_agui(fields, &messages)? {
            Input::ToolResults(results)
        } else {
            set_aside = Collected::set_aside(&messages);
            let prompt = messages.last_user_content(takes_files)?;
            files = prompt.files;
            Input::Prompt(prompt.text)
        };
        Ok(Self {
            thread_id,
            thread_field: "threadId",
            input,
            set_aside,
            files,
            trace: forwarded.flag("trace")?,
            options: O::from_agui(fields, &forwarded)?,
        })
    }

    fn into_run(
        self,
        message: ClientMessage<'_>,
        config: &Config,
        run_id: Option<&str>,
    ) -> Result<Run<O>, String> {
        if let Input::Prompt(prompt) = &self.input {
            check_prompt(prompt, config.max_prompt_chars)?;
        }
        files::check(&self.files)?;
        let user = message.principal.cloned().map(User::from);
        let thread_id = match self.thread_id {
            Some(id) => id,
            None => connection_thread(message.origin_id),
        };
        let session_id = match &user {
            Some(user) => format!("{}:{thread_id}", user.hash),
            None if is_session_of_a_user(&thread_id) => {
                return Err(format!(
                    "`{}` has the form of a signed-in user's conversation, which nobody can enter without signing in: choose an id that does not begin with 16 characters and a colon.",
                    self.thread_field
                ));
            }
            None => thread_id.clone(),
        };
        if thread_id.len() < 2 || !is_session_or_memory_id(&session_id) {
            let longest = 100 - (session_id.len() - thread_id.len());
            return Err(format!(
                "`{}` must be 2 to {longest} letters, digits and the characters . _ : -",
                self.thread_field
            ));
        }
        Ok(Run {
            thread_id,
            run_id: run_id.unwrap_or(message.request_id).to_owned(),
            request_id: message.request_id.to_owned(),
            session_id,
            user,
            input: self.input,
            set_aside: self.set_aside,
            files: self.files,
            trace: self.trace && config.allow_trace,
            trace_context: message.trace_context.cloned(),
            options: self.options,
        })
    }
}

fn object(body: &[u8]) -> Result<Object<'_>, String> {
    let text =
        std::str::from_utf8(body).map_err(|_| "The message is not UTF-8 text.".to_owned())?;
    // Some editors and serialisers put a mark before UTF-8.
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_ascii().is_empty() {
        return Err("The message is empty.".to_owned());
    }
    let json: &RawValue = serde_json::from_str(text)
        .map_err(|error| format!("The message is not JSON ({error})."))?;
    Object::parse(json.get())
        .ok_or_else(|| format!("The message must be a JSON object, not {}.", fields::kind(json)))
}

fn agui_run_id(fields: &Fields<'_>) -> Result<String, String> {
    let run_id = fields.required_text("runId")?;
    if run_id.is_empty() || run_id.len() > InvalidRequest::MAX_RUN_ID {
        return Err(format!("`runId` must be 1 to {} bytes.", InvalidRequest::MAX_RUN_ID));
    }
    Ok(run_id)
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

/// A conversation for a client that names none: the connection's own. Connection ids are base64url
/// text, in which only the padding is not allowed in a session id.
fn connection_thread(connection_id: &str) -> String {
    connection_id
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || "-_.:".contains(char) { char } else { '.' })
        .collect()
}

impl From<Principal> for User {
    fn from(principal: Principal) -> Self {
        let Principal { subject, email } = principal;
        Self { hash: short_hash(&subject), subject, email }
    }
}

/// Whether an id has the form of a session that belongs to a user: a hash, a colon, and the thread. The
/// same agent may serve a deployment with users beside one without.
fn is_session_of_a_user(id: &str) -> bool {
    let is_hash_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    id.split_once(':')
        .is_some_and(|(hash, _)| hash.len() == HASH_CHARS && hash.bytes().all(is_hash_char))
}

/// The length of a user's hash.
const HASH_CHARS: usize = 16;

/// The first 96 bits of a SHA-256 as 16 characters of base64url, all of which a session id may have:
/// enough to keep principals apart, short enough to leave room for the thread.
fn short_hash(subject: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(subject)[..HASH_CHARS / 4 * 3])
}

#[cfg(test)]
mod tests;
