//! The command line of the local AWS.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent_relay::access::CREDENTIAL_PREFIX;
use agent_relay::config::access::{Origins, is_issuer};
use anstyle::{AnsiColor, Style};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{ArgAction, CommandFactory, Parser, ValueEnum};
use local_aws::{
    AGENT_ALIAS_ID, AGENT_ID, Agent, AwsLimits, Faults, FunctionError, FunctionProcess,
    HARNESS_ARN, JournalLog, LocalAws, Options, Program, RUNTIME_ARN, Source, StartError,
    is_harness_arn, is_harness_endpoint, is_runtime_arn,
};
use tokio::signal::unix::{SignalKind, signal};

/// Where the help lists what answers.
const SOURCE: &str = "What answers";

/// Where the help lists who may connect.
const ACCESS: &str = "Who may connect";

/// Where the help lists what makes this machine more like AWS.
const WIRE: &str = "As between Lambda and AWS";

/// Where the help lists what goes wrong on purpose.
const FAULTS: &str = "Faults on purpose";

/// The name of the table in which runs are kept.
const RUNS_TABLE: &str = "runs";

/// Where the help lists the limits.
const LIMITS: &str = "Limits of AWS, to be shortened";

/// Agent Relay on your own machine: the page, API Gateway's WebSocket side, Lambda's Runtime API and
/// a scripted Bedrock agent, AgentCore harness or agent on an AgentCore runtime. No AWS account is needed.
#[derive(Debug, Parser)]
#[command(name = "local", version, after_help = examples())]
struct Arguments {
    /// The port on 127.0.0.1 for everything
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,

    /// How long each post to a client takes, in milliseconds, as over a real network
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    post_latency_ms: u64,

    /// How many turns the function takes at once; 1 is how classic Lambda works
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1600))]
    concurrency: u16,

    /// What answers: an agent of Bedrock Agents, a managed harness of Bedrock AgentCore, or an agent of
    /// one's own on a runtime of AgentCore, which speaks AG-UI [default: agent]
    #[arg(long, value_name = "KIND", value_enum, help_heading = SOURCE)]
    source: Option<SourceKind>,

    /// The id of a real Bedrock agent to talk to, with this machine's own AWS credentials
    #[arg(long, value_name = "ID", requires = "agent_alias_id", value_parser = agent_id, help_heading = SOURCE)]
    agent_id: Option<String>,

    /// The id of that agent's alias
    #[arg(long, value_name = "ID", requires = "agent_id", value_parser = agent_id, help_heading = SOURCE)]
    agent_alias_id: Option<String>,

    /// The ARN of a real harness to talk to, with this machine's own AWS credentials
    #[arg(long, value_name = "ARN", value_parser = harness_arn, conflicts_with = "agent_id", help_heading = SOURCE)]
    harness_arn: Option<String>,

    /// The name of that harness' endpoint [default: the newest version]
    #[arg(long, value_name = "NAME", requires = "harness_arn", value_parser = endpoint, help_heading = SOURCE)]
    harness_endpoint: Option<String>,

    /// The ARN of a real runtime to talk to, with this machine's own AWS credentials
    #[arg(long, value_name = "ARN", value_parser = runtime_arn, conflicts_with_all = ["agent_id", "harness_arn"], help_heading = SOURCE)]
    runtime_arn: Option<String>,

    /// The name of that runtime's endpoint [default: the newest version]
    #[arg(long, value_name = "NAME", requires = "runtime_arn", value_parser = endpoint, help_heading = SOURCE)]
    runtime_endpoint: Option<String>,

    /// Whether a client that leaves ends the session of the harness or the runtime, and what that remembers with it
    #[arg(long, value_name = "BOOL", default_value_t = false, action = ArgAction::Set, help_heading = SOURCE)]
    stop_on_leave: bool,

    /// The access code that clients must have, as in a deployment with `Access` code
    #[arg(long, value_name = "CODE", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "oidc_issuer", help_heading = ACCESS)]
    access_code: Option<String>,

    /// The OpenID provider whose tokens clients must have: the `iss` of its tokens, an https URL, or an http
    /// one of 127.0.0.1 or localhost
    #[arg(long, value_name = "URL", requires = "oidc_audience", value_parser = issuer, help_heading = ACCESS)]
    oidc_issuer: Option<String>,

    /// Whom these tokens must be made out for: their `aud`, or else their `client_id`
    #[arg(long, value_name = "NAME", requires = "oidc_issuer", value_parser = NonEmptyStringValueParser::new(), help_heading = ACCESS)]
    oidc_audience: Option<String>,

    /// The origins whose pages may connect besides this page's own, separated by commas, or * for all
    #[arg(long, value_name = "LIST", value_parser = origins, help_heading = ACCESS)]
    allowed_origins: Option<String>,

    /// Whether clients may ask for traces
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    allow_trace: bool,

    /// For how many hours a run that has ended can be joined; 0 is a deployment without a table
    #[arg(long, value_name = "HOURS", default_value_t = 24, value_parser = clap::value_parser!(u16).range(..=168))]
    resume_hours: u16,

    /// The function reaches the agent, the callbacks and the table over TLS, by HTTP/2 or HTTP/1.1 as it wishes
    #[arg(long, help_heading = WIRE)]
    tls: bool,

    /// How long bytes take to the agent, the callbacks and the table and back, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1000), help_heading = WIRE)]
    rtt_ms: u64,

    /// The function has the share of a CPU that Lambda gives to so many MB of memory, once it is ready
    /// [default: all CPUs; it takes Linux and root's rights]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(128..=10_240), help_heading = WIRE)]
    cpu_share: Option<u32>,

    /// The share of posts that are refused with 429, from 0 to 1
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate, help_heading = FAULTS)]
    fail_429: f64,

    /// The share of posts that fail with 500
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate, help_heading = FAULTS)]
    fail_5xx: f64,

    /// The share of posts that are never answered
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate, help_heading = FAULTS)]
    hang: f64,

    /// The share of posts that are delivered, but never answered: their connection is closed
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate, help_heading = FAULTS)]
    lose_answers: f64,

    /// The share of clients that vanish in the middle of an answer
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate, help_heading = FAULTS)]
    vanish: f64,

    /// The share of clients that get nothing more in the middle of an answer, as when a phone has left its
    /// network: their posts are answered with 200
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate, help_heading = FAULTS)]
    swallow: f64,

    /// The share of clients whose side of the connection ends in the middle of an answer, while the
    /// gateway does not notice
    #[arg(long, value_name = "RATE", default_value_t = 0.0, value_parser = rate, help_heading = FAULTS)]
    half_open: f64,

    /// What the chance of all these is drawn from
    #[arg(long, value_name = "SEED", default_value_t = 0, help_heading = FAULTS)]
    fault_seed: u64,

    /// How long API Gateway waits for the function's answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 29_000, value_parser = clap::value_parser!(u64).range(50..=29_000), help_heading = LIMITS)]
    integration_timeout_ms: u64,

    /// How long the function may take for one event, in seconds
    #[arg(long, value_name = "S", default_value_t = 900, value_parser = clap::value_parser!(u64).range(1..=900), help_heading = LIMITS)]
    function_timeout_s: u64,

    /// How long a connection may be idle, in seconds
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=600), help_heading = LIMITS)]
    idle_s: u64,

    /// A file of JSON that says how the page looks and speaks, its title, colours, language and more
    #[arg(long, value_name = "FILE", value_parser = page_settings)]
    page_settings: Option<String>,

    /// The folder whose timelines the prompt `/play` may read, and those below it
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    timelines: PathBuf,

    /// Record what the agent or the harness says in this new file, as a timeline that the prompt `/play` plays
    #[arg(long, value_name = "FILE", value_parser = timeline)]
    record: Option<PathBuf>,

    /// An executable to run as the function, such as the bootstrap of cargo-lambda [default: this
    /// program's own copy of the function]
    #[arg(long, value_name = "PATH")]
    function: Option<PathBuf>,
}

/// What answers, as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SourceKind {
    Agent,
    Harness,
    Runtime,
}

fn main() -> ExitCode {
    // The child process comes in here: see `Program::Own`.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "function") {
        return local_aws::child(agent_relay::bootstrap::main);
    }
    let arguments = Arguments::parse();
    if let Err(problem) = arguments.check() {
        Arguments::command().error(ErrorKind::ArgumentConflict, problem).exit();
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Why it ends before it is told to.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Function(#[from] FunctionError),
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
}

async fn run(arguments: Arguments) -> Result<(), Error> {
    let aws = LocalAws::start(arguments.options()).await?;
    let journal = aws.journal().clone();
    let mut follower = journal.follow();
    let mut log = JournalLog::new(anstream::stdout());

    let ended = {
        let printing = async {
            loop {
                let record = follower.next().await;
                // A closed output, as of a pipe to `head`, is no reason to stop serving.
                let _ = log.write(&record);
            }
        };
        tokio::select! {
            ended = serve(&aws, &arguments) => ended,
            () = printing => Ok(()),
        }
    };
    aws.stop().await;
    while let Some(record) = follower.try_next() {
        let _ = log.write(&record);
    }
    ended
}

/// Runs the function until a signal comes or the function ends.
async fn serve(aws: &LocalAws, arguments: &Arguments) -> Result<(), Error> {
    let program = arguments.function.clone().map_or(Program::Own, Program::Executable);
    // As in a deployment, the page's own is always one of them. An asterisk among them is for all.
    let named = arguments.allowed_origins.as_deref().unwrap_or_default();
    let origins = format!("{},{named}", aws.page_origins());
    let own_page = [("ALLOWED_ORIGINS", &*origins)];
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
    // The terminal was closed.
    let mut hangup = signal(SignalKind::hangup()).map_err(Error::Signals)?;
    let mut function = tokio::select! {
        function = FunctionProcess::start_with(aws, &program, &own_page) => function?,
        // Dropping the start ends the process, too.
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
        _ = hangup.recv() => return Ok(()),
    };
    welcome(aws, arguments);
    tokio::select! {
        error = function.exited() => return Err(error.into()),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    function.stop().await;
    Ok(())
}

/// Says where everything is.
fn welcome(aws: &LocalAws, arguments: &Arguments) {
    const BOLD: Style = Style::new().bold();
    const LINK: Style = AnsiColor::Cyan.on_default().underline();
    let (page, socket) = (aws.page_url(), aws.websocket_url());
    let source = match arguments.source() {
        Source::Agent => "Agent    ",
        Source::Harness => "Harness  ",
        Source::Runtime => "Runtime  ",
    };
    let agent = arguments
        .real()
        .unwrap_or_else(|| "scripted; the prompt /help lists what it can do".to_owned());
    let credential = if let Some(code) = &arguments.access_code {
        format!(" -s agent-relay -s {CREDENTIAL_PREFIX}{}", URL_SAFE_NO_PAD.encode(code))
    } else if arguments.oidc_issuer.is_some() {
        format!(
            " -s agent-relay -s {CREDENTIAL_PREFIX}$(printf %s \"$TOKEN\" | basenc --base64url -w0 | tr -d =)"
        )
    } else {
        String::new()
    };
    let record = arguments
        .record
        .as_ref()
        .map_or_else(String::new, |file| format!("  Recording  {}\n", file.display()));
    let table = match arguments.resume_hours {
        0 => String::new(),
        hours => format!("  Table      {} ({hours} h)\n", aws.dynamodb_url()),
    };
    let likeness = likeness(aws);
    let http = aws.agui_url();
    let text = format!(
        "\n  {BOLD}Agent Relay{BOLD:#} and the AWS of your own machine are ready.\n\n  \
           Page       {LINK}{page}{LINK:#}\n  \
           WebSocket  {socket}\n  \
           Try        npx wscat -c {socket}{credential} -w -1 -x '{{\"prompt\":\"hello\"}}'\n  \
           HTTP       {http}\n  \
           {source}  {agent}\n\
           {table}{record}{likeness}  \
           Stop       Ctrl-C\n\n"
    );
    let mut out = anstream::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The lines about what is as between Lambda and AWS; none by default.
fn likeness(aws: &LocalAws) -> String {
    let options = aws.options();
    let authority = aws.authority_file().map(|file| {
        let file = file.display();
        format!("  TLS        for agent, callbacks and table, by HTTP/2 or HTTP/1.1; the function trusts {file}\n")
    });
    let distance = (!options.rtt.is_zero()).then(|| {
        let rtt = options.rtt.as_millis();
        format!("  Distance   {rtt} ms to agent, callbacks and table and back\n")
    });
    let cpu_share = options
        .cpu_share_mb
        .map(|memory| format!("  CPU        the function has the share of {memory} MB\n"));
    [authority, distance, cpu_share].into_iter().flatten().collect()
}

impl Arguments {
    /// What of them is about the AWS around the function.
    fn options(&self) -> Options {
        Options {
            port: self.port,
            post_latency: Duration::from_millis(self.post_latency_ms),
            tls: self.tls,
            rtt: Duration::from_millis(self.rtt_ms),
            wire: false,
            cpu_share_mb: self.cpu_share,
            concurrency: self.concurrency,
            timelines: Some(self.timelines.clone()),
            record: self.record.clone(),
            table: self.keeps_runs().then(|| RUNS_TABLE.to_owned()),
            source: self.source(),
            agent: if self.real().is_none() { Agent::Scripted } else { Agent::Real },
            // As in a deployment, which always asks.
            authorizer: true,
            traces: false,
            function_name: "agent-relay".to_owned(),
            environment: self.environment(),
            limits: AwsLimits {
                integration_timeout: Duration::from_millis(self.integration_timeout_ms),
                function_timeout: Duration::from_secs(self.function_timeout_s),
                idle: Duration::from_secs(self.idle_s),
                ..AwsLimits::default()
            },
            faults: Faults {
                throttled_posts: self.fail_429,
                failed_posts: self.fail_5xx,
                hanging_posts: self.hang,
                lost_answers: self.lose_answers,
                vanishing_clients: self.vanish,
                swallowed_clients: self.swallow,
                half_open_clients: self.half_open,
                seed: self.fault_seed,
                ..Faults::default()
            },
            // It runs for days, and the log needs only what is new.
            journal_capacity: 2_000,
        }
    }

    /// Checks what goes together.
    fn check(&self) -> Result<(), &'static str> {
        match (self.source, self.named()) {
            (Some(SourceKind::Agent), Some(Source::Harness)) => {
                Err("--source agent and --harness-arn are about different things")
            }
            (Some(SourceKind::Agent), Some(Source::Runtime)) => {
                Err("--source agent and --runtime-arn are about different things")
            }
            (Some(SourceKind::Harness), Some(Source::Agent)) => {
                Err("--source harness and --agent-id are about different things")
            }
            (Some(SourceKind::Harness), Some(Source::Runtime)) => {
                Err("--source harness and --runtime-arn are about different things")
            }
            (Some(SourceKind::Runtime), Some(Source::Agent)) => {
                Err("--source runtime and --agent-id are about different things")
            }
            (Some(SourceKind::Runtime), Some(Source::Harness)) => {
                Err("--source runtime and --harness-arn are about different things")
            }
            _ if self.stop_on_leave && self.source() == Source::Agent => Err(
                "--stop-on-leave true is about a harness or a runtime: an agent stops by itself when \
                 its caller leaves",
            ),
            _ if self.record.is_some() && self.source() == Source::Runtime => Err(
                "--record is about an agent or a harness: an agent on a runtime speaks AG-UI, which \
                 clients get as it is",
            ),
            _ => Ok(()),
        }
    }

    /// Whether there is a table.
    fn keeps_runs(&self) -> bool {
        self.resume_hours > 0
    }

    /// What answers.
    fn source(&self) -> Source {
        let kind = || match self.source {
            None | Some(SourceKind::Agent) => Source::Agent,
            Some(SourceKind::Harness) => Source::Harness,
            Some(SourceKind::Runtime) => Source::Runtime,
        };
        self.named().unwrap_or_else(kind)
    }

    /// What answers, if a real one is named.
    fn named(&self) -> Option<Source> {
        let agent = self.agent_id.as_ref().map(|_| Source::Agent);
        let harness = self.harness_arn.as_ref().map(|_| Source::Harness);
        agent.or(harness).or(self.runtime_arn.as_ref().map(|_| Source::Runtime))
    }

    /// The real agent, harness or runtime, for people, if there is one.
    fn real(&self) -> Option<String> {
        if let (Some(agent), Some(alias)) = (&self.agent_id, &self.agent_alias_id) {
            return Some(format!("Bedrock's {agent}, alias {alias}"));
        }
        let arn = self.harness_arn.as_ref().or(self.runtime_arn.as_ref())?;
        let endpoint = self.harness_endpoint.as_ref().or(self.runtime_endpoint.as_ref());
        Some(match endpoint {
            Some(endpoint) => format!("AgentCore's {arn}, endpoint {endpoint}"),
            None => format!("AgentCore's {arn}"),
        })
    }

    /// Who may connect, in the word of the function's variable.
    fn access(&self) -> &'static str {
        match (&self.access_code, &self.oidc_issuer) {
            (Some(_), _) => "code",
            (None, Some(_)) => "oidc",
            (None, None) => "open",
        }
    }

    /// The function's own variables. Empty counts as unset, whatever this machine's environment has.
    fn environment(&self) -> Vec<(String, String)> {
        let given = |value: &Option<String>| value.clone().unwrap_or_default();
        let or =
            |value: &Option<String>, otherwise: &str| value.clone().unwrap_or(otherwise.to_owned());
        let prompts = match self.real() {
            None => self.source().suggested_prompts().join("|"),
            Some(_) => "What can you do?".to_owned(),
        };
        let page_settings = match (&self.page_settings, self.real()) {
            (Some(settings), _) => settings.clone(),
            (None, None) => starters(self.source()),
            (None, Some(_)) => String::new(),
        };
        let [mut agent_id, mut agent_alias_id, mut harness_arn, mut runtime_arn] =
            [const { String::new() }; 4];
        let mut stop_on_leave = self.stop_on_leave.to_string();
        match self.source() {
            Source::Agent => {
                agent_id = or(&self.agent_id, AGENT_ID);
                agent_alias_id = or(&self.agent_alias_id, AGENT_ALIAS_ID);
                stop_on_leave = String::new();
            }
            Source::Harness => harness_arn = or(&self.harness_arn, HARNESS_ARN),
            Source::Runtime => runtime_arn = or(&self.runtime_arn, RUNTIME_ARN),
        }
        let [runs_table, resume_hours] = if self.keeps_runs() {
            [RUNS_TABLE.to_owned(), self.resume_hours.to_string()]
        } else {
            [String::new(), String::new()]
        };
        [
            ("AGENT_ID", agent_id),
            ("AGENT_ALIAS_ID", agent_alias_id),
            ("HARNESS_ARN", harness_arn),
            ("HARNESS_ENDPOINT", given(&self.harness_endpoint)),
            ("RUNTIME_ARN", runtime_arn),
            ("RUNTIME_ENDPOINT", given(&self.runtime_endpoint)),
            ("STOP_ON_LEAVE", stop_on_leave),
            ("RUNS_TABLE", runs_table),
            ("RESUME_HOURS", resume_hours),
            ("ALLOW_TRACE", self.allow_trace.to_string()),
            ("SUGGESTED_PROMPTS", prompts),
            ("PAGE_SETTINGS", page_settings),
            ("ACCESS", self.access().to_owned()),
            ("ACCESS_CODE", given(&self.access_code)),
            ("OIDC_ISSUER", given(&self.oidc_issuer)),
            ("OIDC_AUDIENCE", given(&self.oidc_audience)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// Checks an id with Bedrock's pattern, so that a slip shows here and not in the first answer.
fn agent_id(text: &str) -> Result<String, String> {
    if (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err("Bedrock's ids have at most ten letters and digits, such as ABCDEFGHIJ".to_owned())
    }
}

/// Checks an ARN with the service's pattern, so that a slip shows here and not in the first answer.
fn harness_arn(text: &str) -> Result<String, String> {
    if is_harness_arn(text) {
        Ok(text.to_owned())
    } else {
        Err("the ARN of a harness is like \
             arn:aws:bedrock-agentcore:eu-central-1:111122223333:harness/my_harness-Ab12Cd34Ef"
            .to_owned())
    }
}

/// The same for the name of an endpoint.
fn endpoint(text: &str) -> Result<String, String> {
    if is_harness_endpoint(text) {
        Ok(text.to_owned())
    } else {
        Err("the name of an endpoint has at most 48 letters, digits and underscores, and begins with \
             a letter"
            .to_owned())
    }
}

/// The same for the ARN of a runtime.
fn runtime_arn(text: &str) -> Result<String, String> {
    if is_runtime_arn(text) {
        Ok(text.to_owned())
    } else {
        Err("the ARN of a runtime is like \
             arn:aws:bedrock-agentcore:eu-central-1:111122223333:runtime/my_agent-Ab12Cd34Ef"
            .to_owned())
    }
}

/// Checks what `/play` would refuse.
fn timeline(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.extension().is_some_and(|extension| extension == "jsonl") {
        Ok(path)
    } else {
        Err("the name of a timeline ends with .jsonl, such as recorded.jsonl".to_owned())
    }
}

/// What the file says; the function checks it.
fn page_settings(file: &str) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("it cannot be read: {error}"))
}

/// What the page offers first for a scripted agent: title, explanation and prompt of each.
fn starters(source: Source) -> String {
    let answer =
        ("A streamed answer", "Markdown, a table and sources", "How does this answer reach me?");
    let slow = ("A slow agent", "Silent for 35 s, longer than the gateway waits", "/slow 35");
    let tools = ("Tool calls", "The agent asks you for three results", "/tool 3");
    let starters = match source {
        Source::Agent => [
            answer,
            slow,
            ("A team of agents", "Collaborators at work, best seen with the trace", "/team"),
            ("A tool call", "The agent asks you for a result", "/tool"),
        ],
        Source::Harness => [
            answer,
            slow,
            ("An agent at work", "Tools that it runs itself, best seen with the trace", "/work"),
            tools,
        ],
        Source::Runtime => [
            answer,
            slow,
            ("An agent of Strands", "Steps and tools, best seen with the trace", "/strands"),
            ("A question", "The agent asks before it goes on", "/interrupt"),
        ],
    };
    let starters = starters.map(|(title, explanation, prompt)| {
        serde_json::json!({ "title": title, "explanation": explanation, "prompt": prompt })
    });
    serde_json::json!({ "starters": starters }).to_string()
}

/// Checks what the function would refuse.
fn issuer(text: &str) -> Result<String, String> {
    if is_issuer(text) {
        Ok(text.to_owned())
    } else {
        Err("an issuer is an https URL without query and fragment, such as \
             https://login.example.com/; http is for providers at 127.0.0.1 and localhost only"
            .to_owned())
    }
}

/// Checks what the function would refuse.
fn origins(text: &str) -> Result<String, String> {
    Origins::parse(text).map(|_| text.to_owned())
}

/// Reads a share.
fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.0..=1.0).contains(rate))
        .ok_or_else(|| "a rate is a number from 0 to 1, such as 0.05".to_owned())
}

fn examples() -> String {
    let line = |(usage, what): (String, String)| format!("  {usage:<33}{what}\n");
    let list = |source: Source| source.scenarios().into_iter().map(line).collect::<String>();
    let (agent, harness) = (list(Source::Agent), list(Source::Harness));
    let runtime = list(Source::Runtime);
    format!(
        "\
Examples:
  cargo run                                     everything, on port 8080
  cargo run -- --port 9000 --post-latency-ms 20
  cargo run -- --fail-429 0.05 --fail-5xx 0.01  some posts fail, as they do under load
  cargo run -- --tls --rtt-ms 20 --cpu-share 256
                                                as a function of 256 MB, 20 ms away from AWS
  cargo run -- --agent-id ABCDEFGHIJ --agent-alias-id KLMNOPQRST
  cargo run -- --agent-id ABCDEFGHIJ --agent-alias-id KLMNOPQRST --record said.jsonl
                                                what it says becomes a file; later, without an
                                                account, the prompt /play said.jsonl says it again
  cargo run -- --resume-hours 0                 without a table: no run can be joined
  cargo run -- --source harness                 a harness of AgentCore instead of an agent
  cargo run -- --harness-arn arn:aws:bedrock-agentcore:eu-central-1:111122223333:harness/my_harness-Ab12Cd34Ef
  cargo run -- --source runtime                 an agent of one's own on a runtime of AgentCore
  cargo run -- --runtime-arn arn:aws:bedrock-agentcore:eu-central-1:111122223333:runtime/my_agent-Ab12Cd34Ef
  cargo run -- --function target/lambda/agent-relay/bootstrap

What the scripted agent does with these prompts:
{agent}
What the scripted harness does with them:
{harness}
What the scripted agent on a runtime does with them:
{runtime}"
    )
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    const RED: Style = AnsiColor::Red.on_default().bold();
    let text = format!("{RED}error:{RED:#} {error}\n");
    let _ = anstream::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}
