//! What a message asks of `InvokeAgent` that no other source has.

use crate::request::{Attributes, Fields, Options};

/// What only `InvokeAgent` understands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvokeAgentOptions {
    /// Attributes that live as long as the session.
    pub session_attributes: Attributes,
    /// Attributes for this run only.
    pub prompt_session_attributes: Attributes,
    /// Whether the session ends with this run.
    pub end_session: bool,
}

impl Options for InvokeAgentOptions {
    const SHORT_FORM: &'static [&'static str] =
        &["email", "sessionAttributes", "promptSessionAttributes", "endSession"];

    fn from_short_form(message: &Fields<'_>) -> Result<Self, String> {
        let mut options = Self::from_forwarded_props(message)?;
        if let Some(email) = message.text("email")? {
            options.session_attributes.insert("email".to_owned(), email.to_owned());
        }
        Ok(options)
    }

    fn from_forwarded_props(props: &Fields<'_>) -> Result<Self, String> {
        Ok(Self {
            session_attributes: props.attributes("sessionAttributes")?,
            prompt_session_attributes: props.attributes("promptSessionAttributes")?,
            end_session: props.flag("endSession")?,
        })
    }
}
