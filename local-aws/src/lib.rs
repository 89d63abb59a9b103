//! The AWS of your own machine: API Gateway's WebSocket side, Lambda's Runtime API and a scripted
//! Bedrock agent, all on one port of 127.0.0.1, all speaking the real wire protocols.
//!
//! The function under test is a process of its own, the same code that is deployed. The standard
//! variables of [`LocalAws::function_environment`] point it here, so nothing in it knows whether
//! it runs locally.
//!
//! | Address | What |
//! |---|---|
//! | `/`, `/config.json`, … | the HTTP API of the page |
//! | `ws://…/local` | API Gateway's WebSocket side |
//! | `/local/@connections/{connectionId}` | its callbacks |
//! | `/2018-06-01/runtime/…` | Lambda's Runtime API |
//! | `/bedrock/agents/…` | the scripted agent |
//!
//! With [`Options::tls`], [`Options::rtt`] or [`Options::wire`], the function reaches the callbacks and
//! the agent by other addresses, each with a [`Wire`] before it.

mod agent;
mod cpu_share;
mod faults;
mod function_process;
mod gateway;
mod host_check;
mod http_api;
mod ids;
mod journal;
mod lambda;
mod log;
mod management;
mod options;
mod proxy_response;
mod request_time;
mod route;
mod tls;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use agent::{AGENT_ALIAS_ID, AGENT_ID, Exception, SCENARIOS, SUGGESTED_PROMPTS, file_bytes};
pub use cpu_share::{CpuShareError, cpu_share_is_possible};
pub use faults::{FaultInjector, FaultKind, Faults, FaultsError, PostFault};
pub use function_process::{FunctionError, FunctionProcess, Program, child};
pub use journal::{Entry, Follower, Journal, Record};
pub use log::JournalLog;
pub use options::{Agent, AwsLimits, Options};
pub use route::Route;
pub use wire::{Wire, WireClose, WireFault, WireName};

use agent::ScriptedAgent;
use gateway::Gateway;
use lambda::Lambda;
use management::ManagementApi;
use route::STAGE;
use tls::{Certificates, TlsError};
use wire::Server;

/// The name that the function has here.
const FUNCTION_NAME: &str = "agent-relay";

/// The Region that everything pretends to be in, unless a real agent lives elsewhere.
const REGION: &str = "us-east-1";

/// How long open connections may take to end when everything stops.
const STOPPING: Duration = Duration::from_secs(3);

/// The running local AWS. Dropping it stops it, too, but does not wait for the end.
#[derive(Debug)]
pub struct LocalAws {
    address: SocketAddr,
    options: Options,
    journal: Journal,
    faults: FaultInjector,
    lambda: Arc<Lambda>,
    gateway: Arc<Gateway>,
    wires: Option<Wires>,
    certificates: Option<Certificates>,
    stop: watch::Sender<bool>,
    server: JoinHandle<io::Result<()>>,
}

#[derive(Debug)]
struct Wires {
    agent: Wire,
    callbacks: Wire,
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
    /// The function could not have its share of the CPU.
    #[error("--cpu-share cannot be had here: {0}")]
    CpuShare(#[from] CpuShareError),
    /// The faults make no sense.
    #[error(transparent)]
    Faults(#[from] FaultsError),
}

impl LocalAws {
    /// Starts everything but the function, which [`FunctionProcess::start`] starts.
    ///
    /// # Errors
    /// When the port is taken or may not be used, or when the concurrency or a rate of the faults
    /// is out of bounds.
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
        let arn = format!("arn:aws:lambda:{}:123456789012:function:{FUNCTION_NAME}", region());
        let lambda = Lambda::new(journal.clone(), arn, limits.function_timeout, stopping.clone());
        let gateway = Gateway::new(
            lambda.clone(),
            journal.clone(),
            limits.clone(),
            address.to_string(),
            options.authorizer,
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
        let agent = ScriptedAgent::new(journal.clone(), faults.clone(), stopping.clone());
        let checked = |router: Router| {
            let authorizer = options.authorizer;
            let host_check =
                axum::middleware::from_fn_with_state(authorizer, host_check::only_this_machine);
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
                agent: start(WireName::Agent, agent::router(agent.clone())).await?,
                callbacks: start(WireName::Callbacks, management::router(management.clone()))
                    .await?,
            })
        } else {
            None
        };
        let router = checked(
            Router::new()
                .merge(lambda::router(lambda.clone()))
                .merge(gateway::router(gateway.clone()))
                .merge(management::router(management))
                .merge(agent::router(agent))
                .merge(http_api::router(lambda.clone())),
        );

        // Small frames must not wait for the acknowledgement of the ones before them.
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let mut stopping = stopping;
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
            // An error means that the handle is gone, which stops everything as well.
            let _ = stopping.wait_for(|stopping| *stopping).await;
        });
        let server = tokio::spawn(async move { serving.await });
        Ok(Self {
            address,
            options,
            journal,
            faults,
            lambda,
            gateway,
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

    /// The wire to the scripted agent, if there is one: see [`Options::wire`].
    #[must_use]
    pub fn agent_wire(&self) -> Option<&Wire> {
        self.wires.as_ref().map(|wires| &wires.agent)
    }

    /// The wire to the callbacks, if there is one: see [`Options::wire`].
    #[must_use]
    pub fn callback_wire(&self) -> Option<&Wire> {
        self.wires.as_ref().map(|wires| &wires.callbacks)
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

    /// The variables that make a process the function of this local AWS.
    ///
    /// For the scripted agent they include credentials, which are nobody's. For a real agent the
    /// function finds the machine's own, and its Region, as every AWS program does.
    #[must_use]
    pub fn function_environment(&self) -> Vec<(&str, String)> {
        let mut environment = vec![
            ("AWS_LAMBDA_RUNTIME_API", self.address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION_NAME.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            (
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                self.options.cpu_share_mb.unwrap_or(512).to_string(),
            ),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{FUNCTION_NAME}")),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local".to_owned()),
            ("AWS_LAMBDA_MAX_CONCURRENCY", self.options.concurrency.to_string()),
            ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", self.callback_url()),
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
        if self.options.agent == Agent::Scripted {
            environment.extend([
                ("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME", self.agent_url()),
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
        self.gateway.finish(STOPPING).await;
        // What still holds a connection open then, such as a client that never reads, is cut off.
        let ended = async {
            let _ = (&mut self.server).await;
            if let Some(wires) = &mut self.wires {
                wires.agent.finish().await;
                wires.callbacks.finish().await;
            }
        };
        let _ = tokio::time::timeout(STOPPING, ended).await;
        self.server.abort();
        if let Some(wires) = &self.wires {
            wires.agent.abort();
            wires.callbacks.abort();
        }
    }
}

impl Drop for LocalAws {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// Certificates, made where a second of work holds nobody up.
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
