//! What a service says, as the lines of a timeline.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use aws_smithy_types::event_stream::{Header, Message};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use tokio::time::Instant;

use super::json::Json;
use super::timeline_folder::MAX_FILE_BYTES;

/// How the frames of one service are written down.
pub(crate) trait Recorded: Send + 'static {
    /// The event of a frame that timelines have a short form for, if that has all of it.
    fn event(message: &Message) -> Option<String>;

    /// A line in which placeholders stand for the ids of this session.
    fn with_placeholders(&self, line: String) -> String;

    /// The session that says this.
    fn session_id(&self) -> &str;
}

/// The file that turns are written to.
#[derive(Debug)]
pub(crate) struct RecordingFile {
    path: PathBuf,
    /// How many turns it has.
    turns: Mutex<usize>,
}

impl RecordingFile {
    /// Makes the file, which only its owner may read; it must not exist.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { path: path.to_owned(), turns: Mutex::new(0) })
    }

    /// Adds a turn, and returns its number. After an error it is as it was before.
    pub(crate) fn add(&self, lines: &str) -> io::Result<usize> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        let length = file.metadata()?.len();
        let turn = *turns + 1;
        let text = format!("{{\"turn\":{turn}}}\n{lines}");
        if length + text.len() as u64 > MAX_FILE_BYTES {
            return Err(io::Error::other("the file would be larger than `/play` reads"));
        }
        if let Err(error) = file.write_all(text.as_bytes()) {
            let _ = file.set_len(length);
            return Err(error);
        }
        *turns = turn;
        Ok(turn)
    }
}

/// A turn that is being recorded.
pub(crate) struct TurnRecording<R> {
    recorded: R,
    began: Instant,
    /// The time up to the last line.
    recorded_ms: u64,
    decoder: MessageFrameDecoder,
    /// What is not a whole frame yet.
    rest: BytesMut,
    lines: String,
    events: usize,
    /// Nothing more can be recorded.
    ended: bool,
}

impl<R: Recorded> TurnRecording<R> {
    pub(crate) fn new(recorded: R) -> Self {
        Self {
            recorded,
            began: Instant::now(),
            recorded_ms: 0,
            decoder: MessageFrameDecoder::new(),
            rest: BytesMut::new(),
            lines: String::new(),
            events: 0,
            ended: false,
        }
    }

    /// Records the next bytes of the response.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.ended {
            return;
        }
        self.rest.extend_from_slice(bytes);
        loop {
            match self.decoder.decode_frame(&mut self.rest) {
                Ok(DecodedFrame::Complete(message)) => {
                    self.line(&R::event(&message).unwrap_or_else(|| raw_event(&message)));
                }
                Ok(DecodedFrame::Incomplete) => return,
                Err(_) => return self.breaks("corrupt"),
            }
        }
    }

    /// The response ends here, by an error or without one.
    pub(crate) fn end(&mut self, by_error: bool) {
        if !self.ended && (by_error || !self.rest.is_empty()) {
            self.breaks("cut");
        }
        self.ended = true;
    }

    /// The lines so far, and how many events they have.
    pub(crate) fn lines(&self) -> (&str, usize) {
        (&self.lines, self.events)
    }

    /// The session that says this.
    pub(crate) fn session_id(&self) -> String {
        self.recorded.session_id().to_owned()
    }

    /// Forgets the lines so far.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.events = 0;
    }

    fn breaks(&mut self, how: &str) {
        self.line(&format!("{{\"break\":\"{how}\"}}"));
        self.ended = true;
    }

    /// Adds a line, whose event is a JSON object without a time.
    fn line(&mut self, event: &str) {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let after_ms = now_ms - self.recorded_ms;
        self.recorded_ms = now_ms;
        // Outside of strings, where a line may be broken, these are mere white space, and inside they
        // cannot be.
        let line = event.replace(['\n', '\r'], " ").replace("${", "\\u0024{");
        let event = self.recorded.with_placeholders(line);
        // Writing to a string never fails.
        let _ = writeln!(self.lines, "{{\"after_ms\":{after_ms},{}", &event[1..]);
        self.events += 1;
    }
}

/// The event of any frame.
fn raw_event(message: &Message) -> String {
    let headers = headers(message);
    // A map of text is always JSON, so the fallback is never used.
    let headers = serde_json::to_string(&headers).unwrap_or_default();
    let json = std::str::from_utf8(message.payload())
        .ok()
        .and_then(|text| serde_json::from_str::<Json>(text).ok());
    let base64 = Json::string(&STANDARD.encode(message.payload()));
    let payload = match &json {
        Some(json) => ("payload", json.text()),
        None => ("payload_base64", base64.text()),
    };
    object(&[("event", &object(&[("headers", &headers), payload]))])
}

/// The headers that are text, as all of both services are.
pub(crate) fn headers(message: &Message) -> BTreeMap<String, String> {
    let text = |header: &Header| {
        let value = header.value().as_string().ok()?.as_str().to_owned();
        Some((header.name().as_str().to_owned(), value))
    };
    message.headers().iter().filter_map(text).collect()
}

/// A JSON object of members that are JSON.
pub(crate) fn object(members: &[(&str, &str)]) -> String {
    let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}
