//! What must never be, in what the sources import: the parts of the function know of one another what
//! the map says and no more, the local AWS and the function know nothing of each other, and no files
//! import one another in a circle.

use std::fs;
use std::path::Path;

use imports::{Graph, Sources};

mod imports;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files, by what their paths in `src` begin with, and what they must not import.
struct Rule {
    files: &'static [&'static str],
    /// Files that must not be imported, by what their paths begin with.
    files_not_imported: &'static [&'static str],
    /// But for these among them.
    and_yet: &'static [&'static str],
    /// Crates that must not be imported, by what their names begin with.
    crates_not_imported: &'static [&'static str],
}

/// The seam of the sources: what one says, in words that no source has made.
const SOURCE_SEAM: &str = "source/event.rs";

const RULES: [Rule; 7] = [
    // The relay and the frames know no service, and of sources and transports only the seams.
    Rule {
        files: &["relay.rs", "relay/", "agui.rs", "agui/"],
        files_not_imported: &["source/", "transport/", "aws.rs", "aws/", "trace_context.rs"],
        and_yet: &[SOURCE_SEAM],
        crates_not_imported: &["aws_", "lambda_", "hyper", "jsonwebtoken"],
    },
    // What frames look like depends on no client's message.
    Rule {
        files: &["agui.rs", "agui/"],
        files_not_imported: &["request.rs", "request/", "relay.rs", "relay/", "transport.rs"],
        and_yet: &[],
        crates_not_imported: &[],
    },
    // A source knows no frame and no connection.
    Rule {
        files: &["source.rs", "source/"],
        files_not_imported: &["agui", "relay.rs", "relay/", "transport.rs", "transport/"],
        and_yet: &[],
        crates_not_imported: &[],
    },
    // A transport knows no source, nor what the bytes mean that it sends.
    Rule {
        files: &["transport.rs", "transport/"],
        files_not_imported: &[
            "source.rs",
            "source/",
            "agui",
            "relay.rs",
            "relay/",
            "trace_context.rs",
        ],
        and_yet: &[],
        crates_not_imported: &[],
    },
    // The table knows runs, and not how they are asked for, answered or delivered.
    Rule {
        files: &["runs.rs", "runs/"],
        files_not_imported: &["source", "transport", "agui", "request", "handler", "trace_context"],
        and_yet: &[],
        crates_not_imported: &["lambda_", "hyper"],
    },
    // What becomes of a run is decided without the table.
    Rule {
        files: &["runs/item.rs", "runs/table.rs", "runs/joiner.rs", "runs/joiner/"],
        files_not_imported: &["runs/dynamodb.rs", "runs/attributes.rs", "aws.rs", "aws/"],
        and_yet: &[],
        crates_not_imported: &["aws_"],
    },
    // The function does not know what stands around it on a developer's machine.
    Rule {
        files: &[""],
        files_not_imported: &[],
        and_yet: &[],
        crates_not_imported: &["local_aws", "test_support"],
    },
];

/// What is imported against a rule.
fn violations(sources: &Sources) -> Vec<String> {
    let begins = |name: &str, with: &[&str]| with.iter().any(|begin| name.starts_with(begin));
    let mut violations = Vec::new();
    for (file, named) in imports::rust(sources) {
        for rule in RULES.iter().filter(|rule| begins(&file, rule.files)) {
            let files = named.files.iter().filter(|name| begins(name, rule.files_not_imported));
            let files = files.filter(|name| !begins(name, rule.and_yet));
            let crates = named.crates.iter().filter(|name| begins(name, rule.crates_not_imported));
            violations.extend(files.chain(crates).map(|name| format!("{file} imports {name}")));
        }
    }
    violations
}

fn rust_graph(directory: &str) -> Graph {
    let named = imports::rust(&imports::read(&root().join(directory), "rs"));
    named.into_iter().map(|(file, named)| (file, named.files)).collect()
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_parts_of_the_function_import_what_they_may() {
    let sources = imports::read(&root().join("src"), "rs");
    for rule in &RULES {
        for begin in rule.files {
            let is_there = |file: &String| file.starts_with(begin);
            let optional = begin.ends_with('/');
            assert!(optional || sources.keys().any(is_there), "no file of src is {begin}");
        }
    }
    assert_none(&violations(&sources));
}

#[test]
fn the_function_and_the_local_aws_do_not_mention_each_other() {
    let mention = |sources: &Sources, words: &[&str]| -> Vec<String> {
        let mentions = |text: &str| words.iter().any(|word| text.contains(word));
        sources.iter().filter(|(_, text)| mentions(text)).map(|(file, _)| file.clone()).collect()
    };
    let function = imports::read(&root().join("src"), "rs");
    assert_none(&mention(&function, &["local_aws"]));
    let mut local_aws = imports::read(&root().join("local-aws/src"), "rs");
    let manifest = fs::read_to_string(root().join("local-aws/Cargo.toml")).unwrap();
    local_aws.insert("Cargo.toml".to_owned(), manifest);
    assert_none(&mention(&local_aws, &["agent_relay", "agent-relay", "Agent Relay"]));
}

#[test]
fn no_files_of_the_function_import_one_another_in_a_circle() {
    assert_none(&imports::circles(&rust_graph("src")));
}

#[test]
fn no_files_of_the_local_aws_import_one_another_in_a_circle() {
    assert_none(&imports::circles(&rust_graph("local-aws/src")));
}

#[test]
fn no_modules_of_the_page_import_one_another_in_a_circle() {
    let graph = imports::ecmascript(&imports::read(&root().join("web"), "js"));
    let count: usize = graph.values().map(std::collections::BTreeSet::len).sum();
    assert!(count > graph.len(), "hardly an import was found: {graph:?}");
    assert_none(&imports::circles(&graph));
}

#[test]
fn each_rule_can_be_broken() {
    let files = [
        "relay.rs",
        "relay/outbox.rs",
        "agui.rs",
        "request.rs",
        "source.rs",
        "source/event.rs",
        "source/bedrock_agent.rs",
        "transport.rs",
        "transport/websocket.rs",
        "trace_context.rs",
    ];
    for (file, text, found) in [
        ("relay/outbox.rs", "use aws_config::SdkConfig;", Some("aws_config")),
        ("agui.rs", "fn f(_: aws_types::region::Region) {}", Some("aws_types")),
        ("relay.rs", "use crate::source::bedrock_agent::X;", Some("source/bedrock_agent.rs")),
        ("relay.rs", "use super::transport::websocket;", Some("transport/websocket.rs")),
        ("relay.rs", "use crate::source::{Event, event::X};", None),
        ("relay.rs", "use crate::transport::FrameSink;", None),
        ("agui.rs", "use crate::request::Run;", Some("request.rs")),
        ("relay.rs", "use crate::trace_context::TraceContext;", Some("trace_context.rs")),
        ("source/bedrock_agent.rs", "use crate::trace_context::TraceContext;", None),
        ("source/bedrock_agent.rs", "use crate::agui::Frame;", Some("agui.rs")),
        ("source/bedrock_agent.rs", "use crate::relay::relay;", Some("relay.rs")),
        ("source/event.rs", "use crate::transport::FrameSink;", Some("transport.rs")),
        ("source/bedrock_agent.rs", "use aws_config::SdkConfig; use super::event;", None),
        ("transport/websocket.rs", "use crate::source::Event;", Some("source.rs")),
        ("transport.rs", "use crate::agui::Frame;", Some("agui.rs")),
        ("request.rs", "use local_aws::LocalAws;", Some("local_aws")),
        ("request.rs", "#[cfg(test)] mod tests { use local_aws::LocalAws; }", None),
    ] {
        let empty = files.iter().map(|file| ((*file).to_owned(), String::new()));
        let mut sources: Sources = empty.collect();
        sources.insert(file.to_owned(), text.to_owned());
        let expected = found.map(|found| format!("{file} imports {found}"));
        let expected: Vec<String> = expected.into_iter().collect();
        assert_eq!(violations(&sources), expected, "{file}: {text}");
    }
}
