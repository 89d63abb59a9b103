//! What the agent does in one turn, step by step.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::Exception;
use super::control::Invocation;
use super::team::Member;

/// The steps of one turn, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Script {
    /// The steps.
    pub(super) steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing happens for this long.
    Wait(Duration),
    /// A chunk of text, or of a part of its UTF-8.
    Chunk {
        /// The bytes.
        bytes: Bytes,
        /// The citations that come with it, in Bedrock's shape; empty for none.
        citations: Vec<Value>,
    },
    /// A trace event; the value is what stands in `trace`, such as `{"orchestrationTrace": …}`.
    Trace(Value),
    /// A trace event of a collaborator.
    TeamTrace {
        /// The collaborators that called one another, the one whose trace it is last.
        chain: Vec<&'static Member>,
        /// As in [`Step::Trace`].
        trace: Value,
    },
    /// The agent asks its caller to act; the last event of its turn.
    ReturnControl(Invocation),
    /// An event of any other type.
    Event {
        /// The name of the type.
        event_type: &'static str,
        /// Its JSON.
        payload: Value,
    },
    /// An exception; the last step.
    Exception(Exception),
    /// The connection breaks; the last step.
    Cut,
    /// An event with a wrong checksum; the last step.
    Corrupt,
}

impl Script {
    /// An empty script.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a step.
    pub(super) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Adds steps.
    pub(super) fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.extend(steps);
        self
    }

    /// Adds silence.
    pub(super) fn wait(self, duration: Duration) -> Self {
        self.step(Step::Wait(duration))
    }

    /// Adds silence of so many milliseconds.
    pub(super) fn wait_ms(self, milliseconds: u64) -> Self {
        self.wait(Duration::from_millis(milliseconds))
    }

    /// Adds a chunk of text.
    pub(super) fn text(self, text: impl Into<Bytes>) -> Self {
        self.step(Step::Chunk { bytes: text.into(), citations: Vec::new() })
    }

    /// Adds a trace event.
    pub(super) fn trace(self, trace: Value) -> Self {
        self.step(Step::Trace(trace))
    }

    /// The script of an agent whose caller did not enable traces.
    pub(super) fn without_traces(mut self) -> Self {
        self.steps.retain(|step| !matches!(step, Step::Trace(_) | Step::TeamTrace { .. }));
        self
    }

    /// The script of an agent whose caller did not ask for a streamed response: the whole text in
    /// one chunk, at its end. What a failure cuts off never arrives.
    pub(super) fn in_one_chunk(self) -> Self {
        let last_chunk = self.steps.iter().rposition(|step| matches!(step, Step::Chunk { .. }));
        let mut all_bytes = Vec::new();
        let mut all_citations = Vec::new();
        let mut steps = Vec::new();
        let fails =
            matches!(self.steps.last(), Some(Step::Exception(_) | Step::Cut | Step::Corrupt));
        for (position, step) in self.steps.into_iter().enumerate() {
            match step {
                Step::Chunk { bytes, citations } => {
                    all_bytes.extend_from_slice(&bytes);
                    all_citations.extend(citations);
                    if Some(position) == last_chunk && !fails {
                        let bytes = Bytes::from(std::mem::take(&mut all_bytes));
                        let citations = std::mem::take(&mut all_citations);
                        steps.push(Step::Chunk { bytes, citations });
                    }
                }
                other => steps.push(other),
            }
        }
        Self { steps }
    }

    /// What the agent asks of its caller, if it does.
    pub(super) fn invocation(&self) -> Option<&Invocation> {
        self.steps.iter().find_map(|step| match step {
            Step::ReturnControl(invocation) => Some(invocation),
            _ => None,
        })
    }

    /// The exception that is the whole answer, with its message, when the script begins with one:
    /// Bedrock then answers with an HTTP status instead of a stream.
    pub(super) fn refusal(&self) -> Option<(Exception, String)> {
        match self.steps.first() {
            Some(Step::Exception(exception)) => Some((*exception, exception.message().to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn without_streaming_the_text_comes_whole_at_its_end() {
        let script = Script::new()
            .text("a")
            .wait_ms(1)
            .trace(json!({}))
            .step(Step::Chunk { bytes: "b".into(), citations: vec![json!(1)] })
            .wait_ms(2)
            .in_one_chunk();
        let chunk = Step::Chunk { bytes: "ab".into(), citations: vec![json!(1)] };
        assert_eq!(
            script.steps,
            [
                Step::Wait(Duration::from_millis(1)),
                Step::Trace(json!({})),
                chunk,
                Step::Wait(Duration::from_millis(2)),
            ],
        );
    }

    #[test]
    fn without_streaming_an_exception_leaves_no_text() {
        let exception = Step::Exception(Exception::Throttling);
        let script = Script::new().text("a").text("b").step(exception.clone()).in_one_chunk();
        assert_eq!(script.steps, [exception]);
    }
}
