//! Tests of the results.

use std::time::SystemTime;

use serde_json::json;

use super::*;
use crate::agent::address::Address;
use crate::agent::scenario_files::{CONFIRM, CONFIRM_RESULT, TOOL, TOOL_TEAM};
use crate::agent::script::Step;

const AGENT: &str = "LOCALAGENT";

fn with_turn<T>(act: impl FnOnce(&TurnContext<'_>) -> T) -> T {
    let address = Address::example("session");
    let now = SystemTime::UNIX_EPOCH;
    act(&TurnContext {
        address: &address,
        prompt: "results",
        id: "asked",
        number: 2,
        traced: true,
        now,
        files: &[],
    })
}

/// What a scenario asks for, its first calls.
fn pending(timeline: &str, calls: usize) -> ReturnControl {
    let script = with_turn(|turn| play(timeline, &turn.placeholders()));
    script.return_control().unwrap().with_calls(calls).unwrap()
}

/// What the agent says, or why it refuses or fails.
fn answer(pending: &ReturnControl, results: &Value) -> Result<String, String> {
    let results = read(Some(pending), Some("asked"), results.as_array().unwrap(), AGENT)?;
    match results.failure() {
        None => Ok(text(&with_turn(|turn| results.script(turn)))),
        Some(message) => Err(message),
    }
}

fn text(script: &Script) -> String {
    let chunks = script.steps.iter().filter_map(|step| match step {
        Step::Chunk { bytes, .. } => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        _ => None,
    });
    chunks.collect()
}

fn weather(body: &str) -> Value {
    json!({ "functionResult": {
        "actionGroup": "weather",
        "function": "get_weather",
        "responseBody": { "TEXT": { "body": body } },
    } })
}

fn refund() -> Value {
    json!({ "apiResult": {
        "actionGroup": "orders",
        "httpMethod": "POST",
        "apiPath": "/orders/{orderId}/refunds",
        "httpStatusCode": 201,
        "responseBody": { "application/json": { "body": "{\"refunded\":true}" } },
    } })
}

fn with(mut result: Value, key: &str, value: Value) -> Value {
    let member = result.as_object_mut().unwrap().values_mut().next().unwrap();
    member[key] = value;
    result
}

#[test]
fn results_of_both_kinds_are_quoted_in_any_order() {
    let pending = pending(TOOL, 2);
    for results in [json!([weather("14 °C"), refund()]), json!([refund(), weather("14 °C")])] {
        let text = answer(&pending, &results).unwrap();
        assert!(text.contains("`weather get_weather` returned `14 °C`."), "{text}");
        assert!(text.contains(r#"returned `{"refunded":true}`."#), "{text}");
        assert!(text.contains("still turn 2"), "{text}");
    }
}

#[test]
fn a_long_result_or_one_with_code_becomes_a_block_that_nothing_in_it_ends() {
    let pending = pending(TOOL, 1);
    let text = answer(&pending, &json!([weather("one\n````\ntwo")])).unwrap();
    assert!(text.contains("  `````\n  one\n  ````\n  two\n  `````\n"), "{text}");
    let long = "ü".repeat(5000);
    let text = answer(&pending, &json!([weather(&long)])).unwrap();
    assert!(text.contains(&format!("{}…", "ü".repeat(2000))), "{text}");
    assert!(!text.contains(&"ü".repeat(2001)));
}

#[test]
fn a_confirmation_needs_no_body_and_a_confirmed_result_does() {
    let result = |state: &str| {
        json!({ "functionResult": {
            "actionGroup": "bookings",
            "function": "cancel_booking",
            "confirmationState": state,
        } })
    };
    let ask = pending(CONFIRM, 1);
    let text = answer(&ask, &json!([result("CONFIRM")])).unwrap();
    assert!(text.contains("You **confirmed** `bookings cancel_booking`"), "{text}");
    let text = answer(&ask, &json!([result("DENY")])).unwrap();
    assert!(text.contains("You **declined** `bookings cancel_booking`"), "{text}");

    let both = pending(CONFIRM_RESULT, 1);
    assert!(answer(&both, &json!([result("DENY")])).unwrap().contains("**declined**"));
    let bare = answer(&both, &json!([result("CONFIRM")])).unwrap_err();
    assert!(bare.contains("responseBody is required"), "{bare}");
    let full = with(result("CONFIRM"), "responseBody", json!({ "TEXT": { "body": "done" } }));
    let text = answer(&both, &json!([full])).unwrap();
    assert!(text.contains("was **confirmed** and returned `done`."), "{text}");
}

#[test]
fn a_failure_fails_the_turn_and_a_reprompt_does_not() {
    let pending = pending(TOOL, 1);
    let failure = with(weather("no such city"), "responseState", json!("FAILURE"));
    let message = answer(&pending, &json!([failure])).unwrap_err();
    assert_eq!(message, "The caller reported that 'weather get_weather' failed: no such city",);
    let reprompt = with(weather("which city?"), "responseState", json!("REPROMPT"));
    let text = answer(&pending, &json!([reprompt])).unwrap();
    assert!(text.contains("wants to be asked again `which city?`."), "{text}");
}

#[test]
fn a_collaborators_question_is_answered_with_its_id_or_without() {
    let pending = pending(TOOL_TEAM, 1);
    let result = json!({ "functionResult": {
        "actionGroup": "station",
        "function": "read_thermometer",
        "responseBody": { "TEXT": { "body": "14" } },
    } });
    assert!(answer(&pending, &json!([result])).is_ok());
    assert!(
        answer(&pending, &json!([with(result.clone(), "agentId", json!("SKYAGENT01"))])).is_ok()
    );
    let foreign = answer(&pending, &json!([with(result, "agentId", json!(AGENT))])).unwrap_err();
    assert!(foreign.contains("the agent 'LOCALAGENT' did not ask"), "{foreign}");
}

#[test]
fn what_does_not_fit_the_question_is_refused_with_the_reason() {
    let ask = pending(TOOL, 2);
    let good = weather("14");
    let cases = [
        (json!([]), "from 1 to 5 members, not 0"),
        (json!([good, good, good, good, good, good]), "from 1 to 5 members, not 6"),
        (json!([good]), "no result of 'orders POST /orders/{orderId}/refunds'"),
        (json!([good, good]), "[1]: 'weather get_weather' has a result already"),
        (json!([{}]), "[0]: it has a wrong shape"),
        (json!([{ "weatherResult": {} }]), "[0]: it has a wrong shape"),
        (
            json!([{ "functionResult": { "function": "get_weather" } }]),
            "missing field `actionGroup`",
        ),
        (json!([with(good.clone(), "responseBody", json!(null))]), "responseBody is required"),
        (json!([with(good.clone(), "responseBody", json!({}))]), "exactly one content type"),
        (
            json!([with(good.clone(), "responseBody", json!({ "text/plain": { "body": "" } }))]),
            "a function's responseBody is TEXT, not 'text/plain'",
        ),
        (
            json!([with(good.clone(), "responseBody", json!({ "TEXT": {} }))]),
            "responseBody.TEXT has no body",
        ),
        (json!([with(good.clone(), "responseState", json!("FAILED"))]), "unknown variant `FAILED`"),
        (
            json!([with(good.clone(), "confirmationState", json!("CONFIRM"))]),
            "no confirmationState is expected",
        ),
        (
            json!([with(good.clone(), "actionGroup", json!("orders"))]),
            "did not ask for the function 'get_weather' of the action group 'orders'",
        ),
        (
            json!([with(refund(), "apiPath", json!("/orders"))]),
            "did not ask for the API 'POST /orders' of the action group 'orders'",
        ),
        (
            json!([{ "apiResult": good["functionResult"] }]),
            "did not ask for the API '? ?' of the action group 'weather'",
        ),
    ];
    for (results, reason) in cases {
        let message = answer(&ask, &results).unwrap_err();
        assert!(message.contains(reason), "{results}: {message}");
    }
    let confirm = pending(CONFIRM, 1);
    let bare = json!([{ "functionResult": {
        "actionGroup": "bookings", "function": "cancel_booking",
    } }]);
    let message = answer(&confirm, &bare).unwrap_err();
    assert!(message.contains("confirmationState CONFIRM or DENY is required"), "{message}");
}

#[test]
fn results_need_the_id_of_the_question_that_is_pending() {
    let ask = pending(TOOL, 1);
    let cases = [
        (Some(&ask), None, "sessionState.invocationId is required"),
        (Some(&ask), Some("other"), "The invocationId 'other' is not the one"),
        (None, Some("asked"), "No return of control is pending in this session"),
    ];
    for (pending, id, reason) in cases {
        let refused = read(pending, id, &[weather("14")], AGENT);
        let Err(message) = refused else { panic!("{id:?} is accepted") };
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn the_same_call_may_be_asked_for_twice() {
    let payload = r#"{"invocationId":"asked","invocationInputs":[
        {"functionInvocationInput":{"actionGroup":"weather","function":"get_weather"}},
        {"functionInvocationInput":{"actionGroup":"weather","function":"get_weather"}}
    ]}"#;
    let twice = ReturnControl::from_payload(serde_json::from_str(payload).unwrap()).unwrap();
    let missing = answer(&twice, &json!([weather("14")])).unwrap_err();
    assert!(missing.contains("no result of 'weather get_weather'"), "{missing}");
    let text = answer(&twice, &json!([weather("14"), weather("15")])).unwrap();
    assert!(text.contains("returned `14`.") && text.contains("returned `15`."), "{text}");
}
