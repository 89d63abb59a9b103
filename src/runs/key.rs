//! What a client joins a run with: where the run is, and a secret.
//!
//! It is in the `RUN_STARTED` of the run, and nowhere else: no log has it, and the table only a hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::aws_lc_rs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use crate::config::is_session_or_memory_id;
use crate::runs::item::{Item, KeyHash, MS_DIGITS};

/// The longest key that is read, in bytes. One has about 200.
const MAX_KEY: usize = 1024;

/// The longest id of a request in a sort key, in bytes. API Gateway's have about 16, Lambda's 36.
const MAX_REQUEST_ID: usize = 200;

const SECRET_BYTES: usize = 16;

/// The key of a run.
#[derive(Clone, PartialEq, Eq)]
pub struct RunKey {
    /// The conversation, as the client knows it.
    pub thread_id: String,
    /// The run among those of the conversation.
    pub sort_key: String,
    secret: [u8; SECRET_BYTES],
}

/// What is in a key.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Contents<'a> {
    c: &'a str,
    r: &'a str,
    k: &'a str,
}

/// The system gives no randomness.
#[derive(Debug, Error)]
#[error("the system gives no random bytes for a run's key")]
pub struct NoRandomness;

impl RunKey {
    /// A new key for a run.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn generate(thread_id: &str, sort_key: &str) -> Result<Self, NoRandomness> {
        let mut secret = [0; SECRET_BYTES];
        let random = aws_lc_rs::default_provider().secure_random;
        random.fill(&mut secret).map_err(|_| NoRandomness)?;
        Ok(Self { thread_id: thread_id.to_owned(), sort_key: sort_key.to_owned(), secret })
    }

    /// The key in a client's text; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_KEY {
            return None;
        }
        let json = URL_SAFE_NO_PAD.decode(text).ok()?;
        let Contents { c, r, k } = serde_json::from_slice(&json).ok()?;
        let secret = URL_SAFE_NO_PAD.decode(k).ok()?.try_into().ok()?;
        let (ms, request_id) = r.split_once('-')?;
        let is_sort_key = ms.len() == MS_DIGITS
            && ms.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=MAX_REQUEST_ID).contains(&request_id.len());
        (is_sort_key && is_session_or_memory_id(c)).then(|| Self {
            thread_id: c.to_owned(),
            sort_key: r.to_owned(),
            secret,
        })
    }

    /// The key as a client has it.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "writing texts to memory does not fail"
    )]
    pub fn to_text(&self) -> String {
        let k = URL_SAFE_NO_PAD.encode(self.secret);
        let contents = Contents { c: &self.thread_id, r: &self.sort_key, k: &k };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&contents).expect("it can be serialised"))
    }

    /// What the table has of it.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        Sha256::digest(self.secret).into()
    }

    /// Whether it is the key of this run. The comparison takes the same time, whatever the key is.
    #[must_use]
    pub fn opens(&self, item: &Item) -> bool {
        self.hash().ct_eq(&item.key_hash).into()
    }
}

/// The secret must not be in a log.
impl std::fmt::Debug for RunKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { thread_id, sort_key, .. } = self;
        f.debug_struct("RunKey")
            .field("thread_id", thread_id)
            .field("sort_key", sort_key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_a_client_gets_back() {
        let key = RunKey::generate("conversation-1", "1764150000000-AbCdEf=").unwrap();
        let text = key.to_text();
        assert!(text.starts_with("eyJjIjoi"), "{text}");
        assert_eq!(RunKey::parse(&text), Some(key.clone()));
        let item = Item::new("run-1", key.hash(), 0, 0);
        assert!(key.opens(&item));
        let other = RunKey::generate("conversation-1", "1764150000000-AbCdEf=").unwrap();
        assert!(!other.opens(&item));
        assert!(!format!("{key:?}").contains(&URL_SAFE_NO_PAD.encode(key.secret)));
    }

    #[test]
    fn what_is_no_key_of_a_run_is_none() {
        let text = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let good = r#"{"c":"thread","r":"1764150000000-a","k":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
        assert!(RunKey::parse(&text(good)).is_some());
        for (from, to) in [
            // Nobody reaches a part of a journal.
            ("thread", "thread/1764150000000-a"),
            ("1764150000000-a", "0"),
            ("1764150000000-a", "1764150000000-"),
            ("1764150000000-a", "x764150000000-a"),
            ("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAA"),
            ("AAAAAAAAAAAAAAAAAAAAAA", ""),
            ("\"c\"", "\"d\""),
            ("}", ",\"x\":1}"),
        ] {
            assert_eq!(RunKey::parse(&text(&good.replace(from, to))), None, "{to}");
        }
        assert_eq!(RunKey::parse("not base64!"), None);
        assert_eq!(RunKey::parse(&"A".repeat(4000)), None);
    }
}
