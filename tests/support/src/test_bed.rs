//! The function that is deployed, on the local AWS, and clients that talk to it.

use std::path::PathBuf;

use local_aws::{Entry, FunctionProcess, LocalAws, Options, Program, Record, Source};
use serde_json::{Value, json};

use crate::received_run::ReceivedRun;
use crate::source::{request_of, source, variables};
use crate::table::with_table;
use crate::{Client, soon, start};

/// The local AWS with the function that is deployed.
pub struct TestBed {
    pub aws: LocalAws,
    pub function: FunctionProcess,
}

impl TestBed {
    pub async fn start(options: Options) -> Self {
        Self::with_environment(options, &[]).await
    }

    /// The function with other variables in its environment than the local AWS gives it.
    pub async fn with_environment(options: Options, changes: &[(&str, &str)]) -> Self {
        Self::with_program(options, &Program::Executable(function_program()), changes).await
    }

    /// The function started by another program, which becomes it.
    pub async fn with_program(
        options: Options,
        program: &Program,
        changes: &[(&str, &str)],
    ) -> Self {
        // `scripts/test wire` runs the tests of everything that can break a second time, over TLS.
        let tls = options.tls || std::env::var_os("TEST_BED_OVER_TLS").is_some();
        let source = if options.source == Source::Agent { source() } else { options.source };
        // And of everything that can break once more with a table, which no answer may notice.
        let has_table =
            options.table.is_some() || std::env::var_os("TEST_BED_WITH_TABLE").is_none();
        let options = if has_table { options } else { with_table(options, 24) };
        let aws = start(relay_options(Options { tls, source, ..options })).await;
        let origins = aws.page_origins();
        let mut environment = Vec::new();
        if aws.options().authorizer {
            environment.push(("ALLOWED_ORIGINS", &*origins));
        }
        environment.extend(changes);
        let function = FunctionProcess::start_with(&aws, program, &environment);
        let function = soon("the function", function).await.expect("the function starts");
        Self { aws, function }
    }

    /// One turn at a time, as on classic Lambda.
    pub async fn sequential() -> Self {
        Self::start(Options { concurrency: 1, ..Options::default() }).await
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.aws, &[]).await.expect("the handshake succeeds")
    }

    /// The frames of one run, on a connection of its own.
    pub async fn ask(&self, message: &Value) -> Vec<Value> {
        ask(&mut self.client().await, message).await
    }

    /// Waits until the last thing that the function did at the Runtime API was to ask for an event.
    pub async fn wait_until_polling(&self) {
        let mut follower = self.aws.journal().follow();
        let (mut open, mut asks) = (0, false);
        let waiting = async {
            loop {
                let record = match follower.try_next() {
                    Some(record) => record,
                    None if open == 0 && asks => break,
                    None => follower.next().await,
                };
                match record.entry {
                    Entry::Invoked { .. } => (open, asks) = (open + 1, false),
                    Entry::Responded { .. } => open -= 1,
                    Entry::NextPolled => asks = true,
                    _ => {}
                }
            }
        };
        soon("the function's wish for an event", waiting).await;
    }

    pub fn agent_requests(&self) -> Vec<Value> {
        let entries = self.aws.journal().entries();
        entries.iter().filter_map(request_of).cloned().collect()
    }

    /// The most memory that the function's process has had, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.function.pid());
        let status = std::fs::read_to_string(path).expect("the function runs, on Linux");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")).expect("a peak in kB");
        kib.parse().expect("a number")
    }

    pub fn posts(&self) -> usize {
        let entries = self.aws.journal().entries();
        entries.iter().filter(|entry| matches!(entry, Entry::Posted { .. })).count()
    }
}

/// The executable that is deployed, of the package whose test this is.
pub fn function_program() -> PathBuf {
    std::env::var_os("CARGO_BIN_EXE_agent-relay").expect("cargo runs this test").into()
}

/// These options with what the function wants to know besides AWS's own variables.
pub fn relay_options(options: Options) -> Options {
    let suggested = options.source.suggested_prompts().join("|");
    let mut own = variables(options.source);
    own.extend([("ALLOW_TRACE", "true"), ("SUGGESTED_PROMPTS", &suggested)]);
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = own.chain(options.environment).collect();
    Options { environment, ..options }
}

/// Sends a message and collects the frames of its run, checking what holds for every run.
pub async fn ask(client: &mut Client, message: &Value) -> Vec<Value> {
    client.send(message.to_string()).await;
    frames_of_one_run(client).await
}

/// Collects the frames up to the end of a run on a wire where none may come twice.
pub async fn frames_of_one_run(client: &mut Client) -> Vec<Value> {
    let mut received = ReceivedRun::default();
    received.read_to_end(client).await;
    assert_eq!(received.repeated(), 0, "{:?}", received.frames);
    let run_id = &received.frames[0]["metadata"]["relay"]["runId"];
    for frame in &received.frames {
        assert_eq!(frame["metadata"]["relay"]["runId"], *run_id);
    }
    received.frames
}

pub fn prompt(text: &str) -> Value {
    json!({"prompt": text})
}

pub fn traced(text: &str) -> Value {
    json!({"prompt": text, "trace": true})
}

pub fn text(frames: &[Value]) -> String {
    frames.iter().filter_map(|frame| frame["delta"].as_str()).collect()
}

/// The text of `/tokens` with that many chunks.
pub fn numbers(count: usize) -> String {
    let word =
        |n: usize| format!("{n}{}", if n.is_multiple_of(20) || n == count { '\n' } else { ' ' });
    (1..=count).map(word).collect()
}

pub fn position(records: &[Record], fits: impl Fn(&Entry) -> bool) -> usize {
    records.iter().position(|record| fits(&record.entry)).expect("it happened")
}
