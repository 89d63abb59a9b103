//! The page of the local AWS, over HTTP.
#![cfg(feature = "local")]
// The helpers below stand outside of tests, where the lints allow them.
#![allow(clippy::unwrap_used)]

mod local_support;

use agent_relay::local::{Agent, LocalAws, Options};
use local_support::{soon, start};
use serde_json::Value;

async fn get(aws: &LocalAws, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.get(format!("http://{}{path}", aws.address()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon("the response", request.send()).await.unwrap()
}

#[tokio::test]
async fn the_page_comes_with_its_policy() {
    let aws = start(Options::default()).await;
    let page = get(&aws, "/", &[]).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    let connect = format!("connect-src 'self' ws://{};", aws.address());
    assert!(policy.starts_with("default-src 'none';") && policy.contains(&connect), "{policy}");
    assert!(page.text().await.unwrap().contains("<title>"));
    aws.stop().await;
}

#[tokio::test]
async fn the_settings_name_the_endpoint() {
    for allow_trace in [true, false] {
        let aws = start(Options { allow_trace, ..Options::default() }).await;
        let settings: Value = get(&aws, "/config.json", &[]).await.json().await.unwrap();
        assert_eq!(settings["endpoint"], aws.websocket_url());
        assert_eq!(settings["access"], "open");
        assert_eq!(settings["allowTrace"], allow_trace);
        assert!(!settings["suggestions"].as_array().unwrap().is_empty());
        aws.stop().await;
    }
}

#[tokio::test]
async fn a_real_agent_is_not_offered_the_scenarios_of_the_scripted_one() {
    let agent = Agent::Real { agent_id: "A".to_owned(), agent_alias_id: "B".to_owned() };
    for (agent, scenarios) in [(agent, false), (Agent::Scripted, true)] {
        let aws = start(Options { agent, ..Options::default() }).await;
        let settings: Value = get(&aws, "/config.json", &[]).await.json().await.unwrap();
        let suggestions = settings["suggestions"].as_array().unwrap();
        let scenario = |prompt: &Value| prompt.as_str().unwrap().starts_with('/');
        assert_eq!(suggestions.iter().any(scenario), scenarios);
        aws.stop().await;
    }
}

#[tokio::test]
async fn other_paths_and_other_sites_get_nothing() {
    let aws = start(Options::default()).await;
    for path in ["/nothing.js", "/..%2fCargo.toml", "/bedrock/agents"] {
        assert_eq!(get(&aws, path, &[]).await.status(), 404, "{path}");
    }
    // A name that another site has pointed at this machine, and a page of another site.
    assert_eq!(get(&aws, "/", &[("host", "rebound.example")]).await.status(), 403);
    assert_eq!(
        get(&aws, "/config.json", &[("origin", "https://evil.example")]).await.status(),
        403
    );
    assert_eq!(get(&aws, "/local", &[]).await.status(), 426, "it speaks WebSocket");
    aws.stop().await;
}
