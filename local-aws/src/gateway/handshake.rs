//! The handshake: the authorizer and `$connect` decide, then the connection is upgraded.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::upgrade::OnUpgrade;
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use super::connection::Connection;
use super::event;
use super::session::serve;
use super::socket::{self, CloseStatus, drain};
use super::state::Gateway;
use crate::ids::random_id;
use crate::journal::Entry;
use crate::lambda::InvokeError;
use crate::name_values::NameValues;
use crate::proxy_response::ProxyResponse;
use crate::route::Route;

/// The routes of the WebSocket side.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().route("/local", get(accept)).route("/local/", get(accept)).with_state(gateway)
}

/// Answers a request for a WebSocket.
async fn accept(
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
    let (connection, queues) = Connection::new(
        random_id(),
        source_ip.clone(),
        user_agent.map(str::to_owned),
        gateway.limits.client_buffer_bytes,
    );
    let connection = Arc::new(connection);

    let port = gateway.authority.rsplit(':').next().unwrap_or_default();
    let headers = NameValues::of_headers(headers, &source_ip, port);
    let query = NameValues::of_query(request.uri().query().unwrap_or_default());
    if gateway.has_authorizer {
        match gateway.authorize(&connection, &headers, &query).await {
            // A connection is authorized once.
            Ok(said) => _ = connection.authorizer.set(said),
            Err((status, reason)) => return gateway.refuse(status, reason),
        }
    }
    let event = event::connect(&connection, &gateway.authority, &headers, &query);
    let accepted = match accepted(gateway.invoke(Route::Connect, &connection, event).await) {
        Ok(accepted) => accepted,
        Err((status, reason)) => return gateway.refuse(status, reason),
    };

    // A requested subprotocol is confirmed only when the function's response says so (the page
    // "WebSocket APIs that require a subprotocol").
    let subprotocol = accepted.header("sec-websocket-protocol").map(str::to_owned);
    if let Some(value) = subprotocol.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }

    let task = {
        let (gateway, connection) = (Arc::clone(&gateway), Arc::clone(&connection));
        async move {
            let (status, raw) = match upgrade.await {
                Ok(upgraded) => {
                    let connection_id = connection.id.clone();
                    gateway.journal.record(Entry::Connected { connection_id, subprotocol });
                    let limits = &gateway.limits;
                    let socket =
                        socket::open(upgraded, limits.message_bytes, limits.frame_bytes).await;
                    serve(&gateway, &connection, queues, socket).await
                }
                Err(_) => (CloseStatus::abnormal_closure("The handshake broke"), None),
            };
            let drained = async {
                if let Some(raw) = raw {
                    drain(raw, gateway.stopping.clone()).await;
                }
            };
            tokio::join!(gateway.disconnect(&connection, status), drained);
        }
    };
    gateway.insert(connection, task);
    response
}

/// The function's response to `$connect` if it accepts the connection; otherwise the status of the
/// handshake, and the text of its body.
fn accepted(
    outcome: Result<ProxyResponse, InvokeError>,
) -> Result<ProxyResponse, (StatusCode, &'static str)> {
    match outcome {
        Ok(response) if (200..300).contains(&response.status) => Ok(response),
        Ok(response) => {
            // The function's 401 shows as 403, which is how API Gateway refuses the unauthorized.
            let status = match StatusCode::from_u16(response.status) {
                Ok(status) if status != StatusCode::UNAUTHORIZED && status.as_u16() >= 400 => {
                    status
                }
                _ => StatusCode::FORBIDDEN,
            };
            Err((status, "the function refused the connection"))
        }
        Err(InvokeError::Failed) => {
            Err((StatusCode::BAD_GATEWAY, "the function failed on $connect"))
        }
        Err(InvokeError::TimedOut { .. }) => {
            Err((StatusCode::GATEWAY_TIMEOUT, "the function did not answer $connect in time"))
        }
        Err(InvokeError::Throttled) => Err((StatusCode::TOO_MANY_REQUESTS, "no function is free")),
    }
}

impl Gateway {
    /// Notes that a connection has ended: posts find it gone, and the function gets `$disconnect`.
    async fn disconnect(&self, connection: &Connection, status: CloseStatus) {
        self.remove(connection);
        let CloseStatus { code, reason } = status.clone();
        self.journal.record(Entry::Closed { connection_id: connection.id.clone(), code, reason });
        let event = event::disconnect(connection, &self.authority, &status);
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
