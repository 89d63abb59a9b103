//! Faults on purpose, as a function meets them over real sockets: each with its effect on the
//! caller, on the client, in the journal and in the counts.

use std::time::Duration;

use aws_sdk_apigatewaymanagement as management;
use futures::{SinkExt, StreamExt};
use local_aws::{
    AGENT_ALIAS_ID, AGENT_ID, Entry, Exception, FaultKind, Faults, FaultsError, LocalAws, Options,
    PostFault, StartError,
};
use management::config::retry::RetryConfig;
use management::config::{BehaviorVersion, Region};
use management::error::{DisplayErrorContext, SdkError};
use management::operation::post_to_connection::PostToConnectionError;
use management::primitives::Blob;
use serde_json::{Value, json};
use test_support::{Client, Runtime, ok, soon, start, wait_for_entry};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

/// A client that is connected, and what its function needs to post to it.
struct Line {
    aws: LocalAws,
    runtime: Runtime,
    client: Client,
    connection_id: String,
    sdk: management::Client,
}

impl Line {
    async fn open(faults: Faults) -> Self {
        Self::open_with(Options { faults, ..Options::default() }).await
    }

    async fn open_with(options: Options) -> Self {
        let aws = start(options).await;
        let runtime = Runtime::new(&aws);
        let (client, connection_id) = connect(&aws, &runtime).await;
        let config = management::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(aws.callback_url())
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            .build();
        let sdk = management::Client::from_conf(config);
        Self { aws, runtime, client, connection_id, sdk }
    }

    /// Posts with the SDK, once.
    async fn post(&self, text: &str) -> Result<(), SdkError<PostToConnectionError>> {
        let request = self
            .sdk
            .post_to_connection()
            .connection_id(&self.connection_id)
            .data(Blob::new(text))
            .send();
        soon("the answer to a post", request).await.map(drop)
    }

    /// Posts with the SDK, once, and must fail so.
    async fn error(&self, text: &str) -> PostToConnectionError {
        match self.post(text).await {
            Err(SdkError::ServiceError(error)) => error.into_err(),
            other => panic!("{other:?}"),
        }
    }

    /// Posts with the SDK, once; there must be no answer, and not for want of patience.
    async fn unanswered(&self, text: &str) {
        match self.post(text).await {
            Err(error @ SdkError::DispatchFailure(_)) => {
                let words = DisplayErrorContext(&error).to_string();
                assert!(words.contains("connection closed before message completed"), "{words}");
            }
            other => panic!("{other:?}"),
        }
    }

    /// A fault of this kind stands in the journal, about this connection.
    async fn injected(&self, kind: FaultKind) {
        let wanted = Entry::FaultInjected { kind, subject: self.connection_id.clone() };
        wait_for_entry(&self.aws, "the fault", |entry| *entry == wanted).await;
    }

    fn count(&self, kind: FaultKind) -> u64 {
        self.aws.faults().counts().get(&kind).copied().unwrap_or_default()
    }

    /// Goes on with a new connection; returns the old client and the id of its connection.
    async fn reconnect(&mut self) -> (Client, String) {
        let (client, connection_id) = connect(&self.aws, &self.runtime).await;
        let old = std::mem::replace(&mut self.client, client);
        (old, std::mem::replace(&mut self.connection_id, connection_id))
    }

    /// The connection of this id is there, as far as the gateway knows.
    async fn is_there(&self, connection_id: &str) -> bool {
        self.sdk.get_connection().connection_id(connection_id).send().await.is_ok()
    }

    /// Posts one more message, which arrives; nothing came before it.
    async fn still_open(&mut self) {
        self.post("still here").await.unwrap();
        assert_eq!(self.client.text().await, "still here");
    }

    /// Ends everything; a client that is still there would want to be taken leave of.
    async fn close(self) {
        drop(self.client);
        self.aws.stop().await;
    }
}

async fn connect(aws: &LocalAws, runtime: &Runtime) -> (Client, String) {
    let (client, event) = Client::accepted(aws, runtime).await;
    let id = event["requestContext"]["connectionId"].as_str().unwrap().to_owned();
    (client, id)
}

#[tokio::test]
async fn posts_fail_with_each_status_and_are_not_delivered() {
    type Check = fn(&PostToConnectionError) -> bool;
    let mut line = Line::open(Faults::default()).await;
    let cases: [(u16, Check); 6] = [
        (403, PostToConnectionError::is_forbidden_exception),
        (410, PostToConnectionError::is_gone_exception),
        (413, PostToConnectionError::is_payload_too_large_exception),
        (429, PostToConnectionError::is_limit_exceeded_exception),
        (500, |error| error.meta().code() == Some("InternalServerErrorException")),
        (503, |error| error.meta().code() == Some("InternalServerErrorException")),
    ];
    for (status, fits) in cases {
        line.aws.faults().fail_next(1, PostFault::Status(status));
        let error = line.error("lost").await;
        assert!(fits(&error), "{status}: {}", DisplayErrorContext(&error));
        line.injected(FaultKind::Status(status)).await;
        wait_for_entry(
            &line.aws,
            "the post",
            |entry| matches!(entry, Entry::Posted { status: given, .. } if *given == status),
        )
        .await;
        assert_eq!(line.count(FaultKind::Status(status)), 1);
        line.still_open().await;
    }
    line.close().await;
}

#[tokio::test]
async fn the_next_posts_fail_and_no_others() {
    let mut line = Line::open(Faults::default()).await;
    line.still_open().await;
    line.aws.faults().fail_next(3, PostFault::Status(429));
    for _ in 0..3 {
        assert!(line.error("lost").await.is_limit_exceeded_exception());
    }
    line.still_open().await;
    assert_eq!(line.count(FaultKind::Status(429)), 3);
    line.close().await;
}

#[tokio::test]
async fn from_the_nth_post_of_each_connection_on_posts_fail() {
    let mut line = Line::open(Faults::default()).await;
    line.aws.faults().fail_from(3, PostFault::Status(410));
    for _ in 0..2 {
        line.still_open().await;
    }
    for _ in 0..3 {
        assert!(line.error("lost").await.is_gone_exception());
    }
    let (client, connection_id) = connect(&line.aws, &line.runtime).await;
    (line.client, line.connection_id) = (client, connection_id);
    for _ in 0..2 {
        line.still_open().await;
    }
    assert!(line.error("lost").await.is_gone_exception());
    line.aws.faults().clear();
    line.still_open().await;
    assert_eq!(line.count(FaultKind::Status(410)), 4);
    line.close().await;
}

#[tokio::test]
async fn a_hanging_post_is_not_answered_until_its_caller_gives_up() {
    let mut line = Line::open(Faults::default()).await;
    line.aws.faults().fail_next(1, PostFault::Hang);
    {
        let post = line.post("lost");
        tokio::pin!(post);
        let injected = line.injected(FaultKind::Hang);
        tokio::select! {
            biased;
            answer = &mut post => panic!("{answer:?}"),
            () = injected => {}
        }
        // While other posts are answered, this one is not.
        for _ in 0..5 {
            assert!(line.post("between").await.is_ok());
        }
        assert!(futures::poll!(&mut post).is_pending());
    }
    for _ in 0..5 {
        assert_eq!(line.client.text().await, "between");
    }
    line.still_open().await;
    line.close().await;
}

#[tokio::test]
async fn everything_stops_although_a_post_hangs() {
    let line = Line::open(Faults::default()).await;
    line.aws.faults().fail_next(1, PostFault::Hang);
    let url = format!("{}/@connections/{}", line.aws.callback_url(), line.connection_id);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let hanging = tokio::spawn(http.post(url).body("lost").send());
    line.injected(FaultKind::Hang).await;
    soon("the end", line.close()).await;
    assert!(soon("the end of the post", hanging).await.unwrap().is_err());
}

#[tokio::test]
async fn a_cut_post_gets_not_one_byte_and_is_not_delivered() {
    let mut line = Line::open(Faults::default()).await;
    line.aws.faults().fail_next(2, PostFault::Cut);
    line.unanswered("lost").await;
    line.injected(FaultKind::Cut).await;

    let mut raw = TcpStream::connect(line.aws.address()).await.unwrap();
    let request = format!(
        "POST /local/@connections/{} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 4\r\n\r\nlost",
        line.connection_id,
    );
    raw.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    soon("the end of the connection", raw.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "");
    line.still_open().await;
    let posted = |entry: &&Entry| matches!(entry, Entry::Posted { .. });
    assert_eq!(line.aws.journal().entries().iter().filter(posted).count(), 1);
    line.close().await;
}

#[tokio::test]
async fn a_post_whose_answer_is_lost_is_delivered_all_the_same() {
    let mut line = Line::open(Faults::default()).await;
    line.aws.faults().fail_next(1, PostFault::LoseAnswer);
    line.unanswered("delivered").await;
    line.injected(FaultKind::LostAnswer).await;
    assert_eq!(line.client.text().await, "delivered");
    line.still_open().await;
    line.close().await;
}

#[tokio::test]
async fn a_slow_post_is_delivered_before_it_is_answered() {
    let mut line = Line::open(Faults::default()).await;
    line.aws.faults().fail_next(1, PostFault::Slow(Duration::from_mins(10)));
    {
        let post = line
            .sdk
            .post_to_connection()
            .connection_id(&line.connection_id)
            .data(Blob::new("delivered"))
            .send();
        tokio::pin!(post);
        tokio::select! {
            biased;
            answer = &mut post => panic!("{answer:?}"),
            text = line.client.text() => assert_eq!(text, "delivered"),
        }
    }
    line.injected(FaultKind::Slow).await;
    line.still_open().await;
    line.close().await;
}

#[tokio::test]
async fn a_vanished_client_is_gone_without_a_close_frame_and_the_function_gets_disconnect() {
    let mut line = Line::open(Faults::default()).await;
    line.aws.faults().vanish_at(3);
    for _ in 0..2 {
        line.still_open().await;
    }
    assert!(line.error("lost").await.is_gone_exception());
    line.injected(FaultKind::Vanish).await;
    match soon("the end", line.client.socket.next()).await {
        None | Some(Err(_)) => {}
        Some(Ok(Message::Close(frame))) => panic!("a close frame: {frame:?}"),
        Some(Ok(other)) => panic!("{other:?}"),
    }
    let event = line.runtime.accept("$disconnect").await;
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1006);
    assert!(line.error("lost").await.is_gone_exception());
    assert_eq!(line.count(FaultKind::Vanish), 1);
    line.close().await;
}

/// The client's side of the connection ends, without a close frame or anything else before.
async fn assert_ended(client: &mut Client) {
    match soon("the end", client.socket.next()).await {
        None | Some(Err(_)) => {}
        Some(Ok(other)) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn from_a_post_on_everything_is_swallowed_and_neither_side_notices() {
    let mut line = Line::open(Faults::default()).await;
    line.aws.faults().swallow_from(3);
    for _ in 0..2 {
        line.still_open().await;
    }
    for _ in 0..3 {
        line.post("lost").await.unwrap();
    }
    line.injected(FaultKind::Swallow).await;
    line.client.send("lost as well").await;
    line.client.socket.send(Message::Close(None)).await.unwrap();

    // The network stays as it is when there are no faults any more, and other connections are well. The
    // function hears of no end.
    line.aws.faults().clear();
    line.post("lost").await.unwrap();
    let (mut lost, lost_id) = line.reconnect().await;
    line.still_open().await;
    assert!(line.is_there(&lost_id).await);

    line.sdk.delete_connection().connection_id(&lost_id).send().await.unwrap();
    let event = line.runtime.accept("$disconnect").await;
    assert_eq!(event["requestContext"]["connectionId"], lost_id);
    assert_eq!(event["requestContext"]["disconnectStatusCode"], 1000);
    assert!(!line.is_there(&lost_id).await);
    assert_ended(&mut lost).await;
    let received = |entry: &Entry| matches!(entry, Entry::MessageReceived { .. });
    assert!(!line.aws.journal().entries().iter().any(received));
    assert_eq!(line.count(FaultKind::Swallow), 1, "a connection is lost once");
    line.close().await;
}

#[tokio::test]
async fn what_was_posted_before_a_loss_arrives() {
    for half_open in [false, true] {
        let mut line = Line::open(Faults::default()).await;
        let faults = line.aws.faults();
        if half_open {
            faults.half_open_from(21);
        } else {
            faults.swallow_from(21);
        }
        let text = "a frame ".repeat(4000);
        for _ in 0..25 {
            line.post(&text).await.unwrap();
        }
        for _ in 0..20 {
            assert_eq!(line.client.text().await, text);
        }
        if half_open {
            assert_ended(&mut line.client).await;
        }
        line.close().await;
    }
}

#[tokio::test]
async fn a_half_open_connection_has_ended_for_the_client_alone() {
    let mut line = Line::open(Faults::default()).await;
    line.aws.faults().half_open_from(2);
    line.still_open().await;
    for _ in 0..3 {
        line.post("lost").await.unwrap();
    }
    line.injected(FaultKind::HalfOpen).await;
    line.aws.faults().clear();
    assert_ended(&mut line.client).await;
    // The next event that the function gets is not of an end.
    let (_, lost_id) = line.reconnect().await;
    line.still_open().await;
    assert!(line.is_there(&lost_id).await);
    assert_eq!(line.count(FaultKind::HalfOpen), 1);
    line.close().await;
}

#[tokio::test]
async fn the_gateway_notices_a_loss_when_the_connection_has_been_idle() {
    for half_open in [false, true] {
        let mut options = Options::default();
        options.limits.idle = Duration::from_millis(500);
        let line = Line::open_with(options).await;
        let faults = line.aws.faults();
        if half_open {
            faults.half_open_from(1);
        } else {
            faults.swallow_from(1);
        }
        line.post("lost").await.unwrap();
        let event = line.runtime.accept("$disconnect").await;
        assert_eq!(event["requestContext"]["disconnectStatusCode"], 1001);
        assert!(line.error("lost").await.is_gone_exception());
        line.close().await;
    }
}

#[tokio::test]
async fn what_is_lost_fills_the_clients_buffer() {
    let mut options = Options::default();
    options.limits.client_buffer_bytes = 10;
    let line = Line::open_with(options).await;
    line.aws.faults().swallow_from(1);
    for _ in 0..2 {
        line.post("five!").await.unwrap();
    }
    assert!(line.error("more").await.is_limit_exceeded_exception());
    assert!(line.error("more").await.is_limit_exceeded_exception());
    line.close().await;
}

#[tokio::test]
async fn what_a_client_has_asked_before_a_loss_is_answered_by_the_function() {
    let mut line = Line::open(Faults::default()).await;
    line.client.send("a question").await;
    let invocation = line.runtime.next().await;
    line.aws.faults().swallow_from(1);
    line.post("lost").await.unwrap();
    assert_eq!(line.runtime.respond(&invocation.request_id, &ok()).await, 202);
    let answered = |entry: &Entry| matches!(entry, Entry::Responded { late: false, .. });
    wait_for_entry(&line.aws, "the answer", answered).await;
    // Everything stops although the client is still there.
    soon("the end", line.aws.stop()).await;
    assert_ended(&mut line.client).await;
}

#[tokio::test]
async fn a_share_of_clients_is_lost_in_mid_answer() {
    let faults =
        Faults { swallowed_clients: 0.4, half_open_clients: 0.3, seed: 5, ..Faults::default() };
    let mut line = Line::open(faults).await;
    let mut kept = Vec::new();
    for _ in 0..20 {
        for _ in 0..60 {
            line.post("a frame").await.unwrap();
        }
        kept.push(line.reconnect().await);
    }
    let lost = [FaultKind::Swallow, FaultKind::HalfOpen].map(|kind| line.count(kind));
    assert!(lost.iter().all(|count| (2..=14).contains(count)), "{lost:?}");
    drop(kept);
    line.close().await;
}

#[tokio::test]
async fn a_share_of_clients_vanishes_in_mid_answer() {
    let faults = Faults { vanishing_clients: 0.5, seed: 3, ..Faults::default() };
    let mut line = Line::open(faults).await;
    let (mut gone, mut stayed) = (0, 0);
    // The function would hear of those that leave by themselves, too.
    let mut kept = Vec::new();
    for _ in 0..20 {
        let mut delivered = 0;
        let outcome = loop {
            match line.post("a frame").await {
                Ok(()) => delivered += 1,
                Err(error) => break Some(error.into_service_error()),
            }
            if delivered == 60 {
                break None;
            }
        };
        match outcome {
            None => stayed += 1,
            Some(error) => {
                assert!(error.is_gone_exception(), "{error:?}");
                assert!(delivered >= 1, "never at the first frame");
                gone += 1;
                line.runtime.accept("$disconnect").await;
            }
        }
        let (client, connection_id) = connect(&line.aws, &line.runtime).await;
        let old = std::mem::replace(&mut line.client, client);
        line.connection_id = connection_id;
        kept.push(old);
    }
    assert!(gone >= 4 && stayed >= 4, "{gone} gone, {stayed} stayed");
    assert_eq!(line.count(FaultKind::Vanish), gone);
    drop(kept);
    line.close().await;
}

#[tokio::test]
async fn rates_can_be_changed_while_it_runs() {
    let faults = Faults { throttled_posts: 1.0, ..Faults::default() };
    let mut line = Line::open(faults).await;
    assert!(line.error("lost").await.is_limit_exceeded_exception());
    line.aws.faults().set(Faults { forbidden_posts: 1.0, ..Faults::default() }).unwrap();
    assert!(line.error("lost").await.is_forbidden_exception());
    line.aws.faults().set(Faults { cut_posts: 1.0, ..Faults::default() }).unwrap();
    line.unanswered("lost").await;
    line.aws.faults().set(Faults::default()).unwrap();
    line.still_open().await;
    line.close().await;
}

#[tokio::test]
async fn rates_that_make_no_sense_stop_the_start() {
    let faults = Faults { hanging_posts: 1.5, ..Faults::default() };
    match LocalAws::start(Options { faults, ..Options::default() }).await {
        Err(StartError::Faults(FaultsError::Rate { name: "hanging posts", .. })) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_agent_refuses_as_often_as_asked() {
    let aws = start(Options::default()).await;
    aws.faults().refuse_next(2, Exception::Throttling);
    aws.faults().refuse_next(1, Exception::ModelNotReady);
    let url = format!(
        "{}/agents/{AGENT_ID}/agentAliases/{AGENT_ALIAS_ID}/sessions/session/text",
        aws.agent_url(),
    );
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let request = http.post(&url).json(&json!({ "inputText": "/single" })).send();
        statuses.push(soon("the agent", request).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [429, 429, 424, 200]);
    assert_eq!(aws.faults().counts()[&FaultKind::Refusal], 3);
    let refused = Entry::FaultInjected { kind: FaultKind::Refusal, subject: "session".to_owned() };
    let entries = aws.journal().entries();
    assert_eq!(entries.iter().filter(|entry| **entry == refused).count(), 3);
    // Every attempt is in the journal with what it asked for.
    let invoked = |entry: &&Entry| {
        matches!(entry, Entry::AgentInvoked { request, .. }
            if request.get("inputText") == Some(&Value::from("/single")))
    };
    assert_eq!(entries.iter().filter(invoked).count(), 4);
    aws.stop().await;
}
