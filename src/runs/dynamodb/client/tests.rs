use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_sdk_dynamodb::config::endpoint as sdk;
use aws_sdk_dynamodb::config::endpoint::ResolveEndpoint as _;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// A client of the service at this address, whose credentials last so long, and how often they were asked for.
fn client(url: &str, lifetime: Option<Duration>) -> (Client, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let provider = provide_credentials_fn(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let expiry = lifetime.map(|lifetime| SystemTime::now() + lifetime);
        async move { Ok(Credentials::new("id", "secret", None, expiry, "test")) }
    });
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(provider))
        .build();
    (Client::new(&sdk, Http::new().unwrap()), asked)
}

#[tokio::test]
async fn credentials_are_asked_for_once_and_anew_before_they_end() {
    let (hour, moment) = (Duration::from_hours(1), EXPIRES_SOON / 2);
    for (lifetime, times) in [(None, 1), (Some(hour), 1), (Some(moment), 3)] {
        let (client, asked) = client("http://127.0.0.1:1", lifetime);
        for _ in 0..3 {
            client.request("GetItem", &json!({})).await.unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed), times, "{lifetime:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_was_lost_and_one_that_is_no_json_is_unreadable() {
    for (length, is_lost) in [(100, true), (1, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{{");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let error = client(&url, None).0.call::<Value>("GetItem", &json!({})).await.unwrap_err();
        match error {
            CallError::Lost(_) => assert!(is_lost),
            CallError::Unreadable(_) => assert!(!is_lost),
            other => panic!("{other:?}"),
        }
        answering.await.unwrap();
    }
}

/// A service that answers each request on a connection of its own with the next of these. Its address, and
/// what it was asked.
async fn service(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (url, answering)
}

fn answer(status: &str, date: Option<SystemTime>, body: &str) -> String {
    let date = date.map_or_else(String::new, |date| {
        format!("date: {}\r\n", DateTime::from(date).fmt(Format::HttpDate).unwrap())
    });
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{date}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// How many seconds from now the signature of a request is from.
fn seconds_from_now(request: &str) -> i64 {
    let (_, rest) = request.split_once("x-amz-date: ").unwrap();
    let (date, time) = rest[..15].split_once('T').unwrap();
    let part = |text: &str, from: usize| text[from..from + 2].to_owned();
    let (year, month, day) = (&date[..4], part(date, 4), part(date, 6));
    let (hour, minute, second) = (part(time, 0), part(time, 2), part(time, 4));
    let signed = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    let signed = DateTime::from_str(&signed, Format::DateTime).unwrap();
    signed.secs() - DateTime::from(SystemTime::now()).secs()
}

#[tokio::test]
async fn a_wrong_clock_is_set_right_by_what_the_service_answers() {
    let hour = Duration::from_hours(1);
    let refusal = r#"{"__type":"com.amazon.coral.service#InvalidSignatureException"}"#;
    for (seconds, date) in [(3600, SystemTime::now() + hour), (-3600, SystemTime::now() - hour)] {
        let refused = answer("400 Bad Request", Some(date), refusal);
        let done = answer("200 OK", Some(date), "{}");
        let (url, answering) = service(vec![refused, done.clone(), done]).await;
        let client = client(&url, None).0;
        for _ in 0..2 {
            client.call::<Value>("GetItem", &json!({})).await.unwrap();
        }
        let requests = answering.await.unwrap();
        let found: Vec<_> = requests.iter().map(|request| seconds_from_now(request)).collect();
        for (found, expected) in found.iter().zip([0, seconds, seconds]) {
            assert!(found.abs_diff(expected) < 60, "{found}, not {expected}");
        }
    }
}

#[tokio::test]
async fn a_date_that_can_not_be_does_not_count() {
    let done =
        "HTTP/1.1 200 OK\r\ndate: Fri, 31 Dec 9999 23:59:59 GMT\r\nconnection: close\r\n\r\n{}";
    let (url, answering) = service(vec![done.to_owned(); 2]).await;
    let client = client(&url, None).0;
    for _ in 0..2 {
        client.call::<Value>("GetItem", &json!({})).await.unwrap();
    }
    let requests = answering.await.unwrap();
    assert!(seconds_from_now(&requests[1]).abs() < 60, "{}", requests[1]);
}

#[tokio::test]
async fn what_is_refused_with_a_right_clock_is_not_asked_again() {
    let refusal = r#"{"__type":"com.amazon.coral.service#InvalidSignatureException"}"#;
    let refused = answer("400 Bad Request", Some(SystemTime::now()), refusal);
    let (url, answering) = service(vec![refused]).await;
    let error = client(&url, None).0.call::<Value>("GetItem", &json!({})).await.unwrap_err();
    assert_eq!(error.code(), "InvalidSignatureException");
    answering.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_not_kept_in_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await.unwrap();
        let (mut sent, spaces) = (0, [b' '; 8192]);
        while stream.write_all(&spaces).await.is_ok() && sent < 10 * MAX_ANSWER {
            sent += spaces.len();
        }
        sent
    });
    let error = client(&url, None).0.call::<Value>("GetItem", &json!({})).await.unwrap_err();
    assert!(matches!(error, CallError::Lost(_)), "{error}");
    // What is on the way is no more than a few buffers.
    assert!(answering.await.unwrap() < 5 * MAX_ANSWER);
}

#[tokio::test]
async fn a_call_of_what_is_no_address_is_not_made() {
    for url in ["", "/", "/dynamodb", "/a://b", "127.0.0.1:8000", "localhost", "http://", "ftp://a"]
    {
        let error = client(url, None).0.call::<Value>("GetItem", &json!({})).await.unwrap_err();
        assert!(matches!(error, CallError::NotMade(_)), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_region_has_the_address_that_the_sdk_knows() {
    let regions = [
        "us-east-1",
        "eu-central-1",
        "ap-southeast-2",
        "cn-north-1",
        "us-gov-west-1",
        "us-gov-east-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "eusc-de-east-1",
        "xx-new-1",
    ];
    for region in regions {
        for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
            let params = sdk::Params::builder()
                .region(region)
                .use_fips(fips)
                .use_dual_stack(dual_stack)
                .build()
                .unwrap();
            let expected = sdk::DefaultResolver::new().resolve_endpoint(&params).await;
            let found = region_url(region, fips, dual_stack).await;
            let which = format!("{region}, FIPS {fips}, dual stack {dual_stack}");
            match (expected, found) {
                (Ok(expected), Ok(found)) => {
                    assert_eq!(found, format!("{}/", expected.url()), "{which}");
                }
                (Err(_), Err(_)) => {}
                (expected, found) => panic!("{which}: {found:?}, not {expected:?}"),
            }
        }
    }
}

#[test]
fn a_refusal_is_read_whoever_wrote_it() {
    let read = |body: &str| {
        let Refusal { code, message } = Refusal::of(body.as_bytes());
        (code, message)
    };
    let pair = |code: &str, message: &str| (code.to_owned(), message.to_owned());
    assert_eq!(
        read(
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow"}"#
        ),
        pair("ThrottlingException", "slow")
    );
    assert_eq!(
        read(r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}"#),
        pair("AccessDeniedException", "no")
    );
    assert_eq!(read(r#"{"__type":"Plain"}"#), pair("Plain", ""));
    assert_eq!(read(r#"{"__type":"a#Plain:http://b.example/#c"}"#), pair("Plain", ""));
    assert_eq!(read(r#"{"__type":"a#Plain","message":null}"#), pair("Plain", ""));
    assert_eq!(read(r#"{"__type":"Plain","message":"a","Message":"b"}"#), pair("Plain", "a"));
    for other in ["", "<html>", "[]", r#"{"__type":7}"#] {
        assert_eq!(read(other), pair("", ""), "{other}");
    }
}
