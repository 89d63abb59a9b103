//! What a function can ask: the three services that answer prompts.

use super::{agent, harness, runtime};

/// What a function asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// An agent of Amazon Bedrock Agents: `InvokeAgent`.
    #[default]
    Agent,
    /// A managed harness of Amazon Bedrock AgentCore: `InvokeHarness`.
    Harness,
    /// An agent of one's own on a runtime of Amazon Bedrock AgentCore: `InvokeAgentRuntime`.
    Runtime,
}

impl Source {
    /// Each scenario of the scripted one: how to type it, and what happens then.
    #[must_use]
    pub fn scenarios(self) -> Vec<(String, String)> {
        match self {
            Self::Agent => agent::scenarios(),
            Self::Harness => harness::scenarios(),
            Self::Runtime => runtime::scenarios(),
        }
    }

    /// Prompts that show what the scripted one can do.
    #[must_use]
    pub fn suggested_prompts(self) -> &'static [&'static str] {
        match self {
            Self::Agent => &agent::SUGGESTED_PROMPTS,
            Self::Harness => &harness::HARNESS_SUGGESTED_PROMPTS,
            Self::Runtime => &runtime::RUNTIME_SUGGESTED_PROMPTS,
        }
    }
}
