//! The function's answers to events of a proxy integration.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// The function's answer to an event of a proxy integration.
#[derive(Clone, Debug)]
pub(crate) struct ProxyResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    status_code: Value,
    #[serde(default)]
    headers: Option<HashMap<String, Value>>,
    #[serde(default)]
    multi_value_headers: Option<HashMap<String, Vec<Value>>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// The status of an answer, if it has one. An authorizer's has none.
pub(crate) fn status_of(bytes: &[u8]) -> Option<u16> {
    ProxyResponse::parse(bytes).map(|response| response.status)
}

impl ProxyResponse {
    /// Reads the JSON of a proxy response; each of its `cookies` becomes a header. Of a streamed one only the part before its body counts,
    /// which eight NUL bytes end.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(8).position(|window| window == [0; 8]).unwrap_or(bytes.len());
        let fields: Fields = serde_json::from_slice(&bytes[..end]).ok()?;
        let status = match &fields.status_code {
            Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
            Value::String(text) => text.parse().ok()?,
            _ => return None,
        };
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let single = fields.headers.unwrap_or_default().into_iter();
        let single = single.map(|(name, value)| (name, text(value)));
        let multi = fields.multi_value_headers.unwrap_or_default().into_iter();
        let multi = multi.flat_map(|(name, values)| {
            values.into_iter().map(move |value| (name.clone(), text(value)))
        });
        let cookies = fields.cookies.unwrap_or_default().into_iter();
        let cookies = cookies.map(|cookie| ("set-cookie".to_owned(), cookie));
        let body = fields.body.unwrap_or_default();
        let body = if fields.is_base64_encoded == Some(true) {
            STANDARD.decode(body).ok()?
        } else {
            body.into_bytes()
        };
        (100..600).contains(&status).then(|| Self {
            status,
            headers: single.chain(multi).chain(cookies).collect(),
            body,
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_response_needs_a_status() {
        assert_eq!(ProxyResponse::parse(br#"{"statusCode":200}"#).unwrap().status, 200);
        assert_eq!(ProxyResponse::parse(br#"{"statusCode":"403"}"#).unwrap().status, 403);
        for bad in [&b"null"[..], b"", b"{}", b"\"ok\"", br#"{"statusCode":7}"#] {
            assert!(ProxyResponse::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_streamed_response_counts_up_to_its_body() {
        let bytes = b"{\"statusCode\":201}\0\0\0\0\0\0\0\0hello";
        assert_eq!(ProxyResponse::parse(bytes).unwrap().status, 201);
    }

    #[test]
    fn headers_are_found_in_both_forms_and_any_case() {
        let bytes = br#"{"statusCode":200,"headers":{"sec-websocket-protocol":"agui"},
            "multiValueHeaders":{"X-Other":["a","b"]}}"#;
        let response = ProxyResponse::parse(bytes).unwrap();
        assert_eq!(response.header("Sec-WebSocket-Protocol"), Some("agui"));
        assert_eq!(response.header("x-other"), Some("a"));
    }

    #[test]
    fn each_cookie_is_a_header() {
        let response = ProxyResponse::parse(br#"{"statusCode":200,"cookies":["a=b","c=d"]}"#);
        let cookies = ["a=b", "c=d"].map(|cookie| ("set-cookie".to_owned(), cookie.to_owned()));
        assert_eq!(response.unwrap().headers, cookies);
    }

    #[test]
    fn a_body_comes_as_text_or_as_base64() {
        let text = ProxyResponse::parse(br#"{"statusCode":200,"body":"aGk="}"#).unwrap();
        assert_eq!(text.body, b"aGk=");
        let bytes = br#"{"statusCode":200,"body":"aGk=","isBase64Encoded":true}"#;
        assert_eq!(ProxyResponse::parse(bytes).unwrap().body, b"hi");
        assert!(
            ProxyResponse::parse(br#"{"statusCode":200,"body":"?","isBase64Encoded":true}"#)
                .is_none()
        );
    }
}
