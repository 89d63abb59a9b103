//! The Lambda service, as far as one function needs it: events for the function, and what it answers.

mod runtime_api;
mod service;
mod streamed_response;

pub(crate) use runtime_api::router;
pub(crate) use service::{InvokeError, InvokeRequest, Lambda, PollHold};
