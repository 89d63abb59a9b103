//! The JSON that API Gateway sends to a proxy integration of a WebSocket API.
//!
//! Shapes as recorded from real APIs by the crate `aws_lambda_events` (its fixtures
//! `example-apigw-websocket-request*.json`).

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Value};

use super::connection::Connection;
use super::socket::CloseStatus;
use crate::ids::random_id;
use crate::name_values::NameValues;
use crate::request_time::{epoch_millis, request_time};
use crate::route::{Route, STAGE};

/// The API's id: ten lower-case letters and digits, as real ones.
pub(super) const API_ID: &str = "relaylocal";

/// The event of a `$connect`.
pub(super) fn connect(
    connection: &Connection,
    authority: &str,
    headers: &NameValues,
    query: &NameValues,
) -> Vec<u8> {
    encode(&handshake(connection, authority, headers, query))
}

/// The event of the authorizer before it: what `$connect` has, and what is to be decided about.
pub(super) fn authorizer(
    connection: &Connection,
    authority: &str,
    headers: &NameValues,
    query: &NameValues,
    method_arn: &str,
) -> Vec<u8> {
    encode(&AuthorizerEvent {
        kind: "REQUEST",
        method_arn,
        event: handshake(connection, authority, headers, query),
    })
}

fn handshake<'a>(
    connection: &'a Connection,
    authority: &'a str,
    headers: &'a NameValues,
    query: &'a NameValues,
) -> ProxyEvent<'a> {
    ProxyEvent {
        headers: Some(&headers.single),
        multi_value_headers: Some(&headers.multi),
        query_string_parameters: (!query.single.is_empty()).then_some(&query.single),
        multi_value_query_string_parameters: (!query.multi.is_empty()).then_some(&query.multi),
        request_context: Context::new(connection, authority, Route::Connect),
        body: None,
        is_base64_encoded: false,
    }
}

/// The event of a client's message.
pub(super) fn message(
    connection: &Connection,
    authority: &str,
    request_id: &str,
    body: &str,
) -> Vec<u8> {
    let mut context = Context::new(connection, authority, Route::Default);
    context.message_id = Some(random_id());
    request_id.clone_into(&mut context.request_id);
    request_id.clone_into(&mut context.extended_request_id);
    encode(&ProxyEvent {
        headers: None,
        multi_value_headers: None,
        query_string_parameters: None,
        multi_value_query_string_parameters: None,
        request_context: context,
        body: Some(body),
        is_base64_encoded: false,
    })
}

/// The event of a `$disconnect`.
pub(super) fn disconnect(
    connection: &Connection,
    authority: &str,
    status: &CloseStatus,
) -> Vec<u8> {
    let mut context = Context::new(connection, authority, Route::Disconnect);
    context.disconnect_status_code = Some(status.code);
    context.disconnect_reason = Some(&status.reason);
    let mut headers = NameValues::default();
    headers.add("Host".to_owned(), authority.to_owned());
    headers.add("x-api-key".to_owned(), String::new());
    headers.add("X-Forwarded-For".to_owned(), String::new());
    headers.add("x-restapi".to_owned(), String::new());
    encode(&ProxyEvent {
        headers: Some(&headers.single),
        multi_value_headers: Some(&headers.multi),
        query_string_parameters: None,
        multi_value_query_string_parameters: None,
        request_context: context,
        body: None,
        is_base64_encoded: false,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    method_arn: &'a str,
    #[serde(flatten)]
    event: ProxyEvent<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProxyEvent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<&'a BTreeMap<String, Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<&'a BTreeMap<String, Vec<String>>>,
    request_context: Context<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    route_key: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    event_type: &'static str,
    extended_request_id: String,
    request_time: String,
    message_direction: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect_reason: Option<&'a str>,
    stage: &'static str,
    connected_at: u64,
    request_time_epoch: u64,
    identity: Identity<'a>,
    /// What the authorizer said of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Map<String, Value>>,
    request_id: String,
    domain_name: &'a str,
    connection_id: &'a str,
    api_id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    source_ip: &'a str,
}

impl<'a> Context<'a> {
    fn new(connection: &'a Connection, authority: &'a str, route: Route) -> Self {
        let now = SystemTime::now();
        let request_id = random_id();
        Self {
            route_key: route.key(),
            disconnect_status_code: None,
            message_id: None,
            event_type: match route {
                Route::Default => "MESSAGE",
                Route::Disconnect => "DISCONNECT",
                _ => "CONNECT",
            },
            extended_request_id: request_id.clone(),
            request_time: request_time(now),
            message_direction: "IN",
            disconnect_reason: None,
            stage: STAGE,
            connected_at: epoch_millis(connection.connected_at),
            request_time_epoch: epoch_millis(now),
            identity: Identity {
                user_agent: connection.user_agent.as_deref(),
                source_ip: &connection.source_ip,
            },
            authorizer: connection.authorizer.get(),
            request_id,
            domain_name: authority,
            connection_id: &connection.id,
            api_id: API_ID,
        }
    }
}

fn encode(event: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and maps with string keys always have a JSON form.
    serde_json::to_vec(event).unwrap_or_default()
}
