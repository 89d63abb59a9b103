//! `scripts/live-check` against deployments that are well and that are broken: the script itself, the process that is
//! deployed, and between them what stands between an operator and AWS, TLS at least.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use local_aws::{AwsLimits, Entry, Exception, Faults, Options, Source};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::frozen::{Fault, Place};
use super::tls::Identity;
use test_support::source::source;
use test_support::table::with_table;
use test_support::test_bed::TestBed;

const CODE: &str = "correct horse battery staple";

/// How long the whole script may take before a test fails: a guard against hanging.
const SCRIPT_LIMIT: Duration = Duration::from_mins(3);

/// What stands between the script and the local AWS. It speaks TLS to the script, as AWS does.
struct Front {
    address: SocketAddr,
    upstream: &'static OnceLock<SocketAddr>,
    accepting: JoinHandle<()>,
}

/// What it does with what comes from the local AWS.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// It passes it on.
    Honest,
    /// Of a WebSocket, it passes on the handshake and nothing else.
    Swallows,
    /// It passes on what it has when nothing more has come for so long.
    Gathers(Duration),
}

impl Front {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        // One a test, and tests end with their process.
        let upstream: &'static OnceLock<SocketAddr> = Box::leak(Box::default());
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let upstream = *upstream.get().expect("the local AWS is there first");
                    let server = TcpStream::connect(upstream).await.unwrap();
                    // A script that does not like what it sees goes in the middle of it.
                    if let Ok(client) = Identity::of_servers().acceptor.accept(client).await {
                        pass_on(client, server, manner).await;
                    }
                });
            }
        });
        Self { address, upstream, accepting }
    }

    fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries bytes both ways until one side ends.
async fn pass_on<S: AsyncRead + AsyncWrite>(client: S, server: TcpStream, manner: Manner) {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let up = tokio::io::copy(&mut from_client, &mut to_server);
    let down = async {
        let mut is_websocket = false;
        let mut waiting = Vec::new();
        loop {
            let mut piece = vec![0; 16 * 1024];
            let read = from_server.read(&mut piece);
            let count = match manner {
                Manner::Gathers(pause) if !waiting.is_empty() => {
                    let Ok(count) = timeout(pause, read).await else {
                        to_client.write_all(&std::mem::take(&mut waiting)).await?;
                        to_client.flush().await?;
                        continue;
                    };
                    count.unwrap_or(0)
                }
                _ => read.await.unwrap_or(0),
            };
            waiting.extend_from_slice(&piece[..count]);
            let is_handshake = waiting.starts_with(b"HTTP/1.1 101 ");
            if is_websocket && manner == Manner::Swallows {
                waiting.clear();
            }
            is_websocket |= is_handshake;
            let waits = matches!(manner, Manner::Gathers(_)) && !is_handshake && count > 0;
            if !waits {
                to_client.write_all(&std::mem::take(&mut waiting)).await?;
                to_client.flush().await?;
            }
            if count == 0 {
                return to_client.shutdown().await;
            }
        }
    };
    tokio::select! {
        _ = up => {}
        _ = down => {}
    }
}

/// A deployment behind its front, which keeps runs and asks for a code.
async fn deploy(front: &Front, options: Options, changes: &[(&str, &str)]) -> TestBed {
    let (socket, page) = (front.url("wss", "/local"), front.url("https", ""));
    let own = [
        ("ACCESS", "code"),
        ("ACCESS_CODE", CODE),
        ("WEBSOCKET_URL", &*socket),
        ("ALLOWED_ORIGINS", &*page),
        ("KEEPALIVE_SECONDS", "1"),
    ];
    let options = with_table(Options { authorizer: true, ..options }, 1);
    let changes: Vec<_> = own.into_iter().chain(changes.iter().copied()).collect();
    let bed = TestBed::with_environment(options, &changes).await;
    front.upstream.set(bed.aws.address()).unwrap();
    bed
}

/// What the script has said.
struct Report {
    code: i32,
    /// The table, as people read it.
    printed: String,
    /// The same for programs.
    json: Value,
}

impl Report {
    fn row(&self, id: &str) -> &Value {
        let rows = self.json["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["id"] == id);
        row.unwrap_or_else(|| panic!("there is no row {id}:\n{}", self.printed))
    }

    fn verdict(&self, id: &str) -> &str {
        self.row(id)["verdict"].as_str().unwrap()
    }

    /// The rows with this verdict.
    fn ids_of(&self, verdict: &str) -> Vec<&str> {
        let rows = self.json["rows"].as_array().unwrap().iter();
        rows.filter(|row| row["verdict"] == verdict)
            .map(|row| row["id"].as_str().unwrap())
            .collect()
    }

    /// No row says no. One that does is named before the whole table, which a log may cut.
    fn passes(&self) {
        let failed = self.ids_of("no");
        assert!(failed.is_empty(), "{failed:?} failed in:\n{}", self.printed);
        assert_eq!((self.code, &self.json["passed"]), (0, &Value::Bool(true)), "{}", self.printed);
    }

    /// These rows, and no others, say no, and the first of them says what to do in these words.
    fn fails(&self, ids: &[&str], words: &[&str]) {
        assert_eq!((self.code, &self.json["passed"]), (1, &Value::Bool(false)), "{}", self.printed);
        let failed = self.ids_of("no");
        assert_eq!(failed, ids, "{failed:?} failed in:\n{}", self.printed);
        let todo = self.row(ids[0])["todo"].as_str().unwrap();
        for word in words {
            assert!(todo.contains(word), "{word} is not in: {todo}");
        }
        assert!(self.printed.contains("NO "), "{}", self.printed);
        assert!(!self.printed.contains(CODE), "the code is in what was printed");
    }
}

/// Runs the script with these options besides the addresses.
async fn live_check(name: &str, front: &Front, more: &[&str]) -> Report {
    let file = folder().join(format!("{name}-{}.json", std::process::id()));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/live-check");
    let script = Command::new(script)
        .args(["--url", &front.url("wss", "/local"), "--http", &front.url("https", "/agui")])
        .args(["--page", &front.url("https", "/"), "--json", file.to_str().unwrap()])
        .args(more)
        .env("ACCESS_CODE", CODE)
        .env("SSL_CERT_FILE", Identity::of_servers().authority())
        .kill_on_drop(true)
        .output();
    let output = timeout(SCRIPT_LIMIT, script).await.expect("the script ends").unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "", "{printed}");
    let json = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {printed}"));
    fs::remove_file(file).unwrap();
    assert!(!json.contains(CODE), "the code is in the figures");
    Report {
        code: output.status.code().unwrap(),
        printed,
        json: serde_json::from_str(&json).unwrap(),
    }
}

/// Where timelines and figures are.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live-check");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Freezes the function whenever it has nothing to do, as Lambda does, until the next event is there. Each time
/// the connections that it keeps die.
async fn freeze_between_events(bed: &TestBed, freezes: &mut u32) {
    let mut follower = bed.aws.journal().follow();
    // One that carries a run asks for no event until that has ended.
    let workers = i32::from(bed.aws.options().concurrency);
    let mut waiting = 0;
    loop {
        while waiting < workers {
            waiting += more_wait(&follower.next().await.entry);
        }
        while let Some(record) = follower.try_next() {
            waiting += more_wait(&record.entry);
        }
        if waiting < workers {
            continue;
        }
        bed.function.freeze().await.unwrap();
        loop {
            let entry = follower.next().await.entry;
            waiting += more_wait(&entry);
            if matches!(entry, Entry::FunctionFrozen { .. }) {
                break;
            }
        }
        // An event that went out before it stood still is worked on by now, and Lambda freezes nobody who works.
        if waiting == workers {
            let _ = Place::Both.put(Fault::WriteReset, bed);
            *freezes += 1;
            while waiting == workers {
                waiting += more_wait(&follower.next().await.entry);
            }
        }
        bed.function.thaw().unwrap();
    }
}

/// How many more workers wait for an event from here on.
fn more_wait(entry: &Entry) -> i32 {
    match entry {
        Entry::Invoked { .. } => -1,
        Entry::NextPolled => 1,
        _ => 0,
    }
}

#[tokio::test]
async fn a_deployment_that_is_well_passes_over_tls_and_frozen() {
    let front = Front::start(Manner::Honest).await;
    let limits = AwsLimits { integration_timeout: Duration::from_secs(1), ..AwsLimits::default() };
    let bed = deploy(&front, Options { tls: true, limits, ..Options::default() }, &[]).await;
    let mut freezes = 0;
    let options = ["--slow-prompt", "/slow 3", "--silence", "2", "--idle", "0.02,0.05"];
    let report = tokio::select! {
        report = live_check("well", &front, &options) => report,
        () = freeze_between_events(&bed, &mut freezes) => unreachable!(),
    };
    report.passes();
    let rows = report.json["rows"].as_array().unwrap();
    assert_eq!(report.ids_of("yes").len(), rows.len(), "{}", report.printed);
    assert!(freezes > 10, "the function was frozen {freezes} times only");

    // The figures are of what happened.
    let figure = |id: &str, name: &str| report.row(id)["figures"][name].as_f64().unwrap();
    assert!(report.row("handshake")["figures"]["tls"].as_str().unwrap().starts_with("TLSv1."));
    for id in ["silence", "http-silence"] {
        assert!(figure(id, "silenceMs") > 2_000.0 && figure(id, "keepalives") >= 1.0);
        assert!(figure(id, "longestGapMs") < figure(id, "silenceMs"), "{}", report.printed);
    }
    assert!(figure("first-answer", "firstFrameMs") < figure("first-answer", "firstTextMs"));
    assert!(figure("join", "characters") > 100.0);
    let runs = report.json["runs"].as_array().unwrap().len();
    assert_eq!(bed.agent_requests().len(), runs, "calls of the agent: {}", report.printed);
}

#[tokio::test]
async fn without_a_table_and_without_what_may_be_left_out_all_that_is_asked_passes() {
    let front = Front::start(Manner::Honest).await;
    let bed = deploy(&front, Options::default(), &[test_support::table::NO_TABLE]).await;
    let report = live_check("less", &front, &["--quick"]).await;
    report.passes();
    let left_out =
        ["join", "stop", "silence", "http-silence", "idle-1", "idle-6", "idle-15"].as_slice();
    assert_eq!(report.ids_of("not asked"), left_out, "{}", report.printed);
    assert!(report.printed.contains("--quick leaves out the waiting"));
    drop(bed);
}

#[tokio::test]
async fn what_an_answer_is_too_short_to_show_is_no_yes() {
    let front = Front::start(Manner::Honest).await;
    let bed = deploy(&front, Options::default(), &[]).await;
    let rows = ["--quick", "--only", "streaming,silence"];
    let prompts = ["--slow-prompt", "/tokens 1 0", "--prompt", "/tokens 3 0"];
    let report = live_check("short", &front, &[&rows[..], &prompts].concat()).await;
    assert_eq!(report.code, 1, "{}", report.printed);
    assert_eq!(report.ids_of("not seen"), ["streaming", "silence"], "{}", report.printed);
    let todo = |id| report.row(id)["todo"].as_str().unwrap();
    assert!(todo("streaming").contains("--prompt"), "{}", todo("streaming"));
    assert!(todo("silence").contains("--slow-prompt"), "{}", todo("silence"));
    drop(bed);
}

#[tokio::test]
async fn a_role_without_the_right_to_post_is_told_from_a_network_that_swallows() {
    let front = Front::start(Manner::Honest).await;
    let faults = Faults { forbidden_posts: 1.0, ..Faults::default() };
    let bed = deploy(&front, Options { faults, ..Options::default() }, &[]).await;
    let report = live_check("no-posts", &front, &["--quick", "--patience", "3"]).await;
    let words = ["execute-api:ManageConnections", "a pong", "undelivered"];
    report.fails(&["first-answer"], &words);
    assert_eq!(report.verdict("http-answer"), "yes", "HTTP needs no such right");
    assert_eq!(report.verdict("join"), "not asked");
    drop(bed);
}

#[tokio::test]
async fn an_agent_that_there_is_not_is_a_matter_of_its_ids() {
    let front = Front::start(Manner::Honest).await;
    let bed = deploy(&front, Options::default(), &[]).await;
    bed.aws.faults().refuse_next(u32::MAX, Exception::ResourceNotFound);
    let report = live_check("wrong-agent", &front, &["--quick"]).await;
    report.fails(&["first-answer", "http-answer"], &["AgentAliasId", "HarnessArn", "Region"]);
    let said = report.row("first-answer")["said"].as_str().unwrap();
    assert!(said.starts_with("resource_not_found"), "{said}");
}

#[tokio::test]
async fn an_origin_that_is_closed_to_its_own_page_is_named() {
    let front = Front::start(Manner::Honest).await;
    let other = [("ALLOWED_ORIGINS", "https://elsewhere.example")];
    let bed = deploy(&front, Options::default(), &other).await;
    let report = live_check("origin", &front, &["--quick"]).await;
    report.fails(&["own-origin", "http-origin"], &["AllowedOrigins"]);
    let said = report.row("own-origin")["said"].as_str().unwrap();
    assert!(said.contains("403") && said.contains(&front.url("https", "")), "{said}");
    assert_eq!(report.verdict("foreign-origin"), "yes");
    drop(bed);
}

#[tokio::test]
async fn an_agent_without_the_right_to_stream_is_told_from_a_function_that_may_not_ask_it() {
    // As Bedrock says it of an agent, in mid-stream; and as a harness tells of its model.
    let (lines, code) = match source() {
        Source::Harness => (
            r#"{"messageStart":{"role":"assistant"}}
{"exception":"runtimeClientError","message":"AccessDeniedException: not authorized to perform: bedrock:InvokeModelWithResponseStream"}
"#,
            "dependency_failed",
        ),
        Source::Agent | Source::Runtime => (
            r#"{"trace":{"orchestrationTrace":{"modelInvocationInput":{"traceId":"t-0","type":"ORCHESTRATION"}}}}
{"after_ms":50,"exception":"accessDeniedException"}
"#,
            "access_denied",
        ),
    };
    fs::write(folder().join("denied.jsonl"), lines).unwrap();
    let front = Front::start(Manner::Honest).await;
    let options = Options { timelines: Some(folder()), ..Options::default() };
    let bed = deploy(&front, options, &[]).await;
    let report = live_check("denied", &front, &["--quick", "--prompt", "/play denied.jsonl"]).await;
    let words = ["own role", "bedrock:InvokeModelWithResponseStream"];
    report.fails(&["first-answer", "http-answer"], &words);
    let row = report.row("first-answer");
    assert_eq!(row["figures"]["code"], code);
    if code == "access_denied" {
        let todo = row["todo"].as_str().unwrap();
        assert!(todo.contains("not the function's"), "the function is blamed: {todo}");
    }
    drop(bed);

    // The function itself may not ask: nobody has spoken before.
    let front = Front::start(Manner::Honest).await;
    let bed = deploy(&front, Options::default(), &[]).await;
    bed.aws.faults().refuse_next(u32::MAX, Exception::AccessDenied);
    let report = live_check("not-asked", &front, &["--quick"]).await;
    let words = ["RelayRole", "bedrock:InvokeAgent", "bedrock-agentcore:InvokeHarness"];
    report.fails(&["first-answer", "http-answer"], &words);
}

#[tokio::test]
async fn a_proxy_that_swallows_frames_is_told_from_a_role_without_the_right_to_post() {
    let front = Front::start(Manner::Swallows).await;
    let bed = deploy(&front, Options::default(), &[]).await;
    let report = live_check("swallows", &front, &["--quick", "--patience", "3"]).await;
    report.fails(&["first-answer"], &["swallows WebSocket frames", "a proxy"]);
    let todo = report.row("first-answer")["todo"].as_str().unwrap();
    assert!(!todo.contains("ManageConnections"), "the role is blamed: {todo}");
    assert_eq!(report.verdict("http-answer"), "yes", "it passes on all but frames");
    drop(bed);
}

#[tokio::test]
async fn a_proxy_that_gathers_what_is_streamed_is_noticed_over_both_transports() {
    let front = Front::start(Manner::Gathers(Duration::from_millis(1_500))).await;
    let bed = deploy(&front, Options::default(), &[("KEEPALIVE_SECONDS", "30")]).await;
    let only = ["--quick", "--only", "streaming,http-streaming"];
    let report = live_check("gathers", &front, &only).await;
    report.fails(&["streaming", "http-streaming"], &["gathers", "STREAM"]);
    assert_eq!(report.ids_of("yes"), ["handshake", "first-answer", "http-answer"]);
    drop(bed);
}

#[tokio::test]
async fn a_wrong_code_an_address_where_nobody_is_and_wrong_options_are_told() {
    let front = Front::start(Manner::Honest).await;
    let bed = deploy(&front, Options::default(), &[]).await;
    let report = live_check("code", &front, &["--quick", "--code", "another one"]).await;
    assert_eq!(report.code, 1);
    assert_eq!(report.verdict("handshake"), "no");
    assert!(report.row("handshake")["todo"].as_str().unwrap().contains("AccessCode"));
    assert_eq!(report.verdict("http-answer"), "no");
    assert_eq!(report.verdict("first-answer"), "not asked");

    let nobody = Front::start(Manner::Honest).await;
    nobody.accepting.abort();
    let gone = live_check("nobody", &nobody, &["--quick", "--patience", "3"]).await;
    assert_eq!((gone.code, gone.verdict("handshake")), (1, "no"), "{}", gone.printed);

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/live-check");
    for (options, words) in [
        (["--url", "https://example.com/live"].as_slice(), "wss://"),
        (&["--url", "wss://example.com/live", "--quick", "--idle", "1"], "--idle"),
        (&["--url", "wss://example.com/live", "--quick", "--only", "stopp"], "http-streaming"),
        (&["--url", "wss://example.com/live", "--code", "a", "--token", "b"], "Access"),
        (&["--url", "wss://example.com/live", "--origin", "https://a.example/page"], "origin"),
    ] {
        let output = Command::new(&script).args(options).output().await.unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {errors}");
        assert!(errors.contains(words), "{options:?}: {errors}");
    }

    let without_code = ["--url", &nobody.url("wss", "/local"), "--quick"];
    let output =
        Command::new(&script).args(without_code).env_remove("ACCESS_CODE").output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("nobody answers"), "{printed}");
    assert!(!printed.contains("none was asked for"), "nobody has seen that: {printed}");
    drop(bed);
}
