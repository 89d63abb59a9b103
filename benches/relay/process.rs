//! A function as a process of its own, on a local AWS of its own, and what the process costs.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, Instant};

use local_aws::{Entry, LocalAws, Options};
use test_support::table::with_table;
use test_support::test_bed::relay_options;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::functions::{Built, Function};

/// How long anything may take before the benchmark gives up.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// For how long a function with a table keeps its runs: the template's default.
const RESUME_HOURS: u16 = 24;

/// A function that runs.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) aws: LocalAws,
    pub(crate) function: Function,
    child: Child,
    pid: u32,
    /// When it was started.
    pub(crate) spawned: Instant,
}

impl Process {
    /// Starts a function that takes so many events at once, with posts that take so long; does not
    /// wait until it is ready.
    pub(crate) async fn spawn(
        built: &Built,
        function: Function,
        post_latency: Duration,
        concurrency: u16,
    ) -> Self {
        let options = Options {
            post_latency,
            concurrency,
            journal_capacity: 1_000_000,
            source: function.source(),
            ..Options::default()
        };
        let mut options = relay_options(options);
        if function.has_table() {
            options = with_table(options, RESUME_HOURS);
        }
        let aws = LocalAws::start(options).await.expect("the local AWS starts");
        let logs = built.directory().with_file_name("benchmarks");
        fs::create_dir_all(&logs).expect("a directory for the logs");
        let log = File::create(logs.join(format!("{}.log", function.name()))).expect("a log");
        let mut command = Command::new(built.executable(function));
        command
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(aws.function_environment())
            .envs(function.environment().iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .kill_on_drop(true);
        if concurrency == 1 {
            // Classic Lambda does not know it.
            command.env_remove("AWS_LAMBDA_MAX_CONCURRENCY");
        }
        let spawned = Instant::now();
        let child = command.spawn().expect("the function can be run");
        let pid = child.id().expect("it runs");
        Self { aws, function, child, pid, spawned }
    }

    /// Starts a function and waits until it is ready.
    pub(crate) async fn start(
        built: &Built,
        function: Function,
        post_latency: Duration,
        concurrency: u16,
    ) -> Self {
        let process = Self::spawn(built, function, post_latency, concurrency).await;
        process.ready().await;
        process
    }

    /// How long it took from its start until it asked for its first event.
    pub(crate) async fn ready(&self) -> Duration {
        let polled = self.aws.journal().wait_for(|entry| matches!(entry, Entry::NextPolled));
        let polled = timeout(WAIT_LIMIT, polled).await.expect("the function starts");
        polled.at.into_std() - self.spawned
    }

    /// The CPU time that its threads have taken, in user mode and in the kernel.
    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.pid)
    }

    /// The most memory that it has had, in MB of a million bytes, as the sizes of files are.
    pub(crate) fn peak_memory_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid));
        let status = status.expect("it runs, on Linux");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")).expect("a peak in kB");
        let kib: u32 = kib.parse().expect("a number");
        f64::from(kib) * 1024.0 / 1e6
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) {
        self.child.kill().await.expect("it can be ended");
        self.aws.stop().await;
    }
}

/// The CPU time that the threads of a process have taken, in user mode and in the kernel. That of threads
/// which have ended is not in it; none of the functions ends threads while it answers.
pub(crate) fn cpu(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs, on Linux");
    let nanoseconds = threads.flatten().filter_map(|thread| {
        // A thread may end meanwhile.
        let schedstat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        schedstat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}
