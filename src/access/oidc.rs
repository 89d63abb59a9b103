//! Tokens of an OpenID provider: is this one real, meant for us, and still good?
//!
//! Rules: RFC 7519 (JSON Web Token), RFC 8725 (its best current practices) and OpenID Connect Core.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use crate::access::denied::AccessDenied;
use crate::access::keys::Keys;
use crate::aws::Http;
use crate::config::access::{Provider, TokenUse};

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

/// Whom a valid token vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The subject.
    pub subject: String,
    /// The e-mail address, if the provider has verified it.
    pub email: Option<String>,
}

/// What of a token counts here; the library checks `iss`, `exp` and `nbf`. What is not of the type that
/// it should be counts as absent, unless the token stands or falls with it.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    aud: Option<Audience>,
    client_id: Option<String>,
    #[serde(default)]
    email: Value,
    #[serde(default)]
    email_verified: Value,
    /// Cognito's word for what a token was issued for: `access` or `id`.
    #[serde(default)]
    token_use: Value,
    /// These stand in ID tokens only (OpenID Connect Core, sections 2 and 3.3.2.11).
    #[serde(default)]
    nonce: Value,
    #[serde(default)]
    at_hash: Value,
    #[serde(default)]
    c_hash: Value,
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

    /// Whom a token vouches for.
    ///
    /// # Errors
    /// Says why the token does not count.
    pub async fn verify(&self, token: &str) -> Result<Vouched, AccessDenied> {
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
        let is_access_token = check_type(header.typ.as_deref())?;
        let keys = self.keys.find(header.kid.as_deref(), header.alg).await?;

        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.provider.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        // Some providers put the audience elsewhere: see below.
        validation.validate_aud = false;
        // A provider may have several keys of one id. The one that signed the token has the last word.
        let mut decoded = Err(ErrorKind::InvalidSignature.into());
        for key in keys {
            decoded = decode::<Claims>(token, &key, &validation);
            let is_of_another_key = decoded
                .as_ref()
                .is_err_and(|error| matches!(error.kind(), ErrorKind::InvalidSignature));
            if !is_of_another_key {
                break;
            }
        }
        let claims = decoded.map_err(|error| unusable(&error))?.claims;
        self.check_audience(&claims)?;
        self.check_use(&claims, is_access_token)?;
        let email = claims.verified_email();
        let subject = claims.sub.filter(|subject| (1..=MAX_SUBJECT).contains(&subject.len()));
        let subject = subject
            .ok_or_else(|| AccessDenied::because("the token's subject is empty or too long"))?;
        Ok(Vouched { subject, email })
    }

    /// Refuses tokens that were issued for another use than the configured one.
    fn check_use(&self, claims: &Claims, is_access_token: bool) -> Result<(), AccessDenied> {
        let marks = [&claims.nonce, &claims.at_hash, &claims.c_hash];
        let actual = match claims.token_use.as_str() {
            Some("access") => Some(TokenUse::Access),
            Some("id") => Some(TokenUse::Id),
            _ if is_access_token => Some(TokenUse::Access),
            _ if marks.into_iter().any(|mark| !mark.is_null()) => Some(TokenUse::Id),
            _ => None,
        };
        match (self.provider.token_use, actual) {
            (TokenUse::Access, Some(TokenUse::Id)) => Err(AccessDenied::because(
                "the token is an ID token, but OIDC_TOKEN_USE asks for access tokens",
            )),
            (TokenUse::Id, Some(TokenUse::Access)) => Err(AccessDenied::because(
                "the token is an access token, but OIDC_TOKEN_USE asks for ID tokens",
            )),
            _ => Ok(()),
        }
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

/// The longest e-mail address, in bytes (RFC 5321, section 4.5.3.1).
const MAX_EMAIL: usize = 254;

impl Claims {
    /// The address, if the provider says that it has verified it. Some say so by a text.
    fn verified_email(&self) -> Option<String> {
        let is_verified =
            self.email_verified == true || self.email_verified.as_str() == Some("true");
        let email = self.email.as_str().filter(|email| (1..=MAX_EMAIL).contains(&email.len()))?;
        is_verified.then(|| email.to_owned())
    }
}

/// Refuses tokens of types that are no proof of who asks, such as those that announce a logout (RFC
/// 8725, section 3.11). Whether the type says that it is an access token (RFC 9068).
fn check_type(typ: Option<&str>) -> Result<bool, AccessDenied> {
    let typ = typ.map(str::to_ascii_lowercase);
    match typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ)) {
        None | Some("jwt") => Ok(false),
        Some("at+jwt") => Ok(true),
        Some(_) => {
            Err(AccessDenied::because("the token is of a type that says nothing about who asks"))
        }
    }
}

fn unusable(error: &jsonwebtoken::errors::Error) -> AccessDenied {
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
