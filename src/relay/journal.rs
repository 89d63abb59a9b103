//! What a run has said: kept when a frame is cut, before it is posted, so that a client that has lost its
//! connection gets the rest over another.
//!
//! A client says how far it has come, and gets what is behind that, with neighbouring text as one frame.
//! Such a frame, and one before which signs of life were left out, says in `metadata.relay.after` where it
//! begins: it stands for everything behind that number, up to its own. The numbers are those that the
//! frames had when they were cut, whichever connection they went over:
//!
//! - A frame that is larger than a post has as many numbers as it takes fragments. Where a frame may have
//!   any size, as over HTTP, it is sent whole, with the number of its last fragment and with `after`.
//! - Messages and tool calls keep the form in which the run began: with beginnings and ends if that was
//!   over HTTP, in chunks if it was over a WebSocket. Both are AG-UI's, and to make one of the other would
//!   change the numbers.
//!
//! So a run may be joined over either transport, and a client that has been cut off goes on over either.
//!
//! Signs of life are left out, but for one that is the newest frame. When the journal has grown beyond its
//! bound, the oldest goes; who asks for that sees a gap, since the first frame then begins behind what they
//! have.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::agui::RunIds;
use crate::relay::cut::{Cut, CutKind};
use crate::relay::outbox::fragment;

pub mod kept;

/// The most bytes that a journal keeps. An answer has some kilobytes; what is larger are traces and files.
pub const MAX_JOURNAL: usize = 4 * 1024 * 1024;

/// How many bytes `,"after":` and the largest number take: so much smaller than a post a frame must have
/// been cut.
pub const ROOM_FOR_AFTER: usize = 29;

/// What every frame ends with: its `relay`, its `metadata`, and itself.
const END: &str = "}}}";

/// What a run has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    ids: RunIds,
    /// The largest frame that it makes, in bytes.
    max_frame: usize,
    /// `RUN_STARTED`, which is the frame with the number 0.
    start: Vec<u8>,
    /// The other frames, in order.
    entries: VecDeque<Entry>,
    /// The sum of what they hold.
    bytes: usize,
    /// The number of the oldest frame after `RUN_STARTED` that is still here.
    first_seq: u64,
    /// The number that the next frame has.
    next_seq: u64,
    /// What the newest piece of text stands in.
    form: Option<Arc<TextForm>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// The frame's number, or that of its last fragment.
    last_seq: u64,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    /// A piece of text, as it stands in JSON.
    Text { form: Arc<TextForm>, content: Box<str> },
    /// A frame's JSON.
    Frame(Box<str>),
    /// The JSON of a frame that is larger than a post, and where its fragments end.
    Fragmented { json: Box<str>, ends: Box<[usize]> },
    /// A sign of life. It goes when another frame comes.
    Keepalive(Box<str>),
}

/// What is the same in the JSON of all pieces of one text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TextForm {
    /// What stands before the text.
    head: Box<str>,
    /// What stands between the text and the number.
    tail: Box<str>,
}

/// A frame to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Its JSON.
    pub frame: Vec<u8>,
    /// The number of the first frame that it does not stand for: what is wanted next.
    pub next_seq: u64,
}

impl Journal {
    /// An empty journal, which makes frames of at most so many bytes. Those that it is given must be smaller
    /// by [`ROOM_FOR_AFTER`].
    #[must_use]
    pub fn new(ids: RunIds, max_frame: usize) -> Self {
        Self {
            ids,
            max_frame,
            start: Vec::new(),
            entries: VecDeque::new(),
            bytes: 0,
            first_seq: 1,
            next_seq: 0,
            form: None,
        }
    }

    /// Keeps a frame.
    pub fn push(&mut self, cut: &Cut) {
        let last_seq = cut.last_seq();
        self.next_seq = last_seq + 1;
        let Cut { seq, json, kind } = cut;
        if *kind == CutKind::Start && *seq == 0 {
            self.start.clone_from(json);
            return;
        }
        let json = text_of(json);
        let body = match kind {
            CutKind::Text { delta } => self.text(*seq, &json, delta.clone()),
            CutKind::Fragmented { ends } => {
                Body::Fragmented { json: json.into(), ends: ends.as_slice().into() }
            }
            CutKind::Keepalive => Body::Keepalive(json.into()),
            CutKind::Start | CutKind::Other => Body::Frame(json.into()),
        };
        self.push_entry(Entry { last_seq, body });
    }

    fn push_entry(&mut self, entry: Entry) {
        if self.entries.back().is_some_and(|last| matches!(last.body, Body::Keepalive(_)))
            && let Some(keepalive) = self.entries.pop_back()
        {
            self.bytes -= keepalive.weight();
        }
        self.bytes += entry.weight();
        self.entries.push_back(entry);
    }

    /// A piece of text, if its JSON ends with its number; else a frame like any other.
    fn text(&mut self, seq: u64, json: &str, delta: Range<usize>) -> Body {
        let parts = || {
            let tail = json.get(delta.end..)?.strip_suffix(END)?.strip_suffix(&seq.to_string())?;
            Some((json.get(..delta.start)?, json.get(delta)?, tail))
        };
        let Some((head, content, tail)) = parts() else { return Body::Frame(json.into()) };
        Body::Text { form: self.form_of(head, tail), content: content.into() }
    }

    /// What a piece of text stands in: the same as for the piece before, most of the time.
    fn form_of(&mut self, head: &str, tail: &str) -> Arc<TextForm> {
        match &self.form {
            Some(form) if &*form.head == head && &*form.tail == tail => Arc::clone(form),
            _ => {
                let form = Arc::new(TextForm { head: head.into(), tail: tail.into() });
                self.form = Some(Arc::clone(&form));
                form
            }
        }
    }

    /// The number that the next frame has.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether everything from the number `seq` on is still here.
    #[must_use]
    pub fn has(&self, seq: u64) -> bool {
        self.first_seq <= seq.max(1)
    }

    /// Whether there is anything to be posted to somebody who has everything before the number `seq`.
    #[must_use]
    pub fn has_frame_from(&self, seq: u64) -> bool {
        let has_start = seq == 0 && self.next_seq > 0;
        has_start || self.entries.back().is_some_and(|newest| newest.last_seq >= seq)
    }

    /// Lets the oldest frames go while there is more than the bound, but none from the number `wanted` on:
    /// those have not been posted yet.
    pub fn forget_oldest(&mut self, wanted: u64) {
        while self.bytes > MAX_JOURNAL
            && let Some(oldest) = self.entries.pop_front_if(|oldest| oldest.last_seq < wanted)
        {
            self.bytes -= oldest.weight();
            self.first_seq = oldest.last_seq + 1;
        }
    }

    /// What is to be posted to somebody who has everything before the number `seq`; `None` if that is
    /// nothing yet. With `whole` a frame may have any size, and none is cut into fragments.
    #[must_use]
    pub fn frame_from(&self, seq: u64, whole: bool) -> Option<Replayed> {
        self.frame_between(seq, u64::MAX, whole)
    }

    /// The same, of what was there when the number `before` was the next.
    #[must_use]
    pub fn frame_between(&self, seq: u64, before: u64, whole: bool) -> Option<Replayed> {
        if seq == 0 && self.next_seq > 0 {
            return Some(Replayed { frame: self.start.clone(), next_seq: 1 });
        }
        // Who asks for what has gone gets a frame that begins behind what they have.
        let from = seq.max(self.first_seq);
        let index = self.entries.partition_point(|entry| entry.last_seq < from);
        let Entry { last_seq, body } = self.entries.get(index)?;
        let last_seq = *last_seq;
        let (frame, last_seq) = match body {
            Body::Text { form, content } => {
                self.merged_text(form, content, last_seq, index, from..before)
            }
            Body::Frame(json) | Body::Keepalive(json) => {
                (with_after(json, last_seq, from), last_seq)
            }
            Body::Fragmented { json, ends } => {
                let first_seq = last_seq + 1 - ends.len() as u64;
                if whole {
                    (with_last_seq(json, first_seq, last_seq, from), last_seq)
                } else {
                    let index = from.saturating_sub(first_seq);
                    let seq = first_seq + index;
                    let index = usize::try_from(index).unwrap_or(usize::MAX);
                    let fragment = fragment(&self.ids, first_seq, json, ends, index);
                    let frame = text_of(&fragment);
                    (with_after(&frame, seq, from), seq)
                }
            }
        };
        Some(Replayed { frame: frame.into_bytes(), next_seq: last_seq + 1 })
    }

    /// All frames after `RUN_STARTED`, each whole.
    pub fn whole_frames(&self) -> impl Iterator<Item = Vec<u8>> {
        let mut seq = 1;
        std::iter::from_fn(move || {
            let replayed = self.frame_from(seq, true)?;
            seq = replayed.next_seq;
            Some(replayed.frame)
        })
    }

    /// The frame of the text at `index`, and of as many pieces behind it as fit. With its number.
    fn merged_text(
        &self,
        form: &Arc<TextForm>,
        content: &str,
        mut last_seq: u64,
        index: usize,
        numbers: Range<u64>,
    ) -> (String, u64) {
        let around = form.head.len() + form.tail.len() + END.len() + 20 + ROOM_FOR_AFTER;
        let room = self.max_frame.saturating_sub(around);
        let mut frame = String::with_capacity(form.head.len() + content.len() + 100);
        frame.push_str(&form.head);
        frame.push_str(content);
        let mut len = content.len();
        for entry in self.entries.range(index + 1..) {
            let Body::Text { form: other, content } = &entry.body else { break };
            len += content.len();
            let is_alike = Arc::ptr_eq(form, other) || form == other;
            if len > room || !is_alike || entry.last_seq >= numbers.end {
                break;
            }
            frame.push_str(content);
            last_seq = entry.last_seq;
        }
        frame.push_str(&form.tail);
        frame.push_str(&last_seq.to_string());
        push_after(&mut frame, last_seq, numbers.start);
        frame.push_str(END);
        (frame, last_seq)
    }
}

impl Entry {
    /// The memory that it holds, in bytes.
    fn weight(&self) -> usize {
        size_of::<Self>()
            + match &self.body {
                // Most of the time its form is that of its neighbours.
                Body::Text { content, .. } => content.len(),
                Body::Frame(json) | Body::Keepalive(json) => json.len(),
                Body::Fragmented { json, ends } => json.len() + size_of_val(&**ends),
            }
    }
}

/// Says where a frame begins that has the number `seq` and stands for everything from `from` on, unless its
/// number says so.
fn push_after(frame: &mut String, seq: u64, from: u64) {
    if from < seq {
        frame.push_str(",\"after\":");
        frame.push_str(&from.saturating_sub(1).to_string());
    }
}

/// The same frame, that stands for everything from `from` on.
fn with_after(json: &str, seq: u64, from: u64) -> String {
    let (Some(stem), true) = (json.strip_suffix(END), from < seq) else { return json.to_owned() };
    let mut frame = String::with_capacity(json.len() + ROOM_FOR_AFTER);
    frame.push_str(stem);
    push_after(&mut frame, seq, from);
    frame.push_str(END);
    frame
}

/// A frame that is sent whole, though it has the numbers of its fragments.
fn with_last_seq(json: &str, first_seq: u64, last_seq: u64, from: u64) -> String {
    let number = format!("\"seq\":{first_seq}");
    // It is the last in the frame: what stands behind it has other names, and no quotation marks of its own.
    let Some(place) = json.rfind(&number) else { return with_after(json, last_seq, from) };
    let (before, behind) = (&json[..place], &json[place + number.len()..]);
    with_after(&format!("{before}\"seq\":{last_seq}{behind}"), last_seq, from)
}

/// JSON is UTF-8. What is not, is no frame of this crate, and is shown as such.
fn text_of(json: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(json)
}

#[cfg(test)]
mod tests;
