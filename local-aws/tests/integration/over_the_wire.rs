//! The wires of the local AWS, with real clients: TLS, HTTP/1.1 and HTTP/2, delay, and every way in
//! which a connection breaks.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_apigatewaymanagement::config::Credentials;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use local_aws::{
    AGENT_ALIAS_ID, AGENT_ID, Agent, Entry, LocalAws, Options, Record, Wire, WireClose, WireFault,
    WireName,
};
use serde_json::json;
use test_support::table::{RUNS_TABLE, with_table};
use test_support::{soon, start, wait_for_entry};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};

/// The id of a connection that never was.
const NOBODY: &str = "L0SM9cOFvHcCIhw=";

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
    fail_fast_on_loss(&stream);
    let name = ServerName::try_from("127.0.0.1").unwrap();
    soon("the handshake of TLS", connector.connect(name, stream)).await
}

/// Lets the client's kernel report within seconds that nobody acknowledges anything any more.
fn fail_fast_on_loss(stream: &TcpStream) {
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
    let id = |entry| match entry {
        Entry::Inspected { connection_id, .. } => Some(connection_id),
        _ => None,
    };
    aws.journal().entries().into_iter().filter_map(id).collect()
}

/// How reading on goes: the number of bytes, 0 at the end, or the kind of error.
async fn next_read(stream: &mut (impl AsyncRead + Unpin)) -> Result<usize, ErrorKind> {
    let mut buffer = [0; 4096];
    soon("the end", stream.read(&mut buffer)).await.map_err(|error| error.kind())
}

async fn fault_happened(aws: &LocalAws, connection: u64, fault: WireFault) -> Record {
    let wanted = Entry::WireFault { wire: WireName::Callbacks, connection, fault };
    wait_for_entry(aws, "the fault", move |entry| *entry == wanted).await
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
    let aws = start(with_table(Options::default(), 24)).await;
    assert!(aws.table_wire().is_none());
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
            assert!(inspect(&mut stream, NOBODY).await.starts_with("HTTP/1.1 410 Gone"));
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
    let aws = start(with_table(Options { tls: true, ..Options::default() }, 24)).await;
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
        .load()
        .await;
    let config = sdk.to_builder().endpoint_url(aws.callback_url()).build();
    let callback = aws_sdk_apigatewaymanagement::Client::new(&config);
    let config = sdk.to_builder().endpoint_url(aws.dynamodb_url()).build();
    let tables = aws_sdk_dynamodb::Client::new(&config).list_tables().send();
    let tables = soon("the tables", tables).await.unwrap();
    assert_eq!(tables.table_names(), [RUNS_TABLE]);
    assert_eq!(aws.table_wire().unwrap().connections_accepted(), 1);
    let error = soon("an answer", callback.get_connection().connection_id(NOBODY).send()).await;
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
    inspect(&mut stream, NOBODY).await;
}

#[tokio::test]
async fn sessions_are_resumed_with_tickets() {
    let aws = start_with_tls().await;
    let connector = client(&aws, &[HTTP_1]);
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut stream = connect(callbacks(&aws), &connector).await.unwrap();
        // The ticket comes with the first answer at the latest.
        inspect(&mut stream, NOBODY).await;
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
    }
}

#[tokio::test]
async fn the_function_gets_the_addresses_and_the_authority() {
    for agent in [Agent::Scripted, Agent::Real] {
        let aws = start(Options { tls: true, agent, ..Options::default() }).await;
        let environment = aws.function_environment();
        let value = |wanted| {
            let mut found = environment.iter().filter(|(name, _)| *name == wanted);
            found.next().map(|(_, value)| value.clone())
        };
        let (callback, agent_address) =
            (callbacks(&aws).address(), aws.agent_wire().unwrap().address());
        let callback_url = value("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI").unwrap();
        assert_eq!(callback_url, format!("https://{callback}/local"));
        let expected =
            (agent == Agent::Scripted).then(|| format!("https://{agent_address}/bedrock"));
        assert_eq!(value("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME"), expected);

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
    assert!(inspect(&mut stream, NOBODY).await.starts_with("HTTP/1.1 410 Gone"));
    assert_eq!(callbacks(&aws).connections_accepted(), 0);
}

// Time.

#[tokio::test]
async fn bytes_take_half_a_round_trip_and_a_connection_one_more() {
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
async fn bytes_on_their_way_do_not_delay_those_after_them() {
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
        (1, WireClose::Fin, ErrorKind::UnexpectedEof),
        (2, WireClose::Reset, ErrorKind::ConnectionReset),
    ] {
        let mut stream = connect(wire, &connector).await.unwrap();
        inspect(&mut stream, NOBODY).await;
        assert_eq!((wire.connections_accepted(), wire.connections_open()), (number, 1));
        assert_eq!(wire.close_open(how), 1);
        assert_eq!(next_read(&mut stream).await, Err(seen), "{how:?}");
        let fault = fault_happened(&aws, number, WireFault::Closed(how)).await;
        let closed = Entry::WireClosed { wire: WireName::Callbacks, connection: number };
        let closed = wait_for_entry(&aws, "the end", move |entry| *entry == closed).await;
        assert!(fault.index < closed.index);
        assert_eq!(wire.connections_open(), 0);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_good_order() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let mut stream = connect(wire, &client(&aws, &[HTTP_1])).await.unwrap();
    inspect(&mut stream, NOBODY).await;
    assert_eq!(wire.close_open(WireClose::Graceful), 1);
    // Without `close_notify` this would be an error.
    assert_eq!(next_read(&mut stream).await, Ok(0));
    fault_happened(&aws, 1, WireFault::Closed(WireClose::Graceful)).await;

    let (sender, connection) = http_2(wire, &client(&aws, &[HTTP_2])).await;
    assert_eq!(wire.close_open(WireClose::Graceful), 1);
    soon("the end", connection).await.unwrap().unwrap();
    assert!(sender.is_closed());
}

#[tokio::test]
async fn an_answer_is_finished_before_its_connection_is_closed_in_good_order() {
    let aws = start_with_tls().await;
    let wire = aws.agent_wire().unwrap();
    let (mut sender, connection) = http_2(wire, &client(&aws, &[HTTP_2])).await;
    let answer = sender.send_request(to_the_agent(&aws, "/tokens 40 200")).await.unwrap();
    assert_eq!(wire.close_open(WireClose::Graceful), 1);
    let bytes = whole(answer).await;
    assert_eq!(bytes.windows(8).filter(|part| *part == b"\"bytes\":").count(), 40);
    soon("the end", connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn open_connections_are_swallowed_and_new_ones_are_not() {
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
    fail_fast_on_loss(&stream);
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
    for how in [WireClose::Fin, WireClose::Reset] {
        let from = aws.journal().records().last().map_or(0, |record| record.index);
        let (mut sender, _connection) = http_2(wire, &client(&aws, &[HTTP_2])).await;
        let answer = sender.send_request(to_the_agent(&aws, "/slow 300")).await.unwrap();
        assert_eq!(wire.close_open(how), 1);
        assert!(soon("the end", answer.into_body().collect()).await.is_err());
        let dropped = |entry: &Entry| matches!(entry, Entry::AgentDropped { .. });
        soon("the drop", aws.journal().wait_for_after(from, dropped)).await;
    }
}

#[tokio::test]
async fn everything_stops_whatever_state_its_connections_are_in() {
    let aws = start_with_tls().await;
    let wire = callbacks(&aws);
    let connector = client(&aws, &[HTTP_1]);
    let mut lost = connect(wire, &connector).await.unwrap();
    inspect(&mut lost, NOBODY).await;
    assert_eq!(wire.swallow_open(), 1);
    let mut idle = connect(wire, &connector).await.unwrap();
    // In the middle of the handshake.
    let mut silent = TcpStream::connect(wire.address()).await.unwrap();
    let opened = Entry::WireOpened { wire: WireName::Callbacks, connection: 3 };
    wait_for_entry(&aws, "the connection", move |entry| *entry == opened).await;
    soon("the end", aws.stop()).await;
    assert_eq!(next_read(&mut idle).await, Ok(0));
    assert_eq!(next_read(&mut silent).await, Ok(0));
    assert_eq!(next_read(&mut lost).await, Err(ErrorKind::ConnectionReset));
}
