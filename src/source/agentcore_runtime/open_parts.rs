//! What has begun and is not at its end: messages, thoughts, tool calls, steps and runs of other agents.
//!
//! Clients end a run in which one ends that has not begun, and one that ends while something is open. So
//! what an agent has forgotten is put in. And what an agent sends in chunks gets a beginning and an end of
//! its own, which every client understands.

use crate::ids::uuid_of;
use crate::json;
use crate::source::event::AguiEvent;

/// A kind of part: the events of its beginning, its pieces and its end, its chunks, and the member with its
/// id.
struct Kind {
    start: &'static str,
    content: Option<&'static str>,
    /// The first one ends what has no end.
    ends: &'static [&'static str],
    chunk: Option<&'static str>,
    id: &'static str,
    /// Whose words it is.
    role: Option<&'static str>,
}

/// The place of tool calls, which can't begin without a name.
const TOOL_CALL: usize = 1;

/// The place of steps, which two agents may have under one name.
const STEP: usize = 2;

/// The place of the runs of other agents, which can't begin again.
const SUBAGENT: usize = 5;

const KINDS: [Kind; 6] = [
    Kind {
        start: "TEXT_MESSAGE_START",
        content: Some("TEXT_MESSAGE_CONTENT"),
        ends: &["TEXT_MESSAGE_END"],
        chunk: Some("TEXT_MESSAGE_CHUNK"),
        id: "messageId",
        role: Some("assistant"),
    },
    Kind {
        start: "TOOL_CALL_START",
        content: Some("TOOL_CALL_ARGS"),
        ends: &["TOOL_CALL_END"],
        chunk: Some("TOOL_CALL_CHUNK"),
        id: "toolCallId",
        role: None,
    },
    Kind {
        start: "STEP_STARTED",
        content: None,
        ends: &["STEP_FINISHED"],
        chunk: None,
        id: "stepName",
        role: None,
    },
    Kind {
        start: "REASONING_MESSAGE_START",
        content: Some("REASONING_MESSAGE_CONTENT"),
        ends: &["REASONING_MESSAGE_END"],
        chunk: Some("REASONING_MESSAGE_CHUNK"),
        id: "messageId",
        role: Some("reasoning"),
    },
    Kind {
        start: "REASONING_START",
        content: None,
        ends: &["REASONING_END"],
        chunk: None,
        id: "messageId",
        role: None,
    },
    Kind {
        start: "SUBAGENT_STARTED",
        content: None,
        ends: &["SUBAGENT_FINISHED", "SUBAGENT_ERROR"],
        chunk: None,
        id: "subagentRunId",
        role: None,
    },
];

/// The events that may stand between two chunks of one part.
const BETWEEN_CHUNKS: [&str; 4] =
    ["RAW", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "REASONING_ENCRYPTED_VALUE"];

/// A part that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    /// The place of its kind in [`KINDS`].
    place: usize,
    id: String,
    /// Of a step: whose it is, if it is another agent's.
    subagent: Option<String>,
}

/// The parts that are open, oldest first.
#[derive(Debug, Default)]
pub(super) struct OpenParts {
    open: Vec<Part>,
    /// Those that come in chunks: whatever is not of them ends them. Calls of tools may come in turns.
    in_chunks: Vec<Part>,
    /// What the last chunk was of: one without an id goes on with it.
    last_chunk: Option<Part>,
    /// What the ids of messages are made from that the agent gives none.
    seed: String,
    /// How many of them there were.
    unnamed: usize,
    /// The runs of other agents that are over.
    over: Vec<Part>,
}

impl OpenParts {
    /// Nothing is open. No other run may have the same seed.
    pub(super) fn new(seed: String) -> Self {
        Self { seed, ..Self::default() }
    }

    /// What goes to the client for an event: nothing, where it would end the client's run.
    pub(super) fn pass(&mut self, event: AguiEvent) -> Vec<AguiEvent> {
        let of = |(_, kind): &(usize, &Kind)| kind.chunk == Some(event.kind);
        if let Some((place, _)) = KINDS.iter().enumerate().find(of) {
            return self.pass_chunk(place, event);
        }
        let mut passed = Vec::new();
        if !BETWEEN_CHUNKS.contains(&event.kind) {
            passed.extend(self.end_chunks());
        }
        passed.extend(self.pass_part(event));
        passed
    }

    fn pass_part(&mut self, event: AguiEvent) -> Vec<AguiEvent> {
        // A client refuses a piece of text that is empty.
        if event.kind.ends_with("_CONTENT") && event.delta.as_deref() == Some("") {
            return Vec::new();
        }
        let of = |(_, kind): &(usize, &Kind)| {
            kind.start == event.kind
                || kind.content == Some(event.kind)
                || kind.ends.contains(&event.kind)
        };
        let Some((place, kind)) = KINDS.iter().enumerate().find(of) else { return vec![event] };
        // What was read has its id.
        let id = event.text(kind.id).unwrap_or_default();
        let subagent = event.text("subagentRunId").filter(|_| place == STEP);
        let part = Part { place, id, subagent };
        let position = self.open.iter().position(|open| *open == part);
        match (position, event.kind) {
            (Some(_), begun) if begun == kind.start => Vec::new(),
            (Some(position), ended) if kind.ends.contains(&ended) => {
                self.open.remove(position);
                if place == SUBAGENT {
                    self.over.push(part);
                }
                vec![event]
            }
            (Some(_), _) => vec![event],
            (None, ended) if kind.ends.contains(&ended) => Vec::new(),
            (None, _) if self.over.contains(&part) => Vec::new(),
            (None, begun) if begun == kind.start => {
                self.open.push(part);
                vec![self.with_known_parent(event)]
            }
            (None, _) if place == TOOL_CALL => Vec::new(),
            (None, _) => {
                let mut start = start(&part);
                // Clients compare whose it is.
                let owner = event.members.iter().filter(|(name, _)| name == "subagentRunId");
                start.members.extend(owner.cloned());
                self.open.push(part);
                vec![start, event]
            }
        }
    }

    /// The beginning of a part. Clients refuse that of an agent's run in another that never began.
    fn with_known_parent(&self, mut event: AguiEvent) -> AguiEvent {
        const PARENT: &str = "parentSubagentRunId";
        if let Some(parent) = event.text(PARENT) {
            let is_it = |part: &Part| part.place == SUBAGENT && part.id == parent;
            if !self.open.iter().chain(&self.over).any(is_it) {
                event.members.retain(|(name, _)| name != PARENT);
            }
        }
        event
    }

    /// A chunk in the form that has beginnings and ends.
    fn pass_chunk(&mut self, place: usize, event: AguiEvent) -> Vec<AguiEvent> {
        let kind = &KINDS[place];
        let goes_on = self.last_chunk.as_ref().filter(|part| part.place == place);
        let id = event.text(kind.id).or_else(|| goes_on.map(|part| part.id.clone()));
        let id = match id {
            Some(id) => id,
            // It is of nothing, and clients refuse a call without an id.
            None if place == TOOL_CALL => return Vec::new(),
            None => {
                self.unnamed += 1;
                uuid_of(&format!("{}/unnamed/{}", self.seed, self.unnamed))
            }
        };
        let part = Part { place, id, subagent: None };
        let mut passed = Vec::new();
        let may_stay =
            |other: &Part| *other == part || (place == TOOL_CALL && other.place == TOOL_CALL);
        if !self.in_chunks.iter().all(may_stay) {
            passed.extend(self.end_chunks());
        }
        let AguiEvent { members, delta, metadata, .. } = event;
        if !self.open.contains(&part) {
            let mut start = start(&part);
            for (name, value) in members {
                if !matches!(&*name, "messageId" | "toolCallId") {
                    start.members.retain(|(other, _)| *other != name);
                    start.members.push((name, value));
                }
            }
            if place == TOOL_CALL && start.text("toolCallName").is_none() {
                return passed;
            }
            self.open.push(part.clone());
            // What the agent has begun, it ends.
            self.in_chunks.push(part.clone());
            passed.push(start);
        }
        if let (Some(content), Some(delta)) = (kind.content, delta.filter(|text| !text.is_empty()))
        {
            let about = AguiEvent::about(content, kind.id, &part.id);
            passed.push(AguiEvent { delta: Some(delta), metadata, ..about });
        }
        self.last_chunk = Some(part);
        passed
    }

    /// The ends of the parts that come in chunks.
    fn end_chunks(&mut self) -> Vec<AguiEvent> {
        self.last_chunk = None;
        let mut ends = Vec::new();
        for part in std::mem::take(&mut self.in_chunks) {
            if let Some(position) = self.open.iter().position(|open| *open == part) {
                self.open.remove(position);
                ends.push(end(&part));
            }
        }
        ends
    }

    /// The ends of all that is open, the youngest first.
    pub(super) fn close_all(&mut self) -> Vec<AguiEvent> {
        self.in_chunks.clear();
        self.last_chunk = None;
        std::mem::take(&mut self.open).iter().rev().map(end).collect()
    }
}

fn start(Part { place, id, .. }: &Part) -> AguiEvent {
    let kind = &KINDS[*place];
    let mut start = AguiEvent::about(kind.start, kind.id, id);
    start.members.extend(kind.role.map(|role| ("role".to_owned(), json::string(role))));
    start
}

fn end(Part { place, id, subagent }: &Part) -> AguiEvent {
    let kind = &KINDS[*place];
    let mut end = AguiEvent::about(kind.ends[0], kind.id, id);
    let owner = subagent.as_deref().map(json::string);
    end.members.extend(owner.map(|owner| ("subagentRunId".to_owned(), owner)));
    end
}
