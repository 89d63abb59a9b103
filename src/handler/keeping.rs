//! Where a run that begins is kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::warn;

use crate::config::Config;
use crate::error::chain;
use crate::invocation::ConnectionRef;
use crate::relay::Keeping;
use crate::relay::delivery::Destination;
use crate::relay::keeper::Keeper;
use crate::request::{ClientMessage, Run, messages_of};
use crate::runs::dynamodb::RunsTable;
use crate::runs::error::{BoxError, RunsError};
use crate::runs::item::{Item, KeptJournal, RunAddress, Update};
use crate::runs::key::RunKey;
use crate::runs::table::Table as _;
use crate::services::Services;
use crate::transport::websocket::{Connection, Connections, MAX_FRAME};

/// Keeps one run in the table.
pub(crate) struct RunKeeper {
    table: RunsTable,
    connections: Connections,
    address: RunAddress,
    item: Item,
    /// What it begins with.
    input: Option<String>,
    key: RunKey,
    resume: Duration,
    alone: Duration,
}

impl RunKeeper {
    /// Where a run is kept that is about to begin, for which the function has so much time left; `None` if
    /// runs are not kept.
    pub(super) fn new<O>(
        config: &Config,
        services: &Services,
        run: &Run<O>,
        message: ClientMessage<'_>,
        remaining: Duration,
    ) -> Option<Self> {
        let takes_files = config.files.is_some();
        let (config, table) = (config.runs.as_ref()?, services.runs.as_ref()?);
        let now = since_1970();
        let address = RunAddress::new(&run.session_id, ms(now), &run.request_id);
        let key = RunKey::generate(&run.thread_id, &address.sort_key);
        let key = key.map_err(|error| warn!(error = chain(&error), "the run is not kept")).ok()?;
        let until = now + remaining;
        let item = Item::new(&run.run_id, key.hash(), ms(until), (until + config.resume).as_secs());
        Some(Self {
            table: table.clone(),
            connections: services.connections.clone(),
            address,
            item,
            input: messages_of(message, takes_files),
            key,
            resume: config.resume,
            alone: config.alone,
        })
    }

    /// How a run is kept that begins there.
    pub(super) fn keeping(&self, destination: Destination) -> Keeping<'_, Self> {
        let (key, alone) = (self.key.to_text(), self.alone);
        Keeping { keeper: self, key, destination, max_frame: MAX_FRAME, alone }
    }
}

impl Keeper for RunKeeper {
    type Connection = Connection;

    fn connect(&self, to: &ConnectionRef) -> Result<Connection, BoxError> {
        Ok(self.connections.to(to)?)
    }

    async fn start(&self) -> Result<(), RunsError> {
        self.table.start(&self.address, self.item.clone(), self.input.as_deref()).await
    }

    async fn watch(&self) -> Result<Option<Item>, RunsError> {
        self.table.watch(&self.address).await
    }

    async fn update(&self, update: Update) -> Result<bool, RunsError> {
        self.table.update(&self.address, update).await
    }

    async fn put_journal(&self, parts: Vec<Vec<u8>>) -> Result<KeptJournal, RunsError> {
        self.table.put_journal(&self.address, parts, self.expires()).await
    }

    fn expires(&self) -> u64 {
        (since_1970() + self.resume).as_secs()
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
