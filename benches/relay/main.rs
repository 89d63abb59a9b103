//! This function beside what people would use instead, on the local AWS of one machine: how late its
//! text is, and what it costs. `cargo bench` runs it, `cargo bench -- --help` lists the options, and
//! docs/benchmarks.md says how to read it.
//!
//! - [`arguments`]: what the command can be told.
//! - [`functions`]: what is compared, and how each is built.
//! - [`process`]: a function as a process, with its CPU and memory.
//! - [`client`]: a WebSocket client that notes when text arrives.
//! - [`turn`]: one turn, measured.
//! - [`wire`]: what a user waits for over TLS, with a share of a CPU, and when connections die.
//! - [`workloads`]: what else is measured of whom, how often.
//! - [`runner`]: which of it was asked for.
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
mod arguments;
mod client;
mod figures;
mod functions;
mod plot;
mod process;
mod report;
mod runner;
mod runs;
mod turn;
mod wire;
mod workloads;

use std::fs;

use clap::Parser as _;
use rustix::process::{Resource, getrlimit, setrlimit};

use arguments::Arguments;
use figures::Figures;
use functions::Built;

fn main() {
    let arguments = Arguments::parse();
    let earlier = arguments.compare.as_ref().map(|file| {
        let json = fs::read(file).expect("the earlier figures can be read");
        serde_json::from_slice(&json).expect("the earlier figures are JSON")
    });
    allow_many_sockets();
    let built = Built::new(arguments.function.clone());
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
