//! A team of agents: the scripted agent supervises one that supervises another.
//!
//! A collaborator's traces name the whole chain of callers that led to it, itself last.

use std::time::Duration;

use serde_json::Value;

use super::answer::spoken;
use super::scenario::Turn;
use super::script::{Script, Step};
use super::trace::{ModelCall, Traces};

/// An agent that works for the scripted one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name as a collaborator.
    pub(super) name: &'static str,
    pub(super) agent_id: &'static str,
    pub(super) agent_alias_id: &'static str,
}

/// It works for the scripted agent.
pub(super) static TRIP_PLANNER: Member =
    Member { name: "trip-planner", agent_id: "TRIPAGENT1", agent_alias_id: "TRIPALIAS1" };

/// It works for the trip planner.
pub(super) static WEATHER_DESK: Member =
    Member { name: "weather-desk", agent_id: "SKYAGENT01", agent_alias_id: "SKYALIAS01" };

/// The script of `/team`.
pub(super) fn team(turn: &Turn<'_>) -> Script {
    const TASK: &str = "Plan a day in Zürich for next Wednesday.";
    const QUESTION: &str = "What will the weather in Zürich be on Wednesday?";
    const WEATHER: &str = "Wednesday will be dry, with 14 °C.";
    const PLAN: &str = "A boat on the lake in the morning, the old town in the afternoon.";
    let text = "My **trip planner** asked its *weather desk*: Wednesday will be dry, with 14 °C. So \
                take a boat on the lake in the morning, and see the old town in the afternoon.";

    let mut scene = Scene::new(turn);
    scene.route("trip-planner", 120);
    scene.tell(scene.traces.delegate(&TRIP_PLANNER, TASK));
    let planner_began = scene.elapsed;

    scene.chain.push(&TRIP_PLANNER);
    scene.think(TASK, "<thinking>A day outside depends on the weather.</thinking>", 180);
    scene.tell(scene.traces.rationale("A day outside depends on the weather, so I ask for it."));
    scene.tell(scene.traces.delegate(&WEATHER_DESK, QUESTION));
    let desk_began = scene.elapsed;

    scene.chain.push(&WEATHER_DESK);
    scene.think(QUESTION, "<thinking>I look at the forecast.</thinking>", 120);
    let parameters = [("city", "Zürich"), ("day", "Wednesday")];
    scene.tell(scene.traces.action("forecast", "daily_forecast", &parameters));
    let asked = scene.elapsed;
    let took = scene.pass(90);
    scene.tell(scene.traces.acted(r#"{"high_celsius":14,"rain_mm":0}"#, asked, took));
    scene.think(QUESTION, WEATHER, 110);
    let took = scene.since(desk_began);
    scene.tell(scene.traces.finish(WEATHER, desk_began, took));
    scene.chain.pop();

    scene.tell(scene.traces.delegated(&WEATHER_DESK, WEATHER, desk_began, took));
    scene.think(WEATHER, PLAN, 160);
    let took = scene.since(planner_began);
    scene.tell(scene.traces.finish(PLAN, planner_began, took));
    scene.chain.pop();

    scene.tell(scene.traces.delegated(&TRIP_PLANNER, PLAN, planner_began, took));
    scene.script.steps.extend(spoken(text));
    scene.think(PLAN, text, 0);
    scene.tell(scene.traces.finish(text, Duration::ZERO, scene.elapsed));
    scene.script
}

/// A script that grows, the time that it has taken so far, and whose turn it is.
struct Scene<'a> {
    traces: Traces,
    script: Script,
    elapsed: Duration,
    prompt: &'a str,
    /// The collaborators that have called one another; none while the scripted agent works.
    chain: Vec<&'static Member>,
    calls: usize,
}

impl<'a> Scene<'a> {
    fn new(turn: &Turn<'a>) -> Self {
        Self {
            traces: Traces::new(turn),
            script: Script::new(),
            elapsed: Duration::ZERO,
            prompt: turn.prompt,
            chain: Vec::new(),
            calls: 0,
        }
    }

    /// The classifier of the supervisor picks a collaborator.
    fn route(&mut self, to: &str, milliseconds: u64) {
        let call = self.call(self.prompt, to, milliseconds);
        self.tell(self.traces.routing_input(&call));
        self.pass(milliseconds);
        self.tell(self.traces.routing_output(&call));
    }

    fn think(&mut self, prompt: &str, thought: &str, milliseconds: u64) {
        let call = self.call(prompt, thought, milliseconds);
        self.tell(self.traces.orchestration_input(&call));
        self.pass(milliseconds);
        self.tell(self.traces.orchestration_output(&call));
    }

    fn call<'b>(&mut self, prompt: &'b str, response: &'b str, milliseconds: u64) -> ModelCall<'b> {
        let id = self.calls;
        self.calls += 1;
        ModelCall { id, start: self.elapsed, ..ModelCall::first(prompt, response, milliseconds) }
    }

    fn tell(&mut self, trace: Value) {
        let step = match &self.chain[..] {
            [] => Step::Trace(trace),
            chain => Step::TeamTrace { chain: chain.to_vec(), trace },
        };
        self.script.steps.push(step);
    }

    fn since(&self, moment: Duration) -> Duration {
        self.elapsed.saturating_sub(moment)
    }

    fn pass(&mut self, milliseconds: u64) -> Duration {
        let duration = Duration::from_millis(milliseconds);
        self.elapsed += duration;
        self.script.steps.push(Step::Wait(duration));
        duration
    }
}
