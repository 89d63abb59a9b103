//! What a message asks of `InvokeHarness` that no other source has.

use crate::request::{Fields, Options};

/// What only `InvokeHarness` understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HarnessOptions {
    /// Whether the session ends with this run.
    pub end_session: bool,
}

impl Options for HarnessOptions {
    /// `email` is taken and not sent: a harness has no place for it.
    const SHORT_FORM: &'static [&'static str] =
        &["email", "sessionAttributes", "promptSessionAttributes", "endSession"];

    fn from_short_form(message: &Fields<'_>) -> Result<Self, String> {
        Self::from_forwarded_props(message)
    }

    fn from_forwarded_props(props: &Fields<'_>) -> Result<Self, String> {
        for name in ["sessionAttributes", "promptSessionAttributes"] {
            if !props.attributes(name)?.is_empty() {
                return Err(format!(
                    "`{}` can't be sent: this agent is a harness, which has no attributes. Say it in the prompt, or leave it out.",
                    props.path(name)
                ));
            }
        }
        Ok(Self { end_session: props.flag("endSession")? })
    }
}
