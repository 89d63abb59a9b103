//! API Gateway's HTTP API before the page: every request is an event for the function, payload format
//! 2.0, and its answer is the response.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::ids::uuid;
use super::lambda::{Call, InvokeError, Lambda};
use super::proxy_response::ProxyResponse;
use super::request_time::{epoch_millis, request_time};
use super::route::Route;

/// How long a request waits for a function that is between two events, and for its answer: 30 s at
/// most ("Amazon API Gateway quotas for HTTP APIs").
const PATIENCE: Duration = Duration::from_secs(30);

/// The API's id.
const API_ID: &str = "pagelocal0";

/// The route of everything that no other part answers.
pub(crate) fn router(lambda: Arc<Lambda>) -> Router {
    Router::new().fallback(forward).with_state(lambda)
}

async fn forward(
    State(lambda): State<Arc<Lambda>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let call = Call {
        route: Route::Page,
        connection_id: String::new(),
        event: event(&request, client).to_string().into(),
        grace: PATIENCE,
        limit: PATIENCE,
    };
    let answer = lambda.invoke(call).await;
    match answer.map(|answer| ProxyResponse::parse(&answer)) {
        Ok(Some(response)) => answered(response),
        // The texts of HTTP APIs.
        Ok(None) | Err(InvokeError::Failed) => {
            refused(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Err(InvokeError::Throttled | InvokeError::TimedOut { .. }) => {
            refused(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}

/// The event, as the page "Create AWS Lambda proxy integrations for HTTP APIs" shows it.
fn event(request: &Request, client: SocketAddr) -> Value {
    let mut headers = Map::new();
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = match headers.get(name.as_str()).and_then(Value::as_str) {
            Some(before) => format!("{before},{value}"),
            None => value.into_owned(),
        };
        headers.insert(name.to_string(), value.into());
    }
    let now = SystemTime::now();
    let path = request.uri().path();
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.uri().query().unwrap_or_default(),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": API_ID,
            "domainName": headers.get("host"),
            "domainPrefix": API_ID,
            "http": {
                "method": request.method().as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": client.ip().to_string(),
                "userAgent": headers.get("user-agent"),
            },
            "requestId": uuid(),
            "routeKey": "$default",
            "stage": "$default",
            "time": request_time(now),
            "timeEpoch": epoch_millis(now),
        },
        "headers": headers,
        "isBase64Encoded": false,
    })
}

fn answered(response: ProxyResponse) -> Response {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut answer = (status, response.body).into_response();
    answer.headers_mut().clear();
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, axum::Json(json!({ "message": message }))).into_response()
}
