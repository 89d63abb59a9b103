//! One connection to a service.

use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use hyper::Uri;
use hyper::client::conn::http1::SendRequest;
use hyper::header::HeaderValue;

/// How long a connection may have been idle. AWS's front ends close what is idle for minutes.
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// A connection, free for a request.
#[derive(Debug)]
pub(super) struct Connection {
    /// Whose host it leads to.
    url: Uri,
    pub(super) sender: SendRequest<SdkBody>,
    /// How long it may be idle, by whoever used it last.
    pub(super) idle_limit: Duration,
    /// Whether it ends at a proxy that wants whole addresses.
    pub(super) forward_proxy: Option<ForwardProxy>,
}

impl Connection {
    pub(super) fn new(
        url: &Uri,
        sender: SendRequest<SdkBody>,
        forward_proxy: Option<ForwardProxy>,
    ) -> Self {
        Self { url: url.clone(), sender, idle_limit: IDLE_LIMIT, forward_proxy }
    }

    /// The same, which may be idle for so long.
    pub(super) fn with_idle_limit(self, idle_limit: Duration) -> Self {
        Self { idle_limit, ..self }
    }

    pub(super) fn url(&self) -> &Uri {
        &self.url
    }

    pub(super) fn leads_to(&self, url: &Uri) -> bool {
        self.url.scheme() == url.scheme() && self.url.authority() == url.authority()
    }
}

/// A proxy that requests are handed to, instead of a tunnel through one.
#[derive(Clone, Debug)]
pub(super) struct ForwardProxy {
    pub(super) authorization: Option<HeaderValue>,
}
