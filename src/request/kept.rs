//! What a client asks for about a run that is kept: to join it, to stop it, or to see its conversation.
//!
//! | | short form | AG-UI's form: no `messages`, and in `forwardedProps` |
//! |---|---|---|
//! | join | `{"join":{"key":"…","after":17}}` | `"join":{"key":"…","after":17}` |
//! | stop | `{"stop":{"key":"…"}}` | `"stop":{"key":"…"}` |
//! | history | `{"history":{"key":"…"}}` | `"history":{"key":"…"}` |
//!
//! In place of `key`, who is known by name may send `threadId`: the newest run of that conversation. In
//! AG-UI's form, that is the message's own if there is neither.

use crate::config::is_session_or_memory_id;
use crate::invocation::Principal;
use crate::request::fields::Fields;
use crate::request::{ClientMessage, InvalidRequest};
use crate::request::{User, agui_run_id, is_session_of_a_user, object};
use crate::runs::item::{RunAddress, first_seq};
use crate::runs::joiner::Credential;
use crate::runs::key::RunKey;

/// A message about a run that is kept.
#[derive(Clone, Debug)]
pub struct KeptRunRequest {
    /// What is wanted.
    pub wish: Wish,
    /// The client's id of this message, or API Gateway's: error frames carry it.
    pub request_id: String,
    /// Which run; `None` if there can't be such a one, or if it can't be theirs.
    pub target: Option<Target>,
}

/// What is wanted of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// All that it said and says behind the number `after`; −1 for everything.
    Join {
        /// The number of the last frame that the client has.
        after: i64,
    },
    /// That it ends.
    Stop,
    /// The messages of its conversation, and then what it says, if it is under way.
    History,
}

/// Which run.
#[derive(Clone, Debug)]
pub struct Target {
    /// The conversation, as the client knows it.
    pub thread_id: String,
    /// The conversation, as a source knows it.
    pub session_id: String,
    /// Where the run is; `None` for the newest of the conversation.
    pub address: Option<RunAddress>,
    /// Why they may.
    pub credential: Credential,
}

impl Wish {
    const NAMES: [&'static str; 3] = ["join", "stop", "history"];

    /// The number of the first frame that the client wants.
    #[must_use]
    pub fn first_seq(self) -> u64 {
        match self {
            Self::Join { after } => first_seq(after),
            Self::Stop | Self::History => 0,
        }
    }
}

impl KeptRunRequest {
    /// Understands a message that is about a run that is kept; `None` if it is not.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse<'a>(
        message: impl Into<ClientMessage<'a>>,
    ) -> Result<Option<Self>, InvalidRequest> {
        let message = message.into();
        let mut run_id = None;
        Self::understand(message, &mut run_id).map_err(|reason| InvalidRequest {
            reason,
            run_id,
            seq: seq_behind(message.body),
        })
    }

    fn understand(
        message: ClientMessage<'_>,
        run_id: &mut Option<String>,
    ) -> Result<Option<Self>, String> {
        // What is no object at all, is no run either, and that is said elsewhere.
        let Ok(object) = object(message.body) else { return Ok(None) };
        let fields = Fields::new(object);
        let is_agui = fields.has("messages") || fields.has("threadId") || fields.has("runId");
        let holder = if is_agui {
            match fields.object("forwardedProps") {
                Ok(forwarded) if !fields.has_items("messages") => forwarded,
                // Agents have properties of their own, which come with messages. But none has a run's key.
                Ok(forwarded) => {
                    return match Wish::NAMES.into_iter().find(|name| has_key(&forwarded, name)) {
                        None => Ok(None),
                        Some(name) => Err(format!(
                            "`forwardedProps.{name}` comes without messages: send `messages` as []."
                        )),
                    };
                }
                Err(_) => return Ok(None),
            }
        } else {
            Fields::new(self::object(message.body)?)
        };
        let Some(name) = Wish::NAMES.into_iter().find(|name| holder.has(name)) else {
            return Ok(None);
        };
        if is_agui {
            *run_id = Some(agui_run_id(&fields)?);
        } else {
            fields.only(&[name, "action"])?;
        }
        let wanted = holder.object(name)?;
        let is_join = name == "join";
        wanted.only(if is_join { &["key", "threadId", "after"] } else { &["key", "threadId"] })?;
        let wish = match name {
            "join" => Wish::Join { after: wanted.integer("after", -1)?.unwrap_or(-1) },
            "stop" => Wish::Stop,
            _ => Wish::History,
        };
        let target = match (wanted.text("key")?, wanted.text("threadId")?) {
            (Some(_), Some(_)) => {
                return Err(format!("`{name}` has both `key` and `threadId`: one says it."));
            }
            (Some(key), None) => Target::by_key(&key, message.principal),
            (None, Some(thread_id)) => Target::by_name(thread_id, message.principal),
            (None, None) if is_agui => {
                Target::by_name(fields.required_text("threadId")?, message.principal)
            }
            (None, None) => {
                return Err(format!("`{name}` has neither `key` nor `threadId`."));
            }
        };
        let request_id = run_id.clone().unwrap_or_else(|| message.request_id.to_owned());
        Ok(Some(Self { wish, request_id, target }))
    }
}

/// Whether a member with the name of a wish has the key of a run.
fn has_key(fields: &Fields<'_>, name: &str) -> bool {
    let key = fields.object(name).and_then(|wanted| wanted.text("key"));
    matches!(key, Ok(Some(key)) if RunKey::parse(&key).is_some())
}

/// The number behind those that a client says it has who wants to join, whatever else is wrong.
fn seq_behind(body: &[u8]) -> u64 {
    let after = |holder: &Fields<'_>| holder.object("join").ok()?.integer("after", -1).ok()?;
    let parse = || {
        let fields = Fields::new(object(body).ok()?);
        after(&fields).or_else(|| after(&fields.object("forwardedProps").ok()?))
    };
    parse().map_or(0, first_seq)
}

impl Target {
    /// The run with this key. Somebody else's key is of a conversation that the principal does not have.
    fn by_key(key: &str, principal: Option<&Principal>) -> Option<Self> {
        let key = RunKey::parse(key)?;
        let session_id = session_id(&key.thread_id, principal)?;
        let (thread_id, sort_key) = (key.thread_id.clone(), key.sort_key.clone());
        let address = RunAddress { session_id: session_id.clone(), sort_key };
        let credential = Credential::Key(key);
        Some(Self { thread_id, session_id, address: Some(address), credential })
    }

    /// The newest run of a conversation. Who is not known by name needs the key.
    fn by_name(thread_id: String, principal: Option<&Principal>) -> Option<Self> {
        let session_id = session_id(&thread_id, Some(principal?))?;
        Some(Self { thread_id, session_id, address: None, credential: Credential::Name })
    }
}

/// The conversation as a source knows it, if there can be such a one.
fn session_id(thread_id: &str, principal: Option<&Principal>) -> Option<String> {
    let session_id = match principal {
        Some(principal) => format!("{}:{thread_id}", User::from(principal.clone()).hash),
        None if is_session_of_a_user(thread_id) => return None,
        None => thread_id.to_owned(),
    };
    (thread_id.len() >= 2 && is_session_or_memory_id(&session_id)).then_some(session_id)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(
        message: &Value,
        principal: Option<&Principal>,
    ) -> Result<Option<KeptRunRequest>, InvalidRequest> {
        let body = message.to_string();
        let (request_id, origin_id) = ("request-1", "connection-1");
        KeptRunRequest::parse(ClientMessage {
            body: body.as_bytes(),
            request_id,
            principal,
            origin_id,
            trace_context: None,
        })
    }

    fn key() -> RunKey {
        RunKey::generate("conversation-1", "1764150000000-request=").unwrap()
    }

    fn ada() -> Principal {
        Principal { subject: "ada".to_owned(), email: None }
    }

    #[test]
    fn either_form_says_what_is_wanted_of_which_run() {
        let key = key().to_text();
        let agui = |props: Value| {
            json!({
                "threadId": "conversation-2", "runId": "run-1", "messages": [], "state": {},
                "tools": [], "context": [], "forwardedProps": props,
            })
        };
        for (props, wish) in [
            (json!({"join": {"key": key, "after": 17}}), Wish::Join { after: 17 }),
            (json!({"join": {"key": key}}), Wish::Join { after: -1 }),
            (json!({"stop": {"key": key}}), Wish::Stop),
            (json!({"history": {"key": key}}), Wish::History),
        ] {
            for (message, request_id) in [(props.clone(), "request-1"), (agui(props), "run-1")] {
                let request = parse(&message, None).unwrap().unwrap();
                assert_eq!((request.wish, &*request.request_id), (wish, request_id));
                let target = request.target.unwrap();
                assert_eq!(target.session_id, "conversation-1");
                assert_eq!(target.address.unwrap().sort_key, "1764150000000-request=");
            }
        }
        let newest = parse(&agui(json!({"history": {}})), Some(&ada())).unwrap().unwrap();
        let target = newest.target.unwrap();
        assert!(target.address.is_none());
        assert!(target.session_id.ends_with(":conversation-2"), "{}", target.session_id);
    }

    #[test]
    fn what_cannot_be_theirs_is_no_run() {
        let named = json!({"join": {"threadId": "conversation-1"}});
        assert!(parse(&named, Some(&ada())).unwrap().unwrap().target.is_some());
        for message in
            [named, json!({"stop": {"key": "nonsense"}}), json!({"stop": {"threadId": "a/b"}})]
        {
            assert!(parse(&message, None).unwrap().unwrap().target.is_none(), "{message}");
        }
        let of_a_user = RunKey::generate("0123456789abcdef:thread", "1764150000000-a").unwrap();
        let message = json!({"join": {"key": of_a_user.to_text()}});
        assert!(parse(&message, None).unwrap().unwrap().target.is_none());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (message, wrong) in [
            (json!({"join": {}}), "neither `key` nor `threadId`"),
            (json!({"join": {"key": "a", "threadId": "b"}}), "both `key` and `threadId`"),
            (json!({"join": {"key": "a", "after": -2}}), "`join.after` must be a whole number"),
            (json!({"join": {"key": "a", "after": 1.5}}), "`join.after` must be a whole number"),
            (json!({"join": {"key": "a", "before": 1}}), "`join.before`"),
            (json!({"stop": "a"}), "`stop` must be an object"),
            (json!({"stop": {"key": "a"}, "prompt": "hi"}), "`prompt`"),
            (json!({"history": {"key": 1}}), "`history.key` must be a string"),
        ] {
            let reason = parse(&message, None).unwrap_err().reason;
            assert!(reason.contains(wrong), "{message}: {reason}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_join_is_said_behind_what_the_client_has() {
        for (join, seq) in [
            (json!({"key": 5, "after": 17}), 18),
            (json!({"key": "a", "after": 17, "before": 1}), 18),
            (json!({"key": "a", "after": "17"}), 0),
            (json!("a"), 0),
        ] {
            for message in [
                json!({"join": join}),
                json!({
                    "threadId": "conversation-1", "runId": "run-1", "messages": [],
                    "forwardedProps": {"join": join},
                }),
            ] {
                assert_eq!(parse(&message, None).unwrap_err().seq, seq, "{message}");
            }
        }
    }

    #[test]
    fn what_is_asked_of_a_run_comes_without_messages() {
        let message = json!({
            "threadId": "conversation-1", "runId": "run-1",
            "messages": [{"id": "1", "role": "user", "content": "hi"}],
            "forwardedProps": {"join": {"key": key().to_text()}},
        });
        let reason = parse(&message, None).unwrap_err().reason;
        assert!(reason.contains("send `messages` as []"), "{reason}");
    }

    #[test]
    fn other_messages_are_left_to_others() {
        for message in [
            json!({"prompt": "join"}),
            // A property of the agent's own.
            json!({
                "threadId": "conversation-1", "runId": "run-1", "messages": [{"id": "1"}],
                "forwardedProps": {"join": {"key": "a"}},
            }),
            json!(["join"]),
            json!({
                "threadId": "conversation-1", "runId": "run-1", "forwardedProps": {"stop": {"key": "a"}},
                "messages": [{"id": "1", "role": "user", "content": "hi"}],
            }),
        ] {
            assert!(parse(&message, None).unwrap().is_none(), "{message}");
        }
    }
}
