//! What can be chosen about the local AWS.

use std::path::PathBuf;
use std::time::Duration;

use super::faults::Faults;
use super::source::Source;

/// How the local AWS behaves. The default is a local AWS without faults, delays and TLS.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Options {
    /// The TCP port on 127.0.0.1; 0 takes a free one, which suits tests.
    pub port: u16,
    /// How long the answer to each post to a connection takes.
    pub post_latency: Duration,
    /// Whether the agent, the callbacks and the table are reached over TLS, with an authority that only the function
    /// trusts, by HTTP/2 or HTTP/1.1 as the client chooses (ALPN). They are on ports of their own then;
    /// the port of everything else goes on serving them, too.
    pub tls: bool,
    /// How long bytes take to the agent, the callbacks and the table and back. It puts a [`Wire`](super::Wire)
    /// before each of them.
    pub rtt: Duration,
    /// Whether there is a [`Wire`](super::Wire) before the agent, the callbacks and the table even without TLS and
    /// delay, to break connections on.
    pub wire: bool,
    /// The memory of the function in MB, whose share of the CPU it gets as on Lambda, once it asks for
    /// its first event: 1769 MB have one CPU. Without it, the function has what the machine has.
    pub cpu_share_mb: Option<u32>,
    /// How many events the function takes at once, as on Lambda Managed Instances. It becomes the
    /// function's `AWS_LAMBDA_MAX_CONCURRENCY`; 1 is how classic Lambda works.
    pub concurrency: u16,
    /// What the function asks: an agent, a harness or a runtime. All are there; this one's variables are in
    /// [`LocalAws::function_environment`](super::LocalAws::function_environment).
    pub source: Source,
    /// Whether that is the scripted one or a real one.
    pub agent: Agent,
    /// The folder whose timelines the prompt `/play` may read, down to every depth; without one,
    /// none.
    pub timelines: Option<PathBuf>,
    /// The new file that what the agent or the harness says is recorded in, as a timeline that `/play` plays. The function
    /// then reaches the agent through a recorder, which has this machine's own AWS credentials. There is none
    /// for runtimes.
    pub record: Option<PathBuf>,
    /// The name of the table of DynamoDB that there is from the start, with the keys `conversation` and `run`
    /// and items that expire by `expires`; without one, there is no DynamoDB.
    pub table: Option<String>,
    /// Whether the function is asked who may connect, before `$connect`, as a deployment's Lambda
    /// authorizer is.
    pub authorizer: bool,
    /// Whether the function's tracing is active and its sampling takes every invocation, as Lambda then says in
    /// `Lambda-Runtime-Trace-Id`. Without tracing it says `Sampled=0`.
    pub traces: bool,
    /// The function's name.
    pub function_name: String,
    /// The function's own variables.
    pub environment: Vec<(String, String)>,
    /// The limits that AWS sets. Tests shorten them.
    pub limits: AwsLimits,
    /// What goes wrong by chance.
    pub faults: Faults,
    /// How many entries the journal keeps.
    pub journal_capacity: usize,
}

/// Whether what answers is scripted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent {
    /// The scripted one: no account is needed.
    Scripted,
    /// A real one, which [`Options::environment`] names. The function calls it with this machine's own AWS
    /// credentials.
    Real,
}

impl Options {
    /// Whether there is a wire before the agent, the callbacks and the table.
    pub(super) fn has_wires(&self) -> bool {
        self.tls || self.wire || !self.rtt.is_zero()
    }
}

/// The limits of API Gateway's WebSocket APIs and streaming REST APIs, and of Lambda.
///
/// Sources: the pages "Amazon API Gateway quotas for WebSocket APIs", "Stream the integration response for
/// your proxy integrations in API Gateway" and "Lambda quotas". Where a
/// value is not documented, its field says so.
#[derive(Clone, Debug)]
pub struct AwsLimits {
    /// How long an integration may take to answer: 29 s, and no request raises it.
    pub integration_timeout: Duration,
    /// How long a streamed response of the REST API may take from the request to its end: 900 s at most.
    pub streaming_integration_timeout: Duration,
    /// How long a streamed response of the REST API may be silent before the client is cut off: 5 minutes,
    /// at a Regional endpoint.
    pub stream_idle: Duration,
    /// How long the function may take for one event: 900 s at most.
    pub function_timeout: Duration,
    /// How long a connection may be idle: 10 minutes. Messages count, in both directions.
    pub idle: Duration,
    /// How long a connection may last: 2 hours.
    pub lifetime: Duration,
    /// The largest message, in bytes: 128 KiB. It holds for posts too.
    pub message_bytes: usize,
    /// The largest frame, in bytes: 32 KiB. Longer posts go out in several frames.
    pub frame_bytes: usize,
    /// How many bytes may wait for a client that reads slowly, before posts to it fail with 429.
    /// The real size is not documented.
    pub client_buffer_bytes: usize,
    /// How long a client's message, or its request to the REST API, waits for a function that is between two events. Lambda would
    /// start another environment meanwhile.
    pub message_grace: Duration,
    /// The same for `$connect` and `$disconnect`.
    pub lifecycle_grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            post_latency: Duration::ZERO,
            tls: false,
            rtt: Duration::ZERO,
            wire: false,
            cpu_share_mb: None,
            concurrency: 10,
            source: Source::Agent,
            agent: Agent::Scripted,
            timelines: None,
            record: None,
            table: None,
            authorizer: false,
            traces: false,
            function_name: "function".to_owned(),
            environment: Vec::new(),
            limits: AwsLimits::default(),
            faults: Faults::default(),
            journal_capacity: 100_000,
        }
    }
}

impl Default for AwsLimits {
    fn default() -> Self {
        Self {
            integration_timeout: Duration::from_secs(29),
            streaming_integration_timeout: Duration::from_mins(15),
            stream_idle: Duration::from_mins(5),
            function_timeout: Duration::from_mins(15),
            idle: Duration::from_mins(10),
            lifetime: Duration::from_hours(2),
            message_bytes: 128 * 1024,
            frame_bytes: 32 * 1024,
            client_buffer_bytes: 1024 * 1024,
            message_grace: Duration::from_millis(250),
            lifecycle_grace: Duration::from_secs(2),
        }
    }
}
