//! One HTTP client for all calls to AWS.
//!
//! Left to itself, every client of the SDK makes its own and reads the machine's root certificates for
//! it, which takes most of a cold start. Here both services share one connector, and a thread of its
//! own makes it while the function asks for its first event. Whoever needs it first waits for the rest.

use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// How long it may take to connect, to Bedrock and to API Gateway alike: with the same limit, both
/// services use the same connector.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The client, whose connector is being made.
#[must_use]
pub fn client() -> SharedHttpClient {
    let client = SharedClient(Arc::new(Parts {
        ours: LazyLock::new(shared_connector),
        others: LazyLock::new(|| {
            Builder::new().build_with_connector_fn(|settings, _| connector(settings.cloned()))
        }),
    }));
    let parts = Arc::clone(&client.0);
    // Without the thread, it is made when it is needed.
    let _unneeded = thread::Builder::new().name("tls".to_owned()).spawn(move || {
        LazyLock::force(&parts.ours);
    });
    SharedHttpClient::new(client)
}

/// A connector with the limit of [`CONNECT_TIMEOUT`]. It reads the root certificates, once a process.
#[must_use]
pub fn shared_connector() -> SharedHttpConnector {
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT).build();
    SharedHttpConnector::new(connector(Some(settings)))
}

/// A connector as the SDK makes them: through the machine's proxy, if it has one.
fn connector(settings: Option<HttpConnectorSettings>) -> Connector {
    let mut builder = Connector::builder().proxy_config(ProxyConfig::from_env());
    builder.set_connector_settings(settings);
    builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build()
}

#[derive(Debug)]
struct SharedClient(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    /// For both services.
    ours: LazyLock<SharedHttpConnector>,
    /// For whoever has limits of its own, as sources of credentials do on a developer's machine.
    others: LazyLock<SharedHttpClient>,
}

impl HttpClient for SharedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        if settings.connect_timeout() == Some(CONNECT_TIMEOUT) && settings.read_timeout().is_none()
        {
            self.0.ours.clone()
        } else {
            self.0.others.http_connector(settings, components)
        }
    }
}
