//! Agent Relay.
