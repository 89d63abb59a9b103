//! What the agent does in one turn, step by step.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::exception::Refusal;
use super::return_control::ReturnControl;
use crate::scripted::json::Json;
use crate::scripted::pace;

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
        citations: Vec<Json>,
    },
    /// A trace event.
    Trace {
        /// What stands in its member `trace`, such as `{"orchestrationTrace": …}`.
        trace: Json,
        /// Its other members, where they are not those of the agent itself.
        part: BTreeMap<String, Json>,
    },
    /// The agent asks its caller to act; the last event of its turn.
    ReturnControl(ReturnControl),
    /// A frame of any other kind.
    Frame {
        /// The headers, such as `:event-type`.
        headers: Vec<(String, String)>,
        /// The payload.
        payload: Bytes,
    },
    /// An exception; the last step.
    Exception(Refusal),
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
        self.step(Step::text(text))
    }

    /// The script of an agent whose caller did not enable traces.
    pub(super) fn without_traces(mut self) -> Self {
        self.steps.retain(|step| !matches!(step, Step::Trace { .. }));
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

    /// The script so many times as fast; 0 leaves no silence at all.
    pub(super) fn at_speed(mut self, speed: f64) -> Self {
        for step in &mut self.steps {
            if let Step::Wait(duration) = step {
                *duration = pace::at_speed(*duration, speed);
            }
        }
        self
    }

    /// What the agent asks of its caller, if it does.
    pub(super) fn return_control(&self) -> Option<&ReturnControl> {
        self.steps.iter().find_map(|step| match step {
            Step::ReturnControl(asked) => Some(asked),
            _ => None,
        })
    }

    /// The exception that is the whole response, when the script begins with one: Bedrock then
    /// answers with an HTTP status instead of a stream.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match self.steps.first() {
            Some(Step::Exception(refusal)) => Some(refusal),
            _ => None,
        }
    }
}

impl Step {
    /// A chunk of text without citations.
    pub(super) fn text(text: impl Into<Bytes>) -> Self {
        Self::Chunk { bytes: text.into(), citations: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::exception::Exception;
    use super::*;

    #[test]
    fn without_streaming_the_text_comes_whole_at_its_end() {
        let trace = || Step::Trace { trace: Json::string("trace"), part: BTreeMap::new() };
        let script = Script::new()
            .text("a")
            .wait_ms(1)
            .step(trace())
            .step(Step::Chunk { bytes: "b".into(), citations: vec![Json::string("c")] })
            .wait_ms(2)
            .in_one_chunk();
        let chunk = Step::Chunk { bytes: "ab".into(), citations: vec![Json::string("c")] };
        assert_eq!(
            script.steps,
            [
                Step::Wait(Duration::from_millis(1)),
                trace(),
                chunk,
                Step::Wait(Duration::from_millis(2)),
            ],
        );
    }

    #[test]
    fn without_streaming_an_exception_leaves_no_text() {
        let exception = Step::Exception(Exception::Throttling.into());
        let script = Script::new().text("a").text("b").step(exception.clone()).in_one_chunk();
        assert_eq!(script.steps, [exception]);
    }

    #[test]
    fn a_script_can_be_faster_or_slower_or_come_at_once() {
        let script = Script::new().wait_ms(100).text("a");
        for (speed, wait) in [(10.0, 10), (0.5, 200), (0.0, 0)] {
            let wait = Step::Wait(Duration::from_millis(wait));
            assert_eq!(script.clone().at_speed(speed).steps, [wait, Step::text("a")], "{speed}");
        }
    }
}
