//! The clients of both services, made while the function asks for its first event.
//!
//! Each reads the SDK's table of partitions, together two fifths of all that the function would do
//! until then. Only a message needs them.

use std::sync::Arc;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

use crate::agent::Agent;
use crate::config::Config;
use crate::connection::{Connections, NoCallback};
use crate::sdk;

/// What a run needs of AWS.
#[derive(Debug)]
pub struct Clients {
    /// Who is asked.
    pub agent: Agent,
    /// Where the answers go.
    pub connections: Connections,
}

/// Why there are no clients.
#[derive(Debug, Error)]
pub enum NoClients {
    /// Neither the environment nor a file names a Region.
    #[error("no AWS Region is set. Set AWS_REGION; Lambda does so itself.")]
    Region,
    /// There is no way to answer anybody.
    #[error(transparent)]
    Callback(#[from] NoCallback),
    /// A panic of the SDK, most likely.
    #[error("the making of the AWS clients failed")]
    Broken(#[from] JoinError),
}

impl Clients {
    /// Makes them on another thread. This one's runtime has to be there until they are made.
    ///
    /// # Errors
    /// The environment lacks what they need.
    pub async fn make(config: Arc<Config>) -> Result<Self, NoClients> {
        let runtime = Handle::current();
        spawn_blocking(move || runtime.block_on(Self::new(&config))).await?
    }

    async fn new(config: &Config) -> Result<Self, NoClients> {
        let sdk = sdk::config().await;
        if sdk.region().is_none() {
            return Err(NoClients::Region);
        }
        let connections = Connections::new(&sdk, config.callback_endpoint_is_set).await?;
        Ok(Self { agent: Agent::new(&sdk, config), connections })
    }
}
