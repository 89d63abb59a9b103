//! The page as a browser gets it: from the function, through the HTTP API of the local AWS.

use local_aws::{LocalAws, Options};
use reqwest::Method;
use serde_json::Value;
use test_support::test_bed::TestBed;
use test_support::{Runtime, ok, soon, start};

async fn request(
    aws: &LocalAws,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> reqwest::Response {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.request(method, format!("http://{}{path}", aws.address()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    soon("the response", request.send()).await.unwrap()
}

async fn get(aws: &LocalAws, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    request(aws, Method::GET, path, headers).await
}

async fn settings(bed: &TestBed) -> Value {
    get(&bed.aws, "/config.json", &[]).await.json().await.unwrap()
}

#[tokio::test]
async fn the_page_comes_with_its_policy() {
    let bed = TestBed::start(Options::default()).await;
    let page = get(&bed.aws, "/", &[]).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    assert_eq!(page.headers()["cache-control"], "no-cache");
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    let connect = format!("connect-src 'self' ws://{};", bed.aws.address());
    assert!(policy.starts_with("default-src 'none';") && policy.contains(&connect), "{policy}");
    assert!(page.text().await.unwrap().contains("<title>"));
}

#[tokio::test]
async fn the_settings_are_those_of_the_deployment() {
    for (value, allow_trace) in [("true", true), ("false", false)] {
        let bed = TestBed::with_environment(Options::default(), &[("ALLOW_TRACE", value)]).await;
        let settings = settings(&bed).await;
        assert_eq!(settings["version"], agent_relay::VERSION);
        assert_eq!(settings["endpoint"], bed.aws.websocket_url());
        assert_eq!(settings["access"], "open");
        assert_eq!(settings["allowTrace"], allow_trace);
        assert_eq!(settings["keepaliveSeconds"], 30);
        assert_eq!(settings["files"]["maxFiles"], 5);
        assert!(!settings["suggestions"].as_array().unwrap().is_empty());
    }
    let code = [("ACCESS", "code"), ("ACCESS_CODE", "open sesame")];
    let options = Options { authorizer: true, ..Options::default() };
    let bed = TestBed::with_environment(options, &code).await;
    assert_eq!(settings(&bed).await["access"], "code");
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let bed = TestBed::start(Options::default()).await;
    let first = get(&bed.aws, "/main.js", &[]).await;
    assert_eq!(first.headers()["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(first.headers()["cache-control"], "no-cache");
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let again = get(&bed.aws, "/main.js", &[("if-none-match", &tag)]).await;
    assert_eq!(again.status(), 304);
    assert!(again.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn other_methods_other_paths_and_other_sites_get_nothing() {
    let bed = TestBed::start(Options::default()).await;
    let aws = &bed.aws;
    for path in ["/nothing.js", "/..%2fCargo.toml", "/bedrock/agents"] {
        assert_eq!(get(aws, path, &[]).await.status(), 404, "{path}");
    }
    let post = request(aws, Method::POST, "/", &[]).await;
    assert_eq!(
        (post.status().as_u16(), &post.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
    // A name that another site has pointed at this machine, and a page of another site.
    assert_eq!(get(aws, "/", &[("host", "rebound.example")]).await.status(), 403);
    assert_eq!(get(aws, "/config.json", &[("origin", "https://evil.example")]).await.status(), 403);
    assert_eq!(get(aws, "/local", &[]).await.status(), 426, "it speaks WebSocket");
}

#[tokio::test]
async fn what_a_function_that_fails_shows_to_a_browser() {
    let aws = start(Options::default()).await;
    let runtime = Runtime::new(&aws);
    let (page, invocation) = tokio::join!(get(&aws, "/a?b=c&d", &[("x-a", "1")]), async {
        let invocation = runtime.next().await;
        runtime.respond(&invocation.request_id, &Value::Null).await;
        invocation
    });
    assert_eq!(page.status(), 500);
    let event = &invocation.event;
    assert_eq!((&event["version"], &event["rawPath"]), (&"2.0".into(), &"/a".into()));
    assert_eq!(
        (&event["rawQueryString"], &event["headers"]["x-a"]),
        (&"b=c&d".into(), &"1".into())
    );
    assert_eq!(event["requestContext"]["http"]["method"], "GET");

    let (page, ()) = tokio::join!(get(&aws, "/", &[]), async {
        let invocation = runtime.next().await;
        runtime.respond(&invocation.request_id, &ok()).await;
    });
    assert_eq!((page.status().as_u16(), page.bytes().await.unwrap().len()), (200, 0));
}
