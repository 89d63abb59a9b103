//! What an invocation is: a client asks to come in, connects, disconnects, or sends a message, or a
//! browser asks for the page ([`Invocation`]); or a client asks for an answer over HTTP ([`HttpRequest`]).
//!
//! The three routes of the WebSocket API (`$connect`, `$disconnect`, `$default`), its authorizer, the
//! REST API of `/agui` and the HTTP API of the page all invoke the one function. What a payload is
//! follows from its own fields, as API Gateway documents them in "Set up Lambda proxy integration" of
//! WebSocket APIs, "Input to an API Gateway Lambda authorizer", "Input format of a Lambda function for
//! proxy integration" of REST APIs and "Payload format version 2.0" of HTTP APIs and function URLs. Only what
//! is used is read: gateways of other makes, test tools and proxies leave fields out or write them
//! otherwise, and nothing of that may cost a client its answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::access::{Carried, Presented};
use crate::page;
use crate::trace_context::TraceContext;

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
    pub presented: Presented,
}

/// A request for an answer over HTTP, whose response is streamed, not yet understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The HTTP method.
    pub method: String,
    /// The value of `Content-Type`.
    pub content_type: Option<String>,
    /// What a browser asks for before a page of another origin may send something:
    /// `Access-Control-Request-Headers`.
    pub headers_to_come: Option<String>,
    /// Who asks.
    pub presented: Presented,
    /// The trace that its headers name, if it is one. What came over a WebSocket has no headers.
    pub trace_context: Option<TraceContext>,
    /// The bytes the client sent; `None` if they are not base64, though the event says so.
    pub body: Option<Vec<u8>>,
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
    pub principal: Option<Principal>,
    /// The bytes the client sent.
    pub body: Vec<u8>,
}

/// Who a client is, as a provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The subject of the token.
    pub subject: String,
    /// The e-mail address in the token, if the provider has verified it.
    pub email: Option<String>,
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
    pub fn classify(payload: &Value) -> Self {
        let known = if payload.get("methodArn").is_some() {
            Self::of_authorizer(payload)
        } else if payload.pointer("/requestContext/http").is_some_and(Value::is_object) {
            Self::of_http(payload)
        } else if payload.get("httpMethod").is_some()
            && payload.pointer("/requestContext/connectionId").is_none()
        {
            Self::of_rest(payload)
        } else {
            Self::of_websocket(payload)
        };
        known.unwrap_or_else(|| Self::Unknown(outline(payload)))
    }

    fn of_authorizer(event: &Value) -> Option<Self> {
        let headers = Headers::of(event);
        Some(Self::Authorize(Authorize {
            connection_id: text(event, "/requestContext/connectionId").unwrap_or_default(),
            presented: Presented {
                origins: headers.values("origin"),
                credential: Carried::Subprotocols(headers.list("sec-websocket-protocol")),
            },
            method_arn: text(event, "/methodArn")?,
        }))
    }

    fn of_http(event: &Value) -> Option<Self> {
        let path = http_path(event)?;
        let method = text(event, "/requestContext/http/method")?;
        Some(Self::Page(page_request(event, method, &path)))
    }

    fn of_rest(event: &Value) -> Option<Self> {
        let (method, path) = (text(event, "/httpMethod")?, text(event, "/path")?);
        Some(Self::Page(page_request(event, method, &path)))
    }

    fn of_websocket(event: &Value) -> Option<Self> {
        let context = |name: &str| text(event, &format!("/requestContext/{name}"));
        let connection_id = context("connectionId")?;
        let event_type = context("eventType").or_else(|| {
            let of_route = match &*context("routeKey")? {
                "$connect" => "CONNECT",
                "$disconnect" => "DISCONNECT",
                _ => "MESSAGE",
            };
            Some(of_route.to_owned())
        });
        match event_type.as_deref()? {
            "CONNECT" => Some(Self::Connect(Connect {
                connection_id,
                authorized: text(event, "/requestContext/authorizer/principalId").is_some(),
                subprotocols: Headers::of(event).list("sec-websocket-protocol"),
            })),
            "DISCONNECT" => Some(Self::Disconnect {
                connection_id,
                reason: context("disconnectReason").unwrap_or_default(),
            }),
            "MESSAGE" => {
                let body = body(event)?;
                Some(Self::Message(Message {
                    // Any of these tells messages apart.
                    request_id: context("requestId")
                        .or_else(|| context("messageId"))
                        .or_else(|| context("extendedRequestId"))?,
                    principal: principal(event),
                    connection: ConnectionRef {
                        connection_id,
                        api_id: context("apiId"),
                        stage: context("stage"),
                    },
                    body,
                }))
            }
            _ => None,
        }
    }
}

/// Where answers are asked for over HTTP, below the stage.
const AGUI_PATH: &str = "/agui";

impl HttpRequest {
    /// The request in this event, which is JSON; `None` for any other event.
    #[must_use]
    pub fn of_event(event: &[u8]) -> Option<Self> {
        // Most events are messages of WebSockets: of these, nothing is kept here.
        let outline: Outline = serde_json::from_slice(event).ok()?;
        if !outline.is_of_http() {
            return None;
        }
        let event: Value = serde_json::from_slice(event).ok()?;
        Self::of_rest(&event).or_else(|| Self::of_function_url(&event))
    }

    fn of_rest(event: &Value) -> Option<Self> {
        let method = text(event, "/httpMethod")?;
        let is_at = |pointer| text(event, pointer).as_deref() == Some(AGUI_PATH);
        // A domain of one's own may put something before the path, and never before the resource.
        (is_at("/path") || is_at("/resource")).then(|| Self::of(event, method))
    }

    /// An HTTP API, whose events look the same, collects a response before it passes it on.
    fn of_function_url(event: &Value) -> Option<Self> {
        let method = text(event, "/requestContext/http/method")?;
        let domain = text(event, "/requestContext/domainName")?;
        let is_function_url = domain.split('.').nth(1) == Some("lambda-url");
        (is_function_url && http_path(event)? == AGUI_PATH).then(|| Self::of(event, method))
    }

    fn of(event: &Value, method: String) -> Self {
        let headers = Headers::of(event);
        let header = |name| headers.values(name).into_iter().next();
        Self {
            method,
            content_type: header("content-type"),
            headers_to_come: header("access-control-request-headers"),
            presented: Presented {
                origins: headers.values("origin"),
                credential: Carried::Authorization(headers.values("authorization")),
            },
            trace_context: TraceContext::of_client(
                &headers.values("traceparent"),
                &headers.values("tracestate"),
                &headers.values("x-amzn-trace-id"),
            ),
            body: body(event),
        }
    }
}

/// What tells events of HTTP from others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    method_arn: Option<IgnoredAny>,
    http_method: Option<IgnoredAny>,
    request_context: Option<ContextOutline>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContextOutline {
    connection_id: Option<IgnoredAny>,
    http: Option<IgnoredAny>,
}

impl Outline {
    fn is_of_http(&self) -> bool {
        let context = self.request_context.as_ref();
        let is_of_websocket = context.is_some_and(|context| context.connection_id.is_some());
        let has_http = context.is_some_and(|context| context.http.is_some());
        let is_of_authorizer = self.method_arn.is_some();
        !is_of_authorizer && (has_http || (self.http_method.is_some() && !is_of_websocket))
    }
}

/// The path below the stage, in format 2.0.
fn http_path(event: &Value) -> Option<String> {
    let path = text(event, "/rawPath").or_else(|| text(event, "/requestContext/http/path"))?;
    // Every stage but the default one stands in the path.
    let stage = text(event, "/requestContext/stage").filter(|stage| stage != "$default");
    let below = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(&*stage));
    let below = below.filter(|path| path.is_empty() || path.starts_with('/'));
    Some(below.unwrap_or(&path).to_owned())
}

fn page_request(event: &Value, method: String, path: &str) -> page::Request {
    let headers = Headers::of(event);
    let header = |name| headers.values(name).into_iter().next();
    page::Request {
        method,
        path: path.to_owned(),
        accept_encoding: header("accept-encoding"),
        if_none_match: header("if-none-match"),
    }
}

/// The bytes that a client sent; `None` if they are not base64, though the event says so.
fn body(event: &Value) -> Option<Vec<u8>> {
    let body = text(event, "/body").unwrap_or_default();
    let is_base64 = text(event, "/isBase64Encoded").as_deref() == Some("true");
    if is_base64 { STANDARD.decode(body).ok() } else { Some(body.into_bytes()) }
}

/// The authorizer's principal. Its result travels with every later message of the connection. Where
/// it let in everybody, or whoever has the one code, that is nobody in particular.
fn principal(event: &Value) -> Option<Principal> {
    let field = |name: &str| text(event, &format!("/requestContext/authorizer/{name}"));
    let subject = field("principalId").filter(|subject| !subject.is_empty())?;
    let is_somebody = !matches!(field("access").as_deref(), Some("open" | "code"));
    is_somebody.then(|| Principal { subject, email: field("email") })
}

/// The text at a place. Whether a number or a flag is written as text is all the same.
fn text(event: &Value, place: &str) -> Option<String> {
    match event.pointer(place)? {
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The headers of a request. Of those that came several times, one field has the last value, another all.
struct Headers<'a> {
    single: Option<&'a Map<String, Value>>,
    multi: Option<&'a Map<String, Value>>,
}

impl<'a> Headers<'a> {
    fn of(event: &'a Value) -> Self {
        let field = |name| event.get(name).and_then(Value::as_object).filter(|map| !map.is_empty());
        Self { single: field("headers"), multi: field("multiValueHeaders") }
    }

    /// The values of a header, whatever its name's case.
    fn values(&self, name: &str) -> Vec<String> {
        let named = |(other, _): &(&String, &Value)| other.eq_ignore_ascii_case(name);
        let found = [self.multi, self.single].into_iter().flatten();
        let mut found = found.map(|headers| headers.iter().filter(named).collect::<Vec<_>>());
        let found = found.find(|values| !values.is_empty()).unwrap_or_default();
        let values = found.into_iter().flat_map(|(_, value)| match value {
            Value::Array(values) => values.iter().collect::<Vec<_>>(),
            value => vec![value],
        });
        values
            .filter(|value| !value.is_null())
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect()
    }

    /// The items of a header that is a list, whether in one line or in several.
    fn list(&self, name: &str) -> Vec<String> {
        let values = self.values(name);
        let items = values.iter().flat_map(|value| value.split(','));
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
            Invocation::classify(&event("MESSAGE", json!({"body": "{\"prompt\":\"hi\"}"})));
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
            let invocation = Invocation::classify(&event(
                "MESSAGE",
                json!({"body": "{}", "requestContext": {"authorizer": authorizer}}),
            ));
            let Invocation::Message(message) = invocation else { panic!("{invocation:?}") };
            let subject = message.principal.map(|principal| principal.subject);
            assert_eq!(subject.as_deref(), principal, "{access}");
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
        let invocation = Invocation::classify(&event(
            "CONNECT",
            json!({"type": "REQUEST", "methodArn": arn, "headers": headers, "multiValueHeaders": multi}),
        ));
        let Invocation::Authorize(authorize) = invocation else { panic!("{invocation:?}") };
        assert_eq!(authorize.method_arn, arn);
        assert_eq!(authorize.connection_id, "JKJZ8fTwSQhgCIhw=");
        let Presented { origins, credential } = authorize.presented;
        assert_eq!(origins, ["https://a.example", "https://b.example"]);
        let offered = ["agent-relay", "token.YQ"].map(str::to_owned);
        assert_eq!(credential, Carried::Subprotocols(offered.into()));
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
            let invocation = Invocation::classify(&json!({
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
    fn a_request_for_an_answer_is_known_by_its_path_or_its_resource() {
        let event = |path: &str, resource: &str| {
            json!({
                "resource": resource, "path": path, "httpMethod": "POST", "body": "aGk=",
                "isBase64Encoded": true, "headers": {"Content-Type": "application/json"},
                "multiValueHeaders": {"Authorization": ["Bearer a", "Bearer b"], "Origin": ["https://a.example"]},
                "requestContext": {"requestId": "a", "stage": "live", "path": "/live/agui"}
            })
        };
        for (path, resource) in
            [("/agui", "/agui"), ("/agui", "/{proxy+}"), ("/mapped/agui", "/agui")]
        {
            let request =
                HttpRequest::of_event(event(path, resource).to_string().as_bytes()).unwrap();
            assert_eq!((&*request.method, request.body.as_deref()), ("POST", Some(&b"hi"[..])));
            assert_eq!(request.content_type.as_deref(), Some("application/json"));
            let both = ["Bearer a", "Bearer b"].map(str::to_owned);
            let Presented { origins, credential } = request.presented;
            assert_eq!(origins, ["https://a.example"]);
            assert_eq!(credential, Carried::Authorization(both.into()));
        }
        let page = event("/main.js", "/{proxy+}");
        assert_eq!(HttpRequest::of_event(page.to_string().as_bytes()), None);
        let page = Invocation::classify(&page);
        assert!(matches!(page, Invocation::Page(_)), "{page:?}");
    }

    #[test]
    fn a_functions_own_address_streams_and_an_http_api_does_not() {
        let event = |domain: &str| {
            json!({
                "version": "2.0", "rawPath": "/agui", "headers": {}, "body": "{}",
                "requestContext": {"http": {"method": "POST", "path": "/agui"}, "domainName": domain,
                    "stage": "$default", "requestId": "a"}
            })
        };
        let of = |domain| HttpRequest::of_event(event(domain).to_string().as_bytes());
        assert!(of("abc.lambda-url.eu-west-1.on.aws").is_some());
        assert_eq!(of("abc.execute-api.eu-west-1.amazonaws.com"), None);
    }

    #[test]
    fn no_other_event_is_a_request_for_an_answer() {
        let http = json!({"method": "POST", "path": "/agui"});
        for event in [
            json!({"methodArn": "arn", "httpMethod": "POST", "path": "/agui"}),
            json!({"httpMethod": "POST", "path": "/agui", "requestContext": {"connectionId": "c"}}),
            json!({"httpMethod": null, "path": "/agui", "requestContext": null}),
            json!({"httpMethod": "POST"}),
            json!({"requestContext": {"http": http}}),
            json!({"requestContext": "http", "httpMethod": "POST", "path": "/agui"}),
            json!("httpMethod"),
            json!([]),
        ] {
            assert_eq!(HttpRequest::of_event(event.to_string().as_bytes()), None, "{event}");
        }
        assert_eq!(HttpRequest::of_event(b"{\"httpMethod\""), None);
    }

    #[test]
    fn a_base64_body_is_decoded() {
        let invocation = Invocation::classify(&event(
            "MESSAGE",
            json!({"body": "aGk=", "isBase64Encoded": true}),
        ));
        let Invocation::Message(message) = invocation else { panic!("{invocation:?}") };
        assert_eq!(message.body, b"hi");
    }

    #[test]
    fn the_authorizers_principal_travels_with_a_message() {
        for (email, expected) in
            [(json!("ada@example.com"), Some("ada@example.com")), (json!(null), None)]
        {
            let authorizer = json!({"principalId": "user-1", "integrationLatency": 12, "access": "oidc", "email": email});
            let invocation = Invocation::classify(&event(
                "MESSAGE",
                json!({"body": "{}", "requestContext": {"authorizer": authorizer}}),
            ));
            let Invocation::Message(message) = invocation else { panic!("{invocation:?}") };
            let principal = message.principal.unwrap();
            assert_eq!((&*principal.subject, principal.email.as_deref()), ("user-1", expected));
        }
    }

    /// The message of an event, with `change` made to what API Gateway would send.
    fn message_of(change: Value) -> Message {
        let invocation = Invocation::classify(&event("MESSAGE", change));
        let Invocation::Message(message) = invocation else { panic!("{invocation:?}") };
        message
    }

    #[test]
    fn fields_that_nobody_uses_may_be_missing_or_anything() {
        for name in
            ["connectedAt", "requestTimeEpoch", "identity", "domainName", "messageDirection"]
        {
            for odd in
                [json!(null), json!("text"), json!("1795350000123"), json!(-1.5), json!([{}])]
            {
                let message = message_of(json!({"body": "hi", "requestContext": {name: odd}}));
                assert_eq!(message.body, b"hi", "{name}");
            }
        }
        for authorizer in [json!(null), json!(""), json!("allow"), json!({}), json!([])] {
            let message = message_of(json!({"requestContext": {"authorizer": authorizer}}));
            assert_eq!(message.principal, None);
        }
        for body in [json!({}), json!({"body": null})] {
            assert_eq!(message_of(body).body, b"");
        }
        for encoded in [json!(null), json!("false"), json!(false)] {
            assert_eq!(
                message_of(json!({"body": "aGk=", "isBase64Encoded": encoded})).body,
                b"aGk="
            );
        }
        assert_eq!(message_of(json!({"body": "aGk=", "isBase64Encoded": "true"})).body, b"hi");
        assert_eq!(message_of(json!({"headers": null, "multiValueHeaders": "none"})).body, b"");
    }

    #[test]
    fn a_message_needs_its_connection_and_one_of_its_ids() {
        let least = json!({
            "requestContext": {"routeKey": "$default", "connectionId": "a=", "messageId": "m"},
            "body": "hi"
        });
        let Invocation::Message(message) = Invocation::classify(&least) else { panic!("{least}") };
        assert_eq!((&*message.request_id, &*message.body), ("m", &b"hi"[..]));
        for missing in ["connectionId", "messageId", "routeKey"] {
            let mut event = least.clone();
            event["requestContext"][missing] = Value::Null;
            let invocation = Invocation::classify(&event);
            assert!(matches!(invocation, Invocation::Unknown(_)), "{missing}: {invocation:?}");
        }
        let other_route =
            json!({"requestContext": {"routeKey": "ask", "connectionId": 7, "requestId": 8}});
        let Invocation::Message(message) = Invocation::classify(&other_route) else { panic!() };
        assert_eq!((&*message.connection.connection_id, &*message.request_id), ("7", "8"));
    }

    #[test]
    fn headers_are_found_whatever_their_case_and_shape() {
        for headers in [
            json!({"headers": {"sec-websocket-protocol": "a, b"}}),
            json!({"headers": {"SEC-WEBSOCKET-PROTOCOL": "a,b"}, "multiValueHeaders": null}),
            json!({"headers": {}, "multiValueHeaders": {"Sec-WebSocket-Protocol": ["a", "b"]}}),
            json!({"headers": {"Sec-WebSocket-Protocol": "a, b"}, "multiValueHeaders": {"Host": ["x"]}}),
            json!({"multiValueHeaders": {"Sec-WebSocket-Protocol": "a, b", "Origin": [null]}}),
        ] {
            let mut event = event("CONNECT", headers.clone());
            event["requestContext"]["routeKey"] = json!("$connect");
            let invocation = Invocation::classify(&event);
            let Invocation::Connect(connect) = invocation else { panic!("{invocation:?}") };
            assert_eq!(connect.subprotocols, ["a", "b"], "{headers}");
        }
    }

    #[test]
    fn a_connect_lists_the_offered_subprotocols() {
        let headers =
            json!({"Host": "abc123", "Sec-WebSocket-Protocol": "agent-relay, token.c2VjcmV0"});
        let multi =
            json!({"Host": ["abc123"], "Sec-WebSocket-Protocol": ["agent-relay, token.c2VjcmV0"]});
        let invocation = Invocation::classify(&event(
            "CONNECT",
            json!({"headers": headers, "multiValueHeaders": multi, "requestContext": {"routeKey": "$connect"}}),
        ));
        let Invocation::Connect(connect) = invocation else { panic!("{invocation:?}") };
        assert_eq!(connect.subprotocols, ["agent-relay", "token.c2VjcmV0"]);
    }

    #[test]
    fn a_disconnect_has_its_reason() {
        let invocation = Invocation::classify(&event(
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
        let invocation = Invocation::classify(&json!({"Records": [{"secret": "value"}]}));
        assert_eq!(invocation, Invocation::Unknown("an object with the fields Records".to_owned()));
        for (payload, expected) in [
            (json!({}), "an empty object"),
            (json!([1]), "an array"),
            (json!(null), "null"),
            (json!("text"), "a bare value"),
        ] {
            assert_eq!(Invocation::classify(&payload), Invocation::Unknown(expected.to_owned()));
        }
        let odd = event("PING", json!({"body": "x"}));
        assert!(matches!(Invocation::classify(&odd), Invocation::Unknown(_)));
    }
}
