//! The handshake: the authorizer and `$connect` decide, then the connection is upgraded.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::connection::{Connection, linger, serve};
use super::event::{self, Ending, Pairs};
use super::{Gateway, lock};
use crate::ids::random_id;
use crate::journal::Entry;
use crate::lambda::InvokeError;
use crate::route::Route;

/// Answers a request for a WebSocket.
pub(super) async fn accept(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    mut request: Request,
) -> Response {
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (parts, _) = request.into_parts();
    let request = axum::http::Request::from_parts(parts, ());
    // The reading of the handshake's headers is tungstenite's: a plain GET, a wrong version or a
    // missing key is refused without asking the function.
    let response = create_response_with_body(&request, Body::empty);
    let (Ok(mut response), Some(upgrade)) = (response, upgrade) else {
        return gateway.refuse(
            StatusCode::UPGRADE_REQUIRED,
            "this address speaks WebSocket: try `wscat -c`, or open the page",
        );
    };

    let headers = request.headers();
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let source_ip = client.ip().to_string();
    let (connection, posts) = Connection::new(
        random_id(),
        source_ip.clone(),
        user_agent.map(str::to_owned),
        gateway.limits.client_buffer_bytes,
    );
    let connection = Arc::new(connection);

    let port = gateway.authority.rsplit(':').next().unwrap_or_default();
    let headers = Pairs::of_headers(headers, &source_ip, port);
    let query = Pairs::of_query(request.uri().query().unwrap_or_default());
    if gateway.has_authorizer {
        match gateway.authorize(&connection, &headers, &query).await {
            // A connection is authorized once.
            Ok(said) => _ = connection.authorizer.set(said),
            Err((status, reason)) => return gateway.refuse(status, reason),
        }
    }
    let event = event::connect(&connection, &gateway.authority, &headers, &query);
    let answer = match gateway.invoke(Route::Connect, &connection, event).await {
        Ok(answer) if (200..300).contains(&answer.status) => answer,
        Ok(answer) => {
            // The function's 401 shows as 403, which is how API Gateway refuses the unauthorized.
            let status = match StatusCode::from_u16(answer.status) {
                Ok(status) if status != StatusCode::UNAUTHORIZED && status.as_u16() >= 400 => {
                    status
                }
                _ => StatusCode::FORBIDDEN,
            };
            return gateway.refuse(status, "the function refused the connection");
        }
        Err(InvokeError::Failed) => {
            return gateway.refuse(StatusCode::BAD_GATEWAY, "the function failed on $connect");
        }
        Err(InvokeError::TimedOut { .. }) => {
            let reason = "the function did not answer $connect in time";
            return gateway.refuse(StatusCode::GATEWAY_TIMEOUT, reason);
        }
        Err(InvokeError::Throttled) => {
            return gateway.refuse(StatusCode::TOO_MANY_REQUESTS, "no function is free");
        }
    };

    // A requested subprotocol is confirmed only when the function's answer says so (the page
    // "WebSocket APIs that require a subprotocol").
    let subprotocol = answer.header("sec-websocket-protocol").map(str::to_owned);
    if let Some(value) = subprotocol.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }

    gateway.connections().insert(connection.id.clone(), Arc::clone(&connection));
    let mut tasks = lock(&gateway.tasks);
    while tasks.try_join_next().is_some() {}
    let gateway = Arc::clone(&gateway);
    tasks.spawn({
        let gateway = Arc::clone(&gateway);
        async move {
            let (ending, raw) = match upgrade.await {
                Ok(upgraded) => {
                    let connection_id = connection.id.clone();
                    gateway.journal.record(Entry::Connected { connection_id, subprotocol });
                    let config = WebSocketConfig::default()
                        .max_message_size(Some(gateway.limits.message_bytes))
                        .max_frame_size(Some(gateway.limits.frame_bytes));
                    let io = TokioIo::new(upgraded);
                    let socket =
                        WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                    serve(&gateway, &connection, posts, socket).await
                }
                Err(_) => (Ending { code: 1006, reason: "The handshake broke".to_owned() }, None),
            };
            let rest = async {
                if let Some(raw) = raw {
                    linger(&gateway, raw).await;
                }
            };
            tokio::join!(gateway.part(&connection, ending), rest);
        }
    });
    response
}

impl Gateway {
    /// Takes leave of a connection: callbacks find it gone, and the function hears of it.
    async fn part(&self, connection: &Connection, ending: Ending) {
        self.connections().remove(&connection.id);
        let Ending { code, reason } = ending.clone();
        self.journal.record(Entry::Closed { connection_id: connection.id.clone(), code, reason });
        let event = event::disconnect(connection, &self.authority, &ending);
        let mut stopping = self.stopping.clone();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => {}
            // Delivery of `$disconnect` is best effort (the page "Manage connected users and
            // client apps"), so a failure, which the journal has, changes nothing.
            _ = self.invoke(Route::Disconnect, connection, event) => {}
        }
    }

    fn refuse(&self, status: StatusCode, reason: &str) -> Response {
        self.journal.record(Entry::Refused { status: status.as_u16(), reason: reason.to_owned() });
        (status, axum::Json(json!({ "message": reason }))).into_response()
    }
}
