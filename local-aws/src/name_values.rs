//! The names and values of headers and query strings, in both forms that an event has them in.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName};

use crate::ids::trace_id;

/// The names and values of headers or of a query string, in both forms of an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameValues {
    /// The last value of each name.
    pub(crate) single: BTreeMap<String, String>,
    /// All values of each name.
    pub(crate) multi: BTreeMap<String, Vec<String>>,
}

impl NameValues {
    /// The headers of a request as API Gateway passes them on: with their usual capitals, without
    /// those of an upgrade, and with those that the gateway adds.
    pub(crate) fn of_headers(headers: &HeaderMap, source_ip: &str, port: &str) -> Self {
        let mut values = Self::default();
        for (name, value) in headers {
            if !matches!(name.as_str(), "connection" | "upgrade") {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                values.add(capitalize(name), value);
            }
        }
        // A client that is part of a trace already stays in it.
        if !values.single.contains_key("X-Amzn-Trace-Id") {
            values.add("X-Amzn-Trace-Id".to_owned(), trace_id());
        }
        values.add("X-Forwarded-For".to_owned(), source_ip.to_owned());
        values.add("X-Forwarded-Port".to_owned(), port.to_owned());
        values.add("X-Forwarded-Proto".to_owned(), "http".to_owned());
        values
    }

    /// The parameters of a query string, decoded.
    pub(crate) fn of_query(query: &str) -> Self {
        let mut values = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            values.add(name.into_owned(), value.into_owned());
        }
        values
    }

    pub(crate) fn add(&mut self, name: String, value: String) {
        self.multi.entry(name.clone()).or_default().push(value.clone());
        self.single.insert(name, value);
    }
}

/// `sec-websocket-key` ⇒ `Sec-WebSocket-Key`.
fn capitalize(name: &HeaderName) -> String {
    let words = name.as_str().split('-').map(|word| match word {
        "websocket" => "WebSocket".to_owned(),
        _ => word[..word.len().min(1)].to_uppercase() + word.get(1..).unwrap_or_default(),
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_string_is_decoded_and_the_last_value_wins() {
        let values = NameValues::of_query("name=a%20b&name=c+d&flag&odd=%zz%4");
        assert_eq!(values.single["name"], "c d");
        assert_eq!(values.multi["name"], ["a b", "c d"]);
        assert_eq!((&*values.single["flag"], &*values.single["odd"]), ("", "%zz%4"));
    }

    #[test]
    fn headers_get_their_capitals() {
        let mut headers = HeaderMap::new();
        headers.insert("sec-websocket-protocol", "a, b".parse().unwrap());
        headers.insert("upgrade", "websocket".parse().unwrap());
        let values = NameValues::of_headers(&headers, "127.0.0.1", "8080");
        assert_eq!(values.single["Sec-WebSocket-Protocol"], "a, b");
        assert_eq!(values.single["X-Forwarded-For"], "127.0.0.1");
        assert!(!values.single.contains_key("Upgrade"));
    }
}
