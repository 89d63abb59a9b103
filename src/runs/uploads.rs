//! Files that come in pieces, kept until a run names them, for an hour at most.
//!
//! | item | `conversation` | `run` | has |
//! |---|---|---|---|
//! | piece of a file | `/upload/`, whose it is, `/`, the upload's id, `/`, the number of the piece | `piece` | `data`, `count` of the pieces, `size` of the file, `expires` |
//!
//! No conversation begins with a `/`. Pieces are spread over partitions: one takes about a megabyte a second.
//! Nothing is deleted but by the table itself, some time after `expires`; nobody can read a piece after that.

use std::fmt;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use thiserror::Error;

use crate::runs::error::RunsError;
use crate::runs::item::RunAddress;

/// How long a piece is kept.
pub const LIFETIME: Duration = Duration::from_hours(1);

/// How many pieces are read at once.
const MAX_READS: usize = 8;

/// Whose uploads are nobody's by name. A user's hash is longer.
const NOBODY: &str = "-";

/// Which upload of whom. Where nobody is known by name, whoever has the id has the upload, so it can't be
/// guessed.
#[derive(Clone, PartialEq, Eq)]
pub struct UploadAddress {
    owner: String,
    id: String,
}

/// The id must not be in a log.
impl fmt::Debug for UploadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an upload")
    }
}

/// A piece of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its number, from 0.
    pub index: usize,
    /// How many pieces the file has.
    pub count: usize,
    /// How many bytes the file has.
    pub size: usize,
    /// The bytes of this piece.
    pub data: Vec<u8>,
}

/// What is in a file must not be in a log.
impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, count, size, data } = self;
        write!(f, "piece {index} of {count}: {} of {size} bytes", data.len())
    }
}

/// Why a file that was uploaded can't be had.
#[derive(Debug, Error)]
pub enum UploadError {
    /// There never was one, it is kept no longer, or it is somebody else's. These three look the same.
    #[error("there is no such upload")]
    NoSuchUpload,
    /// Not all of its pieces are there.
    #[error("piece {index} of {count} is not there")]
    Incomplete {
        /// The number of the first that is missing.
        index: usize,
        /// How many there should be.
        count: usize,
    },
    /// Pieces of several files came under one id.
    #[error("its pieces are not of one file")]
    Mixed,
    /// It would be more than may be sent on.
    #[error("it has {0} bytes")]
    TooLarge(usize),
    /// The table does not answer.
    #[error(transparent)]
    Table(#[from] RunsError),
}

impl UploadAddress {
    /// What an id must be, in words.
    pub const ID: &str =
        "32 to 64 letters, digits and the characters - and _ that nobody can guess, such as a UUID";

    /// The upload of a user with this hash, or of nobody by name; `None` if there can't be one with this id.
    #[must_use]
    pub fn new(user_hash: Option<&str>, id: &str) -> Option<Self> {
        let is_id = (32..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let owner = user_hash.unwrap_or(NOBODY).to_owned();
        is_id.then(|| Self { owner, id: id.to_owned() })
    }

    /// Where a piece is.
    #[must_use]
    pub fn of_piece(&self, index: usize) -> RunAddress {
        let session_id = format!("/upload/{}/{}/{index}", self.owner, self.id);
        RunAddress { session_id, sort_key: "piece".to_owned() }
    }
}

/// Has the pieces of files.
pub trait Pieces {
    /// A piece; `None` if there is none, or if it has expired.
    fn piece(
        &self,
        address: &UploadAddress,
        index: usize,
    ) -> impl Future<Output = Result<Option<Piece>, RunsError>> + Send;
}

/// The bytes of a file that was uploaded, which may have so many.
///
/// # Errors
/// Not all of it is there, or it is larger.
pub async fn read(
    table: &impl Pieces,
    address: &UploadAddress,
    most: usize,
) -> Result<Vec<u8>, UploadError> {
    let first = table.piece(address, 0).await?.ok_or(UploadError::NoSuchUpload)?;
    let Piece { count, size, .. } = first;
    if size > most {
        return Err(UploadError::TooLarge(size));
    }
    let mut data = Vec::with_capacity(size);
    data.extend(first.data);
    let rest = (1..count).map(|index| async move {
        let piece = table.piece(address, index).await?;
        let piece = piece.ok_or(UploadError::Incomplete { index, count })?;
        if (piece.count, piece.size) == (count, size) {
            Ok(piece.data)
        } else {
            Err(UploadError::Mixed)
        }
    });
    let mut rest = stream::iter(rest).buffered(MAX_READS);
    while let Some(piece) = rest.try_next().await? {
        if data.len() + piece.len() > size {
            return Err(UploadError::Mixed);
        }
        data.extend(piece);
    }
    if data.len() == size { Ok(data) } else { Err(UploadError::Mixed) }
}

#[cfg(test)]
mod tests;
