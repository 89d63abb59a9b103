//! The connections to AWS: HTTP/1.1, made and kept with settings of our own, and one pool of them for
//! all services.
//!
//! Not the SDK's own connector, for what a Lambda function lives through:
//!
//! - It offers HTTP/2. There, one connection carries all requests to a host, so that one that has died
//!   silently is used for ever, one reset ends many runs, and all turns of a process share one window.
//!   For a post or an answer at a time, it costs more CPU and saves nothing.
//! - It counts idle time by the monotonic clock, which may stop while the environment is frozen.
//! - Its sockets have no keepalive interval and no user timeout, so a path that has forgotten them stays
//!   unnoticed.
//! - It can't open a connection before there is a request.
//!
//! `connect` makes a connection, `pool` keeps it while that is safe, by `clocks`, and `error_body` bounds
//! what comes with an error.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Request, Uri};
use tracing::debug;

use crate::aws::connect::{Connect, NotConnected};
use crate::aws::connection::{Connection, IDLE_LIMIT};
use crate::aws::error_body::ErrorBody;
use crate::aws::pool::{IDLE_LIMIT_WITHOUT_REPETITION, Pool};
use crate::descriptors;

pub use crate::aws::connect::{CONNECT_TIMEOUT, NoCertificates, is_not_connected};

mod clocks;
mod connect;
mod connection;
mod error_body;
mod pool;
pub mod sdk_config;

/// The client of both services, and of an OpenID provider's keys. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Http {
    parts: Arc<Parts>,
    /// How long a connection may have been idle that a request of this client is sent on.
    idle_limit: Duration,
}

#[derive(Debug)]
struct Parts {
    connect: Connect,
    pool: Pool,
    /// For whoever has limits of its own, as sources of credentials do on a developer's machine.
    others: SharedHttpClient,
}

impl Http {
    /// A client without any connection yet. It reads the root certificates and draws the first random
    /// bytes, which is most of what the first TLS connection of a process would cost.
    ///
    /// # Errors
    /// `AWS_CA_BUNDLE` names a file that has no certificates.
    pub fn new() -> Result<Self, NoCertificates> {
        let others = Builder::new().build_with_connector_fn(|settings, _| {
            let mut builder =
                aws_smithy_http_client::Connector::builder().proxy_config(ProxyConfig::from_env());
            builder.set_connector_settings(settings.cloned());
            builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build()
        });
        let parts = Parts { connect: Connect::new()?, pool: Pool::default(), others };
        Ok(Self { parts: Arc::new(parts), idle_limit: IDLE_LIMIT })
    }

    /// The same client, whose requests are sent only on connections that were used just now, or are
    /// new: for a request that is made once, whatever becomes of it.
    #[must_use]
    pub fn for_requests_without_repetition(&self) -> Self {
        Self { idle_limit: IDLE_LIMIT_WITHOUT_REPETITION, ..self.clone() }
    }

    /// Opens a connection to where `request` goes, and keeps it for the first who needs it.
    async fn open_for(&self, request: HttpRequest) -> Result<(), ConnectorError> {
        let request = request.try_into_http1x().map_err(user)?;
        let connection = self.connect(request.uri()).await.map_err(not_connected)?;
        self.parts.pool.put(connection);
        Ok(())
    }

    /// A new connection. Those that wait make room for it if they have to.
    async fn connect(&self, url: &Uri) -> Result<Connection, NotConnected> {
        let mut connected = self.parts.connect.connect(url).await;
        if connected.as_ref().is_err_and(|error| descriptors::are_exhausted(error))
            && self.parts.pool.give_up_idle()
        {
            // Their tasks close them when it is their turn.
            tokio::task::yield_now().await;
            connected = self.parts.connect.connect(url).await;
        }
        connected.map(|connection| connection.with_idle_limit(self.idle_limit))
    }

    /// Makes a request to an absolute address. What may have been received is not sent again.
    ///
    /// # Errors
    /// There was no answer.
    pub async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let mut request = request.try_into_http1x().map_err(user)?;
        let url = request.uri().clone();
        while let Some(kept) = self.parts.pool.take(&url, self.idle_limit) {
            match self.send_on(kept, request).await {
                // It was closed before a byte of the request was on its way.
                Err(Unsent::Whole(unsent, error)) => {
                    debug!(%error, "a kept connection was closed meanwhile");
                    request = *unsent;
                }
                Err(Unsent::Perhaps(error)) => return Err(ConnectorError::io(error)),
                Ok(response) => return Ok(response),
            }
        }
        let new = self.connect(&url).await.map_err(not_connected)?;
        self.send_on(new, request).await.map_err(|unsent| match unsent {
            Unsent::Whole(_, error) => not_connected(NotConnected::new(&url, error.into())),
            Unsent::Perhaps(error) => ConnectorError::io(error),
        })
    }

    /// Sends a request on a connection, and keeps that for another once the answer has been read.
    async fn send_on(
        &self,
        mut connection: Connection,
        mut request: Request<SdkBody>,
    ) -> Result<HttpResponse, Unsent> {
        address(&mut request, &connection);
        let under_way = self.parts.pool.under_way(connection.url());
        match connection.sender.try_send_request(request).await {
            Ok(response) => {
                under_way.answered();
                self.parts.pool.put_when_ready(connection);
                let body = if response.status().is_success() {
                    SdkBody::from_body_1_x
                } else {
                    |body| SdkBody::from_body_1_x(ErrorBody::new(body))
                };
                HttpResponse::try_from(response.map(body))
                    .map_err(|error| Unsent::Perhaps(error.into()))
            }
            Err(mut error) => match error.take_message() {
                Some(request) => Err(Unsent::Whole(request.into(), error.into_error())),
                None => Err(Unsent::Perhaps(error.into_error().into())),
            },
        }
    }
}

/// Why there is no response.
enum Unsent {
    /// Not a byte of the request was on its way.
    Whole(Box<Request<SdkBody>>, hyper::Error),
    /// Nobody knows how far it came.
    Perhaps(Box<dyn Error + Send + Sync>),
}

/// Where the request goes, in the form that whoever is at the other end of the connection expects
/// (RFC 9112, section 3.2).
fn address(request: &mut Request<SdkBody>, connection: &Connection) {
    let url = request.uri().clone();
    if let Some(host) = host(&url).and_then(|host| HeaderValue::from_str(host).ok()) {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    if let Some(proxy) = &connection.forward_proxy {
        if let Some(authorization) = &proxy.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
    } else if let Some(path) = url.path_and_query() {
        *request.uri_mut() = path.clone().into();
    }
}

/// The host of an address, with its port unless the scheme implies that one: so it is signed.
fn host(url: &Uri) -> Option<&str> {
    match (url.scheme_str(), url.port_u16()) {
        (Some("http"), Some(80)) | (Some("https"), Some(443)) => url.host(),
        _ => Some(url.authority()?.as_str()),
    }
}

/// Whether a request, or the answer to it, was lost between here and the service: no connection, one
/// that broke, or an answer that is no HTTP.
#[must_use]
pub fn is_lost_on_the_way<E, R>(error: &SdkError<E, R>) -> bool {
    match error {
        SdkError::TimeoutError(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_io() || failure.is_timeout(),
        _ => false,
    }
}

fn user(error: impl Into<Box<dyn Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::user(error.into())
}

fn not_connected(error: NotConnected) -> ConnectorError {
    ConnectorError::io(error.into()).never_connected()
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        if settings.connect_timeout() == Some(CONNECT_TIMEOUT) && settings.read_timeout().is_none()
        {
            SharedHttpConnector::new(self.clone())
        } else {
            self.parts.others.http_connector(settings, components)
        }
    }
}

/// Takes a request as far as a connection to where it goes, and does not send it.
///
/// The SDK's own way of finding an address, with its rules for endpoints and its signature, is walked
/// once for each service before the first event: so that way is warm, and the connection open.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    http: Http,
    /// Whether the connection is opened, too.
    connects: bool,
}

impl Rehearsal {
    /// A rehearsal for requests through `http`.
    #[must_use]
    pub fn new(http: Http, connects: bool) -> Self {
        Self { http, connects }
    }
}

/// What every rehearsed request ends with, once its connection is open.
#[derive(Debug, thiserror::Error)]
#[error("this was a rehearsal, and nothing was sent")]
pub struct NothingSent;

impl HttpConnector for Rehearsal {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { http, connects } = self.clone();
        HttpConnectorFuture::new(async move {
            if connects {
                http.open_for(request).await?;
            }
            Err(ConnectorError::user(NothingSent.into()))
        })
    }
}

impl HttpClient for Rehearsal {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn the_host_is_named_as_it_is_signed() {
        for (url, expected) in [
            ("https://a.example/", "a.example"),
            ("https://a.example:443/", "a.example"),
            ("http://a.example:80/", "a.example"),
            ("https://a.example:80/", "a.example:80"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("https://[::1]:443/", "[::1]"),
        ] {
            let (sender, _) = http1::handshake(TokioIo::new(duplex(1).0)).await.unwrap();
            let mut request = Request::new(SdkBody::empty());
            *request.uri_mut() = Uri::from_static(url);
            address(&mut request, &Connection::new(&Uri::from_static(url), sender, None));
            assert_eq!(request.headers()[HOST], expected, "{url}");
            assert_eq!(request.uri(), "/");
        }
    }
}
