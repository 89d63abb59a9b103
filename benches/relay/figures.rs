//! Figures: what was measured, of whom, in which workload, in every run.

use std::time::Duration;

use crate::functions::Function;

/// All figures: workloads in the order in which they were measured, and the functions of each in
/// theirs.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rows: Vec<Row>,
}

/// What one function did in one workload.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) workload: String,
    pub(crate) function: Function,
    /// The figures: their names, and a value for each run.
    pub(crate) figures: Vec<(&'static str, Vec<f64>)>,
}

/// The middle of some values, and the outermost ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) runs: usize,
}

impl Figures {
    /// Notes a value.
    pub(crate) fn add(
        &mut self,
        workload: &str,
        function: Function,
        figure: &'static str,
        value: f64,
    ) {
        let is_it = |row: &Row| row.workload == workload && row.function == function;
        let known = self.rows.iter().position(is_it);
        let position = known.unwrap_or_else(|| self.insert(workload, function));
        let figures = &mut self.rows[position].figures;
        match figures.iter_mut().find(|(name, _)| *name == figure) {
            Some((_, values)) => values.push(value),
            None => figures.push((figure, vec![value])),
        }
    }

    /// Makes a row at its place.
    fn insert(&mut self, workload: &str, function: Function) -> usize {
        let is_before = |row: &Row| row.workload == workload && row.function < function;
        let before = self.rows.iter().rposition(is_before).map(|position| position + 1);
        let first = || self.rows.iter().position(|row| row.workload == workload);
        let position = before.or_else(first).unwrap_or(self.rows.len());
        let row = Row { workload: workload.to_owned(), function, figures: Vec::new() };
        self.rows.insert(position, row);
        position
    }

    /// Notes a time, in milliseconds.
    pub(crate) fn add_time(
        &mut self,
        workload: &str,
        function: Function,
        figure: &'static str,
        time: Duration,
    ) {
        self.add(workload, function, figure, milliseconds(time));
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// A figure, if it was measured.
    pub(crate) fn get(&self, workload: &str, function: Function, figure: &str) -> Option<Spread> {
        let is_it = |row: &&Row| row.workload == workload && row.function == function;
        let row = self.rows.iter().find(is_it)?;
        let (_, values) = row.figures.iter().find(|(name, _)| *name == figure)?;
        Some(Spread::of(values))
    }

    /// The median of a figure, if it was measured.
    pub(crate) fn median(&self, workload: &str, function: Function, figure: &str) -> Option<f64> {
        self.get(workload, function, figure).map(|spread| spread.median)
    }
}

impl Spread {
    /// The spread of at least one value.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Self { median, least: sorted[0], most: sorted[sorted.len() - 1], runs: sorted.len() }
    }

    /// The spread of the ratios to something.
    pub(crate) fn divided_by(self, divisor: f64) -> Self {
        let Self { median, least, most, runs } = self;
        Self { median: median / divisor, least: least / divisor, most: most / divisor, runs }
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The value below which this share of the sorted values lies.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a length is a position"
    )]
    let position = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[position]
}
