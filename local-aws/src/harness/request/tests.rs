//! Tests of what a request may be.

use serde_json::json;

use super::*;

fn user(content: impl Into<Value>) -> Value {
    json!({ "role": "user", "content": content.into() })
}

fn assistant(content: impl Into<Value>) -> Value {
    json!({ "role": "assistant", "content": content.into() })
}

fn tool_use(id: &str) -> Value {
    json!({ "toolUse": { "toolUseId": id, "name": "get_weather", "input": { "city": "Bern" } } })
}

fn tool_result(id: &str) -> Value {
    json!({ "toolResult": { "toolUseId": id, "content": [{ "text": "dry" }], "status": "success" } })
}

fn read(messages: impl Into<Value>) -> Result<Input, Refusal> {
    Request::read(&json!({ "messages": messages.into() })).map(|request| request.input)
}

#[test]
fn the_last_message_is_what_is_new() {
    let prompt = |text: &str| Ok(Input::Prompt(text.to_owned()));
    assert_eq!(read(json!([user(json!([{ "text": "hello" }]))])), prompt("hello"));
    assert_eq!(read(json!([user(json!([{ "text": "a" }, { "text": "b" }]))])), prompt("a\nb"));
    let history = json!([
        user(json!([{ "text": "hello" }])),
        assistant(json!([{ "text": "hi" }, tool_use("t1")])),
        user(json!([tool_result("t1")])),
        assistant(json!([{ "reasoningContent": { "reasoningText": { "text": "so" } } }])),
        user(json!([{ "text": "again" }])),
    ]);
    assert_eq!(read(history), prompt("again"));
    let result = |id: &str| ToolResult {
        tool_use_id: id.to_owned(),
        text: Some("dry".to_owned()),
        failed: false,
    };
    let results = Ok(Input::Results(vec![result("t1"), result("t2")]));
    let content = json!([tool_result("t2"), tool_result("t1")]);
    assert_eq!(read(json!([user(json!([tool_result("t1"), tool_result("t2")]))])), results);
    let calls = assistant(json!([tool_use("t1"), tool_use("t2")]));
    let both = read(json!([calls, user(content)])).unwrap();
    assert_eq!(both, Input::Results(vec![result("t2"), result("t1")]));
}

#[test]
fn results_have_text_or_else_are_what_the_service_cannot_take() {
    let content = |content: Value| {
        let block = json!({ "toolResult": {
            "toolUseId": "t1", "content": content, "status": "error", "type": "tool_use",
        } });
        let Ok(Input::Results(mut results)) = read(json!([user(json!([block]))])) else { panic!() };
        results.remove(0)
    };
    let result = content(json!([{ "text": "a" }, { "text": "b" }]));
    assert_eq!((result.text.as_deref(), result.failed), (Some("a\nb"), true));
    assert_eq!(content(json!([])).text.as_deref(), Some(""));
    assert_eq!(content(json!([{ "json": { "a": 1 } }])).text, None);
}

#[test]
fn what_else_a_request_says() {
    let body = json!({
        "messages": [user(json!([{ "text": "hello" }]))],
        "actorId": "ada",
        "timeoutSeconds": 60,
        "something": "new",
    });
    let request = Request::read(&body).unwrap();
    assert_eq!((request.actor_id.as_deref(), request.timeout_seconds), (Some("ada"), 60));
    let bare = Request::read(&json!({ "messages": body["messages"], "actorId": null })).unwrap();
    assert_eq!((bare.actor_id, bare.timeout_seconds), (None, 3600));
}

#[test]
fn requests_that_the_service_would_refuse_are_refused() {
    let hello = json!([{ "text": "hello" }]);
    let with = |name: &str, value: Value| {
        let mut body = json!({ "messages": [user(hello.clone())] });
        body[name] = value;
        body
    };
    let messages = |messages: Value| json!({ "messages": messages });
    let content = |content: Value| messages(json!([user(content)]));
    let long = "x".repeat(65);
    let cases = [
        (json!({}), "'messages' failed to satisfy constraint: Member must not be null"),
        (json!([]), "'' must be an object"),
        (messages(json!([])), "messages must not be empty"),
        (messages(json!({})), "'messages' must be a list"),
        (messages(json!([{ "content": hello }])), "'messages.1.member.role'"),
        (messages(json!([{ "role": "user" }])), "'messages.1.member.content'"),
        (messages(json!([{ "role": "system", "content": hello }])), "[user, assistant]"),
        (content(json!([])), "content must not be empty"),
        (content(json!([{ "text": "" }])), "length greater than or equal to 1"),
        (
            content(json!([{ "text": 7 }])),
            "'messages.1.member.content.1.member.text' must be a string",
        ),
        (content(json!([{}])), "exactly one of [text, toolUse, toolResult, reasoningContent]"),
        (content(json!([{ "image": {} }])), "exactly one of"),
        (content(json!([{ "text": "a", "toolUse": {} }])), "exactly one of"),
        (content(json!([tool_use("t1")])), "cannot have toolUse blocks"),
        (content(json!([tool_result(&long)])), "length less than or equal to 64"),
        (content(json!([tool_result("a b")])), "regular expression pattern: [a-zA-Z0-9_-]+"),
        (content(json!([tool_result("")])), "length greater than or equal to 1"),
        (content(json!([tool_result("a"), { "text": "b" }])), "cannot have text beside them"),
        (content(json!([tool_result("a"), tool_result("a")])), "more than one toolResult"),
        (
            content(json!([{ "toolResult": { "toolUseId": "t", "content": [{ "image": 1 }] } }])),
            "exactly one of [text, json]",
        ),
        (
            content(json!([{ "toolResult": { "toolUseId": "t", "content": [{ "text": "" }] } }])),
            "length greater than or equal to 1",
        ),
        (
            content(json!([{ "toolResult": { "toolUseId": "t", "content": [], "status": "ok" } }])),
            "[success, error]",
        ),
        (messages(json!([assistant(hello.clone())])), "must end with a user message"),
        (messages(json!([user(hello.clone()), user(hello.clone())])), "Roles must alternate"),
        (
            messages(json!([assistant(json!([tool_result("a")])), user(hello.clone())])),
            "cannot have toolResult",
        ),
        (
            messages(json!([assistant(json!([tool_use("a")])), user(json!([tool_result("b")]))])),
            "exceeds the number of toolUse blocks of previous turn",
        ),
        (with("timeoutSeconds", json!(0)), "value greater than or equal to 1"),
        (with("timeoutSeconds", json!(1.5)), "'timeoutSeconds' must be an integer"),
        (with("timeoutSeconds", json!("60")), "'timeoutSeconds' must be a number"),
        (with("maxIterations", json!(-1)), "value greater than or equal to 1"),
        (with("maxTokens", json!(3_000_000_000_i64)), "value less than or equal to 2147483647"),
        (with("actorId", json!(7)), "'actorId' must be a string"),
        (with("model", json!({ "bedrockModelConfig": {} })), "'model.bedrockModelConfig.modelId'"),
        (
            with("model", json!({ "bedrockModelConfig": { "modelId": "m", "temperature": 3 } })),
            "value from 0 to 2",
        ),
        (with("systemPrompt", json!([{ "text": "" }])), "length greater than or equal to 1"),
        (with("tools", json!([{ "type": "shell" }])), "inline_function"),
        (
            with(
                "tools",
                json!([{ "type": "inline_function", "config": { "inlineFunction": {} } }]),
            ),
            "'tools.1.member.config.inlineFunction.description'",
        ),
        (with("skills", json!([{ "s3": { "uri": "http://x" } }])), "s3://.*"),
        (with("allowedTools", json!(["a/b/c"])), "regular expression pattern"),
    ];
    for (body, reason) in cases {
        let refusal = Request::read(&body).expect_err(reason);
        assert_eq!(refusal.exception.status(), 400, "{body}");
        assert!(refusal.message.contains(reason), "{body}: {}", refusal.message);
    }
    for (name, value) in [
        ("systemPrompt", json!([{ "text": "You are kind." }])),
        ("allowedTools", json!(["*", "@docs/search", "shell"])),
        ("skills", json!([{ "awsSkills": { "paths": ["a/*"] } }, { "path": "/skills" }])),
        (
            "model",
            json!({ "geminiModelConfig": {
            "modelId": "m", "apiKeyArn": "arn:aws:bedrock-agentcore:us-east-1:000000000000:token-vault/default/apikeycredentialprovider/key",
        } }),
        ),
        (
            "tools",
            json!([{ "type": "agentcore_gateway", "name": "docs", "config": { "agentCoreGateway": {
            "gatewayArn": "arn:aws:bedrock-agentcore:us-east-1:000000000000:gateway/docs-abcdefghij",
            "outboundAuth": { "awsIam": {} },
        } } }]),
        ),
    ] {
        let body = with(name, value);
        assert!(Request::read(&body).is_ok(), "{body}: {:?}", Request::read(&body));
    }
}

/// Any JSON is read or refused, and no panic. The same seed each time.
#[test]
fn any_json_is_read_or_refused() {
    let values = [
        "null",
        "true",
        "-1",
        "1e999",
        "18446744073709551615",
        "\"\"",
        "\"a\"",
        "\"\\ud83c\\udfac\\u0000\"",
        "[]",
        "[null]",
        "{}",
        r#"{"text":"a"}"#,
        r#"{"toolResult":{"toolUseId":"t","content":[{"json":null}]}}"#,
        r#"{"role":"user","content":[{"text":"a"}]}"#,
    ];
    let body = r#"{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"t","name":"n","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"t","content":[{"text":"a"}]}}]}],"timeoutSeconds":60,"actorId":"a","tools":[{"type":"remote_mcp","config":{"remoteMcp":{"url":"u","headers":{"a":"b"}}}}]}"#;
    let places: Vec<usize> = body.match_indices([':', ',', '[']).map(|(at, _)| at + 1).collect();
    let mut random = fastrand::Rng::with_seed(1);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut text = body.to_owned();
        let at = places[random.usize(0..places.len())];
        // What stood there becomes another member of a list, or the text is no JSON any more.
        let value = values[random.usize(0..values.len())];
        let rest = text.split_off(at);
        let rest = match rest.find([',', ']', '}']) {
            Some(end) if random.bool() => rest[end..].to_owned(),
            _ => format!(",{rest}"),
        };
        let Ok(value) = serde_json::from_str(&format!("{text}{value}{rest}")) else { continue };
        match Request::read(&value) {
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");
}
