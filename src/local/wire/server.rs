//! One connection of the server behind a wire: HTTP/1.1 or HTTP/2, over TLS or plain.

use std::pin::pin;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio_rustls::TlsAcceptor;

/// What answers behind a wire.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) router: Router,
    /// Without it, what comes is not encrypted.
    pub(crate) tls: Option<TlsAcceptor>,
}

impl Server {
    /// Answers until the client closes the connection, or until `told_to_end`; then what is being
    /// answered is answered to its end, an HTTP/2 client is told with GOAWAY, and TLS is closed before
    /// the connection is.
    pub(super) async fn serve(self, stream: DuplexStream, told_to_end: impl Future<Output = ()>) {
        let mut told_to_end = pin!(told_to_end);
        let Some(tls) = self.tls else { return answer(stream, self.router, told_to_end).await };
        tokio::select! {
            // A client that trusts somebody else, or no client of TLS at all, is its own to report.
            encrypted = tls.accept(stream) => if let Ok(encrypted) = encrypted {
                answer(encrypted, self.router, told_to_end).await;
            },
            () = told_to_end.as_mut() => {}
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: Router,
    told_to_end: impl Future<Output = ()>,
) {
    let builder = auto::Builder::new(TokioExecutor::new());
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How a connection ends is the client's concern; what came before is in the journal.
        _ended = connection.as_mut() => return,
        () = told_to_end => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ended = connection.await;
}
