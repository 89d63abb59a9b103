//! Connections die while the function is frozen, as Lambda freezes it between two events: nobody who
//! asks afterwards notices anything.
//!
//! In each round the function waits for an event and is stopped, a fault is put on the connections that
//! it keeps, an event comes, and it goes on.

use std::time::Duration;

use local_aws::{AwsLimits, Entry, Options, Route, Wire, WireClose};
use rustix::process::{Pid, Signal, kill_process};

use super::clock::ClockShim;
use super::server::{Gate, Request, Server, Step, write};
use test_support::received_run::{ReceivedRun, ask_as, log};
use test_support::source::is_call_for;
use test_support::test_bed::{TestBed, numbers};
use test_support::{Client, soon};

/// How often each fault is put on each wire. `cargo bench` does it more often.
const ROUNDS: usize = 5;

/// The prompt of a turn with several posts, and the number of its chunks.
const PROMPT: &str = "/tokens 20 200";
const CHUNKS: usize = 20;

pub(crate) const FAULTS: [Fault; 5] = [
    Fault::Closed(WireClose::Fin),
    Fault::Closed(WireClose::Reset),
    Fault::Closed(WireClose::Graceful),
    Fault::WriteReset,
    Fault::Swallowed,
];

/// What becomes of a connection while nobody looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Closed(WireClose),
    /// The next bytes are answered with RST.
    WriteReset,
    Swallowed,
}

impl Fault {
    /// Returns how many connections it has met.
    pub(crate) fn put_on(self, wire: &Wire) -> usize {
        match self {
            Self::Closed(how) => wire.close_open(how),
            Self::WriteReset => wire.reset_next_write_on_open(),
            Self::Swallowed => wire.swallow_open(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Agent,
    Callbacks,
    Both,
}

impl Place {
    pub(crate) fn put(self, fault: Fault, bed: &TestBed) -> usize {
        let agent = || fault.put_on(bed.aws.agent_wire().unwrap());
        let callbacks = || fault.put_on(bed.aws.callback_wire().unwrap());
        match self {
            Self::Agent => agent(),
            Self::Callbacks => callbacks(),
            Self::Both => agent() + callbacks(),
        }
    }
}

/// One turn at a time over TLS, as on classic Lambda, with events that may have a deadline far away:
/// clocks jump here.
pub(crate) fn options() -> Options {
    let limits = AwsLimits { function_timeout: Duration::from_hours(24), ..AwsLimits::default() };
    Options { tls: true, concurrency: 1, limits, ..Options::default() }
}

/// Waits until the event of a message is with the function, given the last entry of the journal before
/// the message was sent.
pub(crate) async fn event_is_there(bed: &TestBed, before: u64) {
    let is_invoked = |entry: &Entry| matches!(entry, Entry::Invoked { route: Route::Default, .. });
    soon("the event", bed.aws.journal().wait_for_after(before, is_invoked)).await;
}

pub(crate) fn last_entry(bed: &TestBed) -> u64 {
    bed.aws.journal().records().last().unwrap().index
}

/// The turn of this name, which has been asked for, goes on as if nothing had happened: the answer is
/// whole, the agent was called once, and no post failed.
pub(crate) async fn goes_on(bed: &TestBed, client: &mut Client, name: &str) {
    let mut turn = ReceivedRun::default();
    turn.read_to_end(client).await;
    assert_eq!(turn.end(), "RUN_FINISHED", "{name}: {:#?}", log(bed, name).await);
    assert_eq!((turn.text(), turn.repeated()), (numbers(CHUNKS), 0), "{name}");
    let entries = bed.aws.journal().entries();
    let call = |entry: &&Entry| is_call_for(entry, name);
    assert_eq!(entries.iter().filter(call).count(), 1, "{name}: calls of the agent");
    let log = log(bed, name).await;
    assert!(!log.iter().any(|line| line.contains("WARN")), "{name}: {log:#?}");
}

/// A round, in which something may happen besides the fault while the function is frozen. Returns how
/// many connections the fault has met.
async fn round(
    bed: &TestBed,
    client: &mut Client,
    name: &str,
    (fault, place): (Fault, Place),
    meanwhile: impl FnOnce(),
) -> usize {
    bed.wait_until_polling().await;
    bed.function.freeze().await.unwrap();
    let before = last_entry(bed);
    let met = place.put(fault, bed);
    meanwhile();
    client.send(ask_as(name, PROMPT).to_string()).await;
    event_is_there(bed, before).await;
    bed.function.thaw().unwrap();
    goes_on(bed, client, name).await;
    met
}

/// This fault on the connections to the agent, to the callbacks and to both.
async fn nobody_notices(fault: Fault) {
    let bed = TestBed::start(options()).await;
    let mut client = bed.client().await;
    for place in [Place::Agent, Place::Callbacks, Place::Both] {
        let mut met = 0;
        for number in 1..=ROUNDS {
            let name = format!("{place:?}-{number}");
            met += round(&bed, &mut client, &name, (fault, place), || {}).await;
        }
        // On a busy machine the function keeps none now and then.
        assert!(met > 0, "{place:?}: no connection was kept");
    }
}

#[tokio::test]
async fn connections_closed_in_a_freeze_are_not_used() {
    nobody_notices(Fault::Closed(WireClose::Fin)).await;
}

#[tokio::test]
async fn connections_reset_in_a_freeze_are_not_used() {
    nobody_notices(Fault::Closed(WireClose::Reset)).await;
}

#[tokio::test]
async fn connections_closed_in_good_order_in_a_freeze_are_not_used() {
    nobody_notices(Fault::Closed(WireClose::Graceful)).await;
}

#[tokio::test]
async fn connections_that_would_be_reset_at_the_next_write_after_a_freeze_are_not_used() {
    nobody_notices(Fault::WriteReset).await;
}

#[tokio::test]
async fn connections_swallowed_in_a_freeze_are_not_used() {
    nobody_notices(Fault::Swallowed).await;
}

/// As when the end of an answer comes in a packet of its own, just after the function has asked for its
/// next event.
#[tokio::test]
async fn a_connection_whose_answer_ends_in_a_freeze_is_not_used() {
    let server = Server::start(|_| Vec::new()).await;
    let url = server.callback_url();
    let changes = [("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", url.as_str())];
    let options = Options { tls: false, ..options() };
    let bed = TestBed::with_environment(options, &changes).await;
    server.passes_on_to(&bed.aws);
    let end = Gate::closed();
    let late = vec![
        Step::Deliver,
        write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        Step::Wait(end.clone()),
        write("0\r\n\r\n"),
    ];
    let is_last = |post: &Request| post.body.windows(12).any(|text| text == b"RUN_FINISHED");
    server.follow(move |post| if is_last(post) { late.clone() } else { vec![Step::Relay] });
    let mut client = bed.client().await;
    client.send(ask_as("before", PROMPT).to_string()).await;
    goes_on(&bed, &mut client, "before").await;
    bed.wait_until_polling().await;
    bed.function.freeze().await.unwrap();
    let old = server.record(|record| record.connections);
    server.follow(move |post| vec![if post.connection <= old { Step::Reset } else { Step::Relay }]);
    end.open();
    let before = last_entry(&bed);
    client.send(ask_as("after", PROMPT).to_string()).await;
    event_is_there(&bed, before).await;
    bed.function.thaw().unwrap();
    goes_on(&bed, &mut client, "after").await;
}

// Freezes too short for any clock to tell.

/// Stops the function, puts the fault, sends the message, and lets the function go on at once, or as
/// soon as the event is there.
async fn short_freezes(event_first: bool) {
    let bed = TestBed::start(options()).await;
    let mut client = bed.client().await;
    let pid = Pid::from_raw(i32::try_from(bed.function.pid()).unwrap()).unwrap();
    let mut met = 0;
    for number in 1..=ROUNDS {
        for fault in FAULTS {
            let name = format!("{fault:?}-{number}").replace(['(', ')'], "-");
            let message = ask_as(&name, PROMPT).to_string();
            bed.wait_until_polling().await;
            let before = last_entry(&bed);
            kill_process(pid, Signal::STOP).unwrap();
            met += Place::Both.put(fault, &bed);
            client.send(message).await;
            if event_first {
                event_is_there(&bed, before).await;
            }
            kill_process(pid, Signal::CONT).unwrap();
            goes_on(&bed, &mut client, &name).await;
        }
    }
    assert!(met > 0, "no connection was kept");
}

#[tokio::test]
async fn a_freeze_of_a_moment_is_noticed_before_the_event_that_came_in_it() {
    short_freezes(true).await;
}

#[tokio::test]
async fn a_freeze_of_a_moment_is_noticed_before_the_event_that_comes_after_it() {
    short_freezes(false).await;
}

// The first turn of a process, on connections that were opened before its event.

#[tokio::test]
async fn connections_opened_before_the_first_event_may_die_in_a_freeze() {
    let mut met = 0;
    for fault in FAULTS {
        let bed = TestBed::start(options()).await;
        let mut client = bed.client().await;
        met += round(&bed, &mut client, "first", (fault, Place::Both), || {}).await;
    }
    assert!(met > 0, "no connection was opened before the first event");
}

#[tokio::test]
async fn connections_opened_before_the_first_event_may_be_closed_before_it_comes() {
    for how in [WireClose::Fin, WireClose::Reset, WireClose::Graceful] {
        let bed = TestBed::start(options()).await;
        let mut client = bed.client().await;
        let _ = Place::Both.put(Fault::Closed(how), &bed);
        are_closed(&bed).await;
        client.send(ask_as("first", PROMPT).to_string()).await;
        goes_on(&bed, &mut client, "first").await;
    }
}

/// Waits until the first connections of both wires are closed.
async fn are_closed(bed: &TestBed) {
    let mut journal = bed.aws.journal().follow();
    let mut closed = 0;
    let closing = async {
        while closed < 2 {
            closed += usize::from(matches!(journal.next().await.entry, Entry::WireClosed { .. }));
        }
    };
    soon("the ends of the connections", closing).await;
}

// Clocks that jump in a freeze, by seconds: the wall clock and the monotonic one.

async fn nobody_notices_jumps(wall: i64, monotonic: i64) {
    let clock = ClockShim::new();
    let environment = clock.environment();
    let changes: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let bed = TestBed::with_environment(options(), &changes).await;
    let mut client = bed.client().await;
    let mut met = 0;
    for number in 1..=ROUNDS {
        for fault in [Fault::WriteReset, Fault::Swallowed] {
            let name = format!("{fault:?}-{number}");
            let jump = || {
                clock.jump_wall(wall);
                clock.jump_monotonic(monotonic);
            };
            met += round(&bed, &mut client, &name, (fault, Place::Both), jump).await;
        }
    }
    assert!(met > 0, "no connection was kept");
}

#[tokio::test]
async fn the_wall_clock_may_jump_in_a_freeze() {
    nobody_notices_jumps(600, 0).await;
}

#[tokio::test]
async fn the_wall_clock_may_jump_further_than_the_monotonic_one_in_a_freeze() {
    nobody_notices_jumps(600, 89).await;
}

#[tokio::test]
async fn both_clocks_may_jump_in_a_freeze() {
    nobody_notices_jumps(600, 600).await;
}

#[tokio::test]
async fn the_wall_clock_may_be_set_back_in_a_freeze() {
    nobody_notices_jumps(-600, 0).await;
}
