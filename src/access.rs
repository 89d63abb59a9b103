//! Who may come in: the authorizer of `$connect`, and of requests over HTTP.
//!
//! API Gateway asks once for each connection, before `$connect`, and passes the result on with every
//! later message ("Control access to WebSocket APIs with AWS Lambda REQUEST authorizers"). The
//! credential travels as a subprotocol, `token.` and its base64url form without padding: a browser's
//! WebSocket can't set other headers, and a URL ends up in logs. Over HTTP each request has it, in
//! `Authorization` as RFC 6750 says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

pub use crate::access::denied::AccessDenied;

use crate::access::oidc::{Verifier, Vouched};
use crate::aws::Http;
use crate::config::access::{Access, Origins};

mod denied;
mod keys;
pub mod oidc;

/// The subprotocol of this project's own page.
pub const SUBPROTOCOL: &str = "agent-relay";

/// What the subprotocol with the credential begins with.
pub const CREDENTIAL_PREFIX: &str = "token.";

/// The longest credential, in bytes of its form in a header. API Gateway takes 10,240 bytes of headers
/// ("Amazon API Gateway quotas").
const MAX_CREDENTIAL: usize = 10_240;

/// What a client brings when it asks to come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The values of `Origin`. A browser sends one, a program mostly none.
    pub origins: Vec<String>,
    /// The credential, if there is one.
    pub credential: Carried,
}

/// Where a credential travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Among the subprotocols that the client of a WebSocket offers, in its order.
    Subprotocols(Vec<String>),
    /// In the values of `Authorization`.
    Authorization(Vec<String>),
}

/// Who has been let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The principal: the subject of a token. Of the other modes only the mode is known.
    pub principal: String,
    /// The mode, `open`, `code` or `oidc`: it travels along, so that only a subject counts as somebody.
    pub access: &'static str,
    /// The e-mail address, if a provider has verified it.
    pub email: Option<String>,
}

/// Decides who may connect.
#[derive(Debug)]
pub struct Authorizer {
    origins: Origins,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    Open,
    /// The hash of the code: of two hashes the comparison takes the same time, whatever was sent.
    Code([u8; 32]),
    Oidc(Verifier),
}

impl Authorizer {
    /// An authorizer for this configuration, which asks a provider through `http`. Nothing is fetched
    /// before the first token comes.
    #[must_use]
    pub fn new(access: &Access, origins: &Origins, http: &Http) -> Self {
        let mode = match access {
            Access::Open => Mode::Open,
            Access::Code(code) => Mode::Code(Sha256::digest(code.as_bytes()).into()),
            Access::Oidc(provider) => Mode::Oidc(Verifier::new(provider.clone(), http.clone())),
        };
        Self { origins: origins.clone(), mode }
    }

    /// Whether a page of this origin may send something.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.allow(origin)
    }

    /// Decides about one client.
    ///
    /// # Errors
    /// Says why the client must not come in.
    pub async fn authorize(&self, presented: &Presented) -> Result<Identity, AccessDenied> {
        self.check_origin(&presented.origins)?;
        let identity = |principal: &str, access| Identity {
            principal: principal.to_owned(),
            access,
            email: None,
        };
        match &self.mode {
            Mode::Open => Ok(identity("anybody", "open")),
            Mode::Code(expected) => {
                let given = presented.credential.read()?;
                if bool::from(Sha256::digest(&given).ct_eq(expected)) {
                    Ok(identity("whoever-has-the-code", "code"))
                } else {
                    Err(AccessDenied::because("the access code is wrong"))
                }
            }
            Mode::Oidc(verifier) => {
                let token = String::from_utf8(presented.credential.read()?).map_err(|_| {
                    AccessDenied::because("the credential is not a token but bytes")
                })?;
                let Vouched { subject, email } = verifier.verify(&token).await?;
                Ok(Identity { principal: subject, access: "oidc", email })
            }
        }
    }

    fn check_origin(&self, origins: &[String]) -> Result<(), AccessDenied> {
        match origins {
            // Programs send none, and a page can't leave it out.
            [] => Ok(()),
            [origin] if self.origins.allow(origin) => Ok(()),
            [origin] => {
                let origin: String = origin.chars().take(100).collect();
                Err(AccessDenied::because(format!(
                    "ALLOWED_ORIGINS does not name the page's origin {origin:?}"
                )))
            }
            _ => Err(AccessDenied::because("there is more than one Origin header")),
        }
    }
}

impl Carried {
    /// The credential.
    fn read(&self) -> Result<Vec<u8>, AccessDenied> {
        match self {
            Self::Subprotocols(subprotocols) => among_subprotocols(subprotocols),
            Self::Authorization(values) => in_authorization(values),
        }
    }
}

/// The credential behind `Bearer`.
fn in_authorization(values: &[String]) -> Result<Vec<u8>, AccessDenied> {
    let value = match values {
        [] => return Err(AccessDenied::because("there is no credential: no Authorization header")),
        [value] => value.trim(),
        _ => return Err(AccessDenied::because("there is more than one Authorization header")),
    };
    if value.len() > MAX_CREDENTIAL {
        return Err(AccessDenied::because(format!("the credential has {} bytes", value.len())));
    }
    let (scheme, credential) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AccessDenied::because("the Authorization header does not begin with Bearer"));
    }
    let credential = credential.trim();
    if credential.is_empty() {
        return Err(AccessDenied::because("the credential is empty"));
    }
    Ok(credential.as_bytes().to_vec())
}

/// The credential among the subprotocols.
fn among_subprotocols(subprotocols: &[String]) -> Result<Vec<u8>, AccessDenied> {
    let mut found = subprotocols.iter().filter_map(|name| name.strip_prefix(CREDENTIAL_PREFIX));
    let encoded = match (found.next(), found.next()) {
        (None, _) => {
            return Err(AccessDenied::because(
                "there is no credential: no subprotocol begins with token.",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(AccessDenied::because("there is more than one credential"));
        }
        (Some(""), None) => return Err(AccessDenied::because("the credential is empty")),
        (Some(one), None) => one,
    };
    if encoded.len() > MAX_CREDENTIAL {
        return Err(AccessDenied::because(format!("the credential has {} bytes", encoded.len())));
    }
    URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| AccessDenied::because("the credential is not base64url without padding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn token(credential: &str) -> String {
        format!("{CREDENTIAL_PREFIX}{}", URL_SAFE_NO_PAD.encode(credential))
    }

    async fn authorize(
        access: Access,
        origins: &str,
        presented: Presented,
    ) -> Result<Identity, String> {
        let authorizer =
            Authorizer::new(&access, &Origins::parse(origins).unwrap(), &Http::new().unwrap());
        authorizer.authorize(&presented).await.map_err(|denied| denied.to_string())
    }

    #[tokio::test]
    async fn only_the_right_code_is_let_in() {
        let with = |names: Vec<String>| {
            let credential = Carried::Subprotocols(names);
            let presented = Presented { origins: vec![], credential };
            authorize(Access::Code("open sesame".to_owned()), "", presented)
        };
        let right = with(offered(&[SUBPROTOCOL, &token("open sesame")])).await.unwrap();
        assert_eq!(right.access, "code");
        for (names, reason) in [
            (offered(&[]), "no credential"),
            (offered(&[SUBPROTOCOL]), "no credential"),
            (offered(&["token."]), "empty"),
            (offered(&[&token("open sesamE")]), "wrong"),
            (offered(&[&token("open sesame ")]), "wrong"),
            (offered(&[&token("open")]), "wrong"),
            (offered(&[&token("open sesame"), &token("open sesame")]), "more than one"),
            (offered(&["token.open sesame"]), "base64url"),
            (offered(&["Token.b3BlbiBzZXNhbWU"]), "no credential"),
            (offered(&["token.b3BlbiBzZXNhbWU="]), "base64url"),
            (offered(&[&token(&"x".repeat(1 << 20))]), "bytes"),
        ] {
            let denied = with(names.clone()).await.unwrap_err();
            assert!(denied.contains(reason), "{names:?}: {denied}");
            assert!(!denied.contains("sesame"), "the log has the code: {denied}");
        }
    }

    #[tokio::test]
    async fn over_http_only_the_right_code_behind_bearer_is_let_in() {
        let with = |values: Vec<String>| {
            let credential = Carried::Authorization(values);
            let presented = Presented { origins: vec![], credential };
            authorize(Access::Code("open sesame".to_owned()), "", presented)
        };
        for right in ["Bearer open sesame", "bearer  open sesame ", "BEARER open sesame"] {
            assert_eq!(with(offered(&[right])).await.unwrap().access, "code", "{right}");
        }
        for (values, reason) in [
            (offered(&[]), "no Authorization"),
            (offered(&[""]), "does not begin with Bearer"),
            (offered(&["open sesame"]), "does not begin with Bearer"),
            (offered(&["Basic b3BlbjpzZXNhbWU="]), "does not begin with Bearer"),
            (offered(&["Bearer"]), "empty"),
            (offered(&["Bearer  "]), "empty"),
            (offered(&["Beareropen sesame"]), "does not begin with Bearer"),
            (offered(&["Bearer open sesamE"]), "wrong"),
            (offered(&["Bearer Bearer open sesame"]), "wrong"),
            (offered(&["Bearer open sesame", "Bearer open sesame"]), "more than one"),
            (offered(&[&format!("Bearer {}", "x".repeat(1 << 20))]), "bytes"),
        ] {
            let denied = with(values.clone()).await.unwrap_err();
            assert!(denied.contains(reason), "{values:?}: {denied}");
            assert!(!denied.contains("sesame"), "the log has the code: {denied}");
        }
    }

    #[tokio::test]
    async fn origins_are_compared_whole() {
        let from = |origins: &[&str]| {
            let credential = Carried::Subprotocols(vec![]);
            let presented = Presented { origins: offered(origins), credential };
            authorize(Access::Open, "https://a.example, http://localhost:5173", presented)
        };
        for good in
            [&[][..], &["https://a.example"], &["http://localhost:5173"], &["HTTPS://A.example"]]
        {
            assert!(from(good).await.is_ok(), "{good:?}");
        }
        for bad in [
            &["https://b.example"][..],
            &["http://a.example"],
            &["https://a.example:8443"],
            &["https://a.example.evil.example"],
            &["https://a.example/"],
            &["null"],
            &[""],
            &["https://a.example", "https://a.example"],
        ] {
            assert!(from(bad).await.is_err(), "{bad:?}");
        }
    }
}
