//! The id of a tool call, which holds everything that its result has to repeat to the harness. So nothing
//! is kept between the two runs: any process of the function can take the second.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A tool call that a harness hands to its caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCallId {
    /// Which session it belongs to: a short hash of the relay's session id, so that an answer can't be
    /// given in another conversation by mistake.
    #[serde(rename = "s")]
    pub session: String,
    /// The harness's id of the call.
    #[serde(rename = "u")]
    pub tool_use_id: String,
    /// The tool's name.
    #[serde(rename = "t")]
    pub name: String,
    /// The input, as the model wrote it.
    #[serde(rename = "i")]
    pub input: String,
}

impl ToolCallId {
    /// The id as it travels to the client and back.
    #[must_use]
    pub fn encode(&self) -> String {
        // A struct of strings can always be written.
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
