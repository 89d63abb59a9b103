//! The function that is deployed, on the local AWS, and clients that talk to it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use agent_relay::local::{Entry, Event, Function, LocalAws, Options, Program};
use serde_json::{Value, json};

use crate::local_support::{Client, soon, start};

/// The local AWS with the function that is deployed.
pub(crate) struct Stage {
    pub(crate) aws: LocalAws,
    pub(crate) function: Function,
}

impl Stage {
    pub(crate) async fn set(options: Options) -> Self {
        Self::with_environment(options, &[]).await
    }

    /// The function with other variables in its environment than the local AWS gives it.
    pub(crate) async fn with_environment(options: Options, changes: &[(&str, &str)]) -> Self {
        let program = Program::Executable(env!("CARGO_BIN_EXE_agent-relay").into());
        Self::with_program(options, &program, changes).await
    }

    /// The function started by another program, which becomes it.
    pub(crate) async fn with_program(
        options: Options,
        program: &Program,
        changes: &[(&str, &str)],
    ) -> Self {
        let aws = start(options).await;
        let function = Function::start_with(&aws, program, changes);
        let function = soon("the function", function).await.expect("the function starts");
        Self { aws, function }
    }

    /// One turn at a time, as on classic Lambda.
    pub(crate) async fn sequential() -> Self {
        Self::set(Options { concurrency: 1, ..Options::default() }).await
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.aws, &[]).await.expect("the handshake succeeds")
    }

    /// The frames of one run, on a connection of its own.
    pub(crate) async fn ask(&self, message: &Value) -> Vec<Value> {
        ask(&mut self.client().await, message).await
    }

    pub(crate) fn agent_requests(&self) -> Vec<Value> {
        let events = self.aws.journal().events();
        let request = |event| match event {
            Event::AgentInvoked { request, .. } => Some(request),
            _ => None,
        };
        events.into_iter().filter_map(request).collect()
    }

    /// The most memory that the function's process has had, in KiB.
    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.function.pid());
        let status = std::fs::read_to_string(path).expect("the function runs, on Linux");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")).expect("a peak in kB");
        kib.parse().expect("a number")
    }

    pub(crate) fn posts(&self) -> usize {
        let events = self.aws.journal().events();
        events.iter().filter(|event| matches!(event, Event::Posted { .. })).count()
    }
}

/// Sends a message and collects the frames of its run, checking what holds for every run.
pub(crate) async fn ask(client: &mut Client, message: &Value) -> Vec<Value> {
    client.send(message.to_string()).await;
    frames_of_one_run(client).await
}

/// Collects the frames up to the end of a run.
pub(crate) async fn frames_of_one_run(client: &mut Client) -> Vec<Value> {
    let mut frames: Vec<Value> = Vec::new();
    loop {
        let text = client.text().await;
        assert!(text.len() <= 32 * 1024, "a frame of {} bytes", text.len());
        let frame: Value = serde_json::from_str(&text).unwrap();
        let relay = &frame["metadata"]["relay"];
        assert_eq!(relay["seq"], frames.len(), "{frame}");
        assert_eq!(relay["runId"], frames.first().unwrap_or(&frame)["metadata"]["relay"]["runId"]);
        let ended = matches!(frame["type"].as_str().unwrap(), "RUN_FINISHED" | "RUN_ERROR");
        frames.push(frame);
        if ended {
            return frames;
        }
    }
}

pub(crate) fn prompt(text: &str) -> Value {
    json!({"prompt": text})
}

pub(crate) fn traced(text: &str) -> Value {
    json!({"prompt": text, "trace": true})
}

pub(crate) fn text(frames: &[Value]) -> String {
    frames.iter().filter_map(|frame| frame["delta"].as_str()).collect()
}

/// The text of `/tokens` with that many chunks.
pub(crate) fn numbers(count: usize) -> String {
    let word =
        |n: usize| format!("{n}{}", if n.is_multiple_of(20) || n == count { '\n' } else { ' ' });
    (1..=count).map(word).collect()
}

pub(crate) fn position(entries: &[Entry], fits: impl Fn(&Event) -> bool) -> usize {
    entries.iter().position(|entry| fits(&entry.event)).expect("it happened")
}
