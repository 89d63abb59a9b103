//! What the tests share: the local AWS with the function that is deployed, a function made of a few
//! lines, a WebSocket client, an OpenID provider, a table.
// Whatever does not hold here fails the test that uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

pub mod client;
pub mod issuer;
pub mod received_run;
pub mod source;
pub mod streamed_response;
pub mod table;
pub mod test_bed;

use std::net::SocketAddr;
use std::time::Duration;

use local_aws::{Entry, LocalAws, Options, Record};
use serde_json::{Value, json};

pub use client::Client;
pub use streamed_response::StreamedResponse;

/// How long anything may take before a test fails: a guard against hanging, never a measure.
const WAIT_LIMIT: Duration = Duration::from_secs(20);

/// A future that must end soon.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(WAIT_LIMIT, future).await;
    ended.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// The local AWS without a function.
pub async fn start(options: Options) -> LocalAws {
    // Large, and awaited in the middle of nearly every test.
    Box::pin(LocalAws::start(options)).await.expect("the local AWS starts")
}

/// Waits for an entry of the journal.
pub async fn wait_for_entry(
    aws: &LocalAws,
    what: &str,
    fits: impl FnMut(&Entry) -> bool,
) -> Record {
    soon(what, aws.journal().wait_for(fits)).await
}

/// The client side of the Runtime API: what any custom runtime does, over real HTTP.
#[derive(Clone)]
pub struct Runtime {
    http: reqwest::Client,
    address: SocketAddr,
    base: String,
}

/// An event that the function has taken.
pub struct Invocation {
    pub request_id: String,
    pub headers: reqwest::header::HeaderMap,
    pub event: Value,
}

impl Runtime {
    pub fn new(aws: &LocalAws) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let address = aws.address();
        Self { http, address, base: format!("http://{address}/2018-06-01/runtime") }
    }

    /// Asks for the next event.
    pub async fn next(&self) -> Invocation {
        let request = self.http.get(format!("{}/invocation/next", self.base)).send();
        let response = soon("the next event", request).await.unwrap();
        assert_eq!(response.status(), 200);
        let headers = response.headers().clone();
        let request_id = headers["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned();
        Invocation { request_id, headers, event: response.json().await.unwrap() }
    }

    /// Answers an event, and returns the status of the Runtime API.
    pub async fn respond(&self, request_id: &str, answer: &Value) -> u16 {
        self.post(&format!("invocation/{request_id}/response"), answer).await
    }

    /// Begins to answer an event with a streamed response, of which nothing is sent yet.
    pub async fn stream(&self, request_id: &str) -> StreamedResponse {
        StreamedResponse::begin(self.address, request_id).await
    }

    /// Posts anything to a path of the Runtime API.
    pub async fn post(&self, path: &str, body: &Value) -> u16 {
        let request = self.http.post(format!("{}/{path}", self.base)).json(body).send();
        soon("the Runtime API", request).await.unwrap().status().as_u16()
    }

    /// Takes one event, which must be of this route, and answers it with 200.
    pub async fn accept(&self, route: &str) -> Value {
        let invocation = self.next().await;
        assert_eq!(invocation.event["requestContext"]["routeKey"], route);
        assert_eq!(self.respond(&invocation.request_id, &ok()).await, 202);
        invocation.event
    }
}

/// The JSON that a URL answers with.
pub async fn json_of(url: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    soon(url, client.get(url).send()).await.unwrap().json().await.unwrap()
}

pub fn ok() -> Value {
    json!({ "statusCode": 200 })
}
