//! Keeps other web sites out.
//!
//! Listening on 127.0.0.1 keeps other machines out, but not the pages of other sites in the browser
//! of this machine: they could open a WebSocket here and spend the user's own Bedrock agent. A
//! browser says where a page comes from (`Origin`) and which name it looked up (`Host`, which
//! defeats DNS rebinding); programs send no `Origin`, so they are not affected.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Refuses requests that another site's page makes.
pub(crate) async fn only_this_machine(request: Request, next: Next) -> Response {
    if is_foreign(request.headers()) {
        let message =
            "The local AWS answers only to this machine: open it as localhost or 127.0.0.1.";
        let body = axum::Json(json!({ "message": message }));
        return (StatusCode::FORBIDDEN, body).into_response();
    }
    next.run(request).await
}

fn is_foreign(headers: &HeaderMap) -> bool {
    let value = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let host = value(header::HOST).is_some_and(|host| !is_local(host));
    let origin = value(header::ORIGIN).is_some_and(|origin| {
        !origin.split_once("://").is_some_and(|(_, authority)| is_local(authority))
    });
    host || origin
}

/// Whether `host[:port]` is this machine.
fn is_local(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn programs_and_pages_of_this_machine_are_welcome() {
        assert!(!is_foreign(&HeaderMap::new()));
        assert!(!is_foreign(&headers("127.0.0.1:8080", None)));
        assert!(!is_foreign(&headers("localhost:8080", Some("http://localhost:5173"))));
        assert!(!is_foreign(&headers("[::1]:8080", Some("http://127.0.0.1"))));
    }

    #[test]
    fn pages_of_other_sites_are_not() {
        for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example", ""] {
            assert!(is_foreign(&headers("127.0.0.1:8080", Some(origin))), "{origin}");
        }
        assert!(is_foreign(&headers("rebound.example:8080", None)));
    }
}
