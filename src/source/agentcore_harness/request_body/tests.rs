use serde_json::{Value, json};

use super::*;

fn id(input: &str) -> ToolCallId {
    ToolCallId {
        session: "session".to_owned(),
        tool_use_id: "tooluse_1".to_owned(),
        name: "search".to_owned(),
        input: input.to_owned(),
    }
}

fn result(id: &str, content: Option<&str>) -> ToolResult {
    ToolResult {
        tool_call_id: id.to_owned(),
        id_field: "messages[2].toolCallId".to_owned(),
        content: content.map(str::to_owned),
        failed: false,
        error: None,
        confirmed: None,
    }
}

fn results(field: &'static str, results: Vec<ToolResult>) -> ToolResults {
    ToolResults { field, results }
}

fn body(messages: &Messages) -> Value {
    let body = RequestBody { actor_id: Some("ada"), messages, time: Duration::from_millis(12_900) };
    serde_json::from_slice(&body.json()).unwrap()
}

#[test]
fn a_prompt_is_one_message_and_nothing_else_is_sent() {
    let prompt = Messages::Prompt("Grüße".to_owned());
    assert_eq!(
        body(&prompt),
        json!({
            "messages": [{"role": "user", "content": [{"text": "Grüße"}]}],
            "actorId": "ada",
            "timeoutSeconds": 12,
        })
    );
    let body = RequestBody { actor_id: None, messages: &prompt, time: Duration::ZERO };
    let body: Value = serde_json::from_slice(&body.json()).unwrap();
    assert_eq!(body["timeoutSeconds"], 1);
    assert_eq!(body.get("actorId"), None);
}

#[test]
fn results_come_behind_their_calls_whose_numbers_keep_every_digit() {
    let calls = results("toolResults", vec![result(&id(r#"{"n":1.10}"#).encode(), Some("21 °C"))]);
    let messages = Messages::ToolResults(answered(&calls, "session").unwrap());
    let body = RequestBody { actor_id: None, messages: &messages, time: Duration::from_secs(9) };
    assert_eq!(
        String::from_utf8(body.json()).unwrap(),
        concat!(
            r#"{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"tooluse_1","name":"search","input":{"n":1.10}}}]},"#,
            r#"{"role":"user","content":[{"toolResult":{"toolUseId":"tooluse_1","content":[{"text":"21 °C"}],"status":"success"}}]}],"#,
            r#""timeoutSeconds":9}"#
        )
    );
}

#[test]
fn an_input_that_is_no_json_goes_back_as_a_string_and_none_as_an_empty_object() {
    for (input, sent) in [("", json!({})), ("{\"half", json!("{\"half")), ("[1]", json!([1]))] {
        let calls = results("toolResults", vec![result(&id(input).encode(), Some("x"))]);
        let messages = Messages::ToolResults(answered(&calls, "session").unwrap());
        let body = body(&messages);
        assert_eq!(body["messages"][0]["content"][0]["toolUse"]["input"], sent);
    }
}

#[test]
fn what_went_wrong_and_what_the_user_declined_are_errors() {
    let encoded = id("{}").encode();
    let failed = ToolResult { failed: true, ..result(&encoded, Some("no sensor")) };
    let declined = ToolResult { confirmed: Some(false), ..result(&encoded, None) };
    let confirmed = ToolResult { confirmed: Some(true), ..result(&encoded, Some("done")) };
    let both = ToolResult {
        failed: true,
        error: Some("disk full".to_owned()),
        ..result(&encoded, Some("half done"))
    };
    for (result, status, text) in [
        (failed, "error", "no sensor"),
        (both, "error", "disk full\n\nhalf done"),
        (declined, "error", "The user declined the call."),
        (confirmed, "success", "done"),
        (result(&encoded, Some("")), "success", "(nothing was returned)"),
    ] {
        let calls = results("toolResults", vec![result]);
        let sent = body(&Messages::ToolResults(answered(&calls, "session").unwrap()));
        let sent = &sent["messages"][1]["content"][0]["toolResult"];
        assert_eq!(sent["status"], status);
        assert_eq!(sent["content"], json!([{"text": text}]));
    }
}

#[test]
fn results_that_can_not_be_sent_say_why() {
    let encoded = id("{}").encode();
    let refused = |results: ToolResults, session: &str| answered(&results, session).unwrap_err();
    let foreign = results("toolResults", vec![result("tooluse_9", Some("x"))]);
    assert!(refused(foreign, "session").contains("is not the id of a tool call"));
    let other = results("toolResults", vec![result(&encoded, Some("x"))]);
    assert!(refused(other, "another").contains("another conversation"));
    let only_yes = ToolResult { confirmed: Some(true), ..result(&encoded, None) };
    assert!(
        refused(results("toolResults", vec![only_yes]), "session").contains("waits for a result")
    );
}

#[test]
fn results_of_tools_that_the_harness_ran_stay_in_the_history() {
    let encoded = id("{}").encode();
    let both = vec![result("tooluse_9", Some("of the harness")), result(&encoded, Some("x"))];
    assert_eq!(answered(&results("messages", both.clone()), "session").unwrap().len(), 1);
    // Nobody writes those by hand.
    assert!(answered(&results("toolResults", both), "session").is_err());
    let foreign = vec![result("tooluse_9", Some("of the harness"))];
    assert!(answered(&results("messages", foreign), "session").is_err());
}
