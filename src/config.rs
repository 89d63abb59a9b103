//! The environment, read once at start and turned into validated configuration.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};
use tracing_subscriber::filter::Targets;

use crate::config::access::{Access, Origins};

pub mod access;
mod environment;
#[cfg(test)]
mod tests;

/// What the function is configured with. Every value has been validated: nothing inside checks again.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who is asked.
    pub source: SourceConfig,
    /// `ALLOW_TRACE` (`true` or `false`, default `false`): whether a client may ask for traces.
    /// They show prompts, parameters and retrieved passages, hence the default.
    pub allow_trace: bool,
    /// `KEEPALIVE_SECONDS` (1 to 540, default 30): the longest silence towards the client. API
    /// Gateway closes a connection that is idle for 600 s.
    pub keepalive: Duration,
    /// `MAX_PROMPT_CHARS` (default 100,000): the longest prompt, in characters.
    pub max_prompt_chars: usize,
    /// Whether the environment names the callback endpoint
    /// (`AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI` or `AWS_ENDPOINT_URL`). The SDK reads it; when it
    /// is absent, the endpoint is derived from each event.
    pub callback_endpoint_is_set: bool,
    /// `ACCESS` (`open`, `code` or `oidc`, default `open`) with `ACCESS_CODE`, or `OIDC_ISSUER` and
    /// `OIDC_AUDIENCE`, and `OIDC_TOKEN_USE` (`any`, `access` or `id`, default `any`): who may connect.
    pub access: Access,
    /// `ALLOWED_ORIGINS` (separated by commas, default all): whose pages may connect.
    pub origins: Origins,
    /// What the page is told.
    pub page: PageConfig,
    /// How runs are kept, so that they can be joined; not at all without a table.
    pub runs: Option<RunsConfig>,
    /// `FILE_USE` (`chat`, `code_interpreter` or `off`, default `chat`): what a Bedrock agent is to do with the
    /// files that come with a prompt and do not say so; `None` if the source takes none.
    pub files: Option<FileUse>,
    /// How to log.
    pub log: LogConfig,
}

/// What an agent is to do with a file ("`InputFile`" in the API reference of `InvokeAgent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileUse {
    /// Its model reads it.
    Chat,
    /// Its code interpreter works on it.
    CodeInterpreter,
}

impl FileUse {
    /// The use of this name, in the API's form or in that of a variable.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "CHAT" | "chat" => Some(Self::Chat),
            "CODE_INTERPRETER" | "code_interpreter" => Some(Self::CodeInterpreter),
            _ => None,
        }
    }
}

/// How runs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsConfig {
    /// `RUNS_TABLE`: the name of the table.
    pub table: String,
    /// `RESUME_HOURS` (1 to 168, default 24): how long a run can be joined after its end. With 0, there must
    /// be no table.
    pub resume: Duration,
    /// `ALONE_SECONDS` (1 to 900, default 900): how long an agent works on while its client is gone. The
    /// default is as long as a function may run.
    pub alone: Duration,
}

/// Who is asked: one of these.
#[derive(Clone, Debug)]
pub enum SourceConfig {
    /// A Bedrock agent, by `InvokeAgent`.
    BedrockAgent(BedrockAgentConfig),
    /// A harness of Bedrock `AgentCore`, by `InvokeHarness`.
    AgentcoreHarness(HarnessConfig),
    /// An agent on a runtime of Bedrock `AgentCore`, by `InvokeAgentRuntime`.
    AgentcoreRuntime(RuntimeConfig),
}

/// Which Bedrock agent is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BedrockAgentConfig {
    /// `AGENT_ID`: the Bedrock agent to call.
    pub agent_id: String,
    /// `AGENT_ALIAS_ID`: the alias of that agent.
    pub agent_alias_id: String,
    /// `MEMORY_ID`: the memory every session uses. Without it, an authenticated caller gets a
    /// memory of their own, and others none.
    pub memory_id: Option<String>,
}

/// Which harness of Bedrock `AgentCore` is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HarnessConfig {
    /// `HARNESS_ARN`: the harness to call.
    pub harness_arn: String,
    /// The Region in that ARN.
    pub region: String,
    /// `HARNESS_ENDPOINT`: the name of its endpoint. Without it, the newest version answers.
    pub endpoint: Option<String>,
    /// `MEMORY_ID`: the actor whose memory every session uses. Without it, an authenticated caller is an
    /// actor, and others are none.
    pub memory_id: Option<String>,
    /// `STOP_ON_LEAVE` (`true` or `false`, default `false`): whether the session is stopped when its client
    /// leaves in the middle of an answer. Without a memory, the session is forgotten with it, hence the
    /// default.
    pub stop_on_leave: bool,
}

/// Which agent on a runtime of Bedrock `AgentCore` is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// `RUNTIME_ARN`: the runtime to call.
    pub runtime_arn: String,
    /// The Region in that ARN.
    pub region: String,
    /// `RUNTIME_ENDPOINT`: the name of its endpoint. Without it, the newest version answers.
    pub endpoint: Option<String>,
    /// `STOP_ON_LEAVE` (`true` or `false`, default `false`): whether the session is stopped when its client
    /// leaves in the middle of an answer. What the agent keeps in its memory is forgotten with it.
    pub stop_on_leave: bool,
}

/// What the page is told, beside how users are let in and whether there are traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageConfig {
    /// `WEBSOCKET_URL`, or else the callback endpoint with `wss` for `https`: where the page connects.
    pub endpoint: Option<String>,
    /// `SUGGESTED_PROMPTS` (separated by `|`): what the page offers for a first try.
    pub suggestions: Vec<String>,
    /// `PAGE_SETTINGS` (a JSON object, default none): how the page looks and speaks. The page reads
    /// its members, of which `votes`, if it is there, is an address; none is one of the function's own.
    pub settings: Map<String, Value>,
}

/// How to log, from Lambda's own variables, so that the advanced logging controls of the console work.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `RUST_LOG` (directives as in `agent_relay=debug,info`) or else `AWS_LAMBDA_LOG_LEVEL`
    /// (`trace`, `debug`, `info`, `warn`, `error`, `fatal`); default `info`.
    pub filter: Targets,
    /// `AWS_LAMBDA_LOG_FORMAT`: `JSON` or `Text` (default).
    pub json: bool,
}

/// Why the function can't start: one sentence for each variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join(" "))
    }
}

impl std::error::Error for ConfigError {}

/// True for an id that Bedrock takes as `sessionId` or `memoryId`: 2 to 100 of `[0-9a-zA-Z._:-]`
/// (API reference of `InvokeAgent`).
#[must_use]
pub fn is_session_or_memory_id(id: &str) -> bool {
    (2..=100).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
}
