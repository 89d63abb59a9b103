//! What waits for the connection: events in order, adjacent text as one, cut to size when its turn
//! comes.

use std::collections::VecDeque;

use crate::agui::{Event, Fragment, Frame, RunIds};

/// The largest post, in bytes of UTF-8. API Gateway takes 128 KiB a message but delivers it in
/// WebSocket frames of at most 32 KiB, and bills in units of that size (quotas page of WebSocket
/// APIs).
pub const LARGEST_FRAME: usize = 32 * 1024;

/// The events of one run that have not been posted yet.
#[derive(Debug)]
pub struct Outbox {
    ids: RunIds,
    largest: usize,
    next_seq: u64,
    events: VecDeque<Event>,
    /// The sum of the events' weights.
    weight: usize,
    /// A frame that was too large for one post and is not wholly sent yet.
    fragments: Option<Fragments>,
}

/// A frame's text, cut into pieces.
#[derive(Debug)]
struct Fragments {
    id: String,
    text: String,
    /// Where each piece ends.
    ends: Vec<usize>,
    next: usize,
}

impl Outbox {
    /// An empty outbox whose frames are at most `largest` bytes.
    #[must_use]
    pub fn new(ids: RunIds, largest: usize) -> Self {
        Self { ids, largest, next_seq: 0, events: VecDeque::new(), weight: 0, fragments: None }
    }

    /// Adds an event behind the others.
    pub fn push(&mut self, event: Event) {
        self.weight += event.weight();
        if let (Some(Event::Text(waiting)), Event::Text(text)) = (self.events.back_mut(), &event) {
            waiting.push_str(text);
        } else {
            self.events.push_back(event);
        }
    }

    /// Takes back a terminal event that is still waiting, so that another can take its place.
    pub fn withdraw_end(&mut self) {
        if let Some(Event::RunFinished { .. } | Event::RunError { .. }) = self.events.back()
            && let Some(end) = self.events.pop_back()
        {
            self.weight -= end.weight();
        }
    }

    /// The memory that the waiting events hold, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight + self.fragments.as_ref().map_or(0, |fragments| fragments.text.len())
    }

    /// How many frames have been taken.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.next_seq
    }

    /// Takes the next frame, as much text in it as fits.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        let frame = match self.fragments.take() {
            Some(fragments) => self.fragment_frame(fragments),
            None => match self.events.pop_front()? {
                Event::Text(text) => self.text_frame(text),
                event => self.event_frame(&event),
            },
        };
        self.next_seq += 1;
        Some(frame)
    }

    /// The frame of `text`, or of its longest beginning that fits; the rest goes back to the front.
    fn text_frame(&mut self, mut text: String) -> Vec<u8> {
        let room = self.room(&self.ids.text(self.next_seq, ""));
        let end = fitting_prefix(&text, room);
        let frame = serialise(&self.ids.text(self.next_seq, &text[..end]));
        self.weight -= end;
        if end < text.len() {
            text.drain(..end);
            self.events.push_front(Event::Text(text));
        }
        frame
    }

    /// The frame of any other event, or its first fragment.
    fn event_frame(&mut self, event: &Event) -> Vec<u8> {
        self.weight -= event.weight();
        let frame = serialise(&self.ids.frame(self.next_seq, event));
        if frame.len() <= self.largest {
            return frame;
        }
        let fragments = self.cut(frame);
        self.fragment_frame(fragments)
    }

    /// The next fragment; what is left of the fragments stays for later.
    fn fragment_frame(&mut self, mut fragments: Fragments) -> Vec<u8> {
        let frame = serialise(&self.ids.fragment(self.next_seq, &fragments.current()));
        fragments.next += 1;
        if fragments.next < fragments.ends.len() {
            self.fragments = Some(fragments);
        }
        frame
    }

    fn cut(&self, frame: Vec<u8>) -> Fragments {
        let id = format!("{}:{}", self.ids.run_id, self.next_seq);
        let text = into_text(frame);
        // There are at most as many pieces as bytes, so the numbers are nowhere longer than this.
        let most = text.len();
        let widest = Fragment { id: &id, index: most, count: most, data: "" };
        let last_seq = self.next_seq + most as u64;
        let room = self.room(&self.ids.fragment(last_seq, &widest));
        let mut ends = Vec::new();
        let mut start = 0;
        while start < text.len() {
            start += fitting_prefix(&text[start..], room);
            ends.push(start);
        }
        Fragments { id, text, ends, next: 0 }
    }

    /// How many bytes of a JSON string fit into a frame, of which `empty` is one with none.
    fn room(&self, empty: &Frame<'_>) -> usize {
        self.largest.saturating_sub(serialise(empty).len())
    }
}

impl Fragments {
    fn current(&self) -> Fragment<'_> {
        let start = if self.next == 0 { 0 } else { self.ends[self.next - 1] };
        Fragment {
            id: &self.id,
            index: self.next,
            count: self.ends.len(),
            data: &self.text[start..self.ends[self.next]],
        }
    }
}

/// The length of the longest beginning of `text` that takes at most `room` bytes as the inside of a
/// JSON string, cut between characters; at least one character, so that there is always progress.
fn fitting_prefix(text: &str, room: usize) -> usize {
    // The longest escape, \u0000, makes six bytes of one.
    if text.len() <= room / 6 {
        return text.len();
    }
    let mut taken = 0;
    for (index, char) in text.char_indices() {
        taken += json_len(char);
        if taken > room && index > 0 {
            return index;
        }
    }
    text.len()
}

/// How many bytes `serde_json` writes for a character inside a string.
fn json_len(char: char) -> usize {
    match char {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        control if control < ' ' => 6,
        other => other.len_utf8(),
    }
}

#[expect(
    clippy::expect_used,
    reason = "writing to memory does not fail, and every map in a frame has strings as keys"
)]
fn serialise(frame: &Frame<'_>) -> Vec<u8> {
    serde_json::to_vec(frame).expect("a frame can be serialised")
}

#[expect(clippy::expect_used, reason = "serde_json writes nothing but UTF-8")]
fn into_text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("JSON is UTF-8")
}
