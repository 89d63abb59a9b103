//! Input that somebody made up to do harm, or by mistake: nothing panics, and what is accepted is
//! what it must be. `docs/operations.md` says how to run
//! a million cases.

use agent_relay::config::{BedrockAgentConfig, Config, is_session_or_memory_id};
use agent_relay::invocation::{ConnectionRef, Invocation, Message, Principal};
use agent_relay::request::{Input, InvalidRequest, Run};
use agent_relay::source::Source as _;
use agent_relay::source::bedrock_agent::{Action, BedrockAgent, MAX_CALLS, ToolCallId};
use aws_config::{BehaviorVersion, SdkConfig};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

fn config() -> Config {
    Config::from_lookup(|name| {
        let value = match name {
            "AGENT_ID" => "ABCDE12345",
            "AGENT_ALIAS_ID" => "TSTALIASID",
            "MAX_PROMPT_CHARS" => "50",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap()
}

/// An agent that is never called.
fn agent() -> BedrockAgent {
    let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    let agent = BedrockAgentConfig {
        agent_id: "ABCDE12345".to_owned(),
        agent_alias_id: "TSTALIASID".to_owned(),
        memory_id: None,
    };
    BedrockAgent::new(&sdk, agent)
}

fn message(body: Vec<u8>, principal: Option<String>) -> Message {
    Message {
        connection: ConnectionRef {
            connection_id: "JKJZ8fTwSQhgCIhw=".to_owned(),
            ..ConnectionRef::default()
        },
        request_id: "JKJaXdwwPyCgFMaA=".to_owned(),
        principal: principal.map(|subject| Principal { subject, email: None }),
        body,
    }
}

/// Checks what holds for every message, understood or not.
fn check(message: &Message) -> Result<(), TestCaseError> {
    match Run::parse(message, &config()) {
        Ok(run) => {
            prop_assert!(is_session_or_memory_id(&run.session_id), "{}", run.session_id);
            prop_assert!(run.session_id.ends_with(&run.thread_id));
            prop_assert_eq!(run.session_id == run.thread_id, message.principal.is_none());
            prop_assert!((1..=128).contains(&run.run_id.len()));
            prop_assert!(!run.trace, "no trace is allowed");
            let accepted = agent().prepare(&run, Instant::now()).is_ok();
            match run.input {
                Input::Prompt(prompt) => {
                    prop_assert!(!prompt.trim().is_empty() && prompt.chars().count() <= 50);
                }
                Input::Whole => prop_assert!(false, "an agent reads no whole input"),
                Input::ToolResults(tool_results) => {
                    let results = &tool_results.results;
                    for result in results {
                        prop_assert!(result.content.is_some() || result.confirmed.is_some());
                    }
                    if accepted {
                        prop_assert!((1..=MAX_CALLS).contains(&results.len()));
                        let ids =
                            results.iter().map(|result| ToolCallId::decode(&result.tool_call_id));
                        let ids: Vec<ToolCallId> = ids.map(Option::unwrap).collect();
                        let session = ToolCallId::session_fingerprint(&run.session_id);
                        for id in &ids {
                            prop_assert_eq!(&id.invocation_id, &ids[0].invocation_id);
                            prop_assert_eq!(&id.session, &session);
                        }
                    }
                }
            }
        }
        Err(invalid) => {
            prop_assert!(!invalid.reason.is_empty());
            let message = InvalidRequest::failure(&invalid.reason).message;
            prop_assert!(message.len() < 4000, "{}", message.len());
        }
    }
    Ok(())
}

fn tool_call_id() -> impl Strategy<Value = ToolCallId> {
    let action = prop_oneof![
        ".{0,20}".prop_map(|function| Action::Function { function }),
        (".{0,10}", ".{0,20}").prop_map(|(method, path)| Action::Api { method, path }),
    ];
    let session = prop_oneof![
        3 => Just(ToolCallId::session_fingerprint("thread-1")),
        1 => ".{0,10}".prop_map(|session| session),
    ];
    let invocation_id = prop_oneof![3 => Just("invocation-1".to_owned()), 1 => ".{0,20}"];
    (session, invocation_id, 0_usize..3, prop::option::of(".{0,10}"), ".{0,20}", action).prop_map(
        |(session, invocation_id, number, agent_id, action_group, action)| ToolCallId {
            session,
            invocation_id,
            number,
            agent_id,
            action_group,
            action,
        },
    )
}

/// A leaf that is likely to be right somewhere, and wrong elsewhere.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            " ",
            "hello",
            "thread-1",
            "no good",
            "user",
            "assistant",
            "tool",
            "text",
            "image",
            "resolved",
            "cancelled",
        ])
        .prop_map(Value::from),
        ".{0,60}".prop_map(Value::from),
        tool_call_id().prop_map(|id| Value::from(id.encode())),
    ]
}

/// A field that means something, mostly.
fn key() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "prompt",
        "email",
        "sessionId",
        "trace",
        "sessionAttributes",
        "promptSessionAttributes",
        "endSession",
        "action",
        "toolResults",
        "threadId",
        "runId",
        "messages",
        "forwardedProps",
        "resume",
        "id",
        "role",
        "content",
        "type",
        "text",
        "toolCallId",
        "error",
        "confirmed",
        "interruptId",
        "status",
        "payload",
    ]);
    prop_oneof![30 => known.prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn any_json() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A `RunAgentInput` of which only the parts are made up.
fn agui() -> impl Strategy<Value = Value> {
    let role = prop::sample::select(vec!["user", "assistant", "tool", "system"]);
    let call = || tool_call_id().prop_map(|id| id.encode());
    let chat = (role, prop_oneof![3 => ".{0,60}".prop_map(Value::from), 1 => any_json()], call())
        .prop_map(|(role, content, id)| {
            json!({"id": "1", "role": role, "content": content, "toolCallId": id})
        });
    let resume = (call(), prop::sample::select(vec!["resolved", "cancelled", "?"]), any_json())
        .prop_map(|(id, status, payload)| json!({"interruptId": id, "status": status, "payload": payload}));
    (prop::collection::vec(chat, 0..7), prop::collection::vec(resume, 0..4), any_json()).prop_map(
        |(messages, resume, forwarded)| {
            json!({
                "threadId": "thread-1", "runId": "run-1", "messages": messages, "resume": resume,
                "forwardedProps": forwarded
            })
        },
    )
}

proptest! {
    #[test]
    fn hostile_bytes_are_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&message(body, None))?;
    }

    #[test]
    fn hostile_json_is_understood_or_refused(
        body in any_json(),
        principal in prop::option::of(".{1,20}"),
    ) {
        check(&message(body.to_string().into_bytes(), principal))?;
    }

    #[test]
    fn hostile_run_agent_inputs_are_understood_or_refused(body in agui()) {
        check(&message(body.to_string().into_bytes(), None))?;
    }

    #[test]
    fn hostile_events_are_classified(event in any_json()) {
        let _ = Invocation::classify(&event);
    }

    #[test]
    fn a_hostile_tool_call_id_survives_the_way_there_and_back(id in tool_call_id()) {
        prop_assert_eq!(ToolCallId::decode(&id.encode()), Some(id));
    }

    #[test]
    fn hostile_tool_call_ids_are_refused(text in "[0-9a-zA-Z_=-]{0,200}|.{0,50}") {
        if let Some(id) = ToolCallId::decode(&text) {
            prop_assert_eq!(ToolCallId::decode(&id.encode()), Some(id));
        }
    }
}
