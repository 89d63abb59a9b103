//! A local AWS that is reached over TLS, with a client that is connected already.

use local_aws::{LocalAws, Options};
use reqwest::StatusCode;
use serde_json::json;
use test_support::test_bed::relay_options;

use super::setup::Setup;
use crate::client::TimedClient;

/// A local AWS and its client.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) aws: LocalAws,
    pub(super) client: TimedClient,
}

impl Site {
    /// Starts a local AWS, and connects a client before there is a function. So a function's first event
    /// is the client's message.
    pub(super) async fn open(setup: &Setup) -> Self {
        let options = Options {
            tls: true,
            rtt: setup.rtt,
            cpu_share_mb: setup.cpu_share_mb,
            // As classic Lambda.
            concurrency: 1,
            ..Options::default()
        };
        let aws = LocalAws::start(relay_options(options)).await.expect("the local AWS starts");
        let (client, ()) =
            tokio::join!(TimedClient::connect(&aws), another_environment_lets_the_client_in(&aws));
        Self { aws, client }
    }

    /// Ends it.
    pub(super) async fn close(self) {
        self.client.close().await;
        self.aws.stop().await;
    }
}

/// Answers one `$connect`, as another environment of the function would.
async fn another_environment_lets_the_client_in(aws: &LocalAws) {
    let url = format!("http://{}/2018-06-01/runtime/invocation", aws.address());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let event = http.get(format!("{url}/next")).send().await.expect("an event");
    let id = event.headers().get("lambda-runtime-aws-request-id").expect("its id");
    let id = id.to_str().expect("text");
    let answer = http.post(format!("{url}/{id}/response")).json(&json!({ "statusCode": 200 }));
    let taken = answer.send().await.expect("an answer to the answer");
    assert_eq!(taken.status(), StatusCode::ACCEPTED);
}
