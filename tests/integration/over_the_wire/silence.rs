//! The path to the agent has forgotten the connection, as a NAT gateway does: nobody says so, and
//! nothing is acknowledged any more.
#![cfg(target_os = "linux")]

use std::time::Duration;

use local_aws::Options;
use tokio::time::Instant;

use test_support::received_run::{ReceivedRun, ask_as, calls_again, log, receive_run};
use test_support::source::is_call;
use test_support::test_bed::TestBed;
use test_support::{Client, wait_for_entry};

/// How long the kernel may take to find out: 22 s of silence, in which it asks four times, and as long
/// again for a busy machine.
const NOTICED: Duration = Duration::from_secs(45);

/// So long that the test has time for what it does before the first byte of an answer.
const RTT: Duration = Duration::from_millis(400);

/// The function, whose clients get a sign of life more often than the tests wait.
async fn test_bed(rtt: Duration) -> (TestBed, Client) {
    let options = Options { tls: true, rtt, ..Options::default() };
    let bed = TestBed::with_environment(options, &[("KEEPALIVE_SECONDS", "10")]).await;
    let client = bed.client().await;
    (bed, client)
}

/// What the agent says before it is silent.
const BEFORE: &str = "chunk 1 chunk 2 chunk 3 ";

/// The run ends with `connection_lost` long before its deadline, and the agent is not called again.
async fn is_lost(
    bed: &TestBed,
    client: &mut Client,
    mut turn: ReceivedRun,
    name: &str,
    text: &str,
) {
    let began = Instant::now();
    turn.read_to_end(client).await;
    assert!(began.elapsed() < NOTICED, "{name}: {:?}", began.elapsed());
    assert_eq!((turn.text().as_str(), turn.code()), (text, "connection_lost"), "{name}");
    assert_eq!(calls_again(&log(bed, name).await), 0, "{name}");
}

async fn forgotten_while_the_agent_is_silent() {
    let (bed, mut client) = test_bed(Duration::ZERO).await;
    client.send(ask_as("silent", "/pause 3 600").to_string()).await;
    let mut turn = ReceivedRun::default();
    while turn.text() != BEFORE {
        assert!(!turn.next_frame(&mut client).await, "{turn:?}");
    }
    assert_eq!(bed.aws.agent_wire().unwrap().swallow_open(), 1);
    is_lost(&bed, &mut client, turn, "silent", BEFORE).await;
    assert_eq!(bed.agent_requests().len(), 1);
}

async fn forgotten_before_the_first_byte_of_the_answer() {
    let (bed, mut client) = test_bed(RTT).await;
    client.send(ask_as("unanswered", "/tokens 20 200").to_string()).await;
    wait_for_entry(&bed.aws, "the call", is_call).await;
    assert_eq!(bed.aws.agent_wire().unwrap().swallow_open(), 1);
    is_lost(&bed, &mut client, ReceivedRun::default(), "unanswered", "").await;
    assert_eq!(bed.agent_requests().len(), 1);
}

/// A connection that is kept dies while the function runs, which nobody can tell.
async fn forgotten_before_the_request() {
    let (bed, mut client) = test_bed(Duration::ZERO).await;
    let mut turns = 0;
    // On a busy machine the function has kept none now and then.
    while bed.aws.agent_wire().unwrap().swallow_open() == 0 {
        turns += 1;
        assert_eq!(receive_run(&bed, "before", "/tokens 20 200").await.end(), "RUN_FINISHED");
    }
    client.send(ask_as("unheard", "/tokens 20 200").to_string()).await;
    is_lost(&bed, &mut client, ReceivedRun::default(), "unheard", "").await;
    assert_eq!(bed.agent_requests().len(), turns);
}

/// It takes most of a minute, so the cases wait together.
#[tokio::test]
async fn a_path_that_has_forgotten_the_agent_ends_the_run_long_before_its_deadline() {
    tokio::join!(
        forgotten_while_the_agent_is_silent(),
        forgotten_before_the_first_byte_of_the_answer(),
        forgotten_before_the_request(),
    );
}
