//! Where answers come from.

pub mod bedrock_agent;
mod event_stream;
mod payload;
