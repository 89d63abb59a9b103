//! One environment: a function's process from its start over its turns to a thaw.

use std::time::{Duration, Instant};

use local_aws::{Entry, Follower, LocalAws, Program, Record, Route};
use tokio::time::{sleep, timeout};

use super::site::Site;
use crate::client::{Lost, Received};
use crate::functions::{Built, Function};
use crate::process;
use crate::turn::Answer;

/// How long anything may take before the benchmark gives up.
const WAIT_LIMIT: Duration = Duration::from_mins(1);

/// How long to wait between two turns: longer than the period in which a share of the CPU is counted, so
/// that none has to make up for the one before, and long enough for what a function does after a turn.
const PAUSE: Duration = Duration::from_millis(150);

/// How long an environment is frozen. Lambda does it for seconds and more; for the function, it only has
/// to be longer than a CPU share's own pauses.
const FREEZE: Duration = Duration::from_millis(350);

/// Why an environment is started, in Lambda's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// There is an event for it.
    OnDemand,
    /// There will be events for it (provisioned concurrency).
    InAdvance,
}

/// A function that runs.
#[derive(Debug)]
pub(super) struct Environment {
    function: local_aws::FunctionProcess,
    /// From the start of the process until it asked for its first event.
    pub(super) init: Duration,
    /// The CPU time that it had taken then.
    pub(super) init_cpu: Duration,
}

/// When something is done to connections of a frozen environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Before the event that ends the freeze has come.
    BeforeTheEvent,
    /// When that is there, and has not been read yet.
    AfterTheEvent,
}

/// What one turn amounted to.
#[derive(Debug)]
pub(super) struct Turn {
    /// When the event reached the function, or when the function went on and found it there.
    pub(super) began: Instant,
    pub(super) answer: Result<Received, Lost>,
    /// When it was clear what became of it.
    pub(super) ended: Instant,
    /// The CPU time that the function took from then on, until it asked for the next event.
    pub(super) cpu: Duration,
    /// How often the agent was called.
    pub(super) agent_calls: usize,
}

impl Environment {
    /// Starts a function and waits until it asks for its first event and has its share of the CPU.
    pub(super) async fn start(
        site: &Site,
        built: &Built,
        function: Function,
        cause: Cause,
    ) -> Self {
        let mut journal = site.aws.journal().follow_from_now();
        let cause = match cause {
            Cause::OnDemand => "on-demand",
            Cause::InAdvance => "provisioned-concurrency",
        };
        let mut variables = vec![("AWS_LAMBDA_INITIALIZATION_TYPE", cause)];
        variables.extend(function.environment());
        let program = Program::Executable(built.executable(function));
        let started = local_aws::FunctionProcess::start_with(&site.aws, &program, &variables);
        let started = timeout(WAIT_LIMIT, started).await.expect("the function starts in time");
        let function = started.expect("the function starts");
        let init_cpu = process::cpu(function.pid());
        let started =
            wait_for(&mut journal, |entry| matches!(entry, Entry::FunctionStarted { .. }));
        let started = started.await.at;
        let polled = wait_for(&mut journal, |entry| matches!(entry, Entry::NextPolled)).await.at;
        Self { function, init: polled - started, init_cpu }
    }

    /// A turn of a function that runs.
    pub(super) async fn turn(&self, site: &mut Site, answer: Answer) -> Turn {
        self.turn_during(site, answer, async |_| None).await
    }

    /// Freezes the function, and thaws it with a turn; does something to its connections meanwhile.
    pub(super) async fn thaw_with_a_turn(
        &self,
        site: &mut Site,
        answer: Answer,
        when: When,
        harm: impl FnOnce(&LocalAws),
    ) -> Turn {
        self.function.freeze().await.expect("it can be frozen");
        let mut harm = Some(harm);
        if when == When::BeforeTheEvent
            && let Some(harm) = harm.take()
        {
            harm(&site.aws);
        }
        sleep(FREEZE).await;
        let mut events = site.aws.journal().follow_from_now();
        let thaw = async |aws: &LocalAws| {
            wait_for(&mut events, is_message).await;
            if let Some(harm) = harm {
                harm(aws);
                // What it sends to the function arrives first.
                sleep(aws.options().rtt).await;
            }
            let now = Instant::now();
            self.function.thaw().expect("it can be thawed");
            Some(now)
        };
        self.turn_during(site, answer, thaw).await
    }

    /// A turn, and what happens during it, which may say that the turn begins only then.
    pub(super) async fn turn_during(
        &self,
        site: &mut Site,
        answer: Answer,
        meanwhile: impl AsyncFnOnce(&LocalAws) -> Option<Instant>,
    ) -> Turn {
        let mut journal = site.aws.journal().follow_from_now();
        let cpu_before = process::cpu(self.function.pid());
        let (prompt, session) = (answer.prompt(), format!("session-{:016x}", fastrand::u64(..)));
        let (answer, began) =
            tokio::join!(site.client.try_ask(&prompt, &session, false), meanwhile(&site.aws));
        let ended = Instant::now();
        let handed_out = wait_for(&mut journal, is_message).await.at;
        let mut agent_calls = 0;
        wait_for(&mut journal, |entry| {
            let session = &session;
            let is_call =
                matches!(entry, Entry::AgentInvoked { session_id, .. } if session_id == session);
            agent_calls += usize::from(is_call);
            matches!(entry, Entry::NextPolled)
        })
        .await;
        sleep(PAUSE).await;
        let cpu = process::cpu(self.function.pid()).saturating_sub(cpu_before);
        let began = began.unwrap_or_else(|| handed_out.into_std());
        Turn { began, answer, ended, cpu, agent_calls }
    }

    /// Ends it.
    pub(super) async fn stop(self) {
        self.function.stop().await;
    }
}

impl Turn {
    /// The answer, which must be complete; how long its first frame and its first text took.
    pub(super) fn firsts(&self, chunks: usize) -> [Duration; 2] {
        let received = self.answer.as_ref().expect("the run finishes");
        assert!(received.is_complete(chunks), "text is missing, or in another order");
        [received.frames[0] - self.began, received.text[0].0 - self.began]
    }

    /// Whether the user did not get the whole answer, and a frame that says that it is whole.
    pub(super) fn is_lost(&self, chunks: usize) -> bool {
        !self.answer.as_ref().is_ok_and(|received| received.is_complete(chunks))
    }

    /// The longest time for which the user saw nothing new.
    pub(super) fn longest_silence(&self) -> Duration {
        let received = match &self.answer {
            Ok(received) | Err(Lost { received, .. }) => received,
        };
        let mut last = self.began;
        let silences = received.frames.iter().chain([&self.ended]).map(|moment| {
            let silence = moment.saturating_duration_since(last);
            last = *moment;
            silence
        });
        silences.max().unwrap_or_default()
    }
}

fn is_message(entry: &Entry) -> bool {
    matches!(entry, Entry::Invoked { route: Route::Default, .. })
}

/// The next entry that fits.
async fn wait_for(journal: &mut Follower, mut fits: impl FnMut(&Entry) -> bool) -> Record {
    let mut others = Vec::new();
    let find = async {
        loop {
            let record = journal.next().await;
            if fits(&record.entry) {
                return record;
            }
            others.push(record.entry);
        }
    };
    let found = timeout(WAIT_LIMIT, find).await;
    found
        .unwrap_or_else(|_| panic!("what should have happened has not; only this has: {others:#?}"))
}
