//! The agent's endpoint answers wrongly, or something between it and the function does.

use std::time::Duration;

use futures::future::join_all;
use local_aws::{Entry, Options, Source};
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::events::{
    CHUNKED, LAST_CHUNK, NO_EVENT_STREAM, answer, beginning, chunked, end_event, error_message,
    head_of_length, head_of_many_headers, head_without_length, last_chunks, text_event,
};
use super::server::{Gate, Request, Server, Step, trust_in_servers, write};
use test_support::received_run::{ReceivedRun, ask_as, calls_again, log, receive_run, summary};
use test_support::source::{endpoint_variable, source};
use test_support::test_bed::TestBed;
use test_support::wait_for_entry;

/// What must never be logged.
const PROMPT: &str = "my secret prompt";

const TEXTS: [&str; 3] = ["one ", "two ", "three"];

const TEXT: &str = "one two three";

/// The function, whose agent is a server with this script.
async fn test_bed(
    script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
) -> (TestBed, Server) {
    let server = Server::start(script).await;
    let bed = test_bed_with(&server.url()).await;
    (bed, server)
}

/// The function, whose agent is at this URL.
async fn test_bed_with(url: &str) -> TestBed {
    let agent = Some((endpoint_variable(), url));
    let changes: Vec<_> = agent.into_iter().chain(trust_in_servers()).collect();
    TestBed::with_environment(Options::default(), &changes).await
}

/// A turn whose agent answers this to every call.
async fn ask(bed: &TestBed, server: &Server, case: &str, steps: Vec<Step>) -> ReceivedRun {
    server.follow(move |_| steps.clone());
    receive_run(bed, case, PROMPT).await
}

async fn the_next_turn_works(bed: &TestBed, server: &Server) {
    let turn = ask(bed, server, "afterwards", answer(&TEXTS)).await;
    assert_eq!((turn.text().as_str(), turn.end()), (TEXT, "RUN_FINISHED"));
}

/// How often the agent was called since the server was given its script.
fn calls(server: &Server) -> usize {
    server.record(|record| record.requests.last().map_or(0, |request| request.number))
}

/// After each of these steps the agent may be at work already: it is called once and never again, and
/// the client learns that the connection was lost, after this text.
async fn is_lost(text: &str, cases: Vec<(&str, Vec<Step>)>) {
    let (bed, server) = test_bed(|_| Vec::new()).await;
    for (case, steps) in cases {
        let turn = ask(&bed, &server, case, steps).await;
        assert_eq!(turn.code(), "connection_lost", "{case}");
        assert_eq!(turn.text(), text, "{case}");
        let log = log(&bed, case).await;
        assert_eq!(
            (calls(&server), calls_again(&log)),
            (1, 0),
            "{case}: the agent was called again"
        );
    }
    the_next_turn_works(&bed, &server).await;
    server.record(|record| assert_eq!(record.begun, record.requests.len(), "parts of requests"));
}

/// Each of these is the whole answer.
async fn is_finished(cases: Vec<(&str, Vec<Step>)>) {
    let (bed, server) = test_bed(|_| Vec::new()).await;
    for (case, steps) in cases {
        let turn = ask(&bed, &server, case, steps).await;
        assert_eq!((turn.text().as_str(), turn.end()), (TEXT, "RUN_FINISHED"), "{case}");
        assert_eq!(calls(&server), 1, "{case}");
    }
    the_next_turn_works(&bed, &server).await;
}

fn with_length(head: &str, body: &str) -> Vec<Step> {
    vec![write(format!("{head}content-length: {}\r\n\r\n{body}", body.len()))]
}

fn all_events() -> Vec<u8> {
    TEXTS.iter().flat_map(|text| text_event(text)).chain(end_event()).collect()
}

// Answers that are no event stream.

#[tokio::test]
async fn an_answer_that_is_no_event_stream_is_a_bad_gateway() {
    let (bed, server) = test_bed(|_| Vec::new()).await;
    // As a proxy's page does that repeats the request.
    let page = format!("<!doctype html>{}<p>{PROMPT}</p>", " ".repeat(5000));
    let json = r#"{"completion":"all at once"}"#;
    for (case, status, content_type, body) in [
        ("204", "204 No Content", "", ""),
        ("json", "200 OK", "application/json", json),
        ("html", "200 OK", "text/html", page.as_str()),
        ("empty", "200 OK", "", ""),
        ("202", "202 Accepted", "application/json", "{}"),
    ] {
        let head = match content_type {
            "" => format!("HTTP/1.1 {status}\r\n"),
            _ => format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n"),
        };
        let steps = match case {
            // It has no length, since it has no body.
            "204" => vec![write(format!("{head}\r\n"))],
            _ => with_length(&head, body),
        };
        let turn = ask(&bed, &server, case, steps).await;
        assert_eq!(turn.code(), "bad_gateway", "{case}");
        assert_eq!(calls(&server), 1, "{case}");
        let log = log(&bed, case).await;
        let told = |line: &String| line.contains(&status[..3]) && line.contains(content_type);
        assert!(log.iter().any(told), "{case}: the log does not say what came: {log:#?}");
    }
    the_next_turn_works(&bed, &server).await;
    let records = bed.aws.journal().entries();
    let leaks =
        |entry: &&Entry| matches!(entry, Entry::FunctionLog { line } if line.contains(PROMPT));
    assert_eq!(records.iter().find(leaks), None);
}

#[tokio::test]
async fn an_agent_that_says_nothing_leaves_a_warning() {
    let (bed, server) = test_bed(|_| Vec::new()).await;
    // A harness says how its answer ends, so one that says nothing was cut.
    let (end, words) = match source() {
        Source::Agent => ("RUN_FINISHED", "the agent ended without an event"),
        Source::Harness => ("RUN_ERROR", "ended before its last message did"),
        Source::Runtime => panic!("{NO_EVENT_STREAM}"),
    };
    for (case, steps) in [
        ("chunked", vec![write(CHUNKED), write(LAST_CHUNK)]),
        ("ends-with-its-connection", vec![write(head_without_length()), Step::Fin]),
    ] {
        let turn = ask(&bed, &server, case, steps).await;
        assert_eq!((turn.text().as_str(), turn.end()), ("", end), "{case}");
        let log = log(&bed, case).await;
        let warned = |line: &String| line.contains(words);
        assert!(log.iter().any(warned), "{case}: {log:#?}");
        assert_eq!(calls(&server), 1, "{case}");
    }
    let turn = ask(&bed, &server, "talks", answer(&TEXTS)).await;
    assert_eq!(turn.text(), TEXT);
    let log = log(&bed, "talks").await;
    assert!(!log.iter().any(|line| line.contains("without an event")), "{log:#?}");
}

// Errors in the stream.

#[tokio::test]
async fn an_error_message_in_the_stream_is_told_by_its_code() {
    let (bed, server) = test_bed(|_| Vec::new()).await;
    for (error_code, code) in [
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
        ("ThrottlingException", "throttling"),
        ("InternalFailure", "internal_server"),
    ] {
        let mut steps = beginning(&TEXTS);
        let reason = format!("the reason for {error_code}");
        steps.push(write(chunked(&error_message(error_code, &reason))));
        steps.push(write(LAST_CHUNK));
        let turn = ask(&bed, &server, error_code, steps).await;
        assert_eq!((turn.text().as_str(), turn.code()), (TEXT, code), "{error_code}");
        assert_eq!(calls(&server), 1, "{error_code}");
        let log = log(&bed, error_code).await;
        // Apart from the run id, which is the same here, the reason has the code's name in it.
        let told = |line: &String| line.matches(error_code).count() > 2 && line.contains(&reason);
        assert!(log.iter().any(told), "{error_code}: {log:#?}");
    }
    the_next_turn_works(&bed, &server).await;
}

// Refusals.

#[tokio::test]
async fn a_throttled_agent_is_called_again_even_if_the_refusal_is_cut() {
    let cut = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 100\r\n\r\n{\"mess";
    let ends = [Step::Fin, Step::Reset].map(async |end| {
        let (bed, server) = test_bed(|_| Vec::new()).await;
        let refusal = vec![write(cut), end];
        let twice = refusal.clone();
        server.follow(move |call| if call.number < 3 { twice.clone() } else { answer(&TEXTS) });
        let turned = receive_run(&bed, "twice", PROMPT).await;
        assert_eq!((turned.text().as_str(), turned.end()), (TEXT, "RUN_FINISHED"));
        assert_eq!(calls(&server), 3);
        let turned = ask(&bed, &server, "always", refusal).await;
        assert_eq!(turned.code(), "throttling");
        assert_eq!(calls(&server), 5);
    });
    join_all(ends).await;
}

/// How long the rest of an error is waited for: 5 s, and three for everything else.
const LONGEST_ERROR: Duration = Duration::from_secs(8);

/// An error with a body that does not end, in three ways.
fn endless(status: &str) -> Vec<(&'static str, Vec<Step>)> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{\"mes\r\n");
    vec![
        ("length", vec![write(format!("{head}content-length: 100\r\n\r\n{{\"mes")), Step::Hang]),
        ("chunks", vec![write(chunked.clone()), Step::Hang]),
        ("flood", vec![write(chunked), Step::Flood("4\r\nmore\r\n".into())]),
    ]
}

#[tokio::test]
async fn an_error_whose_body_never_ends_ends_the_run_within_seconds() {
    let cases = endless("500 Internal Server Error").into_iter().map(async |(case, steps)| {
        let (bed, server) = test_bed(|_| Vec::new()).await;
        let began = Instant::now();
        let turn = ask(&bed, &server, case, steps).await;
        assert!(began.elapsed() < LONGEST_ERROR, "{case}: {:?}", began.elapsed());
        assert_eq!((turn.code(), calls(&server)), ("internal_server", 1), "{case}");
        the_next_turn_works(&bed, &server).await;
    });
    join_all(cases).await;
}

#[tokio::test]
async fn a_throttled_agent_is_called_again_even_if_the_refusal_never_ends() {
    let cases = endless("429 Too Many Requests").into_iter().map(async |(case, steps)| {
        let (bed, server) = test_bed(|_| Vec::new()).await;
        server.follow(move |call| if call.number == 1 { steps.clone() } else { answer(&TEXTS) });
        let began = Instant::now();
        let turn = receive_run(&bed, case, PROMPT).await;
        assert!(began.elapsed() < LONGEST_ERROR, "{case}: {:?}", began.elapsed());
        assert_eq!((turn.text().as_str(), turn.end()), (TEXT, "RUN_FINISHED"), "{case}");
        assert_eq!(calls(&server), 2, "{case}");
    });
    join_all(cases).await;
}

// No connection to the agent: nothing can have happened, so it is called again.

/// The function calls an agent that it can't get a connection to, five times and no more.
async fn is_called_five_times(bed: &TestBed, case: &str) {
    let turn = receive_run(bed, case, PROMPT).await;
    assert_eq!((turn.code(), turn.text().as_str()), ("connection_lost", ""), "{case}");
    assert_eq!(calls_again(&log(bed, case).await), 4, "{case}");
}

#[tokio::test]
async fn an_agent_that_breaks_the_handshake_of_tls_is_called_again() {
    let no_tls = write("HTTP/1.1 400 Bad Request\r\n\r\n");
    let endings =
        [vec![Step::Fin], vec![Step::Reset], vec![no_tls, Step::Fin]].map(async |ending| {
            let server = Server::plain(|_| Vec::new()).await;
            let steps = [vec![Step::ReadSome], ending].concat();
            server.greet(move |_| steps.clone());
            let bed = test_bed_with(&server.secure_url()).await;
            // The function may have tried before there was anybody to ask for.
            let before = server.record(|record| record.greetings);
            is_called_five_times(&bed, "handshake").await;
            assert_eq!(server.record(|record| record.greetings) - before, 5);
        });
    join_all(endings).await;
}

#[tokio::test]
async fn an_agent_whose_name_is_unknown_is_called_again() {
    // A label of more than 63 characters can't be looked up, so no name server is asked.
    let url = format!("http://{}.invalid", "x".repeat(64));
    let changes = [
        (endpoint_variable(), url.as_str()),
        // The machine's proxy would look the name up.
        ("HTTP_PROXY", ""),
        ("http_proxy", ""),
    ];
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    is_called_five_times(&bed, "unknown-name").await;
}

#[tokio::test]
async fn an_agent_that_nobody_listens_for_is_called_until_somebody_does() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bed = test_bed_with(&format!("http://{free}")).await;
    is_called_five_times(&bed, "refused").await;
}

#[tokio::test]
async fn an_agent_that_takes_no_connection_in_time_is_called_again() {
    // A queue with room for one, which is taken: Linux then drops whatever else wants to connect.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let first = tokio::net::TcpStream::connect(address).await.unwrap();
    let bed = test_bed_with(&format!("http://{address}")).await;
    let mut client = bed.client().await;
    client.send(ask_as("time-out", PROMPT).to_string()).await;
    let again = |entry: &Entry| matches!(entry, Entry::FunctionLog { line } if line.contains("called again"));
    wait_for_entry(&bed.aws, "another call", again).await;
    // From now on there is room.
    drop(first);
    let server = Server::on(listener, |_| answer(&TEXTS));
    let mut turn = ReceivedRun::default();
    turn.read_to_end(&mut client).await;
    assert_eq!((turn.text().as_str(), turn.end()), (TEXT, "RUN_FINISHED"));
    assert_eq!(calls(&server), 1);
}

// The request may have been seen: the agent is never asked twice.

#[tokio::test]
async fn an_agent_whose_answer_is_no_http_is_not_called_again() {
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(600_000));
    is_lost(
        "",
        vec![
            ("garbage", vec![write("\u{1}\u{2}\u{3} no server speaks like this\r\n\r\n")]),
            ("http-0.9", vec![write("<html>no head, only a body</html>"), Step::Fin]),
            (
                "101",
                vec![write(
                    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
                )],
            ),
            ("1xx-alone", vec![write("HTTP/1.1 100 Continue\r\n\r\n"), Step::Fin]),
            (
                "two-lengths",
                vec![write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc")],
            ),
            ("1000-headers", vec![write(head_of_many_headers(1000))]),
            ("600-kb-of-header", vec![write(huge)]),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_agent_that_ends_the_connection_instead_of_answering_is_not_called_again() {
    is_lost(
        "",
        vec![
            ("fin", vec![Step::Fin]),
            ("rst", vec![Step::Reset]),
            ("fin-in-the-status-line", vec![write("HTTP/1.1 2"), Step::Fin]),
            ("rst-in-the-status-line", vec![write("HTTP/1.1 2"), Step::Reset]),
            ("fin-in-the-headers", vec![write("HTTP/1.1 200 OK\r\ncontent-ty"), Step::Fin]),
            ("rst-in-the-headers", vec![write("HTTP/1.1 200 OK\r\ncontent-ty"), Step::Reset]),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_agent_that_ends_the_connection_at_the_first_bytes_is_not_called_again() {
    for end in [Step::Fin, Step::Reset] {
        let server = Server::start(|_| answer(&TEXTS)).await;
        let steps = vec![Step::ReadSome, end];
        server.greet(move |_| steps.clone());
        let bed = test_bed_with(&server.url()).await;
        let turn = receive_run(&bed, "first-bytes", PROMPT).await;
        assert_eq!(turn.code(), "connection_lost");
        assert_eq!(calls_again(&log(&bed, "first-bytes").await), 0);
        assert_eq!(server.record(|record| (record.greetings, record.begun)), (1, 0));
        server.greet(|_| Vec::new());
        the_next_turn_works(&bed, &server).await;
    }
}

// Answers that are cut.

#[tokio::test]
async fn an_answer_cut_on_the_edge_of_a_frame_is_not_taken_for_a_whole_one() {
    let short = all_events();
    let head = head_of_length(short.len() + 1);
    is_lost(
        TEXT,
        vec![
            ("no-last-chunk", [beginning(&TEXTS), vec![Step::Fin]].concat()),
            ("short-length", vec![write(head), write(short), Step::Fin]),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_answer_reset_on_the_edge_of_a_frame_is_not_taken_for_a_whole_one() {
    let gate = Gate::closed();
    let steps = [beginning(&TEXTS), vec![Step::Wait(gate.clone()), Step::Reset]].concat();
    let (bed, server) = test_bed(move |_| steps.clone()).await;
    let mut client = bed.client().await;
    client.send(ask_as("reset", PROMPT).to_string()).await;
    let mut turn = ReceivedRun::default();
    // A reset may overtake what was not read yet, so all of it is read first.
    while turn.text() != TEXT {
        assert!(!turn.next_frame(&mut client).await, "{turn:?}");
    }
    gate.open();
    turn.read_to_end(&mut client).await;
    assert_eq!((turn.text().as_str(), turn.code()), (TEXT, "connection_lost"));
    assert!(summary(&log(&bed, "reset").await).contains("connection_lost"));
    assert_eq!(calls(&server), 1);
    the_next_turn_works(&bed, &server).await;
}

#[tokio::test]
async fn an_answer_cut_inside_a_frame_or_broken_is_lost() {
    let half = text_event("four").slice(..20);
    let mut corrupt = text_event("four").to_vec();
    let last = corrupt.len() - 1;
    corrupt[last] ^= 1;
    let then = |more: Vec<Step>| [beginning(&TEXTS), more].concat();
    is_lost(
        TEXT,
        vec![
            ("fin-in-a-frame", then(vec![write(chunked(&half)), Step::Fin])),
            ("end-in-a-frame", then(vec![write(chunked(&half)), write(LAST_CHUNK)])),
            ("corrupt", then(vec![write(chunked(&corrupt)), write(LAST_CHUNK)])),
            ("tiny-length", then(vec![write(chunked(&[0; 16])), write(LAST_CHUNK)])),
            ("broken-chunk", then(vec![write("no length\r\n")])),
        ],
    )
    .await;
}

// Answers that only look strange.

#[tokio::test]
async fn an_answer_may_come_in_any_pieces_and_end_in_any_way() {
    let whole = all_events();
    let bytes = whole.iter().map(|byte| write(chunked(&[*byte])));
    let single = std::iter::once(write(CHUNKED)).chain(bytes).chain([write(LAST_CHUNK)]);
    let trailers = last_chunks();
    let trailers = [trailers.strip_suffix(b"\r\n").unwrap(), b"x-trailer: 1\r\n\r\n"].concat();
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n";
    let slow = Step::Take(Duration::from_millis(500));
    is_finished(vec![
        ("byte-by-byte", single.collect()),
        ("all-at-once", vec![write(CHUNKED), write(chunked(&whole)), write(LAST_CHUNK)]),
        ("exact-length", vec![write(head_of_length(whole.len())), write(whole.clone())]),
        ("1xx-first", [vec![write(early)], answer(&TEXTS)].concat()),
        ("trailers", [beginning(&TEXTS), vec![write(trailers)]].concat()),
        ("late", [vec![slow], answer(&TEXTS)].concat()),
        // HTTP can't tell an end from a cut here.
        ("ends-with-its-connection", vec![write(head_without_length()), write(whole), Step::Fin]),
        ("closes-afterwards", [answer(&TEXTS), vec![Step::Fin]].concat()),
        ("resets-afterwards", [answer(&TEXTS), vec![Step::Reset]].concat()),
    ])
    .await;
}
