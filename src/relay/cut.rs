//! A frame that has been cut: from now on its text and its number are certain.

use std::ops::Range;

/// A frame of a run, as [`Outbox::cut`](crate::relay::outbox::Outbox::cut) makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its number, or that of its first fragment.
    pub seq: u64,
    /// Its JSON.
    pub json: Vec<u8>,
    /// What can be made of it later.
    pub kind: CutKind,
}

/// What can be made of a frame that has been cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CutKind {
    /// `RUN_STARTED`, the first frame of a run: it carries the key that the run is joined with.
    Start,
    /// A piece of text, which may be posted again together with its neighbours.
    Text {
        /// Where the text stands in the JSON, without the quotation marks around it. Never empty.
        delta: Range<usize>,
    },
    /// It is too large for one post. Where there is a largest frame, it is posted in fragments.
    Fragmented {
        /// Where each fragment ends in the JSON. The first begins at 0.
        ends: Vec<usize>,
    },
    /// The sign that nothing has happened.
    Keepalive,
    /// Any other, which is posted as it is.
    Other,
}

impl Cut {
    /// The number of its last fragment, or its own.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        match &self.kind {
            CutKind::Fragmented { ends } => self.seq + (ends.len() as u64).saturating_sub(1),
            _ => self.seq,
        }
    }
}

/// Where the text stands in the JSON of a frame, of which `empty` is the same without any: up to the text's
/// first character the two are the same, since none begins with a quotation mark in JSON.
pub(super) fn place_of_text(json: &[u8], empty: &[u8]) -> Range<usize> {
    let start = json.iter().zip(empty).take_while(|(one, other)| one == other).count();
    start..start + json.len().saturating_sub(empty.len())
}
