//! How workloads are run: whose turn it is, and what is noted of it.

use std::time::Duration;

use crate::arguments::Arguments;
use crate::figures::{Figures, quantile};
use crate::functions::Built;
use crate::functions::Function::{self, AwaitEach, Nothing, Relay};
use crate::process::Process;
use crate::runner::Runner;
use crate::turn::{Answer, cold, crowd, measure};
use crate::wire;
use crate::workloads::{
    COLD, CROWD_ANSWER, CROWD_LATENCY, CROWDS, FAST_20, FIRST_TEXT, SIZE, WORKLOADS, Workload,
};

/// How late each chunk of a turn was: the series of a plot.
pub(crate) type Series = Vec<(Function, Vec<(Duration, Duration)>)>;

/// Runs the workloads that were asked for. Returns the lags of [`FAST_20`].
pub(crate) async fn run(arguments: &Arguments, built: &Built, figures: &mut Figures) -> Series {
    let runner = Runner { arguments, built };
    wire::run(&runner, figures).await;
    runner.sizes(figures);
    runner.cold_starts(figures).await;
    runner.first_text(figures).await;
    let mut series = Series::new();
    for workloads in WORKLOADS {
        let lags = runner.turns(workloads, figures).await;
        if workloads[0].name == FAST_20 {
            series = lags;
        }
    }
    runner.crowds(figures).await;
    series
}

impl Runner<'_> {
    fn sizes(&self, figures: &mut Figures) {
        for function in Function::ALL {
            if self.wants(SIZE, function)
                && let Some((binary, archive)) = self.built.sizes(function)
            {
                figures.add(SIZE, function, "binary MB", binary as f64 / 1e6);
                figures.add(SIZE, function, "zip MB", archive as f64 / 1e6);
            }
        }
    }

    /// In turns, so that whatever else happens on the machine meets all of them.
    async fn cold_starts(&self, figures: &mut Figures) {
        let functions = Function::ALL.into_iter().filter(|function| self.wants(COLD, *function));
        let functions: Vec<Function> = functions.collect();
        for round in 0..self.repetitions(40) {
            for function in &functions {
                if function.is_python() && round >= 7 {
                    continue;
                }
                let process = Process::spawn(self.built, *function, Duration::ZERO, 1).await;
                if *function == Nothing {
                    figures.add_time(COLD, *function, "to /next ms", process.ready().await);
                } else {
                    let [ready, frame, text] = cold(&process).await;
                    figures.add_time(COLD, *function, "to /next ms", ready);
                    figures.add_time(COLD, *function, "to first frame ms", frame);
                    figures.add_time(COLD, *function, "to first text ms", text);
                    let memory = process.peak_memory_mb();
                    figures.add(COLD, *function, "memory MB", memory);
                }
                process.stop().await;
            }
        }
    }

    /// The functions that are wanted in some workloads, each with a process for each of them, started
    /// and warm.
    async fn contenders(&self, workloads: &[Workload]) -> Vec<Contender> {
        let mut contenders = Vec::new();
        for workload in workloads {
            let latency = Duration::from_millis(workload.latency_ms);
            for (function, runs) in workload.functions {
                if self.wants(workload.name, *function) {
                    let process = Process::start(self.built, *function, latency, 1).await;
                    // The first turn opens connections.
                    measure(&process, Answer::new(10, 0)).await;
                    let (function, runs) = (*function, self.runs(*runs));
                    contenders.push(Contender { workload: *workload, function, process, runs });
                }
            }
        }
        contenders
    }

    /// From the agent's first byte to the client's first text, in many short turns.
    async fn first_text(&self, figures: &mut Figures) {
        let contenders = self.contenders(&[FIRST_TEXT]).await;
        for Contender { workload, function, process, .. } in in_turns(&contenders) {
            let mut firsts = Vec::new();
            for _ in 0..self.repetitions(if function.is_python() { 20 } else { 40 }) {
                firsts.push(measure(process, workload.answer).await.lags[0].1);
            }
            firsts.sort();
            figures.add_time(workload.name, *function, "p50 ms", quantile(&firsts, 0.5));
            figures.add_time(workload.name, *function, "p99 ms", quantile(&firsts, 0.99));
        }
        stop(contenders).await;
    }

    /// One turn after the other, of all these workloads. Returns the lags of each function's last.
    async fn turns(&self, workloads: &[Workload], figures: &mut Figures) -> Series {
        let contenders = self.contenders(workloads).await;
        let mut series = Series::new();
        for Contender { workload: Workload { name, answer, .. }, function, process, .. } in
            in_turns(&contenders)
        {
            let function = *function;
            let mut answer = *answer;
            if self.arguments.quick {
                answer.chunks = answer.chunks.min(100);
            }
            let turn = measure(process, answer).await;
            let mut lags: Vec<Duration> = turn.lags.iter().map(|(_, lag)| *lag).collect();
            let last_lag = lags[lags.len() - 1];
            lags.sort();
            figures.add_time(name, function, "first ms", turn.lags[0].1);
            figures.add_time(name, function, "p50 ms", quantile(&lags, 0.5));
            figures.add_time(name, function, "p99 ms", quantile(&lags, 0.99));
            figures.add_time(name, function, "max ms", lags[lags.len() - 1]);
            figures.add_time(name, function, "last ms", last_lag);
            figures.add(name, function, "posts", turn.posts as f64);
            figures.add_time(name, function, "CPU ms", turn.cpu);
            let a_chunk = turn.cpu.as_secs_f64() * 1e6 / answer.chunks as f64;
            figures.add(name, function, "CPU µs a chunk", a_chunk);
            series.retain(|(earlier, _)| *earlier != function);
            series.push((function, turn.lags));
        }
        for Contender { workload, function, process, .. } in &contenders {
            // The peak of one process, however many turns it had.
            figures.add(workload.name, *function, "memory MB", process.peak_memory_mb());
        }
        stop(contenders).await;
        series
    }

    /// Many turns at once in one process.
    async fn crowds(&self, figures: &mut Figures) {
        for (turns, name) in CROWDS {
            let functions = [Relay, AwaitEach].into_iter().filter(|each| self.wants(name, *each));
            let functions: Vec<Function> = functions.collect();
            for _ in 0..self.runs(5) {
                for function in &functions {
                    self.crowd(name, *function, turns, figures).await;
                }
            }
        }
    }

    async fn crowd(&self, name: &str, function: Function, turns: usize, figures: &mut Figures) {
        // Classic Lambda takes one at a time; a process for many is another one.
        let concurrency = u16::try_from(turns + 1).expect("as many as Lambda allows");
        let process = Process::start(self.built, function, CROWD_LATENCY, concurrency).await;
        let answer = if self.arguments.quick { Answer::new(5, 5) } else { CROWD_ANSWER };
        // One turn alone would else pay for all that only a first turn does.
        measure(&process, Answer::new(10, 0)).await;
        let (cpu, posts) = crowd(&process, answer, turns).await;
        let each = turns as f64;
        figures.add(name, function, "posts", posts as f64 / each);
        let cpu_ms = cpu.as_secs_f64() * 1e3 / each;
        figures.add(name, function, "CPU ms", cpu_ms);
        figures.add(name, function, "CPU µs a chunk", cpu_ms * 1e3 / answer.chunks as f64);
        figures.add(name, function, "memory MB", process.peak_memory_mb());
        process.stop().await;
    }
}

/// A function that is measured beside others.
struct Contender {
    workload: Workload,
    function: Function,
    process: Process,
    /// How often it is measured.
    runs: usize,
}

/// Whose turn it is, one after the other, so that whatever else happens on the machine meets all of
/// them. Who is measured less often than others is so at regular distances.
fn in_turns(contenders: &[Contender]) -> impl Iterator<Item = &Contender> {
    let rounds = contenders.iter().map(|contender| contender.runs).max().unwrap_or_default();
    (0..rounds).flat_map(move |round| {
        let is_due = move |contender: &&Contender| {
            let runs_before = |round: usize| round * contender.runs / rounds;
            runs_before(round + 1) > runs_before(round)
        };
        contenders.iter().filter(is_due)
    })
}

async fn stop(contenders: Vec<Contender>) {
    for contender in contenders {
        contender.process.stop().await;
    }
}
