//! Making a connection: TCP, through the machine's proxy if it has one, and TLS.

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::client::conn::http1;
use hyper::http::uri::Scheme;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::{Service, ServiceExt as _};
use tracing::{debug, warn};

use crate::aws::connection::{Connection, ForwardProxy};
use crate::error::has_cause;

/// How long it may take to connect, names and TLS included, to Bedrock and to API Gateway alike.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection may be silent before the kernel asks whether the other end is still there. A
/// NAT gateway forgets a connection after 350 s of silence ("NAT gateway basics"), and an agent may
/// think for longer.
const KEEPALIVE_TIME: Duration = Duration::from_secs(10);

/// How long the kernel waits between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// How long the other end may leave bytes or questions unacknowledged before the connection counts as
/// broken; the kernel then counts from the last sign of life, so there is time for four questions, and a
/// lost packet or a short outage breaks nothing. The silence of a path that is gone is noticed within
/// some 25 s, an agent's own never.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// The variable of the SDKs and tools of AWS for a file of root certificates.
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Why there are no root certificates.
#[derive(Debug, Error)]
#[error("{CA_BUNDLE} is \"{path}\", but no certificates can be read from there: {reason}")]
pub struct NoCertificates {
    path: String,
    reason: String,
}

/// There is no connection, so nothing of a request can have been processed.
#[derive(Debug, Error)]
#[error("no connection to {authority} could be made")]
pub(super) struct NotConnected {
    authority: String,
    source: Box<dyn Error + Send + Sync>,
}

impl NotConnected {
    pub(super) fn new(url: &Uri, source: Box<dyn Error + Send + Sync>) -> Self {
        Self { authority: url.authority().map(ToString::to_string).unwrap_or_default(), source }
    }
}

#[derive(Debug, Error)]
#[error("it took longer than {CONNECT_TIMEOUT:?}")]
struct TookTooLong;

/// Whether an error means that a request never left, since there was no connection for it.
#[must_use]
pub fn is_not_connected(error: &(dyn Error + 'static)) -> bool {
    has_cause::<NotConnected>(error)
}

/// The stream that a connection is made of.
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Makes connections.
#[derive(Debug)]
pub(super) struct Connect {
    tcp: HttpConnector,
    tls: Arc<ClientConfig>,
    proxies: Matcher,
}

impl Connect {
    pub(super) fn new() -> Result<Self, NoCertificates> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        // A frame must not wait for the acknowledgement of the one before.
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE_TIME));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(USER_TIMEOUT));
        Ok(Self { tcp, tls: tls()?.into(), proxies: Matcher::from_env() })
    }

    /// A connection to the host of `url`, for requests to it.
    pub(super) async fn connect(&self, url: &Uri) -> Result<Connection, NotConnected> {
        let connecting = Box::pin(self.connect_without_limit(url));
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(TookTooLong.into()));
        connected.map_err(|source| NotConnected::new(url, source))
    }

    async fn connect_without_limit(
        &self,
        url: &Uri,
    ) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        let proxy = self.proxies.intercept(url);
        if let Some(scheme) = proxy.as_ref().and_then(|proxy| proxy.uri().scheme_str())
            && scheme != "http"
        {
            return Err(format!(
                "the proxy is a {scheme} one, and only those with http:// are supported"
            )
            .into());
        }
        let (stream, forward_proxy) = match proxy {
            None => (self.direct(url.clone()).await?, None),
            Some(proxy) if url.scheme() == Some(&Scheme::HTTPS) => {
                (self.tunnel(url.clone(), &proxy).await?, None)
            }
            Some(proxy) => {
                let authorization = proxy.basic_auth().cloned();
                let stream = self.direct(proxy.uri().clone()).await?;
                (stream, Some(ForwardProxy { authorization }))
            }
        };
        let (sender, connection) = http1::handshake(stream).await?;
        tokio::spawn(async move {
            // Whoever waits for an answer is told by the sender.
            if let Err(error) = connection.await {
                debug!(%error, "a connection has ended");
            }
        });
        Ok(Connection::new(url, sender, forward_proxy))
    }

    async fn direct(&self, url: Uri) -> Result<Stream, Box<dyn Error + Send + Sync>> {
        let mut connector = HttpsConnector::from((self.tcp.clone(), Arc::clone(&self.tls)));
        connector.ready().await?.call(url).await
    }

    /// Through a proxy that only passes bytes on (`CONNECT`).
    async fn tunnel(
        &self,
        url: Uri,
        proxy: &Intercept,
    ) -> Result<Stream, Box<dyn Error + Send + Sync>> {
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let mut connector = HttpsConnector::from((tunnel, Arc::clone(&self.tls)));
        connector.ready().await?.call(url).await
    }
}

/// How to speak TLS: with the machine's root certificates, or with those of `AWS_CA_BUNDLE`,
/// `SSL_CERT_FILE` or `SSL_CERT_DIR`.
fn tls() -> Result<ClientConfig, NoCertificates> {
    let provider = aws_lc_rs::default_provider();
    draw_randomness(&provider);
    let roots = roots()?;
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        // The provider has cipher suites for both versions of TLS, so this can't happen.
        .map_err(|error| NoCertificates { path: String::new(), reason: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Draws the first random bytes of the process. AWS-LC collects entropy for them, which may take a
/// whole CPU more than 50 ms, and the share of 256 MB of memory seven times that.
fn draw_randomness(provider: &CryptoProvider) {
    if provider.secure_random.fill(&mut [0; 32]).is_err() {
        warn!("there is no randomness for TLS yet");
    }
}

/// Whom to trust. What is no certificate is left out.
fn roots() -> Result<RootCertStore, NoCertificates> {
    let mut roots = RootCertStore::empty();
    let bundle = env::var(CA_BUNDLE).unwrap_or_default().trim().to_owned();
    if !bundle.is_empty() {
        let usable = read_bundle(&bundle).and_then(|certificates| {
            roots.add_parsable_certificates(certificates);
            if roots.is_empty() { Err("none of them can be used".to_owned()) } else { Ok(()) }
        });
        return match usable {
            Ok(()) => Ok(roots),
            Err(reason) => Err(NoCertificates { path: bundle, reason }),
        };
    }
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        warn!(%error, "root certificates can't be read");
    }
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        warn!("there are no root certificates, so no TLS connection can be made");
    }
    Ok(roots)
}

fn read_bundle(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?.collect();
    let certificates = certificates.map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        Err("it holds none in PEM form".to_owned())
    } else {
        Ok(certificates)
    }
}
