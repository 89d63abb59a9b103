//! API Gateway's WebSocket side: handshakes, connections, and the events they send to the function.
//!
//! From the ground up: a [`socket`] has frames, limits and close statuses; a [`connection`] has a
//! queue, a state and faults; an [`event`] says what the function is told of it; the [`state`] has
//! all connections and the way to the function, which the [`authorizer`] uses, too; a [`session`]
//! serves one connection; and the [`handshake`] begins it.

mod authorizer;
mod connection;
mod event;
mod handshake;
mod session;
mod socket;
mod state;

pub(crate) use connection::{Connection, PostError};
pub(crate) use handshake::router;
pub(crate) use state::Gateway;
