//! The headers that say which trace a call is part of.

use axum::http::{HeaderMap, HeaderValue};

use super::journal::{Entry, Journal};

const NAMES: [&str; 4] = ["x-amzn-trace-id", "traceparent", "tracestate", "baggage"];

/// Notes which trace a call is part of, if it says so.
pub(crate) fn record(journal: &Journal, session_id: &str, headers: &HeaderMap) {
    let lines = |name: &'static str| {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.get_all(name).iter().map(move |value| (name.to_owned(), text(value)))
    };
    let headers: Vec<(String, String)> = NAMES.into_iter().flat_map(lines).collect();
    if !headers.is_empty() {
        journal.record(Entry::TraceNamed { session_id: session_id.to_owned(), headers });
    }
}
