//! How soon the first turn of an environment, later ones, and one after a thaw begin to answer, and what
//! they cost.

use super::environment::{Cause, Environment, Turn, When};
use super::setup::{GOALS, IN_ADVANCE, Setup};
use super::site::Site;
use crate::figures::Figures;
use crate::functions::Function::{self, AwaitEach, PythonBuffering, PythonStreaming, Relay};
use crate::runner::Runner;
use crate::turn::Answer;

/// What is asked: the shortest answer, since its beginning is looked at.
const ANSWER: Answer = Answer::new(1, 0);

/// How many later turns each environment has.
const LATER: usize = 3;

/// Who, why it is started, how often where the goals look, and how often elsewhere.
const CONTENDERS: [(Function, Cause, usize, usize); 5] = [
    (Relay, Cause::OnDemand, 20, 9),
    (Relay, Cause::InAdvance, 20, 9),
    (AwaitEach, Cause::OnDemand, 7, 5),
    (PythonStreaming, Cause::OnDemand, 5, 3),
    (PythonBuffering, Cause::OnDemand, 5, 3),
];

/// Environments of all functions, in turns, so that whatever else happens on the machine meets all of
/// them.
pub(super) async fn measure(runner: &Runner<'_>, setup: &Setup, figures: &mut Figures) {
    let workload = |cause| match cause {
        Cause::OnDemand => setup.name.to_owned(),
        Cause::InAdvance => format!("{}: {IN_ADVANCE}", setup.name),
    };
    let contenders = CONTENDERS.into_iter();
    let contenders =
        contenders.filter(|(function, cause, ..)| runner.wants(&workload(*cause), *function));
    let contenders: Vec<_> = contenders.collect();
    if contenders.is_empty() {
        return;
    }
    let mut site = Site::open(setup).await;
    let runs =
        |at_goals, elsewhere| runner.runs(if setup.name == GOALS { at_goals } else { elsewhere });
    let rounds = contenders.iter().map(|(.., most, usual)| runs(*most, *usual)).max();
    for round in 0..rounds.unwrap_or_default() {
        for (function, cause, at_goals, elsewhere) in &contenders {
            if round < runs(*at_goals, *elsewhere) {
                let environment = Environment::start(&site, runner.built, *function, *cause).await;
                let mut notes = Notes { workload: &workload(*cause), function: *function, figures };
                live(environment, *cause, &mut site, &mut notes).await;
            }
        }
    }
    site.close().await;
}

/// The turns of one environment, until its end.
async fn live(environment: Environment, cause: Cause, site: &mut Site, notes: &mut Notes<'_>) {
    // At once: what a function leaves for after its first poll, the first turn has to wait for.
    let first = environment.turn(site, ANSWER).await;
    notes.figures.add_time(notes.workload, notes.function, "init ms", environment.init);
    notes.firsts("cold: first frame ms", "cold: first text ms", &first);
    // From here on, how it was started makes no difference.
    let goes_on = cause == Cause::OnDemand;
    let mut later = Vec::new();
    if goes_on {
        for _ in 0..LATER {
            later.push(environment.turn(site, ANSWER).await);
        }
        let thawed = environment.thaw_with_a_turn(site, ANSWER, When::BeforeTheEvent, |_| ()).await;
        for turn in &later {
            notes.firsts("warm: first frame ms", "warm: first text ms", turn);
        }
        notes.firsts("thawed: first frame ms", "thawed: first text ms", &thawed);
    }
    notes.figures.add_time(notes.workload, notes.function, "init CPU ms", environment.init_cpu);
    notes.figures.add_time(notes.workload, notes.function, "CPU of first turn ms", first.cpu);
    for turn in &later {
        notes.figures.add_time(notes.workload, notes.function, "CPU of later turn ms", turn.cpu);
    }
    environment.stop().await;
}

/// Where figures go.
struct Notes<'a> {
    workload: &'a str,
    function: Function,
    figures: &'a mut Figures,
}

impl Notes<'_> {
    fn firsts(&mut self, frame_figure: &'static str, text_figure: &'static str, turn: &Turn) {
        let [frame, text] = turn.firsts(ANSWER.chunks);
        self.figures.add_time(self.workload, self.function, frame_figure, frame);
        self.figures.add_time(self.workload, self.function, text_figure, text);
    }
}
