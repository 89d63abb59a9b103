//! The messages of an agent's response ⇒ events, or the failure that ended it.

use std::collections::VecDeque;

use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;
use thiserror::Error;
use tracing::warn;

use crate::error::{ErrorCode, Failure};
use crate::source::bedrock_agent::failure::failure;
use crate::source::bedrock_agent::{return_of_control, usage};
use crate::source::event_stream::{Message, Messages, StreamError};
use crate::source::payload::{self, Object, json};
use crate::source::{Event, Raw};

/// What Bedrock writes, with the padding that it has and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The name of this source on what it passes on.
const SOURCE: &str = "bedrock-agent";

/// An answer under way.
pub(super) struct ResponseStream {
    messages: Messages,
    /// What else the last message says, besides its first event.
    further: VecDeque<Event>,
    session_id: String,
    /// Whether any event has come.
    has_begun: bool,
    /// Whether it was said already that an event could not be understood.
    has_warned: bool,
}

/// Why the agent ended its answer.
#[derive(Debug, Error)]
#[error("{name}: {message}")]
struct Ended {
    name: String,
    message: String,
}

/// A chunk's `bytes` are not what they should be.
#[derive(Debug, Error)]
#[error("the bytes of a chunk are not base64")]
struct NotBase64(#[source] base64::DecodeError);

impl ResponseStream {
    pub(super) fn new(body: SdkBody, session_id: String) -> Self {
        let messages = Messages::new(body);
        Self { messages, further: VecDeque::new(), session_id, has_begun: false, has_warned: false }
    }

    pub(super) async fn next(mut self: Box<Self>) -> Result<Option<(Event, Box<Self>)>, Failure> {
        if let Some(event) = self.further.pop_front() {
            return Ok(Some((event, self)));
        }
        let (name, payload) = match self.messages.next().await {
            Ok(None) => return Ok(None),
            Ok(Some(Message::Event { name, payload })) => (name, payload),
            Ok(Some(Message::Exception { name, payload })) => {
                let message = payload::read(&payload, message_of).flatten().unwrap_or_default();
                return Err(ended(name, message));
            }
            Ok(Some(Message::Error { code, message })) => {
                warn!(code, message, "the agent sent an error");
                return Err(ended(code, message));
            }
            Err(error) => return Err(self.interruption(error)),
        };
        self.has_begun = true;
        let event = self.event(name.as_str(), &payload)?;
        Ok(Some((event, self)))
    }

    /// What an event says. One that can't be understood is passed on as it is.
    fn event(&mut self, name: &str, payload: &[u8]) -> Result<Event, Failure> {
        let understood = match name {
            "chunk" => self.chunk(payload)?,
            "trace" => Some(self.trace(payload)),
            "returnControl" => {
                let calls =
                    |object: &Object<'_>| return_of_control::calls(object, &self.session_id);
                let calls = payload::read(payload, calls).flatten();
                calls.and_then(|calls| self.first(calls.into_iter().map(Event::ToolCall)))
            }
            "files" => {
                let files = payload::read(payload, files).flatten();
                files.and_then(|files| self.first(files.into_iter().map(file)))
            }
            _ => None,
        };
        if understood.is_none()
            && matches!(name, "chunk" | "returnControl" | "files")
            && !self.has_warned
        {
            self.has_warned = true;
            warn!(event = name, bytes = payload.len(), "an event of the agent was not understood");
        }
        Ok(understood.unwrap_or_else(|| Event::Other(raw(name, payload))))
    }

    /// The first of several events; the others come with the next calls.
    fn first(&mut self, events: impl IntoIterator<Item = Event>) -> Option<Event> {
        let mut events = events.into_iter();
        let first = events.next();
        self.further.extend(events);
        first
    }

    /// A piece of the answer's text. What stands beside it does it no harm.
    ///
    /// # Errors
    /// The text can't be read, and an answer without it would look whole.
    fn chunk(&mut self, payload: &[u8]) -> Result<Option<Event>, Failure> {
        let members = ["bytes", "attribution"];
        let Some(chunk) = payload::read_members(payload, members, chunk).transpose()?.flatten()
        else {
            return Ok(None);
        };
        let Chunk { text, citations } = chunk;
        self.further.extend(citations.map(|json| Event::Annotation {
            name: "bedrock.citations",
            member: "citations",
            json,
        }));
        Ok(Some(Event::Text(text)))
    }

    fn trace(&mut self, payload: &[u8]) -> Event {
        let usage = payload::read(payload, usage::usage).flatten();
        self.further.extend(usage.map(Event::Usage));
        Event::Trace(raw("trace", payload))
    }

    /// Why the answer broke off.
    fn interruption(&self, error: StreamError) -> Failure {
        let code = match error {
            // What came is not the beginning of an event stream, whatever it calls itself.
            StreamError::NoFrame(_) | StreamError::EndInsideFrame if !self.has_begun => {
                ErrorCode::BadGateway
            }
            _ => ErrorCode::ConnectionLost,
        };
        Failure::new(code).with_source(error)
    }
}

/// What a chunk has for the client.
struct Chunk {
    /// Bytes of UTF-8, which may begin and end inside a character.
    text: Vec<u8>,
    /// The citations of the answer's text, as Bedrock sent them: a JSON list.
    citations: Option<Box<RawValue>>,
}

fn chunk([bytes, attribution]: [Option<&RawValue>; 2]) -> Result<Option<Chunk>, Failure> {
    let attribution = attribution.and_then(|attribution| Object::parse(attribution.get()));
    let citations = attribution.and_then(|attribution| {
        let citations = attribution.get("citations")?;
        let list = citations.get().strip_prefix('[')?;
        (list.trim_start() != "]").then(|| citations.to_owned())
    });
    let text = if let Some(bytes) = bytes {
        let Some(base64) = payload::text(bytes) else { return Ok(None) };
        BASE64
            .decode(base64.as_bytes())
            .map_err(|error| Failure::new(ErrorCode::BadGateway).with_source(NotBase64(error)))?
    } else if citations.is_some() {
        Vec::new()
    } else {
        return Ok(None);
    };
    Ok(Some(Chunk { text, citations }))
}

/// The files in a payload, each untouched.
fn files(payload: &Object<'_>) -> Option<Vec<Box<RawValue>>> {
    Some(payload.list("files")?.into_iter().map(ToOwned::to_owned).collect())
}

fn file(json: Box<RawValue>) -> Event {
    Event::Custom { name: "bedrock.file", json }
}

fn raw(name: &str, payload: &[u8]) -> Raw {
    Raw { source: SOURCE, name: name.to_owned(), json: json(payload) }
}

fn message_of(payload: &Object<'_>) -> Option<String> {
    payload.text("message").map(Into::into)
}

/// Why the agent ended its answer: an exception of this name.
fn ended(name: String, message: String) -> Failure {
    let code = ErrorCode::of_exception(&name).unwrap_or(ErrorCode::InternalServer);
    let said = (!message.is_empty()).then_some(&*message);
    failure(code, said).with_source(Ended { name, message })
}

#[cfg(test)]
mod tests;
