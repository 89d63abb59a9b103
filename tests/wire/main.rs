//! What a network, a proxy and a broken server can put on the wire: each test is named after what
//! broke, and the function under test is the real process, talking to a server that answers any bytes.
#![cfg(feature = "local")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../local_support/mod.rs"]
mod local_support;
#[path = "../stage/mod.rs"]
mod stage;

mod agents;
mod clock;
mod events;
mod limits;
mod posts;
mod server;
mod turn;
