//! What waits for the connection: frames in order, adjacent text of one message as one, cut to size when
//! its turn comes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::agui::{EventForm, Fragment, Frame, FrameJson, RunIds};
use crate::relay::cut::{Cut, CutKind, place_of_text};
use crate::source::event::AguiEvent;

/// The frames of one run that have not been posted yet.
#[derive(Debug)]
pub struct Outbox {
    ids: RunIds,
    max_frame: usize,
    next_seq: u64,
    waiting: VecDeque<Frame>,
    /// The sum of their weights.
    weight: usize,
    /// A frame that was too large for one post and is not wholly sent yet.
    fragments: Option<Fragments>,
    /// The message that has begun and is not at its end, where messages have beginnings and ends.
    open_message: Option<Arc<str>>,
    /// The message of the last tool call, and the last one of whose calls one has its result, there.
    calling_message: Option<Arc<str>>,
    answered_message: Option<Arc<str>>,
}

/// A frame's text, cut into pieces.
#[derive(Debug)]
struct Fragments {
    /// The number of the first.
    first_seq: u64,
    text: String,
    /// Where each piece ends.
    ends: Vec<usize>,
    next: usize,
}

impl Outbox {
    /// An empty outbox whose frames are at most so many bytes; of any size with `None`.
    #[must_use]
    pub fn new(ids: RunIds, max_frame: Option<usize>) -> Self {
        let max_frame = max_frame.unwrap_or(usize::MAX);
        Self {
            ids,
            max_frame,
            next_seq: 0,
            waiting: VecDeque::new(),
            weight: 0,
            fragments: None,
            open_message: None,
            calling_message: None,
            answered_message: None,
        }
    }

    /// The same outbox, whose first frame has the number `seq`.
    #[must_use]
    pub fn starting_at(self, seq: u64) -> Self {
        Self { next_seq: seq, ..self }
    }

    /// The ids that its frames carry.
    #[must_use]
    pub fn ids(&self) -> &RunIds {
        &self.ids
    }

    /// Adds a frame behind the others.
    pub fn push(&mut self, frame: Frame) {
        match self.ids.form {
            EventForm::Chunks => self.enqueue(frame),
            EventForm::StartAndEnd => self.push_with_start_and_end(frame),
        }
    }

    /// Adds a frame, with the beginnings and ends of what it is a part of.
    fn push_with_start_and_end(&mut self, frame: Frame) {
        match &frame {
            Frame::Text { message_id, .. } if self.open_message.as_ref() != Some(message_id) => {
                let message_id = message_id.clone();
                self.end_message();
                self.open_message = Some(message_id.clone());
                self.enqueue(Frame::TextStart { message_id });
            }
            // A message can't go on once it has ended: clients would have it twice. So it ends with what
            // comes behind all of it.
            Frame::ToolResult { .. }
            | Frame::RunFinished { .. }
            | Frame::RunStopped { .. }
            | Frame::HistoryFinished { .. }
            | Frame::RunError { .. } => {
                self.end_message();
            }
            _ => {}
        }
        match frame {
            Frame::ReasoningStart { message_id } => {
                self.enqueue(Frame::ReasoningStart { message_id: message_id.clone() });
                self.enqueue(Frame::ReasoningTextStart { message_id });
            }
            Frame::ReasoningEnd { message_id } => {
                self.enqueue(Frame::ReasoningTextEnd { message_id: message_id.clone() });
                self.enqueue(Frame::ReasoningEnd { message_id });
            }
            Frame::ToolResult { .. } => {
                self.answered_message = self.calling_message.clone();
                self.enqueue(frame);
            }
            Frame::ToolCall { message_id, id, name, arguments } => {
                let id: Arc<str> = id.into();
                // Behind the result of another call, it is a message of its own: clients put a call only
                // to the last message, and would make that one anew.
                let is_last = self.answered_message.as_ref() != Some(&message_id);
                self.calling_message = Some(message_id.clone());
                let message_id = is_last.then_some(message_id);
                self.enqueue(Frame::ToolCallStart { message_id, id: id.clone(), name });
                self.enqueue(Frame::ToolCallArguments { id: id.clone(), arguments });
                self.enqueue(Frame::ToolCallEnd { id });
            }
            frame => self.enqueue(frame),
        }
    }

    fn end_message(&mut self) {
        if let Some(message_id) = self.open_message.take() {
            self.enqueue(Frame::TextEnd { message_id });
        }
    }

    fn enqueue(&mut self, frame: Frame) {
        self.weight += frame.weight();
        match (self.waiting.back_mut(), &frame) {
            (
                Some(Frame::Text { message_id: of, delta: last }),
                Frame::Text { message_id, delta },
            )
            | (
                Some(Frame::Reasoning { message_id: of, delta: last }),
                Frame::Reasoning { message_id, delta },
            ) if of == message_id => last.push_str(delta),
            (Some(Frame::Agui(last)), Frame::Agui(next)) if last.is_continued_by(next) => {
                self.weight -= frame.weight();
                if let (Some(last), Some(next)) = (&mut last.delta, &next.delta) {
                    self.weight += next.len();
                    last.push_str(next);
                }
            }
            _ => self.waiting.push_back(frame),
        }
    }

    /// Drops all that waits: nobody wants it any more.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.fragments = None;
        self.weight = 0;
    }

    /// Takes back a terminal frame that is still waiting, so that another can take its place.
    pub fn take_back_terminal(&mut self) {
        if let Some(Frame::RunFinished { .. } | Frame::RunStopped { .. } | Frame::RunError { .. }) =
            self.waiting.back()
            && let Some(end) = self.waiting.pop_back()
        {
            self.weight -= end.weight();
        }
    }

    /// The memory that the waiting frames hold, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight + self.fragments.as_ref().map_or(0, |fragments| fragments.text.len())
    }

    /// Takes the next frame or fragment, as much text in it as fits.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        let mut fragments = match self.fragments.take() {
            Some(fragments) => fragments,
            None => match self.cut()? {
                Cut { seq, json, kind: CutKind::Fragmented { ends } } => {
                    Fragments { first_seq: seq, text: into_text(json), ends, next: 0 }
                }
                cut => return Some(cut.json),
            },
        };
        let Fragments { first_seq, ref text, ref ends, next } = fragments;
        let frame = fragment(&self.ids, first_seq, text, ends, next);
        fragments.next += 1;
        if fragments.next < fragments.ends.len() {
            self.fragments = Some(fragments);
        }
        Some(frame)
    }

    /// Takes the next frame whole, as much text in it as fits. One that is too large has as many numbers as
    /// it takes fragments.
    pub fn cut(&mut self) -> Option<Cut> {
        let cut = match self.waiting.pop_front()? {
            Frame::Text { message_id, delta } => {
                let frame = |message_id, delta| Frame::Text { message_id, delta };
                self.cut_text(RunIds::text, message_id, delta, frame)
            }
            Frame::Reasoning { message_id, delta } => {
                let frame = |message_id, delta| Frame::Reasoning { message_id, delta };
                self.cut_text(RunIds::reasoning, message_id, delta, frame)
            }
            Frame::Agui(event) if event.delta.is_some() => self.cut_agui(event),
            frame => self.cut_other(&frame),
        };
        self.next_seq = cut.last_seq() + 1;
        Some(cut)
    }

    /// The frame of `text`, or of its longest beginning that fits; the rest goes back to the front.
    fn cut_text(
        &mut self,
        json: impl for<'a> Fn(&'a RunIds, u64, &'a str, &'a str) -> FrameJson<'a>,
        message_id: Arc<str>,
        mut text: String,
        rest: impl FnOnce(Arc<str>, String) -> Frame,
    ) -> Cut {
        let seq = self.next_seq;
        let empty = serialise(&json(&self.ids, seq, &message_id, ""));
        let end = fitting_prefix(&text, self.max_frame.saturating_sub(empty.len()));
        let frame = serialise(&json(&self.ids, seq, &message_id, &text[..end]));
        self.weight -= end;
        if end < text.len() {
            text.drain(..end);
            self.waiting.push_front(rest(message_id, text));
        }
        let delta = place_of_text(&frame, &empty);
        Cut { seq, json: frame, kind: CutKind::Text { delta } }
    }

    /// The frame of an event with text, or with the longest beginning of its text that fits; the rest goes
    /// back to the front.
    fn cut_agui(&mut self, mut event: AguiEvent) -> Cut {
        let seq = self.next_seq;
        let delta = event.delta.take().unwrap_or_default();
        let empty = serialise(&self.ids.agui(seq, &event, Some("")));
        let room = self.max_frame.saturating_sub(empty.len());
        if room < self.max_frame / 2 && json_string_len(&delta) > room {
            // What belongs to the event is too large to go with each piece of its text.
            event.delta = Some(delta);
            return self.cut_other(&Frame::Agui(event));
        }
        let end = fitting_prefix(&delta, room);
        let is_bare = event.metadata.is_empty();
        let json = serialise(&self.ids.agui(seq, &event, Some(&delta[..end])));
        let place = place_of_text(&json, &empty);
        // What belongs to the event goes with each of its pieces, but waits only once.
        self.weight -= end;
        if end < delta.len() {
            event.delta = Some(delta[end..].to_owned());
            self.waiting.push_front(Frame::Agui(event));
        } else {
            self.weight -= event.weight();
        }
        // Clients have what belongs to an event as often as it was sent, so only bare text is merged, as
        // the outbox does it.
        let kind = if is_bare { CutKind::Text { delta: place } } else { CutKind::Other };
        Cut { seq, json, kind }
    }

    /// Any other frame.
    fn cut_other(&mut self, frame: &Frame) -> Cut {
        self.weight -= frame.weight();
        let seq = self.next_seq;
        let json = serialise(&self.ids.json(seq, frame));
        if json.len() > self.max_frame {
            let text = into_text(json);
            let ends = self.ends_of_fragments(&text);
            return Cut { seq, json: text.into_bytes(), kind: CutKind::Fragmented { ends } };
        }
        let kind = match frame {
            Frame::RunStarted | Frame::JoinableRunStarted { .. } => CutKind::Start,
            Frame::Keepalive => CutKind::Keepalive,
            _ => CutKind::Other,
        };
        Cut { seq, json, kind }
    }

    /// Where the fragments of a frame end, of which the first has the next number.
    fn ends_of_fragments(&self, text: &str) -> Vec<usize> {
        // There are at most as many pieces as bytes, so the numbers are nowhere longer than this.
        let most = text.len();
        let id = fragments_id(&self.ids, self.next_seq);
        let widest = Fragment { id: &id, index: most, count: most, data: "" };
        let last_seq = self.next_seq + most as u64;
        let room = self.room(&self.ids.fragment(last_seq, &widest));
        let mut ends = Vec::new();
        let mut start = 0;
        while start < text.len() {
            start += fitting_prefix(&text[start..], room);
            ends.push(start);
        }
        ends
    }

    /// How many bytes of a JSON string fit into a frame, of which `empty` is one with none.
    fn room(&self, empty: &FrameJson<'_>) -> usize {
        self.max_frame.saturating_sub(serialise(empty).len())
    }
}

/// The frame of one fragment of the frame `text`, whose first has the number `first_seq`.
pub(super) fn fragment(
    ids: &RunIds,
    first_seq: u64,
    text: &str,
    ends: &[usize],
    index: usize,
) -> Vec<u8> {
    let start = if index == 0 { 0 } else { ends[index - 1] };
    let id = fragments_id(ids, first_seq);
    let data = &text[start..ends[index]];
    let fragment = Fragment { id: &id, index, count: ends.len(), data };
    serialise(&ids.fragment(first_seq + index as u64, &fragment))
}

/// Which frame fragments are pieces of.
fn fragments_id(ids: &RunIds, first_seq: u64) -> String {
    format!("{}:{first_seq}", ids.run_id)
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

/// How many bytes a text takes as the inside of a JSON string.
fn json_string_len(text: &str) -> usize {
    text.chars().map(json_len).sum()
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
pub(super) fn serialise(frame: &FrameJson<'_>) -> Vec<u8> {
    serde_json::to_vec(frame).expect("a frame can be serialised")
}

#[expect(clippy::expect_used, reason = "serde_json writes nothing but UTF-8")]
fn into_text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("JSON is UTF-8")
}
