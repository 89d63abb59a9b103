//! API Gateway's regional REST API with the response transfer mode `STREAM`: every request to its one
//! resource is an event for the function, payload format 1.0, and what it returns goes to the client as it
//! comes.
//!
//! API Gateway notices a client that leaves, but has no way to tell a function: that one works on, and the
//! rest of its response goes nowhere.
//!
//! Sources: the pages "Stream the integration response for your proxy integrations in API Gateway" and "Set
//! up a Lambda proxy integration with payload response streaming in API Gateway".
//!
//! From the ground up: an [`event`] says what the function is told of a request; a [`gateway_error`] is what
//! API Gateway says itself; the [`state`] has the way to the function and what is under way; an [`exchange`]
//! is one request and its response; and the [`handler`] begins it.

mod event;
mod exchange;
mod gateway_error;
mod handler;
mod state;

pub(crate) use handler::router;
pub(crate) use state::RestApi;
