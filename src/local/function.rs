//! The function as a child process.

use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio, exit};
use std::time::Duration;
use std::{io, thread};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::LocalAws;
use super::journal::{Event, Journal};
use super::options::Agent;

/// How long the last lines of a function that has ended may take to arrive.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What runs as the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// This very program, whose hidden first argument `function` makes it the function. So one
    /// binary is enough, and `cargo run` builds no other.
    Own,
    /// Another executable, such as the `bootstrap` that goes into the deployment.
    Executable(PathBuf),
}

/// What [`Program::Own`] does as the function: what the function does, and an end when its parent has
/// ended, even if that was killed and could not end it.
#[must_use]
pub fn child() -> ExitCode {
    thread::spawn(|| {
        // Nothing is ever written there, so it ends with the parent.
        let _parent_ended = io::copy(&mut io::stdin(), &mut io::sink());
        exit(1)
    });
    crate::function::main()
}

/// The running function. Dropping it kills the process.
#[derive(Debug)]
pub struct Function {
    child: Child,
    /// Open for as long as this process lives, see [`child`].
    _stdin: Option<ChildStdin>,
    /// The tasks that copy its output to the journal.
    logs: JoinSet<()>,
    journal: Journal,
    pid: u32,
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

impl Function {
    /// Starts the process and waits until it asks for its first event.
    ///
    /// # Errors
    /// When the program cannot be run, or ends before it is ready.
    pub async fn start(aws: &LocalAws, program: &Program) -> Result<Self, FunctionError> {
        Self::start_with(aws, program, &[]).await
    }

    /// The same with changes to [`LocalAws::function_environment`].
    ///
    /// # Errors
    /// When the program cannot be run, or ends before it is ready.
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
        let mut child = command
            .envs(aws.function_environment())
            .envs(changes.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| FunctionError::Spawn { path, source })?;
        let journal = aws.journal.clone();
        let pid = child.id().unwrap_or_default();
        journal.record(Event::FunctionStarted { pid });
        let mut logs = JoinSet::new();
        if let Some(output) = child.stdout.take() {
            logs.spawn(log(output, journal.clone()));
        }
        if let Some(output) = child.stderr.take() {
            logs.spawn(log(output, journal.clone()));
        }
        let stdin = child.stdin.take();
        let mut function = Self { child, _stdin: stdin, logs, journal, pid };
        function.ready().await?;
        Ok(function)
    }

    /// The id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the process ends by itself, which it should not.
    pub async fn exited(&mut self) -> FunctionError {
        let status = match self.child.wait().await {
            Ok(status) => words(status),
            Err(error) => error.to_string(),
        };
        self.last_lines().await;
        self.journal.record(Event::FunctionExited { status: status.clone() });
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

    async fn ready(&mut self) -> Result<(), FunctionError> {
        let journal = self.journal.clone();
        let started =
            journal.wait_for(|event| matches!(event, Event::NextPolled | Event::InitError { .. }));
        tokio::select! {
            entry = started => match entry.event {
                Event::InitError { message, .. } => Err(FunctionError::Init { message }),
                _ => Ok(()),
            },
            error = self.exited() => Err(error),
        }
    }
}

/// Copies the lines of an output to the journal until the process ends.
async fn log(output: impl AsyncRead + Unpin, journal: Journal) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        journal.record(Event::FunctionLog { line });
    }
}

/// How a process ended, in words.
fn words(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}
