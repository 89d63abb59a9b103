//! Items and their changes in the table's own words. Many names of attributes are words of its language
//! ("Reserved words in `DynamoDB`"), so all of them are written as `#name`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::invocation::ConnectionRef;
use crate::runs::error::RunsError;
use crate::runs::item::{Item, Joined, KeptInput, KeptJournal, RunAddress, Update};
use crate::runs::uploads::{Piece, UploadAddress};

/// An item as the table has it.
pub type Attributes = HashMap<String, Attribute>;

/// The value of an attribute, as it is on the wire ("`AttributeValue`", API reference of `DynamoDB`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Attribute {
    /// A text.
    S(String),
    /// A number, in decimal digits.
    N(String),
    /// Bytes.
    B(#[serde(with = "base64")] Vec<u8>),
    /// True or false.
    #[serde(rename = "BOOL")]
    Bool(bool),
    /// What nothing here writes.
    #[serde(untagged)]
    Other(Value),
}

/// Bytes in a text.
mod base64 {
    use ::base64::Engine as _;
    use ::base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        BASE64_STANDARD.encode(bytes).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(from)?;
        BASE64_STANDARD.decode(&*text).map_err(de::Error::custom)
    }
}

/// The attribute that items are spread over partitions by.
pub const CONVERSATION: &str = "conversation";
/// The attribute that the items of one conversation are in order by.
pub const RUN: &str = "run";
/// The attribute with the time from which the item counts as gone, which the table removes items by.
pub const EXPIRES: &str = "expires";
/// The attribute with the bytes of a part.
pub const DATA: &str = "data";

/// What makes an item unique.
#[must_use]
pub fn key(address: &RunAddress) -> Attributes {
    let RunAddress { session_id, sort_key } = address;
    [(CONVERSATION, text(session_id)), (RUN, text(sort_key))]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// A text.
#[must_use]
pub fn text(text: &str) -> Attribute {
    Attribute::S(text.to_owned())
}

/// A number.
#[must_use]
pub fn number(number: impl Into<i128>) -> Attribute {
    Attribute::N(number.into().to_string())
}

/// Bytes.
#[must_use]
pub fn bytes(bytes: impl Into<Vec<u8>>) -> Attribute {
    Attribute::B(bytes.into())
}

/// A control item.
#[must_use]
pub fn of_item(address: &RunAddress, item: &Item) -> Attributes {
    let mut attributes = key(address);
    let mut set = |name: &str, value| drop(attributes.insert(name.to_owned(), value));
    set("id", text(&item.run_id));
    set("key", bytes(item.key_hash));
    set("until", number(item.until_ms));
    set(EXPIRES, number(item.expires));
    set("gen", number(item.generation));
    set("taken", number(item.taken));
    match &item.input {
        None => {}
        Some(KeptInput::Here(input)) => set("input", text(input)),
        Some(KeptInput::Apart { parts }) => set("input", number(*parts)),
    }
    if let Some(Joined { connection, after }) = &item.joined {
        set("conn", text(&connection.connection_id));
        set("after", number(*after));
        if let Some(api_id) = &connection.api_id {
            set("api", text(api_id));
        }
        if let Some(stage) = &connection.stage {
            set("stage", text(stage));
        }
    }
    if item.stop {
        set("stop", Attribute::Bool(true));
    }
    if let Some(journal) = &item.journal {
        let (parts, here) = of_journal(journal);
        set("parts", parts);
        if let Some(here) = here {
            set("journal", here);
        }
    }
    if item.lost {
        set("lost", Attribute::Bool(true));
    }
    attributes
}

/// A journal: how many parts of it stand apart, and what is in the item.
fn of_journal(journal: &KeptJournal) -> (Attribute, Option<Attribute>) {
    match journal {
        KeptJournal::Here(here) => (number(0), Some(bytes(here.clone()))),
        KeptJournal::Apart { parts } => (number(*parts), None),
    }
}

/// The control item in these attributes.
///
/// # Errors
/// They are of no control item.
pub fn to_item(attributes: &Attributes) -> Result<Item, RunsError> {
    let read = Reader(attributes);
    let joined = match read.optional_text("conn")? {
        None => None,
        Some(connection_id) => Some(Joined {
            connection: ConnectionRef {
                connection_id,
                api_id: read.optional_text("api")?,
                stage: read.optional_text("stage")?,
            },
            after: read.number("after")?,
        }),
    };
    let input = match attributes.get("input") {
        None => None,
        Some(Attribute::S(input)) => Some(KeptInput::Here(input.clone())),
        Some(_) => Some(KeptInput::Apart { parts: read.number("input")? }),
    };
    let journal = match attributes.get("parts").map(|_| read.number("parts")).transpose()? {
        None => None,
        Some(0) => Some(KeptJournal::Here(read.bytes("journal")?)),
        Some(parts) => Some(KeptJournal::Apart { parts }),
    };
    Ok(Item {
        run_id: read.text("id")?,
        key_hash: read
            .bytes("key")?
            .try_into()
            .map_err(|_| unreadable("key", "is not 32 bytes"))?,
        input,
        until_ms: read.number("until")?,
        expires: read.number(EXPIRES)?,
        generation: read.number("gen")?,
        joined,
        taken: read.number("taken")?,
        stop: read.flag("stop"),
        journal,
        lost: read.flag("lost"),
    })
}

/// The address in these attributes.
///
/// # Errors
/// They are of no item of the table.
pub fn to_address(attributes: &Attributes) -> Result<RunAddress, RunsError> {
    let read = Reader(attributes);
    Ok(RunAddress { session_id: read.text(CONVERSATION)?, sort_key: read.text(RUN)? })
}

/// When an item counts as gone, in seconds since 1970.
///
/// # Errors
/// It does not say so.
pub fn expires(attributes: &Attributes) -> Result<u64, RunsError> {
    Reader(attributes).number(EXPIRES)
}

/// The bytes of a part.
#[must_use]
pub fn data(attributes: &Attributes) -> Option<Vec<u8>> {
    match attributes.get(DATA) {
        Some(Attribute::B(data)) => Some(data.clone()),
        _ => None,
    }
}

/// A piece of a file.
#[must_use]
pub fn of_piece(address: &UploadAddress, piece: Piece, expires: u64) -> Attributes {
    let Piece { index, count, size, data } = piece;
    let whole = |value| number(i128::try_from(value).unwrap_or(i128::MAX));
    let mut attributes = key(&address.of_piece(index));
    attributes.insert(DATA.to_owned(), bytes(data));
    attributes.insert("count".to_owned(), whole(count));
    attributes.insert("size".to_owned(), whole(size));
    attributes.insert(EXPIRES.to_owned(), number(expires));
    attributes
}

/// The piece with this number in these attributes.
///
/// # Errors
/// They are of no piece.
pub fn to_piece(index: usize, attributes: &Attributes) -> Result<Piece, RunsError> {
    let read = Reader(attributes);
    let (count, size) = (read.number("count")?, read.number("size")?);
    Ok(Piece { index, count, size, data: read.bytes(DATA)? })
}

/// Reads attributes.
struct Reader<'a>(&'a Attributes);

impl Reader<'_> {
    fn optional_text(&self, name: &str) -> Result<Option<String>, RunsError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::S(text)) => Ok(Some(text.clone())),
            Some(_) => Err(unreadable(name, "is no text")),
        }
    }

    fn text(&self, name: &str) -> Result<String, RunsError> {
        self.optional_text(name)?.ok_or_else(|| unreadable(name, "is missing"))
    }

    fn number<N: std::str::FromStr>(&self, name: &str) -> Result<N, RunsError> {
        match self.0.get(name) {
            Some(Attribute::N(number)) => {
                number.parse().map_err(|_| unreadable(name, "is not a number that fits"))
            }
            _ => Err(unreadable(name, "is no number")),
        }
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, RunsError> {
        match self.0.get(name) {
            Some(Attribute::B(bytes)) => Ok(bytes.clone()),
            _ => Err(unreadable(name, "is no bytes")),
        }
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Attribute::Bool(true)))
    }
}

fn unreadable(name: &str, what: &str) -> RunsError {
    RunsError::UnreadableItem(format!("`{name}` {what}"))
}

/// A change in the table's language.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expressions {
    /// What becomes of the item.
    pub update: String,
    /// What must hold for that: the same as [`Update::is_allowed`], and that there is an item.
    pub condition: String,
    /// What `#name` stands for.
    pub names: HashMap<String, String>,
    /// What `:name` stands for.
    pub values: Attributes,
}

/// A change in the table's language.
#[must_use]
pub fn of_update(update: &Update) -> Expressions {
    let mut expressions = Expressions::default();
    let e = &mut expressions;
    match update {
        Update::Join { generation, joined: Joined { connection, after } } => {
            e.set("gen", number(*generation));
            e.set("conn", text(&connection.connection_id));
            e.set("after", number(*after));
            let optional =
                [("api", connection.api_id.as_deref()), ("stage", connection.stage.as_deref())];
            let mut removed = Vec::new();
            for (name, value) in optional {
                match value {
                    Some(value) => e.set(name, text(value)),
                    None => removed.push(e.name(name)),
                }
            }
            if !removed.is_empty() {
                e.update.push_str(" REMOVE ");
                e.update.push_str(&removed.join(", "));
            }
            e.only_if("gen", "=", "before", number(i128::from(*generation) - 1));
            e.only_without("parts");
            e.only_without("lost");
        }
        Update::Take { generation } => {
            e.set("taken", number(*generation));
            e.only_if("taken", "<=", "most", number(*generation));
            e.only_without("parts");
            e.only_without("lost");
        }
        Update::Stop { key_hash, now } => {
            e.set("stop", Attribute::Bool(true));
            e.only_if(EXPIRES, ">", "now", number(*now));
            if let Some(key_hash) = key_hash {
                e.only_if("key", "=", "hash", bytes(*key_hash));
            }
        }
        Update::End { journal, generation, expires } => {
            let (parts, here) = of_journal(journal);
            e.set("parts", parts);
            if let Some(here) = here {
                e.set("journal", here);
            }
            e.set("taken", number(*generation));
            e.set(EXPIRES, number(*expires));
            e.and("attribute_exists(#gen)");
            e.name("gen");
            e.only_without("lost");
        }
        Update::Lose { generation } => {
            e.set("lost", Attribute::Bool(true));
            e.only_if("taken", "<", "mine", number(*generation));
            e.only_without("parts");
        }
    }
    expressions
}

impl Expressions {
    /// `#name`.
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    /// `:name`.
    fn value(&mut self, name: &str, value: Attribute) -> String {
        let placeholder = format!(":{name}");
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn set(&mut self, name: &str, value: Attribute) {
        let (name, value) = (self.name(name), self.value(name, value));
        self.update.push_str(if self.update.is_empty() { "SET " } else { ", " });
        for word in [&*name, " = ", &*value] {
            self.update.push_str(word);
        }
    }

    fn and(&mut self, condition: &str) {
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push_str(condition);
    }

    /// Only if the attribute is there and compares so.
    fn only_if(&mut self, name: &str, operator: &str, other: &str, value: Attribute) {
        let (name, value) = (self.name(name), self.value(other, value));
        self.and(&format!("{name} {operator} {value}"));
    }

    /// Only if the attribute is not there.
    fn only_without(&mut self, name: &str) {
        let name = self.name(name);
        self.and(&format!("attribute_not_exists({name})"));
    }
}

#[cfg(test)]
mod tests;
