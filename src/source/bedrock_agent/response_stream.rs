//! An agent's answer: the messages of its stream ⇒ events, or the failure that ended it.

use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;
use thiserror::Error;
use tracing::warn;

use crate::error::{ErrorCode, Failure};
use crate::source::bedrock_agent::{AgentEvent, return_of_control, usage, without_arns};
use crate::source::event_stream::{Message, Messages, StreamError};
use crate::source::payload::{self, Object, json};

/// What Bedrock writes, with the padding that it has and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// An answer under way.
pub(super) struct Answer {
    messages: Messages,
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

impl Answer {
    pub(super) fn new(body: SdkBody, session_id: String) -> Self {
        let messages = Messages::new(body);
        Self { messages, session_id, has_begun: false, has_warned: false }
    }

    pub(super) async fn next(
        mut self: Box<Self>,
    ) -> Result<Option<(AgentEvent, Box<Self>)>, Failure> {
        let (name, payload) = match self.messages.next().await {
            Ok(None) => return Ok(None),
            Ok(Some(Message::Event { name, payload })) => (name, payload),
            Ok(Some(Message::Exception { name, payload })) => {
                let message = payload::read(&payload, message_of).flatten().unwrap_or_default();
                return Err(failure(Ended { name, message }));
            }
            Ok(Some(Message::Error { code, message })) => {
                warn!(code, message, "the agent sent an error");
                return Err(failure(Ended { name: code, message }));
            }
            Err(error) => return Err(self.interruption(error)),
        };
        self.has_begun = true;
        let event = self.event(name.as_str(), &payload)?;
        Ok(Some((event, self)))
    }

    /// What an event says. One that can't be understood is passed on as it is.
    fn event(&mut self, name: &str, payload: &[u8]) -> Result<AgentEvent, Failure> {
        let understood = match name {
            "chunk" => payload::read_members(payload, ["bytes", "attribution"], chunk)
                .transpose()?
                .flatten(),
            "trace" => Some(trace(payload)),
            "returnControl" => {
                let calls =
                    |object: &Object<'_>| return_of_control::calls(object, &self.session_id);
                payload::read(payload, calls).flatten().map(AgentEvent::ReturnControl)
            }
            "files" => payload::read(payload, files).flatten(),
            _ => None,
        };
        if understood.is_none()
            && matches!(name, "chunk" | "returnControl" | "files")
            && !self.has_warned
        {
            self.has_warned = true;
            warn!(event = name, bytes = payload.len(), "an event of the agent was not understood");
        }
        Ok(understood
            .unwrap_or_else(|| AgentEvent::Other { name: name.to_owned(), json: json(payload) }))
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
        Failure::new(code).caused_by(error)
    }
}

/// A piece of the answer's text. What stands beside it does it no harm.
///
/// # Errors
/// The text can't be read, and an answer without it would look whole.
fn chunk([bytes, attribution]: [Option<&RawValue>; 2]) -> Result<Option<AgentEvent>, Failure> {
    let attribution = attribution.and_then(|attribution| Object::parse(attribution.get()));
    let citations = attribution.and_then(|attribution| {
        let citations = attribution.get("citations")?;
        let list = citations.get().strip_prefix('[')?;
        (list.trim_start() != "]").then(|| citations.to_owned())
    });
    let bytes = if let Some(bytes) = bytes {
        let Some(text) = payload::text(bytes) else { return Ok(None) };
        BASE64
            .decode(text.as_bytes())
            .map_err(|error| Failure::new(ErrorCode::BadGateway).caused_by(NotBase64(error)))?
    } else if citations.is_some() {
        Vec::new()
    } else {
        return Ok(None);
    };
    Ok(Some(AgentEvent::Chunk { bytes, citations }))
}

fn trace(payload: &[u8]) -> AgentEvent {
    let usage = payload::read(payload, usage::usage).flatten();
    AgentEvent::Trace { json: json(payload), usage }
}

/// The files in a payload, each untouched.
fn files(payload: &Object<'_>) -> Option<AgentEvent> {
    let files: Vec<Box<RawValue>> =
        payload.list("files")?.into_iter().map(ToOwned::to_owned).collect();
    (!files.is_empty()).then_some(AgentEvent::Files(files))
}

fn message_of(payload: &Object<'_>) -> Option<String> {
    payload.text("message").map(Into::into)
}

fn failure(ended: Ended) -> Failure {
    let code = ErrorCode::of_exception(&ended.name).unwrap_or(ErrorCode::InternalServer);
    let failure = Failure::new(code);
    let failure = match code {
        // Only here Bedrock's own words help whoever wrote the message.
        ErrorCode::Validation if !ended.message.is_empty() => failure.saying(format!(
            "{} Bedrock says: {}",
            code.advice(),
            without_arns(&ended.message)
        )),
        _ => failure,
    };
    failure.caused_by(ended)
}

#[cfg(test)]
mod tests;
