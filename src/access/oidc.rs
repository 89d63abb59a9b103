//! Tokens of an OpenID provider: is this one real, meant for us, and still good?
//!
//! Rules: RFC 7519 (JSON Web Token), RFC 8725 (its best current practices) and OpenID Connect Core.

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;

use super::keys::Keys;
use crate::access::denied::AccessDenied;
use crate::aws::Http;
use crate::config::access::Provider;

/// The signatures that are taken: asymmetric ones, since a shared secret is not what providers
/// publish, and `none` is no signature.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// How far the provider's clock may be off, in seconds.
const LEEWAY_SECONDS: u64 = 60;

/// The longest subject, in ASCII characters (OpenID Connect Core, "ID Token").
const MAX_SUBJECT: usize = 255;

/// Verifies the tokens of one provider.
#[derive(Debug)]
pub struct Verifier {
    provider: Provider,
    keys: Keys,
}

/// What of a token counts here; the library checks `iss`, `exp` and `nbf`.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    aud: Option<Audience>,
    client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Verifier {
    /// A verifier that has fetched nothing yet.
    #[must_use]
    pub fn new(provider: Provider, http: Http) -> Self {
        let keys = Keys::new(provider.issuer.clone(), http);
        Self { provider, keys }
    }

    /// The subject of a valid token.
    ///
    /// # Errors
    /// Says why the token does not count.
    pub async fn subject(&self, token: &str) -> Result<String, AccessDenied> {
        let header = decode_header(token).map_err(|error| unusable(&error))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(AccessDenied::because(format!(
                "tokens signed with {:?} are not taken",
                header.alg
            )));
        }
        // Extensions that must be understood are not (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(AccessDenied::because("the token has critical extensions"));
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg).await?;

        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.provider.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // Some providers put the audience elsewhere: see below.
        validation.validate_aud = false;
        let claims =
            decode::<Claims>(token, &key, &validation).map_err(|error| unusable(&error))?.claims;
        self.check_audience(&claims)?;
        claims
            .sub
            .filter(|subject| (1..=MAX_SUBJECT).contains(&subject.len()))
            .ok_or_else(|| AccessDenied::because("the token's subject is empty or too long"))
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), AccessDenied> {
        let wanted = &self.provider.audience;
        let is_ours = match &claims.aud {
            Some(Audience::One(one)) => one == wanted,
            Some(Audience::Several(several)) => several.contains(wanted),
            None => claims.client_id.as_ref() == Some(wanted),
        };
        if is_ours {
            Ok(())
        } else {
            Err(AccessDenied::because(
                "the token is made out for another audience than OIDC_AUDIENCE",
            ))
        }
    }
}

fn unusable(error: &jsonwebtoken::errors::Error) -> AccessDenied {
    use jsonwebtoken::errors::ErrorKind;
    AccessDenied::because(match error.kind() {
        ErrorKind::ExpiredSignature => "the token has expired".to_owned(),
        ErrorKind::ImmatureSignature => "the token is not valid yet".to_owned(),
        ErrorKind::InvalidIssuer => "the token is of another issuer than OIDC_ISSUER".to_owned(),
        ErrorKind::InvalidSignature => "the token's signature is wrong".to_owned(),
        ErrorKind::MissingRequiredClaim(claim) => format!("the token has no {claim}"),
        // The texts of these repeat parts of the token.
        ErrorKind::Json(_) | ErrorKind::Base64(_) | ErrorKind::Utf8(_) => {
            "the credential is no token that can be read, or its algorithm is none that is taken"
                .to_owned()
        }
        kind => format!("the token can't be used: {kind:?}"),
    })
}
