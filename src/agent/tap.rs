//! A tap on the agent's event stream: each event's own JSON, beside the SDK's typed event.
//!
//! The SDK's types can't be serialised and know only what they were generated from. So an
//! interceptor puts a tap between the connection and the SDK's decoder, which decodes the same
//! frames and keeps each event's type and payload. The SDK decodes only what has passed the tap, so
//! the events of the two come in pairs, in order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use aws_sdk_bedrockagentruntime::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_bedrockagentruntime::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_bedrockagentruntime::error::BoxError;
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_eventstream::smithy::parse_response_headers;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::event_stream::Message;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// An event as it came on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WireEvent {
    /// Its type: `chunk`, `trace`, or one that the SDK does not know yet.
    pub(crate) name: String,
    /// Its payload: JSON, if the agent keeps to its protocol.
    pub(crate) payload: Bytes,
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
            let body = response.take_body();
            let tapped = TappedBody {
                body,
                decoder: MessageFrameDecoder::new(),
                undecoded: BytesMut::new(),
                broken: false,
                events: self.events.clone(),
            };
            *response.body_mut() = SdkBody::from_body_1_x(tapped);
        }
        Ok(())
    }
}

/// A body whose bytes pass unchanged, while the event-stream frames in them are decoded.
struct TappedBody {
    body: SdkBody,
    decoder: MessageFrameDecoder,
    /// The beginning of a frame whose rest has not arrived.
    undecoded: BytesMut,
    /// A frame could not be decoded. The SDK will say so when it comes to it.
    broken: bool,
    events: WireEvents,
}

impl TappedBody {
    fn decode(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        self.undecoded.extend_from_slice(bytes);
        let mut queue = self.events.queue();
        while !self.undecoded.is_empty() {
            match self.decoder.decode_frame(&mut self.undecoded) {
                Ok(DecodedFrame::Complete(message)) => queue.extend(event_of(&message)),
                Ok(DecodedFrame::Incomplete) => break,
                Err(_) => {
                    self.broken = true;
                    self.undecoded = BytesMut::new();
                }
            }
        }
    }
}

/// The event in a frame; `None` for an exception, which the SDK returns as an error.
fn event_of(message: &Message) -> Option<WireEvent> {
    let headers = parse_response_headers(message).ok()?;
    (headers.message_type.as_str() == "event").then(|| WireEvent {
        name: headers.smithy_type.as_str().to_owned(),
        payload: message.payload().clone(),
    })
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
            self.decode(bytes);
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
