//! Entries whose lines need nothing but themselves.

use super::line::{Bytes, Line, Part, micros, short};
use super::metrics;
use crate::dynamodb::operation::TableOperation;
use crate::journal::{Entry, HttpResponseEnd};
use crate::route::AGUI_PATH;
use crate::wire_fault::WireName;

/// The line of such an entry; `None` for all others.
pub(super) fn line(entry: &Entry) -> Option<Line<'_>> {
    gateway(entry)
        .or_else(|| rest_api(entry))
        .or_else(|| management(entry))
        .or_else(|| table(entry))
        .or_else(|| function(entry))
        .or_else(|| wire(entry))
        .or_else(|| fault(entry))
}

fn gateway(entry: &Entry) -> Option<Line<'_>> {
    let line = |what| Line::new(Part::Gateway, what);
    Some(match entry {
        Entry::Connected { connection_id, subprotocol } => {
            let chosen = subprotocol.as_deref().map(|name| format!("subprotocol {name}"));
            line("connected").more(chosen.unwrap_or_default()).about(connection_id)
        }
        Entry::Refused { status, reason } => {
            Line::new(Part::Gateway, format!("refused {status}")).more(reason).bad_if(true)
        }
        Entry::MessageReceived { connection_id, bytes } => {
            line("message").more(Bytes(*bytes)).about(connection_id)
        }
        Entry::Throttled { connection_id, route } => line("throttled")
            .more(format!("no function is free for {}", route.key()))
            .about(connection_id)
            .bad_if(true),
        Entry::TimedOut { connection_id, route, .. } => line("timed out")
            .more(format!("no answer to {} in time", route.key()))
            .about(connection_id)
            .bad_if(true),
        Entry::Closed { connection_id, code, reason } => {
            line("closed").more(format!("{code} {reason}")).about(connection_id)
        }
        _ => return None,
    })
}

fn rest_api(entry: &Entry) -> Option<Line<'_>> {
    let line = |what: String, request_id, more: &str| {
        Line::new(Part::Gateway, what).more(format!("request {}{more}", short(request_id)))
    };
    Some(match entry {
        Entry::HttpRequestReceived { request_id, method, bytes } => {
            line(format!("{method} {AGUI_PATH}"), request_id, &format!(", {}", Bytes(*bytes)))
        }
        Entry::HttpResponseStarted { request_id, status } => {
            line(format!("responds {status}"), request_id, "").bad_if(*status >= 400)
        }
        Entry::HttpResponseEnded { request_id, bytes, end } => {
            let (what, why) = match end {
                HttpResponseEnd::Complete => ("responded", ""),
                HttpResponseEnd::ClientGone => ("client gone", ", and the function works on"),
                HttpResponseEnd::IdleTimeout => ("cut off", ", since nothing moved for too long"),
                HttpResponseEnd::IntegrationTimeout => ("cut off", ", since the time was over"),
                HttpResponseEnd::FunctionFailed => ("cut off", ", since the function failed"),
            };
            line(what.to_owned(), request_id, &format!(", {}{why}", Bytes(*bytes)))
                .bad_if(*end != HttpResponseEnd::Complete)
        }
        _ => return None,
    })
}

/// The management API, but for the posts that arrive.
fn management(entry: &Entry) -> Option<Line<'_>> {
    let line = |verb: &str, status: &u16, connection_id| {
        let what = format!("{verb} {status}");
        Line::new(Part::Posts, what).about(connection_id).bad_if(!(200..300).contains(status))
    };
    Some(match entry {
        Entry::Posted { connection_id, bytes, status, .. } => {
            line("post", status, connection_id).more(Bytes(*bytes))
        }
        Entry::Inspected { connection_id, status } => line("get", status, connection_id),
        Entry::Deleted { connection_id, status } => line("delete", status, connection_id),
        _ => return None,
    })
}

fn table(entry: &Entry) -> Option<Line<'_>> {
    let Entry::TableCalled { operation, request, status, error, capacity_units } = entry else {
        return None;
    };
    // A run looks at its item once a second: a line for each would hide what happens.
    if *operation == TableOperation::GetItem && *status == 200 {
        return None;
    }
    let more = match (error, capacity_units.to_string().as_str()) {
        (Some(error), _) => error.clone(),
        (None, "1") => "1 unit".to_owned(),
        (None, units) if operation.is_about_items() => format!("{units} units"),
        (None, _) => String::new(),
    };
    let keys = [&request["Key"], &request["Item"]];
    let conversation = keys.into_iter().find_map(|key| key["conversation"]["S"].as_str());
    // A condition that does not hold is an answer like others.
    let failed = *status >= 400 && error.as_deref() != Some("ConditionalCheckFailedException");
    let line = Line::new(Part::Table, format!("{operation} {status}")).more(more);
    Some(line.about(conversation.unwrap_or_default()).bad_if(failed))
}

fn function(entry: &Entry) -> Option<Line<'_>> {
    let line = |what: &'static str| Line::new(Part::Function, what);
    Some(match entry {
        Entry::FunctionStarted { pid } => line("started").more(format!("process {pid}")),
        Entry::FunctionHeldBack { quota_us, period_us, .. } => line("held back").more(format!(
            "to {} of CPU time in each {}",
            micros(*quota_us),
            micros(*period_us)
        )),
        Entry::FunctionFrozen { pid } => line("frozen").more(format!("process {pid}")),
        Entry::FunctionThawed { pid } => line("thawed").more(format!("process {pid}")),
        Entry::FunctionLog { line: text } => match metrics::summary(text) {
            Some(metrics) => line("metrics").more(metrics),
            None => Line::new(Part::Function, text),
        },
        Entry::FunctionExited { status } => line("ended").more(status).bad_if(true),
        _ => return None,
    })
}

fn wire(entry: &Entry) -> Option<Line<'_>> {
    let line = |part, what: &'static str, wire: &WireName, connection: &u64| {
        Line::new(part, what).more(format!("connection {connection} to the {wire}"))
    };
    Some(match entry {
        Entry::WireOpened { wire, connection } => line(Part::Wire, "opened", wire, connection),
        Entry::WireClosed { wire, connection } => line(Part::Wire, "closed", wire, connection),
        Entry::WireFault { wire, connection, fault } => Line::new(Part::Fault, "wire")
            .more(format!("connection {connection} to the {wire} {fault}, on purpose")),
        _ => return None,
    })
}

fn fault(entry: &Entry) -> Option<Line<'_>> {
    let Entry::FaultInjected { kind, subject } = entry else { return None };
    Some(Line::new(Part::Fault, kind.to_string()).more("on purpose").about(subject))
}
