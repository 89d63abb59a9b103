//! Events that a source has in AG-UI's own form.

use serde_json::value::RawValue;

use crate::json::{self, Object};

/// A member of an event: its name, and its value as it came.
type Member = (String, Box<RawValue>);

/// An event of AG-UI, as its source sent it.
#[derive(Debug)]
pub struct AguiEvent {
    /// Its type, such as `STATE_DELTA`.
    pub kind: &'static str,
    /// What it says, in its source's order and JSON, but for its type, its `delta` of text, and its
    /// metadata.
    pub members: Vec<(String, Box<RawValue>)>,
    /// Text that goes on where that of the event before it ended, if both are of the same message.
    pub delta: Option<String>,
    /// The members of its own `metadata`.
    pub metadata: Vec<(String, Box<RawValue>)>,
}

/// What a member must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    List,
    Object,
    /// Text; other JSON becomes the text that it is.
    TextOfJson,
    /// It must be there, and may be null.
    Any,
}

use Shape::{Any, List, Text, TextOfJson};

/// The members of an event that clients insist on.
type Required = &'static [(&'static str, Shape)];

/// The types that clients of both 1.0 and 0.0.59 know, and what they must have (the schemas of
/// `@ag-ui/core`). The run's own beginning and ends are not among them: they are the relay's.
const TYPES: [(&str, Required); 28] = [
    ("TEXT_MESSAGE_START", &[("messageId", Text)]),
    ("TEXT_MESSAGE_CONTENT", &[("messageId", Text), ("delta", Text)]),
    ("TEXT_MESSAGE_END", &[("messageId", Text)]),
    ("TEXT_MESSAGE_CHUNK", &[]),
    ("TOOL_CALL_START", &[("toolCallId", Text), ("toolCallName", Text)]),
    ("TOOL_CALL_ARGS", &[("toolCallId", Text), ("delta", Text)]),
    ("TOOL_CALL_END", &[("toolCallId", Text)]),
    ("TOOL_CALL_CHUNK", &[]),
    ("TOOL_CALL_RESULT", &[("messageId", Text), ("toolCallId", Text), ("content", TextOfJson)]),
    ("STATE_SNAPSHOT", &[("snapshot", Any)]),
    ("STATE_DELTA", &[("delta", List)]),
    ("MESSAGES_SNAPSHOT", &[("messages", List)]),
    (
        "ACTIVITY_SNAPSHOT",
        &[("messageId", Text), ("activityType", Text), ("content", Shape::Object)],
    ),
    ("ACTIVITY_DELTA", &[("messageId", Text), ("activityType", Text), ("patch", List)]),
    ("RAW", &[("event", Any)]),
    ("CUSTOM", &[("name", Text), ("value", Any)]),
    ("STEP_STARTED", &[("stepName", Text)]),
    ("STEP_FINISHED", &[("stepName", Text)]),
    ("REASONING_START", &[("messageId", Text)]),
    ("REASONING_MESSAGE_START", &[("messageId", Text)]),
    ("REASONING_MESSAGE_CONTENT", &[("messageId", Text), ("delta", Text)]),
    ("REASONING_MESSAGE_END", &[("messageId", Text)]),
    ("REASONING_MESSAGE_CHUNK", &[]),
    ("REASONING_END", &[("messageId", Text)]),
    (
        "REASONING_ENCRYPTED_VALUE",
        &[("subtype", Text), ("entityId", Text), ("encryptedValue", Text)],
    ),
    ("SUBAGENT_STARTED", &[("subagentRunId", Text), ("name", Text)]),
    ("SUBAGENT_FINISHED", &[("subagentRunId", Text)]),
    ("SUBAGENT_ERROR", &[("subagentRunId", Text), ("message", Text)]),
];

/// The members that may be null. Elsewhere a null is what Python writes for an absent member, and clients
/// insist on its absence.
const MAY_BE_NULL: [&str; 4] = ["snapshot", "value", "event", "result"];

/// The types whose `delta` is text that goes on.
const WITH_TEXT: [&str; 6] = [
    "TEXT_MESSAGE_CONTENT",
    "TEXT_MESSAGE_CHUNK",
    "TOOL_CALL_ARGS",
    "TOOL_CALL_CHUNK",
    "REASONING_MESSAGE_CONTENT",
    "REASONING_MESSAGE_CHUNK",
];

impl AguiEvent {
    /// An event of this type without anything but the id that it is about.
    pub(crate) fn about(kind: &'static str, member: &str, id: &str) -> Self {
        let members = vec![(member.to_owned(), json::string(id))];
        Self { kind, members, delta: None, metadata: Vec::new() }
    }

    /// Reads an event. `None` if clients can't: its type is not known, or something is missing or of
    /// another shape.
    pub(crate) fn read(kind: &str, object: &Object<'_>) -> Option<Self> {
        let (kind, required) = TYPES.into_iter().find(|(known, _)| *known == kind)?;
        let is_there = |name: &str| object.members().any(|(other, _)| other == name);
        let fits = |(name, shape): &(&str, Shape)| match shape {
            Text => object.text(name).is_some(),
            List => object.list(name).is_some(),
            Shape::Object => object.object(name).is_some(),
            TextOfJson => object.get(name).is_some(),
            Any => is_there(name),
        };
        if !required.iter().all(fits) {
            return None;
        }
        let has_text = WITH_TEXT.contains(&kind);
        let delta = object.text("delta").filter(|_| has_text).map(Into::into);
        let mut members: Vec<(String, Box<RawValue>)> = Vec::new();
        for (name, value) in object.members() {
            let is_left_out = matches!(name, "type" | "metadata") || (has_text && name == "delta");
            let is_absent = value.get() == "null" && !MAY_BE_NULL.contains(&name);
            if is_left_out || is_absent {
                continue;
            }
            let is_text = value.get().starts_with('"');
            let value = if required.contains(&(name, TextOfJson)) && !is_text {
                json::string(value.get())
            } else {
                value.to_owned()
            };
            // Of two members of one name, the last counts.
            members.retain(|(other, _)| other != name);
            members.push((name.to_owned(), value));
        }
        if kind == "REASONING_MESSAGE_START" {
            members.retain(|(name, _)| name != "role");
            members.push(("role".to_owned(), json::string("reasoning")));
        }
        let metadata = object.object("metadata");
        let metadata = metadata.iter().flat_map(Object::members);
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Self { kind, members, delta, metadata })
    }

    /// The text in a member.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.members.iter().find(|(other, _)| other == name)?;
        json::text(value).map(Into::into)
    }

    /// The memory that it holds, in bytes, apart from a small constant.
    #[must_use]
    pub fn weight(&self) -> usize {
        let members = self.members.iter().chain(&self.metadata);
        let members: usize = members.map(|(name, value)| name.len() + value.get().len()).sum();
        members + self.delta.as_ref().map_or(0, String::len)
    }

    /// Whether the text of `next` goes on where this one's ends.
    #[must_use]
    pub fn is_continued_by(&self, next: &Self) -> bool {
        let same =
            |(one, other): (&Member, &Member)| one.0 == other.0 && one.1.get() == other.1.get();
        self.kind == next.kind
            && self.delta.is_some()
            && next.delta.is_some()
            && self.metadata.is_empty()
            && next.metadata.is_empty()
            && self.members.len() == next.members.len()
            && self.members.iter().zip(&next.members).all(same)
    }
}
