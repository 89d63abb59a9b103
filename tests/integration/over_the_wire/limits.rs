//! The limits of the process: its end while a client is being told, and its file descriptors.

use std::time::Duration;

use futures::future::join_all;
use local_aws::{AwsLimits, Options, Program};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::time::Instant;

use super::server::{Server, Step};
use test_support::received_run::receive_run;
use test_support::soon;
use test_support::test_bed::{TestBed, numbers, prompt};

#[tokio::test]
async fn a_shutdown_ends_a_refusal_whose_post_hangs() {
    let server = Server::start(|_| vec![Step::Hang]).await;
    let url = server.callback_url();
    let changes = [("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", url.as_str())];
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    let mut client = bed.client().await;
    client.send(json!({"prompt": 1}).to_string()).await;
    server.wait_for("the refusal", |record| record.requests.len() == 1).await;
    let pid = Pid::from_raw(i32::try_from(bed.function.pid()).unwrap()).unwrap();
    let told = Instant::now();
    kill_process(pid, Signal::TERM).unwrap();
    let TestBed { mut function, .. } = bed;
    let exited = soon("the end of the process", function.exited()).await;
    // A second and a half, and as much again for a busy machine.
    assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
    assert!(exited.to_string().contains("exit code 0"), "{exited}");
}

#[tokio::test]
async fn too_many_turns_for_the_open_files_are_refused_with_a_reason() {
    const TURNS: u16 = 30;
    // A turn takes three descriptors: one to the Runtime API, one to the agent and one to the client.
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/over_the_wire/few-files");
    let program = Program::Executable(program.into());
    let changes = [("FUNCTION_UNDER_TEST", env!("CARGO_BIN_EXE_agent-relay"))];
    let limits = AwsLimits { message_grace: Duration::from_secs(5), ..AwsLimits::default() };
    let options = Options { concurrency: TURNS, limits, ..Options::default() };
    let bed = TestBed::with_program(options, &program, &changes).await;
    let turns = (0..TURNS)
        .map(async |number| receive_run(&bed, &format!("at-once-{number}"), "/tokens 40 20").await);
    let mut answered = 0;
    for turn in join_all(turns).await {
        if turn.end() == "RUN_FINISHED" {
            assert_eq!(turn.text(), numbers(40));
            answered += 1;
            continue;
        }
        let error = turn.last();
        assert_eq!(error["code"], "internal", "{error}");
        assert_eq!(error["metadata"]["relay"]["retryable"], true, "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("too many turns"), "{message}");
    }
    assert!(answered > 0, "nobody got an answer");
    let frames = bed.ask(&prompt("/tokens 3 200")).await;
    assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");
}
