//! Tests of what the lines say.

use std::time::SystemTime;

use super::*;
use crate::dynamodb::operation::TableOperation;
use crate::faults::FaultKind;
use crate::journal::HttpResponseEnd;
use crate::route::Route;
use crate::wire_fault::{WireClose, WireFault, WireName};

fn lines(entries: impl IntoIterator<Item = Entry>) -> Vec<String> {
    let mut log = JournalLog::new(Vec::new());
    let began = log.began;
    for (index, entry) in (0_u32..).zip(entries) {
        let at = began + index * Duration::from_millis(100);
        let record = Record { index: index.into(), time: SystemTime::now(), at, entry };
        log.write(&record).unwrap();
    }
    let text = anstream::adapter::strip_bytes(&log.out).into_vec();
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

fn posted(data: &'static str) -> Entry {
    let connection_id = "c=".to_owned();
    Entry::Posted { connection_id, bytes: data.len(), status: 200, data: data.into() }
}

#[test]
fn of_many_posts_the_first_a_sum_and_the_last_are_shown() {
    let chunk = r#"{"type":"TEXT_MESSAGE_CHUNK","delta":"hello"}"#;
    let mut entries = vec![posted(r#"{"type":"RUN_STARTED"}"#)];
    entries.extend((0..15).map(|_| posted(chunk)));
    entries.push(posted(r#"{"type":"RUN_FINISHED"}"#));
    assert_eq!(
        lines(entries),
        [
            "    0.000  posts     RUN_STARTED   22 bytes  c=",
            "    1.000  posts     …             11 posts, 472 bytes  c=",
            "    1.600  posts     RUN_FINISHED  17 posts, 720 bytes  c=",
        ],
    );
}

#[test]
fn faults_are_shown_and_metrics_only_summed_up() {
    let metrics = r#"{"_aws":{"CloudWatchMetrics":[{"Metrics":[{"Name":"Runs"}]}]},"Runs":1}"#;
    let entries = [
        Entry::FaultInjected { kind: FaultKind::LostAnswer, subject: "c=".to_owned() },
        Entry::FunctionLog { line: metrics.to_owned() },
        Entry::FunctionLog { line: "a line for people".to_owned() },
    ];
    assert_eq!(
        lines(entries),
        [
            "    0.000  fault     lost answer   on purpose  c=",
            "    0.100  function  metrics       Runs 1",
            "    0.200  function  a line for people",
        ],
    );
}

#[test]
fn of_calls_of_the_table_all_but_the_glances_at_an_item_are_shown() {
    let call = |operation, request, status, error: Option<&str>, capacity_units| {
        let error = error.map(str::to_owned);
        Entry::TableCalled { operation, request, status, error, capacity_units }
    };
    let item = serde_json::json!({ "Item": { "conversation": { "S": "s" } } });
    let key = serde_json::json!({ "Key": { "conversation": { "S": "s" } } });
    let nothing = serde_json::json!({});
    let unfit = Some("ConditionalCheckFailedException");
    let entries = [
        call(TableOperation::PutItem, item, 200, None, 1.0),
        call(TableOperation::GetItem, key.clone(), 200, None, 0.5),
        call(TableOperation::UpdateItem, key.clone(), 400, unfit, 1.0),
        call(TableOperation::GetItem, key, 500, Some("InternalServerError"), 0.0),
        call(TableOperation::Query, nothing.clone(), 200, None, 0.5),
        call(TableOperation::ListTables, nothing, 200, None, 0.0),
    ];
    assert_eq!(
        lines(entries),
        [
            "    0.000  table     PutItem 200   1 unit  s",
            "    0.200  table     UpdateItem 400  ConditionalCheckFailedException  s",
            "    0.300  table     GetItem 500   InternalServerError  s",
            "    0.400  table     Query 200     0.5 units",
            "    0.500  table     ListTables 200",
        ],
    );
}

#[test]
fn wires_and_the_process_have_lines() {
    let (wire, connection) = (WireName::Agent, 3);
    let fault = WireFault::Closed(WireClose::Graceful);
    let entries = [
        Entry::FunctionHeldBack { pid: 7, quota_us: 14_471, period_us: 100_000 },
        Entry::FunctionFrozen { pid: 7 },
        Entry::WireOpened { wire, connection },
        Entry::WireFault { wire, connection, fault },
        Entry::WireClosed { wire, connection },
        Entry::FunctionThawed { pid: 7 },
    ];
    assert_eq!(
        lines(entries),
        [
            "    0.000  function  held back     to 14.5 ms of CPU time in each 100.0 ms",
            "    0.100  function  frozen        process 7",
            "    0.200  wire      opened        connection 3 to the agent",
            "    0.300  fault     wire          connection 3 to the agent closed in good order, on purpose",
            "    0.400  wire      closed        connection 3 to the agent",
            "    0.500  function  thawed        process 7",
        ],
    );
}

#[test]
fn a_request_over_http_shows_its_response_and_who_left() {
    let request_id = || "r-1".to_owned();
    let end = HttpResponseEnd::ClientGone;
    let entries = [
        Entry::HttpRequestReceived { request_id: request_id(), method: "POST".into(), bytes: 17 },
        Entry::Invoked {
            request_id: request_id(),
            trace_header: String::new(),
            connection_id: String::new(),
            route: Route::Agui,
        },
        Entry::HttpResponseStarted { request_id: request_id(), status: 200 },
        Entry::HttpResponseEnded { request_id: request_id(), bytes: 2048, end },
        Entry::ResponseDiscarded { request_id: request_id(), bytes: 1 },
        Entry::Responded { request_id: request_id(), status: Some(200), late: true },
    ];
    assert_eq!(
        lines(entries),
        [
            "    0.000  gateway   POST /agui    request r, 17 bytes",
            "    0.100  lambda    /agui         request r",
            "    0.200  gateway   responds 200  request r",
            "    0.300  gateway   client gone   request r, 2.0 KiB, and the function works on",
            "    0.400  lambda    discarded     1 byte that no client reads",
            "    0.500  lambda    200           request r, after 400.0 ms, too late",
        ],
    );
}

#[test]
fn an_invocation_shows_how_long_its_answer_took() {
    let (request_id, connection_id) = ("r".to_owned(), "c=".to_owned());
    let route = Route::Default;
    let entries = [
        Entry::NextPolled,
        Entry::Invoked {
            request_id: request_id.clone(),
            trace_header: String::new(),
            connection_id,
            route,
        },
        Entry::Responded { request_id, status: Some(200), late: false },
        Entry::NextPolled,
    ];
    assert_eq!(
        lines(entries),
        [
            "    0.100  lambda    $default      request r  c=",
            "    0.200  lambda    200           request r, after 100.0 ms",
            "    0.300  lambda    next          asks for the next event",
        ],
    );
}

#[test]
fn a_run_of_the_runtime_has_its_own_name() {
    let session_id = || "s".to_owned();
    let request = serde_json::json!({ "messages": [{}, {}] });
    let invoked = || Entry::RuntimeInvoked {
        session_id: session_id(),
        request: request.clone(),
        body: "{}".into(),
    };
    let entries = [
        invoked(),
        Entry::AgentChunk { session_id: session_id(), n: 1 },
        Entry::HarnessAbandoned { session_id: session_id(), chunks: 1 },
        Entry::AgentFinished { session_id: session_id(), chunks: 3, events: 9, exception: None },
        invoked(),
        Entry::SessionStopped { session_id: session_id() },
        Entry::HarnessEnded { session_id: session_id(), how: HarnessEnd::Stopped },
    ];
    assert_eq!(
        lines(entries),
        [
            "    0.000  runtime   invoked       2 messages, 2 bytes  s",
            "    0.100  runtime   first chunk   after 100.0 ms  s",
            "    0.200  runtime   abandoned     the caller left after 1 chunk, after 200.0 ms; the run goes on  s",
            "    0.300  runtime   finished      3 chunks, after 300.0 ms, unheard  s",
            "    0.400  runtime   invoked       2 messages, 2 bytes  s",
            "    0.500  runtime   stopped       its history is forgotten  s",
            "    0.600  runtime   ended         its session was stopped after 200.0 ms  s",
        ],
    );
}

#[test]
fn a_run_of_the_harness_shows_who_left_and_who_stopped_it() {
    let session_id = || "s".to_owned();
    let said = serde_json::json!({ "messages": [{ "content": [{ "text": "hello" }] }] });
    let results = serde_json::json!({ "messages": [{ "content": [{ "toolResult": {} }] }] });
    let tool_use_ids = vec!["t1".to_owned()];
    let entries = [
        Entry::HarnessInvoked { session_id: session_id(), request: said.clone() },
        Entry::AgentChunk { session_id: session_id(), n: 1 },
        Entry::AgentFinished { session_id: session_id(), chunks: 1, events: 5, exception: None },
        Entry::HarnessReturnedControl { session_id: session_id(), tool_use_ids },
        Entry::HarnessEnded { session_id: session_id(), how: HarnessEnd::Finished },
        Entry::HarnessInvoked { session_id: session_id(), request: results },
        Entry::HarnessAbandoned { session_id: session_id(), chunks: 0 },
        Entry::AgentFinished { session_id: session_id(), chunks: 3, events: 9, exception: None },
        Entry::HarnessInvoked { session_id: session_id(), request: said },
        Entry::SessionStopped { session_id: session_id() },
        Entry::HarnessEnded { session_id: session_id(), how: HarnessEnd::Stopped },
    ];
    assert_eq!(
        lines(entries),
        [
            "    0.000  harness   invoked       5 characters  s",
            "    0.100  harness   first chunk   after 100.0 ms  s",
            "    0.200  harness   finished      1 chunk, after 200.0 ms  s",
            "    0.300  harness   asks back     1 call  s",
            "    0.500  harness   invoked       1 result  s",
            "    0.600  harness   abandoned     the caller left after 0 chunks, after 100.0 ms; the run goes on  s",
            "    0.700  harness   finished      3 chunks, after 200.0 ms, unheard  s",
            "    0.800  harness   invoked       5 characters  s",
            "    0.900  harness   stopped       its history is forgotten  s",
            "    1.000  harness   ended         its session was stopped after 200.0 ms  s",
        ],
    );
}
