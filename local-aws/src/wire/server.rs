//! One connection of the server behind a wire: HTTP/1.1 or HTTP/2, over TLS or plain.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long the handshake of TLS may still take when the connection is to end.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(500);

/// What answers behind a wire.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) router: Router,
    /// Without it, what comes is not encrypted.
    pub(crate) tls: Option<TlsAcceptor>,
}

impl Server {
    /// Answers until the client closes the connection, or until `shut_down`; then what is being
    /// answered is answered to its end, an HTTP/2 client is told with GOAWAY, and TLS is closed before
    /// the connection is.
    pub(super) async fn serve(self, stream: DuplexStream, shut_down: impl Future<Output = ()>) {
        let mut shut_down = pin!(shut_down);
        let builder = auto::Builder::new(TokioExecutor::new());
        let Some(tls) = self.tls else {
            return serve_http(stream, builder, self.router, shut_down).await;
        };
        let mut accepting = pin!(tls.accept(stream));
        let (encrypted, is_shutting_down) = tokio::select! {
            encrypted = accepting.as_mut() => (encrypted.ok(), false),
            () = shut_down.as_mut() => {
                // The client may have all it needs for the connection already.
                let encrypted = timeout(HANDSHAKE_TIMEOUT, accepting).await;
                (encrypted.ok().and_then(Result::ok), true)
            }
        };
        // A client that trusts another authority, or does not speak TLS at all, will say so itself.
        let Some(encrypted) = encrypted else { return };
        let shut_down = async {
            if !is_shutting_down {
                shut_down.await;
            }
        };
        // Detected by the first bytes, an idle connection could not be closed in good order.
        let builder = match encrypted.get_ref().1.alpn_protocol() {
            Some(b"h2") => builder.http2_only(),
            _ => builder.http1_only(),
        };
        serve_http(encrypted, builder, self.router, shut_down).await;
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    shut_down: impl Future<Output = ()>,
) {
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a connection ends is the client's concern; what came before is in the journal.
        _ended = connection.as_mut() => return,
        () = shut_down => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ended = connection.await;
}
