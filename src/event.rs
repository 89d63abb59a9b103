//! What an invocation is: a client connects, disconnects, or sends a message.
//!
//! All three routes of the WebSocket API (`$connect`, `$disconnect`, `$default`) invoke the one
//! function. What a payload is follows from its own fields, as API Gateway documents them in
//! "Set up Lambda proxy integration" of WebSocket APIs.

use aws_lambda_events::event::apigw::{
    ApiGatewayWebsocketProxyRequest, ApiGatewayWebsocketProxyRequestContext,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// One invocation of the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// A client asks to connect (`$connect`).
    Connect(Connect),
    /// A client has gone (`$disconnect`; API Gateway sends it on a best-effort basis).
    Disconnect {
        /// The connection that ended.
        connection_id: String,
        /// Why, in API Gateway's words; may be empty.
        reason: String,
    },
    /// A client sent a message (`$default`, or any other route of messages).
    Message(Message),
    /// Something this function does not answer; the text says what it looks like.
    Unknown(String),
}

/// A client asks to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The connection to be.
    pub connection_id: String,
    /// The subprotocols that the client offered, in its order.
    pub subprotocols: Vec<String>,
}

/// A client's message, not yet understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where the answer goes.
    pub origin: Origin,
    /// API Gateway's id of this message.
    pub request_id: String,
    /// Who sent it, as the authorizer of `$connect` found out.
    pub principal: Option<String>,
    /// The bytes the client sent.
    pub body: Vec<u8>,
}

/// Where a message came from: what it takes to post back to its connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The connection's id.
    pub connection_id: String,
    /// The id of the WebSocket API, if the event names it.
    pub api_id: Option<String>,
    /// The stage of the API, if the event names it.
    pub stage: Option<String>,
}

impl Invocation {
    /// Finds out what `payload` is.
    #[must_use]
    pub fn classify(payload: Value) -> Self {
        let looks = outline(&payload);
        match serde_json::from_value::<ApiGatewayWebsocketProxyRequest>(payload) {
            Ok(request) => Self::of_websocket(request).unwrap_or(Self::Unknown(looks)),
            Err(_) => Self::Unknown(looks),
        }
    }

    fn of_websocket(request: ApiGatewayWebsocketProxyRequest) -> Option<Self> {
        let context = request.request_context;
        let connection_id = context.connection_id.clone()?;
        match context.event_type.as_deref()? {
            "CONNECT" => {
                let offered = request.headers.get_all("sec-websocket-protocol");
                let subprotocols = offered
                    .iter()
                    .filter_map(|value| value.to_str().ok())
                    .flat_map(|value| value.split(','))
                    .map(|name| name.trim().to_owned())
                    .filter(|name| !name.is_empty())
                    .collect();
                Some(Self::Connect(Connect { connection_id, subprotocols }))
            }
            "DISCONNECT" => Some(Self::Disconnect {
                connection_id,
                reason: context.disconnect_reason.unwrap_or_default(),
            }),
            "MESSAGE" => {
                let text = request.body.unwrap_or_default();
                let body = if request.is_base64_encoded {
                    STANDARD.decode(text).ok()?
                } else {
                    text.into_bytes()
                };
                Some(Self::Message(Message {
                    request_id: context.request_id.clone()?,
                    principal: principal(&context),
                    origin: Origin { connection_id, api_id: context.apiid, stage: context.stage },
                    body,
                }))
            }
            _ => None,
        }
    }
}

/// The authorizer's principal. Its result travels with every later message of the connection.
fn principal(context: &ApiGatewayWebsocketProxyRequestContext) -> Option<String> {
    let principal = context.authorizer.fields.get("principalId")?.as_str()?;
    (!principal.is_empty()).then(|| principal.to_owned())
}

/// The names of a payload's top-level fields: enough to see what it is, and none of its content.
fn outline(payload: &Value) -> String {
    match payload {
        Value::Object(fields) if fields.is_empty() => "an empty object".to_owned(),
        Value::Object(fields) => {
            let names: Vec<&str> = fields.keys().take(12).map(String::as_str).collect();
            format!("an object with the fields {}", names.join(", "))
        }
        Value::Array(_) => "an array".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => "a bare value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(event_type: &str, more: Value) -> Value {
        let mut event = json!({
            "requestContext": {
                "routeKey": "$default", "eventType": event_type, "messageId": "JKJaXdWxSQhgCIhw=",
                "extendedRequestId": "JKJaXdwwPyCgFMaA=", "requestTime": "23/Nov/2026:10:00:00 +0000",
                "messageDirection": "IN", "stage": "prod", "connectedAt": 1_795_000_000_000_i64,
                "requestTimeEpoch": 1_795_000_001_000_i64, "identity": {"sourceIp": "192.0.2.1"},
                "requestId": "JKJaXdwwPyCgFMaA=", "domainName": "abc123.execute-api.eu-west-1.amazonaws.com",
                "connectionId": "JKJZ8fTwSQhgCIhw=", "apiId": "abc123"
            },
            "isBase64Encoded": false
        });
        merge(&mut event, more);
        event
    }

    fn merge(into: &mut Value, from: Value) {
        match (into, from) {
            (Value::Object(into), Value::Object(from)) => {
                for (key, value) in from {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
            (into, from) => *into = from,
        }
    }

    #[test]
    fn a_message_has_its_origin_and_body() {
        let invocation =
            Invocation::classify(event("MESSAGE", json!({"body": "{\"prompt\":\"hi\"}"})));
        let Invocation::Message(message) = invocation else { panic!("{invocation:?}") };
        assert_eq!(message.origin.connection_id, "JKJZ8fTwSQhgCIhw=");
        assert_eq!(message.origin.api_id.as_deref(), Some("abc123"));
        assert_eq!(message.origin.stage.as_deref(), Some("prod"));
        assert_eq!(message.request_id, "JKJaXdwwPyCgFMaA=");
        assert_eq!(message.principal, None);
        assert_eq!(message.body, b"{\"prompt\":\"hi\"}");
    }

    #[test]
    fn a_base64_body_is_decoded() {
        let invocation = Invocation::classify(event(
            "MESSAGE",
            json!({"body": "aGk=", "isBase64Encoded": true}),
        ));
        let Invocation::Message(message) = invocation else { panic!("{invocation:?}") };
        assert_eq!(message.body, b"hi");
    }

    #[test]
    fn the_authorizers_principal_travels_with_a_message() {
        let authorizer = json!({"principalId": "user-1", "integrationLatency": 12});
        let invocation = Invocation::classify(event(
            "MESSAGE",
            json!({"body": "{}", "requestContext": {"authorizer": authorizer}}),
        ));
        let Invocation::Message(message) = invocation else { panic!("{invocation:?}") };
        assert_eq!(message.principal.as_deref(), Some("user-1"));
    }

    #[test]
    fn a_connect_lists_the_offered_subprotocols() {
        let headers =
            json!({"Host": "abc123", "Sec-WebSocket-Protocol": "agent-relay, token.c2VjcmV0"});
        let multi =
            json!({"Host": ["abc123"], "Sec-WebSocket-Protocol": ["agent-relay, token.c2VjcmV0"]});
        let invocation = Invocation::classify(event(
            "CONNECT",
            json!({"headers": headers, "multiValueHeaders": multi, "requestContext": {"routeKey": "$connect"}}),
        ));
        let Invocation::Connect(connect) = invocation else { panic!("{invocation:?}") };
        assert_eq!(connect.subprotocols, ["agent-relay", "token.c2VjcmV0"]);
    }

    #[test]
    fn a_disconnect_has_its_reason() {
        let invocation = Invocation::classify(event(
            "DISCONNECT",
            json!({"requestContext": {"disconnectStatusCode": 1001, "disconnectReason": "Going away"}}),
        ));
        assert_eq!(
            invocation,
            Invocation::Disconnect {
                connection_id: "JKJZ8fTwSQhgCIhw=".to_owned(),
                reason: "Going away".to_owned()
            }
        );
    }

    #[test]
    fn anything_else_is_unknown_and_described_without_its_content() {
        let invocation = Invocation::classify(json!({"Records": [{"secret": "value"}]}));
        assert_eq!(invocation, Invocation::Unknown("an object with the fields Records".to_owned()));
        for (payload, expected) in [
            (json!({}), "an empty object"),
            (json!([1]), "an array"),
            (json!(null), "null"),
            (json!("text"), "a bare value"),
        ] {
            assert_eq!(Invocation::classify(payload), Invocation::Unknown(expected.to_owned()));
        }
        let odd = event("PING", json!({"body": "x"}));
        assert!(matches!(Invocation::classify(odd), Invocation::Unknown(_)));
    }
}
