//! What a harness remembers of its sessions: the conversation of each actor.

use std::collections::{BTreeMap, VecDeque};

use super::address::Address;
use super::request::ToolResult;
use super::script::{Script, ToolCall};
use crate::scripted::playing::Playing;
use crate::scripted::sessions;

/// All sessions of harnesses.
pub(super) type Sessions = sessions::Sessions<Address, Conversations>;

/// The conversations of the actors in one session.
#[derive(Debug, Default)]
pub(super) struct Conversations(BTreeMap<Option<String>, Conversation>);

impl Conversations {
    /// The conversation of an actor, which may be new.
    pub(super) fn of(&mut self, actor_id: Option<&str>) -> &mut Conversation {
        self.0.entry(actor_id.map(str::to_owned)).or_default()
    }
}

/// The conversation of one actor in one session.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// The number of prompts so far.
    pub(super) turns: u32,
    /// What the last run asked of its caller and has no results of yet.
    pub(super) pending: Vec<ToolCall>,
    /// What follows once the results are here.
    pub(super) next: VecDeque<Script>,
    /// The results of this turn so far.
    pub(super) results: Vec<(ToolCall, ToolResult)>,
    /// The timeline that the last run came from.
    pub(super) playing: Option<Playing>,
    /// The prompt that is being refused, and how often it has been.
    pub(super) refusing: Option<(String, u32)>,
}
