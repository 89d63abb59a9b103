//! Agent Relay.
#[cfg(feature = "local")]
pub mod local;
pub mod page;
