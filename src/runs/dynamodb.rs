//! The table of runs in Amazon `DynamoDB`, by `PutItem`, `GetItem`, `UpdateItem` and `Query`: more rights the
//! function does not need.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::aws::Http;
use crate::deflate::{deflate, inflate};
use crate::error::chain;
use crate::relay::journal::kept::{MAX_PART, UnreadableJournal};
use crate::retry::Backoff;
use crate::runs::attributes::{self, Attributes, CONVERSATION, DATA, EXPIRES, RUN};
use crate::runs::dynamodb::client::{CallError, Client};
use crate::runs::error::RunsError;
use crate::runs::item::{Item, KeptInput, KeptJournal, RunAddress, Update};
use crate::runs::table::Table;
use crate::runs::uploads::{self, Piece, Pieces, UploadAddress};

mod client;

/// How long an attempt may take. A usual one takes some 5 ms.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// The largest input that stands in the control item, in bytes. With it, the item is still read for the
/// price of 4 KB, and written for that of 1 KB where the input is as short as most are.
const MAX_INPUT_IN_ITEM: usize = 2048;

/// The largest journal that stands in the control item, in bytes: one call less at the end of a usual turn.
const MAX_JOURNAL_IN_ITEM: usize = 2048;

/// The largest input that is kept, in bytes: Lambda passes on no larger message ("Lambda quotas").
const MAX_INPUT: u64 = 6 * 1024 * 1024;

/// The most parts that are read, of a journal or an input.
const MAX_PARTS: u32 = 100;

/// The table of runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RunsTable {
    client: Arc<Client>,
    name: String,
}

/// What to put, and on what condition (`PutItem`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Put<'a> {
    table_name: &'a str,
    item: &'a Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition_expression: Option<&'static str>,
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    expression_attribute_names: HashMap<&'static str, &'static str>,
}

/// What to get (`GetItem`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Get<'a> {
    table_name: &'a str,
    key: Attributes,
    consistent_read: bool,
}

/// What was got.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Got {
    item: Option<Attributes>,
}

/// What to change, and on what condition (`UpdateItem`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Change<'a> {
    table_name: &'a str,
    key: Attributes,
    update_expression: String,
    condition_expression: String,
    expression_attribute_names: HashMap<String, String>,
    expression_attribute_values: Attributes,
}

/// Which items to find (`Query`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Find<'a> {
    table_name: &'a str,
    key_condition_expression: &'static str,
    expression_attribute_names: HashMap<&'static str, &'static str>,
    expression_attribute_values: Attributes,
    scan_index_forward: bool,
    consistent_read: bool,
    limit: u16,
}

/// What was found.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    #[serde(default)]
    items: Vec<Attributes>,
}

impl RunsTable {
    /// The table of this name, through the SDK's configuration and these connections. Nothing is called.
    #[must_use]
    pub fn new(sdk: &SdkConfig, http: Http, name: String) -> Self {
        Self { client: Arc::new(Client::new(sdk, http)), name }
    }

    /// Keeps a run that begins, and what it begins with: messages, as JSON. Made again, it changes nothing.
    ///
    /// # Errors
    /// The run can't be joined.
    pub async fn start(
        &self,
        address: &RunAddress,
        mut item: Item,
        input: Option<&str>,
    ) -> Result<(), RunsError> {
        item.input = match input {
            Some(input) if input.len() > MAX_INPUT_IN_ITEM => {
                let deflated = deflate(input);
                let parts: Vec<_> = deflated.chunks(MAX_PART).map(<[u8]>::to_vec).collect();
                self.put_parts(address, PartKind::Input, &parts, item.expires).await?;
                Some(KeptInput::Apart { parts: u32::try_from(parts.len()).unwrap_or(u32::MAX) })
            }
            input => input.map(|input| KeptInput::Here(input.to_owned())),
        };
        // An item that is there already is that of an attempt whose answer was lost: its name is unique.
        self.put_if(
            &attributes::of_item(address, &item),
            Some("attribute_not_exists(#run)"),
            [("#run", RUN)].into(),
        )
        .await
    }

    /// The item as the relay that carries the run sees it each second: perhaps a little out of date, at half
    /// the price.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn watch(&self, address: &RunAddress) -> Result<Option<Item>, RunsError> {
        let attributes = self.get(address, false).await?;
        attributes.filter(is_current).as_ref().map(attributes::to_item).transpose()
    }

    /// The newest run of a conversation.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn newest(&self, session_id: &str) -> Result<Option<(RunAddress, Item)>, RunsError> {
        Ok(self.history(session_id, 1).await?.pop())
    }

    /// The newest runs of a conversation, at most so many, the oldest of them first.
    ///
    /// # Errors
    /// They can't be read.
    pub async fn history(
        &self,
        session_id: &str,
        most: u16,
    ) -> Result<Vec<(RunAddress, Item)>, RunsError> {
        let find = Find {
            table_name: &self.name,
            key_condition_expression: "#conversation = :conversation",
            expression_attribute_names: [("#conversation", CONVERSATION)].into(),
            expression_attribute_values: [(
                ":conversation".to_owned(),
                attributes::text(session_id),
            )]
            .into(),
            scan_index_forward: false,
            consistent_read: true,
            limit: most,
        };
        let found = self.call("Query", &find).await?;
        let newest_first = found.map_or_else(Vec::new, |Found { items }| items);
        let read = |attributes: &Attributes| {
            Ok((attributes::to_address(attributes)?, attributes::to_item(attributes)?))
        };
        newest_first.iter().rev().filter(|attributes| is_current(attributes)).map(read).collect()
    }

    /// Keeps the journal of a run that has ended, unless it is so small that it goes into the item, with
    /// the run's end. Nobody looks for it before the item says so. Where it is from then on.
    ///
    /// # Errors
    /// The run is not kept.
    pub async fn put_journal(
        &self,
        address: &RunAddress,
        mut parts: Vec<Vec<u8>>,
        expires: u64,
    ) -> Result<KeptJournal, RunsError> {
        if let [part] = &mut *parts
            && part.len() <= MAX_JOURNAL_IN_ITEM
        {
            return Ok(KeptJournal::Here(mem::take(part)));
        }
        self.put_parts(address, PartKind::Journal, &parts, expires).await?;
        Ok(KeptJournal::Apart { parts: u32::try_from(parts.len()).unwrap_or(u32::MAX) })
    }

    /// The parts of the journal of a run that has ended.
    ///
    /// # Errors
    /// They can't be read.
    pub async fn journal(
        &self,
        address: &RunAddress,
        journal: &KeptJournal,
    ) -> Result<Vec<Vec<u8>>, RunsError> {
        match journal {
            KeptJournal::Here(part) => Ok(vec![part.clone()]),
            KeptJournal::Apart { parts } => {
                self.get_parts(address, PartKind::Journal, *parts).await
            }
        }
    }

    /// What a run began with.
    ///
    /// # Errors
    /// It can't be read.
    pub async fn input(
        &self,
        address: &RunAddress,
        item: &Item,
    ) -> Result<Option<String>, RunsError> {
        match &item.input {
            None => Ok(None),
            Some(KeptInput::Here(input)) => Ok(Some(input.clone())),
            Some(KeptInput::Apart { parts }) => {
                let parts = self.get_parts(address, PartKind::Input, *parts).await?;
                let input = inflate(&parts.concat(), MAX_INPUT);
                Ok(Some(input.map_err(UnreadableJournal::from)?))
            }
        }
    }

    /// Keeps a piece of a file. Kept again, it replaces itself.
    ///
    /// # Errors
    /// It is not kept.
    pub async fn put_piece(&self, address: &UploadAddress, piece: Piece) -> Result<(), RunsError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let expires = (now + uploads::LIFETIME).as_secs();
        self.put(attributes::of_piece(address, piece, expires)).await
    }

    async fn put_parts(
        &self,
        address: &RunAddress,
        kind: PartKind,
        parts: &[Vec<u8>],
        expires: u64,
    ) -> Result<(), RunsError> {
        for (number, data) in (0..).zip(parts) {
            let mut attributes = attributes::key(&kind.address(address, number));
            attributes.insert(DATA.to_owned(), attributes::bytes(data.clone()));
            attributes.insert(EXPIRES.to_owned(), attributes::number(expires));
            self.put(attributes).await?;
        }
        Ok(())
    }

    /// Puts an item, whatever was in its place.
    async fn put(&self, attributes: Attributes) -> Result<(), RunsError> {
        self.put_if(&attributes, None, HashMap::new()).await
    }

    /// Puts an item, if what is in its place allows it.
    async fn put_if(
        &self,
        item: &Attributes,
        condition_expression: Option<&'static str>,
        expression_attribute_names: HashMap<&'static str, &'static str>,
    ) -> Result<(), RunsError> {
        let table_name = &self.name;
        let put = Put { table_name, item, condition_expression, expression_attribute_names };
        self.call::<IgnoredAny>("PutItem", &put).await.map(drop)
    }

    /// The item at this address as it is now, unless it has expired.
    async fn current(&self, address: &RunAddress) -> Result<Option<Attributes>, RunsError> {
        Ok(self.get(address, true).await?.filter(is_current))
    }

    async fn get_parts(
        &self,
        address: &RunAddress,
        kind: PartKind,
        parts: u32,
    ) -> Result<Vec<Vec<u8>>, RunsError> {
        if parts > MAX_PARTS {
            return Err(RunsError::UnreadableItem(format!("{parts} parts are more than any has")));
        }
        let mut all = Vec::new();
        for number in 0..parts {
            let part = self.get(&kind.address(address, number), true).await?;
            let data = part.as_ref().and_then(attributes::data);
            all.push(data.ok_or(RunsError::MissingPart(number))?);
        }
        Ok(all)
    }

    async fn get(
        &self,
        address: &RunAddress,
        consistent: bool,
    ) -> Result<Option<Attributes>, RunsError> {
        let key = attributes::key(address);
        let get = Get { table_name: &self.name, key, consistent_read: consistent };
        Ok(self.call("GetItem", &get).await?.and_then(|Got { item }| item))
    }

    /// Calls until there is an answer, a few times at most; `None` if the item does not allow what was asked.
    async fn call<O: DeserializeOwned>(
        &self,
        operation: &'static str,
        input: &impl Serialize,
    ) -> Result<Option<O>, RunsError> {
        // Each kind of failure has attempts of its own.
        let (mut throttled, mut failed) = (0, 0);
        loop {
            // Large, and most of the time none is under way.
            let called = Box::pin(timeout(ATTEMPT_TIMEOUT, self.client.call(operation, input)));
            let outcome = match called.await {
                Ok(Ok(output)) => return Ok(Some(output)),
                Ok(Err(error)) if error.code() == "ConditionalCheckFailedException" => {
                    return Ok(None);
                }
                Ok(Err(error)) => FailedCall::of(operation, error),
                Err(_) => FailedCall {
                    error: RunsError::NoAnswer { operation, source: TimedOut.into() },
                    is_final: false,
                },
            };
            let FailedCall { error, is_final } = outcome;
            let (backoff, attempts) = match error {
                RunsError::Throttled { .. } => (Backoff::THROTTLED_TABLE, &mut throttled),
                _ => (Backoff::TABLE, &mut failed),
            };
            *attempts += 1;
            match backoff.after(*attempts) {
                Some(wait) if !is_final => {
                    let error = chain(&error);
                    debug!(throttled, failed, ?wait, error, "the table of runs is asked again");
                    sleep(wait).await;
                }
                _ => return Err(error),
            }
        }
    }
}

impl Table for RunsTable {
    async fn read(&self, address: &RunAddress) -> Result<Option<Item>, RunsError> {
        self.current(address).await?.as_ref().map(attributes::to_item).transpose()
    }

    async fn update(&self, address: &RunAddress, update: Update) -> Result<bool, RunsError> {
        let attributes::Expressions { update, condition, names, values } =
            attributes::of_update(&update);
        let change = Change {
            table_name: &self.name,
            key: attributes::key(address),
            update_expression: update,
            condition_expression: condition,
            expression_attribute_names: names,
            expression_attribute_values: values,
        };
        Ok(self.call::<IgnoredAny>("UpdateItem", &change).await?.is_some())
    }
}

impl Pieces for RunsTable {
    async fn piece(
        &self,
        address: &UploadAddress,
        index: usize,
    ) -> Result<Option<Piece>, RunsError> {
        let attributes = self.current(&address.of_piece(index)).await?;
        attributes.map(|attributes| attributes::to_piece(index, &attributes)).transpose()
    }
}

/// What a part is a part of.
#[derive(Clone, Copy, Debug)]
enum PartKind {
    Journal,
    Input,
}

impl PartKind {
    /// Where the part with this number is. No conversation has a `/`.
    fn address(self, run: &RunAddress, number: u32) -> RunAddress {
        let sort_key = match self {
            Self::Journal => number.to_string(),
            Self::Input => format!("input-{number}"),
        };
        RunAddress { session_id: format!("{}/{}", run.session_id, run.sort_key), sort_key }
    }
}

/// Whether these attributes have not expired. Those that do not say so are for others to complain about.
fn is_current(attributes: &Attributes) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    attributes::expires(attributes).map_or(true, |expires| expires > now)
}

#[derive(Debug, Error)]
#[error("there was no answer in time")]
struct TimedOut;

/// Why a call failed, and whether it would again.
struct FailedCall {
    error: RunsError,
    is_final: bool,
}

impl FailedCall {
    fn of(operation: &'static str, error: CallError) -> Self {
        let (lost, status) = match &error {
            CallError::Lost(_) => (true, 0),
            CallError::Refused { status, .. } => (false, *status),
            _ => (false, 0),
        };
        let code = error.code().to_owned();
        let source = Box::new(error);
        let (error, is_final) = match &*code {
            "ResourceNotFoundException" => (RunsError::NoTable(source), true),
            "AccessDeniedException" => (RunsError::AccessDenied { operation, source }, true),
            code if THROTTLING_ERRORS.contains(&code) => {
                (RunsError::Throttled { operation, source }, false)
            }
            code => {
                let again =
                    lost || TRANSIENT_ERRORS.contains(&code) || status >= 500 || status == 429;
                if again {
                    (RunsError::NoAnswer { operation, source }, false)
                } else {
                    (RunsError::Refused { operation, source }, true)
                }
            }
        };
        Self { error, is_final }
    }
}
