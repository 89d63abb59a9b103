//! The command `local`: the real binary, with the real function as its child.
// The helpers below stand outside of tests, where the lints allow them.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

use local_aws::Source;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use test_support::test_bed::{ask, numbers, prompt, text};
use test_support::{Client, json_of, soon};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

const LOCAL: &str = env!("CARGO_BIN_EXE_local");

/// The running command.
struct Local {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// All lines so far.
    output: String,
    websocket_url: String,
    function_pid: u32,
}

impl Local {
    /// Starts the command, and waits until it says that it is ready.
    async fn start(arguments: &[&str]) -> Self {
        Self::start_in(&[], arguments).await
    }

    /// The same with more environment variables.
    async fn start_in(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut child = Command::new(LOCAL)
            .args(["--port", "0"])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (output, websocket_url) = (String::new(), String::new());
        let mut local = Self { child, lines, output, websocket_url, function_pid: 0 };
        // A function that is ready at once may be so before the log says that it has started.
        local.has_said("Stop  ").await;
        let started = local.has_said("started").await;
        local.function_pid = started.rsplit(' ').next().unwrap().parse().unwrap();
        let socket = local.has_said("WebSocket").await;
        socket.split_whitespace().last().unwrap().clone_into(&mut local.websocket_url);
        local
    }

    /// The first line that contains a text, which may have come already.
    async fn has_said(&mut self, part: &str) -> String {
        let line = self.output.lines().find(|line| line.contains(part)).map(str::to_owned);
        match line {
            Some(line) => line,
            None => self.line(part).await,
        }
    }

    /// Reads up to the next line that contains a text, and returns it.
    async fn line(&mut self, part: &str) -> String {
        loop {
            let line = soon(part, self.lines.next_line()).await.unwrap();
            let line = line.unwrap_or_else(|| panic!("no {part:?} in {}", self.output));
            self.output += &line;
            self.output.push('\n');
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Waits for the end: the status, and what is on standard error.
    async fn ended(&mut self) -> (ExitStatus, String) {
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).await.unwrap();
        (soon("the end", self.child.wait()).await.unwrap(), errors)
    }
}

/// Sends a signal, and returns whether there was such a process.
async fn signal(name: &str, pid: u32) -> bool {
    let kill = format!("kill -{name} {pid}");
    let status = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status();
    status.await.unwrap().success()
}

/// Whether a process runs. One that has ended may still be there, where nobody asks how it ended.
async fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    signal("0", pid).await && !stat.contains(") Z ")
}

async fn run(arguments: &[&str]) -> Output {
    soon("the end", Command::new(LOCAL).args(arguments).kill_on_drop(true).output()).await.unwrap()
}

/// One turn: the frames up to the last one of the run.
async fn turn(url: &str, message: &Value) -> Vec<Value> {
    let mut client = Client::connect_to(url, &[]).await.unwrap();
    client.send(message.to_string()).await;
    let mut frames = Vec::new();
    loop {
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        let kind = frame["type"].as_str().unwrap().to_owned();
        frames.push(frame);
        if kind == "RUN_FINISHED" || kind == "RUN_ERROR" {
            return frames;
        }
    }
}

#[tokio::test]
async fn a_prompt_is_answered_and_a_signal_stops_everything() {
    for name in ["INT", "TERM"] {
        let mut local = Local::start(&[]).await;
        let prompt = json!({ "prompt": "/tokens 20 200" });
        let frames = turn(&local.websocket_url, &prompt).await;
        assert_eq!(frames[0]["type"], "RUN_STARTED");
        assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");
        let text: String = frames.iter().filter_map(|frame| frame["delta"].as_str()).collect();
        assert_eq!(text.split_whitespace().count(), 20);
        local.line("$disconnect").await;

        let pid = local.child.id().unwrap();
        assert!(signal(name, pid).await);
        let (status, errors) = local.ended().await;
        assert_eq!((status.code(), &*errors), (Some(0), ""), "after SIG{name}");
        assert!(!signal("0", local.function_pid).await, "the function is still running");
        // One can watch the turn, and without a terminal there are no colours.
        for part in ["$connect", "connected", "$default", "RUN_STARTED", "finished", "RUN_FINISHED"]
        {
            assert!(local.output.contains(part), "no {part} in {}", local.output);
        }
        assert!(!local.output.contains('\u{1b}'), "{}", local.output);
    }
}

#[tokio::test]
async fn another_executable_can_be_the_function() {
    // The one that is deployed. It is of another package, which a bare `cargo test` builds, too.
    let program = Path::new(LOCAL).with_file_name("agent-relay");
    assert!(program.exists(), "run `cargo build` at the root of the repository first");
    let program = program.to_str().unwrap();
    let local = Local::start(&["--function", program, "--concurrency", "1"]).await;
    let url = &local.websocket_url;
    let input = json!({
        "threadId": "thread-1",
        "runId": "run-1",
        "messages": [{ "id": "m1", "role": "user", "content": "/slow 0" }],
    });
    for turns in 1..=2 {
        let frames = turn(url, &input).await;
        assert_eq!(frames[0]["runId"], "run-1");
        let text: String = frames.iter().filter_map(|frame| frame["delta"].as_str()).collect();
        assert!(text.contains(&format!("turn {turns} of this conversation")), "{text}");
    }
}

/// A function that says what it is told to ask, and then waits for an event for ever.
fn telling_function(folder: &Path) -> String {
    let script = r#"#!/usr/bin/env bash
for name in AGENT_ID HARNESS_ARN HARNESS_ENDPOINT RUNTIME_ARN RUNTIME_ENDPOINT STOP_ON_LEAVE SUGGESTED_PROMPTS PAGE_SETTINGS \
    RUNS_TABLE RESUME_HOURS AWS_ENDPOINT_URL_DYNAMODB \
    AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME AWS_ENDPOINT_URL_BEDROCK_AGENTCORE; do
    echo "$name=${!name}."
done
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"
printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n' >&3
exec cat <&3
"#;
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("function");
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_function_is_told_what_to_ask() {
    let folder = std::env::temp_dir().join(format!("local-source-{}", std::process::id()));
    let function = telling_function(&folder);
    let arn = "arn:aws:bedrock-agentcore:eu-central-1:111122223333:harness/my_harness-Ab12Cd34Ef";
    let own = local_aws::HARNESS_ARN;
    let runtime = arn.replace("harness/", "runtime/").replace("my_harness", "my_agent");
    let own_runtime = local_aws::RUNTIME_ARN;
    let cases: [(&[&str], &[&str]); 8] = [
        (
            &["--resume-hours", "0"],
            &["RUNS_TABLE=.", "RESUME_HOURS=.", "AWS_ENDPOINT_URL_DYNAMODB=."],
        ),
        (&["--resume-hours", "168"], &["RUNS_TABLE=runs.", "RESUME_HOURS=168.", "(168 h)"]),
        (
            &[],
            &[
                "RUNS_TABLE=runs.",
                "RESUME_HOURS=24.",
                "/dynamodb.",
                "/dynamodb (24 h)",
                "AGENT_ID=LOCALAGENT.",
                "HARNESS_ARN=.",
                "STOP_ON_LEAVE=.",
                "AGENTCORE=.",
                "Agent      scripted",
            ],
        ),
        (
            &["--source", "harness"],
            &[
                "AGENT_ID=.",
                &format!("HARNESS_ARN={own}."),
                "HARNESS_ENDPOINT=.",
                "STOP_ON_LEAVE=false.",
                "/agentcore.",
                "AGENT_RUNTIME=.",
                "|/work|",
                r#""prompt":"/work""#,
                "Harness    scripted",
            ],
        ),
        (
            &["--source", "harness", "--harness-arn", arn, "--stop-on-leave", "true"],
            &[
                &format!("HARNESS_ARN={arn}."),
                "STOP_ON_LEAVE=true.",
                "AGENTCORE=.",
                "SUGGESTED_PROMPTS=What can you do?.",
                "PAGE_SETTINGS=.",
                &format!("Harness    AgentCore's {arn}\n"),
            ],
        ),
        (
            &["--harness-arn", arn, "--harness-endpoint", "prod"],
            &["HARNESS_ENDPOINT=prod.", &format!("{arn}, endpoint prod")],
        ),
        (
            &["--source", "runtime"],
            &[
                "AGENT_ID=.",
                "HARNESS_ARN=.",
                &format!("RUNTIME_ARN={own_runtime}."),
                "RUNTIME_ENDPOINT=.",
                "STOP_ON_LEAVE=false.",
                "/agentcore.",
                "|/strands|",
                "Runtime    scripted",
            ],
        ),
        (
            &["--runtime-arn", &runtime, "--runtime-endpoint", "prod", "--stop-on-leave", "true"],
            &[
                &format!("RUNTIME_ARN={runtime}."),
                "RUNTIME_ENDPOINT=prod.",
                "STOP_ON_LEAVE=true.",
                "AGENTCORE=.",
                &format!("Runtime    AgentCore's {runtime}, endpoint prod"),
            ],
        ),
    ];
    for (arguments, said) in cases {
        let mut local = Local::start(&[&["--function", &*function], arguments].concat()).await;
        // What it says may come after the welcome.
        local.has_said("BEDROCK_AGENTCORE=").await;
        for part in said {
            assert!(local.output.contains(part), "no {part} in {}", local.output);
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn settings_of_the_machine_for_aws_do_not_lead_the_function_away() {
    let environment = [
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("http_proxy", "http://127.0.0.1:1"),
        ("NO_PROXY", "internal.example"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ("AWS_PROFILE", "does-not-exist"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
    ];
    let local = Local::start_in(&environment, &[]).await;
    let frames = turn(&local.websocket_url, &json!({ "prompt": "/slow 0" })).await;
    assert_eq!(frames.last().unwrap()["type"], "RUN_FINISHED");
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_and_the_console_says_why() {
    let mut local = Local::start(&[]).await;
    let own = local.websocket_url.replace("ws://", "http://").replace("/local", "");
    let own_by_name = own.replace("127.0.0.1", "localhost");
    for origin in [&*own, &*own_by_name] {
        assert!(Client::connect_to(&local.websocket_url, &[("origin", origin)]).await.is_ok());
    }
    // A program sends none.
    assert!(Client::connect_to(&local.websocket_url, &[]).await.is_ok());
    for origin in ["http://localhost:5173", "https://chat.example.com", "null"] {
        let refused = Client::connect_to(&local.websocket_url, &[("origin", origin)]).await;
        assert!(refused.is_err(), "{origin}");
        let reason = local.line("ALLOWED_ORIGINS does not name").await;
        assert!(reason.contains(origin), "{reason}");
    }

    let named = Local::start(&["--allowed-origins", "http://localhost:5173"]).await;
    let own = named.websocket_url.replace("ws://", "http://").replace("/local", "");
    for (origin, enters) in
        [("http://localhost:5173", true), ("http://localhost:5174", false), (&own, true)]
    {
        let connected = Client::connect_to(&named.websocket_url, &[("origin", origin)]).await;
        assert_eq!(connected.is_ok(), enters, "{origin}");
    }
}

#[tokio::test]
async fn the_end_of_the_function_is_the_end_of_everything() {
    let mut local = Local::start(&[]).await;
    assert!(signal("KILL", local.function_pid).await);
    let (status, errors) = local.ended().await;
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("the function ended unexpectedly (signal: 9"), "{errors}");
}

#[tokio::test]
async fn the_function_does_not_outlive_a_command_that_was_killed() {
    let local = Local::start(&[]).await;
    assert!(signal("KILL", local.child.id().unwrap()).await);
    let ended = async { while is_running(local.function_pid).await {} };
    soon("the function's end", ended).await;
}

#[tokio::test]
async fn a_function_that_cannot_run_is_named() {
    let output = run(&["--port", "0", "--function", "/does/not/exist"]).await;
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.starts_with("error: cannot run the function /does/not/exist: "), "{errors}");
    assert_eq!(errors.lines().count(), 1);
}

#[tokio::test]
async fn a_port_in_use_gives_one_clear_sentence() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let output = run(&["--port", &port]).await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "error: port {port} is in use by another program: choose another one with --port\n"
        ),
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
}

#[tokio::test]
async fn slips_in_the_arguments_are_explained() {
    let arn = "arn:aws:bedrock-agentcore:eu-central-1:111122223333:harness/my_harness-Ab12Cd34Ef";
    let agent = ["--agent-id", "ABCDEFGHIJ", "--agent-alias-id", "KLMNOPQRST"];
    let (with_arn, with_source) = (
        [&agent[..], &["--harness-arn", arn]].concat(),
        [&agent[..], &["--source", "harness"]].concat(),
    );
    let runtime = arn.replace("harness/", "runtime/");
    let own = local_aws::RUNTIME_ARN;
    let cases: [(&[&str], &str); 27] = [
        (&["--source", "lambda"], "possible values: agent, harness, runtime"),
        (&["--runtime-arn", arn], "the ARN of a runtime is like"),
        // That is the one behind a harness.
        (&["--runtime-arn", &runtime], "the ARN of a runtime is like"),
        (&["--runtime-endpoint", "prod"], "--runtime-arn"),
        (&["--runtime-arn", own, "--harness-arn", arn], "cannot be used with"),
        (&["--runtime-arn", own, "--source", "harness"], "are about different things"),
        (&["--source", "runtime", "--record", "said.jsonl"], "--record is about"),
        (&["--resume-hours", "169"], "0..=168"),
        (&["--resume-hours=-1"], "--resume-hours"),
        (&["--resume-hours", "1.5"], "--resume-hours"),
        (&["--swallow", "1.1"], "a rate is a number from 0 to 1"),
        (&["--half-open", "often"], "a rate is a number from 0 to 1"),
        (&["--harness-arn", "arn:aws:bedrock-agentcore:x"], "the ARN of a harness is like"),
        (&["--harness-endpoint", "prod"], "--harness-arn"),
        (&["--harness-arn", arn, "--harness-endpoint", "1st"], "begins with a letter"),
        (&["--harness-arn", arn, "--source", "agent"], "are about different things"),
        (&with_arn, "cannot be used with"),
        (&with_source, "are about different things"),
        (&["--stop-on-leave", "true"], "is about a harness"),
        (&["--source", "harness", "--stop-on-leave", "perhaps"], "possible values: true, false"),
        (&["--record", "said.txt"], "ends with .jsonl"),
        (&["--agent-id", "ABCDEFGHIJ"], "--agent-alias-id"),
        (&["--agent-alias-id", "ABCDEFGHIJ"], "--agent-id"),
        (&["--agent-id", "arn:aws:bedrock:x", "--agent-alias-id", "A"], "ten letters and digits"),
        (&["--concurrency", "0"], "1..=1600"),
        (&["--post-latency-ms", "soon"], "--post-latency-ms"),
        (&["--page-settings", "nowhere.json"], "it cannot be read"),
    ];
    for (arguments, reason) in cases {
        let output = run(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
    }
}

/// The frames of a run without what differs from run to run.
fn contents(frames: Vec<Value>) -> Vec<Value> {
    let without_session = |frame: &mut Value| {
        let payload = frame.pointer_mut("/event/trace")?.as_object_mut()?;
        payload.remove("sessionId")
    };
    let deltas = |frames: &[Value]| -> String {
        frames.iter().filter_map(|frame| frame["delta"].as_str()).collect()
    };
    let mut contents = vec![json!(deltas(&frames))];
    for mut frame in frames {
        // How the text is cut depends on how fast it is.
        if frame["type"] == "RAW" {
            without_session(&mut frame);
            contents.push(frame["event"].take());
        }
    }
    contents
}

#[tokio::test]
async fn what_a_real_agent_says_is_recorded_and_played_without_it() {
    let folder = std::env::temp_dir().join(format!("local-record-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("said.jsonl");
    // The real agent is one on this machine. It stands where the machine's settings say.
    let real = test_support::start(local_aws::Options::default()).await;
    let endpoint = real.agent_url();
    let environment = [
        ("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME", &*endpoint),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEOFTHEMACHINE"),
        ("AWS_SECRET_ACCESS_KEY", "secret-of-the-machine"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let arguments = ["--agent-id", "REALAGENT1", "--agent-alias-id", "REALALIAS1", "--record"];
    let arguments = [&arguments[..], &[file.to_str().unwrap()]].concat();
    let prompts = [json!({ "prompt": "/team", "trace": true }), json!({ "prompt": "/emoji" })];
    let mut said = Vec::new();
    let mut local = Local::start_in(&environment, &arguments).await;
    for prompt in &prompts {
        said.push(contents(turn(&local.websocket_url, prompt).await));
        local.line("recorded").await;
    }
    assert!(local.output.contains("Recording"), "{}", local.output);
    let requests = real.journal().entries();
    let asked = |entry: &local_aws::Entry| match entry {
        local_aws::Entry::AgentInvoked { request, .. } => {
            request["inputText"].as_str().map(str::to_owned)
        }
        _ => None,
    };
    assert_eq!(requests.iter().filter_map(asked).collect::<Vec<_>>(), ["/team", "/emoji"]);
    drop(local);
    real.stop().await;

    let text = std::fs::read_to_string(&file).unwrap();
    for secret in ["AKIA", "secret-of", "/emoji", "REALAGENT1"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let local = Local::start(&["--timelines", folder.to_str().unwrap()]).await;
    for (number, said) in said.into_iter().enumerate() {
        let prompt = format!("/play said.jsonl {}", number + 1);
        let played = turn(&local.websocket_url, &json!({ "prompt": prompt, "trace": true })).await;
        let played = contents(played);
        let ours = |text: String| {
            text.replace("LOCALAGENT", "REALAGENT1").replace("LOCALALIAS", "REALALIAS1")
        };
        let played: Value = serde_json::from_str(&ours(json!(played).to_string())).unwrap();
        assert_eq!(played, json!(said));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn more_lost_clients_than_clients_are_none() {
    let output = run(&["--port", "0", "--vanish", "0.5", "--swallow", "0.6"]).await;
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("the rates of the faults of clients add up to 1.1"), "{errors}");
}

#[tokio::test]
async fn help_has_examples_and_scenarios() {
    let output = run(&["--help"]).await;
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for source in [Source::Agent, Source::Harness, Source::Runtime] {
        for (usage, _) in source.scenarios() {
            assert!(help.contains(&usage), "no {usage} in {help}");
        }
    }
    assert!(help.contains("cargo run -- --port 9000"), "{help}");
}

#[tokio::test]
async fn the_command_checks_and_explains_what_makes_it_like_aws() {
    for (arguments, reason) in [
        (["--rtt-ms", "1001"], "0..=1000"),
        (["--cpu-share", "127"], "128..=10240"),
        (["--cpu-share", "10241"], "128..=10240"),
    ] {
        let output = run(&arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
    }
    let help = String::from_utf8(run(&["--help"]).await.stdout).unwrap();
    for option in ["--tls", "--rtt-ms", "--cpu-share", "--record", "--timelines"] {
        assert!(help.contains(option), "no {option} in {help}");
    }
}

#[tokio::test]
async fn the_command_says_that_tls_is_on() {
    let mut child = Command::new(LOCAL)
        .args(["--port", "0", "--tls", "--rtt-ms", "3"])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut welcome = String::new();
    while !welcome.contains("Ctrl-C") {
        welcome += &soon("a line", lines.next_line()).await.unwrap().unwrap();
        welcome.push('\n');
    }
    assert!(
        welcome.contains("TLS        for agent, callbacks and table, by HTTP/2 or HTTP/1.1"),
        "{welcome}"
    );
    assert!(
        welcome.contains("Distance   3 ms to agent, callbacks and table and back"),
        "{welcome}"
    );
    assert!(welcome.contains("Table      https://127.0.0.1:"), "{welcome}");
    let url = welcome.lines().find(|line| line.contains("WebSocket")).unwrap();
    let url = url.split_whitespace().last().unwrap();
    let mut client = Client::connect_to(url, &[]).await.unwrap();
    let frames: Vec<Value> = ask(&mut client, &prompt("/tokens 20 200")).await;
    assert_eq!(text(&frames), numbers(20));

    // Browsers do not trust what the function trusts.
    let page = welcome.lines().find(|line| line.contains("Page")).unwrap();
    let settings = format!("{}config.json", page.split_whitespace().last().unwrap());
    assert_eq!(json_of(&settings).await["endpoint"], url);

    let authority = welcome.split("trusts ").nth(1).unwrap().lines().next().unwrap();
    assert!(Path::new(authority).exists());
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    assert!(soon("the end", child.wait()).await.unwrap().success());
    assert!(!Path::new(authority).exists());
}
