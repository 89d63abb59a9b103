//! Refuses the pages of other web sites.
//!
//! Listening on 127.0.0.1 keeps other machines out, but not the pages of other sites in the browser
//! of this machine: they could open a WebSocket here and spend the user's own Bedrock agent. A
//! browser says where a page comes from (`Origin`) and which name it looked up (`Host`, which
//! defeats DNS rebinding); programs send no `Origin`, so they are not affected.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::route::{AGUI_PATH, STAGE};

/// Refuses requests that another site's page makes. Where the function has an authorizer, that one
/// looks at the origin of those who want to connect. Those who ask the REST API are the function's: it says
/// which pages may read its response.
pub(crate) async fn require_local_host(
    State(has_authorizer): State<bool>,
    request: Request,
    next: Next,
) -> Response {
    let connects = request.uri().path().trim_matches('/') == STAGE;
    let asks_rest_api = request.uri().path() == AGUI_PATH;
    let function_checks_origin = (connects && has_authorizer) || asks_rest_api;
    let headers = request.headers();
    // HTTP/2 has the name that was looked up in the request's URI.
    let has_foreign_authority =
        request.uri().authority().is_some_and(|name| !is_local(name.as_str()));
    if has_foreign_authority
        || has_foreign_host(headers)
        || (has_foreign_origin(headers) && !function_checks_origin)
    {
        let message =
            "The local AWS answers only to this machine: open it as localhost or 127.0.0.1.";
        let body = axum::Json(json!({ "message": message }));
        return (StatusCode::FORBIDDEN, body).into_response();
    }
    next.run(request).await
}

fn has_foreign_host(headers: &HeaderMap) -> bool {
    value(headers, &header::HOST).is_some_and(|host| !is_local(host))
}

fn has_foreign_origin(headers: &HeaderMap) -> bool {
    value(headers, &header::ORIGIN).is_some_and(|origin| {
        !origin.split_once("://").is_some_and(|(_, authority)| is_local(authority))
    })
}

fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or(""))
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
    fn programs_and_pages_of_this_machine_are_accepted() {
        let is_foreign =
            |headers: &HeaderMap| has_foreign_host(headers) || has_foreign_origin(headers);
        assert!(!is_foreign(&HeaderMap::new()));
        assert!(!is_foreign(&headers("127.0.0.1:8080", None)));
        assert!(!is_foreign(&headers("localhost:8080", Some("http://localhost:5173"))));
        assert!(!is_foreign(&headers("[::1]:8080", Some("http://127.0.0.1"))));
    }

    #[test]
    fn pages_of_other_sites_are_not() {
        for origin in ["https://evil.example", "null", "http://127.0.0.1.evil.example", ""] {
            assert!(has_foreign_origin(&headers("127.0.0.1:8080", Some(origin))), "{origin}");
        }
        assert!(has_foreign_host(&headers("rebound.example:8080", None)));
    }
}
