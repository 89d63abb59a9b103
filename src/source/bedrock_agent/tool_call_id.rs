//! The id of a tool call, which holds everything that its result has to repeat to the agent. So nothing
//! is kept between the two runs: any process of the function can take the second.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many actions one return of control can have (API reference of `ReturnControlPayload`).
pub const MAX_CALLS: usize = 5;

/// An action of one invocation of an action group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallId {
    /// Which session it belongs to: a short hash of Bedrock's session id, so that an answer can't
    /// be given in another conversation by mistake.
    #[serde(rename = "s")]
    pub session: String,
    /// Bedrock's id of the invocation, which all of its actions share.
    #[serde(rename = "i")]
    pub invocation_id: String,
    /// The number of the action in its invocation.
    #[serde(rename = "n")]
    pub number: usize,
    /// The agent that wants the action, when several work together.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The action group.
    #[serde(rename = "g")]
    pub action_group: String,
    /// The action.
    #[serde(flatten)]
    pub action: Action,
}

/// An action, in either of the two ways in which an action group can be defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Action {
    /// By function details.
    Function {
        /// The function's name.
        #[serde(rename = "f")]
        function: String,
    },
    /// By an `OpenAPI` schema.
    Api {
        /// The HTTP method.
        #[serde(rename = "m")]
        method: String,
        /// The path, with its variables in braces.
        #[serde(rename = "p")]
        path: String,
    },
}

impl ToolCallId {
    /// The name of the tool: the function's, or method and path.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.action {
            Action::Function { function } => function.clone(),
            Action::Api { method, path } => format!("{method} {path}"),
        }
    }

    /// The id as it travels to the client and back.
    #[must_use]
    pub fn encode(&self) -> String {
        // A struct of strings and a number can always be written.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads an id; `None` if it is not one of ours.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    /// What stands for a session in an id.
    #[must_use]
    pub fn session_fingerprint(session_id: &str) -> String {
        URL_SAFE_NO_PAD.encode(&Sha256::digest(session_id)[..6])
    }
}
