//! Who is let in, as the environment says it.

use std::fmt;

/// Who is let in.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody who can reach the endpoint.
    Open,
    /// Who has the one code. Never empty.
    Code(String),
    /// Whom an OpenID provider vouches for.
    Oidc(Provider),
}

/// An OpenID provider, and what a token of it must be made out for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The issuer as it stands in its tokens, an `https` URL.
    pub issuer: String,
    /// The token's `aud`, or its `client_id` when it has no `aud`, as in Cognito's access tokens.
    pub audience: String,
    /// Which of the provider's tokens are taken.
    pub token_use: TokenUse,
}

/// What a token was issued for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenUse {
    /// Any that is made out for the audience.
    #[default]
    Any,
    /// Access tokens: for a service that a user's program calls.
    Access,
    /// ID tokens: for the program in which a user signs in.
    Id,
}

impl Access {
    /// The mode as `ACCESS` and the page name it.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Code(_) => "code",
            Self::Oidc(_) => "oidc",
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            // A secret: it must not stand in a log.
            Self::Code(_) => f.write_str("Code(…)"),
            Self::Oidc(provider) => f.debug_tuple("Oidc").field(provider).finish(),
        }
    }
}

/// The origins whose pages may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All: the check is off.
    Any,
    /// These, in lower case.
    Only(Vec<String>),
}

impl Origins {
    /// Reads a list separated by commas. An empty one, or `*`, allows every origin.
    ///
    /// # Errors
    /// Says what an origin looks like.
    pub fn parse(list: &str) -> Result<Self, String> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let mut origins = Vec::new();
        for name in names {
            if name == "*" {
                return Ok(Self::Any);
            }
            // A trailing slash is what is left when the address is copied out of a browser.
            let origin = name.trim_end_matches('/').to_ascii_lowercase();
            match origin.split_once("://") {
                Some((scheme, host))
                    if matches!(scheme, "http" | "https")
                        && !host.is_empty()
                        && !host.contains(['/', '?', '#', ' ', '@', '*']) =>
                {
                    origins.push(origin);
                }
                _ => {
                    return Err(format!(
                        "\"{name}\" is not an origin: scheme and host, such as https://chat.example.com"
                    ));
                }
            }
        }
        Ok(if origins.is_empty() { Self::Any } else { Self::Only(origins) })
    }

    /// Whether a page of this origin may connect.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(origins) => origins.iter().any(|one| one.eq_ignore_ascii_case(origin)),
        }
    }
}

/// An `https` URL, or an `http` one of this machine, for tests.
#[must_use]
pub fn is_safe_url(url: &str) -> bool {
    let authority = |scheme| {
        let rest = url.strip_prefix(scheme)?;
        // What stands before an `@` is a name and a password, and only looks like a host.
        rest.split(['/', '?', '#']).next().filter(|authority| !authority.contains('@'))
    };
    let host = |authority: &str| authority.split(':').next().unwrap_or_default().to_owned();
    match (authority("https://").map(host), authority("http://").map(host)) {
        (Some(host), _) => !host.is_empty(),
        (_, Some(host)) => matches!(&*host, "127.0.0.1" | "localhost"),
        _ => false,
    }
}

/// Whether a provider can be asked for its keys by this `iss`: a safe URL without query and fragment, behind
/// which the path of its configuration can stand (OpenID Connect Discovery 1.0, sections 3 and 4).
#[must_use]
pub fn is_issuer(url: &str) -> bool {
    is_safe_url(url)
        && !url.contains(['?', '#'])
        // It knows what is no character of a URL, such as a space, but takes any port.
        && url.parse::<hyper::Uri>().is_ok_and(|url| {
            url.authority().is_some_and(|authority| {
                authority.port().is_some() || authority.as_str() == authority.host()
            })
        })
}

/// How short a code is easy to guess, in characters. The template asks for as many.
const SHORT_CODE: usize = 12;

/// Whether a code is so short that it is easy to guess.
#[must_use]
pub fn is_short(code: &str) -> bool {
    code.chars().count() < SHORT_CODE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_origins_is_read_leniently_and_checked() {
        assert_eq!(Origins::parse(" "), Ok(Origins::Any));
        assert_eq!(Origins::parse("https://a.example,*"), Ok(Origins::Any));
        let two = Origins::parse("https://A.example/ , http://localhost:5173,").unwrap();
        assert_eq!(
            two,
            Origins::Only(vec!["https://a.example".to_owned(), "http://localhost:5173".to_owned()])
        );
        for bad in [
            "a.example",
            "null",
            "https://",
            "https://*.example",
            "https://a.example/chat",
            "ws://a",
        ] {
            assert!(Origins::parse(bad).unwrap_err().contains("not an origin"), "{bad}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in ["https://id.example/realms/a", "http://127.0.0.1:4711", "http://localhost/a"] {
            assert!(is_safe_url(good), "{good}");
        }
        for bad in [
            "http://id.example",
            "id.example",
            "https://",
            "http://127.0.0.1.evil.example",
            "http://localhost:x@evil.example",
            "https://id.example@evil.example",
            "file:///a",
        ] {
            assert!(!is_safe_url(bad), "{bad}");
        }
    }

    #[test]
    fn an_issuer_is_a_url_that_a_path_can_stand_behind() {
        for good in [
            "https://id.example",
            "https://id.example/",
            "https://id.example:8443/realms/a",
            "http://localhost:9000",
        ] {
            assert!(is_issuer(good), "{good}");
        }
        for bad in [
            "https://id.example/?realm=a",
            "https://id.example#a",
            "https://id.example/realms/a b",
            "https://id.example:port",
            "https://id.example:",
            "http://id.example",
        ] {
            assert!(!is_issuer(bad), "{bad}");
        }
    }

    #[test]
    fn a_code_is_not_shown_when_a_configuration_is_printed() {
        assert_eq!(format!("{:?}", Access::Code("secret".to_owned())), "Code(…)");
    }
}
