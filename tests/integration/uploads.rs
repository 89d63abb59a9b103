//! Files that come with a prompt, over real sockets: whole, in pieces that may meet any process, and what becomes
//! of them when pieces, users or the table are not as they should be.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use local_aws::{AwsLimits, Options, TableCalls, TableFault, TableOperation};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use test_support::Client;
use test_support::issuer::{AUDIENCE, Issuer, Key};
use test_support::table::{NO_TABLE, calls, items, with_table};
use test_support::test_bed::{TestBed, ask, text};

use crate::http::{events, post};

const ID: &str = "0b9f8c1e-6a47-4b52-9a3e-d4f0e1c2b3a4";

/// So many bytes of a file go into a message, which browsers send as one frame of 32 KB at most.
const PIECE: usize = 24_000;

async fn start() -> TestBed {
    TestBed::start(with_table(Options::default(), 24)).await
}

/// Bytes in which no piece looks like another.
fn bytes(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}

fn hash(data: &[u8]) -> String {
    let mut hash = String::new();
    for byte in Sha256::digest(data) {
        write!(hash, "{byte:02x}").unwrap();
    }
    hash
}

fn piece(id: &str, data: &[u8], index: usize) -> Value {
    let count = data.chunks(PIECE).len();
    let piece = STANDARD.encode(data.chunks(PIECE).nth(index).unwrap());
    json!({"upload": {"id": id, "index": index, "count": count, "size": data.len(), "data": piece}})
}

fn uploaded(name: &str, id: &str) -> Value {
    json!({"name": name, "mediaType": "application/pdf", "upload": id})
}

fn prompt(files: &[Value]) -> Value {
    json!({"prompt": "/files", "sessionId": "conversation-1", "files": files})
}

/// Sends a message and gives the one frame that comes back.
async fn answer(client: &mut Client, message: &Value) -> Value {
    client.send(message.to_string()).await;
    serde_json::from_str(&client.text().await).unwrap()
}

/// The frames of a run that may take its time: a build for tests encodes and hashes slowly.
async fn ask_patiently(client: &mut Client, message: &Value) -> Vec<Value> {
    client.send(message.to_string()).await;
    let mut frames: Vec<Value> = Vec::new();
    loop {
        let text = client.next_text(Duration::from_mins(5)).await.expect("a frame");
        frames.push(serde_json::from_str(&text).unwrap());
        let kind = &frames[frames.len() - 1]["type"];
        if kind == "RUN_FINISHED" || kind == "RUN_ERROR" {
            return frames;
        }
    }
}

async fn upload(client: &mut Client, id: &str, data: &[u8]) {
    for index in 0..data.chunks(PIECE).len() {
        let frame = answer(client, &piece(id, data, index)).await;
        assert_eq!(frame["name"], "relay.upload", "{frame}");
        assert_eq!(frame["value"], json!({"id": id, "index": index}));
        let relay = json!({"runId": id, "seq": index});
        assert_eq!(frame["metadata"]["relay"], relay);
    }
}

#[track_caller]
fn assert_received(frames: &[Value], name: &str, data: &[u8]) {
    let text = text(frames);
    let line =
        format!("`{name}`, application/pdf, {} bytes, CHAT, SHA-256 `{}`", data.len(), hash(data));
    assert!(text.contains(&line), "{line}: {frames:?}");
}

#[track_caller]
fn assert_failed<'a>(frames: &'a [Value], code: &str) -> &'a str {
    let end = frames.last().unwrap();
    assert_eq!((&end["type"], &end["code"]), (&json!("RUN_ERROR"), &json!(code)), "{end}");
    end["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_small_file_goes_in_one_message_with_and_without_a_table() {
    for bed in [start().await, TestBed::with_environment(Options::default(), &[NO_TABLE]).await] {
        let data = bytes(20_000);
        let file = json!({
            "name": "a.pdf", "mediaType": "application/pdf", "data": STANDARD.encode(&data),
        });
        assert_received(&bed.ask(&prompt(&[file])).await, "a.pdf", &data);
        let requests = bed.agent_requests();
        let sent = &requests[0]["sessionState"]["files"][0];
        let source = json!({
            "sourceType": "BYTE_CONTENT",
            "byteContent": {"mediaType": "application/pdf", "data": STANDARD.encode(&data)},
        });
        assert_eq!(*sent, json!({"name": "a.pdf", "useCase": "CHAT", "source": source}));
    }
}

#[tokio::test]
async fn files_in_pieces_arrive_byte_by_byte_in_any_order_over_any_connection() {
    let bed = start().await;
    let (first, second) = (bytes(300_000), bytes(PIECE));
    let other = ID.replace('0', "1");
    let mut client = bed.client().await;
    upload(&mut client, &other, &second).await;
    let mut order: Vec<usize> = (0..first.chunks(PIECE).len()).collect();
    fastrand::Rng::with_seed(3).shuffle(&mut order);
    // One comes twice, as after an answer that was lost.
    for index in order.iter().chain(&order[..1]) {
        let mut client = bed.client().await;
        let frame = answer(&mut client, &piece(ID, &first, *index)).await;
        assert_eq!(frame["value"]["index"], *index);
    }
    let message = prompt(&[uploaded("a.pdf", ID), uploaded("b.pdf", &other)]);
    for _ in 0..2 {
        // A retry finds them where they were.
        let frames = bed.ask(&message).await;
        assert_received(&frames, "a.pdf", &first);
        assert_received(&frames, "b.pdf", &second);
    }
    let agui = json!({
        "threadId": "conversation-2", "runId": "run-1", "tools": [], "context": [], "state": {},
        "forwardedProps": {},
        "messages": [{"id": "m1", "role": "user", "content": [
            {"type": "text", "text": "/files"},
            {"type": "document", "metadata": {"filename": "c.pdf"},
             "source": {"type": "file", "value": ID, "mimeType": "application/pdf"}},
        ]}],
    });
    assert_received(&bed.ask(&agui).await, "c.pdf", &first);
    // Another transport, the same files.
    let received = events(post(&bed, &agui).await).await;
    assert_received(&received, "c.pdf", &first);
}

#[tokio::test]
async fn ten_megabytes_arrive_and_one_byte_more_does_not() {
    let bed = start().await;
    let data = bytes(10 * 1024 * 1024);
    let mut client = bed.client().await;
    upload(&mut client, ID, &data).await;
    let before = bed.peak_memory_kib();
    let frames = ask_patiently(&mut client, &prompt(&[uploaded("a.pdf", ID)])).await;
    assert_received(&frames, "a.pdf", &data);
    let more = bed.peak_memory_kib() - before;
    eprintln!("10 MB took {more} KiB of memory");
    assert!(more < 120 * 1024, "{more} KiB");
    let small = json!({"name": "b.pdf", "mediaType": "application/pdf", "data": "YQ=="});
    let frames = ask_patiently(&mut client, &prompt(&[uploaded("a.pdf", ID), small])).await;
    assert!(assert_failed(&frames, "invalid_request").contains("10485761 bytes together"));
    let too_large = json!({"upload": {
        "id": ID, "index": 0, "count": 500, "size": data.len() + 1, "data": "YQ==",
    }});
    let frame = answer(&mut client, &too_large).await;
    assert_eq!(frame["code"], "invalid_request", "{frame}");
    // Written once, a kilobyte a unit.
    let puts = calls(&bed.aws).into_iter().filter(|call| {
        call.operation == TableOperation::PutItem && call.request.to_string().contains("/upload/")
    });
    let units: f64 = puts.map(|call| call.capacity_units).sum();
    assert!((10_000.0..12_000.0).contains(&units), "{units}");
}

#[tokio::test]
async fn what_is_not_all_there_is_no_file() {
    let bed = start().await;
    let data = bytes(3 * PIECE);
    let mut client = bed.client().await;
    let ask_for_it = prompt(&[uploaded("a.pdf", ID)]);
    let frames = ask(&mut client, &ask_for_it).await;
    assert!(assert_failed(&frames, "no_such_upload").contains("\"a.pdf\" is not here"));
    for index in [0, 2] {
        answer(&mut client, &piece(ID, &data, index)).await;
    }
    let frames = ask(&mut client, &ask_for_it).await;
    assert!(assert_failed(&frames, "no_such_upload").contains("piece 1 of 3 is missing"));
    // A piece of another file under the same id.
    answer(&mut client, &piece(ID, &bytes(2 * PIECE), 1)).await;
    let frames = ask(&mut client, &ask_for_it).await;
    assert!(assert_failed(&frames, "no_such_upload").contains("not of one file"));
    answer(&mut client, &piece(ID, &data, 1)).await;
    assert_received(&ask(&mut client, &ask_for_it).await, "a.pdf", &data);
    assert_eq!(bed.agent_requests().len(), 1);
}

#[tokio::test]
async fn a_piece_that_has_expired_is_none() {
    let bed = start().await;
    let mut client = bed.client().await;
    upload(&mut client, ID, &bytes(1000)).await;
    let mut item = items(&bed.aws).await.remove(0);
    let expires: u64 = item["expires"]["N"].as_str().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((now + 3500..=now + 3600).contains(&expires), "{expires}");
    item["expires"] = json!({"N": (now - 1).to_string()});
    let put = json!({"TableName": "runs", "Item": item});
    let (status, _) = test_support::table::call(&bed.aws, TableOperation::PutItem, &put).await;
    assert_eq!(status, 200);
    let frames = ask(&mut client, &prompt(&[uploaded("a.pdf", ID)])).await;
    assert_failed(&frames, "no_such_upload");
}

#[tokio::test]
async fn an_upload_is_its_users_alone() {
    let key = Key::elliptic("key-1");
    let issuer = Issuer::start(&[&key]).await;
    let variables =
        [("ACCESS", "oidc"), ("OIDC_ISSUER", &*issuer.url), ("OIDC_AUDIENCE", AUDIENCE)];
    let options = with_table(Options { authorizer: true, ..Options::default() }, 24);
    let bed = TestBed::with_environment(options, &variables).await;
    let enter = async |name: &str| {
        let token = key.sign(&issuer.claims(name));
        let protocols = format!("agent-relay, token.{}", URL_SAFE_NO_PAD.encode(token));
        let headers = [("sec-websocket-protocol", &*protocols)];
        Client::connect(&bed.aws, &headers).await.expect("the handshake succeeds")
    };
    let data = bytes(2 * PIECE);
    let mut alice = enter("alice").await;
    upload(&mut alice, ID, &data).await;
    let message = prompt(&[uploaded("a.pdf", ID)]);
    let frames = ask(&mut enter("bob").await, &message).await;
    assert_failed(&frames, "no_such_upload");
    // Nor can bob spoil it.
    let mut bob = enter("bob").await;
    upload(&mut bob, ID, &bytes(100)).await;
    assert_received(&ask(&mut enter("alice").await, &message).await, "a.pdf", &data);
}

#[tokio::test]
async fn a_table_that_is_busy_is_asked_again() {
    let bed = start().await;
    let data = bytes(2 * PIECE);
    let mut client = bed.client().await;
    bed.aws.faults().fail_table_calls(2, TableCalls::all(), TableFault::Throttled);
    upload(&mut client, ID, &data).await;
    bed.aws.faults().fail_table_calls(2, TableCalls::all(), TableFault::Throttled);
    let frames = ask(&mut client, &prompt(&[uploaded("a.pdf", ID)])).await;
    assert_received(&frames, "a.pdf", &data);
    bed.aws.faults().fail_table_calls(u32::MAX, TableCalls::all(), TableFault::Throttled);
    let frame = answer(&mut client, &piece(ID, &data, 0)).await;
    assert_eq!(
        (&frame["code"], &frame["metadata"]["relay"]["retryable"]),
        (&json!("internal"), &json!(true))
    );
    assert_eq!(frame["metadata"]["relay"]["runId"], ID);
}

#[tokio::test]
async fn without_a_table_an_upload_is_refused() {
    let bed = TestBed::with_environment(Options::default(), &[NO_TABLE]).await;
    let mut client = bed.client().await;
    let frame = answer(&mut client, &piece(ID, &bytes(10), 0)).await;
    assert_eq!(frame["code"], "invalid_request");
    assert!(frame["message"].as_str().unwrap().contains("no table"), "{frame}");
    let frames = ask(&mut client, &prompt(&[uploaded("a.pdf", ID)])).await;
    assert_failed(&frames, "no_such_upload");
}

#[tokio::test]
async fn where_files_are_off_they_are_refused() {
    let options = with_table(Options::default(), 24);
    let bed = TestBed::with_environment(options, &[("FILE_USE", "off")]).await;
    let mut client = bed.client().await;
    let frame = answer(&mut client, &piece(ID, &bytes(10), 0)).await;
    assert_eq!(frame["code"], "invalid_request");
    assert!(frame["message"].as_str().unwrap().contains("takes no files"), "{frame}");
}

#[tokio::test]
async fn what_is_kept_of_a_run_names_its_files_and_no_log_has_them() {
    let bed = start().await;
    let data = bytes(2 * PIECE);
    let mut client = bed.client().await;
    upload(&mut client, ID, &data).await;
    let frames = ask(&mut client, &prompt(&[uploaded("a.pdf", ID)])).await;
    assert_received(&frames, "a.pdf", &data);
    let key = frames[0]["metadata"]["relay"]["key"].as_str().unwrap();
    let history = ask(&mut client, &json!({"history": {"key": key}})).await;
    let asked = &history[1]["messages"][0]["content"];
    assert_eq!(*asked, "/files\n\n[File: a.pdf (application/pdf)]");
    // Joined again, the answer comes and the agent is not asked.
    let joined = ask(&mut client, &json!({"join": {"key": key}})).await;
    assert_received(&joined, "a.pdf", &data);
    assert_eq!(bed.agent_requests().len(), 1);
    for entry in bed.aws.journal().entries() {
        if let local_aws::Entry::FunctionLog { line } = entry {
            assert!(!line.contains(ID), "{line}");
        }
    }
}

#[tokio::test]
async fn over_http_a_file_goes_in_one_piece() {
    let options = Options { limits: AwsLimits::default(), ..Options::default() };
    let bed = TestBed::with_environment(options, &[NO_TABLE]).await;
    let data = bytes(4_000_000);
    let file = json!({
        "name": "a.pdf", "mediaType": "application/pdf", "data": STANDARD.encode(&data),
    });
    let received = events(post(&bed, &prompt(&[file])).await).await;
    assert_received(&received, "a.pdf", &data);
    let file = json!({
        "name": "a.pdf", "mediaType": "application/pdf", "data": STANDARD.encode(bytes(5_000_000)),
    });
    assert_eq!(post(&bed, &prompt(&[file])).await.status(), 413);
}
