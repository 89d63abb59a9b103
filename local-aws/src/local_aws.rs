//! Everything together, on one port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::agent::{self, ScriptedAgent};
use crate::agentcore;
use crate::cpu_share::{CpuShareError, cpu_share_is_possible};
use crate::dynamodb::{self, DynamoDb};
use crate::faults::{FaultInjector, FaultsError};
use crate::gateway::{self, Gateway};
use crate::harness::{self, ScriptedHarness};
use crate::journal::Journal;
use crate::lambda::{self, Lambda, PollHold};
use crate::management::{self, ManagementApi};
use crate::options::{Agent, Options};
use crate::rest_api::{self, RestApi};
use crate::route::{AGUI_PATH, STAGE};
use crate::runtime::{self, ScriptedRuntime};
use crate::scripted::recording_proxy::RecordingProxy;
use crate::source::Source;
use crate::tls::{Certificates, TlsError};
use crate::wire::{Server, Wire};
use crate::wire_fault::WireName;
use crate::{host_check, http_api};

/// The Region that everything pretends to be in, unless a real agent lives elsewhere.
const REGION: &str = "us-east-1";

/// How long open connections may take to end when everything stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// The running local AWS. Dropping it stops it, too, but does not wait for the end.
#[derive(Debug)]
pub struct LocalAws {
    address: SocketAddr,
    options: Options,
    journal: Journal,
    faults: FaultInjector,
    lambda: Arc<Lambda>,
    gateway: Arc<Gateway>,
    rest_api: Arc<RestApi>,
    wires: Option<Wires>,
    certificates: Option<Certificates>,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

#[derive(Debug)]
struct Wires {
    agent: Wire,
    callbacks: Wire,
    /// If there is a table.
    table: Option<Wire>,
}

/// Why the local AWS cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program has the port.
    #[error("port {port} is in use by another program: choose another one with --port")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port cannot be had for another reason.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port.
        port: u16,
        /// The reason.
        source: io::Error,
    },
    /// No event could ever be taken.
    #[error("the concurrency must be from 1 to 1600")]
    Concurrency,
    /// There are no certificates for TLS.
    #[error("cannot make the certificates for TLS: {0}")]
    Tls(#[source] TlsError),
    /// The file of the recording cannot be made.
    #[error("cannot record in {}: {source}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// There can't be such a table.
    #[error("cannot make the table {name}: {reason}")]
    Table {
        /// The table's name.
        name: String,
        /// The reason, in DynamoDB's words.
        reason: String,
    },
    /// There is no recorder of runtimes.
    #[error(
        "what an agent on a runtime says can't be recorded: its events are AG-UI's own, as clients get them"
    )]
    RecordRuntime,
    /// The function could not have its share of the CPU.
    #[error("--cpu-share cannot be had here: {0}")]
    CpuShare(#[from] CpuShareError),
    /// The faults make no sense.
    #[error(transparent)]
    Faults(#[from] FaultsError),
}

impl LocalAws {
    /// Starts everything but the function, which [`FunctionProcess::start`](crate::FunctionProcess::start) starts.
    ///
    /// # Errors
    /// When the port is taken or may not be used, when the concurrency or a rate of the faults is out of
    /// bounds, or when no table can have the name that was chosen.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        // "Concurrency per environment" of Lambda Managed Instances goes up to 1600.
        if !(1..=1600).contains(&options.concurrency) {
            return Err(StartError::Concurrency);
        }
        options.faults.check()?;
        if options.cpu_share_mb.is_some() {
            cpu_share_is_possible()?;
        }
        let port = options.port;
        let in_use = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::PortInUse { port },
            _ => StartError::Listen { port, source },
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(in_use)?;
        let address = listener.local_addr().map_err(in_use)?;

        let journal = Journal::new(options.journal_capacity);
        let faults = FaultInjector::new(options.faults.clone());
        let (stop, stopping) = watch::channel(false);
        let limits = options.limits.clone();
        let arn =
            format!("arn:aws:lambda:{}:123456789012:function:{}", region(), options.function_name);
        let timeout = limits.function_timeout;
        let lambda = Lambda::new(journal.clone(), arn, timeout, options.traces, stopping.clone());
        let gateway = Gateway::new(
            lambda.clone(),
            journal.clone(),
            limits.clone(),
            address.to_string(),
            options.authorizer,
            stopping.clone(),
        );
        let rest_api = RestApi::new(
            lambda.clone(),
            journal.clone(),
            limits.clone(),
            address.to_string(),
            stopping.clone(),
        );
        let management = ManagementApi {
            gateway: gateway.clone(),
            journal: journal.clone(),
            post_latency: options.post_latency,
            message_bytes: limits.message_bytes,
            faults: faults.clone(),
            stopping: stopping.clone(),
        };
        let agents = agents(&options, address, &journal, &faults, &stopping).await?;
        let table = table(&options, &journal, &faults, &stopping)?;
        let checked = |router: Router| {
            let authorizer = options.authorizer;
            let host_check =
                axum::middleware::from_fn_with_state(authorizer, host_check::require_local_host);
            router.layer(host_check)
        };
        let certificates = if options.tls { Some(certificates().await?) } else { None };
        let wires = if options.has_wires() {
            let start = async |name, router| {
                let tls = certificates.as_ref().map(|certificates| certificates.acceptor().clone());
                let server = Server { router: checked(router), tls };
                let wire =
                    Wire::start(name, server, options.rtt, journal.clone(), stopping.clone());
                wire.await.map_err(|source| StartError::Listen { port: 0, source })
            };
            Some(Wires {
                agent: start(WireName::Agent, agents.clone()).await?,
                callbacks: start(WireName::Callbacks, management::router(management.clone()))
                    .await?,
                table: match &table {
                    Some(router) => Some(start(WireName::Table, router.clone()).await?),
                    None => None,
                },
            })
        } else {
            None
        };
        let router = checked(
            Router::new()
                .merge(lambda::router(lambda.clone()))
                .merge(gateway::router(gateway.clone()))
                .merge(rest_api::router(rest_api.clone()))
                .merge(management::router(management))
                .merge(agents)
                .merge(table.unwrap_or_default())
                .merge(http_api::router(lambda.clone())),
        );

        let server = serve(listener, router, stopping);
        Ok(Self {
            address,
            options,
            journal,
            faults,
            lambda,
            gateway,
            rest_api,
            wires,
            certificates,
            stop,
            server,
        })
    }

    /// The address of everything.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the page.
    #[must_use]
    pub fn page_url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The origins of the page, separated by a comma: a browser knows this machine by two names.
    #[must_use]
    pub fn page_origins(&self) -> String {
        let port = self.address.port();
        format!("http://127.0.0.1:{port},http://localhost:{port}")
    }

    /// The WebSocket URL.
    #[must_use]
    pub fn websocket_url(&self) -> String {
        websocket_url(self.address)
    }

    /// Where the page connects, if not where the callbacks go: a wire is the function's alone, and browsers would not
    /// trust its certificate.
    fn url_for_the_page(&self) -> String {
        self.callback_wire().map(|_| self.websocket_url()).unwrap_or_default()
    }

    /// The URL of the REST API, whose responses are streamed.
    #[must_use]
    pub fn agui_url(&self) -> String {
        format!("http://{}{AGUI_PATH}", self.address)
    }

    /// The callback URL, below which `/@connections/{connectionId}` stands.
    #[must_use]
    pub fn callback_url(&self) -> String {
        format!("{}/{STAGE}", self.origin(self.callback_wire()))
    }

    /// The endpoint URL of the scripted agent.
    #[must_use]
    pub fn agent_url(&self) -> String {
        format!("{}/bedrock", self.origin(self.agent_wire()))
    }

    /// The endpoint URL of the scripted runtime, which is that of the scripted harness.
    #[must_use]
    pub fn runtime_url(&self) -> String {
        self.harness_url()
    }

    /// The endpoint URL of the scripted harness.
    #[must_use]
    pub fn harness_url(&self) -> String {
        format!("{}/agentcore", self.origin(self.agent_wire()))
    }

    /// The endpoint URL of DynamoDB, with [`Options::table`].
    #[must_use]
    pub fn dynamodb_url(&self) -> String {
        format!("{}/dynamodb", self.origin(self.table_wire()))
    }

    /// The endpoint URL of the recorder, with [`Options::record`].
    #[must_use]
    pub fn recorder_url(&self) -> String {
        format!("{}/recorder", self.origin(self.agent_wire()))
    }

    /// The wire to the scripted agent, harness and runtime, if there is one: see [`Options::wire`].
    #[must_use]
    pub fn agent_wire(&self) -> Option<&Wire> {
        self.wires.as_ref().map(|wires| &wires.agent)
    }

    /// The wire to the callbacks, if there is one: see [`Options::wire`].
    #[must_use]
    pub fn callback_wire(&self) -> Option<&Wire> {
        self.wires.as_ref().map(|wires| &wires.callbacks)
    }

    /// The wire to DynamoDB, if there are wires and a table: see [`Options::wire`]. It is what makes DynamoDB
    /// unreachable, with [`Wire::refuse_next`].
    #[must_use]
    pub fn table_wire(&self) -> Option<&Wire> {
        self.wires.as_ref().and_then(|wires| wires.table.as_ref())
    }

    /// With TLS, the file of the authority whose certificates the agent and the callbacks show, in PEM.
    /// Those that this machine trusts come after it. The file goes when this is dropped.
    #[must_use]
    pub fn authority_file(&self) -> Option<&Path> {
        self.certificates.as_ref().map(Certificates::authority_file)
    }

    /// Scheme, host and port of what is reached by a wire, or without one.
    fn origin(&self, wire: Option<&Wire>) -> String {
        let scheme = if self.options.tls { "https" } else { "http" };
        format!("{scheme}://{}", wire.map_or(self.address, Wire::address))
    }

    /// What was chosen about it.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Everything that has happened.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What goes wrong on purpose, and the way to change it.
    #[must_use]
    pub fn faults(&self) -> &FaultInjector {
        &self.faults
    }

    /// Lets the function's polls wait for their event until what is returned is dropped.
    pub(crate) fn hold_polls(&self) -> PollHold {
        self.lambda.hold_polls()
    }

    /// The variables that make a process the function of this local AWS.
    ///
    /// For what is scripted they include credentials that belong to no account. For what is real the
    /// function finds the machine's own, and its Region, as every AWS program does.
    #[must_use]
    pub fn function_environment(&self) -> Vec<(&str, String)> {
        let name = &self.options.function_name;
        let mut environment = vec![
            ("AWS_LAMBDA_RUNTIME_API", self.address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            (
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                self.options.cpu_share_mb.unwrap_or(512).to_string(),
            ),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{name}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local".to_owned()),
            ("AWS_LAMBDA_MAX_CONCURRENCY", self.options.concurrency.to_string()),
            ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", self.callback_url()),
            ("WEBSOCKET_URL", self.url_for_the_page()),
            // This machine may be set up to ignore such variables, or to reach AWS through a proxy.
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false".to_owned()),
            ("NO_PROXY", no_proxy()),
            ("no_proxy", no_proxy()),
        ];
        if let Some(file) = self.authority_file() {
            // The second one is for functions with other SDKs than that of Rust.
            for name in ["SSL_CERT_FILE", "AWS_CA_BUNDLE"] {
                environment.push((name, file.display().to_string()));
            }
        }
        let (endpoint, scripted_url) = match self.options.source {
            Source::Agent => ("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME", self.agent_url()),
            Source::Harness | Source::Runtime => {
                ("AWS_ENDPOINT_URL_BEDROCK_AGENTCORE", self.harness_url())
            }
        };
        if self.options.record.is_some() {
            environment.push((endpoint, self.recorder_url()));
        } else if self.options.agent == Agent::Scripted {
            environment.push((endpoint, scripted_url));
        }
        if self.options.table.is_some() {
            environment.push(("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb_url()));
        }
        if self.options.agent == Agent::Scripted {
            environment.extend([
                ("AWS_REGION", REGION.to_owned()),
                ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "local-and-nobodys-secret".to_owned()),
                ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ]);
        }
        let own = self.options.environment.iter();
        let own = own.map(|(name, value)| (&**name, value.clone()));
        environment.extend(own);
        environment
    }

    /// Closes every connection and waits until that is done.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        tokio::join!(self.gateway.finish(STOP_TIMEOUT), self.rest_api.finish(STOP_TIMEOUT));
        // What still holds a connection open then, such as a client that never reads, is cut off.
        let ended = async {
            let _ = (&mut self.server).await;
            if let Some(wires) = &mut self.wires {
                for wire in wires.all_mut() {
                    wire.finish().await;
                }
            }
        };
        let _ = tokio::time::timeout(STOP_TIMEOUT, ended).await;
        self.server.abort();
        if let Some(wires) = &mut self.wires {
            for wire in wires.all_mut() {
                wire.abort();
            }
        }
    }
}

impl Wires {
    fn all_mut(&mut self) -> impl Iterator<Item = &mut Wire> {
        [&mut self.agent, &mut self.callbacks].into_iter().chain(&mut self.table)
    }
}

impl Drop for LocalAws {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Serves everything until it stops.
fn serve(
    listener: TcpListener,
    router: Router,
    mut stopping: watch::Receiver<bool>,
) -> JoinHandle<io::Result<()>> {
    // Small frames must not wait for the acknowledgement of the ones before them.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        // An error means that the handle is gone, which stops everything as well.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    });
    tokio::spawn(async move { serving.await })
}

/// The routes of the scripted agent, harness and runtime, and of the recorder before one of them or
/// before a real one, if there is one.
async fn agents(
    options: &Options,
    address: SocketAddr,
    journal: &Journal,
    faults: &FaultInjector,
    stopping: &watch::Receiver<bool>,
) -> Result<Router, StartError> {
    let timelines = || options.timelines.clone();
    let agent = ScriptedAgent::new(journal.clone(), faults.clone(), timelines(), stopping.clone());
    let harness =
        ScriptedHarness::new(journal.clone(), faults.clone(), timelines(), stopping.clone());
    let runtime =
        ScriptedRuntime::new(journal.clone(), faults.clone(), timelines(), stopping.clone());
    let router = agent::router(agent)
        .merge(harness::router(harness.clone()))
        .merge(runtime::router(runtime.clone()))
        .merge(agentcore::router(harness, runtime));
    let Some(path) = &options.record else { return Ok(router) };
    if options.source == Source::Runtime {
        return Err(StartError::RecordRuntime);
    }
    let proxy = RecordingProxy::create(path, journal.clone(), stopping.clone())
        .map_err(|source| StartError::Record { path: path.clone(), source })?;
    let recorder = match options.source {
        Source::Agent => {
            let url = format!("http://{address}/bedrock");
            agent::recorder::router(proxy, options.agent, url).await
        }
        Source::Harness | Source::Runtime => {
            let url = format!("http://{address}/agentcore");
            harness::recorder::router(proxy, options.agent, url).await
        }
    };
    Ok(router.merge(recorder))
}

/// The route of DynamoDB, if there is a table.
fn table(
    options: &Options,
    journal: &Journal,
    faults: &FaultInjector,
    stopping: &watch::Receiver<bool>,
) -> Result<Option<Router>, StartError> {
    let Some(name) = &options.table else { return Ok(None) };
    let dynamodb = DynamoDb::with_table(name, journal.clone(), faults.clone(), stopping.clone());
    let dynamodb = dynamodb.map_err(|reason| StartError::Table { name: name.clone(), reason })?;
    Ok(Some(dynamodb::router(dynamodb)))
}

/// Certificates. Making them takes up to a second of CPU, so a blocking thread does it.
async fn certificates() -> Result<Certificates, StartError> {
    let made = tokio::task::spawn_blocking(Certificates::make).await;
    made.unwrap_or_else(|panicked| Err(panicked.into())).map_err(StartError::Tls)
}

fn websocket_url(address: SocketAddr) -> String {
    format!("ws://{address}/{STAGE}")
}

/// The hosts that are reached without the machine's proxy, if it has one, and this address.
fn no_proxy() -> String {
    let set = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")).unwrap_or_default();
    if set.is_empty() {
        Ipv4Addr::LOCALHOST.to_string()
    } else {
        format!("{set},{}", Ipv4Addr::LOCALHOST)
    }
}

/// The Region of the machine, for the function's ARN.
fn region() -> String {
    std::env::var("AWS_REGION").unwrap_or_else(|_| REGION.to_owned())
}
