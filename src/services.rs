//! The clients of both services, made before the function asks for its first event.
//!
//! Until then Lambda gives the function a whole CPU, whatever its memory; afterwards a share, of 256 MB a
//! seventh. So all that the first message would have to wait for is done before: root certificates,
//! randomness, the SDK's tables, and the connections, which a rehearsed call of each service opens.

use std::env;
use std::time::Duration;

use aws_config::SdkConfig;
use thiserror::Error;
use tokio::time::timeout;
use tracing::debug;

use crate::aws::sdk_config;
use crate::aws::{Http, NoCertificates, Rehearsal};
use crate::config::{Config, RunsConfig, SourceConfig};
use crate::runs::dynamodb::RunsTable;
use crate::source::agentcore_harness::AgentcoreHarness;
use crate::source::agentcore_runtime::AgentcoreRuntime;
use crate::source::bedrock_agent::BedrockAgent;
use crate::transport::websocket::{Connections, NoCallback};

/// How long the rehearsal may hold up the first event. What it has not opened by then is opened when it
/// is needed.
const REHEARSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// What a run needs of AWS.
#[derive(Debug)]
pub struct Services {
    /// Who is asked.
    pub source: ConfiguredSource,
    /// Where the answers go.
    pub connections: Connections,
    /// Where runs are kept, if they are.
    pub runs: Option<RunsTable>,
    /// What both call through.
    pub http: Http,
}

/// Who is asked, by configuration.
#[derive(Debug)]
pub enum ConfiguredSource {
    /// A Bedrock agent.
    BedrockAgent(BedrockAgent),
    /// A harness of Bedrock `AgentCore`.
    AgentcoreHarness(AgentcoreHarness),
    /// An agent on a runtime of Bedrock `AgentCore`.
    AgentcoreRuntime(AgentcoreRuntime),
}

impl ConfiguredSource {
    fn new(sdk: &SdkConfig, config: SourceConfig) -> Self {
        match config {
            SourceConfig::BedrockAgent(config) => {
                Self::BedrockAgent(BedrockAgent::new(sdk, config))
            }
            SourceConfig::AgentcoreHarness(config) => {
                Self::AgentcoreHarness(AgentcoreHarness::new(sdk, config))
            }
            SourceConfig::AgentcoreRuntime(config) => {
                Self::AgentcoreRuntime(AgentcoreRuntime::new(sdk, config))
            }
        }
    }

    async fn rehearse(&self, rehearsal: Rehearsal) {
        match self {
            Self::BedrockAgent(agent) => agent.rehearse(rehearsal).await,
            Self::AgentcoreHarness(harness) => harness.rehearse(rehearsal).await,
            Self::AgentcoreRuntime(runtime) => runtime.rehearse(rehearsal).await,
        }
    }
}

/// Why the services can't be called.
#[derive(Debug, Error)]
pub enum ServicesError {
    /// Neither the environment nor a file names a Region.
    #[error("no AWS Region is set. Set AWS_REGION; Lambda does so itself.")]
    Region,
    /// What they name is none: it is a part of the services' host names.
    #[error(
        "\"{0}\" is no AWS Region. Set AWS_REGION to one such as eu-west-1; Lambda does so itself."
    )]
    NotARegion(String),
    /// There is no way to answer anybody.
    #[error(transparent)]
    Callback(#[from] NoCallback),
    /// The file that is to have the root certificates has none.
    #[error(transparent)]
    Certificates(#[from] NoCertificates),
}

impl Services {
    /// Makes them.
    ///
    /// # Errors
    /// The environment lacks what they need.
    pub async fn new(config: &Config) -> Result<Self, ServicesError> {
        let http = Http::new()?;
        let sdk = sdk_config::load(http.clone()).await;
        let region = sdk.region().ok_or(ServicesError::Region)?.as_ref();
        if !is_host_label(region) {
            return Err(ServicesError::NotARegion(region.to_owned()));
        }
        let connections = Connections::new(&sdk, config.callback_endpoint_is_set).await?;
        // A call of the agent is not made again once it may have been seen.
        let for_agent =
            sdk.to_builder().http_client(http.for_requests_without_repetition()).build();
        let source = ConfiguredSource::new(&for_agent, config.source.clone());
        let table = |runs: &RunsConfig| RunsTable::new(&sdk, http.clone(), runs.table.clone());
        let runs = config.runs.as_ref().map(table);
        Ok(Self { source, connections, runs, http })
    }

    /// Walks the way of a first message as far as that is possible without one, and opens its
    /// connections if the first event is to be expected within seconds.
    pub async fn rehearse(&self) {
        let rehearsal = Rehearsal::new(self.http.clone(), first_event_is_near());
        let rehearsing = async {
            tokio::join!(
                self.source.rehearse(rehearsal.clone()),
                self.connections.rehearse(rehearsal.clone())
            )
        };
        if timeout(REHEARSAL_TIMEOUT, rehearsing).await.is_err() {
            debug!("the connections are not open yet");
        }
    }
}

/// Whether a text can be a part of a host's name.
fn is_host_label(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Whether this environment was started because of an event, and not in advance ("Defined runtime
/// environment variables"), for hours to come: a connection that has waited for long is not used.
fn first_event_is_near() -> bool {
    env::var("AWS_LAMBDA_INITIALIZATION_TYPE").map_or(true, |cause| cause == "on-demand")
}
