//! Which workloads were asked for, and how often.

use std::num::NonZeroUsize;

use crate::arguments::Arguments;
use crate::functions::{Built, Function};

/// What was asked for, and of what.
pub(crate) struct Runner<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) built: &'a Built,
}

impl Runner<'_> {
    /// Whether a workload of a function was asked for. Says so.
    pub(crate) fn wants(&self, workload: &str, function: Function) -> bool {
        let only = &self.arguments.only;
        let label = format!("{workload}: {}", function.name());
        let wanted = only.is_empty() || only.iter().any(|part| label.contains(part));
        if wanted {
            eprintln!("{label}");
        }
        wanted
    }

    /// How often something is repeated within a run.
    pub(crate) fn repetitions(&self, count: usize) -> usize {
        if self.arguments.quick { 1 } else { count }
    }

    /// How often a workload is measured.
    pub(crate) fn runs(&self, count: usize) -> usize {
        self.arguments.runs.map_or_else(|| self.repetitions(count), NonZeroUsize::get)
    }
}
