use serde_json::json;

use super::*;
use crate::config::Config;
use crate::invocation::{ConnectionRef, Message};
use crate::request::{Input, Run, messages_of};
use crate::source::agentcore_harness::HarnessOptions;
use crate::source::bedrock_agent::InvokeAgentOptions;

fn config(files: &str) -> Config {
    let variables = [("AGENT_ID", "A"), ("AGENT_ALIAS_ID", "B"), ("FILE_USE", files)];
    Config::from_lookup(|name| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    })
    .unwrap()
}

fn message(body: &Value) -> Message {
    Message {
        connection: ConnectionRef::default(),
        request_id: "request-1".to_owned(),
        principal: None,
        body: body.to_string().into(),
    }
}

fn parse(body: &Value) -> Result<Run<InvokeAgentOptions>, String> {
    let mut body = body.clone();
    if body.get("messages").is_none() {
        body["sessionId"] = json!("thread-1");
    }
    Run::parse(&message(&body), &config("chat")).map_err(|invalid| invalid.reason)
}

fn short(files: &Value) -> Value {
    json!({"prompt": "what is this?", "files": files})
}

fn agui(parts: &[Value]) -> Value {
    let text = json!({"type": "text", "text": "what is this?"});
    let content: Vec<&Value> = [&text].into_iter().chain(parts).collect();
    json!({
        "threadId": "thread-1", "runId": "run-1",
        "messages": [{"id": "m1", "role": "user", "content": content}],
    })
}

fn csv() -> Value {
    json!({"name": "a.csv", "mediaType": "text/csv", "data": "YSxi"})
}

fn binary() -> Value {
    json!({"type": "binary", "mimeType": "text/csv", "filename": "a.csv", "data": "YSxi"})
}

fn document() -> Value {
    json!({
        "type": "document", "metadata": {"filename": "a.csv"},
        "source": {"type": "data", "mimeType": "text/csv", "value": "YSxi"},
    })
}

fn with(mut value: Value, pointer: &str, member: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = member;
    value
}

#[test]
fn a_file_is_the_same_in_all_forms() {
    let expected = RequestedFile {
        name: "a.csv".to_owned(),
        media_type: "text/csv".to_owned(),
        file_use: None,
        content: FileContent::Here(b"a,b".to_vec()),
    };
    for body in [short(&json!([csv()])), agui(&[binary()]), agui(&[document()])] {
        let run = parse(&body).unwrap();
        assert_eq!(run.input, Input::Prompt("what is this?".to_owned()));
        assert_eq!(run.files, std::slice::from_ref(&expected), "{body}");
    }
}

#[test]
fn an_upload_is_named_in_all_forms() {
    for body in [
        short(&json!([{"name": "a.csv", "mediaType": "text/csv", "upload": "id-1"}])),
        agui(&[
            json!({"type": "binary", "mimeType": "text/csv", "filename": "a.csv", "id": "id-1"}),
        ]),
        agui(&[json!({
            "type": "image", "metadata": {"filename": "a.csv"},
            "source": {"type": "file", "mimeType": "text/csv", "value": "id-1"},
        })]),
    ] {
        let files = parse(&body).unwrap().files;
        assert_eq!(files[0].content, FileContent::Uploaded("id-1".to_owned()), "{body}");
    }
}

#[test]
fn what_the_agent_is_to_do_with_a_file_can_be_said() {
    let mut file = csv();
    file["useCase"] = json!("CODE_INTERPRETER");
    let mut part = document();
    part["metadata"]["useCase"] = json!("CODE_INTERPRETER");
    for body in [short(&json!([file])), agui(&[part])] {
        assert_eq!(parse(&body).unwrap().files[0].file_use, Some(FileUse::CodeInterpreter));
    }
}

#[test]
fn a_part_without_a_name_gets_one() {
    let without = |mut part: Value, member: &str| {
        part.as_object_mut().unwrap().remove(member);
        part
    };
    let parts = [without(binary(), "filename"), without(document(), "metadata")];
    let files = parse(&agui(&parts)).unwrap().files;
    let names: Vec<&str> = files.iter().map(|file| &*file.name).collect();
    assert_eq!(names, ["file-1.csv", "file-2.csv"]);
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let named = |name: &str| with(csv(), "/name", json!(name));
    let typed = |media_type: &str| with(csv(), "/mediaType", json!(media_type));
    let many: Vec<Value> = (0..6).map(|n| named(&format!("{n}.csv"))).collect();
    let large = STANDARD.encode(vec![0; MAX_FILES_BYTES / 2 + 1]);
    let large = |name: &str| with(named(name), "/data", json!(large));
    for (files, wrong) in [
        (json!({}), "`files` must be a list"),
        (json!([7]), "`files[0]` must be an object"),
        (
            json!([with(csv(), "/data", json!("data:text/csv;base64,YSxi"))]),
            "`files[0].data` is not base64",
        ),
        (json!([with(csv(), "/data", json!("YSx"))]), "`files[0].data` is not base64"),
        (json!([with(csv(), "/data", json!(""))]), "\"a.csv\" is empty"),
        (json!([{"name": "a.csv", "mediaType": "text/csv"}]), "neither `data` nor `upload`"),
        (
            json!([{"name": "a", "mediaType": "a/b", "data": "", "upload": "x"}]),
            "both `data` and `upload`",
        ),
        (json!([{"mediaType": "text/csv", "data": "YSxi"}]), "`files[0].name` is missing"),
        (json!([{"name": "a.csv", "data": "YSxi"}]), "`files[0].mediaType` is missing"),
        (
            json!([{"name": "a.csv", "mediaType": "a/b", "data": "YSxi", "useCase": "READ"}]),
            "must be CHAT or CODE_INTERPRETER",
        ),
        (
            json!([{"name": "a.csv", "mediaType": "a/b", "data": "YSxi", "size": 3}]),
            "`files[0].size`",
        ),
        (json!([named("")]), "is no name of a file"),
        (json!([named("../a")]), "is no name of a file"),
        (json!([named("a\\b")]), "is no name of a file"),
        (json!([named("a\u{0}b")]), "is no name of a file"),
        (json!([named("..")]), "is no name of a file"),
        (json!([named(&"x".repeat(256))]), "is no name of a file"),
        (json!([csv(), csv()]), "Two files have the name \"a.csv\""),
        (json!([typed("csv")]), "is no media type"),
        (json!([typed("text/csv; charset=utf-8")]), "is no media type"),
        (json!([typed("text/")]), "is no media type"),
        (json!(many), "has 6 files, and the agent takes at most 5"),
        (json!([large("a"), large("b")]), "10485762 bytes together"),
    ] {
        let reason = parse(&short(&files)).unwrap_err();
        assert!(reason.contains(wrong), "{wrong}: {reason}");
    }
    let results = json!({"toolResults": [{"toolCallId": "a", "content": "b"}], "files": [csv()]});
    assert!(parse(&results).unwrap_err().contains("both `files` and `toolResults`"));
}

#[test]
fn what_is_wrong_with_a_part_is_said() {
    let source = |source: Value| with(document(), "/source", source);
    for (part, wrong) in [
        (
            json!({"type": "binary", "mimeType": "a/b", "url": "https://a.example/b"}),
            "`messages[0].content[1].url` is an address",
        ),
        (
            source(json!({"type": "url", "value": "https://a.example/b"})),
            "`messages[0].content[1].source` is an address",
        ),
        (source(json!({"type": "disk", "value": "b"})), "is of the type `disk`"),
        (
            source(json!({"type": "data", "value": "YSxi"})),
            "`messages[0].content[1].source.mimeType` is missing",
        ),
        (json!({"type": "binary", "mimeType": "a/b"}), "`messages[0].content[1].data` is missing"),
        (json!({"type": "binary", "data": "YSxi"}), "`messages[0].content[1].mimeType` is missing"),
        (
            json!({"type": "binary", "mimeType": "a/b", "data": "%"}),
            "`messages[0].content[1].data` is not base64",
        ),
        (json!({"type": "hologram"}), "the agent takes only text and files"),
    ] {
        let reason = parse(&agui(std::slice::from_ref(&part))).unwrap_err();
        assert!(reason.contains(wrong), "{part}: {reason}");
    }
}

#[test]
fn where_no_files_are_taken_that_is_said() {
    let refuse = |body: &Value| {
        Run::<InvokeAgentOptions>::parse(&message(body), &config("off")).unwrap_err().reason
    };
    assert!(refuse(&short(&json!([csv()]))).contains("the agent of this deployment takes none"));
    assert!(refuse(&agui(&[binary()])).contains("the agent takes only text."));
    let variables = [(
        "HARNESS_ARN",
        "arn:aws:bedrock-agentcore:eu-west-1:123456789012:harness/my_harness-AbCdEf1234",
    )];
    let harness = Config::from_lookup(|name| {
        variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    });
    let harness = harness.unwrap();
    assert_eq!(harness.files, None);
    for body in [short(&json!([csv()])), agui(&[document()])] {
        assert!(Run::<HarnessOptions>::parse(&message(&body), &harness).is_err(), "{body}");
    }
}

#[test]
fn files_of_earlier_messages_are_not_read() {
    let mut body =
        agui(&[json!({"type": "binary", "mimeType": "a/b", "url": "https://a.example/"})]);
    let last = json!({"id": "m2", "role": "user", "content": "and now?"});
    body["messages"].as_array_mut().unwrap().push(last);
    assert!(parse(&body).unwrap().files.is_empty());
}

#[test]
fn what_is_kept_names_files_and_has_none_of_their_bytes() {
    let kept = |body: &Value| messages_of(&message(body), true).unwrap();
    let short_form = kept(&short(&json!([csv(), with(csv(), "/name", json!("b.csv"))])));
    assert!(
        short_form
            .contains(r"what is this?\n\n[File: a.csv (text/csv)]\n\n[File: b.csv (text/csv)]"),
        "{short_form}"
    );
    let agui_form = kept(&agui(&[binary(), document()]));
    let messages: Value = serde_json::from_str(&agui_form).unwrap();
    let note = json!({"type": "text", "text": "[File: a.csv (text/csv)]"});
    let content = json!([{"type": "text", "text": "what is this?"}, note, note]);
    assert_eq!(messages[0]["content"], content);
    // An agent that gets the whole conversation each time gets its files each time.
    assert!(messages_of(&message(&agui(&[binary()])), false).unwrap().contains("YSxi"));
    for text in [short_form, agui_form] {
        assert!(!text.contains("YSxi"), "{text}");
    }
}

#[test]
fn nothing_of_a_file_is_in_a_log() {
    let run = parse(&short(&json!([csv()]))).unwrap();
    let uploaded = RequestedFile {
        content: FileContent::Uploaded("a secret".to_owned()),
        ..run.files[0].clone()
    };
    let shown = format!("{run:?} {uploaded:?}");
    assert!(!shown.contains("97, 44") && !shown.contains("a secret"), "{shown}");
}
