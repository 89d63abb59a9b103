//! Frames of `application/vnd.amazon.eventstream` ⇒ messages.
//!
//! The SDK signs a request, sends it and reads refusals, but a good response is not read by it: its
//! decoder ends the whole stream at the first event that differs from its generated model in one
//! place, even in a part that nobody asked for. So an interceptor takes the body away, and the frames
//! in it are decoded here, down to the name and the payload of each message ("Event stream encoding"
//! and "Event streams" of the Smithy specification). What is in a payload is its reader's concern.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::event_stream;
use aws_smithy_types::str_bytes::StrBytes;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use thiserror::Error;

/// The type of a response whose body is an event stream.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// One message of an event stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Something that the service says.
    Event {
        /// Its type, such as `chunk`.
        name: StrBytes,
        /// What it says: JSON, if the service keeps to its protocol.
        payload: Bytes,
    },
    /// The end of the stream, for a reason in the service's model.
    Exception {
        /// Its type, such as `throttlingException`.
        name: String,
        /// JSON with a `message`.
        payload: Bytes,
    },
    /// The end of the stream, for a reason outside the model.
    Error {
        /// A word for a program.
        code: String,
        /// A sentence for a person.
        message: String,
    },
}

/// Why a stream can't be read on.
#[derive(Debug, Error)]
pub(crate) enum StreamError {
    /// The connection broke.
    #[error("the connection broke")]
    Connection(#[source] Box<dyn Error + Send + Sync>),
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    EndInsideFrame,
    /// These bytes are no frame.
    #[error("what came is no frame of an event stream")]
    NoFrame(#[source] aws_smithy_eventstream::error::Error),
    /// A frame lacks the header that says what it is.
    #[error("a frame of an event stream has no {0}")]
    NoHeader(&'static str),
    /// A frame is of a type that the specification does not have.
    #[error("a frame of an event stream is of the type {0:?}")]
    UnknownType(String),
}

/// The messages in a response's body.
pub(crate) struct Messages {
    body: SdkBody,
    /// What has come and was not decoded yet.
    buffer: BytesMut,
    decoder: MessageFrameDecoder,
    /// Whether the decoder has begun a frame.
    inside_frame: bool,
}

impl Messages {
    pub(crate) fn new(body: SdkBody) -> Self {
        let decoder = MessageFrameDecoder::new();
        Self { body, buffer: BytesMut::new(), decoder, inside_frame: false }
    }

    /// The next message; `None` at the end of the body.
    ///
    /// # Errors
    /// After an error there is nothing more to read.
    pub(crate) async fn next(&mut self) -> Result<Option<Message>, StreamError> {
        loop {
            if let Some(message) = self.decode()? {
                return message_of(&message).map(Some);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.buffer.extend_from_slice(bytes);
                    }
                }
                Some(Err(error)) => return Err(StreamError::Connection(error)),
                None if self.inside_frame || !self.buffer.is_empty() => {
                    return Err(StreamError::EndInsideFrame);
                }
                None => return Ok(None),
            }
        }
    }

    fn decode(&mut self) -> Result<Option<event_stream::Message>, StreamError> {
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let before = self.buffer.len();
        match self.decoder.decode_frame(&mut self.buffer).map_err(StreamError::NoFrame)? {
            DecodedFrame::Complete(message) => {
                self.inside_frame = false;
                Ok(Some(message))
            }
            DecodedFrame::Incomplete => {
                self.inside_frame |= self.buffer.len() < before;
                Ok(None)
            }
        }
    }
}

fn message_of(message: &event_stream::Message) -> Result<Message, StreamError> {
    let header = |name: &'static str| {
        let header = message.headers().iter().find(|header| header.name().as_str() == name);
        let value = header.and_then(|header| header.value().as_string().ok());
        value.ok_or(StreamError::NoHeader(name))
    };
    let text = |name| header(name).map(|value| value.as_str().to_owned());
    let payload = || message.payload().clone();
    Ok(match header(":message-type")?.as_str() {
        "event" => Message::Event { name: header(":event-type")?.clone(), payload: payload() },
        "exception" => Message::Exception { name: text(":exception-type")?, payload: payload() },
        "error" => Message::Error {
            code: text(":error-code").unwrap_or_default(),
            message: text(":error-message").unwrap_or_default(),
        },
        other => return Err(StreamError::UnknownType(other.to_owned())),
    })
}

/// Takes the body of a good response, so that the SDK has nothing to decode.
#[derive(Clone, Debug)]
pub(crate) struct TakeBody {
    /// What the body must be.
    content_type: &'static str,
    taken: Arc<Mutex<Option<SdkBody>>>,
}

impl TakeBody {
    /// Takes a body of this type.
    pub(crate) fn of(content_type: &'static str) -> Self {
        Self { content_type, taken: Arc::default() }
    }

    /// The body that was taken, once.
    pub(crate) fn taken(&self) -> Option<SdkBody> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[dyn_dispatch_hint]
impl Intercept for TakeBody {
    fn name(&self) -> &'static str {
        "TakeBody"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        // Any other response is a refusal, which the SDK reads.
        if response.status().is_success() {
            NotAnEventStream::check(response, self.content_type)?;
            let body = std::mem::replace(response.body_mut(), SdkBody::empty());
            *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
        Ok(())
    }
}

/// A good response that has no events, though it should: something between here and the service
/// answers in its place.
#[derive(Debug, Error)]
#[error("instead of an event stream came status {status}, content type {content_type:?}, {length}")]
pub(crate) struct NotAnEventStream {
    status: u16,
    content_type: String,
    length: String,
}

impl NotAnEventStream {
    fn check(response: &HttpResponse, expected: &str) -> Result<(), Self> {
        let status = response.status().as_u16();
        let content_type = response.headers().get("content-type").unwrap_or_default();
        // One without a type is taken as what it should be: its first bytes tell.
        let is_of_the_type =
            content_type.is_empty() || content_type.to_ascii_lowercase().starts_with(expected);
        let length = response.body().size_hint().exact();
        if status == 200 && is_of_the_type && length != Some(0) {
            return Ok(());
        }
        let length =
            length.map_or_else(|| "of unknown length".to_owned(), |n| format!("{n} bytes"));
        Err(Self { status, content_type: content_type.to_owned(), length })
    }
}

#[cfg(test)]
mod tests;
