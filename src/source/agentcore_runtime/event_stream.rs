//! The server-sent events of a runtime's response ⇒ events, or the failure that ended it.
//!
//! What agents send is AG-UI, but for: what their frameworks add, nulls of Python, a stream inside of
//! JSON strings, a last event without its blank line, and the error objects of AWS's own SDK. Clients
//! end a run at the first event that they can't read, so those pass as `RAW`.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use http_body_util::BodyDataStream;
use sse_stream::{Sse, SseByteStream};
use thiserror::Error;
use tokio::time::timeout;
use tracing::warn;

use crate::error::{ErrorCode, Failure};
use crate::json::{self, Object};
use crate::source::agentcore_runtime::failure::{agent_error, run_error};
use crate::source::agentcore_runtime::open_parts::OpenParts;
use crate::source::agentcore_runtime::split_characters::SplitCharacters;
use crate::source::event::{AguiEvent, agui_schema};
use crate::source::{Event, Raw};
use crate::utf8::Utf8;

/// What the body of a good response is.
pub(super) const CONTENT_TYPE: &str = "text/event-stream";

/// The name of this source on what it passes on.
const SOURCE: &str = "agentcore-runtime";

/// An answer under way.
pub(super) struct EventStream {
    messages: BoxStream<'static, Result<Sse, sse_stream::Error>>,
    /// What has come and was not taken yet.
    events: VecDeque<Event>,
    /// How the answer ended, once it has.
    ended: Option<Result<(), Failure>>,
    open: OpenParts,
    split: SplitCharacters,
    /// Whether it was said already that an event could not be understood.
    has_warned: bool,
}

/// The connection broke.
#[derive(Debug, Error)]
#[error("the connection broke")]
struct BrokenBody(#[source] Box<dyn Error + Send + Sync>);

/// The end of a stream at which nobody may end.
#[derive(Debug, Error)]
#[error("the agent's stream ended without RUN_FINISHED or RUN_ERROR")]
struct NoEnd;

/// An error of the agent's own code, in AWS's own form.
#[derive(Debug, Error)]
#[error("the agent failed: {0}")]
struct AgentError(String);

/// How long the end of the body is waited for after the run's own end.
const REST_OF_BODY: Duration = Duration::from_millis(50);

/// What the body ends with, so that a last event without its blank line is one, too.
const LAST_LINES: &[u8] = b"\n\n";

impl EventStream {
    /// The answer in a body. No other answer may have the same seed of ids.
    pub(super) fn new(body: SdkBody, seed: String) -> Self {
        let mut utf8 = Utf8::default();
        let bytes = BodyDataStream::new(body).map(move |bytes| match bytes {
            // Of bytes that are no text, only these are lost, and not the answer.
            Ok(bytes) => Ok(Bytes::from(utf8.decode(&bytes))),
            Err(error) => Err(BrokenBody(error)),
        });
        let bytes = bytes.chain(stream::iter([Ok(Bytes::from_static(LAST_LINES))]));
        Self {
            messages: SseByteStream::new(bytes).boxed(),
            events: VecDeque::new(),
            ended: None,
            open: OpenParts::new(seed),
            split: SplitCharacters::default(),
            has_warned: false,
        }
    }

    pub(super) async fn next(mut self: Box<Self>) -> Result<Option<(Event, Box<Self>)>, Failure> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some((event, self)));
            }
            if let Some(ended) = self.ended.take() {
                self.read_to_end().await;
                return ended.map(|()| None);
            }
            match self.messages.next().await {
                Some(Ok(message)) => {
                    if let Some(data) = message.data {
                        self.on_data(&data);
                    }
                }
                Some(Err(error)) => {
                    return Err(Failure::new(ErrorCode::ConnectionLost).with_source(error));
                }
                None => {
                    return Err(Failure::new(ErrorCode::ConnectionLost).with_source(NoEnd));
                }
            }
        }
    }

    /// Reads on to the end of the body, which is most likely there already: only then another call can have
    /// its connection.
    async fn read_to_end(&mut self) {
        let rest = async { while let Some(Ok(_)) = self.messages.next().await {} };
        // An agent that does not end its body loses the connection, and nothing else.
        let _ = timeout(REST_OF_BODY, rest).await;
    }

    /// The data of one message.
    fn on_data(&mut self, data: &str) {
        let data = data.trim();
        // Some frameworks end with a word of another protocol.
        if data.is_empty() || data == "[DONE]" || self.ended.is_some() {
            return;
        }
        if let Some(object) = Object::parse(data) {
            return self.on_object(&object, data);
        }
        let text: Option<String> = serde_json::from_str(data).ok();
        match text {
            // AWS's SDK writes a handler's own events as JSON once more.
            Some(inner) if is_stream(&inner) => {
                for message in inner.replace("\r\n", "\n").split("\n\n") {
                    let lines = message.lines().filter_map(|line| line.strip_prefix("data:"));
                    let lines: Vec<&str> = lines.collect();
                    let data = lines.join("\n");
                    // Where the blank lines between events are forgotten, each line is one.
                    let is_one = lines.len() == 1 || Object::parse(data.trim()).is_some();
                    let events = if is_one { vec![&*data] } else { lines };
                    for event in events {
                        self.on_data(event);
                    }
                }
            }
            Some(text) => self.events.push_back(Event::Text(text.into_bytes())),
            None => self.pass_raw("event", data),
        }
    }

    fn on_object(&mut self, object: &Object<'_>, data: &str) {
        let Some(kind) = object.text("type") else {
            let words = object.text("error").unwrap_or_default();
            // An answer may speak of errors, too, such as that there is none.
            if !words.is_empty() || object.text("error_type").is_some() {
                self.ended = Some(Err(agent_error().with_source(AgentError(words.into_owned()))));
                return;
            }
            return self.pass_raw("event", data);
        };
        match &*kind {
            // The run's ends are the relay's own.
            "RUN_STARTED" => {}
            "RUN_FINISHED" => {
                let closing = self.open.close_all();
                self.events.extend(closing.into_iter().map(Event::Agui));
                self.events.push_back(Event::RunEnd(agui_schema::end_members(object)));
                self.ended = Some(Ok(()));
            }
            "RUN_ERROR" => {
                let (code, message) = (object.text("code"), object.text("message"));
                self.ended = Some(Err(run_error(code.as_deref(), message.as_deref())));
            }
            _ => match AguiEvent::read(&kind, object) {
                Some(mut event) => {
                    self.split.join(&mut event, object);
                    self.events.extend(self.open.pass(event).into_iter().map(Event::Agui));
                }
                None => self.pass_raw(&kind, data),
            },
        }
    }

    /// Passes on what clients can't read, so that it does them no harm.
    fn pass_raw(&mut self, name: &str, data: &str) {
        if !std::mem::replace(&mut self.has_warned, true) {
            warn!(event = name, bytes = data.len(), "an event of the agent is none of AG-UI's");
        }
        let json = json::raw(data.as_bytes());
        self.events.push_back(Event::Other(Raw { source: SOURCE, name: name.to_owned(), json }));
    }
}

/// Whether a text is server-sent events: whole lines, each of which is a field or a comment.
fn is_stream(text: &str) -> bool {
    let is_of_stream = |line: &str| {
        line.is_empty()
            || ["data:", "event:", "id:", "retry:", ":"].iter().any(|begin| line.starts_with(begin))
    };
    let has_data = text.lines().any(|line| line.starts_with("data:"));
    (has_data || text.ends_with("\n\n"))
        && text.lines().all(is_of_stream)
        && !text.trim().is_empty()
}

#[cfg(test)]
mod tests;
