use serde_json::json;

use super::*;

fn ids() -> RunIds {
    RunIds {
        thread_id: "thread-1".to_owned(),
        run_id: "run-1".to_owned(),
        message_id: "message-1".to_owned(),
    }
}

fn json_of(seq: u64, frame: &Frame) -> serde_json::Value {
    serde_json::to_value(ids().json(seq, frame)).unwrap()
}

fn finished(stats: Stats) -> Frame {
    Frame::RunFinished { stats, confirmations: Vec::new(), usage: None }
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
        json_of(1, &Frame::Text("Grüße".to_owned())),
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
    assert_eq!(
        json_of(5, &Frame::RunError { code: ErrorCode::Throttling, message: "Wait.".to_owned() }),
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
        usage: Some(Usage { input_tokens: 7, output_tokens: 5 }),
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
