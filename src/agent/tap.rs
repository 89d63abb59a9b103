//! A tap on the agent's event stream: each event's own JSON, beside the SDK's typed event.
//!
//! The SDK's types can't be serialised and know only what they were generated from. So an
//! interceptor puts a tap between the connection and the SDK's decoder, which keeps each frame as it
//! passes. It only looks how long a frame is: whether it is whole and what is in it, the SDK finds
//! out. The SDK reads only what has passed the tap and ends at the first frame that is no event, so
//! the events of the two come in pairs, in order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use aws_sdk_bedrockagentruntime::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_bedrockagentruntime::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_bedrockagentruntime::error::BoxError;
use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_eventstream::smithy::parse_response_headers;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;

/// What a frame begins with: its length, the length of its headers, and a checksum of both, four
/// bytes each ("Event stream encoding" of the Smithy specification).
const PRELUDE: usize = 12;

/// What a frame ends with, after its headers and its payload.
const CHECKSUM: usize = 4;

/// An event as it came on the wire: a frame that the SDK has checked.
#[derive(Clone, Debug)]
pub(crate) struct WireEvent {
    /// At least a prelude and a checksum.
    frame: Bytes,
}

impl WireEvent {
    /// Its type: `chunk`, `trace`, or one that the SDK does not know yet. `None` for a frame that is
    /// no event, which the SDK returns as an error.
    pub(crate) fn name(&self) -> Option<String> {
        let message = read_message_from(&mut &*self.frame).ok()?;
        let headers = parse_response_headers(&message).ok()?;
        (headers.message_type.as_str() == "event").then(|| headers.smithy_type.as_str().to_owned())
    }

    /// What it says, if it is a frame of the type `error`.
    pub(crate) fn error(&self) -> Option<ErrorFrame> {
        let message = read_message_from(&mut &*self.frame).ok()?;
        let header = |name| {
            let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
            header.value().as_string().ok().map(|value| value.as_str().to_owned())
        };
        (header(":message-type")? == "error").then(|| ErrorFrame {
            code: header(":error-code").unwrap_or_default(),
            message: header(":error-message").unwrap_or_default(),
        })
    }

    /// Its payload: JSON, if the agent keeps to its protocol.
    pub(crate) fn payload(&self) -> &[u8] {
        let headers = number(&self.frame[4..]).unwrap_or_default();
        let start = PRELUDE.saturating_add(headers);
        self.frame.get(start..self.frame.len() - CHECKSUM).unwrap_or_default()
    }
}

/// What a frame of the type `error` says, which is none of the exceptions of the service's model
/// ("Event stream" of the Smithy specification).
#[derive(Debug)]
pub(crate) struct ErrorFrame {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// The number at the beginning of some bytes.
fn number(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()
}

/// The events that have passed the tap and were not taken yet. There are never more than one piece
/// of the response's body holds, because the SDK reads the next piece only when it has decoded all
/// events of the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct WireEvents(Arc<Mutex<VecDeque<WireEvent>>>);

impl WireEvents {
    /// Takes the oldest.
    pub(crate) fn take(&self) -> Option<WireEvent> {
        self.queue().pop_front()
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<WireEvent>> {
        // A queue is whole after every operation, so another thread's panic does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the tap into the response of one operation.
#[derive(Debug)]
pub(crate) struct Tap {
    events: WireEvents,
}

impl Tap {
    pub(crate) fn new(events: WireEvents) -> Self {
        Self { events }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Tap {
    fn name(&self) -> &'static str {
        "Tap"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        // Any other response is an error in one piece of JSON.
        if response.status().is_success() {
            NotAnEventStream::check(response)?;
            let body = response.take_body();
            let tapped = TappedBody::new(body, self.events.clone());
            *response.body_mut() = SdkBody::from_body_1_x(tapped);
        }
        Ok(())
    }
}

/// A good response that has no events, though it should: something between here and the agent answers
/// in its place.
#[derive(Debug, Error)]
#[error("instead of an event stream came status {status}, content type {content_type:?}, {length}")]
pub(crate) struct NotAnEventStream {
    status: u16,
    content_type: String,
    length: String,
}

impl NotAnEventStream {
    fn check(response: &HttpResponse) -> Result<(), Self> {
        let status = response.status().as_u16();
        let content_type = response.headers().get("content-type").unwrap_or_default();
        // One without a type is taken as what it should be: its first bytes tell.
        let is_of_the_type = content_type.is_empty()
            || content_type.to_ascii_lowercase().starts_with("application/vnd.amazon.eventstream");
        let length = Body::size_hint(response.body()).exact();
        if status == 200 && is_of_the_type && length != Some(0) {
            return Ok(());
        }
        let length =
            length.map_or_else(|| "of unknown length".to_owned(), |n| format!("{n} bytes"));
        Err(Self { status, content_type: content_type.to_owned(), length })
    }
}

/// A body whose bytes pass unchanged, while the event-stream frames in them are kept.
struct TappedBody {
    body: SdkBody,
    /// The beginning of a frame whose rest has not arrived.
    partial: BytesMut,
    /// A length is none that a frame can have. The SDK will say so when it comes to it.
    broken: bool,
    events: WireEvents,
}

impl TappedBody {
    fn new(body: SdkBody, events: WireEvents) -> Self {
        Self { body, partial: BytesMut::new(), broken: false, events }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        self.partial.extend_from_slice(bytes);
        let mut queue = self.events.queue();
        while let Some(length) = number(&self.partial) {
            if length < PRELUDE + CHECKSUM {
                self.broken = true;
                self.partial = BytesMut::new();
            } else if length <= self.partial.len() {
                queue.push_back(WireEvent { frame: self.partial.split_to(length).freeze() });
            } else {
                break;
            }
        }
    }
}

impl Body for TappedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            self.keep(bytes);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests;
