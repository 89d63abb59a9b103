//! What sources say.

use serde_json::value::RawValue;

pub use crate::source::event::agui_event::AguiEvent;

mod agui_event;
pub(crate) mod agui_schema;

/// What a source says, in the words of AG-UI.
#[derive(Debug)]
pub enum Event {
    /// Another message of the answer begins: the text after it is not of the message before. A source
    /// whose answers are always one message need not say so.
    MessageStart,
    /// A piece of the answer's text: bytes of UTF-8, which may begin and end inside a character. May be
    /// empty.
    Text(Vec<u8>),
    /// A piece of what the model thinks, for clients that may see the trace and want to. May be empty.
    Reasoning(String),
    /// What the model has thought so far is a thought of its own.
    ReasoningEnd,
    /// Something about the text before it, which names its message.
    Annotation {
        /// Under which name it travels, such as `bedrock.citations`.
        name: &'static str,
        /// Under which name the JSON stands beside the id of the message.
        member: &'static str,
        /// What it says.
        json: Box<RawValue>,
    },
    /// Something with a name and JSON of its own.
    Custom {
        /// Under which name it travels, such as `bedrock.file`.
        name: &'static str,
        /// What it says.
        json: Box<RawValue>,
    },
    /// A step of the source's work, for clients that may see it and want to.
    Trace(Raw),
    /// Something without a meaning of its own to the relay.
    Other(Raw),
    /// Tokens that a model used, to be added to those before.
    Usage(Usage),
    /// An action that is handed to the client, whose result begins the next run.
    ToolCall(ToolCall),
    /// An action that the source carried out by itself, for clients that may see the trace and want to.
    FinishedToolCall(FinishedToolCall),
    /// Why the model stopped, in the service's word. The last one counts.
    StopReason(String),
    /// An event that is one of AG-UI's already.
    Agui(AguiEvent),
    /// What else the end of the run says, by the names of AG-UI's `RUN_FINISHED`.
    RunEnd(Vec<(&'static str, Box<RawValue>)>),
}

/// What a source says, as its service sent it.
#[derive(Debug)]
pub struct Raw {
    /// Which source, such as `bedrock-agent`.
    pub source: &'static str,
    /// The type of the event, in the service's word.
    pub name: String,
    /// Its JSON, untouched.
    pub json: Box<RawValue>,
}

/// Tokens that models used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompts, those of caches included.
    pub input_tokens: u64,
    /// Tokens of the responses.
    pub output_tokens: u64,
    /// Tokens of the prompts that were read from a cache, if the service tells.
    pub cached_input_tokens: Option<u64>,
    /// Tokens of the prompts that were written to a cache, if the service tells.
    pub cache_write_input_tokens: Option<u64>,
}

impl Usage {
    /// What both used together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cached_input_tokens: sum(self.cached_input_tokens, other.cached_input_tokens),
            cache_write_input_tokens: sum(
                self.cache_write_input_tokens,
                other.cache_write_input_tokens,
            ),
        }
    }
}

/// An action that is handed to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// What the client's result refers to. It holds all that the source needs to go on, so nothing is
    /// kept between the two runs.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments, a JSON object.
    pub arguments: String,
    /// What the client is asked for.
    pub result_kind: ResultKind,
}

/// An action that the source carried out by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedToolCall {
    /// The service's id of it.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments: JSON, if the model wrote some.
    pub arguments: String,
    /// What the tool returned, or what went wrong.
    pub result: String,
    /// Whether the action failed.
    pub failed: bool,
}

/// What the client is asked for by a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultKind {
    /// The action's result.
    Result,
    /// Whether the user confirms the action.
    Confirmation,
    /// Whether the user confirms the action, and then its result.
    ConfirmationAndResult,
}
