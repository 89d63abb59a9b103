//! Metrics in the function's output.
//!
//! A line in CloudWatch's Embedded Metric Format is for machines: JSON whose member `_aws` says
//! which of the others are metrics (the page "Embedded metric format specification").

use serde_json::Value;

/// How many metrics a line names.
const MAX_NAMED: usize = 6;

/// The metrics of a line, for people, such as `Runs 1, FirstChunk 350`; `None` if the line is of
/// another kind.
pub(super) fn summary(line: &str) -> Option<String> {
    if !line.contains("\"_aws\":") {
        return None;
    }
    // A line that is cut off, or has other text around it, is for machines, too.
    let metrics = serde_json::from_str(line).map(|line| named(&line)).unwrap_or_default();
    if metrics.is_empty() {
        return Some(format!("{} bytes", line.len()));
    }
    let more = if metrics.len() > MAX_NAMED { ", …" } else { "" };
    Some(metrics[..metrics.len().min(MAX_NAMED)].join(", ") + more)
}

/// The names and values of the metrics.
fn named(line: &Value) -> Vec<String> {
    let directives = line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten();
    let metrics = directives.filter_map(|directive| directive["Metrics"].as_array()).flatten();
    let names = metrics.filter_map(|metric| metric["Name"].as_str());
    names.filter_map(|name| Some(format!("{name} {}", line.get(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_metrics_is_summed_up() {
        let line = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"AgentRelay",
            "Dimensions":[["Agent"]],"Metrics":[{"Name":"Runs","Unit":"Count"},
            {"Name":"FirstChunk","Unit":"Milliseconds"},{"Name":"Absent"}]}]},
            "Agent":"A","Runs":1,"FirstChunk":350.5}"#;
        assert_eq!(summary(line).as_deref(), Some("Runs 1, FirstChunk 350.5"));
    }

    #[test]
    fn what_is_no_json_is_only_measured_and_other_lines_are_left_alone() {
        assert_eq!(summary(r#"INFO {"_aws":{}"#).as_deref(), Some("15 bytes"));
        assert_eq!(summary(r#"{"_aws":{}}"#).as_deref(), Some("11 bytes"));
        assert_eq!(summary(r#"{"level":"INFO","message":"about _aws"}"#), None);
    }
}
