//! Reads the environment's variables. All that is wrong with them is said at once.

use std::time::Duration;

use serde_json::{Map, Value};
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::access::{Access, Origins, Provider, TokenUse, is_issuer};
use super::{
    BedrockAgentConfig, Config, ConfigError, FileUse, HarnessConfig, LogConfig, PageConfig,
    RunsConfig, RuntimeConfig, SourceConfig, is_session_or_memory_id,
};

/// The SDK's own variable for the endpoint of one service.
pub(super) const CALLBACK_ENDPOINT: &str = "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI";

/// The same for the table of runs.
const TABLE_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// The SDK's own variable for the endpoint of every service that has none of its own.
const ANY_ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// What the function tells the page itself, and from which variable.
const OWN_SETTINGS: [(&str, &str); 9] = [
    ("version", "the function itself"),
    ("endpoint", "WEBSOCKET_URL"),
    ("access", "ACCESS"),
    ("issuer", "OIDC_ISSUER"),
    ("audience", "OIDC_AUDIENCE"),
    ("allowTrace", "ALLOW_TRACE"),
    ("suggestions", "SUGGESTED_PROMPTS"),
    ("keepaliveSeconds", "KEEPALIVE_SECONDS"),
    ("files", "FILE_USE"),
];

impl Config {
    /// Reads the configuration from the process environment.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong, and what it should hold.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the configuration through `lookup`, which gives the value of a variable. A variable
    /// that holds only white space counts as absent, because a deployment template can't leave one
    /// out conditionally without repeating itself.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong, and what it should hold.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut env = Environment { lookup, problems: Vec::new() };
        let source = env.source();
        let config = Self {
            files: env.files(&source),
            source,
            allow_trace: env.boolean("ALLOW_TRACE", false),
            keepalive: Duration::from_secs(env.number("KEEPALIVE_SECONDS", 30, 1, 540)),
            max_prompt_chars: usize::try_from(env.number(
                "MAX_PROMPT_CHARS",
                100_000,
                1,
                1_000_000,
            ))
            .unwrap_or(usize::MAX),
            callback_endpoint_is_set: env.endpoints_are_set(),
            access: env.access(),
            origins: env.origins("ALLOWED_ORIGINS"),
            page: env.page(),
            runs: env.runs(),
            log: env.log(),
        };
        if env.problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { problems: env.problems })
        }
    }
}

/// The variables, and what was found wrong with them so far. Each reader returns a stand-in after
/// a problem, so that all problems are reported at once.
struct Environment<F> {
    lookup: F,
    problems: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Exactly one source must be named.
    fn source(&mut self) -> SourceConfig {
        let has = |name| self.get(name).is_some();
        let names_agent = has("AGENT_ID") || has("AGENT_ALIAS_ID");
        let (has_harness, has_runtime) = (has("HARNESS_ARN"), has("RUNTIME_ARN"));
        let named = [
            names_agent.then_some("AGENT_ID"),
            has_harness.then_some("HARNESS_ARN"),
            has_runtime.then_some("RUNTIME_ARN"),
        ];
        let named: Vec<&str> = named.into_iter().flatten().collect();
        let endpoints_of_nothing = [
            ("HARNESS_ENDPOINT", "HARNESS_ARN", "a harness", has_harness),
            ("RUNTIME_ENDPOINT", "RUNTIME_ARN", "a runtime", has_runtime),
        ];
        let endpoints_of_nothing: Vec<String> = endpoints_of_nothing
            .into_iter()
            .filter(|(endpoint, _, _, has_arn)| has(endpoint) && !has_arn)
            .map(|(endpoint, arn, of, _)| {
                format!("{endpoint} is set, but {arn} is not: an endpoint is one of {of}.")
            })
            .collect();
        self.problems.extend(endpoints_of_nothing);
        if named.len() > 1 {
            self.problems.push(format!(
                "{} are set, but there can be only one agent: leave out all but AGENT_ID with AGENT_ALIAS_ID, or HARNESS_ARN, or RUNTIME_ARN.",
                named.join(" and ")
            ));
        }
        match named[..] {
            ["HARNESS_ARN", ..] => SourceConfig::AgentcoreHarness(self.harness()),
            ["RUNTIME_ARN", ..] => SourceConfig::AgentcoreRuntime(self.runtime()),
            _ => {
                let agent = self.bedrock_agent();
                if named.is_empty() {
                    self.problems.push(
                        "Or leave both out, and set HARNESS_ARN to a harness or RUNTIME_ARN to a runtime of AgentCore.".to_owned(),
                    );
                }
                SourceConfig::BedrockAgent(agent)
            }
        }
    }

    fn bedrock_agent(&mut self) -> BedrockAgentConfig {
        // Dropping its stream is all that stopping takes.
        self.boolean("STOP_ON_LEAVE", false);
        BedrockAgentConfig {
            agent_id: self.resource_id("AGENT_ID", "the id of the Bedrock agent to call"),
            agent_alias_id: self.resource_id("AGENT_ALIAS_ID", "the id of the agent's alias"),
            memory_id: self.memory_id("MEMORY_ID"),
        }
    }

    /// The ARN in a variable, with its Region, and the name of the endpoint in another. Console and policies
    /// show both in one ARN.
    fn agentcore(
        &mut self,
        kind: &str,
        arn_name: &str,
        endpoint_name: &str,
    ) -> (String, String, Option<String>) {
        let arn = self.get(arn_name).unwrap_or_default();
        let region = region_of(&arn, kind).map(str::to_owned);
        if let Some((arn, endpoint)) = arn.split_once(&format!("/{kind}-endpoint/")) {
            self.problems.push(format!(
                "{arn_name} is that of an endpoint: set it to {arn}, and {endpoint_name} to {endpoint}."
            ));
        } else if region.is_none() {
            self.problems.push(format!(
                "{arn_name} is \"{arn}\", but it must be the ARN of a {kind}, for example arn:aws:bedrock-agentcore:eu-west-1:123456789012:{kind}/my_{kind}-AbCdEf1234."
            ));
        }
        let endpoint = self.get(endpoint_name);
        if let Some(endpoint) = &endpoint
            && !is_name(endpoint, 48)
        {
            self.problems.push(format!(
                "{endpoint_name} is \"{endpoint}\", but it must be the name of an endpoint: a letter, then at most 47 letters, digits and underscores."
            ));
        }
        (arn, region.unwrap_or_default(), endpoint)
    }

    fn runtime(&mut self) -> RuntimeConfig {
        let (runtime_arn, region, endpoint) =
            self.agentcore("runtime", "RUNTIME_ARN", "RUNTIME_ENDPOINT");
        if self.get("MEMORY_ID").is_some() {
            self.problems.push(
                "MEMORY_ID is set, but an agent on a runtime has a memory of its own, by the conversation: leave it out."
                    .to_owned(),
            );
        }
        let stop_on_leave = self.boolean("STOP_ON_LEAVE", false);
        RuntimeConfig { runtime_arn, region, endpoint, stop_on_leave }
    }

    fn harness(&mut self) -> HarnessConfig {
        let (harness_arn, region, endpoint) =
            self.agentcore("harness", "HARNESS_ARN", "HARNESS_ENDPOINT");
        let memory_id = self.get("MEMORY_ID");
        if let Some(memory_id) = &memory_id
            && !is_actor_id(memory_id)
        {
            self.problems.push(format!(
                "MEMORY_ID is \"{memory_id}\", but with a harness it must be an actor's id: a letter or digit, then letters, digits and the characters - _ / or a : between others."
            ));
        }
        HarnessConfig {
            harness_arn,
            region,
            endpoint,
            memory_id,
            stop_on_leave: self.boolean("STOP_ON_LEAVE", false),
        }
    }

    /// `agentId` and `agentAliasId` are at most ten ASCII letters and digits (API reference of
    /// `InvokeAgent`).
    fn resource_id(&mut self, name: &str, meaning: &str) -> String {
        let Some(value) = self.get(name) else {
            self.problems
                .push(format!("{name} is not set: set it to {meaning}, for example ABCDE12345."));
            return String::new();
        };
        if value.len() > 10 || !value.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            self.problems.push(format!(
                "{name} is \"{value}\", but it must be {meaning}: at most 10 letters and digits, for example ABCDE12345."
            ));
        }
        value
    }

    fn memory_id(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        if !is_session_or_memory_id(&value) {
            self.problems.push(format!(
                "{name} is \"{value}\", but it must be 2 to 100 letters, digits and the characters . _ : - or be left out."
            ));
        }
        Some(value)
    }

    /// The SDK's variables for endpoints, which it reads itself and does not check. Whether one of them
    /// is that of the callbacks.
    fn endpoints_are_set(&mut self) -> bool {
        let endpoints = [
            CALLBACK_ENDPOINT,
            "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME",
            "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE",
            ANY_ENDPOINT,
        ];
        for name in endpoints {
            self.check_endpoint(name);
        }
        self.get(CALLBACK_ENDPOINT).is_some() || self.get(ANY_ENDPOINT).is_some()
    }

    fn files(&mut self, source: &SourceConfig) -> Option<FileUse> {
        let value = self.get("FILE_USE");
        let file_use = match value.as_deref() {
            None => Some(FileUse::Chat),
            Some("off") => return None,
            Some(name) => FileUse::parse(name),
        };
        if let Some(name) = &value
            && file_use.is_none()
        {
            self.problems.push(format!(
                "FILE_USE is \"{name}\", but it must be chat, code_interpreter or off."
            ));
        }
        match source {
            SourceConfig::BedrockAgent(_) => file_use,
            SourceConfig::AgentcoreHarness(_) | SourceConfig::AgentcoreRuntime(_) => {
                if value.is_some() {
                    self.problems.push(
                        "FILE_USE is set, but the relay sends files only to a Bedrock agent: leave it out."
                            .to_owned(),
                    );
                }
                None
            }
        }
    }

    fn runs(&mut self) -> Option<RunsConfig> {
        let hours = self.number("RESUME_HOURS", 24, 0, 168);
        let alone = Duration::from_secs(self.number("ALONE_SECONDS", 900, 1, 900));
        let table = self.get("RUNS_TABLE")?;
        if !is_table_name(&table) {
            self.problems.push(format!(
                "RUNS_TABLE is \"{table}\", but it must be the name of a table of DynamoDB: 3 to 255 letters, digits and the characters . _ -"
            ));
        }
        if hours == 0 {
            self.problems.push(
                "RESUME_HOURS is 0, which keeps no run, but RUNS_TABLE is set: leave out RUNS_TABLE, or set RESUME_HOURS to 1 or more."
                    .to_owned(),
            );
        }
        self.check_endpoint(TABLE_ENDPOINT);
        Some(RunsConfig { table, resume: Duration::from_secs(hours * 3600), alone })
    }

    fn check_endpoint(&mut self, name: &str) {
        if let Some(url) = self.get(name)
            && !is_endpoint(&url)
        {
            self.problems.push(format!(
                "{name} must be an http or https URL without a user's name, for example https://abc123.execute-api.eu-west-1.amazonaws.com/live."
            ));
        }
    }

    fn boolean(&mut self, name: &str, default: bool) -> bool {
        match self.get(name).as_deref().map(str::to_ascii_lowercase).as_deref() {
            None => default,
            Some("true") => true,
            Some("false") => false,
            Some(other) => {
                self.problems.push(format!("{name} is \"{other}\", but it must be true or false."));
                default
            }
        }
    }

    fn number(&mut self, name: &str, default: u64, least: u64, most: u64) -> u64 {
        let Some(value) = self.get(name) else { return default };
        match value.parse() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.problems.push(format!(
                    "{name} is \"{value}\", but it must be a whole number from {least} to {most}."
                ));
                default
            }
        }
    }

    fn access(&mut self) -> Access {
        let (code, issuer) = (self.get("ACCESS_CODE"), self.get("OIDC_ISSUER"));
        match self.get("ACCESS").as_deref() {
            Some("code") => Access::Code(code.unwrap_or_else(|| {
                self.problems.push("ACCESS is code, but ACCESS_CODE is not set.".to_owned());
                String::new()
            })),
            Some("oidc") => Access::Oidc(self.provider(issuer)),
            // Half of a setting must not let everybody in.
            None if code.is_some() || issuer.is_some() => {
                self.problems.push(
                    "ACCESS_CODE or OIDC_ISSUER is set, but ACCESS is not: set it to code or oidc."
                        .to_owned(),
                );
                Access::Open
            }
            None | Some("open") => Access::Open,
            Some(other) => {
                self.problems
                    .push(format!("ACCESS is \"{other}\", but it must be open, code or oidc."));
                Access::Open
            }
        }
    }

    fn provider(&mut self, issuer: Option<String>) -> Provider {
        let (issuer, audience) =
            (issuer.unwrap_or_default(), self.get("OIDC_AUDIENCE").unwrap_or_default());
        if !is_issuer(&issuer) {
            self.problems.push(format!(
                "OIDC_ISSUER is \"{issuer}\", but it must be the https URL that the provider's tokens have as iss, without query and fragment, for example https://login.example.com/."
            ));
        }
        if audience.is_empty() {
            self.problems.push(
                "ACCESS is oidc, but OIDC_AUDIENCE is not set: set it to the aud, or the client_id, of the tokens that are made out for this deployment."
                    .to_owned(),
            );
        }
        let token_use = match self.get("OIDC_TOKEN_USE").as_deref() {
            None | Some("any") => TokenUse::Any,
            Some("access") => TokenUse::Access,
            Some("id") => TokenUse::Id,
            Some(other) => {
                self.problems.push(format!(
                    "OIDC_TOKEN_USE is \"{other}\", but it must be any, access or id."
                ));
                TokenUse::Any
            }
        };
        Provider { issuer, audience, token_use }
    }

    fn origins(&mut self, name: &str) -> Origins {
        Origins::parse(&self.get(name).unwrap_or_default()).unwrap_or_else(|problem| {
            self.problems.push(format!("{name} is wrong: {problem}."));
            Origins::Any
        })
    }

    fn page(&mut self) -> PageConfig {
        let callback = || {
            let url = self.get(CALLBACK_ENDPOINT)?;
            url.strip_prefix("http").map(|rest| format!("ws{rest}"))
        };
        let endpoint = self.get("WEBSOCKET_URL").or_else(callback);
        if let Some(url) = &endpoint
            && !(url.starts_with("wss://") || url.starts_with("ws://"))
        {
            self.problems.push(format!(
                "WEBSOCKET_URL is \"{url}\", but it must begin with wss://, for example wss://chat.example.com."
            ));
        }
        let suggestions = self.get("SUGGESTED_PROMPTS").unwrap_or_default();
        let suggestions = suggestions.split('|').map(str::trim).filter(|prompt| !prompt.is_empty());
        let suggestions = suggestions.map(str::to_owned).collect();
        PageConfig { endpoint, suggestions, settings: self.page_settings() }
    }

    fn page_settings(&mut self) -> Map<String, Value> {
        let Some(text) = self.get("PAGE_SETTINGS") else { return Map::new() };
        let example = r#"{"title": "Help desk", "language": "de"}"#;
        let settings = match serde_json::from_str(&text) {
            Ok(Value::Object(settings)) => settings,
            Ok(_) => {
                self.problems.push(format!(
                    "PAGE_SETTINGS is JSON, but no object: set it to one, for example {example}."
                ));
                return Map::new();
            }
            Err(error) => {
                self.problems.push(format!(
                    "PAGE_SETTINGS is not JSON ({error}): set it to an object, for example {example}."
                ));
                return Map::new();
            }
        };
        for (name, variable) in OWN_SETTINGS {
            if settings.contains_key(name) {
                self.problems.push(format!(
                    "PAGE_SETTINGS has \"{name}\", which the page learns from {variable}: leave it out."
                ));
            }
        }
        if let Some(votes) = settings.get("votes")
            && !votes.as_str().is_some_and(is_votes_address)
        {
            self.problems.push(format!(
                "PAGE_SETTINGS has the \"votes\" {votes}, but that must be an https URL, for example \"https://example.com/votes\"."
            ));
        }
        settings
    }

    fn log(&mut self) -> LogConfig {
        let json = match self
            .get("AWS_LAMBDA_LOG_FORMAT")
            .map(|value| value.to_ascii_lowercase())
            .as_deref()
        {
            None | Some("text") => false,
            Some("json") => true,
            Some(other) => {
                self.problems.push(format!(
                    "AWS_LAMBDA_LOG_FORMAT is \"{other}\", but it must be JSON or Text."
                ));
                false
            }
        };
        let filter = match (self.get("RUST_LOG"), self.get("AWS_LAMBDA_LOG_LEVEL")) {
            (Some(directives), _) => self.directives(&directives),
            (None, Some(level)) => everything(self.level(&level)),
            (None, None) => everything(LevelFilter::INFO),
        };
        LogConfig { filter, json }
    }

    fn directives(&mut self, directives: &str) -> Targets {
        directives.parse().unwrap_or_else(|error| {
            self.problems.push(format!(
                "RUST_LOG is \"{directives}\", which is not a log filter ({error}): set it to a level such as info, or to directives such as agent_relay=debug,info."
            ));
            Targets::default()
        })
    }

    fn level(&mut self, level: &str) -> LevelFilter {
        match level.to_ascii_lowercase().as_str() {
            "trace" => LevelFilter::TRACE,
            "debug" => LevelFilter::DEBUG,
            "info" => LevelFilter::INFO,
            "warn" => LevelFilter::WARN,
            // Lambda has a level above `error`, which tracing has not.
            "error" | "fatal" => LevelFilter::ERROR,
            _ => {
                self.problems.push(format!(
                    "AWS_LAMBDA_LOG_LEVEL is \"{level}\", but it must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL."
                ));
                LevelFilter::INFO
            }
        }
    }
}

/// A filter for what this function and its libraries say alike.
pub(super) fn everything(level: LevelFilter) -> Targets {
    Targets::new().with_default(level)
}

/// The Region in the ARN of a harness or a runtime; `None` if it is no such ARN (service model of
/// `InvokeHarness`).
fn region_of<'a>(arn: &'a str, kind: &str) -> Option<&'a str> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", partition, "bedrock-agentcore", region, account, resource] = parts[..] else {
        return None;
    };
    let (name, suffix) = resource.strip_prefix(kind)?.strip_prefix('/')?.rsplit_once('-')?;
    let is_valid = !partition.is_empty()
        && is_region(region)
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && is_name(name, 48)
        && suffix.len() == 10
        && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_valid.then_some(region)
}

fn is_region(text: &str) -> bool {
    let is_region_char =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_region_char)
}

/// True for the name of a table (API reference of `DynamoDB`'s `CreateTable`).
fn is_table_name(text: &str) -> bool {
    (3..=255).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// True for a letter and at most `most - 1` letters, digits and underscores.
fn is_name(text: &str, most: usize) -> bool {
    text.len() <= most
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// True for an id that `AgentCore` takes as `actorId`: 1 to 255 letters, digits and `- _ / :`, of which the
/// first is a letter or digit (service model of `AgentCore`'s memory).
fn is_actor_id(id: &str) -> bool {
    id.len() <= 255
        && id.starts_with(|first: char| first.is_ascii_alphanumeric())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/:".contains(&byte))
        && id.split(':').all(|part| !part.is_empty())
}

/// True for an address that requests can be sent to.
fn is_endpoint(url: &str) -> bool {
    url.parse::<hyper::Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https"))
            && url.host().is_some_and(|host| !host.is_empty())
            && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && url.query().is_none()
    })
}

/// True for an address that the page may send votes to. Its origin becomes part of a header, in which some
/// characters have a meaning.
fn is_votes_address(url: &str) -> bool {
    let is_of_origin = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    url.parse::<hyper::Uri>().is_ok_and(|url| {
        let host = url.host().unwrap_or_default();
        let is_local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        (url.scheme_str() == Some("https") || url.scheme_str() == Some("http") && is_local)
            && !host.is_empty()
            && url.authority().is_some_and(|authority| authority.as_str().bytes().all(is_of_origin))
    })
}
