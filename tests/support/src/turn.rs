//! A turn on a wire where frames may arrive twice, and the log lines that belong to it.

use local_aws::Entry;
use serde_json::{Value, json};

use crate::stage::{Stage, text};
use crate::{Client, soon};

/// The frames of one run, as a client has them that drops what it knows already.
#[derive(Debug, Default)]
pub struct Turn {
    pub frames: Vec<Value>,
    /// Frames that came again.
    pub repeated: usize,
}

impl Turn {
    pub fn text(&self) -> String {
        text(&self.frames)
    }

    /// The type of the frame that ends the run.
    pub fn end(&self) -> &str {
        self.last()["type"].as_str().unwrap()
    }

    /// The code of the error that ended the run.
    pub fn code(&self) -> &str {
        self.last()["code"].as_str().unwrap_or("none")
    }

    pub fn last(&self) -> &Value {
        self.frames.last().unwrap()
    }
}

/// A prompt under a run id of the test's own, by which its log lines are found, and in a session of
/// the same name.
pub fn ask_as(run_id: &str, prompt: &str) -> Value {
    json!({
        "threadId": run_id,
        "runId": run_id,
        "messages": [{"id": "1", "role": "user", "content": prompt}],
    })
}

/// Asks on a connection of its own, and collects the frames of the run. A run that ends without a last
/// frame fails the test at once, with the line of log that says why.
pub async fn turn(stage: &Stage, run_id: &str, prompt: &str) -> Turn {
    let mut client = stage.client().await;
    client.send(ask_as(run_id, prompt).to_string()).await;
    let mut turn = Turn::default();
    let run = run_field(run_id);
    let silent_end = stage.aws.journal().wait_for(|entry| match entry {
        Entry::FunctionLog { line } => {
            let outcomes = ["client_gone", "undelivered", "out_of_time"];
            line.contains(&run) && outcomes.iter().any(|outcome| line.contains(outcome))
        }
        _ => false,
    });
    let frames = async { while !hear(&mut client, &mut turn).await {} };
    tokio::select! {
        () = frames => turn,
        record = silent_end => panic!("{run_id}: the run ended without a word: {:?}", record.entry),
    }
}

fn run_field(run_id: &str) -> String {
    format!("run_id=\"{run_id}\"")
}

/// Takes the next frame of a turn, and returns whether it was the last.
pub async fn hear(client: &mut Client, turn: &mut Turn) -> bool {
    let frame: Value = serde_json::from_str(&client.text().await).unwrap();
    let seq = usize::try_from(frame["metadata"]["relay"]["seq"].as_u64().unwrap()).unwrap();
    if let Some(known) = turn.frames.get(seq) {
        assert_eq!(frame, *known, "a number was given twice");
        turn.repeated += 1;
        return false;
    }
    assert_eq!(seq, turn.frames.len(), "a frame is missing: {frame}");
    let ended = matches!(frame["type"].as_str().unwrap(), "RUN_FINISHED" | "RUN_ERROR");
    turn.frames.push(frame);
    ended
}

/// The lines of log about a run, up to the metrics that come after the line that it ends with.
pub async fn log(stage: &Stage, run_id: &str) -> Vec<String> {
    let run = run_field(run_id);
    let mut journal = stage.aws.journal().follow();
    let collected = async {
        let (mut lines, mut ended) = (Vec::new(), false);
        loop {
            let Entry::FunctionLog { line } = journal.next().await.entry else { continue };
            if ended && line.contains("CloudWatchMetrics") {
                return lines;
            }
            if line.contains(&run) {
                ended |= line.contains("run ended");
                lines.push(line);
            }
        }
    };
    soon("the end of the run", collected).await
}

/// How often the agent was called again.
pub fn calls_again(log: &[String]) -> usize {
    log.iter().filter(|line| line.contains("the agent is called again")).count()
}

/// The line that a run ends with.
pub fn summary(log: &[String]) -> &str {
    log.iter().find(|line| line.contains("run ended")).unwrap()
}
