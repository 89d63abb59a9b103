//! What a harness says, as the lines of a timeline.

use aws_smithy_types::event_stream::Message;

use super::address::Address;
use super::exception::{HarnessException, Refusal};
use super::timeline::EVENT_TYPES;
use crate::scripted::event_stream::event_headers;
use crate::scripted::json::Json;
use crate::scripted::recording::{Recorded, headers, object};

impl Recorded for Address {
    /// Ids of calls and of hooks stay: only the harness itself refers to them.
    fn event(message: &Message) -> Option<String> {
        let headers = headers(message);
        let value = |name| headers.get(name).map(|value| &**value);
        let payload = std::str::from_utf8(message.payload()).ok()?;
        if let Some(exception) = value(":exception-type").and_then(HarnessException::by_name) {
            let payload: serde_json::Value = serde_json::from_str(payload).ok()?;
            let refusal = Refusal::new(exception, payload["message"].as_str()?);
            let (name, text) = (Json::string(exception.member()), Json::string(&refusal.message));
            let event = object(&[("exception", name.text()), ("message", text.text())]);
            return (refusal.payload() == payload).then_some(event);
        }
        let event_type = value(":event-type")?;
        let is_known = EVENT_TYPES.contains(&event_type)
            && headers == event_headers(event_type).into_iter().collect();
        let _json: Json = serde_json::from_str(payload).ok()?;
        is_known.then(|| object(&[(event_type, payload)]))
    }

    fn with_placeholders(&self, line: String) -> String {
        let Self { harness_arn, session_id, .. } = self;
        line.replace(&format!("\"{session_id}\""), "\"${session_id}\"")
            .replace(&format!("\"{harness_arn}\""), "\"${harness_arn}\"")
    }

    fn session_id(&self) -> &str {
        &self.session_id
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use serde_json::json;

    use super::*;
    use crate::harness::script::{Event, Step};
    use crate::harness::timeline;
    use crate::harness::turn_context::TurnContext;
    use crate::scripted::event_stream::{corrupt_event, event, exception, frame};
    use crate::scripted::recording::TurnRecording;

    const SESSION: &str = "a-session-of-the-recording-with-33-characters";

    /// The lines of a response that comes in parts of this size, without their times.
    fn recorded(bytes: &[u8], size: usize) -> String {
        let mut turn = TurnRecording::new(Address::example(SESSION));
        bytes.chunks(size).for_each(|part| turn.push(part));
        turn.end(false);
        let line = |line: &str| format!("{{{}\n", line.split_once(',').unwrap().1);
        turn.lines().0.lines().map(line).collect()
    }

    #[test]
    fn each_frame_becomes_a_line_that_plays_it_again() {
        let headers = [(":event-type", "metadata"), (":message-type", "event"), ("x", "y")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let failed = json!({ "message": "no agreement" });
        let cases = [
            (
                event("messageStart", r#"{"role":"assistant"}"#),
                r#"{"messageStart":{"role":"assistant"}}"#,
            ),
            (
                event(
                    "contentBlockDelta",
                    "{\"contentBlockIndex\":1,\"delta\":{\"text\":\"a ${turn} 1.50\"},\n\"n\":1.50}",
                ),
                r#"{"contentBlockDelta":{"contentBlockIndex":1,"delta":{"text":"a \u0024{turn} 1.50"}, "n":1.50}}"#,
            ),
            (
                event("hookEvent", format!("{{\"name\":\"{SESSION}\"}}")),
                r#"{"hookEvent":{"name":"${session_id}"}}"#,
            ),
            (
                exception("runtimeClientError", &failed),
                r#"{"exception":"runtimeClientError","message":"no agreement"}"#,
            ),
            (
                event("hologram", "{}"),
                r#"{"event":{"headers":{":content-type":"application/json",":event-type":"hologram",":message-type":"event"},"payload":{}}}"#,
            ),
            (
                frame(headers, "no JSON".into()),
                r#"{"event":{"headers":{":event-type":"metadata",":message-type":"event","x":"y"},"payload_base64":"bm8gSlNPTg=="}}"#,
            ),
        ];
        let all: Vec<u8> = cases.iter().flat_map(|(frame, _)| frame.to_vec()).collect();
        let lines: String = cases.iter().flat_map(|(_, line)| [line, "\n"]).collect();
        for size in [1, 7, all.len()] {
            assert_eq!(recorded(&all, size), lines, "in parts of {size}");
        }
        let address = Address::example("another-session");
        let now = SystemTime::UNIX_EPOCH;
        let turn = TurnContext { address: &address, prompt: "prompt", id: "id", number: 7, now };
        for (_, line) in &cases {
            assert!(timeline::parse(line, &turn.placeholders()).is_ok(), "{line}");
        }
        let played = timeline::parse(&recorded(&cases[1].0, 9), &turn.placeholders()).unwrap();
        let delta = r#"{"contentBlockIndex":1,"delta":{"text":"a \u0024{turn} 1.50"}, "n":1.50}"#;
        let delta = Event { event_type: "contentBlockDelta".to_owned(), payload: delta.to_owned() };
        assert_eq!(played[0].steps, [Step::Event(delta)]);
    }

    #[test]
    fn a_response_that_breaks_is_recorded_up_to_there() {
        let start = event("messageStart", r#"{"role":"assistant"}"#);
        let corrupt = [&start[..], &corrupt_event("messageStop", "{}"), &start].concat();
        let expected = "{\"messageStart\":{\"role\":\"assistant\"}}\n{\"break\":\"corrupt\"}\n";
        assert_eq!(recorded(&corrupt, 5), expected);
        let cut = [&start[..], &start[..9]].concat();
        assert_eq!(recorded(&cut, 5), expected.replace("corrupt", "cut"));
    }
}
