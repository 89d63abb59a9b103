//! The scripted harness, called over real sockets and decoded from its raw bytes.

use std::time::Duration;

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use bytes::BytesMut;
use futures::StreamExt;
use local_aws::{
    Entry, Exception, FaultKind, HARNESS_ARN, HarnessEnd, HarnessException, LocalAws, Options,
    Source,
};
use reqwest::Response;
use reqwest::header::HeaderName;
use serde_json::{Value, json};
use test_support::{soon, start, wait_for_entry};

/// The header that names the session.
const SESSION_HEADER: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// The ARN as the AWS SDKs write it in a path and in a query.
const ENCODED_ARN: &str =
    "arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A000000000000%3Aharness%2Flocal_harness-LOCALHARN1";

/// A caller of the harness, in one session.
struct Caller<'a> {
    aws: &'a LocalAws,
    http: reqwest::Client,
    session_id: String,
}

/// What a whole stream consists of.
#[derive(Debug, Default)]
struct Answer {
    /// Types and payloads, those of exceptions too.
    events: Vec<(String, Value)>,
    /// Whether the connection or a frame broke.
    broke: bool,
}

impl<'a> Caller<'a> {
    /// A caller whose session has this name, made as long as it has to be.
    fn new(aws: &'a LocalAws, name: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { aws, http, session_id: format!("{name}-session-of-at-least-33-characters") }
    }

    async fn post(&self, url: String, body: String) -> Response {
        let request = self.http.post(url).header(SESSION_HEADER, &self.session_id).body(body);
        soon("the response", request.send()).await.unwrap()
    }

    /// Invokes the harness with a body.
    async fn invoke(&self, body: &Value) -> Response {
        let url = format!("{}/harnesses/invoke?harnessArn={ENCODED_ARN}", self.aws.harness_url());
        self.post(url, body.to_string()).await
    }

    /// Says something, and reads the answer to its end.
    async fn say(&self, prompt: &str) -> Answer {
        Answer::read(self.invoke(&said(prompt)).await).await
    }

    /// Sends results, as the relay does: with the calls that they are for.
    async fn reply(&self, calls: &[Value], results: &[Value]) -> Answer {
        Answer::read(self.invoke(&replied(calls, results)).await).await
    }

    /// The message of the error that is the response, of this status and type.
    async fn refused(&self, body: &Value, status: u16, error_type: &str) -> String {
        refusal(self.invoke(body).await, status, error_type).await
    }

    async fn stop(&self, body: Value) -> Response {
        let url = format!("{}/runtimes/{ENCODED_ARN}/stopruntimesession", self.aws.harness_url());
        self.post(url, body.to_string()).await
    }

    /// Waits for the end of a run of this session.
    async fn ended(&self, how: HarnessEnd) {
        let wanted = Entry::HarnessEnded { session_id: self.session_id.clone(), how };
        wait_for_entry(self.aws, "the end of the run", |entry| *entry == wanted).await;
    }
}

impl Answer {
    async fn read(response: Response) -> Self {
        assert_eq!(response.status(), 200, "{:?}", response.headers());
        assert_eq!(response.headers()["content-type"], "application/vnd.amazon.eventstream");
        let mut bytes = BytesMut::new();
        let mut answer = Self::default();
        let mut stream = response.bytes_stream();
        loop {
            match soon("a part of the stream", stream.next()).await {
                Some(Ok(part)) => bytes.extend_from_slice(&part),
                Some(Err(_)) => answer.broke = true,
                None => break,
            }
        }
        answer.decode(bytes);
        answer
    }

    /// Decodes frames, each of which has exactly the three headers of the service.
    fn decode(&mut self, mut bytes: BytesMut) {
        let mut decoder = MessageFrameDecoder::new();
        loop {
            let frame = match decoder.decode_frame(&mut bytes) {
                Ok(DecodedFrame::Complete(frame)) => frame,
                Ok(DecodedFrame::Incomplete) => break,
                Err(_) => {
                    self.broke = true;
                    return;
                }
            };
            let header = |name: &str| {
                let header = frame.headers().iter().find(|header| header.name().as_str() == name);
                header.map(|header| header.value().as_string().unwrap().as_str().to_owned())
            };
            assert_eq!(frame.headers().len(), 3, "{frame:?}");
            assert_eq!(header(":content-type").as_deref(), Some("application/json"));
            let kind = header(":event-type").inspect(|_| {
                assert_eq!(header(":message-type").as_deref(), Some("event"));
            });
            let kind = kind.unwrap_or_else(|| {
                assert_eq!(header(":message-type").as_deref(), Some("exception"));
                header(":exception-type").unwrap()
            });
            let text = std::str::from_utf8(frame.payload()).unwrap();
            let payload: Value = serde_json::from_str(text).unwrap();
            self.events.push((kind, payload));
        }
        assert!(bytes.is_empty(), "{} bytes are left over", bytes.len());
    }

    fn text(&self) -> String {
        self.events.iter().filter_map(|(_, payload)| payload["delta"]["text"].as_str()).collect()
    }

    fn stop_reasons(&self) -> Vec<&str> {
        self.events.iter().filter_map(|(_, payload)| payload["stopReason"].as_str()).collect()
    }

    /// The calls of the model, with their input, as they can be sent again.
    fn calls(&self) -> Vec<Value> {
        let starts = self.events.iter().filter_map(|(_, payload)| {
            let call = payload["start"]["toolUse"].as_object()?;
            Some((&payload["contentBlockIndex"], &call["toolUseId"], &call["name"]))
        });
        let call = |(index, id, name): (&Value, &Value, &Value)| {
            let input: String = self
                .events
                .iter()
                .filter(|(_, payload)| payload["contentBlockIndex"] == *index)
                .filter_map(|(_, payload)| payload["delta"]["toolUse"]["input"].as_str())
                .collect();
            let input: Value = serde_json::from_str(&input).unwrap_or_else(|_| json!({}));
            json!({ "toolUse": { "toolUseId": id, "name": name, "input": input } })
        };
        starts.map(call).collect()
    }

    fn last(&self) -> &str {
        self.events.last().map_or("nothing", |(kind, _)| kind)
    }
}

fn said(prompt: &str) -> Value {
    json!({ "messages": [{ "role": "user", "content": [{ "text": prompt }] }] })
}

fn replied(calls: &[Value], results: &[Value]) -> Value {
    json!({ "messages": [
        { "role": "assistant", "content": calls },
        { "role": "user", "content": results },
    ] })
}

fn result(call: &Value, text: &str) -> Value {
    json!({ "toolResult": {
        "toolUseId": call["toolUse"]["toolUseId"],
        "content": [{ "text": text }],
        "status": "success",
    } })
}

async fn refusal(response: Response, status: u16, error_type: &str) -> String {
    assert_eq!(response.status(), status);
    let headers = response.headers();
    let given = headers.get("x-amzn-errortype").map_or("", |value| value.to_str().unwrap());
    assert_eq!(given, error_type);
    let body: Value = response.json().await.unwrap();
    if status == 400 {
        assert!(body["reason"].is_string(), "{body}");
    }
    body["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_answer_is_a_stream_of_messages_with_their_cost() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "first");
    let answer = caller.say("Hello, 世界!").await;
    assert!(answer.text().contains("You wrote “Hello, 世界!”"), "{}", answer.text());
    assert!(answer.text().contains("turn 1 of this conversation"));
    assert_eq!(answer.stop_reasons(), ["tool_use", "tool_result", "end_turn"]);
    let kinds: Vec<&str> = answer.events.iter().map(|(kind, _)| &**kind).collect();
    assert_eq!(
        kinds[..2],
        ["messageStart", "contentBlockDelta"],
        "no start of a block of reasoning"
    );
    assert_eq!(answer.events[1].1["contentBlockIndex"], 1);
    assert_eq!(kinds.iter().filter(|kind| **kind == "metadata").count(), 2);
    assert_eq!(answer.last(), "metadata");

    assert!(caller.say("/slow 0").await.text().contains("turn 2 of this conversation"));
    let other = Caller::new(&aws, "other");
    assert!(other.say("/slow 0").await.text().contains("turn 1 of this conversation"));
    aws.stop().await;
}

#[tokio::test]
async fn payloads_are_compact_json_and_the_response_has_no_other_headers_of_its_own() {
    let aws = start(Options::default()).await;
    let response = Caller::new(&aws, "raw").invoke(&said("/work")).await;
    let own = |name: &&str| name.starts_with("x-") || name.starts_with("content");
    let names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).filter(own).collect();
    assert_eq!(names, ["content-type"]);
    let bytes = response.bytes().await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let start = r#"{"contentBlockIndex":3,"start":{"toolUse":{"name":"docs___Retrieve","#;
    assert!(text.contains(start), "{text}");
    assert!(text.contains(r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":""}}}"#), "{text}");
    aws.stop().await;
}

#[tokio::test]
async fn each_event_leaves_the_moment_it_is_made() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "slow");
    let mut stream = caller.invoke(&said("/tokens 1000 20")).await.bytes_stream();
    // The whole answer lasts 50 seconds; its first pieces are here long before.
    for _ in 0..3 {
        let part = soon("a part", stream.next()).await.unwrap().unwrap();
        let mut answer = Answer::default();
        answer.decode(BytesMut::from(&*part));
        assert_eq!(answer.events.len(), 1);
    }
    let finished = |entry: &Entry| matches!(entry, Entry::AgentFinished { .. });
    assert!(!aws.journal().entries().iter().any(finished));
    aws.stop().await;
}

#[tokio::test]
async fn sessions_endpoints_and_actors_have_conversations_of_their_own() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "shared");
    let number = async |actor: Option<&str>, endpoint: &str| {
        let mut body = said("/slow 0");
        body["actorId"] = json!(actor);
        let url = format!(
            "{}/harnesses/invoke?qualifier={endpoint}&harnessArn={ENCODED_ARN}",
            aws.harness_url(),
        );
        let text = Answer::read(caller.post(url, body.to_string()).await).await.text();
        let (_, number) = text.split_once("turn ").unwrap();
        number.split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    assert_eq!(number(None, "DEFAULT").await, 1);
    assert!(caller.say("/slow 0").await.text().contains("turn 2 "), "DEFAULT is meant");
    assert_eq!(number(Some("ada"), "DEFAULT").await, 1);
    assert_eq!(number(Some("ada"), "DEFAULT").await, 2);
    assert_eq!(number(Some("bob"), "DEFAULT").await, 1);
    assert_eq!(number(None, "prod").await, 1);
    assert_eq!(number(None, "DEFAULT").await, 3);
    aws.stop().await;
}

#[tokio::test]
async fn a_call_is_handed_off_and_its_result_resumes_the_turn() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "tool");
    let asked = caller.say("/tool").await;
    assert_eq!(asked.stop_reasons(), ["tool_use"]);
    let calls = asked.calls();
    assert_eq!(calls[0]["toolUse"]["name"], "get_weather");
    assert_eq!(calls[0]["toolUse"]["input"], json!({ "city": "Zürich", "days": 3 }));
    let id = calls[0]["toolUse"]["toolUseId"].as_str().unwrap().to_owned();
    let returned = Entry::HarnessReturnedControl {
        session_id: caller.session_id.clone(),
        tool_use_ids: vec![id],
    };
    wait_for_entry(&aws, "the hand-off", |entry| *entry == returned).await;

    let answer = caller.reply(&calls, &[result(&calls[0], "14 °C, dry")]).await;
    assert!(answer.text().contains("`get_weather` returned `14 °C, dry`."), "{}", answer.text());
    assert!(answer.text().contains("still turn 1"), "{}", answer.text());
    // What the newest documentation says: the harness has the call itself.
    let calls = caller.say("/tool").await.calls();
    let failed = json!({ "toolResult": {
        "toolUseId": calls[0]["toolUse"]["toolUseId"],
        "content": [{ "text": "Tool execution cancelled by the user." }],
        "status": "error",
    } });
    let alone = json!({ "messages": [{ "role": "user", "content": [failed] }] });
    let answer = Answer::read(caller.invoke(&alone).await).await;
    let sentence = "`get_weather` failed with `Tool execution cancelled by the user.`.";
    assert!(answer.text().contains(sentence), "{}", answer.text());
    assert!(caller.say("/slow 0").await.text().contains("turn 3 "));
    aws.stop().await;
}

#[tokio::test]
async fn several_calls_come_one_after_the_other_or_together() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "tools");
    let mut asked = caller.say("/tool 3").await;
    for n in 1..=3 {
        let calls = asked.calls();
        assert_eq!(
            (calls.len(), asked.stop_reasons().as_slice()),
            (1, &["tool_use"][..]),
            "call {n}"
        );
        asked = caller.reply(&calls, &[result(&calls[0], &format!("result {n}"))]).await;
    }
    assert_eq!(asked.text().matches("returned `result").count(), 3, "{}", asked.text());

    let calls = caller.say("/tool 3 together").await.calls();
    assert_eq!(calls.len(), 3);
    let results: Vec<Value> = calls.iter().rev().map(|call| result(call, "done")).collect();
    let some = replied(&calls, &results[..2]);
    let missing = caller.refused(&some, 400, "ValidationException").await;
    assert!(missing.contains("Expected toolResult blocks for the following ids"), "{missing}");
    let answer = caller.reply(&calls, &results).await;
    assert_eq!(answer.text().matches("returned `done`").count(), 3, "{}", answer.text());
    aws.stop().await;
}

#[tokio::test]
async fn other_calls_can_be_answered_too() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "odd-tools");
    for prompt in ["/tool empty", "/tool text", "/tool untyped", "/tool late"] {
        let asked = caller.say(prompt).await;
        let calls = asked.calls();
        let call = calls.last().unwrap();
        let typed =
            asked.events.iter().any(|(_, payload)| payload["start"]["toolUse"]["type"].is_string());
        assert_eq!(typed, prompt != "/tool untyped");
        let answer = caller.reply(&calls, &[result(call, "here")]).await;
        assert!(answer.text().contains("returned `here`"), "{prompt}: {}", answer.text());
    }
    let denied = caller.say("/tool denied").await;
    assert_eq!(denied.stop_reasons().last(), Some(&"end_turn"));
    aws.stop().await;
}

#[tokio::test]
async fn results_that_do_not_fit_are_refused_and_the_right_ones_still_welcome() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "strict");
    let refused = async |body: &Value| caller.refused(body, 400, "ValidationException").await;
    let nobody = json!({ "toolUse": { "toolUseId": "nobody", "name": "n", "input": {} } });
    let stale = replied(std::slice::from_ref(&nobody), &[result(&nobody, "early")]);
    assert!(refused(&stale).await.contains("No tool call is pending"));

    let calls = caller.say("/tool").await.calls();
    assert!(refused(&stale).await.contains("'nobody' is not pending"));
    let other = replied(&[nobody], &[result(&calls[0], "14")]);
    assert!(
        refused(&other).await.contains("exceeds the number of toolUse blocks of previous turn")
    );
    let new_turn = refused(&said("something else")).await;
    assert!(
        new_turn.contains("A new user turn cannot start while tool calls are pending"),
        "{new_turn}"
    );
    // JSON is in the model of the API, but the service does not take it.
    let with_json = json!({ "toolResult": {
        "toolUseId": calls[0]["toolUse"]["toolUseId"], "content": [{ "json": { "t": 14 } }],
    } });
    let failed = caller.reply(&calls, &[with_json]).await;
    let (kind, payload) = failed.events.last().unwrap();
    assert_eq!((&**kind, failed.events.len()), ("runtimeClientError", 1));
    let message = payload["message"].as_str().unwrap();
    assert!(message.contains("content_type=<json_> | unsupported type"), "{message}");

    let stranger = Caller::new(&aws, "stranger");
    let mine = replied(&calls, &[result(&calls[0], "14")]);
    let foreign = stranger.refused(&mine, 400, "ValidationException").await;
    assert!(foreign.contains("No tool call is pending in this session"), "{foreign}");
    let mut of_another = mine.clone();
    of_another["actorId"] = json!("somebody-else");
    assert!(refused(&of_another).await.contains("No tool call is pending"));

    assert!(Answer::read(caller.invoke(&mine).await).await.text().contains("returned `14`"));
    assert!(refused(&mine).await.contains("No tool call is pending"), "it is replayed");
    aws.stop().await;
}

#[tokio::test]
async fn bad_requests_are_refused_as_the_model_of_the_api_has_it() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "valid");
    let hello = said("hello").to_string();
    let url = |query: &str| format!("{}/harnesses/invoke{query}", aws.harness_url());
    let good = format!("?harnessArn={ENCODED_ARN}");
    for (query, reason) in [
        ("", "'harnessArn' failed to satisfy constraint: Member must not be null"),
        ("?harnessArn=", "'harnessArn'"),
        ("?harnessArn=arn:aws:bedrock-agentcore:us-east-1:0:harness/a-LOCALHARN1", "'harnessArn'"),
        (
            "?harnessArn=arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A000000000000%3Aruntime%2Fa-LOCALHARN1",
            "'harnessArn'",
        ),
        (&format!("{good}&qualifier="), "'qualifier'"),
        (&format!("{good}&qualifier=1st"), "'qualifier'"),
    ] {
        let response = caller.post(url(query), hello.clone()).await;
        let message = refusal(response, 400, "ValidationException").await;
        assert!(message.contains(reason), "{query}: {message}");
    }
    let (short, long) = ("s".repeat(32), "s".repeat(101));
    for session_id in [
        "",
        &*short,
        &*long,
        "has:a:colon:and:is:long:enough:for:it",
        "_underscore_first_and_long_enough_",
    ] {
        let session = Caller { session_id: session_id.to_owned(), ..Caller::new(&aws, "") };
        let message =
            refusal(session.invoke(&said("hello")).await, 400, "ValidationException").await;
        assert!(message.contains("'runtimeSessionId'"), "{message}");
    }
    let http = &caller.http;
    let response =
        soon("a response", http.post(url(&good)).body(hello.clone()).send()).await.unwrap();
    let message = refusal(response, 400, "ValidationException").await;
    assert!(
        message
            .contains("'runtimeSessionId' failed to satisfy constraint: Member must not be null")
    );
    for (name, length) in [("traceparent", 1025), ("tracestate", 513), ("baggage", 8193)] {
        let request = http.post(url(&good)).header(SESSION_HEADER, &caller.session_id);
        let request = request.header(name, "x".repeat(length)).body(hello.clone()).send();
        let response = soon("a response", request).await.unwrap();
        let message = refusal(response, 400, "ValidationException").await;
        assert!(message.contains(&format!("'{name}'")), "{message}");
    }
    for (body, reason) in [
        ("", "not JSON"),
        ("[]", "must be an object"),
        ("{}", "'messages'"),
        (r#"{"messages":[]}"#, "must not be empty"),
        (
            r#"{"messages":[{"role":"user","content":[{"text":""}]}]}"#,
            "length greater than or equal to 1",
        ),
        (r#"{"messages":[{"role":"robot","content":[{"text":"a"}]}]}"#, "[user, assistant]"),
    ] {
        let response = caller.post(url(&good), body.to_owned()).await;
        let message = refusal(response, 400, "ValidationException").await;
        assert!(message.contains(reason), "{body}: {message}");
    }
    let large = format!("{{\"messages\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let response = caller.post(url(&good), large).await;
    assert!(refusal(response, 400, "ValidationException").await.contains("larger than"));
    // Each of them is in the journal, and the harness is none the worse for it.
    let refused = |entry: &&Entry| matches!(entry, Entry::AgentRefused { status: 400, .. });
    assert!(aws.journal().entries().iter().filter(refused).count() >= 20);
    assert_eq!(caller.say("/slow 0").await.last(), "metadata");
    aws.stop().await;
}

#[tokio::test]
async fn each_exception_is_an_http_status_or_if_it_can_ends_the_stream() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "error");
    for exception in HarnessException::ALL {
        let prompt = format!("/error {}", exception.member());
        let error_type = exception.shape().unwrap_or_default();
        let message = caller.refused(&said(&prompt), exception.status(), &error_type).await;
        assert_eq!(message, exception.message());
    }
    for exception in HarnessException::IN_STREAM {
        for after in [0, 3] {
            let answer = caller.say(&format!("/error {} {after}", exception.member())).await;
            assert_eq!(answer.text().matches("chunk").count(), after);
            let (kind, payload) = answer.events.last().unwrap();
            assert_eq!(kind, exception.member());
            assert_eq!(payload["message"], exception.message());
            assert!(answer.stop_reasons().is_empty());
            caller.ended(HarnessEnd::Exception(exception.member())).await;
        }
    }
    aws.stop().await;
}

#[tokio::test]
async fn a_refusal_can_be_over_when_it_is_asked_again() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "again");
    for (name, status) in [("throttlingException", 429), ("retryableConflictException", 409)] {
        let prompt = said(&format!("/refuse {name} 2"));
        for _ in 0..2 {
            assert_eq!(caller.invoke(&prompt).await.status(), status);
        }
        let answer = Answer::read(caller.invoke(&prompt).await).await;
        assert_eq!(answer.text(), "You were refused 2 times, and asked again.");
        // It begins again.
        assert_eq!(caller.invoke(&prompt).await.status(), status);
    }
    aws.stop().await;
}

#[tokio::test]
async fn faults_of_the_agent_are_those_of_the_harness() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "fault");
    aws.faults().refuse_next(2, Exception::Throttling);
    aws.faults().refuse_next(1, Exception::Conflict);
    aws.faults().refuse_next(1, Exception::DependencyFailed);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(caller.invoke(&said("/slow 0")).await.status().as_u16());
    }
    assert_eq!(statuses, [429, 429, 409, 424, 200]);
    assert_eq!(aws.faults().counts()[&FaultKind::Refusal], 4);
    let invoked = |entry: &&Entry| {
        matches!(entry, Entry::HarnessInvoked { session_id, request }
            if *session_id == caller.session_id && *request == said("/slow 0"))
    };
    assert_eq!(aws.journal().entries().iter().filter(invoked).count(), 5);
    aws.stop().await;
}

#[tokio::test]
async fn cut_and_corrupt_break_the_stream_after_the_pieces_before_it() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "break");
    for prompt in ["/cut", "/corrupt"] {
        for after in [0, 3] {
            let answer = caller.say(&format!("{prompt} {after}")).await;
            assert!(answer.broke, "{prompt} {after}");
            assert_eq!(answer.text().matches("chunk").count(), after, "{prompt}");
            let broke = |entry: &Entry| matches!(entry, Entry::AgentBroke { chunks, .. } if *chunks == after);
            wait_for_entry(&aws, "the break", broke).await;
            caller.ended(HarnessEnd::Broke).await;
        }
    }
    let abandoned = |entry: &Entry| matches!(entry, Entry::HarnessAbandoned { .. });
    assert!(!aws.journal().entries().iter().any(abandoned));
    aws.stop().await;
}

#[tokio::test]
async fn a_run_goes_on_when_its_caller_has_left_and_its_session_is_busy_until_it_ends() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "left");
    let mut stream = caller.invoke(&said("/tokens 40 25")).await.bytes_stream();
    soon("a part", stream.next()).await.unwrap().unwrap();
    drop(stream);
    let left = |entry: &Entry| matches!(entry, Entry::HarnessAbandoned { .. });
    let abandoned = wait_for_entry(&aws, "the caller's leaving", left).await;
    let message = caller.refused(&said("/slow 0"), 409, "RetryableConflictException").await;
    assert_eq!(message, "Session operation in progress, please retry");
    let other = Caller::new(&aws, "right");
    assert_eq!(other.say("/slow 0").await.last(), "metadata", "other sessions are free");

    let finished = wait_for_entry(&aws, "the end", |entry| {
        matches!(entry, Entry::AgentFinished { session_id, chunks: 40, exception: None, .. }
            if *session_id == caller.session_id)
    })
    .await;
    assert!(finished.index > abandoned.index);
    caller.ended(HarnessEnd::Finished).await;
    assert!(caller.say("/slow 0").await.text().contains("turn 2 "), "what was unheard counts");
    aws.stop().await;
}

#[tokio::test]
async fn a_caller_that_leaves_in_silence_is_noticed_and_what_is_asked_stays_pending() {
    let folder = std::env::temp_dir().join(format!("harness-left-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let timeline = r#"{"messageStart":{"role":"assistant"}}
{"after_ms":600,"toolUse":{"toolUseId":"t1","name":"look"},"input":{}}
{"messageStop":{"stopReason":"tool_use"}}
"#;
    std::fs::write(folder.join("late.jsonl"), timeline).unwrap();
    let aws = start(Options { timelines: Some(folder.clone()), ..Options::default() }).await;
    let caller = Caller::new(&aws, "silent");
    let mut stream = caller.invoke(&said("/play late.jsonl")).await.bytes_stream();
    soon("a part", stream.next()).await.unwrap().unwrap();
    drop(stream);
    let left = Entry::HarnessAbandoned { session_id: caller.session_id.clone(), chunks: 0 };
    wait_for_entry(&aws, "the caller's leaving", |entry| *entry == left).await;
    caller.ended(HarnessEnd::Finished).await;
    let message = caller.refused(&said("hello"), 400, "ValidationException").await;
    assert!(message.contains("following ids: t1"), "{message}");
    aws.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn stopping_a_session_ends_its_stream_at_once_and_forgets_its_history() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "stopped");
    assert!(caller.say("/slow 0").await.text().contains("turn 1 "));
    let running = caller.invoke(&said("/pause 2 600")).await;
    let is_pause = |entry: &Entry| matches!(entry, Entry::HarnessInvoked { request, .. } if *request == said("/pause 2 600"));
    let begun = wait_for_entry(&aws, "the invocation", is_pause).await.index;
    let second = |entry: &Entry| matches!(entry, Entry::AgentChunk { n: 2, .. });
    soon("the second piece", aws.journal().wait_for_after(begun, second)).await;
    let token = json!({ "clientToken": "token-0123456789-0123456789-0123456789" });
    let response = caller.stop(token.clone()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[SESSION_HEADER], *caller.session_id);
    let answer = Answer::read(running).await;
    assert_eq!((answer.text().as_str(), answer.stop_reasons().len()), ("chunk 1 chunk 2 ", 0));
    let stopped = Entry::SessionStopped { session_id: caller.session_id.clone() };
    let stopped = wait_for_entry(&aws, "the stop", |entry| *entry == stopped).await;
    let ended =
        Entry::HarnessEnded { session_id: caller.session_id.clone(), how: HarnessEnd::Stopped };
    assert!(wait_for_entry(&aws, "the end", |entry| *entry == ended).await.index > stopped.index);

    assert_eq!(caller.stop(token.clone()).await.status(), 200, "the same request may come again");
    let gone = refusal(caller.stop(json!({})).await, 404, "ResourceNotFoundException").await;
    assert!(gone.contains("not found"), "{gone}");
    assert!(caller.say("/slow 0").await.text().contains("turn 1 "), "the history is forgotten");

    // What was pending is forgotten, too, and a run whose caller has left ends as well.
    let calls = caller.say("/tool").await.calls();
    assert_eq!(caller.stop(json!({})).await.status(), 200);
    let late = replied(&calls, &[result(&calls[0], "14")]);
    let message = caller.refused(&late, 400, "ValidationException").await;
    assert!(message.contains("No tool call is pending"), "{message}");
    let mut stream = caller.invoke(&said("/pause 1 600")).await.bytes_stream();
    soon("a part", stream.next()).await.unwrap().unwrap();
    drop(stream);
    let left = |entry: &Entry| matches!(entry, Entry::HarnessAbandoned { .. });
    wait_for_entry(&aws, "the caller's leaving", left).await;
    assert_eq!(caller.stop(json!({})).await.status(), 200);
    assert_eq!(caller.say("/slow 0").await.last(), "metadata", "the session is free");
    aws.stop().await;
}

#[tokio::test]
async fn what_cannot_be_stopped_is_refused() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "stop");
    let url = |arn: &str| format!("{}/runtimes/{arn}/stopruntimesession", aws.harness_url());
    let never = refusal(caller.stop(json!({})).await, 404, "ResourceNotFoundException").await;
    assert!(never.contains("not found"), "{never}");
    for (url, body, reason) in [
        (url("some-runtime-id"), "{}", "'agentRuntimeArn'"),
        (
            url("arn:aws:bedrock-agentcore:us-east-1:000000000000:runtime%2Fharness_x-LOCALHARN1"),
            "{}",
            "is managed by a harness and cannot be invoked directly",
        ),
        (url(ENCODED_ARN), r#"{"clientToken":"short"}"#, "'clientToken'"),
        (url(ENCODED_ARN), "no JSON", "not JSON"),
        (format!("{}?qualifier=a.b", url(ENCODED_ARN)), "{}", "'qualifier'"),
    ] {
        let response = caller.post(url, body.to_owned()).await;
        let message = refusal(response, 400, "ValidationException").await;
        assert!(message.contains(reason), "{message}");
    }
    let short = Caller { session_id: "short".to_owned(), ..Caller::new(&aws, "") };
    let message = refusal(short.stop(json!({})).await, 400, "ValidationException").await;
    assert!(message.contains("'runtimeSessionId'"), "{message}");
    // A session belongs to the endpoint that it began at.
    caller.say("/slow 0").await;
    let elsewhere =
        caller.post(format!("{}?qualifier=prod", url(ENCODED_ARN)), String::new()).await;
    refusal(elsewhere, 404, "ResourceNotFoundException").await;
    let here = caller.post(format!("{}?qualifier=DEFAULT", url(ENCODED_ARN)), String::new()).await;
    assert_eq!(here.status(), 200);
    aws.stop().await;
}

#[tokio::test]
async fn a_run_ends_when_it_has_taken_as_long_as_its_caller_gave_it() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "timeout");
    for (prompt, text) in [("/pause 2 600", "chunk 1 chunk 2 "), ("/slow 600", "")] {
        let mut body = said(prompt);
        body["timeoutSeconds"] = json!(1);
        let answer = Answer::read(caller.invoke(&body).await).await;
        assert_eq!(answer.text(), text);
        assert_eq!(answer.stop_reasons(), ["timeout_exceeded"]);
        let starts = answer.events.iter().filter(|(kind, _)| kind == "messageStart").count();
        assert_eq!((starts, answer.last()), (1, "metadata"));
        caller.ended(HarnessEnd::TimedOut).await;
    }
    aws.stop().await;
}

#[tokio::test]
async fn everything_stops_even_while_the_harness_is_silent() {
    let aws = start(Options::default()).await;
    let caller = Caller::new(&aws, "shutdown");
    let mut stream = caller.invoke(&said("/slow 600")).await.bytes_stream();
    let mut abandoned =
        Caller::new(&aws, "gone").invoke(&said("/pause 1 600")).await.bytes_stream();
    soon("a part", abandoned.next()).await.unwrap().unwrap();
    drop(abandoned);
    let left = |entry: &Entry| matches!(entry, Entry::HarnessAbandoned { .. });
    wait_for_entry(&aws, "the caller's leaving", left).await;
    let stop = tokio::time::timeout(Duration::from_secs(2), aws.stop());
    let (stopped, rest) = tokio::join!(stop, stream.next());
    assert!(stopped.is_ok(), "the open stream held the stop up");
    assert!(rest.is_none_or(|last| last.is_err()));
}

#[tokio::test]
async fn the_function_is_given_the_variables_of_its_source() {
    let endpoint = |aws: &LocalAws, name: &str| {
        aws.function_environment()
            .into_iter()
            .find(|(variable, _)| *variable == format!("AWS_ENDPOINT_URL_{name}"))
            .map(|(_, value)| value)
    };
    let aws = start(Options { source: Source::Harness, ..Options::default() }).await;
    assert_eq!(endpoint(&aws, "BEDROCK_AGENTCORE"), Some(aws.harness_url()));
    assert_eq!(aws.harness_url(), format!("http://{}/agentcore", aws.address()));
    assert_eq!(endpoint(&aws, "BEDROCK_AGENT_RUNTIME"), None);
    aws.stop().await;
    let aws = start(Options::default()).await;
    assert_eq!(endpoint(&aws, "BEDROCK_AGENT_RUNTIME"), Some(aws.agent_url()));
    assert_eq!(endpoint(&aws, "BEDROCK_AGENTCORE"), None);
    aws.stop().await;
    assert!(HARNESS_ARN.ends_with("harness/local_harness-LOCALHARN1"));
}

#[tokio::test]
async fn the_wire_before_the_agent_is_before_the_harness_too() {
    let aws = start(Options { wire: true, source: Source::Harness, ..Options::default() }).await;
    let caller = Caller::new(&aws, "wire");
    assert_eq!(caller.say("/slow 0").await.last(), "metadata");
    let wire = aws.agent_wire().unwrap();
    assert!(aws.harness_url().contains(&wire.address().to_string()));
    let mut stream = caller.invoke(&said("/tokens 100 25")).await.bytes_stream();
    soon("a part", stream.next()).await.unwrap().unwrap();
    assert_eq!(wire.close_open(local_aws::WireClose::Reset), 1);
    while let Some(Ok(_)) = soon("the end", stream.next()).await {}
    let left = |entry: &Entry| matches!(entry, Entry::HarnessAbandoned { .. });
    wait_for_entry(&aws, "the break", left).await;
    caller.ended(HarnessEnd::Finished).await;
    aws.stop().await;
}

#[tokio::test]
async fn what_a_harness_says_is_recorded_and_played_as_it_was_said() {
    let folder = std::env::temp_dir().join(format!("harness-record-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("said.jsonl");
    let options =
        Options { record: Some(file.clone()), source: Source::Harness, ..Options::default() };
    let recording = start(options).await;
    let caller = Caller::new(&recording, "recorded");
    let url = |path: &str| format!("{}/{path}", recording.recorder_url());
    let invoke = url(&format!("harnesses/invoke?harnessArn={ENCODED_ARN}"));
    let say =
        async |body: Value| Answer::read(caller.post(invoke.clone(), body.to_string()).await).await;
    let mut said_before = Vec::new();
    let prompts =
        ["/work", "/unknown", "/hook", "/odd members", "/error validation 2", "/cut 2", "/tool"];
    for prompt in prompts {
        said_before.push(say(said(prompt)).await);
    }
    let calls = said_before.last().unwrap().calls();
    said_before.push(say(replied(&calls, &[result(&calls[0], "14")])).await);
    let refused = caller.post(invoke.clone(), said("/error throttling").to_string()).await;
    refusal(refused, 429, "ThrottlingException").await;
    let recorded = |entry: &Entry| matches!(entry, Entry::AgentRecorded { turn, .. } if *turn == prompts.len() + 1);
    wait_for_entry(&recording, "the recording", recorded).await;
    let stop = url(&format!("runtimes/{ENCODED_ARN}/stopruntimesession"));
    assert_eq!(caller.post(stop, String::new()).await.status(), 200);
    let stopped = |entry: &Entry| matches!(entry, Entry::SessionStopped { .. });
    wait_for_entry(&recording, "the stop", stopped).await;
    let session_id = caller.session_id.clone();
    recording.stop().await;

    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(&session_id), "{text}");
    assert_eq!(text.matches("{\"turn\":").count(), said_before.len(), "a refusal is no turn");
    let aws = start(Options { timelines: Some(folder.clone()), ..Options::default() }).await;
    let other_caller = Caller::new(&aws, "player");
    for (number, before) in said_before.iter().enumerate() {
        // The result resumes what was played last.
        let played = if number == prompts.len() {
            other_caller.reply(&calls, &[result(&calls[0], "14")]).await
        } else {
            other_caller.say("/play said.jsonl --speed 0").await
        };
        assert_eq!(played.events, before.events, "turn {}", number + 1);
        assert_eq!(played.broke, before.broke);
    }
    let text = other_caller.say("/play missing.jsonl").await.text();
    assert!(text.contains("There is no such file"), "{text}");
    aws.stop().await;
    std::fs::remove_dir_all(folder).unwrap();
}
