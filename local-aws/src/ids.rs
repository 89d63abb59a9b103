//! Random ids in the forms that AWS's have.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use uuid::Builder;

/// A UUID of version 4, the form of Lambda's and Bedrock's ids.
pub(crate) fn uuid() -> String {
    let mut bytes = [0; 16];
    fastrand::fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// An id in the form of API Gateway's connection and request ids, such as `L0SM9cOFvHcCIhw=`.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 11];
    fastrand::fill(&mut bytes);
    URL_SAFE.encode(bytes)
}

/// Whether a text has the form of such an id: base64url with its padding, of which there always is some.
pub(crate) fn is_random_id(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !bare.is_empty() && (1..=2).contains(&(text.len() - bare.len())) && bare.bytes().all(is_char)
}

/// The root of an X-Ray trace that begins now, such as
/// `Root=1-67891233-abcdef012345678912345678` (the section "Tracing header" of the page "AWS X-Ray concepts").
pub(crate) fn trace_id() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("Root=1-{seconds:08x}-{:024x}", fastrand::u128(..) >> 32)
}

/// 32 hexadecimal digits.
pub(crate) fn hex_id() -> String {
    uuid().replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4() {
        for _ in 0..100 {
            let id = uuid();
            assert_eq!(id.len(), 36, "{id}");
            assert_eq!(&id[14..15], "4", "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
    }

    #[test]
    fn random_ids_look_like_api_gateways() {
        let id = random_id();
        assert_eq!((id.len(), id.ends_with('=')), (16, true), "{id}");
    }
}
