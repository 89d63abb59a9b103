//! What an agent says, as the lines of a timeline.

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
use serde::Deserialize;
use tokio::time::Instant;

use super::address::Address;
use super::event_stream::event_headers;
use super::exception::{Exception, Refusal};
use super::json::Json;
use super::return_control::ReturnControl;
use super::timeline_folder::MAX_FILE_BYTES;

/// Ids that are shorter might be other words, too, so they are not replaced.
const MIN_ID_LENGTH: usize = 10;

/// The file that turns are written to.
#[derive(Debug)]
pub(super) struct RecordingFile {
    path: PathBuf,
    /// How many turns it has.
    turns: Mutex<usize>,
}

impl RecordingFile {
    /// Makes the file, which only its owner may read; it must not exist.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { path: path.to_owned(), turns: Mutex::new(0) })
    }

    /// Adds a turn, and returns its number. After an error it is as it was before.
    pub(super) fn add(&self, lines: &str) -> io::Result<usize> {
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
pub(super) struct TurnRecording {
    address: Address,
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

impl TurnRecording {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
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
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.ended {
            return;
        }
        self.rest.extend_from_slice(bytes);
        loop {
            match self.decoder.decode_frame(&mut self.rest) {
                Ok(DecodedFrame::Complete(message)) => {
                    self.line(&event(&message).unwrap_or_else(|| raw_event(&message)));
                }
                Ok(DecodedFrame::Incomplete) => return,
                Err(_) => return self.breaks("corrupt"),
            }
        }
    }

    /// The response ends here, by an error or without one.
    pub(super) fn end(&mut self, by_error: bool) {
        if !self.ended && (by_error || !self.rest.is_empty()) {
            self.breaks("cut");
        }
        self.ended = true;
    }

    /// The lines so far, and how many events they have.
    pub(super) fn lines(&self) -> (&str, usize) {
        (&self.lines, self.events)
    }

    /// The session that says this.
    pub(super) fn session_id(&self) -> String {
        self.address.session_id.clone()
    }

    /// Forgets the lines so far.
    pub(super) fn clear(&mut self) {
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
        let event = with_placeholders(event, &self.address);
        // Writing to a string never fails.
        let _ = writeln!(self.lines, "{{\"after_ms\":{after_ms},{}", &event[1..]);
        self.events += 1;
    }
}

/// The payload of a chunk.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chunk {
    bytes: String,
    attribution: Option<Attribution>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attribution {
    citations: Json,
}

/// The event of a frame that timelines have a short form for, if that has all of it.
fn event(message: &Message) -> Option<String> {
    let headers = headers(message);
    let value = |name| headers.get(name).map(|value| &**value);
    let payload = std::str::from_utf8(message.payload()).ok()?;
    if let Some(exception) = value(":exception-type").and_then(Exception::by_name) {
        let payload: serde_json::Value = serde_json::from_str(payload).ok()?;
        let refusal = Refusal { exception, message: payload["message"].as_str()?.to_owned() };
        let (name, text) = (Json::string(exception.member()), Json::string(&refusal.message));
        let event = object(&[("exception", name.text()), ("message", text.text())]);
        return (refusal.payload() == payload).then_some(event);
    }
    let event_type = value(":event-type")?;
    if headers != event_headers(event_type).into_iter().collect() {
        return None;
    }
    match event_type {
        "chunk" => {
            let chunk: Chunk = serde_json::from_str(payload).ok()?;
            let bytes = STANDARD.decode(&chunk.bytes).ok()?;
            let (name, text) = match std::str::from_utf8(&bytes) {
                Ok(text) => ("chunk", Json::string(text)),
                Err(_) => ("chunk_base64", Json::string(&chunk.bytes)),
            };
            let mut members = vec![(name, text.text())];
            if let Some(attribution) = &chunk.attribution {
                let citations: Vec<Json> =
                    serde_json::from_str(attribution.citations.text()).ok()?;
                if citations.is_empty() {
                    return None;
                }
                members.push(("citations", attribution.citations.text()));
            }
            Some(object(&members))
        }
        "trace" => {
            let mut part: BTreeMap<String, Json> = serde_json::from_str(payload).ok()?;
            let trace = part.remove("trace")?;
            let part = serde_json::to_string(&part).ok()?;
            Some(object(&[("trace", trace.text()), ("part", &part)]))
        }
        "returnControl" => {
            ReturnControl::from_payload(serde_json::from_str(payload).ok()?)?;
            Some(object(&[("returnControl", payload)]))
        }
        "files" => {
            let members: BTreeMap<String, Json> = serde_json::from_str(payload).ok()?;
            let files = members.get("files").filter(|_| members.len() == 1)?;
            let _list: Vec<Json> = serde_json::from_str(files.text()).ok()?;
            Some(object(&[("files", files.text())]))
        }
        _ => None,
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

/// The headers that are text, as all of Bedrock's are.
fn headers(message: &Message) -> BTreeMap<String, String> {
    let text = |header: &Header| {
        let value = header.value().as_string().ok()?.as_str().to_owned();
        Some((header.name().as_str().to_owned(), value))
    };
    message.headers().iter().filter_map(text).collect()
}

/// A JSON object of members that are JSON.
fn object(members: &[(&str, &str)]) -> String {
    let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// A JSON text in one line, with placeholders for the ids of the session and of its agent.
fn with_placeholders(json: &str, address: &Address) -> String {
    // Outside of strings, where a line may be broken, these are mere white space, and inside they cannot be.
    let mut line = json.replace(['\n', '\r'], " ").replace("${", "\\u0024{");
    let Address { agent_id, agent_alias_id, session_id } = address;
    line = line
        .replace(&format!("/{agent_id}/{agent_alias_id}\""), "/${agent_id}/${agent_alias_id}\"");
    for (id, placeholder) in [
        (session_id, "\"${session_id}\""),
        (agent_id, "\"${agent_id}\""),
        (agent_alias_id, "\"${agent_alias_id}\""),
    ] {
        if id.len() >= MIN_ID_LENGTH {
            line = line.replace(&format!("\"{id}\""), placeholder);
        }
    }
    line
}

#[cfg(test)]
mod tests;
