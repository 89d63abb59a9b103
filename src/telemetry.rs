//! What an operator sees of each run: one line of log, and metrics.
//!
//! Neither has anything of a prompt or an answer. The metrics are log lines too, in CloudWatch's
//! Embedded Metric Format ("Specification: Embedded metric format"), so they cost no call.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing::{error, info, warn};

use crate::error::{ErrorCode, chain};
use crate::relay::{Kept, Outcome, Summary};

/// An answer of at least this many bytes is long enough that a streaming agent sends several chunks.
const LONG_ANSWER: u64 = 600;

/// Reports how a run ended. `why_in_one_chunk` is what its source knows about long answers that are not
/// streamed.
pub fn run(function_name: &str, summary: &Summary, why_in_one_chunk: &str) {
    log(summary);
    if is_unstreamed(summary) {
        warn!("the answer came in one chunk although streaming is on: {why_in_one_chunk}");
    }
    if summary.events == 0 && matches!(summary.outcome, Outcome::Finished) {
        warn!(
            "the agent ended without an event: the client got an empty answer, and nothing says why"
        );
    }
    println!("{}", metrics(function_name, summary, SystemTime::now()));
}

/// What has become of a join that no relay serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The run has ended before, and was replayed.
    Replayed,
    /// The function that carried the run has ended before the run.
    Lost,
}

/// Counts a join that no relay serves: `Replays` or `LostRuns`, by function.
pub fn joined(function_name: &str, joined: Joined) {
    println!("{}", metrics_of_join(function_name, joined, SystemTime::now()));
}

fn metrics_of_join(function_name: &str, joined: Joined, now: SystemTime) -> Value {
    let name = match joined {
        Joined::Replayed => "Replays",
        Joined::Lost => "LostRuns",
    };
    let metrics = [json!({"Name": name, "Unit": "Count"})];
    json!({
        "FunctionName": function_name,
        name: 1,
        "_aws": stamp(now, &[directive(&["FunctionName"], &metrics)]),
    })
}

fn log(summary: &Summary) {
    let Summary { outcome, stats, frames, bytes, retried_posts, .. } = summary;
    let (chunks, first_chunk_ms, total_ms) = (stats.chunks, stats.first_chunk_ms, stats.total_ms);
    let posts = frames + retried_posts;
    let input_tokens = summary.usage.map(|usage| usage.input_tokens);
    let output_tokens = summary.usage.map(|usage| usage.output_tokens);
    macro_rules! line {
        ($level:ident, $outcome:literal $(, $field:ident = $value:expr)*) => {
            $level!(
                outcome = $outcome $(, $field = $value)*,
                first_chunk_ms, total_ms, chunks, frames, posts, bytes, retried_posts,
                input_tokens, output_tokens,
                "run ended"
            )
        };
    }
    match outcome {
        Outcome::Finished => line!(info, "finished"),
        Outcome::ClientGone => line!(info, "client_gone"),
        Outcome::Kept => line!(info, "kept"),
        Outcome::Stopped => line!(info, "stopped"),
        Outcome::Lost => line!(
            warn,
            "lost",
            advice = "somebody who joined this run got no answer from it within ten seconds, and was told that it is lost: look for a process that stood still, or for errors of the table of runs"
        ),
        Outcome::Failed(failure) => {
            let code = failure.code.as_str();
            line!(error, "failed", code = code, error = failure.cause(), advice = failure.message);
        }
        Outcome::Undelivered(error) => line!(
            error,
            "undelivered",
            error = chain(error),
            advice = "no post can be made, or API Gateway refuses them for good: `error` says which; with 403, check that the function's role allows execute-api:ManageConnections on the stage, and the callback URL"
        ),
        Outcome::OutOfTime => line!(
            error,
            "out_of_time",
            advice = "posts hung or were throttled until the function's time was up: look at API Gateway's metrics and the account's throttle"
        ),
    }
}

/// Whether the answer seems not to have been streamed.
fn is_unstreamed(summary: &Summary) -> bool {
    summary.stats.chunks == 1
        && summary.text_bytes >= LONG_ANSWER
        && matches!(summary.outcome, Outcome::Finished)
}

/// The metrics of a run: `Runs`, `FirstChunk` (milliseconds), `GoneClients`, `RetriedPosts` by
/// function, and `Errors` by function and code; where runs are kept, `Joins` and `UnkeptRuns` by function.
fn metrics(function_name: &str, summary: &Summary, now: SystemTime) -> Value {
    let is_alone = summary.kept.is_some_and(|kept| kept.is_alone);
    let gone = match summary.outcome {
        Outcome::ClientGone | Outcome::Kept => true,
        Outcome::Undelivered(_) => false,
        _ => is_alone,
    };
    let mut by_function = vec![
        json!({"Name": "Runs", "Unit": "Count"}),
        json!({"Name": "GoneClients", "Unit": "Count"}),
        json!({"Name": "RetriedPosts", "Unit": "Count"}),
        json!({"Name": "Errors", "Unit": "Count"}),
    ];
    let error = error_code(&summary.outcome);
    let mut line = json!({
        "FunctionName": function_name,
        "Runs": 1,
        "GoneClients": u8::from(gone),
        "RetriedPosts": summary.retried_posts,
        "Errors": u8::from(error.is_some()),
    });
    if let Some(first_chunk_ms) = summary.stats.first_chunk_ms {
        by_function.push(json!({"Name": "FirstChunk", "Unit": "Milliseconds"}));
        line["FirstChunk"] = json!(first_chunk_ms);
    }
    if let Some(Kept { joins, is_kept, .. }) = summary.kept {
        // Of one that was taken to be lost, somebody else has said so.
        let is_unkept = !is_kept && !matches!(summary.outcome, Outcome::Lost);
        for (name, count) in [("Joins", joins), ("UnkeptRuns", is_unkept.into())] {
            by_function.push(json!({"Name": name, "Unit": "Count"}));
            line[name] = json!(count);
        }
    }
    let mut directives = vec![directive(&["FunctionName"], &by_function)];
    if let Some(code) = error {
        line["Code"] = json!(code);
        let errors = json!({"Name": "Errors", "Unit": "Count"});
        directives.push(directive(&["FunctionName", "Code"], &[errors]));
    }
    line["_aws"] = stamp(now, &directives);
    line
}

fn stamp(now: SystemTime, directives: &[Value]) -> Value {
    let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let timestamp = u64::try_from(timestamp).unwrap_or(u64::MAX);
    json!({"Timestamp": timestamp, "CloudWatchMetrics": directives})
}

fn directive(dimensions: &[&str], metrics: &[Value]) -> Value {
    json!({"Namespace": "AgentRelay", "Dimensions": [dimensions], "Metrics": metrics})
}

/// The code that an error counts under.
fn error_code(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Finished | Outcome::ClientGone | Outcome::Kept | Outcome::Stopped => None,
        Outcome::Lost => Some(ErrorCode::RunLost.as_str()),
        Outcome::Failed(failure) => Some(failure.code.as_str()),
        Outcome::Undelivered(_) => Some("undelivered"),
        Outcome::OutOfTime => Some(ErrorCode::Deadline.as_str()),
    }
}
