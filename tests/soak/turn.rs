//! One turn as its client sees it: it reads until the run ends, and joins it again when it has lost its
//! connection, where that is possible.

use std::future::pending;
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use test_support::Client;
use test_support::client::NoText;
use test_support::received_run::RunReader;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a client may hear nothing that can't do anything about it: longer than any keepalive, freeze and
/// hanging post together.
const SILENCE_LIMIT: Duration = Duration::from_mins(2);

/// After how long a silence a client joins again that can. The agents are never silent.
const WATCHDOG: Duration = Duration::from_secs(15);

/// The most times that a client drops its connection.
const MAX_DROPS: usize = 3;

/// When a client drops its connection, counted from its prompt, and how long it then is away.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The next is the last of them.
    drops: Vec<PlannedDrop>,
}

#[derive(Debug)]
struct PlannedDrop {
    at: Duration,
    away: Duration,
    /// Whether it says so, with a close frame.
    in_good_order: bool,
}

/// What became of a turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) received: RunReader,
    /// How many frames came that were not there already.
    pub(crate) frames: u64,
    /// How often the client dropped its connection.
    pub(crate) drops: u64,
    /// How often the other side did.
    pub(crate) closed: u64,
    /// How often it heard nothing for too long.
    pub(crate) silences: u64,
    /// How often it joined the run again.
    pub(crate) joins: u64,
}

/// Why a connection came to its end.
enum Left {
    /// The run has ended.
    Ended,
    /// The client dropped it.
    Dropped(PlannedDrop),
    /// The other side has ended it.
    Closed,
    /// There was nothing for too long.
    Silent,
}

impl Plan {
    /// That of one client, of which such a share drops, while an agent speaks for so long.
    pub(crate) fn draw(random: &mut Rng, share: f64, agent_speaks: Duration) -> Self {
        let count = if random.f64() < share { random.usize(1..=MAX_DROPS) } else { 0 };
        let mut drops: Vec<PlannedDrop> = (0..count)
            .map(|_| PlannedDrop {
                at: agent_speaks.mul_f64(random.f64()),
                // Some come back at once, and some of those who leave late when the run has ended.
                away: agent_speaks.mul_f64(random.f64().powi(2) / 2.0),
                in_good_order: random.bool(),
            })
            .collect();
        drops.sort_by_key(|drop| std::cmp::Reverse(drop.at));
        Self { drops }
    }
}

/// Sends a prompt, and reads until the run ends, over one connection or several.
pub(crate) async fn take_turn(url: String, prompt: String, mut plan: Plan) -> Turn {
    let mut turn = Turn::default();
    let began = Instant::now();
    let mut message = prompt;
    loop {
        let client = Client::connect_without_limit(&url, &[]).await;
        let mut client = client.expect("the handshake succeeds");
        client.send(message).await;
        let left = turn.read(&mut client, began, &mut plan).await;
        match left {
            Left::Ended => {
                client.close().await;
                turn.read_what_follows(&mut client).await;
                return turn;
            }
            Left::Dropped(PlannedDrop { away, in_good_order, .. }) => {
                turn.drops += 1;
                if in_good_order {
                    client.close().await;
                }
                drop(client);
                sleep(away).await;
            }
            Left::Closed => turn.closed += 1,
            Left::Silent => turn.silences += 1,
        }
        let Some(key) = &turn.received.key else { return turn };
        let after = i64::try_from(turn.received.frames).expect("so many frames are few") - 1;
        message = json!({"join": {"key": key, "after": after}}).to_string();
        turn.joins += 1;
    }
}

impl Turn {
    /// Reads until the run or the connection ends.
    async fn read(&mut self, client: &mut Client, began: Instant, plan: &mut Plan) -> Left {
        loop {
            let can_join = self.received.key.is_some();
            let next_drop = plan.drops.last().filter(|_| can_join).map(|drop| began + drop.at);
            let dropping = async {
                match next_drop {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            let limit = if can_join { WATCHDOG } else { SILENCE_LIMIT };
            tokio::select! {
                text = client.next_text(limit) => match text {
                    Ok(text) => {
                        self.take(&text);
                        if self.received.end.is_some() {
                            return Left::Ended;
                        }
                    }
                    Err(NoText::TimedOut) => return Left::Silent,
                    Err(NoText::Closed(_)) => return Left::Closed,
                },
                () = dropping => {
                    if let Some(drop) = plan.drops.pop() {
                        return Left::Dropped(drop);
                    }
                }
            }
        }
    }

    /// Nothing may follow the end but frames that had come before.
    async fn read_what_follows(&mut self, client: &mut Client) {
        while let Ok(text) = client.next_text(SILENCE_LIMIT).await {
            self.take(&text);
        }
    }

    fn take(&mut self, frame: &str) {
        self.frames += u64::from(self.received.read(frame).is_none());
    }
}
