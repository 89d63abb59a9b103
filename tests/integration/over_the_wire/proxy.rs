//! The machine's proxy: tunnels through it, requests that are handed to it, and its refusals.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf as _, BytesMut};
use local_aws::{FunctionProcess, Options, Program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::server::header;
use test_support::received_run::{calls_again, log, receive_run};
use test_support::source::{endpoint, endpoint_variable, source};
use test_support::test_bed::{TestBed, function_program, numbers, relay_options};
use test_support::{soon, start};

/// Who may use the proxy.
const USER: &str = "relay:p@ss";

/// The same in a URL.
const USER_IN_URL: &str = "relay:p%40ss@";

/// A proxy that asks for a password. Dropping it closes its port.
struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// The first head of each connection.
    heads: Vec<String>,
    /// How many connections are still to be refused.
    refusals: usize,
}

impl Proxy {
    async fn start(refusals: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { heads: Vec::new(), refusals }));
        let serving = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                // One that breaks is seen by the client.
                tokio::spawn(serve(client, Arc::clone(&serving)));
            }
        });
        Self { address, state, accepting }
    }

    fn url(&self, user: &str) -> String {
        format!("http://{user}{}", self.address)
    }

    /// The first lines of what came, and whose it was.
    fn heads(&self) -> Vec<String> {
        self.state.lock().unwrap().heads.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves a connection. Those that are handed a request as a whole go to one server, too.
async fn serve(mut client: TcpStream, state: Arc<Mutex<State>>) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    let end = loop {
        if let Some(start) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break start + 4;
        }
        if client.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let refused = {
        let mut state = state.lock().unwrap();
        state.heads.push(head.clone());
        let refused = state.refusals > 0;
        state.refusals -= usize::from(refused);
        refused
    };
    if refused {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await;
    }
    let wanted = format!("Basic {}", STANDARD.encode(USER));
    if header(&head, "proxy-authorization") != Some(&wanted) {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return client.write_all(refusal.as_bytes()).await;
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    let is_tunnel = head.starts_with("CONNECT ");
    let host = target.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let mut server = TcpStream::connect(host).await?;
    if is_tunnel {
        buffer.advance(end);
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    }
    server.write_all(&buffer).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// The variables of a machine with this proxy, for everything but these hosts.
fn environment<'a>(proxy: &'a str, but: &'a str) -> Vec<(&'static str, &'a str)> {
    let proxies = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
    let mut variables: Vec<_> = proxies.map(|name| (name, proxy)).into();
    variables.extend([("NO_PROXY", but), ("no_proxy", but)]);
    variables
}

/// A turn with many posts.
async fn a_turn_works(bed: &TestBed) {
    let turn = receive_run(bed, "turn", "/tokens 20 100").await;
    assert_eq!((turn.text(), turn.end()), (numbers(20), "RUN_FINISHED"));
}

#[tokio::test]
async fn calls_and_posts_go_through_tunnels_of_a_proxy() {
    let proxy = Proxy::start(0).await;
    let url = proxy.url(USER_IN_URL);
    let options = Options { tls: true, ..Options::default() };
    let bed = TestBed::with_environment(options, &environment(&url, "")).await;
    // On a busy machine a tunnel may be given up now and then, because it may have died meanwhile.
    for turns_left in (0..5).rev() {
        a_turn_works(&bed).await;
        let heads = proxy.heads();
        let mut are_shared = true;
        for wire in [bed.aws.agent_wire().unwrap(), bed.aws.callback_wire().unwrap()] {
            let line = format!("CONNECT {} HTTP/1.1\r\n", wire.address());
            let tunnels = heads.iter().filter(|head| head.starts_with(&line)).count();
            assert_eq!(tunnels as u64, wire.connections_accepted(), "{heads:#?}");
            are_shared &= (1..=bed.posts() / 4).contains(&tunnels);
        }
        if are_shared {
            return;
        }
        assert!(turns_left > 0, "{heads:#?}");
    }
}

#[tokio::test]
async fn calls_and_posts_without_tls_are_handed_to_a_proxy() {
    let proxy = Proxy::start(0).await;
    let url = proxy.url(USER_IN_URL);
    let options = Options { wire: true, ..Options::default() };
    let bed = TestBed::with_environment(options, &environment(&url, "")).await;
    a_turn_works(&bed).await;
    let heads = proxy.heads();
    for wire in [bed.aws.agent_wire().unwrap(), bed.aws.callback_wire().unwrap()] {
        let line = format!("POST http://{}/", wire.address());
        let handed = heads.iter().filter(|head| head.starts_with(&line)).count();
        assert!((1..=bed.posts() / 4).contains(&handed), "{heads:#?}");
    }
}

/// The function, which reaches only its agent by a proxy.
async fn test_bed_with_agent_proxy(proxy: &str) -> TestBed {
    let aws =
        start(relay_options(Options { tls: true, source: source(), ..Options::default() })).await;
    let agent = endpoint(&aws).replace("127.0.0.1", "localhost");
    let mut changes = environment(proxy, "127.0.0.1");
    changes.push((endpoint_variable(), &agent));
    let program = Program::Executable(function_program());
    let function = FunctionProcess::start_with(&aws, &program, &changes);
    let function = soon("the function", function).await.unwrap();
    TestBed { aws, function }
}

#[tokio::test]
async fn an_agent_whose_tunnel_is_refused_is_called_again() {
    // One before the first event, when the function wants to open its connections.
    let proxy = Proxy::start(3).await;
    let bed = test_bed_with_agent_proxy(&proxy.url(USER_IN_URL)).await;
    a_turn_works(&bed).await;
    assert_eq!(calls_again(&log(&bed, "turn").await), 2);
    assert_eq!(bed.agent_requests().len(), 1);
    let heads = proxy.heads();
    assert!(heads.iter().all(|head| head.starts_with("CONNECT localhost:")), "{heads:#?}");
}

#[tokio::test]
async fn a_proxy_that_wants_another_password_loses_the_connection_and_the_log_says_why() {
    let proxy = Proxy::start(0).await;
    let bed = test_bed_with_agent_proxy(&proxy.url("relay:wrong@")).await;
    let turn = receive_run(&bed, "turn", "hello").await;
    assert_eq!((turn.text().as_str(), turn.code()), ("", "connection_lost"));
    let log = log(&bed, "turn").await;
    assert!(log.iter().any(|line| line.contains("proxy authorization required")), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("wrong")), "{log:#?}");
}

/// It would be spoken to in the clear, with its password.
#[tokio::test]
async fn a_proxy_of_another_kind_is_not_spoken_to_and_the_log_says_why() {
    let proxy = Proxy::start(0).await;
    for scheme in ["https", "socks5"] {
        let url = proxy.url("relay:secret@").replacen("http", scheme, 1);
        let bed = test_bed_with_agent_proxy(&url).await;
        let turn = receive_run(&bed, "turn", "hello").await;
        assert_eq!((turn.text().as_str(), turn.code()), ("", "connection_lost"));
        let log = log(&bed, "turn").await;
        assert!(log.iter().any(|line| line.contains("only those with http://")), "{log:#?}");
        assert!(!log.iter().any(|line| line.contains("secret")), "{log:#?}");
    }
    assert!(proxy.heads().is_empty(), "{:?}", proxy.heads());
}
