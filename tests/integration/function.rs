//! The function as a process, over real sockets: what a client receives, what the agent sees, and
//! what the Runtime API sees.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use local_aws::{AwsLimits, Entry, Exception, Options};
use serde_json::{Value, json};
use test_support::test_bed::{
    TestBed, ask, function_program, numbers, position, prompt, relay_options, text, traced,
};
use test_support::{Client, soon, start, wait_for_entry};

fn traces(frames: &[Value]) -> Vec<&Value> {
    let traces = frames.iter().map(|frame| &frame["event"]["trace"]);
    traces.filter(|trace| !trace.is_null()).collect()
}

#[tokio::test]
async fn both_request_forms_are_answered() {
    let bed = TestBed::start(Options::default()).await;
    let frames = bed.ask(&prompt("/tokens 25 500")).await;
    assert_eq!(frames[0]["type"], "RUN_STARTED");
    assert_eq!(text(&frames), numbers(25));
    assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");

    let input = json!({
        "threadId": "thread-1", "runId": "run-1", "state": {}, "tools": [], "context": [],
        "messages": [{"id": "1", "role": "user", "content": "/tokens 5 500"}], "forwardedProps": {}
    });
    let frames = bed.ask(&input).await;
    assert_eq!(frames[0]["threadId"], "thread-1");
    assert_eq!(frames[0]["runId"], "run-1");
    assert_eq!(frames[0]["metadata"]["relay"]["runId"], "run-1");
    assert_eq!(text(&frames), numbers(5));
}

#[tokio::test]
async fn the_response_goes_back_before_the_agent_speaks_and_next_is_polled_after_the_last_frame() {
    let bed = TestBed::sequential().await;
    bed.ask(&prompt("/tokens 20 100")).await;
    let journal = bed.aws.journal();
    let chunk =
        soon("a chunk", journal.wait_for(|entry| matches!(entry, Entry::AgentChunk { .. })));
    let invoked = chunk.await.index;
    let polled =
        soon("/next", journal.wait_for_after(invoked, |entry| matches!(entry, Entry::NextPolled)));
    polled.await;

    let records = journal.records();
    let message = position(&records, |entry| matches!(entry, Entry::MessageReceived { .. }));
    let records = &records[message..];
    let responded = position(records, |entry| matches!(entry, Entry::Responded { .. }));
    let first_chunk = position(records, |entry| matches!(entry, Entry::AgentChunk { .. }));
    // The `/next` before it, after `$connect`, may come later than the message.
    let next =
        responded + position(&records[responded..], |entry| matches!(entry, Entry::NextPolled));
    let last_post = records.iter().rposition(|record| matches!(record.entry, Entry::Posted { .. }));
    assert!(responded < first_chunk, "the response came after the agent's first chunk");
    assert!(next > last_post.unwrap(), "/next was polled while the answer was being relayed");
    let Entry::Responded { status, late, .. } = &records[responded].entry else { unreachable!() };
    assert_eq!((*status, *late), (Some(200), false));
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_api_gateway_waits_arrives_in_full() {
    let limits =
        AwsLimits { integration_timeout: Duration::from_millis(400), ..AwsLimits::default() };
    let bed = TestBed::start(Options { limits, ..Options::default() }).await;
    let frames = bed.ask(&prompt("/slow 1.2")).await;
    assert!(text(&frames).contains("of silence"), "{}", text(&frames));
    assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");
    let entries = bed.aws.journal().entries();
    assert!(!entries.iter().any(|entry| matches!(entry, Entry::TimedOut { .. })));
}

#[tokio::test]
async fn text_cut_inside_characters_arrives_whole() {
    let bed = TestBed::start(Options::default()).await;
    let whole = text(&bed.ask(&prompt("/emoji")).await);
    assert!(whole.contains("👨‍👩‍👧‍👦") && whole.contains("日本語"), "{whole}");
    assert!(!whole.contains('\u{fffd}'), "{whole}");
}

#[tokio::test]
async fn slow_posts_cost_fewer_posts_and_not_more_delay() {
    let post_latency = Duration::from_millis(20);
    let bed = TestBed::start(Options { post_latency, ..Options::default() }).await;
    let frames = bed.ask(&prompt("/tokens 300 300")).await;
    assert_eq!(text(&frames), numbers(300));
    assert!(bed.posts() < 150, "{} posts for 300 chunks", bed.posts());
    assert_eq!(frames.last().unwrap()["metadata"]["relay"]["stats"]["chunks"], 300);
    assert_eq!(frames.last().unwrap()["metadata"]["relay"]["stats"]["frames"], bed.posts());
}

#[tokio::test]
async fn traces_arrive_before_and_between_the_text_when_they_are_asked_for() {
    let bed = TestBed::start(Options::default()).await;
    let frames = bed.ask(&traced("What can you do?")).await;
    let is_trace = |frame: &Value| frame["event"]["trace"].is_object();
    let is_text = |frame: &Value| frame["delta"].is_string();
    let first_text = frames.iter().position(is_text).unwrap();
    let last_text = frames.iter().rposition(is_text).unwrap();
    assert!(frames[..first_text].iter().any(is_trace), "no trace before the text");
    assert!(frames[first_text..last_text].iter().any(is_trace), "no trace between the text");
    assert!(traces(&frames).iter().all(|trace| trace["trace"].is_object()));
    assert_eq!(bed.agent_requests()[0]["enableTrace"], true);
    let cited = frames.iter().find(|frame| frame["name"] == "bedrock.citations").unwrap();
    assert!(cited["value"]["citations"][0]["retrievedReferences"].is_array(), "{cited}");

    assert!(traces(&bed.ask(&prompt("What can you do?")).await).is_empty());
}

#[tokio::test]
async fn a_trace_is_neither_asked_for_nor_sent_where_it_is_not_allowed() {
    let bed = TestBed::with_environment(Options::default(), &[("ALLOW_TRACE", "false")]).await;
    let frames = bed.ask(&traced("/trace 1")).await;
    assert!(traces(&frames).is_empty());
    assert_eq!(bed.agent_requests()[0]["enableTrace"], false);
}

#[tokio::test]
async fn a_trace_larger_than_a_frame_arrives_in_fragments() {
    let bed = TestBed::start(Options::default()).await;
    let frames = bed.ask(&traced("/trace 300")).await;
    let fragments: Vec<&Value> =
        frames.iter().filter(|frame| frame["name"] == "relay.fragment").collect();
    assert!(fragments.len() >= 10, "{} fragments", fragments.len());
    let joined: String =
        fragments.iter().map(|frame| frame["value"]["data"].as_str().unwrap()).collect();
    let frame: Value = serde_json::from_str(&joined).unwrap();
    assert!(frame["event"]["trace"]["trace"].is_object());
    assert!(joined.len() > 300 * 1024);
}

#[tokio::test]
async fn an_event_of_a_type_that_does_not_exist_yet_is_passed_on() {
    let bed = TestBed::start(Options::default()).await;
    let frames = bed.ask(&prompt("/unknown")).await;
    let raw = frames.iter().find(|frame| frame["type"] == "RAW").expect("the event arrives");
    assert_eq!(raw["source"], "bedrock-agent");
    assert!(raw["event"].as_object().unwrap().values().all(Value::is_object), "{raw}");
    assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");
}

#[tokio::test]
async fn a_conversation_goes_on_over_connections_by_its_session_id_only() {
    let bed = TestBed::start(Options::default()).await;
    let named = json!({"prompt": "/slow 0", "sessionId": "conversation-1"});
    assert!(text(&bed.ask(&named).await).contains("turn 1"));
    assert!(text(&bed.ask(&named).await).contains("turn 2"));

    let nameless = prompt("/slow 0");
    let mut client = bed.client().await;
    assert!(text(&ask(&mut client, &nameless).await).contains("turn 1"));
    let second = ask(&mut client, &nameless).await;
    assert!(text(&second).contains("turn 2"));
    assert!(text(&bed.ask(&nameless).await).contains("turn 1"));

    // The thread that the frames name can be continued from another connection.
    let thread = second[0]["threadId"].as_str().unwrap();
    let resumed = json!({"prompt": "/slow 0", "sessionId": thread});
    assert!(text(&bed.ask(&resumed).await).contains("turn 3"));
}

#[tokio::test]
async fn the_agent_is_asked_for_what_the_client_said() {
    let bed = TestBed::start(Options::default()).await;
    bed.ask(&prompt("/tokens 1 100")).await;
    bed.ask(&json!({
        "prompt": "/tokens 1 100", "email": "ada@example.com", "trace": true, "endSession": true,
        "sessionAttributes": {"plan": "gold"}, "promptSessionAttributes": {"day": "Monday"}
    }))
    .await;
    let streaming = json!({"streamFinalResponse": true});
    assert_eq!(
        bed.agent_requests(),
        [
            json!({"inputText": "/tokens 1 100", "enableTrace": false,
                   "streamingConfigurations": streaming}),
            json!({"inputText": "/tokens 1 100", "enableTrace": true, "endSession": true,
                   "streamingConfigurations": streaming,
                   "sessionState": {
                       "sessionAttributes": {"email": "ada@example.com", "plan": "gold"},
                       "promptSessionAttributes": {"day": "Monday"}}}),
        ]
    );
}

/// The ten exceptions and their codes.
const EXCEPTIONS: [(&str, &str); 10] = [
    ("accessDeniedException", "access_denied"),
    ("badGatewayException", "bad_gateway"),
    ("conflictException", "conflict"),
    ("dependencyFailedException", "dependency_failed"),
    ("internalServerException", "internal_server"),
    ("modelNotReadyException", "model_not_ready"),
    ("resourceNotFoundException", "resource_not_found"),
    ("serviceQuotaExceededException", "service_quota_exceeded"),
    ("throttlingException", "throttling"),
    ("validationException", "validation"),
];

#[tokio::test]
async fn each_exception_as_the_first_response_has_its_code() {
    assert_eq!(Exception::ALL.len(), EXCEPTIONS.len());
    let bed = TestBed::start(Options::default()).await;
    let asked = EXCEPTIONS.map(|(name, code)| {
        let bed = &bed;
        async move {
            let frames = bed.ask(&prompt(&format!("/error {name}"))).await;
            assert_eq!(frames.len(), 2, "{frames:?}");
            assert_eq!(frames[1]["code"], code);
            assert!(frames[1]["message"].as_str().unwrap().len() > 20);
        }
    });
    futures::future::join_all(asked).await;
    // Only where nothing can have happened yet, the agent was asked again.
    let asked = |name: &str| {
        let prompt = format!("/error {name}");
        bed.agent_requests().iter().filter(|request| request["inputText"] == *prompt).count()
    };
    for (name, code) in EXCEPTIONS {
        let attempts = if matches!(code, "throttling" | "model_not_ready") { 5 } else { 1 };
        assert_eq!(asked(name), attempts, "{name}");
    }
}

#[tokio::test]
async fn each_exception_in_mid_stream_has_its_code_after_the_text_so_far() {
    let bed = TestBed::start(Options::default()).await;
    let mut client = bed.client().await;
    for (name, code) in EXCEPTIONS {
        let frames = ask(&mut client, &prompt(&format!("/error {name} 3"))).await;
        assert!(!text(&frames).is_empty(), "{name}");
        assert_eq!(frames.last().unwrap()["code"], code);
        let retryable = &frames.last().unwrap()["metadata"]["relay"]["retryable"];
        assert!(retryable.is_boolean(), "{name}");
    }
    assert_eq!(bed.agent_requests().len(), 10, "an agent was asked again after its first event");
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_a_reason_and_never_reaches_the_agent() {
    let bed = TestBed::start(Options::default()).await;
    let mut client = bed.client().await;
    let messages = [
        "",
        " ",
        "hello",
        "{",
        "[]",
        "7",
        "null",
        "\"text\"",
        "{}",
        r#"{"prompt":""}"#,
        r#"{"prompt":7}"#,
        r#"{"prompt":null}"#,
        r#"{"prompt":"x","sessionId":"no good"}"#,
        r#"{"prompt":"x","trace":1}"#,
        r#"{"prompt":"x","nonsense":1}"#,
        r#"{"messages":[]}"#,
        r#"{"threadId":"t1","runId":"r1","messages":[]}"#,
        r#"{"threadId":"t1","runId":"r1","messages":[{"role":"user","content":7}]}"#,
    ];
    for message in messages {
        client.send(message).await;
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!(frame["type"], "RUN_ERROR", "{message}");
        assert_eq!(frame["code"], "invalid_request", "{message}");
        assert_eq!(frame["metadata"]["relay"]["retryable"], false);
        let advice = frame["message"].as_str().unwrap();
        assert!(advice.contains("A valid message:"), "{message}: {advice}");
    }
    let too_long = prompt(&"x".repeat(20_000));
    let long = ask(&mut client, &too_long).await;
    assert_eq!(long.last().unwrap()["type"], "RUN_FINISHED", "20,000 characters are allowed");
    assert_eq!(bed.agent_requests().len(), 1);
    let refused = bed.aws.journal().entries();
    let refused =
        refused.iter().filter(|entry| matches!(entry, Entry::Responded { status: Some(400), .. }));
    assert_eq!(refused.count(), messages.len());
}

#[tokio::test]
async fn a_client_that_leaves_frees_the_agent_and_the_function_takes_the_next_turn() {
    let bed = TestBed::sequential().await;
    let mut client = bed.client().await;
    client.send(prompt("/tokens 10000 100").to_string()).await;
    while !client.text().await.contains("TEXT_MESSAGE_CHUNK") {}
    drop(client);
    let dropped =
        wait_for_entry(&bed.aws, "the drop", |entry| matches!(entry, Entry::AgentDropped { .. }))
            .await;
    let Entry::AgentDropped { chunks, .. } = dropped.entry else { unreachable!() };
    assert!(chunks < 5000, "the agent went on for {chunks} chunks");
    assert_eq!(text(&bed.ask(&prompt("/tokens 3 100")).await), numbers(3));
}

#[tokio::test]
async fn turns_run_side_by_side_in_one_process() {
    let bed = TestBed::start(Options::default()).await;
    let message = prompt("/tokens 60 60");
    // All are connected before the first asks: on a busy machine that may take as long as a turn.
    let mut clients = futures::future::join_all((0..8).map(|_| bed.client())).await;
    let turns = clients.iter_mut().map(|client| ask(client, &message));
    let runs = futures::future::join_all(turns).await;
    assert!(runs.iter().all(|frames| text(frames) == numbers(60)));
    let ids: HashSet<_> =
        runs.iter().map(|frames| frames[0]["runId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 8);
    let records = bed.aws.journal().records();
    let last_begin =
        records.iter().rposition(|record| matches!(record.entry, Entry::AgentInvoked { .. }));
    let first_end = position(&records, |entry| matches!(entry, Entry::AgentFinished { .. }));
    assert!(last_begin.unwrap() < first_end, "the turns ran one after the other");
}

#[tokio::test]
async fn an_offered_subprotocol_is_echoed_and_a_credential_never() {
    let bed = TestBed::start(Options::default()).await;
    for (offered, chosen) in [
        ("chat", Some("chat")),
        ("other, agent-relay", Some("agent-relay")),
        ("agent-relay, token.c2VjcmV0", Some("agent-relay")),
        ("token.c2VjcmV0, chat", Some("chat")),
    ] {
        let client = Client::connect(&bed.aws, &[("sec-websocket-protocol", offered)]).await;
        assert_eq!(client.unwrap().protocol.as_deref(), chosen, "{offered}");
    }
    assert_eq!(bed.client().await.protocol, None);
}

#[tokio::test]
async fn a_function_with_too_little_time_says_internal_instead_of_being_cut_off() {
    let limits = AwsLimits { function_timeout: Duration::from_secs(3), ..AwsLimits::default() };
    let bed = TestBed::start(Options { limits, ..Options::default() }).await;
    let frames = bed.ask(&prompt("hello")).await;
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["code"], "internal");
    assert!(bed.agent_requests().is_empty());
    wait_for_entry(&bed.aws, "the 500", |entry| {
        matches!(entry, Entry::Responded { status: Some(500), .. })
    })
    .await;
}

#[tokio::test]
async fn the_program_says_its_version_without_any_environment() {
    let mut command = tokio::process::Command::new(function_program());
    command.arg("--version").env_clear().stdin(Stdio::null()).kill_on_drop(true);
    let output = soon("the end", command.output()).await.unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("agent-relay {}\n", agent_relay::VERSION));
}

#[tokio::test]
async fn a_missing_variable_ends_the_start_with_a_sentence() {
    for (missing, sentence) in [
        ("AGENT_ID", "AGENT_ID is not set: set it to the id of the Bedrock agent"),
        ("AGENT_ALIAS_ID", "AGENT_ALIAS_ID is not set"),
        ("AWS_REGION", "no AWS Region is set"),
    ] {
        let aws = start(relay_options(Options::default())).await;
        let mut command = tokio::process::Command::new(function_program());
        command.env_clear().envs(aws.function_environment()).env_remove(missing);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = soon("the end", command.output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{missing}: {said}");
        assert!(said.contains(sentence), "{missing}: {said}");
        assert!(!said.contains("panicked"), "{missing}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{missing}: {said}");
    }
}

/// Elsewhere than on Lambda, the Region and the credentials may come from wherever the SDK looks.
#[tokio::test]
async fn the_region_and_the_credentials_may_stand_in_files() {
    let file = |name: &str, text: &str| {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let credentials = "[default]\naws_access_key_id = A\naws_secret_access_key = B\n";
    let aws = start(relay_options(Options::default())).await;
    let mut command = tokio::process::Command::new(function_program());
    command.env_clear().envs(aws.function_environment());
    for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command.env("AWS_SHARED_CREDENTIALS_FILE", file("credentials-of-the-function", credentials));
    command
        .env("AWS_CONFIG_FILE", file("config-of-the-function", "[default]\nregion = eu-west-1\n"));
    let _function = command.stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut client = Client::connect(&aws, &[]).await.unwrap();
    assert_eq!(text(&ask(&mut client, &prompt("/tokens 3 200")).await), numbers(3));
}

#[tokio::test]
async fn prompts_and_answers_are_not_logged() {
    let bed = TestBed::start(Options::default()).await;
    bed.ask(&traced("a secret prompt that nobody else should read")).await;
    wait_for_entry(
        &bed.aws,
        "the summary",
        |entry| matches!(entry, Entry::FunctionLog { line } if line.contains("run ended")),
    )
    .await;
    for entry in bed.aws.journal().entries() {
        if let Entry::FunctionLog { line } = entry {
            assert!(!line.contains("secret prompt"), "{line}");
        }
    }
}

/// The lines of the function's output up to the metrics of its first run.
async fn output(bed: &TestBed) -> Vec<String> {
    wait_for_entry(
        &bed.aws,
        "the metrics",
        |entry| matches!(entry, Entry::FunctionLog { line } if line.contains("CloudWatchMetrics")),
    )
    .await;
    let line = |entry| match entry {
        Entry::FunctionLog { line } => Some(line),
        _ => None,
    };
    bed.aws.journal().entries().into_iter().filter_map(line).collect()
}

#[tokio::test]
async fn lambdas_log_level_decides_what_is_said() {
    for (level, says, is_silent_about) in
        [("INFO", "INFO", "DEBUG"), ("ERROR", "ERROR", "INFO"), ("DEBUG", "DEBUG", "TRACE")]
    {
        let changes = [("AWS_LAMBDA_LOG_FORMAT", "JSON"), ("AWS_LAMBDA_LOG_LEVEL", level)];
        let bed = TestBed::with_environment(Options::default(), &changes).await;
        bed.ask(&prompt("/error validationException 3")).await;
        let lines = output(&bed).await;
        let at =
            |level: &str| lines.iter().any(|line| line.contains(&format!("\"level\":\"{level}\"")));
        assert!(at(says) && !at(is_silent_about), "{level}: {lines:#?}");
    }
}

#[tokio::test]
async fn a_run_is_reported_in_one_line_of_json_and_in_metrics() {
    let changes = [("AWS_LAMBDA_LOG_FORMAT", "JSON")];
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    let frames = bed.ask(&prompt("/error validationException 3")).await;
    let lines: Vec<Value> =
        output(&bed).await.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();

    // Before anything else, what is running.
    assert_eq!(lines[0]["message"], "the function starts");
    assert_eq!(lines[0]["version"], agent_relay::VERSION);
    let ended: Vec<&Value> = lines.iter().filter(|line| line["message"] == "run ended").collect();
    let [line] = ended[..] else { panic!("{ended:?}") };
    assert_eq!(line["level"], "ERROR");
    assert!(line["timestamp"].is_string());
    assert_eq!(line["span"]["run_id"], frames[0]["runId"]);
    for id in ["request_id", "connection_id"] {
        assert!(line["span"][id].as_str().is_some_and(|id| !id.is_empty()), "{line}");
    }
    assert_eq!(line["outcome"], "failed");
    assert_eq!(line["code"], "validation");
    assert_eq!((&line["chunks"], &line["frames"]), (&json!(3), &json!(frames.len())));
    for figure in ["first_chunk_ms", "total_ms", "posts", "bytes", "retried_posts"] {
        assert!(line[figure].is_u64(), "{figure}: {line}");
    }
    assert!(line["advice"].as_str().unwrap().contains("session"), "{line}");

    let metrics = lines.iter().find(|line| line["_aws"].is_object()).unwrap();
    assert_eq!((&metrics["Runs"], &metrics["Errors"]), (&json!(1), &json!(1)));
    assert_eq!(metrics["Code"], "validation");
    assert!(metrics["_aws"]["Timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    for directive in metrics["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "AgentRelay");
        let names = directive["Metrics"].as_array().unwrap().iter().map(|metric| &metric["Name"]);
        let dimensions = directive["Dimensions"][0].as_array().unwrap().iter();
        for name in names.chain(dimensions) {
            // What a directive names must stand in the line, or CloudWatch drops it.
            assert!(!metrics[name.as_str().unwrap()].is_null(), "{name}");
        }
    }
}

#[tokio::test]
async fn an_answer_in_one_chunk_leaves_a_hint_in_the_log() {
    let bed = TestBed::start(Options::default()).await;
    bed.ask(&prompt("/single")).await;
    let hint = "bedrock:InvokeModelWithResponseStream";
    assert!(output(&bed).await.iter().any(|line| line.contains(hint)));
    let bed = TestBed::start(Options::default()).await;
    bed.ask(&prompt("/tokens 300 1000")).await;
    assert!(!output(&bed).await.iter().any(|line| line.contains(hint)));
}
