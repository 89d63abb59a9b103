//! The promises of the relay, over any script of an agent and any timing of posts, under a paused
//! clock: no test here takes longer for a slow connection.

use std::cell::RefCell;
use std::future::pending;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agent_relay::agui::{EventForm, Frame, RunIds};
use agent_relay::error::{ErrorCode, Failure};
use agent_relay::relay::outbox::Outbox;
use agent_relay::relay::{Limits, Outcome, Summary, relay};
use agent_relay::source::{AguiEvent, Event, FinishedToolCall, Raw, Usage};
use agent_relay::transport::websocket::MAX_FRAME;
use agent_relay::transport::{FrameSink, Outgoing, SendError};
use futures::stream::{self, StreamExt as _};
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_stream::Stream;

/// A connection that takes each post as long as it is told to, and keeps what was delivered.
struct Recorder {
    started: Instant,
    latencies: Vec<Duration>,
    gone_after: Option<usize>,
    posts: Mutex<Vec<Post>>,
}

#[derive(Clone, Debug)]
struct Post {
    begun: Duration,
    ended: Option<Duration>,
    bytes: usize,
    frame: Value,
}

impl Recorder {
    /// The latencies are taken in turn, over and over.
    fn taking(latencies: &[u64]) -> Self {
        Self {
            started: Instant::now(),
            latencies: latencies.iter().map(|ms| Duration::from_millis(*ms)).collect(),
            gone_after: None,
            posts: Mutex::new(Vec::new()),
        }
    }

    fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    fn frames(&self) -> Vec<Value> {
        self.posts().into_iter().map(|post| post.frame).collect()
    }
}

impl FrameSink for Recorder {
    fn max_frame(&self) -> Option<usize> {
        Some(MAX_FRAME)
    }

    async fn send(&self, outgoing: Outgoing) -> Result<u32, SendError> {
        let Outgoing::Frame(frame) = outgoing else { panic!("it has no keepalive") };
        let number = {
            let mut posts = self.posts.lock().unwrap();
            assert!(posts.last().is_none_or(|last| last.ended.is_some()), "two posts at once");
            if self.gone_after == Some(posts.len()) {
                return Err(SendError::Gone);
            }
            posts.push(Post {
                begun: self.started.elapsed(),
                ended: None,
                bytes: frame.len(),
                frame: serde_json::from_slice(&frame).unwrap(),
            });
            posts.len() - 1
        };
        sleep(self.latencies[number % self.latencies.len()]).await;
        self.posts.lock().unwrap()[number].ended = Some(self.started.elapsed());
        Ok(1)
    }
}

fn ids() -> RunIds {
    RunIds {
        thread_id: "thread-1".to_owned(),
        run_id: "run-1".to_owned(),
        message_id: "answer-request-1".to_owned(),
        form: EventForm::Chunks,
    }
}

fn limits() -> Limits {
    let now = Instant::now();
    Limits {
        keepalive: Duration::from_secs(30),
        deadline: now + Duration::from_secs(800),
        hard_deadline: now + Duration::from_secs(805),
        shutdown_grace: Duration::from_millis(1500),
        outbox_bytes: Limits::OUTBOX_BYTES,
    }
}

fn chunk(bytes: impl Into<Vec<u8>>) -> Event {
    Event::Text(bytes.into())
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn raw(name: &str, text: &str) -> Raw {
    Raw { source: "bedrock-agent", name: name.to_owned(), json: json(text) }
}

/// What an agent says, each after a pause.
type Script = Vec<(Duration, Result<Event, Failure>)>;

/// An agent that follows a script.
fn agent(script: Script) -> impl Stream<Item = Result<Event, Failure>> {
    stream::iter(script).then(|(pause, event)| async move {
        // A pause of no length would still let time pass to the next tick of the clock.
        if !pause.is_zero() {
            sleep(pause).await;
        }
        event
    })
}

fn every(pause_ms: u64, events: Vec<Event>) -> Script {
    events.into_iter().map(|event| (Duration::from_millis(pause_ms), Ok(event))).collect()
}

/// What the client makes of the frames: fragments joined, in order.
fn joined(frames: &[Value]) -> Vec<Value> {
    let pieces = RefCell::new(String::new());
    frames
        .iter()
        .filter_map(|frame| {
            if frame["name"] != "relay.fragment" {
                assert!(pieces.borrow().is_empty(), "a frame between fragments");
                return Some(frame.clone());
            }
            let value = &frame["value"];
            pieces.borrow_mut().push_str(value["data"].as_str().unwrap());
            if value["index"].as_u64().unwrap() + 1 < value["count"].as_u64().unwrap() {
                return None;
            }
            Some(serde_json::from_str(&pieces.take()).unwrap())
        })
        .collect()
}

fn text(frames: &[Value]) -> String {
    frames.iter().filter_map(|frame| frame["delta"].as_str()).collect()
}

/// The text of each frame that has some.
fn deltas(recorder: &Recorder) -> Vec<String> {
    let frames = recorder.frames();
    frames.iter().filter_map(|frame| Some(frame["delta"].as_str()?.to_owned())).collect()
}

fn is_terminal(frame: &Value) -> bool {
    matches!(frame["type"].as_str().unwrap(), "RUN_FINISHED" | "RUN_ERROR")
}

/// What holds for the frames of every run.
fn check_frames(frames: &[Value]) {
    for (seq, frame) in frames.iter().enumerate() {
        assert_eq!(frame["metadata"]["relay"]["seq"], seq, "{frame}");
        assert_eq!(frame["metadata"]["relay"]["runId"], "run-1", "{frame}");
        assert_ne!(frame["delta"], "", "an empty piece of text");
    }
    assert_eq!(frames[0]["type"], "RUN_STARTED");
    let terminal = frames.iter().position(is_terminal);
    assert_eq!(terminal, Some(frames.len() - 1), "one terminal frame, and it is the last");
}

/// One thing that a scripted agent says.
#[derive(Clone, Debug)]
enum Step {
    Text(usize),
    Trace(usize),
    Cited(usize),
    Unknown,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        12 => (0_usize..40).prop_map(Step::Text),
        2 => (0_usize..20_000).prop_map(Step::Text),
        2 => (0_usize..200).prop_map(Step::Trace),
        1 => (0_usize..90_000).prop_map(Step::Trace),
        1 => (0_usize..40).prop_map(Step::Cited),
        1 => Just(Step::Unknown),
    ];
    let pause = prop_oneof![3 => Just(0_u64), 2 => 1_u64..30, 1 => 30_u64..3000];
    prop::collection::vec((pause, step), 0..60)
}

/// Text with characters of one to four bytes, and with such as JSON escapes.
fn any_text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        6 => prop::char::range('a', 'z'),
        2 => any::<char>(),
        1 => Just('é'),
        1 => Just('漢'),
        1 => Just('😀'),
        1 => prop::sample::select(vec!['"', '\\', '\n', '\t', '\u{0}', '\u{7f}', '\u{2028}']),
    ];
    let times = prop_oneof![20 => 1_usize..4, 1 => 1_usize..300];
    (prop::collection::vec(char, 1..400), times)
        .prop_map(|(chars, times)| chars.iter().collect::<String>().repeat(times))
}

/// Plays `steps`, whose text is cut from `text` wherever they say, and returns what must arrive.
fn play(steps: &[(u64, Step)], text: &str) -> (Script, Vec<String>) {
    let (mut script, mut expected) = (Vec::new(), Vec::new());
    let mut rest = text.as_bytes();
    let mut take = |length: usize| {
        let (head, tail) = rest.split_at(length.min(rest.len()));
        rest = tail;
        head.to_vec()
    };
    for (number, (pause, step)) in steps.iter().enumerate() {
        let mut further = None;
        let event = match step {
            Step::Text(length) => chunk(take(*length)),
            Step::Trace(size) => {
                let body =
                    format!("{{\"number\":{number},\"x\":\"{}\"}}", "\\\"é".repeat(size / 4));
                expected.push(format!("{{\"trace\":{body}}}"));
                Event::Trace(raw("trace", &body))
            }
            Step::Cited(length) => {
                expected.push(format!("[{number}]"));
                further = Some(Event::Annotation {
                    name: "bedrock.citations",
                    member: "citations",
                    json: json(&format!("[{number}]")),
                });
                chunk(take(*length))
            }
            Step::Unknown => {
                expected.push(format!("{{\"novelty\":{number}}}"));
                Event::Other(raw("novelty", &number.to_string()))
            }
        };
        script.push((Duration::from_millis(*pause), Ok(event)));
        script.extend(further.map(|event| (Duration::ZERO, Ok(event))));
    }
    script.push((Duration::ZERO, Ok(chunk(take(usize::MAX)))));
    (script, expected)
}

/// Everything but the text, in the order in which it arrived.
fn others(frames: &[Value]) -> Vec<String> {
    frames
        .iter()
        .filter_map(|frame| match frame["type"].as_str().unwrap() {
            "RAW" if frame["source"] == "bedrock-agent" => Some(frame["event"].to_string()),
            "CUSTOM" => Some(frame["value"]["citations"].to_string()),
            _ => None,
        })
        .collect()
}

fn paused<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap().block_on(future)
}

/// So many cases, unless `PROPTEST_CASES` says otherwise.
fn cases(usual: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(wanted.unwrap_or(usual))
}

/// Clients put a call to the last message that they have, and make a message anew that begins again.
#[test]
fn with_beginnings_and_ends_no_message_begins_twice() {
    let ids = RunIds { form: EventForm::StartAndEnd, ..ids() };
    let mut outbox = Outbox::new(ids, None);
    let text = |delta: &str| Frame::Text { message_id: "one".into(), delta: delta.to_owned() };
    let call = |message_id: &str, id: &str| Frame::ToolCall {
        message_id: message_id.into(),
        id: id.to_owned(),
        name: "tool".to_owned(),
        arguments: "{}".to_owned(),
    };
    let result = |id: &str| Frame::ToolResult {
        message_id: format!("result-{id}").into(),
        tool_call_id: id.to_owned(),
        content: "done".to_owned(),
        failed: false,
    };
    let frames = [
        text("a"),
        Frame::ReasoningStart { message_id: "thought".into() },
        Frame::Reasoning { message_id: "thought".into(), delta: "b".to_owned() },
        Frame::ReasoningEnd { message_id: "thought".into() },
        text("c"),
        call("one", "first"),
        call("one", "second"),
        result("first"),
        result("second"),
        call("one", "third"),
        result("third"),
        call("two", "fourth"),
        Frame::Text { message_id: "two".into(), delta: "d".to_owned() },
    ];
    for frame in frames {
        outbox.push(frame);
    }
    let mut told = Vec::new();
    while let Some(frame) = outbox.next_frame() {
        let frame: Value = serde_json::from_slice(&frame).unwrap();
        let name = |name: &str| frame[name].as_str().map(str::to_owned);
        let kind = name("type").unwrap();
        let about = name("toolCallId").or_else(|| name("messageId")).unwrap();
        if kind == "TOOL_CALL_START" {
            told.push(format!("{kind} {about} of {:?}", name("parentMessageId")));
        } else if kind.starts_with("TEXT_MESSAGE") || kind == "TOOL_CALL_RESULT" {
            told.push(format!("{kind} {about}"));
        }
    }
    assert_eq!(
        told,
        [
            "TEXT_MESSAGE_START one",
            "TEXT_MESSAGE_CONTENT one",
            "TEXT_MESSAGE_CONTENT one",
            "TOOL_CALL_START first of Some(\"one\")",
            "TOOL_CALL_START second of Some(\"one\")",
            "TEXT_MESSAGE_END one",
            "TOOL_CALL_RESULT first",
            "TOOL_CALL_RESULT second",
            "TOOL_CALL_START third of None",
            "TOOL_CALL_RESULT third",
            "TOOL_CALL_START fourth of Some(\"two\")",
            "TEXT_MESSAGE_START two",
            "TEXT_MESSAGE_CONTENT two",
        ]
    );
}

proptest! {
    #![proptest_config(cases(3000))]

    #[test]
    fn everything_arrives_unchanged_and_in_order_for_any_cutting_and_any_timing(
        text in any_text(),
        steps in steps(),
        latencies in prop::collection::vec(prop_oneof![Just(0), 1_u64..60, 60_u64..4000], 1..12),
    ) {
        let (script, expected) = play(&steps, &text);
        let (summary, posts) = paused(async {
            let recorder = Recorder::taking(&latencies);
            let summary = relay(ids(), true, agent(script), &recorder, &limits(), pending()).await;
            (summary, recorder.posts())
        });
        prop_assert!(matches!(summary.outcome, Outcome::Finished));
        prop_assert!(posts.iter().all(|post| post.bytes <= MAX_FRAME));
        let frames: Vec<Value> = posts.into_iter().map(|post| post.frame).collect();
        check_frames(&frames);
        let frames = joined(&frames);
        prop_assert_eq!(self::text(&frames), text);
        let expected: Vec<String> =
            expected.iter().map(|json| serde_json::from_str::<Value>(json).unwrap().to_string()).collect();
        prop_assert_eq!(others(&frames), expected);
    }

    #[test]
    fn no_frame_is_larger_than_allowed_whatever_the_limit(
        text in any_text(),
        largest in 260_usize..700,
        trace in 0_usize..2000,
    ) {
        let ids = ids();
        let mut outbox = Outbox::new(ids, Some(largest));
        let body = format!("{{\"x\":\"{}\"}}", "\\\\é\\n".repeat(trace));
        outbox.push(Frame::Raw {
            source: "bedrock-agent",
            name: "trace".to_owned(),
            json: json(&body),
        });
        outbox.push(Frame::Text { message_id: "message-1".into(), delta: text.clone() });
        let mut frames: Vec<Value> = Vec::new();
        while let Some(frame) = outbox.next_frame() {
            prop_assert!(frame.len() <= largest, "{} bytes", frame.len());
            frames.push(serde_json::from_slice(&frame).unwrap());
        }
        prop_assert_eq!(outbox.weight(), 0);
        let frames = joined(&frames);
        prop_assert_eq!(self::text(&frames), text);
        prop_assert_eq!(&frames[0]["event"]["trace"], &serde_json::from_str::<Value>(&body).unwrap());
    }

    /// Also of an event in AG-UI's own form, and of what belongs to it and can't be cut.
    #[test]
    fn no_event_of_a_sources_own_is_larger_than_allowed(
        texts in prop::collection::vec(any_text(), 1..4),
        largest in 260_usize..700,
        raw_event in 0_usize..2000,
    ) {
        let mut outbox = Outbox::new(ids(), Some(largest));
        let body = format!("\"{}\"", "é\\n".repeat(raw_event));
        for text in &texts {
            outbox.push(Frame::Agui(AguiEvent {
                kind: "TEXT_MESSAGE_CONTENT",
                members: vec![
                    ("messageId".to_owned(), json("\"m\"")),
                    ("rawEvent".to_owned(), json(&body)),
                ],
                delta: Some(text.clone()),
                metadata: Vec::new(),
            }));
        }
        let mut frames: Vec<Value> = Vec::new();
        while let Some(frame) = outbox.next_frame() {
            prop_assert!(frame.len() <= largest, "{} bytes", frame.len());
            frames.push(serde_json::from_slice(&frame).unwrap());
        }
        prop_assert_eq!(outbox.weight(), 0);
        let frames = joined(&frames);
        let told: String = frames.iter().map(|frame| frame["delta"].as_str().unwrap()).collect();
        prop_assert_eq!(told, texts.concat());
        let raw_event: Value = serde_json::from_str(&body).unwrap();
        prop_assert!(frames.iter().all(|frame| frame["rawEvent"] == raw_event));
    }
}

async fn relayed(script: Script, recorder: &Recorder) -> Summary {
    relay(ids(), true, agent(script), recorder, &limits(), pending()).await
}

#[tokio::test(start_paused = true)]
async fn an_event_is_posted_at_once_when_no_post_is_in_flight() {
    let recorder = Recorder::taking(&[5]);
    relayed(every(100, vec![chunk("a"), chunk("b"), chunk("c")]), &recorder).await;
    let begun: Vec<u128> = recorder.posts().iter().map(|post| post.begun.as_millis()).collect();
    // The start, three chunks 100 ms apart, and the end behind the last.
    assert_eq!(begun, [0, 100, 200, 300, 305]);
}

#[tokio::test(start_paused = true)]
async fn chunks_that_come_together_are_posted_together() {
    let recorder = Recorder::taking(&[20]);
    let mut script = every(0, "abcdef".bytes().map(|letter| chunk([letter])).collect());
    for pause in [0, 3] {
        script[pause].0 = Duration::from_millis(100);
    }
    // A connection is a task of its own, which reads one ahead.
    let (read, mut events) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut script = pin!(agent(script));
        while let Some(event) = script.next().await {
            read.send(event).await.unwrap();
        }
    });
    let events = stream::poll_fn(move |context| events.poll_recv(context));
    relay(ids(), true, events, &recorder, &limits(), pending()).await;
    assert_eq!(deltas(&recorder), ["abc", "def"]);
    let begun: Vec<u128> = recorder.posts().iter().map(|post| post.begun.as_millis()).collect();
    assert_eq!(begun, [0, 100, 200, 220]);
}

#[tokio::test]
async fn a_flood_does_not_hold_up_the_posts() {
    /// Keeps the lengths of posts, which take no time.
    #[derive(Default)]
    struct Immediate(Mutex<Vec<usize>>);
    impl FrameSink for Immediate {
        fn max_frame(&self) -> Option<usize> {
            Some(MAX_FRAME)
        }

        async fn send(&self, outgoing: Outgoing) -> Result<u32, SendError> {
            let Outgoing::Frame(frame) = outgoing else { panic!("it has no keepalive") };
            self.0.lock().unwrap().push(frame.len());
            Ok(1)
        }
    }
    let connection = Immediate::default();
    let flood = every(0, (0..3000).map(|_| chunk([b'x'; 20])).collect());
    relay(ids(), true, agent(flood), &connection, &limits(), pending()).await;
    // 60 KB, none of which ever had to be waited for.
    let lengths = connection.0.into_inner().unwrap();
    assert!(lengths.iter().all(|length| *length < 15_000), "{lengths:?}");
}

#[tokio::test(start_paused = true)]
async fn text_that_arrives_during_a_post_becomes_one_frame() {
    let recorder = Recorder::taking(&[22]);
    let letters: Vec<Event> = (b'a'..=b'j').map(|letter| chunk([letter])).collect();
    relayed(every(5, letters), &recorder).await;
    assert_eq!(deltas(&recorder), ["abcd", "efgh", "ij"]);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_is_at_most_two_posts_behind_at_any_rate() {
    for pause in [1, 3, 7, 20] {
        let recorder = Recorder::taking(&[20]);
        let chunks: Vec<Event> = (0..500).map(|n| chunk(format!("{n},"))).collect();
        relayed(every(pause, chunks), &recorder).await;
        let mut arrived = String::new();
        for post in recorder.posts() {
            let Some(delta) = post.frame["delta"].as_str() else { continue };
            let first = arrived.matches(',').count() as u64;
            arrived.push_str(delta);
            let said = Duration::from_millis(pause * (first + 1));
            let lag = post.ended.unwrap().saturating_sub(said);
            assert!(lag <= Duration::from_millis(40), "every {pause} ms: {lag:?} behind");
        }
        assert_eq!(arrived.matches(',').count(), 500);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_stops_the_reading_until_there_is_room() {
    let recorder = Recorder::taking(&[1000]);
    let read = RefCell::new(0_usize);
    let most_ahead = RefCell::new(0_usize);
    let events = stream::iter(0..200).map(|_| {
        *read.borrow_mut() += 1000;
        let posted: usize = text(&recorder.frames()).len();
        let ahead = *read.borrow() - posted;
        most_ahead.replace_with(|most| ahead.max(*most));
        Ok(chunk("x".repeat(1000)))
    });
    let limits = Limits { outbox_bytes: 10_000, ..limits() };
    let summary = relay(ids(), false, events, &recorder, &limits, pending()).await;
    assert!(matches!(summary.outcome, Outcome::Finished));
    assert_eq!(text(&recorder.frames()).len(), 200_000);
    // What is ahead of the posts is the limit, one event over it, and what is in flight.
    assert!(*most_ahead.borrow() <= 11_000 + MAX_FRAME, "{most_ahead:?}");
}

#[tokio::test(start_paused = true)]
async fn a_gone_client_frees_the_agent_at_once() {
    struct Dropped<'a>(&'a RefCell<bool>);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.replace(true);
        }
    }
    let dropped = RefCell::new(false);
    let guard = Dropped(&dropped);
    let events = stream::unfold(guard, |guard| async {
        sleep(Duration::from_millis(100)).await;
        Some((Ok(chunk("more ")), guard))
    });
    let recorder = Recorder { gone_after: Some(3), ..Recorder::taking(&[5]) };
    let summary = relay(ids(), false, events, &recorder, &limits(), pending()).await;
    assert!(matches!(summary.outcome, Outcome::ClientGone));
    assert!(*dropped.borrow());
    assert_eq!(recorder.posts().len(), 3);
    assert_eq!(recorder.started.elapsed(), Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_at_the_first_frame_ends_the_run() {
    let recorder = Recorder { gone_after: Some(0), ..Recorder::taking(&[5]) };
    let summary = relay(ids(), false, stream::pending(), &recorder, &limits(), pending()).await;
    assert!(matches!(summary.outcome, Outcome::ClientGone));
}

#[tokio::test(start_paused = true)]
async fn a_silent_agent_gets_all_the_time_and_the_client_a_keepalive() {
    let recorder = Recorder::taking(&[5]);
    let script = vec![(Duration::from_secs(100), Ok(chunk("at last")))];
    relayed(script, &recorder).await;
    let frames = recorder.frames();
    check_frames(&frames);
    let kinds: Vec<&str> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["RUN_STARTED", "RAW", "RAW", "RAW", "TEXT_MESSAGE_CHUNK", "RUN_FINISHED"]);
    assert_eq!(frames[1]["source"], "relay");
    assert_eq!(frames[1]["event"], serde_json::json!({"keepalive": {}}));
    let begun: Vec<u64> = recorder.posts().iter().map(|post| post.begun.as_secs()).collect();
    assert_eq!(begun, [0, 30, 60, 90, 100, 100]);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_text_so_far_is_delivered_before_the_error() {
    let recorder = Recorder::taking(&[50]);
    let mut script = every(5, vec![chunk("one "), chunk("two "), chunk(b"thr\xc3")]);
    script.push((Duration::ZERO, Err(Failure::new(ErrorCode::Throttling))));
    let summary = relayed(script, &recorder).await;
    let Outcome::Failed(failure) = summary.outcome else { panic!("{summary:?}") };
    assert_eq!(failure.code, ErrorCode::Throttling);
    let frames = recorder.frames();
    check_frames(&frames);
    assert!(text(&frames).starts_with("one two thr"));
    let last = frames.last().unwrap();
    assert_eq!(last["code"], "throttling");
    assert_eq!(last["metadata"]["relay"]["retryable"], true);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_run_in_good_order() {
    let recorder = Recorder::taking(&[5]);
    let events = stream::iter([Ok(chunk("so far"))]).chain(stream::pending());
    let summary = relay(ids(), false, events, &recorder, &limits(), pending()).await;
    assert!(matches!(summary.outcome, Outcome::Failed(_)));
    let frames = recorder.frames();
    check_frames(&frames);
    assert_eq!(text(&frames), "so far");
    assert_eq!(frames.last().unwrap()["code"], "deadline");
    assert_eq!(recorder.posts().last().unwrap().begun, Duration::from_secs(800));
}

#[tokio::test(start_paused = true)]
async fn posts_that_hang_do_not_outlast_the_function() {
    struct Hanging;
    impl FrameSink for Hanging {
        fn max_frame(&self) -> Option<usize> {
            Some(MAX_FRAME)
        }

        async fn send(&self, _: Outgoing) -> Result<u32, SendError> {
            pending().await
        }
    }
    let started = Instant::now();
    let summary = relay(ids(), false, stream::pending(), &Hanging, &limits(), pending()).await;
    assert!(matches!(summary.outcome, Outcome::OutOfTime));
    assert_eq!(started.elapsed(), Duration::from_secs(805));
}

#[tokio::test(start_paused = true)]
async fn a_trace_that_was_not_asked_for_stays_here() {
    let recorder = Recorder::taking(&[5]);
    let script = every(1, vec![Event::Trace(raw("trace", "{}")), chunk("text")]);
    relay(ids(), false, agent(script), &recorder, &limits(), pending()).await;
    assert!(recorder.frames().iter().all(|frame| frame["type"] != "RAW"));
}

#[tokio::test(start_paused = true)]
async fn the_end_says_what_the_run_amounted_to() {
    let recorder = Recorder::taking(&[5]);
    relayed(every(100, vec![chunk("a"), chunk("b")]), &recorder).await;
    let last = recorder.frames().pop().unwrap();
    assert_eq!(
        last["metadata"]["relay"]["stats"],
        serde_json::json!({"chunks": 2, "frames": 4, "firstChunkMs": 100, "totalMs": 200})
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_says_nothing_still_ends() {
    let recorder = Recorder::taking(&[5]);
    relayed(Vec::new(), &recorder).await;
    let frames = recorder.frames();
    check_frames(&frames);
    assert_eq!(frames.len(), 2);
    let stats = &frames[1]["metadata"]["relay"]["stats"];
    assert_eq!(*stats, serde_json::json!({"chunks": 0, "frames": 2, "totalMs": 0}));
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_run_in_good_order() {
    let recorder = Recorder::taking(&[50]);
    let events = stream::iter(0..4).then(|n| async move {
        sleep(Duration::from_millis(10)).await;
        assert!(n < 3, "nobody expected this");
        Ok(chunk(format!("{n} ")))
    });
    let summary = relay(ids(), false, events, &recorder, &limits(), pending()).await;
    let Outcome::Failed(failure) = summary.outcome else { panic!("{summary:?}") };
    assert_eq!(failure.source.unwrap().to_string(), "a panic: nobody expected this");
    let frames = recorder.frames();
    check_frames(&frames);
    assert_eq!(text(&frames), "0 1 2 ");
    assert_eq!(frames.last().unwrap()["code"], "internal");
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_end_waits_leaves_one_terminal_frame() {
    struct Panicking(Recorder, AtomicU32);
    impl FrameSink for Panicking {
        fn max_frame(&self) -> Option<usize> {
            Some(MAX_FRAME)
        }

        async fn send(&self, frame: Outgoing) -> Result<u32, SendError> {
            let number = self.1.fetch_add(1, Ordering::Relaxed);
            assert!(number != 1, "the second post");
            self.0.send(frame).await
        }
    }
    let connection = Panicking(Recorder::taking(&[50]), AtomicU32::new(0));
    let events = stream::iter([Ok(chunk("lost"))]);
    relay(ids(), false, events, &connection, &limits(), pending()).await;
    let frames = connection.0.frames();
    let terminal: Vec<&Value> = frames.iter().filter(|frame| is_terminal(frame)).collect();
    assert_eq!(terminal.len(), 1, "{frames:?}");
    assert_eq!(terminal[0]["code"], "internal");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_run_in_good_order() {
    let recorder = Recorder::taking(&[50]);
    let events = stream::iter([Ok(chunk("so far"))]).chain(stream::pending());
    let shutdown = sleep(Duration::from_secs(5));
    relay(ids(), false, events, &recorder, &limits(), shutdown).await;
    let frames = recorder.frames();
    check_frames(&frames);
    assert_eq!(text(&frames), "so far");
    let last = frames.last().unwrap();
    assert_eq!(last["code"], "internal");
    assert!(last["message"].as_str().unwrap().contains("shut down"));
    assert_eq!(recorder.posts().last().unwrap().begun, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_posts_that_hang() {
    let recorder = Recorder::taking(&[60_000]);
    let shutdown = sleep(Duration::from_secs(5));
    let summary = relay(ids(), false, stream::pending(), &recorder, &limits(), shutdown).await;
    assert!(matches!(summary.outcome, Outcome::OutOfTime));
    assert_eq!(recorder.started.elapsed(), Duration::from_millis(6500));
}

#[tokio::test(start_paused = true)]
async fn a_fast_agent_costs_as_many_posts_as_fit_in_one_after_another() {
    let recorder = Recorder::taking(&[20]);
    let script = every(5, (1..=2000).map(|n| chunk(format!("{n} "))).collect());
    relayed(script, &recorder).await;
    // The beginning of the run, a post for every 20 ms of the agent's 10 s, its last words, the end.
    assert_eq!(recorder.posts().len(), 503);
}

fn finished_tool_call(id: &str) -> Event {
    Event::FinishedToolCall(FinishedToolCall {
        id: id.to_owned(),
        name: "shell".to_owned(),
        arguments: "{}".to_owned(),
        result: "done".to_owned(),
        failed: false,
    })
}

/// Type and message of each frame in between, and what it says.
fn parts(recorder: &Recorder) -> Vec<(String, String, String)> {
    let frames = recorder.frames();
    check_frames(&frames);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let part = |frame: &Value| {
        let id = if frame["messageId"].is_null() { "parentMessageId" } else { "messageId" };
        let said = if frame["delta"].is_null() { "content" } else { "delta" };
        (text(&frame["type"]), text(&frame[id]), text(&frame[said]))
    };
    frames[1..frames.len() - 1].iter().map(part).collect()
}

#[tokio::test(start_paused = true)]
async fn text_before_and_after_a_tool_is_of_different_messages() {
    let recorder = Recorder::taking(&[50]);
    let events = vec![
        Event::MessageStart,
        chunk("I look. "),
        finished_tool_call("call-1"),
        Event::MessageStart,
        chunk("Found "),
        chunk("it."),
    ];
    relayed(every(0, events), &recorder).await;
    let parts = parts(&recorder);
    let (types, said): (Vec<&str>, Vec<&str>) =
        parts.iter().map(|(kind, _, said)| (kind.as_str(), said.as_str())).unzip();
    assert_eq!(
        types,
        ["TEXT_MESSAGE_CHUNK", "TOOL_CALL_CHUNK", "TOOL_CALL_RESULT", "TEXT_MESSAGE_CHUNK"]
    );
    assert_eq!(said, ["I look. ", "{}", "done", "Found it."]);
    let ids: Vec<&str> = parts.iter().map(|(_, id, _)| id.as_str()).collect();
    assert_eq!(ids[0], "answer-request-1");
    assert_eq!(ids[1], ids[0], "the call is of the message before");
    assert!(ids[2] != ids[0] && ids[3] != ids[0] && ids[2] != ids[3]);
}

#[tokio::test(start_paused = true)]
async fn a_character_that_is_cut_by_the_end_of_a_message_does_not_reach_the_next() {
    let recorder = Recorder::taking(&[50]);
    let events =
        vec![Event::MessageStart, chunk([b'a', 0xc3]), Event::MessageStart, chunk([0xa4, b'b'])];
    relayed(every(0, events), &recorder).await;
    let said: Vec<String> = parts(&recorder).into_iter().map(|(_, _, said)| said).collect();
    assert_eq!(said, ["a\u{fffd}", "\u{fffd}b"]);
}

#[tokio::test(start_paused = true)]
async fn a_thought_ends_before_anything_else_is_said() {
    let others: [fn() -> Option<Event>; 6] = [
        || Some(chunk("text")),
        || Some(finished_tool_call("call-1")),
        || Some(Event::ReasoningEnd),
        || Some(Event::Custom { name: "bedrock.file", json: json("{}") }),
        // The run's own end.
        || None,
        || Some(Event::Reasoning("more".to_owned())),
    ];
    for other in others {
        let recorder = Recorder::taking(&[0]);
        let thought = Event::Reasoning("Hm".to_owned());
        let events = [Some(Event::MessageStart), Some(thought), other()];
        relayed(every(10, events.into_iter().flatten().collect()), &recorder).await;
        let parts = parts(&recorder);
        assert_eq!(parts[0].0, "REASONING_START");
        assert_eq!(parts[1].0, "REASONING_MESSAGE_CHUNK");
        let end = parts.iter().position(|part| part.0 == "REASONING_END").unwrap();
        assert!(parts[..=end].iter().all(|part| part.1 == parts[0].1), "{parts:?}");
        assert!(parts[1..end].iter().all(|part| part.0 == "REASONING_MESSAGE_CHUNK"), "{parts:?}");
        assert_eq!(parts.iter().filter(|part| part.0 == "REASONING_END").count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn thoughts_and_text_of_any_length_are_cut_to_size_and_not_mixed() {
    let recorder = Recorder::taking(&[500]);
    let (thought, said) = ("ä".repeat(50_000), "ö".repeat(50_000));
    let events = vec![
        Event::MessageStart,
        Event::Reasoning(thought.clone()),
        chunk(said.clone()),
        Event::Reasoning("again".to_owned()),
    ];
    relayed(every(0, events), &recorder).await;
    assert!(recorder.posts().iter().all(|post| post.bytes <= MAX_FRAME));
    let parts = parts(&recorder);
    let of = |kind: &str| -> String {
        parts.iter().filter(|part| part.0 == kind).map(|part| part.2.as_str()).collect()
    };
    assert_eq!(of("TEXT_MESSAGE_CHUNK"), said);
    assert_eq!(of("REASONING_MESSAGE_CHUNK"), format!("{thought}again"));
    let starts: Vec<&str> =
        parts.iter().filter(|part| part.0 == "REASONING_START").map(|part| &*part.1).collect();
    assert!(starts.len() == 2 && starts[0] != starts[1], "two thoughts: {starts:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_trace_there_are_no_thoughts_and_no_tools_of_the_agent() {
    let recorder = Recorder::taking(&[0]);
    let events = vec![
        Event::MessageStart,
        Event::Reasoning("secret".to_owned()),
        Event::ReasoningEnd,
        finished_tool_call("secret"),
        Event::Trace(raw("messageStop", "{}")),
        chunk("text"),
    ];
    relay(ids(), false, agent(every(0, events)), &recorder, &limits(), pending()).await;
    let types: Vec<String> = parts(&recorder).into_iter().map(|part| part.0).collect();
    assert_eq!(types, ["TEXT_MESSAGE_CHUNK"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_tells_its_tokens_and_its_reason_to_stop() {
    let recorder = Recorder::taking(&[0]);
    let usage = Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() };
    let mut script = every(
        0,
        vec![Event::Usage(usage), Event::Usage(usage), Event::StopReason("max_tokens".to_owned())],
    );
    script.push((Duration::ZERO, Err(Failure::new(ErrorCode::LimitReached))));
    let summary = relayed(script, &recorder).await;
    assert!(summary.source_ended);
    let frame = recorder.frames().pop().unwrap();
    assert_eq!(frame["code"], "limit_reached");
    assert_eq!(frame["usage"][0]["totalTokens"], 10);
    assert_eq!(frame["metadata"]["relay"]["stopReason"], "max_tokens");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_was_left_is_told_from_one_that_has_ended() {
    let gone = Recorder { gone_after: Some(2), ..Recorder::taking(&[0]) };
    let words = || every(100, vec![chunk("a"), chunk("b"), chunk("c"), chunk("d")]);
    assert!(!relayed(words(), &gone).await.source_ended);
    let late = Limits { deadline: Instant::now() + Duration::from_millis(250), ..limits() };
    let recorder = Recorder::taking(&[0]);
    let summary = relay(ids(), true, agent(words()), &recorder, &late, pending()).await;
    assert!(!summary.source_ended);
    let told = sleep(Duration::from_millis(250));
    let summary = relay(ids(), true, agent(words()), &recorder, &limits(), told).await;
    assert!(!summary.source_ended);
    assert!(relayed(words(), &Recorder::taking(&[0])).await.source_ended);
}
