//! What waits for the connection: frames in order, adjacent text of one message as one, cut to size when
//! its turn comes.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::agui::{EventForm, Fragment, Frame, FrameJson, RunIds};
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
    id: String,
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
            Frame::ToolResult { .. } | Frame::RunFinished { .. } | Frame::RunError { .. } => {
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

    /// Takes back a terminal frame that is still waiting, so that another can take its place.
    pub fn take_back_terminal(&mut self) {
        if let Some(Frame::RunFinished { .. } | Frame::RunError { .. }) = self.waiting.back()
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

    /// How many frames have been taken.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.next_seq
    }

    /// Takes the next frame, as much text in it as fits.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        let frame = match self.fragments.take() {
            Some(fragments) => self.fragment_frame(fragments),
            None => match self.waiting.pop_front()? {
                Frame::Text { message_id, delta } => {
                    let frame = |message_id, delta| Frame::Text { message_id, delta };
                    self.text_frame(RunIds::text, message_id, delta, frame)
                }
                Frame::Reasoning { message_id, delta } => {
                    let frame = |message_id, delta| Frame::Reasoning { message_id, delta };
                    self.text_frame(RunIds::reasoning, message_id, delta, frame)
                }
                Frame::Agui(event) if event.delta.is_some() => self.agui_frame(event),
                frame => self.other_frame(&frame),
            },
        };
        self.next_seq += 1;
        Some(frame)
    }

    /// The frame of `text`, or of its longest beginning that fits; the rest goes back to the front.
    fn text_frame(
        &mut self,
        json: impl for<'a> Fn(&'a RunIds, u64, &'a str, &'a str) -> FrameJson<'a>,
        message_id: Arc<str>,
        mut text: String,
        rest: impl FnOnce(Arc<str>, String) -> Frame,
    ) -> Vec<u8> {
        let room = self.room(&json(&self.ids, self.next_seq, &message_id, ""));
        let end = fitting_prefix(&text, room);
        let frame = serialise(&json(&self.ids, self.next_seq, &message_id, &text[..end]));
        self.weight -= end;
        if end < text.len() {
            text.drain(..end);
            self.waiting.push_front(rest(message_id, text));
        }
        frame
    }

    /// The frame of an event with text, or with the longest beginning of its text that fits; the rest goes
    /// back to the front.
    fn agui_frame(&mut self, mut event: AguiEvent) -> Vec<u8> {
        let delta = event.delta.take().unwrap_or_default();
        let room = self.room(&self.ids.agui(self.next_seq, &event, Some("")));
        if room < self.max_frame / 2 && json_string_len(&delta) > room {
            // What belongs to the event is too large to go with each piece of its text.
            event.delta = Some(delta);
            return self.other_frame(&Frame::Agui(event));
        }
        let end = fitting_prefix(&delta, room);
        let frame = serialise(&self.ids.agui(self.next_seq, &event, Some(&delta[..end])));
        // What belongs to the event goes with each of its pieces, but waits only once.
        self.weight -= end;
        if end < delta.len() {
            event.delta = Some(delta[end..].to_owned());
            self.waiting.push_front(Frame::Agui(event));
        } else {
            self.weight -= event.weight();
        }
        frame
    }

    /// Any other frame, or its first fragment.
    fn other_frame(&mut self, frame: &Frame) -> Vec<u8> {
        self.weight -= frame.weight();
        let json = serialise(&self.ids.json(self.next_seq, frame));
        if json.len() <= self.max_frame {
            return json;
        }
        let fragments = self.cut(json);
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
    fn room(&self, empty: &FrameJson<'_>) -> usize {
        self.max_frame.saturating_sub(serialise(empty).len())
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
fn serialise(frame: &FrameJson<'_>) -> Vec<u8> {
    serde_json::to_vec(frame).expect("a frame can be serialised")
}

#[expect(clippy::expect_used, reason = "serde_json writes nothing but UTF-8")]
fn into_text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("JSON is UTF-8")
}
