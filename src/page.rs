//! The page, served from inside the binary: its files, its settings, and the headers they go out with.
//!
//! Nothing here knows a web framework, because two servers share it: the local AWS and the function.

use std::borrow::Cow;

use rust_embed::RustEmbed;
use serde::Serialize;

/// The files of `web/`: read from disk in a debug build, part of the binary in a release build.
#[derive(RustEmbed)]
#[folder = "web/"]
struct Files;

/// What the page needs to know, served to it as `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The WebSocket URL of the relay, such as `ws://127.0.0.1:8080/local`.
    pub endpoint: String,
    /// How a user is let in.
    pub access: Access,
    /// Whether the relay hands out traces at all.
    pub allow_trace: bool,
    /// Prompts that the page offers for a first try.
    pub suggestions: Vec<String>,
}

/// How a user is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Everybody who can reach the endpoint.
    Open,
}

/// One file as it goes out over HTTP, always with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// The bytes of the body.
    pub body: Cow<'static, [u8]>,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// All other headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
}

/// The file at the path of a URL (`/`, `/config.json`, `/main.js`, …), or `None` for a 404.
#[must_use]
pub fn asset(path: &str, settings: &Settings) -> Option<Asset> {
    let name = match path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let body = if name == "config.json" {
        Cow::Owned(serde_json::to_vec(settings).ok()?)
    } else {
        Files::get(name)?.data
    };
    Some(Asset { body, content_type: content_type(name), headers: headers(settings) })
}

/// The headers of every file of the page.
///
/// The policy forbids everything that the page does not use: scripts and styles come from its own
/// origin only, markup never becomes script (Trusted Types), and it talks to the one endpoint.
fn headers(settings: &Settings) -> Vec<(&'static str, String)> {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
         connect-src 'self' {}; font-src 'none'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        origin(&settings.endpoint),
    );
    vec![
        ("content-security-policy", policy),
        ("x-content-type-options", "nosniff".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("cache-control", "no-cache".to_owned()),
    ]
}

/// Scheme, host and port of a URL: what a policy names.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + "://".len());
    url[host..].find('/').map_or(url, |path| &url[..host + path])
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ico" => "image/x-icon",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "md" | "txt" => "text/plain; charset=utf-8",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            endpoint: "ws://127.0.0.1:8080/local".to_owned(),
            access: Access::Open,
            allow_trace: true,
            suggestions: vec!["hello".to_owned()],
        }
    }

    #[test]
    fn the_root_is_the_index() {
        let root = asset("/", &settings()).unwrap();
        assert_eq!(root.content_type, "text/html; charset=utf-8");
        assert_eq!(Some(root), asset("/index.html", &settings()));
    }

    #[test]
    fn the_settings_have_the_shape_that_the_page_reads() {
        let config = asset("/config.json", &settings()).unwrap();
        assert_eq!(config.content_type, "application/json");
        assert_eq!(
            String::from_utf8(config.body.into_owned()).unwrap(),
            r#"{"endpoint":"ws://127.0.0.1:8080/local","access":"open","allowTrace":true,"suggestions":["hello"]}"#,
        );
    }

    #[test]
    fn the_policy_names_the_origin_of_the_endpoint_and_nothing_wider() {
        let headers = asset("/", &settings()).unwrap().headers;
        let (_, policy) = &headers[0];
        assert!(policy.contains("connect-src 'self' ws://127.0.0.1:8080; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn an_origin_ends_before_the_path() {
        assert_eq!(origin("wss://a.example/prod"), "wss://a.example");
        assert_eq!(origin("ws://127.0.0.1:8080"), "ws://127.0.0.1:8080");
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        for path in ["/../Cargo.toml", "/missing.js", "//etc/passwd"] {
            assert_eq!(asset(path, &settings()), None, "{path}");
        }
    }
}
