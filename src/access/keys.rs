//! The public keys of an OpenID provider.
//!
//! Found by OpenID Connect Discovery, fetched when the first token comes, kept for an hour, and
//! fetched anew when a token names a key that is not there, since that is how providers rotate keys.
//! Made-up key ids must not flood the provider with requests, so fetches are rationed; and while
//! one is under way, tokens with known keys don't wait for it.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use http_body_util::{BodyExt as _, Limited};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::access::denied::AccessDenied;
use crate::aws::Http;
use crate::config::access::is_safe_url;
use crate::error::chain;

/// How long fetched keys are good for without being asked about again.
const CACHE_TTL: Duration = Duration::from_hours(1);

/// How long they stay in use while the provider can't be reached.
const STALE_TTL: Duration = Duration::from_hours(24);

/// How long a fetch may take, both requests together. API Gateway waits longer for an authorizer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest document that is read, in bytes. Real ones have a few kilobytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// How many fetches may follow each other at once, and how long it takes until there is another.
const FETCH_BURST: u32 = 5;
const FETCH_INTERVAL: Duration = Duration::from_secs(10);

/// The keys of one provider.
#[derive(Debug)]
pub(super) struct Keys {
    issuer: String,
    known: Mutex<Option<Known>>,
    fetching: tokio::sync::Mutex<Fetcher>,
}

/// What was fetched, and when.
#[derive(Clone, Debug)]
struct Known {
    keys: Arc<[Key]>,
    at: Instant,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// The one algorithm that it is for, when the provider says so.
    algorithm: Option<Algorithm>,
    kind: Kind,
    decoding: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    EllipticCurve,
    Edwards,
}

impl Keys {
    pub(super) fn new(issuer: String, http: Http) -> Self {
        let fetching = tokio::sync::Mutex::new(Fetcher::new(http));
        Self { issuer, known: Mutex::default(), fetching }
    }

    /// The key for a token with this header.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, AccessDenied> {
        let before = self.known();
        if let Some(known) = &before
            && known.at.elapsed() < CACHE_TTL
            && let Some(key) = choose(&known.keys, id, algorithm)
        {
            return Ok(key);
        }
        let mut fetcher = self.fetching.lock().await;
        // Somebody else may have fetched them meanwhile.
        let now = self.known();
        let fetched_meanwhile = now.as_ref().map(|known| known.at) != before.map(|known| known.at);
        if !fetched_meanwhile {
            match fetcher.fetch(&self.issuer).await {
                Ok(keys) => {
                    info!(keys = keys.len(), "the issuer's keys were fetched");
                    self.keep(Known { keys: keys.into(), at: Instant::now() });
                }
                Err(error) => warn!(
                    error = chain(&*error),
                    issuer = self.issuer,
                    "the issuer's keys could not be fetched"
                ),
            }
        }
        drop(fetcher);
        let known = self.known().filter(|known| known.at.elapsed() < STALE_TTL);
        match known {
            None => Err(AccessDenied::because("the issuer's keys can't be had")),
            Some(known) => choose(&known.keys, id, algorithm).ok_or_else(|| {
                AccessDenied::because(
                    "the token is signed with a key that the issuer does not publish",
                )
            }),
        }
    }

    fn known(&self) -> Option<Known> {
        // It is replaced as a whole, so another thread's panic does not spoil it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }
}

/// The key of this id for this algorithm; without an id, the only one that fits.
fn choose(keys: &[Key], id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let kind = Kind::of(algorithm)?;
    let mut fitting = keys.iter().filter(|key| {
        key.kind == kind
            && key.algorithm.is_none_or(|only| only == algorithm)
            && (id.is_none() || key.id.as_deref() == id)
    });
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Some(one.decoding.clone()),
        _ => None,
    }
}

impl Kind {
    fn of(algorithm: Algorithm) -> Option<Self> {
        Some(match algorithm {
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => Self::Rsa,
            Algorithm::ES256 | Algorithm::ES384 => Self::EllipticCurve,
            Algorithm::EdDSA => Self::Edwards,
            _ => return None,
        })
    }
}

impl Key {
    /// Understands one key of a set, or passes it over: it may be for something else.
    fn read(key: Value) -> Option<Self> {
        let key: Jwk = serde_json::from_value(key).ok()?;
        if key.common.public_key_use.as_ref().is_some_and(|use_| *use_ != PublicKeyUse::Signature) {
            return None;
        }
        let kind = match &key.algorithm {
            AlgorithmParameters::RSA(_) => Kind::Rsa,
            AlgorithmParameters::EllipticCurve(_) => Kind::EllipticCurve,
            AlgorithmParameters::OctetKeyPair(_) => Kind::Edwards,
            // A secret has no place among public keys.
            _ => return None,
        };
        let algorithm = match key.common.key_algorithm {
            None => None,
            Some(algorithm) => Some(Algorithm::try_from(algorithm).ok()?),
        };
        Some(Self {
            id: key.common.key_id.clone(),
            algorithm,
            kind,
            decoding: DecodingKey::from_jwk(&key).ok()?,
        })
    }
}

/// Fetches keys, one fetch at a time and not too often.
#[derive(Debug)]
struct Fetcher {
    http: Http,
    /// How many fetches are left, and when that was counted.
    left: u32,
    counted: Instant,
}

impl Fetcher {
    fn new(http: Http) -> Self {
        Self { http, left: FETCH_BURST, counted: Instant::now() }
    }

    async fn fetch(&mut self, issuer: &str) -> Result<Vec<Key>, Box<dyn Error + Send + Sync>> {
        self.spend()?;
        let http = &self.http;
        let fetching = async {
            let address =
                format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            let discovered: Discovered = get(http, &address).await?;
            // "MUST exactly match" (OpenID Connect Discovery, section 4.3).
            if discovered.issuer != issuer {
                return Err(format!(
                    "it calls itself {:?}: set OIDC_ISSUER to that",
                    discovered.issuer
                )
                .into());
            }
            if !is_safe_url(&discovered.jwks_uri) {
                return Err(format!(
                    "its keys are not behind https but at {:?}",
                    discovered.jwks_uri
                )
                .into());
            }
            let set: KeySet = get(http, &discovered.jwks_uri).await?;
            let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::read).collect();
            if keys.is_empty() {
                Err("it publishes no key that can be used".into())
            } else {
                Ok(keys)
            }
        };
        timeout(FETCH_TIMEOUT, fetching).await.unwrap_or_else(|_| Err("it took too long".into()))
    }

    /// Takes one fetch of the ration.
    fn spend(&mut self) -> Result<(), &'static str> {
        let gained = self.counted.elapsed().as_secs() / FETCH_INTERVAL.as_secs();
        if gained > 0 {
            let gained = u32::try_from(gained).unwrap_or(FETCH_BURST);
            self.left = self.left.saturating_add(gained).min(FETCH_BURST);
            self.counted = Instant::now();
        }
        self.left = self.left.checked_sub(1).ok_or("it was asked often enough for now")?;
        Ok(())
    }
}

/// The part of a provider's configuration that matters (OpenID Connect Discovery, section 3).
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    jwks_uri: String,
}

/// RFC 7517, section 5. Keys of kinds that are not known must not spoil the others.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// A JSON document, fetched.
async fn get<T: DeserializeOwned>(
    http: &Http,
    address: &str,
) -> Result<T, Box<dyn Error + Send + Sync>> {
    let mut request = HttpRequest::get(address)?;
    request.headers_mut().insert("accept", "application/json");
    let response = http.call(request).await?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(format!("{address} answered {status}").into());
    }
    let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
    let body = body.map_err(|error| format!("{address} could not be read: {error}"))?;
    serde_json::from_slice(&body.to_bytes())
        .map_err(|error| format!("{address} is not the JSON that it should be: {error}").into())
}
