//! The clocks of the function jump while it runs, as after it was frozen: the wall clock goes on
//! meanwhile, and the monotonic clock may or may not.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use local_aws::Options;

use super::events::{answer, beginning, chunked, last_chunks, text_event};
use super::server::{Gate, Request, Server, Step, write};
use test_support::received_run::{ReceivedRun, ask_as, receive_run};
use test_support::source::endpoint_variable;
use test_support::test_bed::TestBed;

/// Where test programs may leave files.
const DIRECTORY: &str = env!("CARGO_TARGET_TMPDIR");

/// The library that moves the clocks of a process. Building it takes the C compiler that Rust links with.
static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/over_the_wire/clock.c");
    // Another process may build it, too, at the same time.
    let library = Path::new(DIRECTORY).join(format!("clock-{}.so", process::id()));
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
    assert!(compiler.status().expect("a C compiler").success());
    library
});

/// The clocks of one function, which the test can move while it runs.
pub(crate) struct ClockShim {
    path: PathBuf,
    offsets: File,
    ahead: Mutex<[i64; 2]>,
}

impl ClockShim {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(DIRECTORY).join(format!("clock-{}-{number}", process::id()));
        fs::write(&path, [0; 16]).unwrap();
        let offsets = File::options().write(true).open(&path).unwrap();
        Self { path, offsets, ahead: Mutex::new([0, 0]) }
    }

    /// The variables that a function needs whose clocks these are.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        let text = |path: OsString| path.into_string().expect("a path of UTF-8");
        [
            ("LD_PRELOAD", text(LIBRARY.clone().into())),
            ("CLOCK_OFFSETS", text(self.path.clone().into())),
        ]
    }

    /// Moves the wall clock ahead, or back.
    pub(crate) fn jump_wall(&self, seconds: i64) {
        self.jump(0, seconds);
    }

    /// Moves the monotonic clock ahead.
    pub(crate) fn jump_monotonic(&self, seconds: i64) {
        self.jump(1, seconds);
    }

    fn jump(&self, clock: usize, seconds: i64) {
        let mut ahead = self.ahead.lock().unwrap();
        ahead[clock] += seconds;
        let place = if clock == 0 { 0 } else { 8 };
        self.offsets.write_all_at(&ahead[clock].to_ne_bytes(), place).unwrap();
    }
}

impl Drop for ClockShim {
    fn drop(&mut self) {
        // What is left goes with the build directory.
        let _ = fs::remove_file(&self.path);
    }
}

/// The function with clocks that can be moved, whose agent is a server with this script.
async fn test_bed(
    clock: &ClockShim,
    script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
) -> (TestBed, Server) {
    let server = Server::start(script).await;
    let url = server.url();
    let environment = clock.environment();
    let mut changes: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    changes.push((endpoint_variable(), &url));
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    (bed, server)
}

/// The seconds since 1970 of the dates that requests are signed with.
fn dates(server: &Server) -> Vec<i64> {
    let date = |request: &Request| {
        // As in 20261123T033000Z.
        let date = request.header("x-amz-date").unwrap();
        let [year, month, day] = [&date[..4], &date[4..6], &date[6..8]];
        let [hour, minute, second] = [&date[9..11], &date[11..13], &date[13..15]];
        let date = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
        DateTime::from_str(&date, Format::DateTime).unwrap().secs()
    };
    server.record(|record| record.requests.iter().map(date).collect())
}

#[tokio::test]
async fn the_date_of_a_request_follows_the_wall_clock() {
    let clock = ClockShim::new();
    let (bed, server) = test_bed(&clock, |_| answer(&["hello"])).await;
    assert_eq!(receive_run(&bed, "before", "hello").await.end(), "RUN_FINISHED");
    clock.jump_wall(600);
    assert_eq!(receive_run(&bed, "after", "hello").await.end(), "RUN_FINISHED");
    let dates = dates(&server);
    assert_eq!(dates.len(), 2);
    // What the test itself takes comes on top.
    assert!((600..700).contains(&(dates[1] - dates[0])), "{dates:?}");
}

#[tokio::test]
async fn the_time_of_a_run_follows_the_monotonic_clock() {
    let clock = ClockShim::new();
    let gate = Gate::closed();
    let mut steps = beginning(&["one "]);
    steps.extend([
        Step::Wait(gate.clone()),
        write(chunked(&text_event("two"))),
        write(last_chunks()),
    ]);
    let (bed, _server) = test_bed(&clock, move |_| steps.clone()).await;
    let mut client = bed.client().await;
    client.send(ask_as("run", "hello").to_string()).await;
    let mut turn = ReceivedRun::default();
    while turn.text() != "one " {
        assert!(!turn.next_frame(&mut client).await, "{turn:?}");
    }
    clock.jump_monotonic(89);
    gate.open();
    turn.read_to_end(&mut client).await;
    assert_eq!(turn.text(), "one two");
    let total = turn.last()["metadata"]["relay"]["stats"]["totalMs"].as_u64().unwrap();
    assert!((89_000..189_000).contains(&total), "{total}");
}

/// A connection to the agent that was kept is not used after `jump`, since it may be dead by then.
async fn is_given_up_after(jump: impl Fn(&ClockShim)) {
    let clock = ClockShim::new();
    let (bed, server) = test_bed(&clock, |_| answer(&["hello"])).await;
    assert_eq!(receive_run(&bed, "before", "hello").await.end(), "RUN_FINISHED");
    let before = server.record(|record| record.connections);
    // What comes on an old connection from now on is lost.
    server.follow(move |request| match request.connection {
        old if old <= before => vec![Step::Reset],
        _ => answer(&["hello"]),
    });
    jump(&clock);
    let turn = receive_run(&bed, "after", "hello").await;
    assert_eq!((turn.text().as_str(), turn.end()), ("hello", "RUN_FINISHED"));
    assert_eq!(server.record(|record| record.connections), before + 1);
}

#[tokio::test]
async fn a_kept_connection_is_given_up_when_the_wall_clock_has_jumped() {
    is_given_up_after(|clock| clock.jump_wall(600)).await;
}

#[tokio::test]
async fn a_kept_connection_is_given_up_when_the_monotonic_clock_has_jumped() {
    is_given_up_after(|clock| clock.jump_monotonic(89)).await;
}

#[tokio::test]
async fn a_kept_connection_is_given_up_when_both_clocks_have_jumped() {
    is_given_up_after(|clock| {
        clock.jump_wall(600);
        clock.jump_monotonic(600);
    })
    .await;
}
