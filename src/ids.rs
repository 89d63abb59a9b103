//! Ids that are made here.

use sha2::{Digest as _, Sha256};

/// A UUID made from a name, always the same one (version 8 of RFC 9562, from a SHA-256). Typed clients
/// insist on UUIDs.
#[must_use]
pub fn uuid_of(name: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(name)[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}
