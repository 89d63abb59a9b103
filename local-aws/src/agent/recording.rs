//! What an agent says, as the lines of a timeline.

use std::collections::BTreeMap;

use aws_smithy_types::event_stream::Message;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::address::Address;
use super::exception::{Exception, Refusal};
use super::return_control::ReturnControl;
use crate::scripted::event_stream::event_headers;
use crate::scripted::json::Json;
use crate::scripted::recording::{Recorded, headers, object};

/// Ids that are shorter might be other words, too, so they are not replaced.
const MIN_ID_LENGTH: usize = 10;

impl Recorded for Address {
    fn event(message: &Message) -> Option<String> {
        event(message)
    }

    fn with_placeholders(&self, line: String) -> String {
        let Self { agent_id, agent_alias_id, session_id } = self;
        let mut line = line.replace(
            &format!("/{agent_id}/{agent_alias_id}\""),
            "/${agent_id}/${agent_alias_id}\"",
        );
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

    fn session_id(&self) -> &str {
        &self.session_id
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

#[cfg(test)]
mod tests;
