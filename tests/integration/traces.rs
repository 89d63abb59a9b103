//! The trace that a run is part of: from Lambda or the client, by the function, to what answers and into the
//! log.

use local_aws::{Entry, Options, Route, Source};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::test_bed::{TestBed, prompt};
use test_support::wait_for_entry;

use crate::http::{JSON, events, request};

const SOURCES: [Source; 3] = [Source::Agent, Source::Harness, Source::Runtime];
const ID: &str = "0af7651916cd43dd8448eb211c80319c";
const OF_CLIENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn test_bed(source: Source, concurrency: u16, traces: bool) -> TestBed {
    let options = Options { source, concurrency, traces, ..Options::default() };
    TestBed::with_environment(options, &[("AWS_LAMBDA_LOG_FORMAT", "JSON")]).await
}

/// Asks over a WebSocket; what Lambda said of the trace of that message.
async fn ask(bed: &TestBed) -> String {
    let frames = bed.ask(&prompt("/slow 0")).await;
    assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");
    trace_header(bed, Route::Default)
}

/// Asks over HTTP with these headers; what Lambda said of the trace of that request.
async fn ask_over_http(bed: &TestBed, headers: &[(&str, &str)]) -> String {
    let input = json!({
        "threadId": "thread-1", "runId": "run-1", "tools": [], "context": [], "state": {},
        "messages": [{"id": "1", "role": "user", "content": "/slow 0"}], "forwardedProps": {}
    });
    let headers = [&[JSON], headers].concat();
    events(request(bed, Method::POST, &headers, input.to_string()).await).await;
    trace_header(bed, Route::Agui)
}

fn trace_header(bed: &TestBed, of: Route) -> String {
    let entries = bed.aws.journal().entries();
    let header = entries.iter().rev().find_map(|entry| match entry {
        Entry::Invoked { route, trace_header, .. } if *route == of => Some(trace_header.clone()),
        _ => None,
    });
    header.expect("the function was invoked")
}

/// The headers about traces of the only call of what answers, in the order of their names.
fn named(bed: &TestBed) -> Vec<(String, String)> {
    let entries = bed.aws.journal().entries();
    let mut named = entries.into_iter().filter_map(|entry| match entry {
        Entry::TraceNamed { headers, .. } => Some(headers),
        _ => None,
    });
    let headers = named.next().expect("the call says which trace it is part of");
    assert_eq!(named.next(), None, "there is one call");
    headers
}

fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The line of log that the only run ends with.
async fn last_line(bed: &TestBed) -> Value {
    let is_last =
        |entry: &Entry| matches!(entry, Entry::FunctionLog { line } if line.contains("run ended"));
    let record = wait_for_entry(&bed.aws, "the run's line of log", is_last).await;
    let Entry::FunctionLog { line } = record.entry else { unreachable!() };
    serde_json::from_str(&line).unwrap()
}

/// `Root=1-…;Parent=…;Sampled=…` as an id of W3C's form, and its parent.
fn parts(header: &str) -> (String, &str) {
    let mut fields = header.split(';').map(|field| field.split_once('=').unwrap().1);
    let (root, parent) = (fields.next().unwrap(), fields.next().unwrap());
    (root.strip_prefix("1-").unwrap().replace('-', ""), parent)
}

#[tokio::test]
async fn a_run_that_lambda_traces_is_followed_to_what_answers_and_in_the_log() {
    for source in SOURCES {
        // One turn at a time, where the runtime crate tells the SDK by its environment, and many, where not.
        for concurrency in [1, 10] {
            let bed = test_bed(source, concurrency, true).await;
            let header = ask(&bed).await;
            assert!(header.ends_with(";Sampled=1"), "{header}");
            let (id, parent) = parts(&header);
            let traceparent = format!("00-{id}-{parent}-01");
            let mut expected = vec![("x-amzn-trace-id", &*header)];
            // `InvokeAgent` knows no other.
            if source != Source::Agent {
                expected.push(("traceparent", &traceparent));
            }
            assert_eq!(named(&bed), pairs(&expected), "{source:?} {concurrency}");
            let line = last_line(&bed).await;
            assert_eq!(line["span"]["trace_id"], id, "{line}");
        }
    }
}

#[tokio::test]
async fn a_run_that_lambda_does_not_trace_is_left_for_the_agent_to_decide_about() {
    for source in SOURCES {
        for concurrency in [1, 10] {
            let bed = test_bed(source, concurrency, false).await;
            let header = ask(&bed).await;
            let undecided = header.strip_suffix(";Sampled=0").unwrap();
            assert_eq!(named(&bed), pairs(&[("x-amzn-trace-id", undecided)]), "{source:?}");
            assert_eq!(last_line(&bed).await["span"]["trace_id"], parts(&header).0);
        }
    }
}

#[tokio::test]
async fn a_client_over_http_has_the_run_in_its_own_trace() {
    let header = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";
    for source in SOURCES {
        for concurrency in [1, 10] {
            let bed = test_bed(source, concurrency, true).await;
            let of_client = [
                ("traceparent", OF_CLIENT),
                ("tracestate", "vendor=1,other@tenant=2"),
                // Of what a client says of itself, nothing becomes an attribute of the agent's spans.
                ("baggage", "session.id=somebody-elses"),
            ];
            ask_over_http(&bed, &of_client).await;
            let mut expected = vec![("x-amzn-trace-id", header)];
            if source != Source::Agent {
                expected.extend([("traceparent", OF_CLIENT), of_client[1]]);
            }
            assert_eq!(named(&bed), pairs(&expected), "{source:?} {concurrency}");
            assert_eq!(last_line(&bed).await["span"]["trace_id"], ID);
        }
    }
}

#[tokio::test]
async fn a_client_over_http_may_name_its_trace_as_x_ray_does() {
    let bed = test_bed(Source::Runtime, 10, true).await;
    let header = "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=0";
    ask_over_http(&bed, &[("x-amzn-trace-id", header)]).await;
    let traceparent = format!("{}00", &OF_CLIENT[..53]);
    assert_eq!(named(&bed), pairs(&[("x-amzn-trace-id", header), ("traceparent", &traceparent)]));
    assert_eq!(last_line(&bed).await["span"]["trace_id"], ID);
}

#[tokio::test]
async fn what_is_no_trace_of_a_clients_goes_nowhere() {
    let bed = test_bed(Source::Runtime, 10, true).await;
    let marker = "00-b4db1de5b4db1de5b4db1de5b4db1de5";
    let odd = format!("{marker}-0000000000000000-01");
    let header = ask_over_http(&bed, &[("traceparent", &odd), ("tracestate", "b4db1de5=1")]).await;
    let (id, parent) = parts(&header);
    let expected =
        [("x-amzn-trace-id", &*header), ("traceparent", &format!("00-{id}-{parent}-01"))];
    assert_eq!(named(&bed), pairs(&expected));
    assert_eq!(last_line(&bed).await["span"]["trace_id"], id);
    for entry in bed.aws.journal().entries() {
        if let Entry::FunctionLog { line } = entry {
            assert!(!line.contains("b4db1de5"), "{line}");
        }
    }
}
