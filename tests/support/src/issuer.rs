//! An OpenID provider on this machine: discovery, keys that can be exchanged, and the ways to fail.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the provider behaves when its keys are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerBehaviour {
    Normal,
    Unavailable,
    /// It never answers.
    Silent,
    /// It answers with more than anybody should read.
    HugeResponse,
}

/// A key pair: what signs, and what is published.
pub struct Key {
    algorithm: Algorithm,
    id: String,
    signing: EncodingKey,
    public: Value,
}

impl Key {
    pub fn elliptic(id: &str) -> Self {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::new(Algorithm::ES256, id, EncodingKey::from_ec_der(pair.as_ref()))
    }

    pub fn edwards(id: &str) -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        Self::new(Algorithm::EdDSA, id, EncodingKey::from_ed_der(pair.as_ref()))
    }

    pub fn rsa(id: &str, algorithm: Algorithm) -> Self {
        /// What stands before the key itself in PKCS #8 (RFC 5208) with 2,048 bits.
        const PKCS8_HEADER: usize = 26;
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
        Self::new(algorithm, id, EncodingKey::from_rsa_der(&pair.as_ref()[PKCS8_HEADER..]))
    }

    fn new(algorithm: Algorithm, id: &str, signing: EncodingKey) -> Self {
        let public = Jwk::from_encoding_key(&signing, algorithm).unwrap();
        let mut public = serde_json::to_value(public).unwrap();
        public["kid"] = id.into();
        public["use"] = "sig".into();
        Self { algorithm, id: id.to_owned(), signing, public }
    }

    pub fn public(&self) -> Value {
        self.public.clone()
    }

    /// A token with these claims, signed with this key.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        self.sign_with(&header, claims)
    }

    pub fn sign_with(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.signing).unwrap()
    }
}

struct Shared {
    issuer: String,
    keys: Vec<Value>,
    behaviour: IssuerBehaviour,
    /// How often the keys were asked for.
    key_requests: usize,
}

/// The running provider.
pub struct Issuer {
    pub url: String,
    shared: Arc<Mutex<Shared>>,
    server: JoinHandle<()>,
}

impl Issuer {
    pub async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = keys.iter().map(|key| key.public()).collect();
        let shared = Shared {
            issuer: url.clone(),
            keys,
            behaviour: IssuerBehaviour::Normal,
            key_requests: 0,
        };
        let shared = Arc::new(Mutex::new(shared));
        let router = axum::Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys_))
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, server }
    }

    pub fn publish(&self, keys: Vec<Value>) {
        self.shared.lock().unwrap().keys = keys;
    }

    pub fn set_behaviour(&self, behaviour: IssuerBehaviour) {
        self.shared.lock().unwrap().behaviour = behaviour;
    }

    /// What it calls itself.
    pub fn set_name(&self, name: &str) {
        name.clone_into(&mut self.shared.lock().unwrap().issuer);
    }

    pub fn key_requests(&self) -> usize {
        self.shared.lock().unwrap().key_requests
    }

    /// The claims of a good token.
    pub fn claims(&self, subject: &str) -> Value {
        json!({"iss": self.url, "sub": subject, "aud": AUDIENCE, "exp": now() + 600, "iat": now()})
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Whom the tokens are made out for.
pub const AUDIENCE: &str = "agent-relay-test";

/// Seconds since 1970, as tokens have them.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn discovery(State(shared): State<Arc<Mutex<Shared>>>) -> Response {
    let shared = shared.lock().unwrap();
    axum::Json(json!({
        "issuer": shared.issuer,
        "jwks_uri": format!("{}/keys", shared.issuer),
        "response_types_supported": ["code"]
    }))
    .into_response()
}

async fn keys_(State(shared): State<Arc<Mutex<Shared>>>) -> Response {
    let (behaviour, mut set) = {
        let mut shared = shared.lock().unwrap();
        shared.key_requests += 1;
        (shared.behaviour, json!({"keys": shared.keys}))
    };
    match behaviour {
        IssuerBehaviour::Normal => axum::Json(set).into_response(),
        IssuerBehaviour::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        IssuerBehaviour::Silent => std::future::pending().await,
        IssuerBehaviour::HugeResponse => {
            set["padding"] = "x".repeat(1 << 20).into();
            axum::Json(set).into_response()
        }
    }
}
