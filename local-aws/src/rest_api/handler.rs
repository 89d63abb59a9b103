//! A request as it arrives: its body is collected, and becomes an exchange with the function.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::oneshot;

use super::event::{self, RequestIds};
use super::exchange::Exchange;
use super::gateway_error::GatewayError;
use super::state::RestApi;
use crate::ids::{random_id, uuid};
use crate::journal::Entry;
use crate::route::AGUI_PATH;

/// The largest body of a request, in bytes, which cannot be raised: 10 MB ("Quotas for configuring and
/// running a REST API in Amazon API Gateway").
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// The largest event that Lambda takes, in bytes: 6 MB (the page "Lambda quotas"). It has the body in it as
/// a JSON string.
const MAX_EVENT_BYTES: usize = 6 * 1024 * 1024;

/// How much of a body that is too large is still read, so that its sender comes to read the response.
const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;

/// The route of the API.
pub(crate) fn router(api: Arc<RestApi>) -> Router {
    Router::new().route(AGUI_PATH, any(forward)).with_state(api)
}

async fn forward(
    State(api): State<Arc<RestApi>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let ids = RequestIds { request_id: uuid(), extended_request_id: random_id() };
    let (parts, body) = request.into_parts();
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(error) => return stamp(api.refuse(&error), &ids),
    };
    let invocation_id = uuid();
    api.journal.record(Entry::HttpRequestReceived {
        request_id: invocation_id.clone(),
        method: parts.method.to_string(),
        bytes: body.len(),
    });
    let event = event::event(&parts, &body, client, &api.authority, &ids);
    if event.len() > MAX_EVENT_BYTES {
        return stamp(api.refuse(&GatewayError::EventTooLarge), &ids);
    }
    let (head, on_head) = oneshot::channel();
    let exchange = Exchange::new(Arc::clone(&api), invocation_id, &parts.method);
    api.spawn(exchange.run(event.into(), head));
    // Without a response everything stops.
    let response = on_head.await.unwrap_or_else(|_| GatewayError::Stopping.response());
    stamp(response, &ids)
}

/// Puts the ids of a request on its response.
fn stamp(mut response: Response, ids: &RequestIds) -> Response {
    let ids = [("x-amzn-requestid", &ids.request_id), ("x-amz-apigw-id", &ids.extended_request_id)];
    for (name, id) in ids {
        if let Ok(id) = HeaderValue::from_str(id) {
            response.headers_mut().insert(name, id);
        }
    }
    response
}

/// The body of a request, which API Gateway collects before it asks for anything.
async fn read_body(body: Body) -> Result<Bytes, GatewayError> {
    let mut pieces = body.into_data_stream();
    let mut body = Vec::new();
    let mut discarded = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| GatewayError::RequestBroken)?;
        if body.len() + piece.len() <= MAX_BODY_BYTES && discarded == 0 {
            body.extend_from_slice(&piece);
            continue;
        }
        discarded += piece.len();
        if discarded > MAX_DISCARDED_BYTES {
            break;
        }
    }
    if discarded > 0 { Err(GatewayError::BodyTooLarge) } else { Ok(body.into()) }
}
