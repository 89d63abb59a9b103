use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::kept::{MAX_PART, UnreadableJournal};
use super::*;
use crate::agui::{EventForm, Frame, Stats};
use crate::error::ErrorCode;
use crate::relay::outbox::Outbox;

/// A run that has been cut at will.
#[derive(Debug)]
struct Said {
    journal: Journal,
    /// The frames as they are posted while the client is there, with their numbers.
    live: Vec<(u64, Vec<u8>)>,
    max_frame: usize,
}

/// What happens to an outbox.
#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Thought(String),
    NextMessage,
    Raw(String),
    ToolCall(String),
    /// Nothing happens, for long.
    Keepalive,
    /// So many posts.
    Cut(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => "\\PC{1,20}".prop_map(Step::Text),
        1 => "[\"\\\\\n\u{1}a😀]{1,400}".prop_map(Step::Text),
        2 => "\\PC{1,20}".prop_map(Step::Thought),
        1 => Just(Step::NextMessage),
        2 => "[\"\\\\a😀]{0,1500}".prop_map(Step::Raw),
        1 => "\\PC{0,10}".prop_map(Step::ToolCall),
        2 => Just(Step::Keepalive),
        6 => (1..4usize).prop_map(Step::Cut),
    ]
}

fn any_run() -> impl Strategy<Value = Said> {
    let form = prop_oneof![Just(EventForm::Chunks), Just(EventForm::StartAndEnd)];
    (prop::collection::vec(step(), 0..40), form, 400..1500usize, any::<bool>())
        .prop_map(|(steps, form, max_frame, fails)| say(&steps, form, max_frame, fails))
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(format!("{{\"seq\":1, \"text\":{}}}", Value::from(text))).unwrap()
}

fn say(steps: &[Step], form: EventForm, max_frame: usize, fails: bool) -> Said {
    let ids = RunIds {
        thread_id: "thread-1".to_owned(),
        run_id: "run-\"1\"".to_owned(),
        message_id: "message-1".to_owned(),
        form,
    };
    // One for the journal, and one that posts what it has today.
    let of_a_post = max_frame - ROOM_FOR_AFTER;
    let mut outbox = Outbox::new(ids.clone(), Some(of_a_post));
    let mut live_outbox = Outbox::new(ids.clone(), Some(of_a_post));
    let mut journal = Journal::new(ids, max_frame);
    let mut live = Vec::new();
    let mut push = |frame: Option<&dyn Fn() -> Frame>, cuts: usize| {
        if let Some(frame) = frame {
            outbox.push(frame());
            live_outbox.push(frame());
        }
        cut(&mut outbox, &mut live_outbox, &mut journal, &mut live, cuts);
    };
    push(Some(&|| Frame::RunStarted), 1);
    let mut message_id: Arc<str> = "message-1".into();
    let mut thought: Option<Arc<str>> = None;
    for (number, step) in steps.iter().enumerate() {
        if !matches!(step, Step::Thought(_) | Step::Cut(_) | Step::Raw(_) | Step::Keepalive)
            && let Some(message_id) = thought.take()
        {
            push(Some(&|| Frame::ReasoningEnd { message_id: message_id.clone() }), 0);
        }
        match step {
            Step::Text(text) => {
                push(
                    Some(&|| Frame::Text { message_id: message_id.clone(), delta: text.clone() }),
                    0,
                );
            }
            Step::Thought(text) => {
                let id = thought.clone().unwrap_or_else(|| {
                    let id: Arc<str> = format!("thought-{number}").into();
                    push(Some(&|| Frame::ReasoningStart { message_id: id.clone() }), 0);
                    id
                });
                thought = Some(id.clone());
                push(Some(&|| Frame::Reasoning { message_id: id.clone(), delta: text.clone() }), 0);
            }
            Step::NextMessage => message_id = format!("message-{number}").into(),
            Step::Raw(text) => {
                let frame = || {
                    let (source, name) = ("bedrock-agent", "trace".to_owned());
                    Frame::Raw { source, name, json: raw(text) }
                };
                push(Some(&frame), 0);
            }
            Step::ToolCall(name) => {
                let frame = || Frame::ToolCall {
                    message_id: message_id.clone(),
                    id: format!("call-{number}"),
                    name: name.clone(),
                    arguments: "{\"a\":1}".to_owned(),
                };
                push(Some(&frame), 0);
            }
            Step::Keepalive => push(Some(&|| Frame::Keepalive), usize::MAX),
            Step::Cut(count) => {
                push(None, *count);
            }
        }
    }
    let stats = Stats { chunks: 1, first_chunk_ms: Some(1), total_ms: 2 };
    let end = || {
        if fails {
            let message = "It broke, with \"seq\":1 in it.".to_owned();
            let (usage, stop_reason) = (None, Some("\"seq\":0".to_owned()));
            Frame::RunError { code: ErrorCode::Internal, message, usage, stop_reason }
        } else {
            let confirmations = Vec::new();
            Frame::RunFinished {
                stats,
                confirmations,
                usage: None,
                stop_reason: None,
                members: Vec::new(),
            }
        }
    };
    push(Some(&end), usize::MAX);
    Said { journal, live, max_frame }
}

fn cut(
    outbox: &mut Outbox,
    live_outbox: &mut Outbox,
    journal: &mut Journal,
    live: &mut Vec<(u64, Vec<u8>)>,
    count: usize,
) {
    for _ in 0..count {
        let Some(cut) = outbox.cut() else { return };
        for seq in cut.seq..=cut.last_seq() {
            live.push((seq, live_outbox.next_frame().unwrap()));
        }
        // What the journal makes for somebody who is there is what was posted ever since.
        let seq = cut.seq;
        journal.push(&cut);
        let posted = journal.frame_from(seq, false).unwrap();
        let index = live.iter().position(|(live, _)| *live == seq).unwrap();
        assert_eq!(text(&posted.frame), text(&live[index].1));
    }
}

fn text(frame: &[u8]) -> &str {
    std::str::from_utf8(frame).unwrap()
}

/// A client that keeps the rule: what it has already it drops, and a gap is an error.
#[derive(Default)]
struct Client {
    /// The number of the first frame that it does not have.
    next: u64,
    /// What it has seen, with the pieces of one text as one.
    seen: Vec<Seen>,
    /// The pieces of a frame that is not whole yet.
    pieces: String,
}

#[derive(Debug, PartialEq)]
enum Seen {
    /// What the text belongs to, and the text.
    Text(String, String),
    /// A frame's text but for its numbers.
    Frame(String),
}

impl Client {
    fn receive(&mut self, frame: &[u8]) {
        let json: Value = serde_json::from_slice(frame).unwrap();
        let relay = &json["metadata"]["relay"];
        let seq = relay["seq"].as_u64().unwrap();
        let from = relay["after"].as_u64().map_or(seq, |after| after + 1);
        if seq < self.next {
            return;
        }
        assert!(from <= self.next, "a gap before {from}, {} is wanted", self.next);
        assert_eq!(from, self.next, "something comes twice");
        self.next = seq + 1;
        if json["name"] == "relay.fragment" {
            if json["value"]["index"] == 0 {
                self.pieces.clear();
            }
            self.pieces.push_str(json["value"]["data"].as_str().unwrap());
            if json["value"]["index"].as_u64().unwrap() + 1 == json["value"]["count"] {
                let whole = std::mem::take(&mut self.pieces);
                self.apply(&whole);
            }
            return;
        }
        self.apply(text(frame));
    }

    fn apply(&mut self, frame: &str) {
        let json: Value = serde_json::from_str(frame).unwrap();
        if !json["event"]["keepalive"].is_null() {
            return;
        }
        let kind = json["type"].as_str().unwrap();
        if !kind.starts_with("TOOL")
            && let Some(delta) = json["delta"].as_str()
        {
            assert!(!delta.is_empty());
            let of = format!("{kind} {}", json["messageId"]);
            match self.seen.last_mut() {
                Some(Seen::Text(last, text)) if *last == of => text.push_str(delta),
                _ => self.seen.push(Seen::Text(of, delta.to_owned())),
            }
            return;
        }
        // How many frames there were is in the last one, and differs with nothing.
        let place = frame.rfind("\"seq\":").unwrap() + "\"seq\":".len();
        let behind = frame[place..].trim_start_matches(|digit: char| digit.is_ascii_digit());
        let behind = match behind.rfind(",\"after\":") {
            Some(end) => format!("{}{END}", &behind[..end]),
            None => behind.to_owned(),
        };
        self.seen.push(Seen::Frame(format!("{}{behind}", &frame[..place])));
    }
}

impl Said {
    /// A client that has left after the frame before `seq`.
    fn client_until(&self, seq: u64) -> Client {
        let mut client = Client::default();
        for (_, frame) in self.live.iter().filter(|(live, _)| *live < seq) {
            client.receive(frame);
        }
        client
    }
}

/// Everything that the journal has for `client`, who gets it.
fn replay(journal: &Journal, client: &mut Client, whole: bool, max_frame: usize) {
    let mut seq = client.next;
    while let Some(replayed) = journal.frame_from(seq, whole) {
        assert!(whole || replayed.frame.len() <= max_frame, "{}", text(&replayed.frame));
        client.receive(&replayed.frame);
        assert!(replayed.next_seq > seq);
        assert_eq!(client.next, replayed.next_seq);
        seq = replayed.next_seq;
    }
}

/// The journal again, by way of the table.
fn kept(said: &Said) -> Journal {
    let Journal { ids, start, .. } = &said.journal;
    let parts = said.journal.to_parts();
    Journal::from_parts(ids.clone(), said.max_frame, start.clone(), &parts).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn who_comes_back_has_the_whole(said in any_run(), whole in any::<bool>()) {
        let everything = said.client_until(u64::MAX);
        let kept = kept(&said);
        prop_assert_eq!(&kept, &said.journal);
        for seq in 0..=everything.next {
            let mut client = said.client_until(seq);
            replay(&kept, &mut client, whole, said.max_frame);
            prop_assert_eq!(&client.seen, &everything.seen, "after frame {}", seq);
            prop_assert_eq!(client.next, everything.next);
        }
    }

    #[test]
    fn who_comes_back_twice_has_the_whole(
        said in any_run(),
        first in any::<prop::sample::Index>(),
        second in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let everything = said.client_until(u64::MAX);
        let count = usize::try_from(everything.next).unwrap();
        let mut client = said.client_until(first.index(count) as u64);
        for _ in 0..second.index(count) {
            if let Some(replayed) = said.journal.frame_from(client.next, false) {
                client.receive(&replayed.frame);
            }
        }
        replay(&said.journal, &mut client, whole, said.max_frame);
        prop_assert_eq!(&client.seen, &everything.seen);
    }

    #[test]
    fn what_comes_again_is_dropped(
        said in any_run(),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        at in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let mut frames: Vec<&[u8]> = said.live.iter().map(|(_, frame)| &**frame).collect();
        // Each frame again, anywhere behind its first time.
        for (again, at) in again.iter().zip(at) {
            let first = again.index(frames.len());
            let place = first + 1 + at.index(frames.len() - first);
            frames.insert(place, frames[first]);
        }
        let mut client = Client::default();
        for frame in frames {
            client.receive(frame);
        }
        prop_assert_eq!(client.seen, said.client_until(u64::MAX).seen);
    }
}

fn small_run() -> Said {
    let steps = [
        Step::Text("Refunds ".to_owned()),
        Step::Cut(1),
        Step::Keepalive,
        Step::Text("are ".to_owned()),
        Step::Cut(1),
        Step::Text("possible.".to_owned()),
        Step::Cut(1),
    ];
    say(&steps, EventForm::Chunks, 32 * 1024, false)
}

#[test]
fn neighbouring_text_comes_as_one_frame_that_says_where_it_begins() {
    let said = small_run();
    let replayed = said.journal.frame_from(1, false).unwrap();
    let frame: Value = serde_json::from_slice(&replayed.frame).unwrap();
    assert_eq!(frame["delta"], "Refunds are possible.");
    assert_eq!(frame["metadata"]["relay"]["seq"], 4);
    assert_eq!(frame["metadata"]["relay"]["after"], 0);
    let order = "\"seq\":4,\"after\":0}}}";
    assert!(text(&replayed.frame).ends_with(order), "{}", text(&replayed.frame));
    // Behind a sign of life that the client did not get.
    let replayed = said.journal.frame_from(2, false).unwrap();
    assert!(text(&replayed.frame).ends_with("\"seq\":4,\"after\":1}}}"));
    let replayed = said.journal.frame_from(4, false).unwrap();
    assert!(text(&replayed.frame).ends_with("\"seq\":4}}}"));
    assert_eq!(said.journal.frame_from(6, false), None);
}

#[test]
fn the_key_of_a_run_is_not_kept() {
    let said = small_run();
    let lines = crate::deflate::inflate(&said.journal.to_parts().concat(), 1 << 20).unwrap();
    assert!(!lines.contains("RUN_STARTED"), "{lines}");
    let other = b"{\"type\":\"RUN_STARTED\"}".to_vec();
    let journal = Journal::from_parts(
        said.journal.ids.clone(),
        said.max_frame,
        other.clone(),
        &said.journal.to_parts(),
    );
    assert_eq!(journal.unwrap().frame_from(0, false).unwrap().frame, other);
}

/// So many bytes that can't be deflated, as JSON.
fn noise(bytes: usize) -> Box<RawValue> {
    let mut random = fastrand::Rng::with_seed(1);
    let text: String = (0..bytes).map(|_| random.alphanumeric()).collect();
    RawValue::from_string(format!("{{\"bytes\":\"{text}\"}}")).unwrap()
}

/// A run with so many files of 100,000 bytes.
fn files(count: usize) -> (Journal, Vec<Cut>) {
    let ids = RunIds { run_id: "run-1".to_owned(), ..RunIds::default() };
    let max_frame = 32 * 1024;
    let mut outbox = Outbox::new(ids.clone(), Some(max_frame - ROOM_FOR_AFTER));
    let mut journal = Journal::new(ids, max_frame);
    let mut cuts = Vec::new();
    outbox.push(Frame::RunStarted);
    for _ in 0..count {
        outbox.push(Frame::Custom { name: "bedrock.file", json: noise(100_000) });
    }
    while let Some(cut) = outbox.cut() {
        journal.push(&cut);
        cuts.push(cut);
    }
    (journal, cuts)
}

#[test]
fn a_large_run_is_kept_in_parts() {
    let (journal, _) = files(10);
    let parts = journal.to_parts();
    assert!(parts.len() >= 2, "{}", parts.len());
    assert!(parts.iter().all(|part| part.len() <= MAX_PART));
    let start = journal.start.clone();
    let again = Journal::from_parts(journal.ids.clone(), 32 * 1024, start, &parts).unwrap();
    assert_eq!(again, journal);
    for wrong in [&parts[1..], &parts[..parts.len() - 1], &[]] {
        let read = Journal::from_parts(journal.ids.clone(), 32 * 1024, Vec::new(), wrong);
        assert!(matches!(read, Err(UnreadableJournal::Inflate(_))), "{read:?}");
    }
}

#[test]
fn beyond_the_bound_the_oldest_goes_and_who_wants_it_sees_a_gap() {
    let (mut journal, cuts) = files(50);
    assert!(journal.bytes > MAX_JOURNAL);
    // What was not posted yet stays.
    let wanted = cuts[3].seq;
    journal.forget_oldest(wanted);
    assert_eq!(journal.first_seq, wanted);
    assert!(journal.has(wanted) && !journal.has(wanted - 1));
    // It is kept within the bound.
    let start = journal.start.clone();
    let parts = journal.to_parts();
    let kept = Journal::from_parts(journal.ids.clone(), 32 * 1024, start, &parts).unwrap();
    assert!(kept.bytes <= MAX_JOURNAL && kept.bytes > MAX_JOURNAL - 110_000, "{}", kept.bytes);
    journal.forget_oldest(u64::MAX);
    assert_eq!(kept, journal);
    assert!(!journal.has(1) && !journal.has(0));
    // Who has nothing gets the beginning, and then a frame that begins later.
    assert_eq!(journal.frame_from(0, false).unwrap().next_seq, 1);
    let replayed = journal.frame_from(1, false).unwrap();
    let frame: Value = serde_json::from_slice(&replayed.frame).unwrap();
    assert_eq!(frame["metadata"]["relay"]["seq"], journal.first_seq);
    let whole = journal.frame_from(1, true).unwrap();
    let frame: Value = serde_json::from_slice(&whole.frame).unwrap();
    assert_eq!(frame["metadata"]["relay"]["after"], journal.first_seq - 1);
}

#[test]
fn what_is_no_journal_is_refused() {
    let read = |lines: &str| {
        let parts = [crate::deflate::deflate(lines)];
        Journal::from_parts(RunIds::default(), 1000, Vec::new(), &parts)
    };
    let header = "{\"version\":1,\"firstSeq\":1}\n";
    assert!(read(header).is_ok());
    let form = "[\"{\\\"delta\\\":\\\"\",\"\\\",\\\"seq\\\":\"]\n";
    assert!(read(&format!("{header}{form}[1,\"a\"]\n[2,[1,2],{{}}]\n[4,{{}}]")).is_ok());
    for lines in [
        "",
        "{\"version\":2,\"firstSeq\":1}",
        "{\"version\":1}",
        &format!("{header}[1,\"a\"]"),
        &format!("{header}[1]"),
        &format!("{header}[1,{{}}]\n[1,{{}}]"),
        &format!("{header}[1,{{}}]\n[0,{{}}]"),
        &format!("{header}[{},{{}}]", u64::MAX),
        &format!("{header}[1,[],{{}}]"),
        &format!("{header}[1,[1],{{}}]"),
        &format!("{header}[1,[2,2],{{}}]"),
        &format!("{header}[1,[1,3],{{}}]"),
        &format!("{header}[1,{{}}"),
        &format!("{header}{{}}"),
    ] {
        assert!(read(lines).is_err(), "{lines}");
    }
}
