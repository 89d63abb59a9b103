//! What the scripted agent, harness and runtime have in common: bytes, words, pace, files and sessions.
//!
//! Nothing here knows what any of them says.

pub(crate) mod event_stream;
pub(crate) mod json;
pub(crate) mod pace;
pub(crate) mod placeholders;
pub(crate) mod playing;
pub(crate) mod prompt_arguments;
pub(crate) mod recently_used;
pub(crate) mod recording;
pub(crate) mod recording_proxy;
pub(crate) mod session_run;
pub(crate) mod sessions;
pub(crate) mod speech;
pub(crate) mod timeline_folder;
pub(crate) mod timeline_lines;
