//! The function's process on the local AWS: over TLS, frozen, held back, ended.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use local_aws::{AwsLimits, Entry, Options, Route, cpu_share_is_possible};
use rustix::process::{Pid, Signal, kill_process};
use test_support::soon;
use test_support::test_bed::{TestBed, ask, frames_of_one_run, numbers, prompt, text};

#[tokio::test]
async fn a_turn_goes_over_tls_and_a_delay() {
    let rtt = Duration::from_millis(5);
    let bed = TestBed::start(Options { tls: true, rtt, ..Options::default() }).await;
    let frames = bed.ask(&prompt("/tokens 50 100")).await;
    assert_eq!(text(&frames), numbers(50));
    assert!(bed.aws.callback_wire().unwrap().connections_accepted() >= 1);
    assert!(bed.aws.agent_wire().unwrap().connections_accepted() >= 1);
    let TestBed { aws, function } = bed;
    function.stop().await;
    aws.stop().await;
}

#[tokio::test]
async fn an_event_comes_while_the_function_is_frozen_and_is_there_when_it_thaws() {
    // Nobody waits for a function that is busy, so the event is handed out at once or never.
    let limits = AwsLimits { message_grace: Duration::from_millis(20), ..AwsLimits::default() };
    let options = Options { concurrency: 1, limits, ..Options::default() };
    let bed = TestBed::start(options).await;
    let mut client = bed.client().await;
    ask(&mut client, &prompt("/tokens 3 200")).await;
    for _ in 0..3 {
        bed.wait_until_polling().await;
        bed.function.freeze().await.unwrap();
        assert_eq!(states(&bed), ['T']);
        let from = bed.aws.journal().records().last().unwrap().index;
        client.send(prompt("/tokens 20 200").to_string()).await;
        let after = async |what, fits: fn(&Entry) -> bool| {
            soon(what, bed.aws.journal().wait_for_after(from, fits)).await.index
        };
        let invoked = after("the event", |entry| {
            matches!(entry, Entry::Invoked { route: Route::Default, .. })
        });
        let invoked = invoked.await;
        assert_eq!(states(&bed), ['T']);
        bed.function.thaw().unwrap();
        let frames = frames_of_one_run(&mut client).await;
        assert_eq!(text(&frames), numbers(20));
        let thawed = after("the thaw", |entry| matches!(entry, Entry::FunctionThawed { .. })).await;
        let responded = after("the response", |entry| matches!(entry, Entry::Responded { .. }));
        assert!(invoked < thawed && thawed < responded.await);
    }
}

/// The states in which the function's threads are, each once.
fn states(bed: &TestBed) -> Vec<char> {
    let threads = fs::read_dir(format!("/proc/{}/task", bed.function.pid())).unwrap();
    let of_one = |thread: std::io::Result<fs::DirEntry>| {
        let stat = fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    let mut states: Vec<char> = threads.map(of_one).collect();
    states.sort_unstable();
    states.dedup();
    states
}

#[tokio::test]
async fn a_function_that_has_ended_cannot_be_frozen() {
    let mut bed = TestBed::sequential().await;
    let pid = i32::try_from(bed.function.pid()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    soon("the end", bed.function.exited()).await;
    assert_eq!(bed.function.freeze().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bed.function.thaw().unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_function_is_held_back_before_its_first_event() {
    if let Err(reason) = cpu_share_is_possible() {
        eprintln!("NOT TESTED: this machine gives no process a share of the CPU: {reason}");
        return;
    }
    let options = Options { concurrency: 1, cpu_share_mb: Some(256), ..Options::default() };
    let bed = TestBed::start(options).await;
    let directory = bed.function.cpu_share_directory().unwrap().to_path_buf();
    let read = |name: &str| fs::read_to_string(directory.join(name));
    // 256 / 1769 of 100 ms.
    match read("cpu.cfs_quota_us") {
        Ok(quota) => assert_eq!(
            (quota.trim(), read("cpu.cfs_period_us").unwrap().trim()),
            ("14471", "100000")
        ),
        Err(_) => assert_eq!(read("cpu.max").unwrap().trim(), "14471 100000"),
    }
    let held = read("cgroup.procs").unwrap();
    assert_eq!(held.trim(), bed.function.pid().to_string());

    assert_eq!(text(&bed.ask(&prompt("/tokens 20 200")).await), numbers(20));
    let entries = bed.aws.journal().entries();
    let position = |fits: fn(&Entry) -> bool| entries.iter().position(fits).unwrap();
    let asked = position(|entry| matches!(entry, Entry::NextPolled));
    let held = position(|entry| {
        matches!(entry, Entry::FunctionHeldBack { quota_us: 14_471, period_us: 100_000, .. })
    });
    let invoked = position(|entry| matches!(entry, Entry::Invoked { .. }));
    assert!(asked < held && held < invoked);

    bed.function.stop().await;
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_function_that_is_dropped_leaves_no_control_group() {
    if let Err(reason) = cpu_share_is_possible() {
        eprintln!("NOT TESTED: this machine gives no process a share of the CPU: {reason}");
        return;
    }
    let options = Options { cpu_share_mb: Some(128), ..Options::default() };
    let TestBed { function, .. } = TestBed::start(options).await;
    function.freeze().await.unwrap();
    let directory = function.cpu_share_directory().unwrap().to_path_buf();
    assert!(directory.exists());
    drop(function);
    assert!(!directory.exists());
}
