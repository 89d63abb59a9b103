//! Plays a script into the body of a response, each event the moment it is due.

use std::io;
use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::script::{Script, Step};
use super::team::Member;
use super::{Address, wire};
use crate::journal::{Entry, Journal};

/// The body that plays the script. Dropping it before its end is noticed.
pub(super) fn body(
    script: Script,
    address: Address,
    journal: &Journal,
    stopping: watch::Receiver<bool>,
) -> Body {
    let player = Player {
        steps: script.steps.into_iter(),
        address,
        journal: journal.clone(),
        due: Instant::now(),
        chunks: 0,
        events: 0,
        exception: None,
        finished: false,
        stopping,
    };
    Body::from_stream(stream::unfold(player, async |mut player| {
        let bytes = player.next().await?;
        Some((bytes, player))
    }))
}

struct Player {
    steps: std::vec::IntoIter<Step>,
    address: Address,
    journal: Journal,
    /// When the next step is due. Waits add up here, so that a slow reader or timer does not slow
    /// the agent down.
    due: Instant,
    chunks: usize,
    events: usize,
    exception: Option<String>,
    finished: bool,
    stopping: watch::Receiver<bool>,
}

impl Player {
    /// The bytes of the next event, when it is due; `None` at the end. An error ends the connection
    /// without the end of the body.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let session_id = || self.address.session_id.clone();
        for step in self.steps.by_ref() {
            if !matches!(step, Step::Wait(_)) {
                // Each event happens when it is due, its place in the journal included.
                reach(self.due, &mut self.stopping).await?;
                self.events += 1;
            }
            return Some(Ok(match step {
                Step::Wait(duration) => {
                    self.due += duration;
                    continue;
                }
                Step::Chunk { bytes, citations } => {
                    self.chunks += 1;
                    self.journal
                        .record(Entry::AgentChunk { session_id: session_id(), n: self.chunks });
                    wire::event("chunk", &chunk(&bytes, &citations))
                }
                Step::Trace(trace) => {
                    self.journal.record(Entry::AgentTrace { session_id: session_id() });
                    wire::event("trace", &trace_part(&self.address, &trace))
                }
                Step::TeamTrace { chain, trace } => {
                    self.journal.record(Entry::AgentTrace { session_id: session_id() });
                    wire::event("trace", &collaborator_part(&self.address, &chain, &trace))
                }
                Step::ReturnControl(invocation) => {
                    self.journal.record(Entry::AgentReturnedControl {
                        session_id: session_id(),
                        invocation_id: invocation.id.clone(),
                        calls: invocation.calls.len(),
                    });
                    wire::event("returnControl", &invocation.payload(&self.address.agent_id))
                }
                Step::Event { event_type, payload } => wire::event(event_type, &payload),
                Step::Exception(exception) => {
                    self.exception = Some(exception.member().to_owned());
                    wire::exception(exception)
                }
                Step::Cut => {
                    self.broke("the connection was cut");
                    return Some(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                Step::Corrupt => {
                    self.broke("a frame with a wrong checksum");
                    wire::corrupt_event("chunk", &chunk(b"This is corrupt.", &[]))
                }
            }));
        }
        if self.finished {
            return None;
        }
        // A script may end with silence.
        reach(self.due, &mut self.stopping).await?;
        self.finished = true;
        self.journal.record(Entry::AgentFinished {
            session_id: session_id(),
            chunks: self.chunks,
            events: self.events,
            exception: self.exception.take(),
        });
        None
    }

    /// The answer ends here, and not as it should.
    fn broke(&mut self, how: &'static str) {
        self.finished = true;
        let (session_id, chunks) = (self.address.session_id.clone(), self.chunks);
        self.journal.record(Entry::AgentBroke { session_id, chunks, how });
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        if !self.finished {
            let session_id = self.address.session_id.clone();
            self.journal.record(Entry::AgentDropped { session_id, chunks: self.chunks });
        }
    }
}

/// Waits until this moment; `None` when the local AWS stops before.
async fn reach(due: Instant, stopping: &mut watch::Receiver<bool>) -> Option<()> {
    tokio::select! {
        () = sleep_until(due) => Some(()),
        _ = stopping.wait_for(|stopping| *stopping) => None,
    }
}

fn chunk(bytes: &[u8], citations: &[Value]) -> Value {
    let mut chunk = json!({ "bytes": STANDARD.encode(bytes) });
    if !citations.is_empty() {
        chunk["attribution"] = json!({ "citations": citations });
    }
    chunk
}

/// Wraps a trace as Bedrock does: note the nesting, the part holds the trace in a member `trace`.
fn trace_part(address: &Address, trace: &Value) -> Value {
    let Address { agent_id, agent_alias_id, session_id } = address;
    let now = DateTime::from(SystemTime::now()).fmt(Format::DateTimeWithOffset);
    json!({
        "agentAliasId": agent_alias_id,
        "agentId": agent_id,
        "agentVersion": "1",
        "callerChain": [{ "agentAliasArn": wire::alias_arn(agent_id, agent_alias_id) }],
        "eventTime": now.unwrap_or_default(),
        "sessionId": session_id,
        "trace": trace,
    })
}

/// The same for the last of a chain of collaborators: the chain begins with the scripted agent.
fn collaborator_part(address: &Address, chain: &[&Member], trace: &Value) -> Value {
    let mut part = trace_part(address, trace);
    for member in chain {
        part["agentAliasId"] = json!(member.agent_alias_id);
        part["agentId"] = json!(member.agent_id);
        part["collaboratorName"] = json!(member.name);
        let arn = wire::alias_arn(member.agent_id, member.agent_alias_id);
        if let Some(callers) = part["callerChain"].as_array_mut() {
            callers.push(json!({ "agentAliasArn": arn }));
        }
    }
    part
}
