//! A response that a function streams: what a custom runtime writes to the Runtime API, byte for byte.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::soon;

/// A streamed response, on a connection of its own. Dropped, it breaks off.
pub struct StreamedResponse {
    socket: TcpStream,
}

impl StreamedResponse {
    pub(crate) async fn begin(address: SocketAddr, request_id: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.expect("the Runtime API listens");
        // Each piece goes out by itself.
        socket.set_nodelay(true).unwrap();
        let request = format!(
            "POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\n\
             host: {address}\r\n\
             transfer-encoding: chunked\r\n\
             content-type: application/vnd.awslambda.http-integration-response\r\n\
             lambda-runtime-function-response-mode: streaming\r\n\
             trailer: Lambda-Runtime-Function-Error-Type\r\n\
             trailer: Lambda-Runtime-Function-Error-Body\r\n\r\n",
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket }
    }

    /// Sends a status and headers, and the eight NUL bytes behind them.
    pub async fn send_prelude(&mut self, prelude: &Value) {
        self.send(prelude.to_string()).await;
        self.send([0; 8]).await;
    }

    /// Sends a piece, which takes until the Runtime API has room for it.
    pub async fn send(&mut self, piece: impl AsRef<[u8]>) {
        soon("the Runtime API to take a piece", self.try_send(piece)).await.unwrap();
    }

    /// Sends a piece, however long that takes.
    ///
    /// # Errors
    /// When the Runtime API has closed the connection.
    pub async fn try_send(&mut self, piece: impl AsRef<[u8]>) -> std::io::Result<()> {
        let piece = piece.as_ref();
        self.socket.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        self.socket.write_all(piece).await?;
        self.socket.write_all(b"\r\n").await
    }

    /// Ends the response, and returns the status of the Runtime API.
    pub async fn end(self) -> u16 {
        self.end_with(&[]).await
    }

    /// Ends the response with trailers, and returns the status of the Runtime API.
    pub async fn end_with(mut self, trailers: &[(&str, &str)]) -> u16 {
        let mut end = "0\r\n".to_owned();
        for (name, value) in trailers {
            end.extend([name, ": ", value, "\r\n"]);
        }
        end.push_str("\r\n");
        self.socket.write_all(end.as_bytes()).await.unwrap();
        self.status().await
    }

    /// The status of the Runtime API, which may come before the response has ended.
    pub async fn status(&mut self) -> u16 {
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n") {
            let mut byte = [0];
            let read = soon("the Runtime API", self.socket.read_exact(&mut byte)).await;
            read.expect("the Runtime API answers");
            response.push(byte[0]);
        }
        let line = String::from_utf8(response).unwrap();
        line.split(' ').nth(1).expect("a status line").parse().unwrap()
    }
}
