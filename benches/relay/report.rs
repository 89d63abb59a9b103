//! The table, the goals and the JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::figures::{Figures, Spread};
use crate::functions::{Built, Function};
use crate::wire::setup;
use crate::workloads::{
    COLD, CROWDS, FAST, FAST_20, FIRST, FLAT, FLAT_20, FLAT_100, FLAT_100_20, FLAT_1000,
    FLAT_1000_20, SIZE, USUAL,
};

use Function::{
    AwaitEach, Bare, PythonStreaming, Relay, RelayOfHarness, RelayOverHttp, RelayWithTable,
};

/// Everything as Markdown.
pub(crate) fn markdown(figures: &Figures, built: &Built, quick: bool) -> String {
    let mut text = String::from("## Machine\n\n| what | which |\n|---|---|\n");
    for (what, which) in built.versions() {
        let _ = writeln!(text, "| {what} | {which} |");
    }
    text.push_str("\n## Figures\n\nMedians, with the least and the most of several runs.\n");
    let mut table = "";
    let mut names: Vec<&str> = Vec::new();
    for row in figures.rows() {
        let (title, part) = title_and_part(&row.workload);
        if title != table {
            table = title;
            names = figures_of(figures, table);
            let _ = write!(text, "\n### {table}\n\n| function |");
            let _ = writeln!(text, " {} |", names.join(" | "));
            let _ = writeln!(text, "|---|{}", "---:|".repeat(names.len()));
        }
        let _ = write!(text, "| {}", row.function.name());
        if let Some(part) = part {
            let _ = write!(text, ": {part}");
        }
        text.push_str(" |");
        for name in &names {
            let spread = figures.get(&row.workload, row.function, name);
            let _ = write!(text, " {} |", spread.map_or_else(|| "–".to_owned(), cell));
        }
        text.push('\n');
    }
    if quick {
        text.push_str("\nShort runs tell nothing about the goals.\n");
        return text;
    }
    text.push_str("\n## Goals\n\n| figure | goal | reached | |\n|---|---:|---:|---|\n");
    for goal in goals(figures) {
        let Some(reached) = goal.reached else { continue };
        let verdict = if reached <= goal.at_most { "met" } else { "**missed**" };
        let (at_most, reached) = (number(goal.at_most), number(reached));
        let _ = writeln!(text, "| {} | {at_most} | {reached} | {verdict} |", goal.what);
    }
    text
}

/// Everything as JSON, every run by itself.
pub(crate) fn json(figures: &Figures, built: &Built) -> Value {
    let machine: serde_json::Map<String, Value> =
        built.versions().into_iter().map(|(what, which)| (what.to_owned(), which.into())).collect();
    let rows = figures.rows().iter().map(|row| {
        let values: serde_json::Map<String, Value> =
            row.figures.iter().map(|(name, values)| ((*name).to_owned(), json!(values))).collect();
        json!({ "workload": row.workload, "function": row.function.name(), "figures": values })
    });
    let rows: Vec<Value> = rows.collect();
    let goals = goals(figures).into_iter().filter_map(|goal| {
        Some(json!({ "what": goal.what, "atMost": goal.at_most, "reached": goal.reached? }))
    });
    let goals: Vec<Value> = goals.collect();
    json!({ "machine": machine, "rows": rows, "goals": goals })
}

/// The table that a workload stands in, and what its rows are called there besides their functions: what
/// comes after the colon.
fn title_and_part(workload: &str) -> (&str, Option<&str>) {
    workload.split_once(": ").map_or((workload, None), |(title, part)| (title, Some(part)))
}

/// The names of all figures of a table, whichever row has them.
fn figures_of<'a>(figures: &'a Figures, table: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for row in figures.rows().iter().filter(|row| title_and_part(&row.workload).0 == table) {
        for (name, _) in &row.figures {
            if !names.contains(name) {
                names.push(name);
            }
        }
    }
    names
}

/// A figure and, if there were several runs, its spread.
pub(crate) fn cell(spread: Spread) -> String {
    let median = number(spread.median);
    if spread.runs == 1 {
        return median;
    }
    format!("{median} ({}–{})", number(spread.least), number(spread.most))
}

/// Three significant digits, and at most three decimals.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 0.1 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        value => format!("{value:.3}"),
    }
}

/// A figure that should be no larger than a limit.
struct Goal {
    what: &'static str,
    at_most: f64,
    /// Unless it was not measured.
    reached: Option<f64>,
}

fn goals(figures: &Figures) -> Vec<Goal> {
    let of = |workload: &str, function, figure: &str| figures.median(workload, function, figure);
    let relay = |workload: &str, figure: &str| of(workload, Relay, figure);
    // How many times as much as another function this one takes.
    let times = |workload: &str, other, figure: &str| {
        Some(relay(workload, figure)? / of(workload, other, figure)?)
    };
    let goal = |what, at_most, reached| Goal { what, at_most, reached };
    let [(_, one), (_, hundred), (_, thousand)] = CROWDS;
    let memory = |name| relay(name, "memory MB");
    let further = |name, turns: f64| Some((memory(name)? - memory(one)?) * 1000.0 / (turns - 1.0));
    let crowd_growth = growth(&[
        relay(one, "CPU µs a chunk"),
        relay(hundred, "CPU µs a chunk"),
        relay(thousand, "CPU µs a chunk"),
    ]);
    let cpu = |name| relay(name, "CPU ms");
    let marginal = |more, less, chunks: f64| Some((cpu(more)? - cpu(less)?) / chunks);
    let over_http = |name| Some(of(name, RelayOverHttp, "CPU ms")? / of(name, Relay, "CPU ms")?);
    let with_table = |name| Some(of(name, RelayWithTable, "CPU ms")? / of(name, Relay, "CPU ms")?);
    let length_growth =
        growth(&[marginal(FLAT_1000, FLAT_100, 900.0), marginal(FLAT, FLAT_1000, 9000.0)]);
    // Here all three have about as many posts.
    let length_growth_20 = growth(&[
        marginal(FLAT_1000_20, FLAT_100_20, 900.0),
        marginal(FLAT_20, FLAT_1000_20, 9000.0),
    ]);
    let mut goals = goals_over_tls(figures);
    goals.extend([
        goal("first text, 0 ms, p50, ms", 0.5, relay(FIRST, "p50 ms")),
        goal("first text, 0 ms, p99, ms", 2.0, relay(FIRST, "p99 ms")),
        goal("lag of the last chunk, fast, 20 ms, ms", 40.0, relay(FAST_20, "last ms")),
        goal("posts, fast, 20 ms", 2000.0 / 200.0 / 0.02 + 5.0, relay(FAST_20, "posts")),
        goal("CPU, flat out, ms", 200.0, relay(FLAT, "CPU ms")),
        goal(
            "CPU, flat out, a share of the streaming Python's",
            1.0 / 40.0,
            times(FLAT, PythonStreaming, "CPU ms"),
        ),
        goal("CPU, flat out, times bare hyper's", 2.0, times(FLAT, Bare, "CPU ms")),
        goal("CPU, flat out, times await-each's", 1.0, times(FLAT, AwaitEach, "CPU ms")),
        goal("CPU, fast, 20 ms, ms", 250.0, relay(FAST_20, "CPU ms")),
        goal(
            "CPU, fast, 20 ms, a share of the streaming Python's",
            1.0 / 14.0,
            times(FAST_20, PythonStreaming, "CPU ms"),
        ),
        goal("memory after one turn, MB", 10.0, relay(COLD, "memory MB")),
        goal("memory for each further turn, of 100, KB", 40.0, further(hundred, 100.0)),
        goal("memory for each further turn, of 1,000, KB", 40.0, further(thousand, 1000.0)),
        goal("memory of 1,000 turns, MB", 64.0, memory(thousand)),
        goal(
            // Not flat out, where the one that says its text more slowly takes more posts.
            "CPU, usual, harness, times the agent's",
            1.1,
            of(USUAL, RelayOfHarness, "CPU ms")
                .zip(relay(USUAL, "CPU ms"))
                .map(|(one, other)| one / other),
        ),
        goal("lag of the last chunk, fast, HTTP, ms", 5.0, of(FAST, RelayOverHttp, "last ms")),
        goal("CPU, fast, HTTP, times the WebSocket's", 1.0, over_http(FAST)),
        goal("CPU, flat out, HTTP, times the WebSocket's", 1.0, over_http(FLAT)),
        goal("CPU, usual, table, times that without", 1.05, with_table(USUAL)),
        goal("CPU, fast, 20 ms, table, times that without", 1.05, with_table(FAST_20)),
        goal("binary, MB", 10.5, relay(SIZE, "binary MB")),
        goal("zip, MB", 4.8, relay(SIZE, "zip MB")),
        goal("growth of CPU for a chunk, 1 to 1,000 turns", 1.15, crowd_growth),
        goal("growth of CPU for a further chunk, 100 to 10,000 chunks", 1.15, length_growth),
        goal("growth with length, posts of 20 ms", 1.15, length_growth_20),
    ]);
    goals
}

/// What a user waits for over a real network, and what is lost there.
fn goals_over_tls(figures: &Figures) -> Vec<Goal> {
    let in_advance = format!("{}: {}", setup::GOALS, setup::IN_ADVANCE);
    let of = |workload: &str, figure: &str| figures.median(workload, Relay, figure);
    let on_demand = |figure| of(setup::GOALS, figure);
    // Over all ways in which connections die: their sum, or the worst of them.
    let all = |tables: &[&str], which: &str, figure: &str, fold: fn(f64, f64) -> f64| {
        let rows = figures.rows().iter().filter(|row| {
            let (table, part) = title_and_part(&row.workload);
            tables.contains(&table) && part.is_some_and(|part| part.starts_with(which))
        });
        rows.filter_map(|row| of(&row.workload, figure)).reduce(fold)
    };
    let lost = |which, figure| all(&[setup::THAWS], which, figure, |sum, value| sum + value);
    let longest = |which| all(&[setup::THAWS, setup::DEAD], which, setup::LONGEST, f64::max);
    let goal = |what, at_most, reached| Goal { what, at_most, reached };
    vec![
        goal("first frame, cold, ms", 11.0, on_demand("cold: first frame ms")),
        goal("first text, cold, ms", 28.0, on_demand("cold: first text ms")),
        goal(
            "first frame, cold, started in advance, ms",
            25.0,
            of(&in_advance, "cold: first frame ms"),
        ),
        goal(
            "first text, cold, started in advance, ms",
            40.0,
            of(&in_advance, "cold: first text ms"),
        ),
        goal("first frame, warm, ms", 5.5, on_demand("warm: first frame ms")),
        goal("first text, warm, ms", 14.0, on_demand("warm: first text ms")),
        goal("CPU of the first turn, ms", 6.0, on_demand("CPU of first turn ms")),
        goal(
            "CPU of the first turn, started in advance, ms",
            6.0,
            of(&in_advance, "CPU of first turn ms"),
        ),
        goal("turns lost in thaws", 0.0, lost("", setup::LOST)),
        goal("turns in thaws whose agent was asked twice", 0.0, lost("", setup::ASKED_AGAIN)),
        goal("longest stall by a dead connection, posts, ms", 3000.0, longest("callbacks")),
        goal("longest stall by a dead connection, agent, ms", 5000.0, longest("agent")),
    ]
}

/// How many times an earlier value a later one is at most; below 1 when they only fall. A first value
/// that is large for a reason of its own thus hides no growth after it.
fn growth(values: &[Option<f64>]) -> Option<f64> {
    let values = values.iter().copied().collect::<Option<Vec<f64>>>()?;
    let later = |(position, earlier): (usize, &f64)| {
        values[position + 1..].iter().map(|later| later / earlier).fold(f64::MIN, f64::max)
    };
    Some(values.iter().enumerate().map(later).fold(f64::MIN, f64::max))
}
