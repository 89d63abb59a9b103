//! The function is frozen by a control group, as containers are: it gets no signal, and its clocks run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use super::clock::ClockShim;
use super::frozen::{FAULTS, Fault, Place, event_is_there, goes_on, last_entry, options};
use test_support::received_run::ask_as;
use test_support::soon;
use test_support::test_bed::TestBed;

/// Where control groups of version 1 freeze processes.
const ALL: &str = "/sys/fs/cgroup/freezer";

/// Longer than the function may stand still without giving up its connections.
const LONG: Duration = Duration::from_millis(400);

/// Shorter than that.
const SHORT: Duration = Duration::from_millis(20);

/// A control group with a process that it can freeze. Dropping it lets the process go.
struct Freezer {
    directory: PathBuf,
    pid: u32,
}

impl Freezer {
    /// Takes a process in; `None` where that can't be, which is said.
    fn of(pid: u32) -> Option<Self> {
        let directory = Path::new(ALL).join(format!("agent-relay-test-{pid}"));
        let taken = fs::create_dir(&directory)
            .and_then(|()| fs::write(directory.join("cgroup.procs"), pid.to_string()));
        if let Err(reason) = taken {
            let _ = fs::remove_dir(&directory);
            eprintln!("NOT TESTED: this machine freezes no process by {ALL}: {reason}");
            return None;
        }
        Some(Self { directory, pid })
    }

    async fn freeze(&self) {
        self.set("FROZEN");
        let frozen = async {
            while fs::read_to_string(self.state()).unwrap().trim() != "FROZEN" {
                sleep(Duration::from_millis(1)).await;
            }
        };
        soon("the process to stand still", frozen).await;
    }

    fn thaw(&self) {
        self.set("THAWED");
    }

    fn set(&self, state: &str) {
        fs::write(self.state(), state).unwrap();
    }

    fn state(&self) -> PathBuf {
        self.directory.join("freezer.state")
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        // A process that is frozen can't even be killed, and a group with a process can't be removed.
        let _ = fs::write(self.state(), "THAWED");
        let _ = fs::write(Path::new(ALL).join("cgroup.procs"), self.pid.to_string());
        let _ = fs::remove_dir(&self.directory);
    }
}

#[tokio::test]
async fn connections_that_die_while_a_control_group_is_frozen_are_not_used() {
    let bed = TestBed::start(options()).await;
    let Some(freezer) = Freezer::of(bed.function.pid()) else { return };
    let mut client = bed.client().await;
    let mut all_met = 0;
    for fault in FAULTS {
        for place in [Place::Agent, Place::Callbacks, Place::Both] {
            let name = format!("{fault:?}-{place:?}").replace(['(', ')'], "-");
            bed.wait_until_polling().await;
            freezer.freeze().await;
            let before = last_entry(&bed);
            all_met += place.put(fault, &bed);
            sleep(LONG).await;
            client.send(ask_as(&name, "/tokens 20 200").to_string()).await;
            event_is_there(&bed, before).await;
            freezer.thaw();
            goes_on(&bed, &mut client, &name).await;
        }
    }
    assert!(all_met > 0, "no connection was kept");
}

/// As on a machine whose monotonic clock stands still with the function.
#[tokio::test]
async fn connections_that_die_while_only_the_wall_clock_goes_on_are_not_used() {
    let clock = ClockShim::new();
    let environment = clock.environment();
    let changes: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let bed = TestBed::with_environment(options(), &changes).await;
    let Some(freezer) = Freezer::of(bed.function.pid()) else { return };
    let mut client = bed.client().await;
    for fault in [Fault::WriteReset, Fault::Swallowed] {
        let name = format!("{fault:?}");
        bed.wait_until_polling().await;
        freezer.freeze().await;
        let before = last_entry(&bed);
        let _ = Place::Both.put(fault, &bed);
        clock.jump_wall(600);
        sleep(SHORT).await;
        client.send(ask_as(&name, "/tokens 20 200").to_string()).await;
        event_is_there(&bed, before).await;
        freezer.thaw();
        goes_on(&bed, &mut client, &name).await;
    }
}
