//! Whom a request is for: an agent, its alias and a session.

use serde::Deserialize;

use super::exception::Refusal;

/// The agent, alias and session that a request names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "these are Bedrock's names")]
pub(super) struct Address {
    pub(super) agent_id: String,
    pub(super) agent_alias_id: String,
    pub(super) session_id: String,
}

impl Address {
    /// Checks the ids as Bedrock does, with the patterns of its API model.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let checks = [
            ("agentId", &self.agent_id, 1..=10, "[0-9a-zA-Z]+", ""),
            ("agentAliasId", &self.agent_alias_id, 1..=10, "[0-9a-zA-Z]+", ""),
            ("sessionId", &self.session_id, 2..=100, "[0-9a-zA-Z._:-]+", "._:-"),
        ];
        for (name, value, length, pattern, marks) in checks {
            let fits = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
            if !length.contains(&value.len()) || !value.chars().all(fits) {
                let (least, most) = length.into_inner();
                return Err(Refusal::invalid(format!(
                    "1 validation error detected: Value '{value}' at '{name}' failed to satisfy \
                     constraint: Member must have a length from {least} to {most} and satisfy \
                     regular expression pattern: {pattern}"
                )));
            }
        }
        Ok(())
    }

    /// The ARN of the alias.
    pub(super) fn alias_arn(&self) -> String {
        let Self { agent_id, agent_alias_id, .. } = self;
        format!("arn:aws:bedrock:us-east-1:123456789012:agent-alias/{agent_id}/{agent_alias_id}")
    }

    /// A session of the scripted agent, for tests.
    #[cfg(test)]
    pub(super) fn example(session_id: &str) -> Self {
        Self {
            agent_id: "LOCALAGENT".to_owned(),
            agent_alias_id: "LOCALALIAS".to_owned(),
            session_id: session_id.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_with_bedrocks_patterns() {
        assert!(Address::example("a1._:-").check().is_ok());
        let long = "a".repeat(101);
        for session_id in ["a", "", "white space", "umlaut-ä", &long] {
            assert!(Address::example(session_id).check().is_err(), "{session_id}");
        }
        let agent = Address { agent_id: "ELEVENCHARS".to_owned(), ..Address::example("ab") };
        assert!(agent.check().is_err());
    }
}
