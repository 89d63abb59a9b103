//! The page, served from inside the binary: its files, its settings, and the headers they go out with.

use std::fmt::Write as _;
use std::path::{Component, Path};

use rust_embed_for_web::{EmbedableFile as _, RustEmbed};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::VERSION;
use crate::config::Config;
use crate::config::access::Access;
use crate::request::files::{MAX_FILES, MAX_FILES_BYTES};

/// The files of the page. A debug build reads the modules of `web/` from disk, so that a change shows
/// after a reload. A release build has what `scripts/bundle-page` made of them, minified into few files
/// and compressed; a debug build with the feature `bundled-page` reads these from disk.
#[derive(RustEmbed)]
#[cfg_attr(all(debug_assertions, not(feature = "bundled-page")), folder = "web/")]
#[cfg_attr(not(all(debug_assertions, not(feature = "bundled-page"))), folder = "dist/page/")]
struct Files;

/// What a browser asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The path of the URL below the stage: `/`, `/config.json`, `/main.js`, …
    pub path: String,
    /// The value of `Accept-Encoding`.
    pub accept_encoding: Option<String>,
    /// The value of `If-None-Match`.
    pub if_none_match: Option<String>,
}

/// What it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The bytes of the body; none after `HEAD` and with status 304.
    pub body: Vec<u8>,
}

/// The page of one deployment.
#[derive(Clone, Debug)]
pub struct Page {
    /// The bytes of `config.json`; none when it is not known where clients connect.
    settings: Option<Vec<u8>>,
    policy: String,
}

/// What the page needs to know, served to it as `config.json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings<'a> {
    /// The version of the relay.
    version: &'static str,
    /// The WebSocket URL of the relay, such as `wss://abc123.execute-api.us-east-1.amazonaws.com/live`.
    endpoint: &'a str,
    /// How a user is let in: `open`, `code` or `oidc`.
    access: &'static str,
    /// Whose tokens are taken, with `oidc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    /// Whom they must be made out for, with `oidc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<&'a str>,
    /// Whether the relay hands out traces at all.
    allow_trace: bool,
    /// Prompts that the page offers for a first try.
    suggestions: &'a [String],
    /// The longest silence while an answer runs: after more of it, the connection is gone.
    keepalive_seconds: u64,
    /// The files that can be sent with a prompt, if the agent takes any.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<FileLimits>,
    /// How the page looks and speaks.
    #[serde(flatten)]
    more: &'a Map<String, Value>,
}

/// How many files can be sent with a prompt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FileLimits {
    max_files: usize,
    /// All of them together.
    max_bytes: usize,
    /// Whether they can be uploaded in pieces. Without, all that is sent fits into one message.
    uploads: bool,
}

/// The most bytes of files that the page can send in one message with a prompt: in base64 they take three
/// quarters of the 32 KB that a browser can send.
const MAX_BYTES_IN_MESSAGE: usize = 18 * 1024;

impl Page {
    /// The page of this deployment.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let (issuer, audience) = match &config.access {
            Access::Oidc(provider) => (Some(&*provider.issuer), Some(&*provider.audience)),
            Access::Open | Access::Code(_) => (None, None),
        };
        let endpoint = config.page.endpoint.as_deref();
        let settings = endpoint.and_then(|endpoint| {
            serde_json::to_vec(&Settings {
                version: VERSION,
                endpoint,
                access: config.access.mode(),
                issuer,
                audience,
                allow_trace: config.allow_trace,
                suggestions: &config.page.suggestions,
                keepalive_seconds: config.keepalive.as_secs(),
                files: config.files.map(|_| {
                    let uploads = config.runs.is_some();
                    let max_bytes = if uploads { MAX_FILES_BYTES } else { MAX_BYTES_IN_MESSAGE };
                    FileLimits { max_files: MAX_FILES, max_bytes, uploads }
                }),
                more: &config.page.settings,
            })
            .ok()
        });
        let votes = config.page.settings.get("votes").and_then(Value::as_str);
        Self { settings, policy: policy(endpoint, votes) }
    }

    /// Answers a request.
    #[must_use]
    pub fn respond(&self, request: &Request) -> Response {
        let body_wanted = match &*request.method {
            "GET" => true,
            "HEAD" => false,
            _ => {
                let mut response = self.text(405, "The page is read with GET.\n");
                response.headers.push(("allow", "GET, HEAD".to_owned()));
                return response;
            }
        };
        let mut response = match request.path.trim_start_matches('/') {
            "config.json" => self.settings(request),
            "" => self.file("index.html", request),
            name => self.file(name, request),
        };
        if !body_wanted {
            response.body.clear();
        }
        response
    }

    fn settings(&self, request: &Request) -> Response {
        match &self.settings {
            Some(settings) => {
                let mut tag = String::from("W/\"");
                for byte in &Sha256::digest(settings)[..12] {
                    // Writing to a string can't fail.
                    let _ = write!(tag, "{byte:02x}");
                }
                tag.push('"');
                self.found("application/json", tag, settings.clone(), None, request)
            }
            None => self.text(
                500,
                "The function does not know where clients connect: set WEBSOCKET_URL to the address of the WebSocket API, wss://…\n",
            ),
        }
    }

    fn file(&self, name: &str, request: &Request) -> Response {
        // Read from disk, a name could lead out of the folder.
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        let Some(file) = inside.then(|| Files::get(name)).flatten() else {
            return self.text(404, "There is nothing at this address.\n");
        };
        // Weak, since it is the same for every encoding.
        let tag = format!("W/{}", AsRef::<str>::as_ref(&file.etag()));
        let accepts = |encoding| accepts(request.accept_encoding.as_deref(), encoding);
        let compressed = |encoding, bytes: Option<_>| {
            bytes.filter(|_| accepts(encoding)).map(|bytes| (encoding, bytes))
        };
        let found =
            compressed("br", file.data_br()).or_else(|| compressed("gzip", file.data_gzip()));
        let (encoding, bytes) = match found {
            Some((encoding, bytes)) => (Some(encoding), bytes),
            None => (None, file.data()),
        };
        let bytes: &[u8] = AsRef::<[u8]>::as_ref(&bytes);
        self.found(content_type(name), tag, bytes.to_vec(), encoding, request)
    }

    /// A body, or the word that the browser has it already.
    fn found(
        &self,
        content_type: &'static str,
        tag: String,
        body: Vec<u8>,
        encoding: Option<&'static str>,
        request: &Request,
    ) -> Response {
        let mut headers = self.headers();
        // The names of files stay when their content changes, so a browser has to ask for each of them
        // on every visit; what it has already is not sent again.
        headers.push(("cache-control", "no-cache".to_owned()));
        headers.push(("vary", "accept-encoding".to_owned()));
        let known = has_tag(request.if_none_match.as_deref(), &tag);
        headers.push(("etag", tag));
        if known {
            return Response { status: 304, headers, body: Vec::new() };
        }
        headers.push(("content-type", content_type.to_owned()));
        headers.extend(encoding.map(|encoding| ("content-encoding", encoding.to_owned())));
        Response { status: 200, headers, body }
    }

    fn text(&self, status: u16, text: &str) -> Response {
        let mut headers = self.headers();
        headers.push(("content-type", "text/plain; charset=utf-8".to_owned()));
        headers.push(("cache-control", "no-store".to_owned()));
        Response { status, headers, body: text.as_bytes().to_vec() }
    }

    /// The headers of every response.
    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            ("content-security-policy", self.policy.clone()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
            ("cross-origin-opener-policy", "same-origin".to_owned()),
            ("strict-transport-security", "max-age=31536000".to_owned()),
        ]
    }
}

/// The policy forbids everything that the page does not use: scripts and styles come from its own
/// origin only, markup never becomes script (Trusted Types), and it talks to the one endpoint, and to
/// where votes go.
fn policy(endpoint: Option<&str>, votes: Option<&str>) -> String {
    let connects: Vec<&str> =
        ["'self'"].into_iter().chain(endpoint.map(origin)).chain(votes.map(origin)).collect();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
         connect-src {}; font-src 'none'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        connects.join(" "),
    )
}

/// Scheme, host and port of a URL: what a policy names.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |scheme| scheme + "://".len());
    url[host..].find(['/', '?', '#']).map_or(url, |path| &url[..host + path])
}

/// Whether `Accept-Encoding` names an encoding, and not with `q=0`.
fn accepts(header: Option<&str>, encoding: &str) -> bool {
    header.into_iter().flat_map(|header| header.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding))
            && !parts.any(|weight| matches!(weight, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Whether `If-None-Match` names a tag, compared weakly as RFC 9110 wants it for this header.
fn has_tag(header: Option<&str>, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    header.is_some_and(|header| {
        header.trim() == "*" || header.split(',').any(|one| bare(one) == bare(tag))
    })
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

    fn page(more: &[(&str, &str)]) -> Page {
        let variables = [&[("AGENT_ID", "A"), ("AGENT_ALIAS_ID", "B")], more].concat();
        let config = Config::from_lookup(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        });
        Page::new(&config.unwrap())
    }

    fn here() -> Page {
        page(&[
            ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "https://a.example/live"),
            ("SUGGESTED_PROMPTS", "hello"),
            ("ALLOW_TRACE", "true"),
        ])
    }

    fn get(path: &str) -> Request {
        Request { method: "GET".to_owned(), path: path.to_owned(), ..Request::default() }
    }

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| &**value)
    }

    #[test]
    fn the_root_is_the_index() {
        let root = here().respond(&get("/"));
        assert_eq!(
            (root.status, header(&root, "content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
        assert_eq!(root, here().respond(&get("/index.html")));
    }

    #[test]
    fn the_settings_have_the_shape_that_the_page_reads() {
        let config = here().respond(&get("/config.json"));
        assert_eq!(header(&config, "content-type"), Some("application/json"));
        assert_eq!(
            String::from_utf8(config.body).unwrap(),
            format!(
                r#"{{"version":"{VERSION}","endpoint":"wss://a.example/live","access":"open","allowTrace":true,"suggestions":["hello"],"keepaliveSeconds":30,"files":{{"maxFiles":5,"maxBytes":18432,"uploads":false}}}}"#,
            ),
        );
        let with_code = page(&[
            ("WEBSOCKET_URL", "wss://a.example"),
            ("ACCESS", "code"),
            ("ACCESS_CODE", "open sesame"),
        ]);
        let settings = String::from_utf8(with_code.respond(&get("/config.json")).body).unwrap();
        assert!(
            settings.contains(r#""access":"code""#) && !settings.contains("sesame"),
            "{settings}"
        );
    }

    #[test]
    fn the_policy_names_the_origin_of_the_endpoint_and_nothing_wider() {
        let root = here().respond(&get("/"));
        let policy = header(&root, "content-security-policy").unwrap();
        assert!(policy.contains("connect-src 'self' wss://a.example; "), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn settings_of_the_page_stand_beside_the_functions_own() {
        let page = page(&[
            ("WEBSOCKET_URL", "wss://a.example/live"),
            (
                "PAGE_SETTINGS",
                r#"{"title": "Help desk", "votes": "https://b.example:8443/votes?of=chat", "prices": {"": {"input": 0.3}}}"#,
            ),
        ]);
        let config = page.respond(&get("/config.json"));
        let settings: Value = serde_json::from_slice(&config.body).unwrap();
        assert_eq!(
            settings,
            serde_json::json!({
                "version": VERSION,
                "endpoint": "wss://a.example/live",
                "access": "open",
                "allowTrace": false,
                "suggestions": [],
                "keepaliveSeconds": 30,
                "files": {"maxFiles": 5, "maxBytes": 18432, "uploads": false},
                "title": "Help desk",
                "votes": "https://b.example:8443/votes?of=chat",
                "prices": {"": {"input": 0.3}},
            })
        );
        let policy = header(&config, "content-security-policy").unwrap();
        assert!(
            policy.contains("connect-src 'self' wss://a.example https://b.example:8443; "),
            "{policy}"
        );
    }

    #[test]
    fn a_browser_that_has_a_file_is_told_so() {
        for path in ["/", "/main.js", "/config.json"] {
            let first = here().respond(&get(path));
            let tag = header(&first, "etag").unwrap().to_owned();
            for known in [tag.clone(), format!("\"other\", {tag}"), "*".to_owned()] {
                let again = here().respond(&Request { if_none_match: Some(known), ..get(path) });
                assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
                assert_eq!(header(&again, "etag"), Some(&*tag));
            }
            let other = Request { if_none_match: Some("\"other\"".to_owned()), ..get(path) };
            assert_eq!(here().respond(&other).status, 200, "{path}");
        }
    }

    #[test]
    fn only_reading_is_possible() {
        let head = here().respond(&Request { method: "HEAD".to_owned(), ..get("/") });
        assert_eq!((head.status, head.body.len()), (200, 0));
        let post = here().respond(&Request { method: "POST".to_owned(), ..get("/") });
        assert_eq!((post.status, header(&post, "allow")), (405, Some("GET, HEAD")));
    }

    #[test]
    fn a_page_that_can_not_connect_says_what_is_missing() {
        let lost = page(&[]).respond(&get("/config.json"));
        assert_eq!(lost.status, 500);
        assert!(String::from_utf8(lost.body).unwrap().contains("WEBSOCKET_URL"));
    }

    #[test]
    fn encodings_are_taken_at_their_word() {
        for (header, wanted) in [
            (Some("gzip, deflate, br"), true),
            (Some("BR;q=0.5"), true),
            (Some("gzip, br;q=0"), false),
            (Some("brotli"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(accepts(header, "br"), wanted, "{header:?}");
        }
    }

    #[test]
    fn an_origin_ends_before_the_path() {
        assert_eq!(origin("wss://a.example/prod"), "wss://a.example");
        assert_eq!(origin("ws://127.0.0.1:8080"), "ws://127.0.0.1:8080");
        assert_eq!(origin("https://a.example?b=/c"), "https://a.example");
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        for path in ["/../Cargo.toml", "/missing.js", "//etc/passwd", "/vendor/../../Cargo.toml"] {
            assert_eq!(here().respond(&get(path)).status, 404, "{path}");
        }
    }
}
