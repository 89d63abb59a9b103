//! What becomes of this function's turns when connections have died: while the environment was frozen, in
//! every way in which they do, and while it ran.

use std::time::Duration;

use futures::future::join_all;
use local_aws::{LocalAws, WireClose, WireName};
use tokio::time::sleep;

use super::environment::{Cause, Environment, Turn, When};
use super::setup::{ASKED_AGAIN, DEAD, LONGEST, LOST, THAWS, UNSAFE};
use super::site::Site;
use crate::figures::{Figures, milliseconds};
use crate::functions::Function::Relay;
use crate::runner::Runner;
use crate::turn::Answer;

/// How many thaws there are of each kind.
const COUNT: usize = 50;

/// What is asked in most turns: text before the end, so that a chunk can be lost.
const ANSWER: Answer = Answer::new(3, 0);

/// An answer that goes on while its connection dies.
const LONG: Answer = Answer::new(20, 20);

/// When it dies, seen from the message.
const MIDDLE: Duration = Duration::from_millis(400);

/// What happens to connections.
#[derive(Clone, Copy)]
enum Harm {
    /// Those that wait are closed while the environment is frozen.
    Closed(WireClose),
    /// Those that wait answer the next write after the thaw with RST.
    ResetAtFirstWrite,
    /// Those that wait swallow everything from before the thaw on.
    Swallowed,
    /// The first one that is made after a thaw swallows everything.
    NewSwallowed,
    /// Those that wait swallow everything, and the environment was not even frozen.
    SwallowedWhileRunning,
    /// Those in use swallow everything in the middle of an answer.
    SwallowedInMidAnswer,
}

/// A harm to the connections of a wire, again and again.
struct Case {
    workload: String,
    wire: WireName,
    harm: Harm,
    count: usize,
}

/// All kinds at once, each with an environment of its own, since they do little but wait.
pub(super) async fn measure(runner: &Runner<'_>, figures: &mut Figures) {
    let mut cases = Vec::new();
    let mut add = |table: &str, wire: WireName, harm: Harm, name: &str, count: usize| {
        let workload = format!("{table}: {wire}, {name}");
        if runner.wants(&workload, Relay) {
            cases.push(Case { workload, wire, harm, count: runner.repetitions(count) });
        }
    };
    for wire in [WireName::Agent, WireName::Callbacks] {
        add(THAWS, wire, Harm::Closed(WireClose::Fin), "FIN", COUNT);
        add(THAWS, wire, Harm::Closed(WireClose::Reset), "RST", COUNT);
        add(THAWS, wire, Harm::Closed(WireClose::Graceful), "close_notify", COUNT);
        add(THAWS, wire, Harm::ResetAtFirstWrite, "reset at the first write", COUNT);
        add(THAWS, wire, Harm::Swallowed, "swallowed", COUNT);
    }
    for wire in [WireName::Agent, WireName::Callbacks] {
        add(DEAD, wire, Harm::NewSwallowed, "a new one", 3);
        add(DEAD, wire, Harm::SwallowedWhileRunning, "one that waited", 1);
    }
    add(DEAD, WireName::Callbacks, Harm::SwallowedInMidAnswer, "one in use", 3);
    let turns = join_all(cases.iter().map(|case| case.turns(runner))).await;
    for (case, turns) in cases.iter().zip(turns) {
        case.note(&turns, figures);
    }
}

impl Case {
    /// Turns that meet the harm, one after the other.
    async fn turns(&self, runner: &Runner<'_>) -> Vec<Turn> {
        let mut site = Site::open(&UNSAFE).await;
        let environment = Environment::start(&site, runner.built, Relay, Cause::OnDemand).await;
        let mut turns = Vec::with_capacity(self.count);
        for number in 0..self.count {
            // What was opened before is in use, whatever the harm of the last turn has left.
            let healthy = environment.turn(&mut site, ANSWER).await;
            assert!(!healthy.is_lost(ANSWER.chunks), "a turn without harm is lost: {healthy:?}");
            let when = if number % 2 == 0 { When::BeforeTheEvent } else { When::AfterTheEvent };
            turns.push(self.turn(&environment, &mut site, when).await);
        }
        environment.stop().await;
        site.close().await;
        turns
    }

    async fn turn(&self, environment: &Environment, site: &mut Site, when: When) -> Turn {
        match self.harm {
            Harm::SwallowedWhileRunning => {
                self.do_it(&site.aws);
                environment.turn(site, ANSWER).await
            }
            Harm::SwallowedInMidAnswer => {
                let in_the_middle = async |aws: &LocalAws| {
                    sleep(MIDDLE).await;
                    self.do_it(aws);
                    None
                };
                environment.turn_during(site, LONG, in_the_middle).await
            }
            _ => environment.thaw_with_a_turn(site, ANSWER, when, |aws| self.do_it(aws)).await,
        }
    }

    /// Does it to the connections that are there, of which there must be one.
    fn do_it(&self, aws: &LocalAws) {
        let wire = match self.wire {
            WireName::Agent => aws.agent_wire(),
            WireName::Callbacks => aws.callback_wire(),
            WireName::Table => aws.table_wire(),
        };
        let wire = wire.expect("there are wires with TLS");
        let met = match self.harm {
            Harm::Closed(how) => wire.close_open(how),
            Harm::ResetAtFirstWrite => wire.reset_next_write_on_open(),
            Harm::Swallowed | Harm::SwallowedWhileRunning | Harm::SwallowedInMidAnswer => {
                wire.swallow_open()
            }
            Harm::NewSwallowed => {
                wire.swallow_next(1);
                1
            }
        };
        assert!(met > 0, "there is no connection to break: {}", self.workload);
    }

    fn chunks(&self) -> usize {
        match self.harm {
            Harm::SwallowedInMidAnswer => LONG.chunks,
            _ => ANSWER.chunks,
        }
    }

    fn note(&self, turns: &[Turn], figures: &mut Figures) {
        let mut add = |figure, value| figures.add(&self.workload, Relay, figure, value);
        let lost = turns.iter().filter(|turn| turn.is_lost(self.chunks())).count();
        let asked_again = turns.iter().filter(|turn| turn.agent_calls > 1).count();
        let silences = turns.iter().map(Turn::longest_silence);
        let longest = silences.clone().max().unwrap_or_default();
        add("turns", turns.len() as f64);
        add(LOST, lost as f64);
        add(ASKED_AGAIN, asked_again as f64);
        for silence in silences {
            add("stall ms", milliseconds(silence));
        }
        add(LONGEST, milliseconds(longest));
        for turn in turns {
            if let Err(lost) = &turn.answer {
                eprintln!("{}: a turn is lost: {}", self.workload, lost.why);
            }
        }
    }
}
