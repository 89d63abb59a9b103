//! What a message asks of `InvokeAgent` that no other source has.

use crate::request::{Attributes, Fields, Options, User};

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

/// The session attributes that say who asks, where a provider vouches for it. Tools may trust them, so
/// nobody else can set them.
const PRINCIPAL: &str = "principal";
const EMAIL: &str = "email";

impl InvokeAgentOptions {
    /// The same with who asks among the session attributes, if that is known.
    ///
    /// # Errors
    /// The client says by itself who it is, which nobody vouches for.
    pub(super) fn with_user(&self, user: Option<&User>) -> Result<Self, String> {
        let mut options = self.clone();
        let Some(user) = user else { return Ok(options) };
        for name in [PRINCIPAL, EMAIL] {
            if self.session_attributes.contains_key(name)
                || self.prompt_session_attributes.contains_key(name)
            {
                return Err(format!(
                    "`{name}` can't be set by a client that has signed in: the agent gets the one of the token. Leave it out."
                ));
            }
        }
        options.session_attributes.insert(PRINCIPAL.to_owned(), user.subject.clone());
        if let Some(email) = &user.email {
            options.session_attributes.insert(EMAIL.to_owned(), email.clone());
        }
        Ok(options)
    }
}

impl Options for InvokeAgentOptions {
    const SHORT_FORM: &'static [&'static str] =
        &["email", "sessionAttributes", "promptSessionAttributes", "endSession"];

    fn from_short_form(message: &Fields<'_>) -> Result<Self, String> {
        let mut options = Self::from_forwarded_props(message)?;
        if let Some(email) = message.text("email")? {
            options.session_attributes.insert(EMAIL.to_owned(), email);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> User {
        User {
            hash: "hash".to_owned(),
            subject: "ada".to_owned(),
            email: Some("ada@example.com".to_owned()),
        }
    }

    fn with(name: &str, value: &str) -> [InvokeAgentOptions; 2] {
        let attributes = Attributes::from([(name.to_owned(), value.to_owned())]);
        [
            InvokeAgentOptions { session_attributes: attributes.clone(), ..Default::default() },
            InvokeAgentOptions { prompt_session_attributes: attributes, ..Default::default() },
        ]
    }

    #[test]
    fn a_token_says_who_asks_and_the_client_can_not() {
        let options = InvokeAgentOptions::default().with_user(Some(&ada())).unwrap();
        assert_eq!(options.session_attributes["principal"], "ada");
        assert_eq!(options.session_attributes["email"], "ada@example.com");
        for name in ["principal", "email"] {
            for options in with(name, "bob") {
                let reason = options.with_user(Some(&ada())).unwrap_err();
                assert!(reason.contains(&format!("`{name}`")), "{reason}");
            }
        }
        for options in with("plan", "gold") {
            assert!(options.with_user(Some(&ada())).is_ok());
        }
    }

    #[test]
    fn a_token_without_a_verified_address_gives_none() {
        let user = User { email: None, ..ada() };
        let options = InvokeAgentOptions::default().with_user(Some(&user)).unwrap();
        assert!(!options.session_attributes.contains_key("email"));
        for options in with("email", "bob@example.com") {
            assert!(options.with_user(Some(&user)).is_err());
        }
    }

    #[test]
    fn where_nobody_is_known_a_client_says_what_it_likes() {
        for name in ["principal", "email"] {
            for options in with(name, "bob") {
                assert_eq!(options.with_user(None), Ok(options));
            }
        }
    }
}
