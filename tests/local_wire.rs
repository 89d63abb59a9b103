//! The wires of the local AWS, with real clients: TLS, HTTP/1.1 and HTTP/2, delay, and every way in
//! which a connection breaks; and the function's process, frozen and held back.
// What the kernel does to a connection and a process is asked of Linux, where Lambda runs, too.
#![cfg(all(feature = "local", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod local_support;
mod stage;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use agent_relay::local::{
    AGENT_ALIAS_ID, AGENT_ID, Agent, Close, Entry, Event, Limits, LocalAws, Options, Route, Wire,
    WireFault, WireName, cpu_share_is_possible,
};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_apigatewaymanagement::config::Credentials;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use local_support::{happened, soon, start};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use stage::{Stage, ask, frames_of_one_run, numbers, prompt, text};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};

const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

// Clients.

async fn start_with_tls() -> LocalAws {
    start(Options { tls: true, ..Options::default() }).await
}

fn callbacks(aws: &LocalAws) -> &Wire {
    aws.callback_wire().unwrap()
}

/// What trusts the first certificate of a file, and offers these protocols.
fn trusting(file: &Path, protocols: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

fn client(aws: &LocalAws, protocols: &[&[u8]]) -> TlsConnector {
    trusting(aws.authority_file().unwrap(), protocols)
}

async fn connect(wire: &Wire, connector: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(wire.address()).await?;
    give_up_early(&stream);
    let name = ServerName::try_from("127.0.0.1").unwrap();
    soon("the handshake of TLS", connector.connect(name, stream)).await
}

/// Lets the client's kernel report within seconds that nobody acknowledges anything any more.
fn give_up_early(stream: &TcpStream) {
    let second = Duration::from_secs(1);
    let socket = socket2::SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(second)).unwrap();
    let probes = socket2::TcpKeepalive::new().with_time(second).with_interval(second);
    socket.set_tcp_keepalive(&probes.with_retries(1)).unwrap();
}

/// Asks for a client's connection that does not exist, in HTTP/1.1, on a connection that stays open.
async fn inspect(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), id: &str) -> String {
    let request = format!("GET /local/@connections/{id} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with('}') {
        let length = soon("an answer", stream.read(&mut buffer)).await.unwrap();
        assert!(length > 0, "closed after {answer:?}");
        answer += std::str::from_utf8(&buffer[..length]).unwrap();
    }
    answer
}

/// The identifiers that clients have asked for.
fn inspected(aws: &LocalAws) -> Vec<String> {
    let id = |event| match event {
        Event::Inspected { connection_id, .. } => Some(connection_id),
        _ => None,
    };
    aws.journal().events().into_iter().filter_map(id).collect()
}

/// How reading on goes: the number of bytes, 0 at the end, or the kind of error.
async fn next_read(stream: &mut (impl AsyncRead + Unpin)) -> Result<usize, ErrorKind> {
    let mut buffer = [0; 4096];
    soon("the end", stream.read(&mut buffer)).await.map_err(|error| error.kind())
}

async fn fault_happened(aws: &LocalAws, connection: u64, fault: WireFault) -> Entry {
    let wanted = Event::WireFault { wire: WireName::Callbacks, connection, fault };
    happened(aws, "the fault", move |event| *event == wanted).await
}

/// A client of HTTP/2 on a connection of its own, and how that ends.
type Http2 = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn http_2(wire: &Wire, connector: &TlsConnector) -> (Http2, JoinHandle<hyper::Result<()>>) {
    let stream = TokioIo::new(connect(wire, connector).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (sender, connection) = soon("the handshake of HTTP/2", handshake).await.unwrap();
    (sender, tokio::spawn(connection))
}

/// A request to the agent whose answer is this prompt's.
fn to_the_agent(aws: &LocalAws, prompt: &str) -> Request<Full<Bytes>> {
    let path = format!("/agents/{AGENT_ID}/agentAliases/{AGENT_ALIAS_ID}/sessions/session-1/text");
    let body = json!({
        "inputText": prompt,
        "streamingConfigurations": { "streamFinalResponse": true },
    });
    Request::post(aws.agent_url() + &path).body(Full::from(body.to_string())).unwrap()
}

async fn whole(answer: Response<Incoming>) -> Bytes {
    soon("the answer", answer.into_body().collect()).await.unwrap().to_bytes()
}

// TLS.

#[tokio::test]
async fn there_are_no_wires_by_default() {
    let aws = start(Options::default()).await;
    assert!(aws.agent_wire().is_none() && aws.callback_wire().is_none());
    assert!(aws.authority_file().is_none());
    assert_eq!(aws.callback_url(), format!("http://{}/local", aws.address()));
    assert_eq!(aws.agent_url(), format!("http://{}/bedrock", aws.address()));
}

#[tokio::test]
async fn a_client_has_the_http_that_it_offers() {
    let aws = start_with_tls().await;
    for (offered, chosen) in
        [(&[HTTP_2, HTTP_1][..], Some(HTTP_2)), (&[HTTP_1], Some(HTTP_1)), (&[], None)]
    {
        let mut stream = connect(callbacks(&aws), &client(&aws, offered)).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen);
        if chosen != Some(HTTP_2) {
            assert!(inspect(&mut stream, "nobody").await.starts_with("HTTP/1.1 410 Gone"));
        }
    }
    let (mut sender, _connection) =
        http_2(aws.agent_wire().unwrap(), &client(&aws, &[HTTP_2])).await;
    let answer = sender.send_request(to_the_agent(&aws, "/tokens 3 0")).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, Version::HTTP_2));
    assert!(!whole(answer).await.is_empty());
}

#[tokio::test]
async fn a_page_of_another_site_is_refused_over_http_2_too() {
    let aws = start_with_tls().await;
    let (mut sender, _connection) = http_2(callbacks(&aws), &client(&aws, &[HTTP_2])).await;
    let url = aws.callback_url() + "/@connections/nobody";
    let request = Request::get(&url).header("origin", "https://evil.example");
    let answer = sender.send_request(request.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let rebound = url.replace("127.0.0.1", "rebound.example");
    let request = Request::get(rebound).body(Full::default()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_sdk_of_aws_calls_over_tls() {
    let aws = start_with_tls().await;
    let pem = fs::read(aws.authority_file().unwrap()).unwrap();
    let trust = TrustStore::empty().with_pem_certificate(pem);
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(TlsContext::builder().with_trust_store(trust).build().unwrap())
        .build_https();
    let sdk = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .endpoint_url(aws.callback_url())
        .load()
        .await;
    let sdk = aws_sdk_apigatewaymanagement::Client::new(&sdk);
    let error = soon("an answer", sdk.get_connection().connection_id("nobody").send()).await;
    assert!(error.unwrap_err().into_service_error().is_gone_exception());
    assert_eq!(callbacks(&aws).connections_accepted(), 1);
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_refuses() {
    let (aws, other) = (start_with_tls().await, start_with_tls().await);
    let foreign = trusting(other.authority_file().unwrap(), &[HTTP_1]);
    let error = connect(callbacks(&aws), &foreign).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    // It is well for those who trust it.
    let mut stream = connect(callbacks(&aws), &client(&aws, &[HTTP_1])).await.unwrap();
    inspect(&mut stream, "nobody").await;
}

#[tokio::test]
async fn sessions_are_resumed_with_tickets() {
    let aws = start_with_tls().await;
    let connector = client(&aws, &[HTTP_1]);
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut stream = connect(callbacks(&aws), &connector).await.unwrap();
        // The ticket comes with the first answer at the latest.
        inspect(&mut stream, "nobody").await;
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
    }
}

#[tokio::test]
async fn the_function_is_told_where_to_go_and_whom_to_trust() {
    let real = Agent::Real { agent_id: "A".to_owned(), agent_alias_id: "B".to_owned() };
    for agent in [Agent::Scripted, real] {
        let aws = start(Options { tls: true, agent, ..Options::default() }).await;
        let environment = aws.function_environment();
        let value = |wanted| {
            let mut found = environment.iter().filter(|(name, _)| *name == wanted);
            found.next().map(|(_, value)| value.clone())
        };
        let (callback, agent) = (callbacks(&aws).address(), aws.agent_wire().unwrap().address());
        let callback_url = value("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI").unwrap();
        assert_eq!(callback_url, format!("https://{callback}/local"));
        let agent_url = value("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME");
        let is_scripted = *aws.agent() == Agent::Scripted;
        assert_eq!(agent_url, is_scripted.then(|| format!("https://{agent}/bedrock")));

        let file = value("SSL_CERT_FILE").unwrap();
        let trusted = fs::read_to_string(&file).unwrap().matches("BEGIN CERTIFICATE").count();
        let roots = rustls_native_certs::load_native_certs().certs.len();
        assert_eq!(trusted, 1 + roots);
        aws.stop().await;
        assert!(!Path::new(&file).exists());
    }
}

#[tokio::test]
async fn the_plain_port_goes_on_serving_everything() {
    let aws = start_with_tls().await;
    let mut stream = TcpStream::connect(aws.address()).await.unwrap();
    assert!(inspect(&mut stream, "nobody").await.starts_with("HTTP/1.1 410 Gone"));
    assert_eq!(callbacks(&aws).connections_accepted(), 0);
}

#[tokio::test]
async fn a_turn_goes_over_tls_and_a_delay() {
    let rtt = Duration::from_millis(5);
    let stage = Stage::set(Options { tls: true, rtt, ..Options::default() }).await;
    let frames = stage.ask(&prompt("/tokens 50 100")).await;
    assert_eq!(text(&frames), numbers(50));
    assert!(callbacks(&stage.aws).connections_accepted() >= 1);
    assert_eq!(stage.aws.agent_wire().unwrap().connections_accepted(), 1);
    let Stage { aws, function } = stage;
    function.stop().await;
    aws.stop().await;
}

// Time.

#[tokio::test]
async fn bytes_take_their_time_and_a_connection_one_round_trip_more() {
    let rtt = Duration::from_millis(60);
    let aws = start(Options { rtt, ..Options::default() }).await;
    let began = Instant::now();
    let mut stream = TcpStream::connect(callbacks(&aws).address()).await.unwrap();
    inspect(&mut stream, "first").await;
    assert!(began.elapsed() >= 2 * rtt, "{:?}", began.elapsed());
    let began = Instant::now();
    inspect(&mut stream, "second").await;
    assert!(began.elapsed() >= rtt, "{:?}", began.elapsed());
    let longer = Duration::from_millis(150);
    callbacks(&aws).set_rtt(longer);
    let began = Instant::now();
    inspect(&mut stream, "third").await;
    assert!(began.elapsed() >= longer, "{:?}", began.elapsed());

    let aws = start(Options { rtt, tls: true, ..Options::default() }).await;
    let began = Instant::now();
    let mut stream = connect(callbacks(&aws), &client(&aws, &[HTTP_1])).await.unwrap();
    // One for TCP, one for TLS 1.3.
    assert!(began.elapsed() >= 2 * rtt, "{:?}", began.elapsed());
    inspect(&mut stream, "first").await;
    assert!(began.elapsed() >= 3 * rtt, "{:?}", began.elapsed());
}

/// With a sleep for each of the 512 reads and more, it would take a minute.
#[tokio::test]
async fn what_is_on_its_way_does_not_hold_up_what_comes_after_it() {
    let rtt = Duration::from_millis(200);
    let aws = start(Options { rtt, ..Options::default() }).await;
    let stream = TcpStream::connect(aws.agent_wire().unwrap().address()).await.unwrap();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let (mut parts, body) = to_the_agent(&aws, "/file 8").into_parts();
    parts.headers.insert("host", "localhost".parse().unwrap());
    let answer = sender.send_request(Request::from_parts(parts, body)).await.unwrap();
    assert!(whole(answer).await.len() > 8 * 1024 * 1024);
}

// Faults.

#[tokio::test]
async fn open_connections_are_closed_with_fin_or_reset() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let connector = client(&aws, &[HTTP_1]);
    for (number, how, seen) in [
        // The end of TCP without the end of TLS.
        (1, Close::Fin, ErrorKind::UnexpectedEof),
        (2, Close::Reset, ErrorKind::ConnectionReset),
    ] {
        let mut stream = connect(wire, &connector).await.unwrap();
        inspect(&mut stream, "nobody").await;
        assert_eq!((wire.connections_accepted(), wire.connections_open()), (number, 1));
        assert_eq!(wire.close_open(how), 1);
        assert_eq!(next_read(&mut stream).await, Err(seen), "{how:?}");
        let fault = fault_happened(&aws, number, WireFault::Closed(how)).await;
        let closed = Event::WireClosed { wire: WireName::Callbacks, connection: number };
        let closed = happened(&aws, "the end", move |event| *event == closed).await;
        assert!(fault.index < closed.index);
        assert_eq!(wire.connections_open(), 0);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_good_order() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let mut stream = connect(wire, &client(&aws, &[HTTP_1])).await.unwrap();
    inspect(&mut stream, "nobody").await;
    assert_eq!(wire.close_open(Close::Graceful), 1);
    // Without `close_notify` this would be an error.
    assert_eq!(next_read(&mut stream).await, Ok(0));
    fault_happened(&aws, 1, WireFault::Closed(Close::Graceful)).await;

    let (sender, connection) = http_2(wire, &client(&aws, &[HTTP_2])).await;
    assert_eq!(wire.close_open(Close::Graceful), 1);
    soon("the end", connection).await.unwrap().unwrap();
    assert!(sender.is_closed());
}

#[tokio::test]
async fn an_answer_is_finished_before_its_connection_is_closed_in_good_order() {
    let aws = start_with_tls().await;
    let wire = aws.agent_wire().unwrap();
    let (mut sender, connection) = http_2(wire, &client(&aws, &[HTTP_2])).await;
    let answer = sender.send_request(to_the_agent(&aws, "/tokens 40 200")).await.unwrap();
    assert_eq!(wire.close_open(Close::Graceful), 1);
    let bytes = whole(answer).await;
    assert_eq!(bytes.windows(8).filter(|part| *part == b"\"bytes\":").count(), 40);
    soon("the end", connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn open_connections_are_swallowed_and_new_ones_are_well() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let connector = client(&aws, &[HTTP_1]);
    let mut lost = connect(wire, &connector).await.unwrap();
    inspect(&mut lost, "before").await;
    assert_eq!(wire.swallow_open(), 1);
    lost.write_all(b"GET /local/@connections/lost HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut well = connect(wire, &connector).await.unwrap();
    inspect(&mut well, "well").await;
    assert_eq!(wire.connections_open(), 1);
    // Nothing was acknowledged either, so the client's kernel finds out at last.
    assert_eq!(next_read(&mut lost).await, Err(ErrorKind::TimedOut));
    assert_eq!(inspected(&aws), ["before", "well"]);
    fault_happened(&aws, 1, WireFault::Swallowed).await;
}

#[tokio::test]
async fn an_answer_is_swallowed_in_the_middle() {
    let aws = start(Options { wire: true, ..Options::default() }).await;
    let wire = callbacks(&aws);
    let mut stream = TcpStream::connect(wire.address()).await.unwrap();
    give_up_early(&stream);
    let whole = inspect(&mut stream, "whole").await;
    assert_eq!(wire.swallow_open_after(100), 1);
    let request = "GET /local/@connections/half HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut half = Vec::new();
    let ended = soon("the end", stream.read_to_end(&mut half)).await.unwrap_err();
    assert_eq!((half.len(), ended.kind()), (100, ErrorKind::TimedOut));
    assert!(whole.len() > 100);
    assert_eq!(inspected(&aws), ["whole", "half"]);
    fault_happened(&aws, 1, WireFault::Swallowed).await;
}

#[tokio::test]
async fn the_next_write_is_answered_with_a_reset() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let connector = client(&aws, &[HTTP_1]);
    let mut stale = connect(wire, &connector).await.unwrap();
    inspect(&mut stale, "before").await;
    assert_eq!(wire.reset_next_write_on_open(), 1);
    let mut well = connect(wire, &connector).await.unwrap();
    inspect(&mut well, "well").await;
    assert_eq!(wire.connections_open(), 2);
    stale.write_all(b"GET /local/@connections/stale HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(next_read(&mut stale).await, Err(ErrorKind::ConnectionReset));
    fault_happened(&aws, 1, WireFault::WriteReset).await;
    inspect(&mut well, "again").await;
    assert_eq!(inspected(&aws), ["before", "well", "again"]);
}

#[tokio::test]
async fn new_connections_are_refused() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let connector = client(&aws, &[HTTP_1]);
    wire.refuse_next(2);
    for connection in 1..=2 {
        let error = connect(wire, &connector).await.unwrap_err();
        // The first write may be the one to find out.
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::NotConnected];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        fault_happened(&aws, connection, WireFault::Refused).await;
    }
    connect(wire, &connector).await.unwrap();
    assert_eq!(wire.connections_accepted(), 3);
}

#[tokio::test]
async fn new_connections_are_swallowed_before_tls_is_there() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let connector = client(&aws, &[HTTP_1]);
    wire.swallow_next(1);
    let error = connect(wire, &connector).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    fault_happened(&aws, 1, WireFault::SwallowedFromTheStart).await;
    connect(wire, &connector).await.unwrap();
}

#[tokio::test]
async fn new_connections_are_closed_during_the_handshake() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let connector = client(&aws, &[HTTP_1]);
    wire.close_next_in_handshake(1);
    let error = connect(wire, &connector).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    fault_happened(&aws, 1, WireFault::ClosedInHandshake).await;
    connect(wire, &connector).await.unwrap();
}

#[tokio::test]
async fn an_agent_notices_that_its_caller_has_left() {
    let aws = start_with_tls().await;
    let wire = aws.agent_wire().unwrap();
    for how in [Close::Fin, Close::Reset] {
        let from = aws.journal().entries().last().map_or(0, |entry| entry.index);
        let (mut sender, _connection) = http_2(wire, &client(&aws, &[HTTP_2])).await;
        let answer = sender.send_request(to_the_agent(&aws, "/slow 300")).await.unwrap();
        assert_eq!(wire.close_open(how), 1);
        assert!(soon("the end", answer.into_body().collect()).await.is_err());
        let dropped = |event: &Event| matches!(event, Event::AgentDropped { .. });
        soon("the drop", aws.journal().wait_for_after(from, dropped)).await;
    }
}

#[tokio::test]
async fn everything_stops_whatever_state_its_connections_are_in() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let connector = client(&aws, &[HTTP_1]);
    let mut lost = connect(wire, &connector).await.unwrap();
    inspect(&mut lost, "nobody").await;
    assert_eq!(wire.swallow_open(), 1);
    let mut idle = connect(wire, &connector).await.unwrap();
    // In the middle of the handshake.
    let mut silent = TcpStream::connect(wire.address()).await.unwrap();
    let opened = Event::WireOpened { wire: WireName::Callbacks, connection: 3 };
    happened(&aws, "the connection", move |event| *event == opened).await;
    soon("the end", aws.stop()).await;
    assert_eq!(next_read(&mut idle).await, Ok(0));
    assert_eq!(next_read(&mut silent).await, Ok(0));
    assert_eq!(next_read(&mut lost).await, Err(ErrorKind::ConnectionReset));
}

// The function's process.

#[tokio::test]
async fn an_event_comes_while_the_function_is_frozen_and_is_there_when_it_thaws() {
    // Nobody waits for a function that is busy, so the event is handed out at once or never.
    let limits = Limits { message_grace: Duration::from_millis(20), ..Limits::default() };
    let options = Options { concurrency: 1, limits, ..Options::default() };
    let stage = Stage::set(options).await;
    let mut client = stage.client().await;
    ask(&mut client, &prompt("/tokens 3 200")).await;
    for _ in 0..3 {
        stage.asks_for_an_event().await;
        stage.function.freeze().await.unwrap();
        assert_eq!(states(&stage), ['T']);
        let from = stage.aws.journal().entries().last().unwrap().index;
        client.send(prompt("/tokens 20 200").to_string()).await;
        let after = async |what, fits: fn(&Event) -> bool| {
            soon(what, stage.aws.journal().wait_for_after(from, fits)).await.index
        };
        let invoked = after("the event", |event| {
            matches!(event, Event::Invoked { route: Route::Default, .. })
        });
        let invoked = invoked.await;
        assert_eq!(states(&stage), ['T']);
        stage.function.thaw().unwrap();
        let frames = frames_of_one_run(&mut client).await;
        assert_eq!(text(&frames), numbers(20));
        let thawed = after("the thaw", |event| matches!(event, Event::FunctionThawed { .. })).await;
        let responded = after("the response", |event| matches!(event, Event::Responded { .. }));
        assert!(invoked < thawed && thawed < responded.await);
    }
}

/// The states in which the function's threads are, each once.
fn states(stage: &Stage) -> Vec<char> {
    let threads = fs::read_dir(format!("/proc/{}/task", stage.function.pid())).unwrap();
    let of_one = |thread: std::io::Result<fs::DirEntry>| {
        let stat = fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    };
    let mut states: Vec<char> = threads.map(of_one).collect();
    states.sort_unstable();
    states.dedup();
    states
}

#[tokio::test]
async fn a_function_that_has_ended_cannot_be_frozen() {
    let mut stage = Stage::sequential().await;
    let pid = i32::try_from(stage.function.pid()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    soon("the end", stage.function.exited()).await;
    assert_eq!(stage.function.freeze().await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(stage.function.thaw().unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_function_is_held_back_before_its_first_event() {
    if let Err(reason) = cpu_share_is_possible() {
        eprintln!("NOT TESTED: this machine gives no process a share of the CPU: {reason}");
        return;
    }
    let options = Options { concurrency: 1, cpu_share_mb: Some(256), ..Options::default() };
    let stage = Stage::set(options).await;
    let directory = stage.function.cpu_share_directory().unwrap().to_path_buf();
    let read = |name: &str| fs::read_to_string(directory.join(name));
    // 256 / 1769 of 100 ms.
    match read("cpu.cfs_quota_us") {
        Ok(quota) => assert_eq!(
            (quota.trim(), read("cpu.cfs_period_us").unwrap().trim()),
            ("14471", "100000")
        ),
        Err(_) => assert_eq!(read("cpu.max").unwrap().trim(), "14471 100000"),
    }
    let held = read("cgroup.procs").unwrap();
    assert_eq!(held.trim(), stage.function.pid().to_string());

    assert_eq!(text(&stage.ask(&prompt("/tokens 20 200")).await), numbers(20));
    let events = stage.aws.journal().events();
    let position = |fits: fn(&Event) -> bool| events.iter().position(fits).unwrap();
    let asked = position(|event| matches!(event, Event::NextPolled));
    let held = position(|event| {
        matches!(event, Event::FunctionHeldBack { quota_us: 14_471, period_us: 100_000, .. })
    });
    let invoked = position(|event| matches!(event, Event::Invoked { .. }));
    assert!(asked < held && held < invoked);

    stage.function.stop().await;
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_function_that_is_dropped_leaves_no_control_group() {
    if let Err(reason) = cpu_share_is_possible() {
        eprintln!("NOT TESTED: this machine gives no process a share of the CPU: {reason}");
        return;
    }
    let options = Options { cpu_share_mb: Some(128), ..Options::default() };
    let Stage { function, .. } = Stage::set(options).await;
    function.freeze().await.unwrap();
    let directory = function.cpu_share_directory().unwrap().to_path_buf();
    assert!(directory.exists());
    drop(function);
    assert!(!directory.exists());
}

// The command.

async fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    let output = command.args(["--port", "0"]).args(arguments).kill_on_drop(true).output();
    soon("the end", output).await.unwrap()
}

#[tokio::test]
async fn the_command_checks_and_explains_what_makes_it_like_aws() {
    for (arguments, reason) in [
        (["--rtt-ms", "1001"], "0..=1000"),
        (["--cpu-share", "127"], "128..=10240"),
        (["--cpu-share", "10241"], "128..=10240"),
    ] {
        let output = run(&arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
    }
    let help = String::from_utf8(run(&["--help"]).await.stdout).unwrap();
    for option in ["--tls", "--rtt-ms", "--cpu-share"] {
        assert!(help.contains(option), "no {option} in {help}");
    }
}

#[tokio::test]
async fn the_command_says_that_tls_is_on() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let mut child = Command::new(env!("CARGO_BIN_EXE_local"))
        .args(["--port", "0", "--tls", "--rtt-ms", "3"])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut welcome = String::new();
    while !welcome.contains("Ctrl-C") {
        welcome += &soon("a line", lines.next_line()).await.unwrap().unwrap();
        welcome.push('\n');
    }
    assert!(
        welcome.contains("TLS        for agent and callbacks, by HTTP/2 or HTTP/1.1"),
        "{welcome}"
    );
    assert!(welcome.contains("Distance   3 ms to agent and callbacks and back"), "{welcome}");
    let url = welcome.lines().find(|line| line.contains("WebSocket")).unwrap();
    let url = url.split_whitespace().last().unwrap();
    let mut client = local_support::Client::connect_to(url, &[]).await.unwrap();
    let frames: Vec<Value> = ask(&mut client, &prompt("/tokens 20 200")).await;
    assert_eq!(text(&frames), numbers(20));

    let authority = welcome.split("trusts ").nth(1).unwrap().lines().next().unwrap();
    assert!(Path::new(authority).exists());
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    assert!(soon("the end", child.wait()).await.unwrap().success());
    assert!(!Path::new(authority).exists());
}
