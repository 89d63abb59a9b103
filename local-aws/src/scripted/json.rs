//! JSON that is passed on as it was written.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A value of JSON in its own spelling: the digits of its numbers and the order of its members stay.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Json(Box<RawValue>);

impl Json {
    /// The JSON of a text.
    pub(crate) fn string(text: &str) -> Self {
        // A text is always JSON, so the fallback is never used.
        Self(serde_json::value::to_raw_value(text).unwrap_or_default())
    }

    /// The value as it is written.
    pub(crate) fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}
