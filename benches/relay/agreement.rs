//! Whether two runs of the benchmark agree: on each figure whose spreads overlap, from the least to
//! the most and a tenth further on both sides together, either as it is or as a share of another
//! function's in the same run. The machine may be slower for minutes, and then all are. Of five values
//! each, all those of one run lie above those of the other by chance once in 126 times.

use std::fmt::Write as _;

use serde_json::Value;

use crate::figures::{Figures, Spread};
use crate::functions::Function;
use crate::report::cell;

/// What the machine may drift from one run to the next.
const DRIFT: f64 = 1.1;

/// The figures on which this run and an earlier one do not agree, as Markdown.
pub(crate) fn markdown(figures: &Figures, earlier: &Value) -> String {
    let mut compared = 0;
    let mut differences = String::new();
    for row in figures.rows() {
        for (name, values) in &row.figures {
            let now = Spread::of(values);
            let Some(before) = spread(earlier, &row.workload, row.function.name(), name) else {
                continue;
            };
            if now.runs == 1 || before.runs == 1 {
                continue;
            }
            compared += 1;
            // This function's, or for itself that of the first other one.
            let share = Function::ALL.into_iter().filter(|other| *other != row.function);
            let share = share.filter_map(|other| {
                let beside = spread(earlier, &row.workload, other.name(), name)?;
                let beside_now = figures.get(&row.workload, other, name)?;
                Some((before.divided_by(beside.median), now.divided_by(beside_now.median)))
            });
            let shares_overlap = share.take(1).any(|(before, now)| overlap(before, now));
            if !overlap(before, now) && !shares_overlap {
                let (workload, function) = (&row.workload, row.function.name());
                let (before, now) = (cell(before), cell(now));
                let _ = writeln!(
                    differences,
                    "| {workload} | {function} | {name} | {before} | {now} |"
                );
            }
        }
    }
    let differing = differences.lines().count();
    let mut text = format!(
        "\n## Agreement\n\nThe spreads of both runs, or of their ratios, and a tenth, overlap in {} of {compared} figures.\n",
        compared - differing
    );
    if differing > 0 {
        text.push_str(
            "\n| workload | function | figure | earlier | now |\n|---|---|---|---:|---:|\n",
        );
        text.push_str(&differences);
    }
    text
}

fn overlap(one: Spread, other: Spread) -> bool {
    one.least <= other.most * DRIFT && other.least <= one.most * DRIFT
}

/// A figure of a run that was written as JSON.
fn spread(run: &Value, workload: &str, function: &str, figure: &str) -> Option<Spread> {
    let is_it = |row: &&Value| row["workload"] == workload && row["function"] == function;
    let row = run["rows"].as_array()?.iter().find(is_it)?;
    let values = row["figures"][figure].as_array()?.iter().map(Value::as_f64);
    let values = values.collect::<Option<Vec<f64>>>()?;
    (!values.is_empty()).then(|| Spread::of(&values))
}
