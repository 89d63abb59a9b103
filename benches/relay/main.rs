//! This function beside what people would use instead, on the local AWS of one machine: how late its
//! text is, and what it costs. `cargo bench` runs it, `cargo bench -- --help` lists the options, and
//! docs/benchmarks.md says how to read it.
//!
//! - [`functions`]: what is compared, and how each is built.
//! - [`process`]: a function as a process, with its CPU and memory.
//! - [`client`]: a WebSocket client that notes when text arrives.
//! - [`turn`]: one turn, measured.
//! - [`wire`]: what a user waits for over TLS, with a share of a CPU, and when connections die.
//! - [`workloads`]: what else is measured of whom, how often.
//! - [`runs`]: how that is done.
//! - [`figures`]: figures of several runs, and what they are compared with.
//! - [`report`]: the table, the goals and the JSON.
//! - [`agreement`]: whether two runs agree.
//! - [`plot`]: the pictures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark that can't measure has nothing better to do than to say so"
)]
#![allow(clippy::cast_precision_loss, reason = "figures for people; none of them needs 53 bits")]

mod agreement;
mod client;
mod figures;
mod functions;
mod plot;
mod process;
mod report;
mod runs;
mod turn;
mod wire;
mod workloads;

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};

use figures::Figures;
use functions::Built;

/// Measures this function beside others on the local AWS.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo bench --")]
struct Arguments {
    /// Runs everything once and short: whether it works, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Measures each workload so often, instead of as often as its figures need; how many cold
    /// starts there are stays the same
    #[arg(long, value_name = "N", conflicts_with = "quick")]
    runs: Option<std::num::NonZeroUsize>,
    /// Runs only the workloads and functions whose names hold one of these words, such as `flat`,
    /// `cold` or `python`
    #[arg(long, value_name = "WORD", num_args = 1..)]
    only: Vec<String>,
    /// Writes the figures there, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Tells where this run does not agree with an earlier one, whose figures are in this file
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Draws the plots into this directory
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// What cargo calls every benchmark with
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let earlier = arguments.compare.as_ref().map(|file| {
        let json = fs::read(file).expect("the earlier figures can be read");
        serde_json::from_slice(&json).expect("the earlier figures are JSON")
    });
    allow_many_sockets();
    let built = Built::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // The function takes one of two cores, when there are no more.
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut figures = Figures::default();
    let series = runtime.block_on(runs::run(&arguments, &built, &mut figures));

    print!("{}", report::markdown(&figures, &built, arguments.quick));
    if let Some(earlier) = &earlier {
        print!("{}", agreement::markdown(&figures, earlier));
    }
    let json = report::json(&figures, &built).to_string();
    let target = built.directory().with_file_name("benchmarks");
    fs::create_dir_all(&target).expect("a directory for the figures");
    for file in [Some(target.join("relay.json")), arguments.json.clone()].into_iter().flatten() {
        fs::write(&file, &json).expect("the figures can be written");
    }
    if let Some(directory) = &arguments.plots {
        plot::draw(directory, &series, &figures);
    }
}

/// Each turn has three sockets in this process and two in the function's.
fn allow_many_sockets() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the limit may be raised to its maximum");
}
