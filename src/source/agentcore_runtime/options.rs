//! What a message asks of an agent that speaks AG-UI: all that a `RunAgentInput` has.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::json;
use crate::request::{Fields, Input, Options, Run};

/// The members of a client's input that go to the agent.
#[derive(Clone, Debug, Default)]
pub struct RuntimeOptions {
    /// `messages` without those that only the agent may say; `None` in the short form.
    messages: Option<Vec<Box<RawValue>>>,
    /// What else an input has of what [`PASSED`] names.
    members: Vec<(&'static str, Box<RawValue>)>,
}

/// The roles of messages that tell an agent what it is. A client has no say in that.
const ROLES_OF_AGENTS: [&str; 2] = ["system", "developer"];

/// What of an input goes to the agent as it came.
const PASSED: [&str; 7] =
    ["parentRunId", "protocolVersion", "tools", "context", "state", "resume", "forwardedProps"];

/// An input without anything else is not valid without these.
const REQUIRED: [(&str, &str); 4] =
    [("tools", "[]"), ("context", "[]"), ("state", "{}"), ("forwardedProps", "{}")];

impl Options for RuntimeOptions {
    /// `email` is taken and not sent: AG-UI has no place for it.
    const SHORT_FORM: &'static [&'static str] =
        &["email", "sessionAttributes", "promptSessionAttributes", "endSession"];

    const TAKES_WHOLE_INPUT: bool = true;

    fn from_short_form(message: &Fields<'_>) -> Result<Self, String> {
        message.text("email")?;
        if message.has("toolResults") {
            return Err("`toolResults` can't be sent: this agent speaks AG-UI. Send a RunAgentInput whose `messages` have the results.".to_owned());
        }
        Self::refuse_attributes(message)?;
        Ok(Self::default())
    }

    fn from_agui(message: &Fields<'_>, forwarded: &Fields<'_>) -> Result<Self, String> {
        Self::refuse_attributes(forwarded)?;
        let messages = message.items("messages")?.unwrap_or_default();
        let mut kept = Vec::new();
        for message in messages {
            let role = message.fields()?.required_text("role")?;
            if !ROLES_OF_AGENTS.contains(&&*role) {
                kept.push(message.json().to_owned());
            }
        }
        let members = PASSED.into_iter();
        let members = members.filter_map(|name| Some((name, message.json(name)?.to_owned())));
        Ok(Self { messages: Some(kept), members: members.collect() })
    }

    fn from_forwarded_props(_: &Fields<'_>) -> Result<Self, String> {
        Ok(Self::default())
    }
}

impl RuntimeOptions {
    fn refuse_attributes(fields: &Fields<'_>) -> Result<(), String> {
        for name in ["sessionAttributes", "promptSessionAttributes"] {
            if !fields.attributes(name)?.is_empty() {
                return Err(format!(
                    "`{}` can't be sent: this agent speaks AG-UI, which has `state` and `context` instead.",
                    fields.path(name)
                ));
            }
        }
        if fields.flag("endSession")? {
            return Err(format!(
                "`{}` can't be granted: this agent's sessions end by themselves. Leave it out.",
                fields.path("endSession")
            ));
        }
        Ok(())
    }

    /// The `RunAgentInput` that the agent gets. Its thread is the session of whoever asks: agents keep
    /// their history by it.
    pub(super) fn input(&self, session_id: &str, run: &Run<Self>) -> Vec<u8> {
        let messages = match (&self.messages, &run.input) {
            (None, Input::Prompt(prompt)) => vec![user_message(&run.request_id, prompt)],
            (messages, _) => messages.clone().unwrap_or_default(),
        };
        let input = RunInput {
            thread_id: session_id,
            run_id: &run.run_id,
            messages: &messages,
            members: self,
        };
        // Texts and JSON can always be written.
        serde_json::to_vec(&input).unwrap_or_default()
    }
}

fn user_message(id: &str, prompt: &str) -> Box<RawValue> {
    let (id, content) = (json::string(id), json::string(prompt));
    json::raw(format!(r#"{{"id":{id},"role":"user","content":{content}}}"#).as_bytes())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunInput<'a> {
    thread_id: &'a str,
    run_id: &'a str,
    messages: &'a [Box<RawValue>],
    #[serde(flatten)]
    members: &'a RuntimeOptions,
}

impl Serialize for RuntimeOptions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let given = self.members.iter().map(|(name, json)| (*name, json.get()));
        let absent = REQUIRED.iter().copied();
        let absent =
            absent.filter(|(name, _)| !self.members.iter().any(|(other, _)| other == name));
        let all = given.chain(absent).filter_map(|(name, json)| {
            let json: &RawValue = serde_json::from_str(json).ok()?;
            Some((name, json))
        });
        serializer.collect_map(all)
    }
}
