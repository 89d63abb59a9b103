//! Whatever a client sends, it is understood or refused with a reason, and what is understood is what a
//! source takes.

#![no_main]

use std::sync::LazyLock;

use agent_relay::config::{Config, is_session_or_memory_id};
use agent_relay::invocation::{ConnectionRef, Message, Principal};
use agent_relay::request::{Input, Run};
use agent_relay::source::bedrock_agent::InvokeAgentOptions;
use libfuzzer_sys::fuzz_target;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let value = |name: &str| match name {
        "AGENT_ID" => Some("ABCDE12345".to_owned()),
        "AGENT_ALIAS_ID" => Some("TSTALIASID".to_owned()),
        _ => None,
    };
    Config::from_lookup(value).unwrap()
});

fuzz_target!(|data: &[u8]| {
    let parse = |principal: Option<&str>| {
        let connection = ConnectionRef {
            connection_id: "JKJZ8fTwSQhgCIhw=".to_owned(),
            ..ConnectionRef::default()
        };
        let message = Message {
            connection,
            request_id: "JKJaXdwwPyCgFMaA=".to_owned(),
            principal: principal
                .map(|subject: &str| Principal { subject: subject.to_owned(), email: None }),
            body: data.to_vec(),
        };
        Run::<InvokeAgentOptions>::parse(&message, &CONFIG)
    };
    match parse(None) {
        Ok(run) => {
            assert!(is_session_or_memory_id(&run.session_id), "{}", run.session_id);
            assert!(run.session_id == run.thread_id);
            assert!((1..=128).contains(&run.run_id.len()));
            assert!(!run.trace, "no trace is allowed");
            if let Input::Prompt(prompt) = &run.input {
                assert!(!prompt.trim().is_empty());
            }
        }
        Err(invalid) => assert!(!invalid.reason.is_empty()),
    }
    // Whoever is known gets a session of his own.
    if let Ok(run) = parse(Some("alice")) {
        assert!(is_session_or_memory_id(&run.session_id), "{}", run.session_id);
        assert!(run.session_id.ends_with(&format!(":{}", run.thread_id)));
    }
});
