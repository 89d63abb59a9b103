//! An id of a tool call that can be read can be written and read again, and says the same.

#![no_main]

use agent_relay::source::bedrock_agent::ToolCallId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;

fn check(text: &str) {
    if let Some(id) = ToolCallId::decode(text) {
        assert_eq!(ToolCallId::decode(&id.encode()), Some(id));
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        check(text);
    }
    // What is inside the base64, since made-up text is hardly ever base64 of JSON.
    check(&URL_SAFE_NO_PAD.encode(data));
});
