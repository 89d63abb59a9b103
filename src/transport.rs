//! Where frames go.

pub mod websocket;
