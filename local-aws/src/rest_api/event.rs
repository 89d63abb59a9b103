//! The event of a request of a REST API.
//!
//! Shape: "Input format of a Lambda function for proxy integration" of the page "Lambda proxy integrations
//! in API Gateway", and the fixtures of the crate `aws_lambda_events`.

use std::net::SocketAddr;
use std::time::SystemTime;

use axum::http::request::Parts;
use serde_json::{Map, Value, json};

use crate::name_values::NameValues;
use crate::request_time::{epoch_millis, request_time};
use crate::route::{AGUI_PATH, STAGE};

/// The API's id.
const API_ID: &str = "agui0local";

/// The ids of a request, as the event and the response have them.
#[derive(Debug)]
pub(super) struct RequestIds {
    pub(super) request_id: String,
    pub(super) extended_request_id: String,
}

/// The JSON of the event.
pub(super) fn event(
    parts: &Parts,
    body: &[u8],
    client: SocketAddr,
    authority: &str,
    ids: &RequestIds,
) -> Vec<u8> {
    let source_ip = client.ip().to_string();
    let port = authority.rsplit(':').next().unwrap_or_default();
    let headers = NameValues::of_headers(&parts.headers, &source_ip, port);
    let query = NameValues::of_query(parts.uri.query().unwrap_or_default());
    // Without binary media types every body is text (the page "Content type conversions in API Gateway").
    let body = String::from_utf8_lossy(body);
    let now = SystemTime::now();
    let event = json!({
        "resource": AGUI_PATH,
        "path": AGUI_PATH,
        "httpMethod": parts.method.as_str(),
        "headers": headers.single,
        "multiValueHeaders": headers.multi,
        "queryStringParameters": (!query.single.is_empty()).then_some(query.single),
        "multiValueQueryStringParameters": (!query.multi.is_empty()).then_some(query.multi),
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": API_ID,
            "deploymentId": "local0",
            "domainName": authority,
            "domainPrefix": API_ID,
            "extendedRequestId": ids.extended_request_id,
            "httpMethod": parts.method.as_str(),
            "identity": identity(&source_ip, headers.single.get("User-Agent")),
            "path": format!("/{STAGE}{AGUI_PATH}"),
            "protocol": "HTTP/1.1",
            "requestId": ids.request_id,
            "requestTime": request_time(now),
            "requestTimeEpoch": epoch_millis(now),
            "resourceId": "agui00",
            "resourcePath": AGUI_PATH,
            "stage": STAGE,
        },
        "body": (!body.is_empty()).then_some(body),
        "isBase64Encoded": false,
    });
    // Strings, numbers and maps with string keys always have a JSON form.
    serde_json::to_vec(&event).unwrap_or_default()
}

/// Who asks. All that only IAM, Cognito or a key could tell is there, and null.
fn identity(source_ip: &str, user_agent: Option<&String>) -> Map<String, Value> {
    let nulls = [
        "accessKey",
        "accountId",
        "caller",
        "cognitoAuthenticationProvider",
        "cognitoAuthenticationType",
        "cognitoIdentityId",
        "cognitoIdentityPoolId",
        "principalOrgId",
        "user",
        "userArn",
    ];
    let mut identity: Map<_, _> =
        nulls.into_iter().map(|name| (name.to_owned(), Value::Null)).collect();
    identity.insert("sourceIp".to_owned(), source_ip.into());
    identity.insert("userAgent".to_owned(), user_agent.map_or(Value::Null, |it| (&**it).into()));
    identity
}
