//! What an invocation is: a client asks to come in, connects, disconnects, or sends a message; or a
//! browser asks for the page.
//!
//! The three routes of the WebSocket API (`$connect`, `$disconnect`, `$default`), its authorizer and
//! the HTTP API of the page all invoke the one function. What a payload is follows from its own
//! fields, as API Gateway documents them in "Set up Lambda proxy integration" of WebSocket APIs,
//! "Input to an API Gateway Lambda authorizer" and "Payload format version 2.0" of HTTP APIs.

use aws_lambda_events::event::apigw::{
    ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayV2httpRequest,
    ApiGatewayWebsocketProxyRequest, ApiGatewayWebsocketProxyRequestContext,
};
use aws_lambda_events::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::access::Handshake;
use crate::page;

/// One invocation of the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// API Gateway asks whether a client may connect, before `$connect`.
    Authorize(Authorize),
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
    /// A browser asks for a file of the page.
    Page(page::Request),
    /// Something this function does not answer; the text says what it looks like.
    Unknown(String),
}

/// API Gateway asks whether a client may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorize {
    /// The connection to be, if the event names it.
    pub connection_id: String,
    /// What the answer allows or denies: the ARN of `$connect`.
    pub method_arn: String,
    /// What the client brought.
    pub handshake: Handshake,
}

/// A client asks to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The connection to be.
    pub connection_id: String,
    /// Whether an authorizer has let the client in.
    pub authorized: bool,
    /// The subprotocols that the client offered, in its order.
    pub subprotocols: Vec<String>,
}

/// A client's message, not yet understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where the answer goes.
    pub connection: ConnectionRef,
    /// API Gateway's id of this message.
    pub request_id: String,
    /// Who sent it, as the authorizer of `$connect` found out.
    pub principal: Option<String>,
    /// The bytes the client sent.
    pub body: Vec<u8>,
}

/// Where a message came from: what it takes to post back to its connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionRef {
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
        let known = if payload.get("methodArn").is_some() {
            Self::of_authorizer(payload)
        } else if payload.pointer("/requestContext/http").is_some() {
            Self::of_http(payload)
        } else {
            serde_json::from_value(payload).ok().and_then(Self::of_websocket)
        };
        known.unwrap_or(Self::Unknown(looks))
    }

    fn of_authorizer(payload: Value) -> Option<Self> {
        let connection_id = payload.pointer("/requestContext/connectionId");
        let connection_id = connection_id.and_then(Value::as_str).unwrap_or_default().to_owned();
        let request: ApiGatewayCustomAuthorizerRequestTypeRequest =
            serde_json::from_value(payload).ok()?;
        let headers = Headers { single: &request.headers, multi: &request.multi_value_headers };
        Some(Self::Authorize(Authorize {
            connection_id,
            handshake: Handshake {
                origins: headers.values("origin").map(str::to_owned).collect(),
                subprotocols: headers.list("sec-websocket-protocol"),
            },
            method_arn: request.method_arn?,
        }))
    }

    fn of_http(payload: Value) -> Option<Self> {
        let request: ApiGatewayV2httpRequest = serde_json::from_value(payload).ok()?;
        let context = request.request_context;
        let path = request.raw_path?;
        // Every stage but the default one stands in the path.
        let stage = context.stage.filter(|stage| stage != "$default");
        let below = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(&*stage));
        let path = below.filter(|path| path.is_empty() || path.starts_with('/')).unwrap_or(&path);
        let header = |name| Some(request.headers.get(name)?.to_str().ok()?.to_owned());
        Some(Self::Page(page::Request {
            method: context.http.method.to_string(),
            path: path.to_owned(),
            accept_encoding: header("accept-encoding"),
            if_none_match: header("if-none-match"),
        }))
    }

    fn of_websocket(request: ApiGatewayWebsocketProxyRequest) -> Option<Self> {
        let context = request.request_context;
        let connection_id = context.connection_id.clone()?;
        match context.event_type.as_deref()? {
            "CONNECT" => {
                let headers =
                    Headers { single: &request.headers, multi: &request.multi_value_headers };
                Some(Self::Connect(Connect {
                    connection_id,
                    authorized: context.authorizer.fields.contains_key("principalId"),
                    subprotocols: headers.list("sec-websocket-protocol"),
                }))
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
                    connection: ConnectionRef {
                        connection_id,
                        api_id: context.apiid,
                        stage: context.stage,
                    },
                    body,
                }))
            }
            _ => None,
        }
    }
}

/// The authorizer's principal. Its result travels with every later message of the connection. Where
/// it let in everybody, or whoever has the one code, that is nobody in particular.
fn principal(context: &ApiGatewayWebsocketProxyRequestContext) -> Option<String> {
    let field = |name: &str| context.authorizer.fields.get(name)?.as_str();
    let principal = field("principalId")?;
    let is_somebody = !principal.is_empty() && !matches!(field("access"), Some("open" | "code"));
    is_somebody.then(|| principal.to_owned())
}

/// The headers of a handshake: the last value of each name, and all of them.
struct Headers<'a> {
    single: &'a HeaderMap,
    multi: &'a HeaderMap,
}

impl Headers<'_> {
    fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let all = if self.multi.is_empty() { self.single } else { self.multi };
        // A value of other characters counts as one that fits nothing.
        all.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("\u{fffd}"))
    }

    /// The items of a header that is a list, whether in one line or in several.
    fn list(&self, name: &str) -> Vec<String> {
        let items = self.values(name).flat_map(|value| value.split(','));
        items.map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    }
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
        assert_eq!(message.connection.connection_id, "JKJZ8fTwSQhgCIhw=");
        assert_eq!(message.connection.api_id.as_deref(), Some("abc123"));
        assert_eq!(message.connection.stage.as_deref(), Some("prod"));
        assert_eq!(message.request_id, "JKJaXdwwPyCgFMaA=");
        assert_eq!(message.principal, None);
        assert_eq!(message.body, b"{\"prompt\":\"hi\"}");
    }

    #[test]
    fn who_was_let_in_without_a_name_is_nobody_in_particular() {
        for (access, principal) in [("open", None), ("code", None), ("oidc", Some("user-1"))] {
            let authorizer = json!({"principalId": "user-1", "access": access});
            let invocation = Invocation::classify(event(
                "MESSAGE",
                json!({"body": "{}", "requestContext": {"authorizer": authorizer}}),
            ));
            let Invocation::Message(message) = invocation else { panic!("{invocation:?}") };
            assert_eq!(message.principal.as_deref(), principal, "{access}");
        }
    }

    #[test]
    fn an_authorizers_event_has_all_that_the_client_brought() {
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abc123/live/$connect";
        let headers = json!({"Origin": "https://b.example", "Sec-WebSocket-Protocol": "token.YQ"});
        let multi = json!({
            "Origin": ["https://a.example", "https://b.example"],
            "Sec-WebSocket-Protocol": ["agent-relay", "token.YQ"]
        });
        let invocation = Invocation::classify(event(
            "CONNECT",
            json!({"type": "REQUEST", "methodArn": arn, "headers": headers, "multiValueHeaders": multi}),
        ));
        let Invocation::Authorize(authorize) = invocation else { panic!("{invocation:?}") };
        assert_eq!(authorize.method_arn, arn);
        assert_eq!(authorize.connection_id, "JKJZ8fTwSQhgCIhw=");
        assert_eq!(authorize.handshake.origins, ["https://a.example", "https://b.example"]);
        assert_eq!(authorize.handshake.subprotocols, ["agent-relay", "token.YQ"]);
    }

    #[test]
    fn a_browsers_request_has_the_path_below_the_stage() {
        for (stage, raw, path) in [
            ("$default", "/main.js", "/main.js"),
            ("$default", "/", "/"),
            ("prod", "/prod/main.js", "/main.js"),
            ("prod", "/prod", ""),
            ("prod", "/production.js", "/production.js"),
        ] {
            let invocation = Invocation::classify(json!({
                "version": "2.0", "routeKey": "$default", "rawPath": raw, "rawQueryString": "",
                "headers": {"accept-encoding": "br", "if-none-match": "\"a\""},
                "requestContext": {
                    "http": {"method": "GET", "path": raw, "protocol": "HTTP/1.1"},
                    "stage": stage, "requestId": "a", "timeEpoch": 1
                },
                "isBase64Encoded": false
            }));
            let Invocation::Page(request) = invocation else { panic!("{invocation:?}") };
            assert_eq!((&*request.method, &*request.path), ("GET", path));
            assert_eq!(request.accept_encoding.as_deref(), Some("br"));
            assert_eq!(request.if_none_match.as_deref(), Some("\"a\""));
        }
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
