//! What the command can be told.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;

/// Measures this function beside others on the local AWS.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo bench --")]
pub(crate) struct Arguments {
    /// Runs everything once and short: whether it works, not how fast it is
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measures each workload so often, instead of as often as its figures need; how many cold
    /// starts there are stays the same
    #[arg(long, value_name = "N", conflicts_with = "quick")]
    pub(crate) runs: Option<NonZeroUsize>,
    /// Runs only the workloads and functions whose names hold one of these words, such as `flat`,
    /// `cold` or `python`
    #[arg(long, value_name = "WORD", num_args = 1..)]
    pub(crate) only: Vec<String>,
    /// Measures this program instead of the function that is built along, such as one that is deployed:
    /// `target/lambda/agent-relay/bootstrap`
    #[arg(long, value_name = "FILE")]
    pub(crate) function: Option<PathBuf>,
    /// Writes the figures there, too
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Tells where this run does not agree with an earlier one, whose figures are in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    /// Draws the plots into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
    /// What cargo calls every benchmark with
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}
