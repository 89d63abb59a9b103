//! Events that a source has in AG-UI's own form.

use serde_json::value::RawValue;

use crate::json::{self, Object};
use crate::source::event::agui_schema;

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
    /// a shape that can't be mended.
    pub(crate) fn read(kind: &str, object: &Object<'_>) -> Option<Self> {
        let (kind, fitted) = agui_schema::event(kind, object)?;
        let has_text = WITH_TEXT.contains(&kind);
        let (mut delta, mut metadata) = (None, Vec::new());
        let mut members: Vec<Member> = Vec::with_capacity(fitted.len());
        for (name, value) in fitted {
            match name {
                "type" => {}
                "delta" if has_text => delta = json::text(&value).map(Into::into),
                "metadata" => metadata = members_of(&value),
                _ => members.push((name.to_owned(), value.into_owned())),
            }
        }
        if kind == "REASONING_MESSAGE_START" {
            members.retain(|(name, _)| name != "role");
            members.push(("role".to_owned(), json::string("reasoning")));
        }
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

/// The members of an object.
fn members_of(value: &RawValue) -> Vec<Member> {
    let object = Object::parse(value.get());
    let members = object.iter().flat_map(Object::members);
    members.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
