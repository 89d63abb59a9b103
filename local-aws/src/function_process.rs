//! The function as a child process.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio, exit};
use std::time::Duration;
use std::{fs, io, thread};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::LocalAws;
use super::cpu_share::{CpuShare, CpuShareError};
use super::journal::{Entry, Follower, Journal};
use super::options::Agent;

/// How long the last lines of a function that has ended may take to arrive.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How long the kernel may take to stop all threads of the function.
const FREEZING: Duration = Duration::from_secs(5);

/// How often to look whether it has.
const LOOKING_AGAIN: Duration = Duration::from_micros(500);

/// What runs as the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// This very program, whose hidden first argument `function` makes it the function. So one
    /// binary is enough, and `cargo run` builds no other.
    Own,
    /// Another executable, such as the `bootstrap` that goes into the deployment.
    Executable(PathBuf),
}

/// What [`Program::Own`] does as the function: what `function` does, and an end when its parent has
/// ended, even if that was killed and could not end it.
pub fn child(function: fn() -> ExitCode) -> ExitCode {
    thread::spawn(|| {
        // Nothing is ever written there, so it ends with the parent.
        let _parent_ended = io::copy(&mut io::stdin(), &mut io::sink());
        exit(1)
    });
    function()
}

/// The running function. Dropping it kills the process.
#[derive(Debug)]
pub struct FunctionProcess {
    child: Child,
    /// Open for as long as this process lives, see [`child`].
    _stdin: Option<ChildStdin>,
    /// The tasks that copy its output to the journal.
    logs: JoinSet<()>,
    journal: Journal,
    pid: u32,
    /// After the process in order, so that it ends after it.
    cpu_share: Option<CpuShare>,
}

/// Why there is no function.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// The program cannot be started.
    #[error("cannot run the function {}: {source}", path.display())]
    Spawn {
        /// The program.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It cannot have the share of the CPU that it should.
    #[error("the function cannot have a share of the CPU: {0}")]
    CpuShare(#[from] CpuShareError),
    /// The function said that it cannot start.
    #[error("the function cannot start: {message}")]
    Init {
        /// What it said.
        message: String,
    },
    /// The process has ended.
    #[error("the function ended unexpectedly ({0}): the lines above say why")]
    Exited(String),
}

impl FunctionProcess {
    /// Starts the process and waits until it asks for its first event.
    ///
    /// # Errors
    /// When the program cannot be run, or ends before it is ready, or cannot have its share of the CPU.
    pub async fn start(aws: &LocalAws, program: &Program) -> Result<Self, FunctionError> {
        Self::start_with(aws, program, &[]).await
    }

    /// The same with changes to [`LocalAws::function_environment`].
    ///
    /// # Errors
    /// When the program cannot be run, or ends before it is ready, or cannot have its share of the CPU.
    pub async fn start_with(
        aws: &LocalAws,
        program: &Program,
        changes: &[(&str, &str)],
    ) -> Result<Self, FunctionError> {
        let path = match program {
            Program::Executable(path) => path.clone(),
            Program::Own => std::env::current_exe().map_err(|source| FunctionError::Spawn {
                path: "of this program".into(),
                source,
            })?,
        };
        let mut command = Command::new(&path);
        if *program == Program::Own {
            command.arg("function").stdin(Stdio::piped());
        } else {
            command.stdin(Stdio::null());
        }
        if aws.options.agent == Agent::Scripted {
            // With these the SDK would look for the machine's own account.
            for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"] {
                command.env_remove(name);
            }
        }
        if aws.authority_file().is_some() {
            // Its hundreds of files would be read besides, as nothing on Lambda is.
            command.env_remove("SSL_CERT_DIR");
        }
        let journal = aws.journal.clone();
        let news = journal.follow_from_now();
        let cpu_share = aws.options.cpu_share_mb.map(CpuShare::make).transpose()?;
        // It must be held back before it has an event, and not before it wants one.
        let hold = cpu_share.is_some().then(|| aws.lambda.hold());
        let mut child = command
            .envs(aws.function_environment())
            .envs(changes.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| FunctionError::Spawn { path, source })?;
        let pid = child.id().unwrap_or_default();
        journal.record(Entry::FunctionStarted { pid });
        let mut logs = JoinSet::new();
        if let Some(output) = child.stdout.take() {
            logs.spawn(log(output, journal.clone()));
        }
        if let Some(output) = child.stderr.take() {
            logs.spawn(log(output, journal.clone()));
        }
        let stdin = child.stdin.take();
        let mut function = Self { child, _stdin: stdin, logs, journal, pid, cpu_share };
        function.ready(news).await?;
        if let Some(cpu_share) = &function.cpu_share {
            cpu_share.hold_back(pid)?;
            let (quota_us, period_us) = cpu_share.quota();
            function.journal.record(Entry::FunctionHeldBack { pid, quota_us, period_us });
        }
        drop(hold);
        Ok(function)
    }

    /// The id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The directory of the control group that holds its CPU back, with
    /// [`Options::cpu_share_mb`](super::Options::cpu_share_mb).
    #[must_use]
    pub fn cpu_share_directory(&self) -> Option<&Path> {
        self.cpu_share.as_ref().map(CpuShare::directory)
    }

    /// Stops the process where it is, as Lambda does between two events, and waits until all its
    /// threads stand still. What the kernel does for it goes on: its connections take in what arrives,
    /// an event for example, and its clocks run.
    ///
    /// # Errors
    /// When the process has ended, or does not stop; and on systems without `/proc`, as Linux has it.
    pub async fn freeze(&self) -> io::Result<()> {
        self.signal(Signal::STOP)?;
        let stopped = async {
            while !all_threads_are_stopped(self.pid)? {
                sleep(LOOKING_AGAIN).await;
            }
            io::Result::Ok(())
        };
        timeout(FREEZING, stopped).await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.journal.record(Entry::FunctionFrozen { pid: self.pid });
        Ok(())
    }

    /// Lets the process go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn thaw(&self) -> io::Result<()> {
        // Recorded first, so that whatever the function does now comes after it in the journal.
        self.journal.record(Entry::FunctionThawed { pid: self.pid });
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        // Once the process has been waited for, its id may be another one's.
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::NotFound)?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits until the process ends by itself, which it should not.
    pub async fn exited(&mut self) -> FunctionError {
        let status = match self.child.wait().await {
            Ok(status) => words(status),
            Err(error) => error.to_string(),
        };
        self.last_lines().await;
        self.journal.record(Entry::FunctionExited { status: status.clone() });
        FunctionError::Exited(status)
    }

    /// Ends the process and waits until it has ended.
    pub async fn stop(mut self) {
        // It fails when the process has ended already.
        let _ = self.child.kill().await;
        self.last_lines().await;
    }

    /// Waits until the output is in the journal to its end. A process that the function started
    /// and left behind may hold the output open for ever, so that has an end, too.
    async fn last_lines(&mut self) {
        let logs = async { while self.logs.join_next().await.is_some() {} };
        let _ = timeout(LAST_LINES, logs).await;
    }

    async fn ready(&mut self, mut news: Follower) -> Result<(), FunctionError> {
        let started = async {
            loop {
                match news.next().await.entry {
                    Entry::NextPolled => return Ok(()),
                    Entry::InitError { message, .. } => {
                        return Err(FunctionError::Init { message });
                    }
                    _ => {}
                }
            }
        };
        tokio::select! {
            started = started => started,
            error = self.exited() => Err(error),
        }
    }
}

/// Copies the lines of an output to the journal until the process ends.
async fn log(output: impl AsyncRead + Unpin, journal: Journal) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        journal.record(Entry::FunctionLog { line });
    }
}

/// Whether the kernel has stopped every thread of a process.
fn all_threads_are_stopped(pid: u32) -> io::Result<bool> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may have ended just now.
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { return Ok(false) };
        // "1234 (name) T …", where the name may have parentheses of its own.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if state != Some('T') {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How a process ended, in words.
fn words(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}
