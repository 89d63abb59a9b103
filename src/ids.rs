//! Ids that are made here.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// A UUID made from a name, always the same one (version 8 of RFC 9562, from a SHA-256). Typed clients
/// insist on UUIDs.
#[must_use]
pub fn uuid_of(name: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(name)[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// The SHA-256 of a text, in 64 hexadecimal digits.
#[must_use]
pub fn hex_hash(text: &str) -> String {
    let mut id = String::new();
    for byte in Sha256::digest(text) {
        // Writing to a string can't fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}
