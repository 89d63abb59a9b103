//! Connections over TLS that break while the function runs: in mid-answer, before the first byte of an
//! answer, and before there is a connection at all.

use std::time::Duration;

use futures::future::join_all;
use local_aws::{Entry, Options, Wire, WireClose};
use tokio::time::Instant;

use super::frozen::Fault;
use test_support::received_run::{ReceivedRun, ask_as, calls_again, log, receive_run};
use test_support::source::{is_call, is_call_for};
use test_support::test_bed::{TestBed, numbers};
use test_support::{Client, soon, wait_for_entry};

/// How long the client may wait for its next frame when a post was lost: 2.5 s, half a second for the
/// rest, and a second for a busy machine.
const LONGEST_STALL: Duration = Duration::from_secs(4);

/// How long it may take to get a connection when one attempt fails: 3 s for it, two more for the rest,
/// and a second for a busy machine.
const LONGEST_WAIT: Duration = Duration::from_secs(6);

/// What an agent says until its connection is cut.
const CUT_TEXT: &str = "chunk 1 chunk 2 chunk 3 ";

/// So long that the test has time for what it does before the first byte of an answer.
const RTT: Duration = Duration::from_millis(400);

async fn test_bed() -> TestBed {
    TestBed::start(Options { tls: true, ..Options::default() }).await
}

fn agent(bed: &TestBed) -> &Wire {
    bed.aws.agent_wire().unwrap()
}

fn callbacks(bed: &TestBed) -> &Wire {
    bed.aws.callback_wire().unwrap()
}

// In mid-answer.

/// Everything arrives, soon, and at most the frame that was on its way arrives twice.
async fn mid_answer(fault: Fault) {
    let bed = test_bed().await;
    let mut client = bed.client().await;
    for name in ["one", "two", "three"] {
        client.send(ask_as(name, "/tokens 60 100").to_string()).await;
        let mut turn = ReceivedRun::default();
        // Where the machine is busy, all the rest may come in the next one.
        while turn.frames.len() < 3 {
            assert!(!turn.next_frame(&mut client).await, "{turn:?}");
        }
        // None may be open in the moment in which the function has given up one and has no other.
        let met = fault.put_on(callbacks(&bed));
        let longest = longest_stall(&mut client, &mut turn).await;
        assert!(longest < LONGEST_STALL, "{name}: a stall of {longest:?}");
        assert_eq!((turn.text(), turn.end()), (numbers(60), "RUN_FINISHED"), "{name}");
        assert!(turn.repeated() <= met, "{name}: {} frames came again", turn.repeated());
    }
}

/// Hears a turn to its end, and returns the longest time between two frames.
async fn longest_stall(client: &mut Client, turn: &mut ReceivedRun) -> Duration {
    let mut longest = Duration::ZERO;
    loop {
        let began = Instant::now();
        let ended = turn.next_frame(client).await;
        longest = longest.max(began.elapsed());
        if ended {
            return longest;
        }
    }
}

#[tokio::test]
async fn an_answer_goes_on_when_the_callbacks_connection_is_swallowed() {
    mid_answer(Fault::Swallowed).await;
}

#[tokio::test]
async fn an_answer_goes_on_when_the_callbacks_connection_is_reset() {
    mid_answer(Fault::Closed(WireClose::Reset)).await;
}

#[tokio::test]
async fn an_answer_goes_on_when_the_callbacks_connection_is_closed() {
    mid_answer(Fault::Closed(WireClose::Fin)).await;
}

#[tokio::test]
async fn an_answer_goes_on_when_the_callbacks_connection_is_closed_in_good_order() {
    mid_answer(Fault::Closed(WireClose::Graceful)).await;
}

#[tokio::test]
async fn an_answer_goes_on_when_the_next_post_is_reset() {
    mid_answer(Fault::WriteReset).await;
}

/// The function keeps several connections, as after turns that ran at once, and all of them die: the
/// second attempt must not be made on another dead one.
#[tokio::test]
async fn an_answer_goes_on_when_kept_connections_are_swallowed_with_the_one_in_use() {
    let bed = test_bed().await;
    let names: Vec<String> = (1..=4).map(|number| format!("before-{number}")).collect();
    let before = names.iter().map(|name| receive_run(&bed, name, "/tokens 20 50"));
    for turn in join_all(before).await {
        assert_eq!((turn.text(), turn.end()), (numbers(20), "RUN_FINISHED"));
    }
    let mut client = bed.client().await;
    client.send(ask_as("all", "/tokens 60 100").to_string()).await;
    let mut turn = ReceivedRun::default();
    while turn.frames.len() < 3 {
        assert!(!turn.next_frame(&mut client).await, "{turn:?}");
    }
    let _ = Fault::Swallowed.put_on(callbacks(&bed));
    let longest = longest_stall(&mut client, &mut turn).await;
    assert!(longest < LONGEST_STALL, "a stall of {longest:?}");
    assert_eq!((turn.text(), turn.end()), (numbers(60), "RUN_FINISHED"));
}

#[tokio::test]
async fn an_answer_that_is_cut_in_mid_stream_is_lost_and_the_agent_not_called_again() {
    for how in [WireClose::Fin, WireClose::Reset] {
        let bed = test_bed().await;
        let mut client = bed.client().await;
        client.send(ask_as("cut", "/pause 3 600").to_string()).await;
        let mut turn = ReceivedRun::default();
        while turn.text() != CUT_TEXT {
            assert!(!turn.next_frame(&mut client).await, "{turn:?}");
        }
        assert_eq!(agent(&bed).close_open(how), 1);
        turn.read_to_end(&mut client).await;
        assert_eq!((turn.text().as_str(), turn.code()), (CUT_TEXT, "connection_lost"), "{how:?}");
        is_called(&bed, "cut", 1).await;
        the_next_turn_works(&bed).await;
    }
}

// Before the first byte of an answer.

/// The agent has got so many calls of this run, and was not called again.
async fn is_called(bed: &TestBed, name: &str, times: usize) {
    assert_eq!(calls_again(&log(bed, name).await), 0, "the agent was called again");
    let entries = bed.aws.journal().entries();
    let call = |entry: &&Entry| is_call_for(entry, name);
    assert_eq!(entries.iter().filter(call).count(), times, "calls of the agent");
}

async fn the_next_turn_works(bed: &TestBed) {
    let turn = receive_run(bed, "afterwards", "/tokens 20 200").await;
    assert_eq!((turn.text(), turn.end()), (numbers(20), "RUN_FINISHED"));
}

/// The function has asked, and the agent has begun to answer, of which nothing has come yet.
async fn asked(name: &str) -> (TestBed, Client) {
    let bed = TestBed::start(Options { tls: true, rtt: RTT, ..Options::default() }).await;
    let mut client = bed.client().await;
    client.send(ask_as(name, "/tokens 20 200").to_string()).await;
    wait_for_entry(&bed.aws, "the call", is_call).await;
    (bed, client)
}

#[tokio::test]
async fn an_agent_whose_connection_breaks_before_its_first_byte_is_not_called_again() {
    for how in [WireClose::Fin, WireClose::Reset] {
        let (bed, mut client) = asked("unanswered").await;
        assert_eq!(agent(&bed).close_open(how), 1);
        let mut turn = ReceivedRun::default();
        turn.read_to_end(&mut client).await;
        assert_eq!((turn.text().as_str(), turn.code()), ("", "connection_lost"), "{how:?}");
        is_called(&bed, "unanswered", 1).await;
        the_next_turn_works(&bed).await;
    }
}

#[tokio::test]
async fn an_agent_that_closes_with_close_notify_loses_nothing() {
    let (bed, mut client) = asked("last-words").await;
    assert_eq!(agent(&bed).close_open(WireClose::Graceful), 1);
    let mut turn = ReceivedRun::default();
    turn.read_to_end(&mut client).await;
    assert_eq!((turn.text(), turn.end()), (numbers(20), "RUN_FINISHED"));
    is_called(&bed, "last-words", 1).await;
}

/// Nobody can tell that the request did not come as far as the agent.
#[tokio::test]
async fn an_agent_whose_connection_is_reset_at_the_request_is_not_called_again() {
    let bed = test_bed().await;
    // On a busy machine the function has kept none now and then.
    while agent(&bed).reset_next_write_on_open() == 0 {
        the_next_turn_works(&bed).await;
    }
    let turn = receive_run(&bed, "unheard", "/tokens 20 200").await;
    assert_eq!((turn.text().as_str(), turn.code()), ("", "connection_lost"));
    is_called(&bed, "unheard", 0).await;
    the_next_turn_works(&bed).await;
}

// Before there is a connection.

/// A turn whose first new connections on a wire meet this fault: it takes a few seconds, and everything
/// arrives. Returns the lines of log.
async fn new_connections(wire: fn(&TestBed) -> &Wire, fault: fn(&Wire)) -> Vec<String> {
    let bed = test_bed().await;
    let mut client = bed.client().await;
    let kept = wire(&bed).close_open(WireClose::Fin);
    let mut journal = bed.aws.journal().follow();
    for _ in 0..kept {
        let closing =
            async { while !matches!(journal.next().await.entry, Entry::WireClosed { .. }) {} };
        soon("the end of the connection", closing).await;
    }
    fault(wire(&bed));
    let began = Instant::now();
    client.send(ask_as("again", "/tokens 20 200").to_string()).await;
    let mut turn = ReceivedRun::default();
    turn.read_to_end(&mut client).await;
    assert!(began.elapsed() < LONGEST_WAIT, "{:?}", began.elapsed());
    assert_eq!((turn.text(), turn.end(), turn.repeated()), (numbers(20), "RUN_FINISHED", 0));
    assert_eq!(bed.agent_requests().len(), 1);
    log(&bed, "again").await
}

async fn calls_that_find_no_connection(fault: fn(&Wire), failed: usize) {
    assert_eq!(calls_again(&new_connections(agent, fault).await), failed);
}

async fn posts_that_find_no_connection(fault: fn(&Wire), failed: usize) {
    let log = new_connections(callbacks, fault).await;
    let retried = log.iter().filter(|line| line.contains("a post failed")).count();
    assert_eq!(retried, failed, "{log:#?}");
}

#[tokio::test]
async fn an_agent_that_refuses_connections_is_called_again() {
    calls_that_find_no_connection(|wire| wire.refuse_next(2), 2).await;
}

#[tokio::test]
async fn an_agent_that_never_answers_the_handshake_is_called_again() {
    calls_that_find_no_connection(|wire| wire.swallow_next(1), 1).await;
}

#[tokio::test]
async fn an_agent_that_closes_in_the_handshake_is_called_again() {
    calls_that_find_no_connection(|wire| wire.close_next_in_handshake(2), 2).await;
}

#[tokio::test]
async fn posts_whose_connections_are_refused_are_tried_again() {
    posts_that_find_no_connection(|wire| wire.refuse_next(2), 2).await;
}

#[tokio::test]
async fn posts_whose_handshake_is_never_answered_are_tried_again() {
    posts_that_find_no_connection(|wire| wire.swallow_next(1), 1).await;
}

#[tokio::test]
async fn posts_whose_connections_are_closed_in_the_handshake_are_tried_again() {
    posts_that_find_no_connection(|wire| wire.close_next_in_handshake(2), 2).await;
}
