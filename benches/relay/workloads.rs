//! What is measured of whom, and how often: what each figure needs, and no more.

use std::time::Duration;

use crate::functions::Function::{
    self, AwaitEach, Bare, PythonBuffering, PythonStreaming, Relay, RelayOfHarness, RelayOverHttp,
    RelayWithTable,
};
use crate::turn::Answer;

/// The names of workloads that the goals look at.
pub(crate) const FIRST: &str = "first text";
pub(crate) const COLD: &str = "cold start";
pub(crate) const SIZE: &str = "size";
pub(crate) const USUAL: &str = "usual, 0 ms";
pub(crate) const FAST: &str = "fast, 0 ms";
pub(crate) const FAST_20: &str = "fast, 20 ms";
pub(crate) const FLAT: &str = "flat out, 0 ms";
pub(crate) const FLAT_1000: &str = "flat out 1,000, 0 ms";
pub(crate) const FLAT_100: &str = "flat out 100, 0 ms";
pub(crate) const FLAT_20: &str = "flat out, 20 ms";
pub(crate) const FLAT_1000_20: &str = "flat out 1,000, 20 ms";
pub(crate) const FLAT_100_20: &str = "flat out 100, 20 ms";
pub(crate) const CROWDS: [(usize, &str); 3] =
    [(1, "1 turn"), (100, "100 turns"), (1000, "1,000 turns")];

/// One turn after the other, in a process that has warmed up.
#[derive(Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) answer: Answer,
    /// How long API Gateway takes for a post.
    pub(crate) latency_ms: u64,
    /// Who, and how many turns.
    pub(crate) functions: &'static [(Function, usize)],
}

/// A usual answer.
const USUAL_ANSWER: Answer = Answer::new(50, 20);
/// A fast model.
const FAST_ANSWER: Answer = Answer::new(2000, 200);
/// As much as there is.
const FLAT_ANSWER: Answer = Answer::new(10_000, 0);
/// What each of many turns at once is, slow enough that all of them together leave the machine idle
/// for some of the time.
pub(crate) const CROWD_ANSWER: Answer = Answer::new(50, 5);
pub(crate) const CROWD_LATENCY: Duration = Duration::from_millis(20);

/// From the agent's first byte to the client's first text.
pub(crate) const FIRST_TEXT: Workload = Workload {
    name: FIRST,
    answer: Answer::new(2, 50),
    latency_ms: 0,
    functions: &[
        (Relay, 5),
        (RelayOverHttp, 5),
        (RelayWithTable, 5),
        (AwaitEach, 5),
        (Bare, 5),
        (PythonStreaming, 5),
    ],
};

/// Those that are measured in turns with one another stand together: growth with length is a comparison
/// of workloads, and minutes apart, the machine may be another one.
pub(crate) const WORKLOADS: [&[Workload]; 10] = [
    &[Workload {
        name: USUAL,
        answer: USUAL_ANSWER,
        latency_ms: 0,
        functions: &[
            (Relay, 5),
            (RelayOfHarness, 5),
            (RelayOverHttp, 5),
            (RelayWithTable, 5),
            (AwaitEach, 5),
            (Bare, 5),
            (PythonStreaming, 5),
            (PythonBuffering, 5),
        ],
    }],
    &[Workload {
        name: "usual, 20 ms",
        answer: USUAL_ANSWER,
        latency_ms: 20,
        functions: &[
            (Relay, 5),
            (RelayWithTable, 5),
            (AwaitEach, 5),
            (PythonStreaming, 5),
            (PythonBuffering, 5),
        ],
    }],
    &[Workload {
        name: "usual, 80 ms",
        answer: USUAL_ANSWER,
        latency_ms: 80,
        functions: &[(Relay, 5), (AwaitEach, 5), (PythonStreaming, 5)],
    }],
    &[Workload {
        name: FAST,
        answer: FAST_ANSWER,
        latency_ms: 0,
        functions: &[
            (Relay, 5),
            (RelayOverHttp, 5),
            (AwaitEach, 5),
            (Bare, 5),
            (PythonStreaming, 5),
        ],
    }],
    &[Workload {
        name: "fast, 5 ms",
        answer: FAST_ANSWER,
        latency_ms: 5,
        functions: &[(Relay, 5), (AwaitEach, 5)],
    }],
    &[Workload {
        name: FAST_20,
        answer: FAST_ANSWER,
        latency_ms: 20,
        functions: &[
            (Relay, 5),
            (RelayWithTable, 5),
            (AwaitEach, 4),
            (Bare, 5),
            (PythonStreaming, 4),
            (PythonBuffering, 5),
        ],
    }],
    &[Workload {
        name: "fast, 80 ms",
        answer: FAST_ANSWER,
        latency_ms: 80,
        functions: &[(Relay, 5)],
    }],
    &[Workload {
        name: "traced, 20 ms",
        answer: Answer { chunks: 500, rate: 100, trace_kib: Some(30) },
        latency_ms: 20,
        functions: &[(Relay, 5), (PythonStreaming, 5)],
    }],
    &[
        Workload {
            name: FLAT,
            answer: FLAT_ANSWER,
            latency_ms: 0,
            functions: &[
                (Relay, 25),
                (RelayOfHarness, 25),
                (RelayOverHttp, 25),
                (RelayWithTable, 25),
                (AwaitEach, 5),
                (Bare, 25),
                (PythonStreaming, 5),
                (PythonBuffering, 5),
            ],
        },
        Workload {
            name: FLAT_1000,
            answer: Answer::new(1000, 0),
            latency_ms: 0,
            functions: &[(Relay, 25)],
        },
        Workload {
            name: FLAT_100,
            answer: Answer::new(100, 0),
            latency_ms: 0,
            functions: &[(Relay, 25)],
        },
    ],
    &[
        Workload {
            name: FLAT_20,
            answer: FLAT_ANSWER,
            latency_ms: 20,
            functions: &[(Relay, 25), (Bare, 25)],
        },
        Workload {
            name: FLAT_1000_20,
            answer: Answer::new(1000, 0),
            latency_ms: 20,
            functions: &[(Relay, 25)],
        },
        Workload {
            name: FLAT_100_20,
            answer: Answer::new(100, 0),
            latency_ms: 20,
            functions: &[(Relay, 25)],
        },
    ],
];
