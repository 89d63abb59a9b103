//! The scripted agent, called by the SDK's own client and decoded from its raw bytes.

use std::time::Duration;

use aws_sdk_bedrockagentruntime::Client as Bedrock;
use aws_sdk_bedrockagentruntime::config::retry::RetryConfig;
use aws_sdk_bedrockagentruntime::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_bedrockagentruntime::error::ProvideErrorMetadata;
use aws_sdk_bedrockagentruntime::operation::invoke_agent::builders::InvokeAgentFluentBuilder;
use aws_sdk_bedrockagentruntime::types::error::ResponseStreamError;
use aws_sdk_bedrockagentruntime::types::{
    Attribution, InvocationType, OrchestrationTrace, PayloadPart, PreProcessingTrace,
    ResponseStream, StreamingConfigurations, Trace, TracePart,
};
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::Message;
use bytes::BytesMut;
use futures::StreamExt;
use local_aws::{AGENT_ALIAS_ID, AGENT_ID, Entry, Exception, LocalAws, Options};
use serde_json::{Value, json};
use test_support::{soon, start, wait_for_entry};

fn bedrock(aws: &LocalAws) -> Bedrock {
    let config = aws_sdk_bedrockagentruntime::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(aws.agent_url())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "tests"))
        .retry_config(RetryConfig::disabled())
        .build();
    Bedrock::from_conf(config)
}

/// A streamed turn with traces.
fn turn(bedrock: &Bedrock, session_id: &str, prompt: &str) -> InvokeAgentFluentBuilder {
    let streaming = StreamingConfigurations::builder().stream_final_response(true).build();
    bedrock
        .invoke_agent()
        .agent_id(AGENT_ID)
        .agent_alias_id(AGENT_ALIAS_ID)
        .session_id(session_id)
        .input_text(prompt)
        .enable_trace(true)
        .streaming_configurations(streaming)
}

/// Everything that a turn gives: its events, and the exception at its end.
async fn events(
    request: InvokeAgentFluentBuilder,
) -> (Vec<ResponseStream>, Option<ResponseStreamError>) {
    let mut completion = soon("the stream", request.send()).await.unwrap().completion;
    let mut events = Vec::new();
    loop {
        match soon("an event", completion.recv()).await {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, None),
            Err(error) => return (events, Some(error.into_service_error())),
        }
    }
}

fn chunks(events: &[ResponseStream]) -> Vec<&PayloadPart> {
    events.iter().filter_map(|event| event.as_chunk().ok()).collect()
}

fn text(events: &[ResponseStream]) -> String {
    let bytes = chunks(events).into_iter().flat_map(|chunk| chunk.bytes().unwrap().as_ref());
    String::from_utf8(bytes.copied().collect()).unwrap()
}

fn traces(events: &[ResponseStream]) -> Vec<&TracePart> {
    events.iter().filter_map(|event| event.as_trace().ok()).collect()
}

/// Posts a raw body, as any HTTP client can.
async fn raw(
    aws: &LocalAws,
    session_id: &str,
    body: impl Into<reqwest::Body>,
) -> reqwest::Response {
    let url = format!(
        "{}/agents/{AGENT_ID}/agentAliases/{AGENT_ALIAS_ID}/sessions/{session_id}/text",
        aws.agent_url(),
    );
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    soon("the response", http.post(url).body(body).send()).await.unwrap()
}

/// A streamed turn as the body of a request.
fn body(prompt: &str) -> String {
    let streaming = json!({ "streamFinalResponse": true });
    json!({ "inputText": prompt, "enableTrace": true, "streamingConfigurations": streaming })
        .to_string()
}

/// Decodes all frames of a body, which checks their checksums as well.
fn frames(bytes: &[u8]) -> Vec<Message> {
    let mut buffer = BytesMut::from(bytes);
    let mut decoder = MessageFrameDecoder::new();
    let mut frames = Vec::new();
    while let DecodedFrame::Complete(frame) = decoder.decode_frame(&mut buffer).unwrap() {
        frames.push(frame);
    }
    assert!(buffer.is_empty(), "{} bytes are left over", buffer.len());
    frames
}

fn header<'a>(frame: &'a Message, name: &str) -> Option<&'a str> {
    let header = frame.headers().iter().find(|header| header.name().as_str() == name)?;
    Some(header.value().as_string().unwrap().as_str())
}

#[tokio::test]
async fn the_default_answer_has_text_citations_and_every_kind_of_trace() {
    let aws = start(Options::default()).await;
    let (events, error) = events(turn(&bedrock(&aws), "s1", "Hello, 世界!")).await;
    assert!(error.is_none(), "{error:?}");
    assert!(events.iter().all(|event| !event.is_unknown()));

    let text = text(&events);
    assert!(text.contains("“Hello, 世界!”") && text.contains("turn 1 of this conversation"));
    for markup in ["\n## ", "\n1. ", "\n|---", "\n```", "](https://", "*", "**"] {
        assert!(format!("\n{text}").contains(markup), "no {markup:?} in {text}");
    }
    assert!((30..=60).contains(&chunks(&events).len()));
    let citations: Vec<_> = chunks(&events)
        .into_iter()
        .filter_map(PayloadPart::attribution)
        .flat_map(Attribution::citations)
        .collect();
    assert_eq!(citations.len(), 2);
    for citation in citations {
        let part = citation.generated_response_part().unwrap().text_response_part().unwrap();
        let span = part.span().unwrap();
        let (start, end) = (span.start().unwrap(), span.end().unwrap());
        let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(end).unwrap());
        let spanned: String = text.chars().skip(start).take(end - start).collect();
        assert_eq!(part.text(), Some(&*spanned));
        let reference = &citation.retrieved_references()[0];
        assert!(reference.content().unwrap().text().contains('e'));
        assert!(reference.location().unwrap().s3_location().unwrap().uri().is_some());
    }

    let first_chunk = events.iter().position(ResponseStream::is_chunk).unwrap();
    let last_chunk = events.iter().rposition(ResponseStream::is_chunk).unwrap();
    assert!(events[..first_chunk].iter().any(ResponseStream::is_trace));
    assert!(events[first_chunk..last_chunk].iter().any(ResponseStream::is_trace));
    let mut seen = Vec::new();
    for part in traces(&events) {
        assert_eq!(part.session_id(), Some("s1"));
        assert_eq!(part.agent_id(), Some(AGENT_ID));
        assert_eq!(part.agent_alias_id(), Some(AGENT_ALIAS_ID));
        assert!(part.event_time().is_some() && part.agent_version().is_some());
        assert_eq!(part.caller_chain().len(), 1);
        seen.push(kind(part.trace().unwrap()));
    }
    let expected = [
        "pre-processing input",
        "pre-processing output",
        "model input",
        "model output",
        "rationale",
        "lookup",
        "found",
        "model input",
        "model output",
        "rationale",
        "action",
        "acted",
        "model output",
        "finished",
    ];
    assert_eq!(seen, expected);
    aws.stop().await;
}

/// Names a trace, and checks what it must hold.
fn kind(trace: &Trace) -> &'static str {
    let timed = |metadata: &aws_sdk_bedrockagentruntime::types::Metadata| {
        let (start, end) = (metadata.start_time().unwrap(), metadata.end_time().unwrap());
        assert!(start <= end && metadata.total_time_ms().is_some());
    };
    let used = |metadata: &aws_sdk_bedrockagentruntime::types::Metadata| {
        timed(metadata);
        let usage = metadata.usage().unwrap();
        assert!(usage.input_tokens().unwrap() > 0 && usage.output_tokens().unwrap() > 0);
    };
    match trace {
        Trace::PreProcessingTrace(PreProcessingTrace::ModelInvocationInput(input)) => {
            assert!(input.text().unwrap().contains("Hello"));
            "pre-processing input"
        }
        Trace::PreProcessingTrace(PreProcessingTrace::ModelInvocationOutput(output)) => {
            assert_eq!(output.parsed_response().unwrap().is_valid(), Some(true));
            used(output.metadata().unwrap());
            "pre-processing output"
        }
        Trace::OrchestrationTrace(OrchestrationTrace::ModelInvocationInput(input)) => {
            assert!(input.trace_id().is_some() && input.foundation_model().is_some());
            "model input"
        }
        Trace::OrchestrationTrace(OrchestrationTrace::ModelInvocationOutput(output)) => {
            assert!(output.raw_response().unwrap().content().is_some());
            used(output.metadata().unwrap());
            "model output"
        }
        Trace::OrchestrationTrace(OrchestrationTrace::Rationale(rationale)) => {
            assert!(rationale.text().is_some());
            "rationale"
        }
        Trace::OrchestrationTrace(OrchestrationTrace::InvocationInput(input)) => {
            match input.invocation_type().unwrap() {
                InvocationType::KnowledgeBase => {
                    assert!(input.knowledge_base_lookup_input().unwrap().text().is_some());
                    "lookup"
                }
                InvocationType::ActionGroup => {
                    let action = input.action_group_invocation_input().unwrap();
                    assert!(action.function().is_some() && action.parameters().len() == 2);
                    "action"
                }
                other => panic!("unexpected {other}"),
            }
        }
        Trace::OrchestrationTrace(OrchestrationTrace::Observation(seen)) => {
            if let Some(found) = seen.knowledge_base_lookup_output() {
                timed(found.metadata().unwrap());
                assert_eq!(found.retrieved_references().len(), 2);
                "found"
            } else if let Some(acted) = seen.action_group_invocation_output() {
                timed(acted.metadata().unwrap());
                assert!(acted.text().unwrap().contains("29"));
                "acted"
            } else {
                timed(seen.final_response().unwrap().metadata().unwrap());
                "finished"
            }
        }
        other => panic!("unexpected {other:?}"),
    }
}

#[tokio::test]
async fn without_streaming_the_answer_is_one_chunk() {
    let aws = start(Options::default()).await;
    let bedrock = bedrock(&aws);
    // Streaming is off by default, which surprises everybody once.
    let request = bedrock
        .invoke_agent()
        .agent_id(AGENT_ID)
        .agent_alias_id(AGENT_ALIAS_ID)
        .session_id("s1")
        .input_text("/tokens 100 1000");
    let (events, error) = events(request).await;
    assert!(error.is_none());
    assert_eq!(events.len(), 1, "one chunk, and no trace that nobody asked for");
    assert_eq!(text(&events).split_whitespace().count(), 100);
    aws.stop().await;
}

#[tokio::test]
async fn scenarios_do_what_they_say() {
    let aws = start(Options::default()).await;
    let bedrock = bedrock(&aws);

    let (tokens, error) = events(turn(&bedrock, "s1", "/tokens 250 5000")).await;
    assert_eq!((chunks(&tokens).len(), tokens.len()), (250, 250));
    assert!(error.is_none() && text(&tokens).trim_end().ends_with("249 250"));

    let (emoji, _) = events(turn(&bedrock, "s1", "/emoji")).await;
    assert!(chunks(&emoji).iter().all(|chunk| chunk.bytes().unwrap().as_ref().len() == 1));
    assert!(text(&emoji).contains("👨‍👩‍👧‍👦"));

    let (trace, _) = events(turn(&bedrock, "s1", "/trace 100")).await;
    assert_eq!(traces(&trace).len(), 1);

    let (slow, _) = events(turn(&bedrock, "s1", "/slow 0.1")).await;
    assert!(text(&slow).contains("0.1 seconds of silence") && text(&slow).contains("turn 4"));

    let (wrong, error) = events(turn(&bedrock, "s1", "/tokens x")).await;
    assert!(error.is_none() && text(&wrong).contains("`/tokens 200 50`"));
    aws.stop().await;
}

#[tokio::test]
async fn a_single_chunk_is_what_an_agent_without_streaming_gives() {
    let aws = start(Options::default()).await;
    let bedrock = bedrock(&aws);
    let (single, _) = events(turn(&bedrock, "s1", "/single")).await;
    assert_eq!(chunks(&single).len(), 1);
    assert_eq!(chunks(&single)[0].attribution().unwrap().citations().len(), 2);
    assert!(traces(&single).len() > 10);
    aws.stop().await;
}

#[tokio::test]
async fn an_event_of_a_type_unknown_today_comes_between_text() {
    let aws = start(Options::default()).await;
    let (typed, error) = events(turn(&bedrock(&aws), "s1", "/unknown")).await;
    assert!(error.is_none());
    assert_eq!(typed.iter().filter(|event| event.is_unknown()).count(), 1);
    assert!(typed.first().unwrap().is_chunk() && typed.last().unwrap().is_chunk());

    let bytes = raw(&aws, "s1", body("/unknown")).await.bytes().await.unwrap();
    let frames = frames(&bytes);
    let unknown = frames.iter().find(|frame| header(frame, ":event-type") == Some("hologram"));
    let payload: Value = serde_json::from_slice(unknown.unwrap().payload()).unwrap();
    assert_eq!(payload["hologram"]["mood"], "curious");
    aws.stop().await;
}

#[tokio::test]
async fn the_bytes_are_those_of_bedrock() {
    let aws = start(Options::default()).await;
    let response = raw(&aws, "my.session:1", body("/trace 1")).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/vnd.amazon.eventstream");
    assert_eq!(headers["x-amzn-bedrock-agent-content-type"], "application/json");
    assert_eq!(headers["x-amz-bedrock-agent-session-id"], "my.session:1");
    assert_eq!(headers["transfer-encoding"], "chunked");
    let bytes = response.bytes().await.unwrap();
    let frames = frames(&bytes);
    for frame in &frames {
        assert_eq!(header(frame, ":message-type"), Some("event"));
        assert_eq!(header(frame, ":content-type"), Some("application/json"));
    }
    assert_eq!(header(&frames[0], ":event-type"), Some("trace"));
    let trace: Value = serde_json::from_slice(frames[0].payload()).unwrap();
    assert!(trace["trace"]["orchestrationTrace"]["rationale"]["text"].is_string());
    assert_eq!(header(&frames[1], ":event-type"), Some("chunk"));
    let chunk: Value = serde_json::from_slice(frames[1].payload()).unwrap();
    assert_eq!(chunk["bytes"], "QmVmb3JlIHRoaXMgc2VudGVuY2Ug");
    aws.stop().await;
}

#[tokio::test]
async fn each_event_leaves_the_moment_it_is_made() {
    let aws = start(Options::default()).await;
    let mut stream = raw(&aws, "s1", body("/tokens 1000 20")).await.bytes_stream();
    // The whole answer lasts 50 seconds; its first chunks are here long before.
    for n in 1..=2 {
        let bytes = soon("a chunk", stream.next()).await.unwrap().unwrap();
        assert_eq!(frames(&bytes).len(), 1, "chunk {n}");
    }
    let finished = |entry: &Entry| matches!(entry, Entry::AgentFinished { .. });
    assert!(!aws.journal().entries().iter().any(finished));
    aws.stop().await;
}

#[tokio::test]
async fn each_exception_can_be_the_first_response() {
    let aws = start(Options::default()).await;
    let bedrock = bedrock(&aws);
    for exception in Exception::ALL {
        let prompt = format!("/error {}", exception.member());
        let error = soon("the response", turn(&bedrock, "s1", &prompt).send()).await.unwrap_err();
        let status = error.raw_response().unwrap().status().as_u16();
        assert_eq!(status, exception.status());
        assert_eq!(error.code(), Some(&*exception.shape()));
        assert_eq!(error.message(), Some(exception.message()));
        let typed = format!("{:?}", error.into_service_error());
        assert!(typed.starts_with(&exception.shape()), "{typed}");
        wait_for_entry(
            &aws,
            "the refusal",
            |entry| matches!(entry, Entry::AgentRefused { status: seen, .. } if *seen == status),
        )
        .await;
    }
    aws.stop().await;
}

#[tokio::test]
async fn each_exception_can_end_the_stream() {
    let aws = start(Options::default()).await;
    let bedrock = bedrock(&aws);
    for exception in Exception::ALL {
        for after in [0, 3] {
            // The short name does as well.
            let name = exception.member().trim_end_matches("Exception");
            let (events, error) =
                events(turn(&bedrock, "s1", &format!("/error {name} {after}"))).await;
            assert_eq!(events.len(), after, "{name}");
            let error = error.expect(name);
            let typed = format!("{error:?}");
            assert!(typed.starts_with(&exception.shape()), "{typed}");
            assert_eq!(error.message(), Some(exception.message()));
            let ended = Some(exception.member().to_owned());
            wait_for_entry(&aws, "the end", |entry| {
                matches!(entry, Entry::AgentFinished { exception, .. } if *exception == ended)
            })
            .await;
        }
    }
    aws.stop().await;
}

#[tokio::test]
async fn a_bad_request_is_refused_as_by_bedrock() {
    let aws = start(Options::default()).await;
    let bedrock = bedrock(&aws);
    let long = "s".repeat(101);
    let cases = [
        ("the session is too short", turn(&bedrock, "s", "hello"), "sessionId"),
        ("the session is too long", turn(&bedrock, &long, "hello"), "sessionId"),
        ("the session has a space", turn(&bedrock, "a b", "hello"), "sessionId"),
        ("the agent is too long", turn(&bedrock, "s1", "hello").agent_id("ABCDEFGHIJK"), "agentId"),
        (
            "the alias has a dash",
            turn(&bedrock, "s1", "hello").agent_alias_id("a-b"),
            "agentAliasId",
        ),
        ("no text", turn(&bedrock, "s1", "hello").set_input_text(None), "Input text"),
        ("empty text", turn(&bedrock, "s1", ""), "Input text"),
    ];
    for (what, request, reason) in cases {
        let error = soon("the response", request.send()).await.expect_err(what);
        let error = error.into_service_error();
        assert!(error.is_validation_exception(), "{what}: {error:?}");
        assert!(error.message().unwrap().contains(reason), "{what}: {error:?}");
    }

    for (body, reason) in [("", "not JSON"), ("{\"inputText\":7}", "wrong shape")] {
        let response = raw(&aws, "s1", body).await;
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["x-amzn-errortype"], "ValidationException");
        let error: Value = response.json().await.unwrap();
        assert!(error["message"].as_str().unwrap().contains(reason), "{error}");
    }
    aws.stop().await;
}

#[tokio::test]
async fn a_session_counts_its_turns_until_it_ends() {
    let aws = start(Options::default()).await;
    let bedrock = bedrock(&aws);
    let number = async |session_id: &str, alias: &str| {
        let request = turn(&bedrock, session_id, "/slow 0").agent_alias_id(alias);
        let (events, _) = events(request).await;
        let text = text(&events);
        let (_, number) = text.split_once("turn ").unwrap();
        number.split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(number("first", AGENT_ALIAS_ID).await, 1);
    assert_eq!(number("first", AGENT_ALIAS_ID).await, 2);
    assert_eq!(number("second", AGENT_ALIAS_ID).await, 1);
    assert_eq!(number("first", "OTHERALIAS").await, 1);
    assert_eq!(number("first", AGENT_ALIAS_ID).await, 3);

    let (events, error) = events(turn(&bedrock, "first", "bye").end_session(true)).await;
    assert!(error.is_none() && text(&events).contains("Session is terminated"));
    assert_eq!(number("first", AGENT_ALIAS_ID).await, 1);
    assert_eq!(number("second", AGENT_ALIAS_ID).await, 2);
    aws.stop().await;
}

#[tokio::test]
async fn a_caller_that_leaves_is_noticed_in_silence_and_in_speech() {
    let aws = start(Options::default()).await;
    let bedrock = bedrock(&aws);

    let silent = soon("the stream", turn(&bedrock, "silent", "/slow 60").send()).await.unwrap();
    drop(silent);
    let dropped = |session_id: &'static str| move |entry: &Entry| matches!(entry, Entry::AgentDropped { session_id: s, .. } if s == session_id);
    let record = wait_for_entry(&aws, "the drop", dropped("silent")).await;
    let Entry::AgentDropped { chunks, .. } = record.entry else { unreachable!() };
    assert_eq!(chunks, 0);

    let request = turn(&bedrock, "speaking", "/tokens 10000 100");
    let mut speaking = soon("the stream", request.send()).await.unwrap().completion;
    for _ in 0..5 {
        soon("a chunk", speaking.recv()).await.unwrap().unwrap();
    }
    drop(speaking);
    let record = wait_for_entry(&aws, "the drop", dropped("speaking")).await;
    let Entry::AgentDropped { chunks, .. } = record.entry else { unreachable!() };
    assert!((5..1000).contains(&chunks), "{chunks} chunks had gone out");
    aws.stop().await;
}

#[tokio::test]
async fn the_journal_has_the_request_as_it_came() {
    let aws = start(Options::default()).await;
    let bedrock = bedrock(&aws);
    let (_, error) = events(turn(&bedrock, "s1", "/slow 0").memory_id("memory-1")).await;
    assert!(error.is_none());
    let invoked = |entry: &Entry| matches!(entry, Entry::AgentInvoked { .. });
    let Entry::AgentInvoked { session_id, request } =
        wait_for_entry(&aws, "the invocation", invoked).await.entry
    else {
        unreachable!()
    };
    assert_eq!(session_id, "s1");
    assert_eq!(
        request,
        json!({
            "inputText": "/slow 0",
            "enableTrace": true,
            "memoryId": "memory-1",
            "streamingConfigurations": { "streamFinalResponse": true },
        }),
    );
    aws.stop().await;
}

#[tokio::test]
async fn everything_stops_even_while_the_agent_is_silent() {
    let aws = start(Options::default()).await;
    let mut stream = raw(&aws, "s1", body("/slow 600")).await.bytes_stream();
    wait_for_entry(&aws, "the invocation", |entry| matches!(entry, Entry::AgentInvoked { .. }))
        .await;
    let stop = tokio::time::timeout(Duration::from_secs(2), aws.stop());
    let (stopped, rest) = tokio::join!(stop, stream.next());
    assert!(stopped.is_ok(), "the open stream held the stop up");
    assert!(rest.is_none_or(|last| last.is_err()));
}
