use serde_json::json;

use super::*;

fn ids() -> RunIds {
    RunIds {
        thread_id: "thread-1".to_owned(),
        run_id: "run-1".to_owned(),
        message_id: "message-1".to_owned(),
        form: EventForm::Chunks,
    }
}

fn json_of(seq: u64, frame: &Frame) -> serde_json::Value {
    serde_json::to_value(ids().json(seq, frame)).unwrap()
}

fn finished(stats: Stats) -> Frame {
    Frame::RunFinished {
        stats,
        confirmations: Vec::new(),
        usage: None,
        stop_reason: None,
        members: Vec::new(),
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

#[test]
fn the_start_and_the_end_name_thread_and_run() {
    assert_eq!(
        json_of(0, &Frame::RunStarted),
        json!({"type": "RUN_STARTED", "threadId": "thread-1", "runId": "run-1",
               "metadata": {"relay": {"runId": "run-1", "seq": 0}}})
    );
    let stats = Stats { chunks: 3, first_chunk_ms: Some(5), total_ms: 9 };
    assert_eq!(
        json_of(7, &finished(stats)),
        json!({"type": "RUN_FINISHED", "threadId": "thread-1", "runId": "run-1",
               "metadata": {"relay": {"runId": "run-1", "seq": 7,
                   "stats": {"chunks": 3, "frames": 8, "firstChunkMs": 5, "totalMs": 9}}}})
    );
}

#[test]
fn an_absent_field_is_left_out() {
    let stats = Stats { chunks: 0, first_chunk_ms: None, total_ms: 9 };
    let frame = json_of(1, &finished(stats));
    assert!(!frame.to_string().contains("null"), "{frame}");
}

#[test]
fn text_names_its_message() {
    assert_eq!(
        json_of(1, &Frame::Text { message_id: "message-1".into(), delta: "Grüße".to_owned() }),
        json!({"type": "TEXT_MESSAGE_CHUNK", "messageId": "message-1", "role": "assistant",
               "delta": "Grüße", "metadata": {"relay": {"runId": "run-1", "seq": 1}}})
    );
}

#[test]
fn the_agents_json_is_untouched() {
    // The order of the fields, the white space and the number's spelling are the wire's.
    let trace = r#"{"z":1.50, "a":"\u00e9", "n":null}"#;
    let frame = Frame::Raw { source: "bedrock-agent", name: "trace".to_owned(), json: raw(trace) };
    let frame = serde_json::to_string(&ids().json(2, &frame)).unwrap();
    assert_eq!(
        frame,
        r#"{"type":"RAW","event":{"trace":{"z":1.50, "a":"\u00e9", "n":null}},"source":"bedrock-agent","metadata":{"relay":{"runId":"run-1","seq":2}}}"#
    );
}

#[test]
fn citations_keepalive_error_and_fragment() {
    assert_eq!(
        json_of(
            3,
            &Frame::Annotation {
                message_id: "message-1".into(),
                name: "bedrock.citations",
                member: "citations",
                json: raw("[{}]"),
            }
        ),
        json!({"type": "CUSTOM", "name": "bedrock.citations",
               "value": {"messageId": "message-1", "citations": [{}]},
               "metadata": {"relay": {"runId": "run-1", "seq": 3}}})
    );
    assert_eq!(
        json_of(4, &Frame::Keepalive),
        json!({"type": "RAW", "event": {"keepalive": {}}, "source": "relay",
               "metadata": {"relay": {"runId": "run-1", "seq": 4}}})
    );
    let failure = Failure::new(ErrorCode::Throttling).with_message("Wait.");
    assert_eq!(
        json_of(5, &Frame::from(&failure)),
        json!({"type": "RUN_ERROR", "message": "Wait.", "code": "throttling",
               "metadata": {"relay": {"runId": "run-1", "seq": 5, "retryable": true}}})
    );
    let ids = ids();
    let fragment = Fragment { id: "run-1:6", index: 0, count: 2, data: "{" };
    assert_eq!(
        serde_json::to_value(ids.fragment(6, &fragment)).unwrap(),
        json!({"type": "CUSTOM", "name": "relay.fragment",
               "value": {"id": "run-1:6", "index": 0, "count": 2, "data": "{"},
               "metadata": {"relay": {"runId": "run-1", "seq": 6}}})
    );
}

#[test]
fn a_tool_call_belongs_to_the_answers_message() {
    let frame = Frame::ToolCall {
        message_id: "message-1".into(),
        id: "call-1".to_owned(),
        name: "getWeather".to_owned(),
        arguments: r#"{"city":"Zürich"}"#.to_owned(),
    };
    assert_eq!(
        json_of(2, &frame),
        json!({"type": "TOOL_CALL_CHUNK", "toolCallId": "call-1", "toolCallName": "getWeather",
               "parentMessageId": "message-1", "delta": "{\"city\":\"Zürich\"}",
               "metadata": {"relay": {"runId": "run-1", "seq": 2}}})
    );
}

#[test]
fn a_file_is_untouched() {
    let file = r#"{"name":"a.csv","type":"text/csv","bytes":"YSxi"}"#;
    let frame = serde_json::to_string(
        &ids().json(2, &Frame::Custom { name: "bedrock.file", json: raw(file) }),
    )
    .unwrap();
    assert!(
        frame.starts_with(&format!(r#"{{"type":"CUSTOM","name":"bedrock.file","value":{file},"#))
    );
}

#[test]
fn a_confirmation_interrupts_and_tokens_are_counted() {
    let frame = Frame::RunFinished {
        stats: Stats::default(),
        confirmations: vec![Confirmation {
            tool_call_id: "call-1".to_owned(),
            name: "cancelOrder".to_owned(),
            with_result: false,
        }],
        usage: Some(Usage { input_tokens: 7, output_tokens: 5, ..Usage::default() }),
        stop_reason: None,
        members: Vec::new(),
    };
    let frame = json_of(2, &frame);
    assert_eq!(frame["outcome"]["type"], "interrupt");
    let interrupt = &frame["outcome"]["interrupts"][0];
    assert_eq!(interrupt["id"], "call-1");
    assert_eq!(interrupt["toolCallId"], "call-1");
    assert_eq!(interrupt["reason"], "confirmation");
    assert_eq!(interrupt["responseSchema"]["properties"]["confirmed"]["type"], "boolean");
    assert_eq!(frame["usage"], json!([{"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}]));
}

#[test]
fn a_thought_has_a_beginning_and_an_end() {
    let message_id: Arc<str> = "thought-1".into();
    let frames = [
        Frame::ReasoningStart { message_id: message_id.clone() },
        Frame::Reasoning { message_id: message_id.clone(), delta: "Hm".to_owned() },
        Frame::ReasoningEnd { message_id },
    ];
    let metadata = json!({"relay": {"runId": "run-1", "seq": 1}});
    assert_eq!(
        frames.each_ref().map(|frame| json_of(1, frame)),
        [
            json!({"type": "REASONING_START", "messageId": "thought-1", "metadata": metadata}),
            json!({"type": "REASONING_MESSAGE_CHUNK", "messageId": "thought-1", "delta": "Hm",
                   "metadata": metadata}),
            json!({"type": "REASONING_END", "messageId": "thought-1", "metadata": metadata}),
        ]
    );
}

#[test]
fn a_result_says_whether_its_action_failed() {
    let frame = |failed| Frame::ToolResult {
        message_id: "result-1".into(),
        tool_call_id: "call-1".to_owned(),
        content: "21 °C".to_owned(),
        failed,
    };
    assert_eq!(
        json_of(3, &frame(false)),
        json!({"type": "TOOL_CALL_RESULT", "messageId": "result-1", "toolCallId": "call-1",
               "role": "tool", "content": "21 °C",
               "metadata": {"relay": {"runId": "run-1", "seq": 3}}})
    );
    assert_eq!(json_of(3, &frame(true))["metadata"]["relay"]["failed"], true);
}

#[test]
fn both_ends_tell_the_tokens_and_why_the_model_stopped() {
    let usage = Usage {
        input_tokens: 7,
        output_tokens: u64::MAX,
        cached_input_tokens: Some(3),
        cache_write_input_tokens: None,
    };
    let stop_reason = || Some("max_tokens".to_owned());
    let ends = [
        Frame::RunFinished {
            stats: Stats::default(),
            confirmations: Vec::new(),
            usage: Some(usage),
            stop_reason: stop_reason(),
            members: Vec::new(),
        },
        Frame::RunError {
            code: ErrorCode::LimitReached,
            message: String::new(),
            usage: Some(usage),
            stop_reason: stop_reason(),
        },
    ];
    for end in ends {
        let frame = json_of(2, &end);
        assert_eq!(frame["metadata"]["relay"]["stopReason"], "max_tokens");
        // What is more than a client can count stays at what it can.
        let most = 9_007_199_254_740_991_u64;
        assert_eq!(
            frame["usage"],
            json!([{"inputTokens": 7, "outputTokens": most, "totalTokens": most,
                    "cachedInputTokens": 3}])
        );
    }
}

#[test]
fn every_part_of_an_answer_has_an_id_of_its_own() {
    let (ids, other) = (ids(), RunIds { message_id: "message-2".to_owned(), ..ids() });
    let all = [
        ids.part("message", 2),
        ids.part("message", 3),
        ids.part("reasoning", 2),
        other.part("message", 2),
    ];
    for (number, id) in all.iter().enumerate() {
        assert!(!all[..number].contains(id));
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "8", "{id}");
    }
    assert_eq!(ids.part("message", 2), all[0]);
}

#[test]
fn an_event_of_a_sources_own_keeps_its_members_and_its_metadata() {
    let event = AguiEvent {
        kind: "STATE_DELTA",
        members: vec![("delta".to_owned(), raw(r#"[{"op":"add","n":1.10}]"#))],
        delta: None,
        metadata: vec![("by".to_owned(), raw("\"agent\"")), ("relay".to_owned(), raw("1"))],
    };
    assert_eq!(
        serde_json::to_string(&ids().json(2, &Frame::Agui(event))).unwrap(),
        r#"{"type":"STATE_DELTA","delta":[{"op":"add","n":1.10}],"metadata":{"by":"agent","relay":{"runId":"run-1","seq":2}}}"#
    );
    let frame = Frame::RunFinished {
        stats: Stats::default(),
        confirmations: Vec::new(),
        usage: None,
        stop_reason: None,
        members: vec![("outcome", raw(r#"{"type":"success"}"#)), ("result", raw("7"))],
    };
    let frame = json_of(2, &frame);
    assert_eq!((&frame["outcome"]["type"], &frame["result"]), (&json!("success"), &json!(7)));
}
