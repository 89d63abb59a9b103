//! The body of a response: the events of a script, each the moment it is due.

use std::collections::BTreeMap;
use std::io;
use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::address::Address;
use super::script::{Script, Step};
use crate::journal::{Entry, Journal};
use crate::scripted::event_stream;
use crate::scripted::json::Json;
use crate::scripted::pace::{BEFORE_CUT, reach};

/// The body that sends the events of the script. Dropping it before its end is noticed.
pub(super) fn body(
    script: Script,
    address: Address,
    journal: &Journal,
    stopping: watch::Receiver<bool>,
) -> Body {
    let response = ResponseStream {
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
    Body::from_stream(stream::unfold(response, async |mut response| {
        let bytes = response.next().await?;
        Some((bytes, response))
    }))
}

struct ResponseStream {
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

impl ResponseStream {
    /// The bytes of the next event, when it is due; `None` at the end. An error ends the connection
    /// without the end of the body.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let session_id = || self.address.session_id.clone();
        for step in self.steps.by_ref() {
            if matches!(step, Step::Cut) {
                self.due = self.due.max(Instant::now() + BEFORE_CUT);
            }
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
                    event_stream::event("chunk", chunk(&bytes, &citations))
                }
                Step::Trace { trace, part } => {
                    self.journal.record(Entry::AgentTrace { session_id: session_id() });
                    event_stream::event("trace", trace_part(&self.address, trace, part))
                }
                Step::ReturnControl(asked) => {
                    self.journal.record(Entry::AgentReturnedControl {
                        session_id: session_id(),
                        invocation_id: asked.invocation_id,
                        calls: asked.calls.len(),
                    });
                    event_stream::event("returnControl", asked.payload.text().to_owned())
                }
                Step::Frame { headers, payload } => event_stream::frame(headers, payload),
                Step::Exception(refusal) => {
                    self.exception = Some(refusal.exception.member().to_owned());
                    event_stream::exception(refusal.exception.member(), &refusal.payload())
                }
                Step::Cut => {
                    self.broke("the connection was cut");
                    return Some(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                Step::Corrupt => {
                    self.broke("a frame with a wrong checksum");
                    event_stream::corrupt_event("chunk", chunk(b"This is corrupt.", &[]))
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

impl Drop for ResponseStream {
    fn drop(&mut self) {
        if !self.finished {
            let session_id = self.address.session_id.clone();
            self.journal.record(Entry::AgentDropped { session_id, chunks: self.chunks });
        }
    }
}

fn chunk(bytes: &[u8], citations: &[Json]) -> String {
    let bytes = STANDARD.encode(bytes);
    if citations.is_empty() {
        return format!("{{\"bytes\":\"{bytes}\"}}");
    }
    let citations = citations.iter().map(Json::text).collect::<Vec<_>>().join(",");
    format!("{{\"attribution\":{{\"citations\":[{citations}]}},\"bytes\":\"{bytes}\"}}")
}

/// Wraps a trace as Bedrock does: note the nesting, the part holds the trace in a member `trace`.
fn trace_part(address: &Address, trace: Json, part: BTreeMap<String, Json>) -> String {
    let now = DateTime::from(SystemTime::now()).fmt(Format::DateTimeWithOffset);
    let of_agent = json!({
        "agentAliasId": address.agent_alias_id,
        "agentId": address.agent_id,
        "agentVersion": "1",
        "callerChain": [{ "agentAliasArn": address.alias_arn() }],
        "eventTime": now.unwrap_or_default(),
        "sessionId": address.session_id,
    });
    let mut members: BTreeMap<String, Json> = serde_json::from_value(of_agent).unwrap_or_default();
    members.extend(part);
    members.insert("trace".to_owned(), trace);
    // JSON under keys of text is JSON, so the fallback is never used.
    serde_json::to_string(&members).unwrap_or_default()
}
