//! One request and its response: from the event to the last piece, or to whatever ends it before.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::gateway_error::GatewayError;
use super::state::RestApi;
use crate::journal::{Entry, HttpResponseEnd};
use crate::lambda::{InvokeError, InvokeRequest};
use crate::prelude::PreludeReader;
use crate::proxy_response::ProxyResponse;
use crate::response_pieces::{PieceSender, ResponsePieces, response_pieces};
use crate::route::Route;

/// One request and its response. It outlives its client, since the function does.
pub(super) struct Exchange {
    api: Arc<RestApi>,
    /// The Lambda request id of the invocation.
    request_id: String,
    is_head_request: bool,
    /// When the integration's time is over.
    deadline: Instant,
}

/// Where the status and the headers of the response go, and the body with them.
type HeadSender = oneshot::Sender<Response>;

impl Exchange {
    pub(super) fn new(api: Arc<RestApi>, request_id: String, method: &Method) -> Self {
        let deadline = Instant::now() + api.limits.streaming_integration_timeout;
        Self { api, request_id, is_head_request: *method == Method::HEAD, deadline }
    }

    /// Invokes the function, and passes its response on until that or the client ends.
    pub(super) async fn run(self, event: Bytes, mut head: HeadSender) {
        let Some(outcome) = self.invoke(event, &mut head).await else { return };
        let begun = match outcome {
            Ok(mut pieces) => self
                .read_prelude(&mut pieces, &mut head)
                .await
                .map(|begun| begun.map(|(prelude, first)| (prelude, first, pieces))),
            Err(error) => Some(Err(error)),
        };
        match begun {
            // The client has gone.
            None => {}
            Some(Err(error)) => {
                // It fails when the client has gone just now.
                let _ = head.send(self.api.refuse(&error));
            }
            Some(Ok((prelude, first, pieces))) => {
                self.respond(prelude, first, pieces, head).await;
            }
        }
    }

    /// Waits until the function's response begins; `None` if the client has gone before.
    async fn invoke(
        &self,
        event: Bytes,
        head: &mut HeadSender,
    ) -> Option<Result<ResponsePieces, GatewayError>> {
        let limits = &self.api.limits;
        let request = InvokeRequest {
            route: Route::Agui,
            connection_id: String::new(),
            event,
            grace: limits.message_grace,
            timeout: limits.streaming_integration_timeout,
        };
        let mut invoked = pin!(self.api.lambda.invoke_streaming(&self.request_id, request));
        let mut client_gone = false;
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut invoked => break outcome,
                // The invocation goes on.
                () = head.closed(), if !client_gone => {
                    client_gone = true;
                    self.record_end(0, HttpResponseEnd::ClientGone);
                }
            }
        };
        let (connection_id, route) = (String::new(), Route::Agui);
        let journal = &self.api.journal;
        let outcome = outcome.map_err(|error| match error {
            InvokeError::Throttled => {
                journal.record(Entry::Throttled { connection_id, route });
                GatewayError::Throttled
            }
            InvokeError::TimedOut { request_id } => {
                journal.record(Entry::TimedOut { request_id, connection_id, route });
                GatewayError::TimedOut
            }
            InvokeError::Failed => GatewayError::FunctionFailed,
        });
        (!client_gone).then_some(outcome)
    }

    /// Reads the status and the headers, and what comes with them of the body; `None` if the client has
    /// gone meanwhile.
    async fn read_prelude(
        &self,
        pieces: &mut ResponsePieces,
        head: &mut HeadSender,
    ) -> Option<Result<(ProxyResponse, Bytes), GatewayError>> {
        let limit = self.deadline.min(Instant::now() + self.api.limits.stream_idle);
        tokio::select! {
            biased;
            prelude = prelude(pieces) => Some(prelude),
            () = head.closed() => {
                self.record_end(0, HttpResponseEnd::ClientGone);
                None
            }
            () = sleep_until(limit) => {
                self.api.journal.record(Entry::TimedOut {
                    request_id: self.request_id.clone(),
                    connection_id: String::new(),
                    route: Route::Agui,
                });
                Some(Err(GatewayError::TimedOut))
            }
        }
    }

    /// Sends the status and the headers, and then the body as it comes.
    async fn respond(
        &self,
        prelude: ProxyResponse,
        first: Bytes,
        mut pieces: ResponsePieces,
        head: HeadSender,
    ) {
        let status = StatusCode::from_u16(prelude.status).unwrap_or(StatusCode::BAD_GATEWAY);
        // HTTP has no body here, whatever the function sends.
        let has_body = !self.is_head_request
            && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let (client, body) = if has_body {
            let (client, body) = response_pieces();
            (Some(client), Body::from_stream(body))
        } else {
            (None, Body::empty())
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = client_headers(prelude.headers);
        self.api.journal.record(Entry::HttpResponseStarted {
            request_id: self.request_id.clone(),
            status: status.as_u16(),
        });
        let mut bytes = 0;
        let end = match head.send(response) {
            Ok(()) => self.pass_on(first, &mut pieces, client.as_ref(), &mut bytes).await,
            Err(_) => HttpResponseEnd::ClientGone,
        };
        // Recorded first, so that whatever the end causes comes after it in the journal.
        self.record_end(bytes, end);
        // In any other case the client's connection is cut: the body breaks off.
        if end == HttpResponseEnd::Complete
            && let Some(client) = client
        {
            client.complete();
        }
    }

    /// Passes the body on, piece by piece, each when the client has room for it.
    async fn pass_on(
        &self,
        first: Bytes,
        pieces: &mut ResponsePieces,
        client: Option<&PieceSender>,
        bytes: &mut usize,
    ) -> HttpResponseEnd {
        let mut first = Some(first);
        loop {
            let pass_on_piece = async {
                let piece = match first.take() {
                    Some(first) => first,
                    None => match pieces.next().await {
                        Some(Ok(piece)) => piece,
                        Some(Err(_)) => return Some(HttpResponseEnd::FunctionFailed),
                        None => return Some(HttpResponseEnd::Complete),
                    },
                };
                let client = client?;
                let length = piece.len();
                if length > 0 && !client.send(piece).await {
                    return Some(HttpResponseEnd::ClientGone);
                }
                *bytes += length;
                None
            };
            let client_gone = async {
                match client {
                    Some(client) => client.closed().await,
                    None => pending().await,
                }
            };
            let idle = Instant::now() + self.api.limits.stream_idle;
            let end = tokio::select! {
                biased;
                end = pass_on_piece => end,
                () = client_gone => Some(HttpResponseEnd::ClientGone),
                () = sleep_until(idle.min(self.deadline)) => Some(if idle < self.deadline {
                    HttpResponseEnd::IdleTimeout
                } else {
                    HttpResponseEnd::IntegrationTimeout
                }),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    fn record_end(&self, bytes: usize, end: HttpResponseEnd) {
        let request_id = self.request_id.clone();
        self.api.journal.record(Entry::HttpResponseEnded { request_id, bytes, end });
    }
}

/// Reads up to the end of the prelude.
async fn prelude(pieces: &mut ResponsePieces) -> Result<(ProxyResponse, Bytes), GatewayError> {
    let mut reader = PreludeReader::default();
    loop {
        let piece = match pieces.next().await {
            Some(Ok(piece)) => piece,
            Some(Err(_)) => return Err(GatewayError::BrokenOff),
            None => return Err(GatewayError::NoPrelude),
        };
        if let Some((prelude, first)) = reader.push(&piece)? {
            return match prelude.status {
                status @ ..200 => Err(GatewayError::Status(status)),
                _ => Ok((prelude, first)),
            };
        }
    }
}

/// The headers of a response as they reach the client. API Gateway leaves out those of the connection, and
/// gives other names to some that it sets itself or takes for its own (the page "Amazon API Gateway important
/// notes").
fn client_headers(headers: Vec<(String, String)>) -> HeaderMap {
    let mut client_headers = HeaderMap::new();
    for (name, value) in headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
        else {
            continue;
        };
        let name = match name.as_str() {
            "te" | "trailer" | "transfer-encoding" | "upgrade" => continue,
            "connection" => HeaderName::from_static("x-amzn-remapped-connection"),
            "content-length" => HeaderName::from_static("x-amzn-remapped-content-length"),
            "date" => HeaderName::from_static("x-amzn-remapped-date"),
            "server" => HeaderName::from_static("x-amzn-remapped-server"),
            "www-authenticate" => HeaderName::from_static("x-amzn-remapped-www-authenticate"),
            _ => name,
        };
        client_headers.append(name, value);
    }
    client_headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_api_gateways_own_get_other_names() {
        let headers = [
            ("Content-Type", "text/event-stream"),
            ("WWW-Authenticate", "Bearer"),
            ("Content-Length", "7"),
            ("Transfer-Encoding", "chunked"),
            ("Set-Cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("no name", "x"),
            ("x-no-value", "a\nb"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = client_headers(headers.into());
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers["x-amzn-remapped-www-authenticate"], "Bearer");
        assert_eq!(headers["x-amzn-remapped-content-length"], "7");
        assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(headers.len(), 5, "{headers:?}");
    }
}
