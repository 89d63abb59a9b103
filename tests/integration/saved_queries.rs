//! The queries that the template saves for CloudWatch Logs Insights, beside the lines that the function
//! writes: a query for a field or a message that no line has would find nothing, and look like good news.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use local_aws::{Entry, Options, Source};
use reqwest::Method;
use serde_json::Value;
use test_support::test_bed::{TestBed, prompt};
use test_support::wait_for_entry;

use crate::http::{JSON, request};

/// What a query has besides names of fields (the page "CloudWatch Logs Insights language query syntax").
const KEYWORDS: [&str; 14] = [
    "fields", "filter", "sort", "limit", "stats", "by", "as", "and", "or", "in", "asc", "desc",
    "like", "not",
];

/// What CloudWatch and Lambda add: each event's time, and the report after each invocation (the section "JSON
/// formatted system logs" of the page "Log and monitor Lambda functions").
const OF_AWS: [&str; 4] =
    ["@timestamp", "type", "record.metrics.initDurationMs", "record.metrics.billedDurationMs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The saved queries of the template.
fn queries() -> Vec<String> {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    let begun = template.split("QueryString: |-\n").skip(1);
    let query = |text: &str| {
        let lines = text.lines().take_while(|line| line.starts_with("        "));
        lines.map(str::trim).collect::<Vec<_>>().join("\n")
    };
    let queries: Vec<String> = begun.map(query).collect();
    let declared = template.matches("Type: AWS::Logs::QueryDefinition").count();
    assert!(declared >= 10 && queries.len() == declared, "{} of {declared}", queries.len());
    queries
}

/// A query without what stands in quotes, and that.
fn without_literals(query: &str) -> (String, Vec<String>) {
    let parts: Vec<&str> = query.split('\'').collect();
    assert_eq!(parts.len() % 2, 1, "a quote is open: {query}");
    let pick = |from| parts.iter().skip(from).step_by(2).map(|&part| part.to_owned());
    (pick(0).collect::<Vec<_>>().join("''"), pick(1).collect())
}

/// The fields that a query reads: all names but keywords, functions, and those that it gives itself.
fn fields(query: &str) -> BTreeSet<String> {
    let (bare, _) = without_literals(query);
    let is_part = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '@');
    let (mut found, mut given) = (BTreeSet::new(), BTreeSet::new());
    let (mut rest, mut before) = (&*bare, "");
    while let Some(start) = rest.find(is_part) {
        rest = &rest[start..];
        let (name, behind) = rest.split_at(rest.find(|char| !is_part(char)).unwrap_or(rest.len()));
        if before == "as" {
            given.insert(name.to_owned());
        } else if !name.starts_with(|char: char| char.is_ascii_digit())
            && !behind.starts_with('(')
            && !KEYWORDS.contains(&name)
        {
            found.insert(name.to_owned());
        }
        (rest, before) = (behind, name);
    }
    found.difference(&given).cloned().collect()
}

/// The fields of a line, as Logs Insights discovers them.
fn add_fields(path: &str, value: &Value, to: &mut BTreeSet<String>) {
    let Value::Object(members) = value else {
        to.insert(path.to_owned());
        return;
    };
    for (name, value) in members {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        add_fields(&path, value, to);
    }
}

/// The fields of all lines of a function so far.
fn fields_of_lines(bed: &TestBed, to: &mut BTreeSet<String>) {
    for entry in bed.aws.journal().entries() {
        if let Entry::FunctionLog { line } = entry {
            add_fields("", &serde_json::from_str(&line).expect("a line is JSON"), to);
        }
    }
}

async fn test_bed(changes: &[(&str, &str)]) -> TestBed {
    let options = Options { source: Source::Harness, ..Options::default() };
    let json = ("AWS_LAMBDA_LOG_FORMAT", "JSON");
    TestBed::with_environment(options, &[changes, &[json]].concat()).await
}

#[tokio::test]
async fn each_field_of_a_saved_query_is_in_lines_that_the_function_writes() {
    let mut written: BTreeSet<String> = OF_AWS.map(str::to_owned).into();
    let bed = test_bed(&[]).await;
    // One that finishes, one that is called again, one that fails.
    for text in ["What can you do?", "/refuse throttlingException 1", "/error validationException"]
    {
        bed.ask(&prompt(text)).await;
    }
    let mut ended = 0;
    let all_have_ended = |entry: &Entry| {
        ended +=
            usize::from(matches!(entry, Entry::FunctionLog { line } if line.contains("run ended")));
        ended == 3
    };
    wait_for_entry(&bed.aws, "the runs' lines of log", all_have_ended).await;
    fields_of_lines(&bed, &mut written);

    let closed =
        test_bed(&[("ACCESS", "code"), ("ACCESS_CODE", "correct horse battery staple")]).await;
    assert_eq!(request(&closed, Method::POST, &[JSON], "{}").await.status(), 401);
    let is_refusal =
        |entry: &Entry| matches!(entry, Entry::FunctionLog { line } if line.contains("not let in"));
    wait_for_entry(&closed.aws, "the refusal's line of log", is_refusal).await;
    fields_of_lines(&closed, &mut written);

    for query in queries() {
        let missing: Vec<String> = fields(&query).difference(&written).cloned().collect();
        assert!(missing.is_empty(), "no line has {missing:?}:\n{query}\n\nwritten: {written:?}");
    }
}

#[test]
fn each_message_and_outcome_of_a_saved_query_is_the_functions() {
    let mut source = String::new();
    for file in ["telemetry.rs", "handler.rs", "source/call.rs", "error.rs", "handler/keeping.rs"] {
        source += &fs::read_to_string(root().join("src").join(file)).unwrap();
    }
    for file in ["relay.rs", "relay/kept_run.rs"] {
        source += &fs::read_to_string(root().join("src").join(file)).unwrap();
    }
    for query in queries() {
        for literal in without_literals(&query).1 {
            // Where the reader's own goes; levels; Lambda's report.
            if !["ID", "WARN", "ERROR", "platform.report"].contains(&&*literal) {
                assert!(source.contains(&literal), "nothing says {literal:?}:\n{query}");
            }
        }
    }
}

#[test]
fn a_query_is_read_as_it_is_meant() {
    let query = "fields @timestamp, a.b | filter c = 'd e' and ispresent(f)\n| stats count(*) as g, max(h) by bin(1h) as i | sort g desc";
    let expected = ["@timestamp", "a.b", "c", "f", "h"].map(str::to_owned);
    assert_eq!(fields(query), BTreeSet::from(expected));
    assert_eq!(without_literals(query).1, ["d e"]);
}
