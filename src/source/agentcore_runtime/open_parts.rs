//! What has begun and is not at its end: messages, tool calls and steps.
//!
//! Clients end a run in which one ends that has not begun, and one that ends while something is open. So
//! what an agent has forgotten is put in.

use crate::source::event::AguiEvent;

/// A kind of part: the events of its beginning, its pieces and its end, and the member with its id.
struct Kind {
    start: &'static str,
    content: Option<&'static str>,
    end: &'static str,
    id: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind {
        start: "TEXT_MESSAGE_START",
        content: Some("TEXT_MESSAGE_CONTENT"),
        end: "TEXT_MESSAGE_END",
        id: "messageId",
    },
    Kind {
        start: "TOOL_CALL_START",
        content: Some("TOOL_CALL_ARGS"),
        end: "TOOL_CALL_END",
        id: "toolCallId",
    },
    Kind { start: "STEP_STARTED", content: None, end: "STEP_FINISHED", id: "stepName" },
];

/// The parts that are open, oldest first.
#[derive(Debug, Default)]
pub(super) struct OpenParts {
    /// The place of each one's kind in [`KINDS`], and its id.
    open: Vec<(usize, String)>,
}

impl OpenParts {
    /// What goes to the client for an event: nothing, where it would end the client's run.
    pub(super) fn pass(&mut self, event: AguiEvent) -> Vec<AguiEvent> {
        // A client refuses a piece of text that is empty.
        if event.kind.ends_with("_CONTENT") && event.delta.as_deref() == Some("") {
            return Vec::new();
        }
        let of = |(_, kind): &(usize, &Kind)| {
            kind.start == event.kind || kind.content == Some(event.kind) || kind.end == event.kind
        };
        let Some((place, kind)) = KINDS.iter().enumerate().find(of) else { return vec![event] };
        // What was read has its id.
        let id = event.text(kind.id).unwrap_or_default();
        let position = self.open.iter().position(|open| *open == (place, id.clone()));
        match (position, event.kind) {
            (Some(_), begun) if begun == kind.start => Vec::new(),
            (Some(position), ended) if ended == kind.end => {
                self.open.remove(position);
                vec![event]
            }
            (Some(_), _) => vec![event],
            (None, ended) if ended == kind.end => Vec::new(),
            (None, begun) if begun == kind.start => {
                self.open.push((place, id));
                vec![event]
            }
            // A tool call can't begin without a name.
            (None, _) if kind.start == "TOOL_CALL_START" => Vec::new(),
            (None, _) => {
                let mut start = AguiEvent::about(kind.start, kind.id, &id);
                start.members.push(("role".to_owned(), crate::json::string("assistant")));
                self.open.push((place, id));
                vec![start, event]
            }
        }
    }

    /// The ends of all that is open, the youngest first.
    pub(super) fn close_all(&mut self) -> Vec<AguiEvent> {
        let open = std::mem::take(&mut self.open).into_iter().rev();
        open.map(|(place, id)| AguiEvent::about(KINDS[place].end, KINDS[place].id, &id)).collect()
    }
}
