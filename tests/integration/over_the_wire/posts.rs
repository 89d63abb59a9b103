//! API Gateway's callback endpoint answers a post wrongly, late or not at all.
//!
//! In most of these tests the third post of a turn goes wrong *after* its frame was handed to the
//! client, which is the worse case: what is then posted again arrives twice, under the same number.

use std::time::Duration;

use local_aws::{Entry, Options};
use tokio::time::Instant;

use super::events::head_of_many_headers;
use super::server::{Request, Server, Step, trust_in_servers, write};
use test_support::received_run::{ReceivedRun, ask_as, log, receive_run, summary};
use test_support::source::is_drop_of;
use test_support::test_bed::{TestBed, numbers};
use test_support::wait_for_entry;

/// A healthy answer to a post.
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The prompt of a turn with more than three posts, and its answer.
const PROMPT: &str = "/tokens 20 100";

/// The function, whose posts go to a server in between, which passes them on.
async fn test_bed() -> (TestBed, Server) {
    let server = Server::start(|_| vec![Step::Relay]).await;
    let url = server.callback_url();
    let callbacks = Some(("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", url.as_str()));
    let changes: Vec<_> = callbacks.into_iter().chain(trust_in_servers()).collect();
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    server.passes_on_to(&bed.aws);
    (bed, server)
}

/// A turn whose third post meets these steps.
async fn third_post(bed: &TestBed, server: &Server, case: &str, steps: Vec<Step>) -> ReceivedRun {
    server.follow(move |post| if post.number == 3 { steps.clone() } else { vec![Step::Relay] });
    receive_run(bed, case, PROMPT).await
}

/// The whole answer has arrived, and the log knows how many posts were repeated.
async fn complete(bed: &TestBed, case: &str, turn: &ReceivedRun, repeated: usize) {
    assert_eq!(turn.text(), numbers(20), "{case}");
    assert_eq!(turn.end(), "RUN_FINISHED", "{case}");
    assert_eq!(turn.repeated(), repeated, "{case}: frames that came again");
    let log = log(bed, case).await;
    // The run is well, so nothing in the log may say otherwise.
    assert!(!log.iter().any(|line| line.contains("ERROR")), "{case}: {log:#?}");
    let retried = log.iter().filter(|line| line.contains("a post failed")).count();
    assert!(
        summary(&log).contains(&format!("retried_posts={retried}")),
        "{case}: {retried} retried, but {}",
        summary(&log)
    );
}

/// Each of these cases breaks the third post of a turn once, after its frame was delivered: it is
/// posted once more, and nothing is lost.
async fn is_tried_again(cases: Vec<(&str, Vec<Step>)>) {
    let (bed, server) = test_bed().await;
    for (case, answer) in cases {
        let steps = [vec![Step::Deliver], answer].concat();
        let turn = third_post(&bed, &server, case, steps).await;
        complete(&bed, case, &turn, 1).await;
    }
    server.follow(|_| vec![Step::Relay]);
    complete(&bed, "afterwards", &receive_run(&bed, "afterwards", PROMPT).await, 0).await;
}

/// Each of these answers to the third post of a turn says that the frame was delivered, whatever else
/// is wrong with it: nothing is posted again, nothing is lost, and nothing waits.
async fn counts_as_delivered(cases: Vec<(&str, Vec<Step>)>) {
    let (bed, server) = test_bed().await;
    for (case, answer) in cases {
        let steps = [vec![Step::Deliver], answer].concat();
        let started = Instant::now();
        let turn = third_post(&bed, &server, case, steps).await;
        // A fifth of a second for the answer; a post that stalls takes seconds.
        assert!(started.elapsed() < Duration::from_secs(2), "{case}: {:?}", started.elapsed());
        complete(&bed, case, &turn, 0).await;
    }
}

/// The third post of an endless turn meets this answer, which ends the run at once: the agent is
/// freed, and nothing more is posted. Returns the line that the run ended with.
async fn ends_the_run(bed: &TestBed, server: &Server, case: &str, answer: Vec<Step>) -> String {
    server.follow(move |post| if post.number < 3 { vec![Step::Relay] } else { answer.clone() });
    let mut client = bed.client().await;
    client.send(ask_as(case, "/tokens 5000 100").to_string()).await;
    let log = log(bed, case).await;
    assert_eq!(posts(server), 3, "{case}: posts after the one that failed for good");
    agent_is_freed(bed, case).await;
    summary(&log).to_owned()
}

async fn agent_is_freed(bed: &TestBed, case: &str) {
    let dropped = |entry: &Entry| is_drop_of(entry, case);
    wait_for_entry(&bed.aws, "the drop", dropped).await;
}

/// How many posts came since the server was given its script.
fn posts(server: &Server) -> usize {
    server.record(|record| record.requests.last().map_or(0, |post| post.number))
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![write(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}"))]
}

fn named(status: &str, exception: &str) -> Vec<Step> {
    answer(status, &format!("x-amzn-ErrorType: {exception}\r\n"), r#"{"message":"no"}"#)
}

fn named_in_the_body(status: &str, exception: &str) -> Vec<Step> {
    answer(status, "", &format!(r#"{{"__type":"{exception}","message":"no"}}"#))
}

// Nothing that can be understood as an answer.

#[tokio::test]
async fn a_post_that_is_answered_with_no_http_is_tried_again() {
    let huge =
        format!("HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(600_000));
    is_tried_again(vec![
        ("garbage", vec![write("\u{1}\u{2}\u{3} no server speaks like this\r\n\r\n")]),
        ("http-0.9", vec![write("<html>no head, only a body</html>"), Step::Fin]),
        (
            "101",
            vec![write(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
            )],
        ),
        ("1xx-alone", vec![write("HTTP/1.1 100 Continue\r\n\r\n"), Step::Fin]),
        ("103-alone", vec![write("HTTP/1.1 103 Early Hints\r\n\r\n"), Step::Reset]),
        (
            "two-lengths",
            vec![write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc")],
        ),
        ("1000-headers", vec![write(head_of_many_headers(1000))]),
        ("600-kb-of-header", vec![write(huge)]),
    ])
    .await;
}

#[tokio::test]
async fn a_post_whose_answer_is_cut_before_its_body_is_tried_again() {
    is_tried_again(vec![
        ("fin-instead-of-an-answer", vec![Step::Fin]),
        ("rst-instead-of-an-answer", vec![Step::Reset]),
        ("fin-in-the-status-line", vec![write("HTTP/1.1 2"), Step::Fin]),
        ("rst-in-the-status-line", vec![write("HTTP/1.1 2"), Step::Reset]),
        ("fin-in-the-headers", vec![write("HTTP/1.1 200 OK\r\ncontent-le"), Step::Fin]),
        ("rst-in-the-headers", vec![write("HTTP/1.1 200 OK\r\ncontent-le"), Step::Reset]),
    ])
    .await;
}

#[tokio::test]
async fn posts_that_never_reached_api_gateway_arrive_once() {
    let (bed, server) = test_bed().await;
    for (case, end) in [("fin", Step::Fin), ("rst", Step::Reset)] {
        let turn = third_post(&bed, &server, case, vec![end]).await;
        complete(&bed, case, &turn, 0).await;
    }
}

// Answers that say "not now".

#[tokio::test]
async fn a_post_that_is_not_taken_now_is_tried_again() {
    let cut = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 100\r\n\r\n{\"mess";
    let page = format!("<html>{}</html>", "x".repeat(50_000_000));
    is_tried_again(vec![
        ("408", answer("408 Request Timeout", "", "")),
        ("429", answer("429 Too Many Requests", "retry-after: 3600\r\n", "")),
        ("429-cut", vec![write(cut), Step::Fin]),
        ("500-cut", vec![write(cut.replace("429 Too Many Requests", "500 Oops")), Step::Reset]),
        ("502-html", answer("502 Bad Gateway", "content-type: text/html\r\n", "<html></html>")),
        ("503", answer("503 Service Unavailable", "", "")),
        ("999", answer("999 Unheard Of", "", "")),
        ("500-of-50-mb", answer("500 Oops", "content-type: text/html\r\n", &page)),
    ])
    .await;
}

#[tokio::test]
async fn exceptions_are_read_before_statuses() {
    let refusal = "400 Bad Request";
    is_tried_again(vec![
        ("throttling", named(refusal, "ThrottlingException")),
        ("limit", named(refusal, "LimitExceededException")),
        ("too-many", named(refusal, "TooManyRequestsException")),
        ("with-url", named(refusal, "LimitExceededException:http://internal.amazon.com/coral/")),
        ("throttling-in-body", named_in_the_body(refusal, "ThrottlingException")),
        ("limit-in-body", named_in_the_body(refusal, "com.amazon.coral#LimitExceededException")),
        ("too-many-in-body", named_in_the_body(refusal, "TooManyRequestsException")),
        ("403-throttling", named("403 Forbidden", "ThrottlingException")),
    ])
    .await;
}

// Answers that say "delivered".

#[tokio::test]
async fn a_post_that_was_delivered_counts_whatever_its_body_does() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"a\":";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n";
    let page = format!("<html>{}</html>", "x".repeat(50_000_000));
    counts_as_delivered(vec![
        ("fin-in-the-body", vec![write(head), Step::Fin]),
        ("rst-in-the-body", vec![write(head), Step::Reset]),
        ("fin-in-a-chunk", vec![write(chunked), Step::Fin]),
        ("rst-in-a-chunk", vec![write(chunked), Step::Reset]),
        ("broken-chunk", vec![write(chunked), write("no length\r\n")]),
        ("body-never-ends", vec![write(head), Step::Hang]),
        ("chunks-never-end", vec![write(chunked), Step::Hang]),
        ("flood", vec![write(chunked), Step::Flood("4\r\nmore\r\n".into())]),
        ("html", answer("200 OK", "content-type: text/html\r\n", "<html></html>")),
        ("50-mb", answer("200 OK", "content-type: text/html\r\n", &page)),
        ("without-length", vec![write("HTTP/1.1 200 OK\r\n\r\nthe rest"), Step::Fin]),
        ("204", vec![write("HTTP/1.1 204 No Content\r\n\r\n")]),
        ("206", answer("206 Partial Content", "", "part")),
    ])
    .await;
}

#[tokio::test]
async fn connections_that_end_in_any_way_repeat_and_lose_nothing() {
    let old = "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n";
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    counts_as_delivered(vec![
        ("continue", vec![write("HTTP/1.1 100 Continue\r\n\r\n"), write(OK)]),
        ("20-continues", vec![write("HTTP/1.1 100 Continue\r\n\r\n".repeat(20)), write(OK)]),
        ("http-1.0", vec![write(old), Step::Fin]),
        ("connection-close", vec![write(closing), Step::Fin]),
        ("silent-close", vec![write(OK), Step::Fin]),
        ("rst-afterwards", vec![write(OK), Step::Reset]),
        (
            "408-afterwards",
            vec![write(OK), write("HTTP/1.1 408 Request Timeout\r\n\r\n"), Step::Fin],
        ),
        ("bytes-afterwards", vec![write(OK), write("\u{1}\u{2}\u{3}"), Step::Fin]),
    ])
    .await;
}

/// How many turns are tried that may be slower than the code, since machines can be busy. The best counts.
const TURNS: usize = 5;

/// With each of these answers, nearly all posts of a turn go over the connection that is there.
async fn shares_a_connection(cases: Vec<(&str, Vec<Step>)>) {
    let (bed, server) = test_bed().await;
    for (case, answer) in cases {
        let mut seen = Vec::new();
        for number in 1..=TURNS {
            let answer = answer.clone();
            // Posts count from 1 again.
            server.follow(move |_| [vec![Step::Deliver], answer.clone()].concat());
            let before = server.record(|record| record.connections);
            let name = format!("{case}-{number}");
            let turn = receive_run(&bed, &name, PROMPT).await;
            complete(&bed, &name, &turn, 0).await;
            seen.push((posts(&server), server.record(|record| record.connections) - before));
            // One may be given up now and then, because it may have died meanwhile.
            if seen.last().is_some_and(|(posts, connections)| *posts >= 4 * connections) {
                break;
            }
            assert!(number < TURNS, "{case}: posts and connections of each turn: {seen:?}");
        }
    }
}

#[tokio::test]
async fn posts_of_a_turn_share_a_connection() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    shares_a_connection(vec![
        ("no-length", vec![write("HTTP/1.1 204 No Content\r\n\r\n")]),
        ("length-of-0", vec![write(OK)]),
        ("no-chunk", vec![write(chunked)]),
        ("a-body", answer("200 OK", "content-type: application/json\r\n", "{}")),
    ])
    .await;
}

#[tokio::test]
async fn posts_whose_answers_end_a_packet_later_share_a_connection() {
    let late = |head: &'static str, rest: &'static str| {
        vec![write(head), Step::Take(Duration::from_millis(5)), write(rest)]
    };
    shares_a_connection(vec![
        ("body", late("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", "{}")),
        ("end", late("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "0\r\n\r\n")),
    ])
    .await;
}

// Answers that are final.

#[tokio::test]
async fn each_response_that_says_the_client_is_gone_ends_the_run() {
    let (bed, server) = test_bed().await;
    let page = "<html>gone</html>";
    for (case, answer) in [
        ("410", answer("410 Gone", "", "")),
        ("410-html", answer("410 Gone", "content-type: text/html\r\n", page)),
        (
            "410-cut",
            vec![write("HTTP/1.1 410 Gone\r\ncontent-length: 100\r\n\r\n{\"mess"), Step::Fin],
        ),
        ("400-gone", named("400 Bad Request", "GoneException")),
        ("400-gone-in-body", named_in_the_body("400 Bad Request", "GoneException")),
        ("403-gone", named("403 Forbidden", "GoneException")),
        ("403-gone-in-body", named_in_the_body("403 Forbidden", "GoneException")),
    ] {
        let line = ends_the_run(&bed, &server, case, answer).await;
        assert!(line.contains("client_gone"), "{case}: {line}");
    }
}

#[tokio::test]
async fn an_answer_that_will_not_change_is_final() {
    let (bed, server) = test_bed().await;
    for (case, answer) in [
        ("400", named("400 Bad Request", "BadRequestException")),
        ("403", named("403 Forbidden", "ForbiddenException")),
        ("404", answer("404 Not Found", "", "")),
        ("413", named("413 Payload Too Large", "PayloadTooLargeException")),
    ] {
        let line = ends_the_run(&bed, &server, case, answer).await;
        assert!(line.contains("undelivered"), "{case}: {line}");
    }
    server.follow(|_| vec![Step::Relay]);
    complete(&bed, "afterwards", &receive_run(&bed, "afterwards", PROMPT).await, 0).await;
}

#[tokio::test]
async fn redirects_are_not_followed_and_are_final() {
    let (bed, server) = test_bed().await;
    let elsewhere = Server::start(|_| vec![write(OK)]).await;
    for status in ["301", "302", "303", "307", "308"] {
        let location = format!("location: {}/elsewhere\r\n", elsewhere.url());
        let moved = answer(&format!("{status} Moved"), &location, "");
        let line = ends_the_run(&bed, &server, status, moved).await;
        assert!(line.contains("undelivered"), "{status}: {line}");
    }
    assert_eq!(elsewhere.record(|record| record.connections), 0);
}

// A role that may not post, or not yet.

#[tokio::test]
async fn posts_that_are_forbidden_at_first_are_tried_again_for_some_seconds() {
    let (bed, server) = test_bed().await;
    // As after a deployment, until every host of API Gateway knows the role's new policy.
    server.follow(|post| match post.number {
        1..=3 => named("403 Forbidden", "ForbiddenException"),
        _ => vec![Step::Relay],
    });
    let turn = receive_run(&bed, "first", PROMPT).await;
    complete(&bed, "first", &turn, 0).await;
    assert!(summary(&log(&bed, "first").await).contains("retried_posts=3"));
    // Now something was delivered.
    let line =
        ends_the_run(&bed, &server, "second", named("403 Forbidden", "ForbiddenException")).await;
    assert!(line.contains("undelivered"), "{line}");
}

#[tokio::test]
async fn posts_that_stay_forbidden_end_the_run_after_some_seconds() {
    let (bed, server) = test_bed().await;
    server.follow(|_| named("403 Forbidden", "ForbiddenException"));
    let mut client = bed.client().await;
    let started = Instant::now();
    client.send(ask_as("forbidden", "/slow 300").to_string()).await;
    let log = log(&bed, "forbidden").await;
    let (least, most) = (Duration::from_secs(3), Duration::from_secs(10));
    assert!((least..most).contains(&started.elapsed()), "{:?}", started.elapsed());
    assert!(summary(&log).contains("undelivered"), "{}", summary(&log));
    assert!(posts(&server) >= 3, "{} posts", posts(&server));
    assert_eq!(posts(&server), server.record(|record| record.requests.len()));
    agent_is_freed(&bed, "forbidden").await;
}

// Posts without an answer.

#[tokio::test]
async fn a_hung_post_costs_at_most_three_seconds() {
    let (bed, server) = test_bed().await;
    let started = Instant::now();
    let turn = third_post(&bed, &server, "hung", vec![Step::Deliver, Step::Hang]).await;
    // Three seconds, and two for everything else.
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    complete(&bed, "hung", &turn, 1).await;
}

#[tokio::test]
async fn a_post_that_hung_has_more_time_when_it_is_repeated() {
    let (bed, server) = test_bed().await;
    server.follow(|post| match post.number {
        3 => vec![Step::Hang],
        // Longer than the first attempt may take.
        4 => vec![Step::Take(Duration::from_secs(4)), Step::Relay],
        _ => vec![Step::Relay],
    });
    let turn = receive_run(&bed, "slow", PROMPT).await;
    complete(&bed, "slow", &turn, 0).await;
    assert!(summary(&log(&bed, "slow").await).contains("retried_posts=1"));
}

#[tokio::test]
async fn the_first_repetition_after_a_broken_connection_does_not_wait() {
    let (bed, server) = test_bed().await;
    // Every second post is reset.
    let broken = |post: &Request| post.number.is_multiple_of(2);
    server.follow(move |post| vec![if broken(post) { Step::Reset } else { Step::Relay }]);
    let mut fastest = Duration::MAX;
    for number in 1..=TURNS {
        let name = format!("resets-{number}");
        let turn = receive_run(&bed, &name, PROMPT).await;
        complete(&bed, &name, &turn, 0).await;
        let posts = server.record(|record| record.requests.clone());
        let repeated = posts.windows(2).filter(|pair| broken(&pair[0]));
        fastest = repeated.map(|pair| pair[1].at - pair[0].at).fold(fastest, Duration::min);
        // The shortest wait of the backoff is 25 ms.
        if fastest < Duration::from_millis(20) {
            return;
        }
    }
    panic!("{fastest:?}");
}

#[tokio::test]
async fn later_repetitions_after_broken_connections_wait() {
    let (bed, server) = test_bed().await;
    server.follow(|post| match post.number {
        3..=5 => vec![Step::Reset],
        _ => vec![Step::Relay],
    });
    let turn = receive_run(&bed, "resets", PROMPT).await;
    complete(&bed, "resets", &turn, 0).await;
    let posts = server.record(|record| record.requests.clone());
    let waited = posts[5].at - posts[3].at;
    assert!(waited >= Duration::from_millis(40), "two repetitions after {waited:?}");
}

#[tokio::test]
async fn posts_that_find_their_connection_reset_unread_arrive() {
    let (bed, server) = test_bed().await;
    // Every connection but each third is reset at its first bytes.
    server.greet(|number| match number % 3 {
        0 => Vec::new(),
        _ => vec![Step::ReadSome, Step::Reset],
    });
    let turn = receive_run(&bed, "unread", PROMPT).await;
    complete(&bed, "unread", &turn, 0).await;
}
