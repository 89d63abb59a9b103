//! The frames of one run as a client has them that drops what it knows already, and the log lines
//! that belong to the run.

use std::borrow::Cow;

use local_aws::Entry;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::test_bed::TestBed;
use crate::{Client, soon};

/// Reads the frames of one run one after the other and keeps what a user would see of them, which is
/// little enough for thousands of runs at once.
#[derive(Debug, Default)]
pub struct RunReader {
    /// How many frames there are, up to the last that came.
    pub frames: usize,
    /// The text of these frames, of each once.
    pub text: String,
    /// How many chunks the agent sent, as the last frame says.
    pub chunks: u64,
    /// How many frames came again.
    pub repeated: usize,
    /// How often frames were missing before one that came, or came too late.
    pub out_of_order: usize,
    /// How the run ended, if it has.
    pub end: Option<RunEnd>,
    /// What the run can be joined with, if it is kept.
    pub key: Option<String>,
    /// The code of the error that it ended with.
    pub code: Option<String>,
}

/// What the last frame of a run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    Finished,
    Failed,
}

/// What is read of a frame.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow, default)]
    delta: Delta<'a>,
    code: Option<&'a str>,
    metadata: Metadata,
}

/// Text, or what a `STATE_DELTA` has instead.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Delta<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(serde::de::IgnoredAny),
    #[default]
    None,
}

#[derive(Deserialize)]
struct Metadata {
    relay: Relay,
}

#[derive(Deserialize)]
struct Relay {
    seq: usize,
    /// The number of the frame that it comes behind, if it stands for several; −1 for none.
    after: Option<i64>,
    stats: Option<Stats>,
    key: Option<String>,
}

#[derive(Deserialize)]
struct Stats {
    chunks: u64,
}

impl RunReader {
    /// Reads a frame. Returns its number if it had come before, and is dropped.
    pub fn read(&mut self, frame: &str) -> Option<usize> {
        let frame: Frame<'_> = serde_json::from_str(frame).expect("a frame");
        let Relay { seq, after, stats, key } = frame.metadata.relay;
        if seq < self.frames {
            self.repeated += 1;
            return Some(seq);
        }
        let first = after.map_or(Some(seq), |after| usize::try_from(after + 1).ok());
        self.out_of_order += usize::from(first != Some(self.frames));
        self.frames = seq + 1;
        if let Delta::Text(delta) = &frame.delta {
            self.text.push_str(delta);
        }
        self.end = match frame.kind {
            "RUN_FINISHED" => Some(RunEnd::Finished),
            "RUN_ERROR" => Some(RunEnd::Failed),
            _ => None,
        };
        if let Some(Stats { chunks }) = stats {
            self.chunks = chunks;
        }
        self.key = self.key.take().or(key);
        self.code = frame.code.map(str::to_owned);
        None
    }
}

/// API Gateway's limit ("Amazon API Gateway quotas"), in bytes.
const LARGEST_FRAME: usize = 32 * 1024;

/// The frames of one run, none of which may be missing.
#[derive(Debug, Default)]
pub struct ReceivedRun {
    pub frames: Vec<Value>,
    reader: RunReader,
}

impl ReceivedRun {
    /// Takes the next frame, and returns whether the run has ended.
    pub async fn next_frame(&mut self, client: &mut Client) -> bool {
        let text = client.text().await;
        assert!(text.len() <= LARGEST_FRAME, "a frame of {} bytes", text.len());
        let frame: Value = serde_json::from_str(&text).unwrap();
        match self.reader.read(&text) {
            Some(seq) => assert_eq!(frame, self.frames[seq], "a number was given twice"),
            None => self.frames.push(frame),
        }
        assert_eq!(self.reader.out_of_order, 0, "a frame is missing before {text}");
        self.reader.end.is_some()
    }

    /// Takes all frames up to the end of the run.
    pub async fn read_to_end(&mut self, client: &mut Client) {
        while !self.next_frame(client).await {}
    }

    pub fn text(&self) -> String {
        self.reader.text.clone()
    }

    /// How many frames came again.
    pub fn repeated(&self) -> usize {
        self.reader.repeated
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
pub async fn receive_run(bed: &TestBed, run_id: &str, prompt: &str) -> ReceivedRun {
    let mut client = bed.client().await;
    client.send(ask_as(run_id, prompt).to_string()).await;
    let run = run_field(run_id);
    let silent_end = bed.aws.journal().wait_for(|entry| match entry {
        Entry::FunctionLog { line } => {
            let outcomes = ["client_gone", "undelivered", "out_of_time"];
            line.contains(&run) && outcomes.iter().any(|outcome| line.contains(outcome))
        }
        _ => false,
    });
    let mut received = ReceivedRun::default();
    tokio::select! {
        () = received.read_to_end(&mut client) => {}
        record = silent_end => panic!("{run_id}: the run ended without a last frame: {:?}", record.entry),
    }
    received
}

fn run_field(run_id: &str) -> String {
    format!("run_id=\"{run_id}\"")
}

/// The lines of log about a run, up to the metrics that come after the line that it ends with.
pub async fn log(bed: &TestBed, run_id: &str) -> Vec<String> {
    let run = run_field(run_id);
    let mut journal = bed.aws.journal().follow();
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
