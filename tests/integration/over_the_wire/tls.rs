//! TLS: which protocol the function speaks in it, and whom it trusts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, LazyLock, Mutex};

use local_aws::{Entry, FunctionError, FunctionProcess, LocalAws, Options, Program};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

use super::events::answer;
use super::server::{Request, Server, Step};
use test_support::received_run::{ask_as, calls_again, log, receive_run};
use test_support::source::{endpoint, endpoint_variable, is_call, source};
use test_support::test_bed::{TestBed, function_program, numbers, relay_options};
use test_support::{soon, start, wait_for_entry};

/// Who a server is: a certificate that it has given itself, with HTTP/2 and HTTP/1.1 to choose from.
pub(crate) struct Identity {
    pub(crate) acceptor: TlsAcceptor,
    authority: PathBuf,
}

impl Identity {
    fn new(name: &str) -> Self {
        let names = ["127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let authority = file(&format!("{name}-{}.pem", process::id()), &cert.pem());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], signing_key.into())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority }
    }

    /// That of all servers of this process.
    pub(crate) fn of_servers() -> &'static Self {
        static OF_SERVERS: LazyLock<Identity> = LazyLock::new(|| Identity::new("servers"));
        &OF_SERVERS
    }

    /// The file with what one has to trust.
    pub(crate) fn authority(&self) -> &str {
        path(&self.authority)
    }
}

/// What a test leaves in the build directory for the function to read.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

async fn start_with_tls() -> LocalAws {
    start(relay_options(Options { tls: true, source: source(), ..Options::default() })).await
}

async fn function(
    aws: &LocalAws,
    changes: &[(&str, &str)],
) -> Result<FunctionProcess, FunctionError> {
    let program = Program::Executable(function_program());
    soon("the function", FunctionProcess::start_with(aws, &program, changes)).await
}

async fn a_turn_works(bed: &TestBed) {
    let turn = receive_run(bed, "turn", "/tokens 20 200").await;
    assert_eq!((turn.text(), turn.end()), (numbers(20), "RUN_FINISHED"));
}

// The protocol.

#[tokio::test]
async fn http_2_that_is_offered_is_not_taken() {
    let identity = Identity::new("http-2");
    let chosen = Arc::new(Mutex::new(Vec::new()));
    let choices = Arc::clone(&chosen);
    let acceptor = identity.acceptor.clone();
    let wrap = move |socket: TcpStream| {
        let (accepting, choices) = (acceptor.accept(socket), Arc::clone(&choices));
        async move {
            let stream = accepting.await?;
            let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            choices.lock().unwrap().push(protocol);
            io::Result::Ok(stream)
        }
    };
    let script = |request: &Request| {
        let is_post = request.path().starts_with("/local/");
        if is_post { vec![Step::Relay] } else { answer(&["one ", "two"]) }
    };
    let server = Server::start_with(script, wrap).await;
    let (agent, callbacks) = (server.secure_url(), server.secure_url() + "/local");
    let changes = [
        ("AWS_CA_BUNDLE", identity.authority()),
        (endpoint_variable(), &agent),
        ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", &callbacks),
    ];
    let bed = TestBed::with_environment(Options::default(), &changes).await;
    server.passes_on_to(&bed.aws);
    let turn = receive_run(&bed, "turn", "hello").await;
    assert_eq!((turn.text().as_str(), turn.end()), ("one two", "RUN_FINISHED"));
    let chosen = chosen.lock().unwrap();
    assert!(!chosen.is_empty());
    assert!(chosen.iter().all(|protocol| protocol.as_deref() == Some(b"http/1.1")), "{chosen:?}");
    let requests = server.record(|record| record.requests.clone());
    assert!(requests.iter().all(|request| request.head.contains(" HTTP/1.1\r\n")));
}

// Certificates.

#[tokio::test]
async fn each_variable_for_root_certificates_is_enough() {
    for (variable, other) in
        [("AWS_CA_BUNDLE", "SSL_CERT_FILE"), ("SSL_CERT_FILE", "AWS_CA_BUNDLE")]
    {
        let aws = start_with_tls().await;
        let authority = aws.authority_file().unwrap().to_path_buf();
        let changes = [(variable, path(&authority)), (other, "")];
        let function = function(&aws, &changes).await.unwrap();
        a_turn_works(&TestBed { aws, function }).await;
    }
}

#[tokio::test]
async fn the_bundle_of_the_sdks_of_aws_is_preferred() {
    let aws = start_with_tls().await;
    let function = function(&aws, &[("SSL_CERT_FILE", "/nowhere/roots.pem")]).await.unwrap();
    a_turn_works(&TestBed { aws, function }).await;
}

#[tokio::test]
async fn a_bundle_without_certificates_ends_the_start_with_a_sentence() {
    let empty = file("empty.pem", "");
    let no_pem =
        file("no-pem.pem", "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n");
    let no_certificate = file(
        "no-certificate.pem",
        "-----BEGIN CERTIFICATE-----\naGVsbG8gd29ybGQ=\n-----END CERTIFICATE-----\n",
    );
    let bundles =
        [Path::new("/nowhere/roots.pem"), Path::new("/"), &empty, &no_pem, &no_certificate];
    for bundle in bundles {
        let aws = start_with_tls().await;
        let refused = function(&aws, &[("AWS_CA_BUNDLE", path(bundle))]).await.unwrap_err();
        assert!(refused.to_string().contains("exit code 1"), "{refused}");
        let lines: Vec<String> = lines(&aws);
        let named = format!("AWS_CA_BUNDLE is \"{}\", but no certificates", bundle.display());
        let [starts, refused] = &lines[..] else { panic!("{lines:?}") };
        assert!(starts.contains("the function starts"), "{lines:?}");
        assert!(refused.contains(&named), "{lines:?}");
        assert!(!refused.contains("panicked"), "{lines:?}");
    }
}

/// What the function has written so far.
fn lines(aws: &LocalAws) -> Vec<String> {
    let line = |entry| match entry {
        Entry::FunctionLog { line } => Some(line),
        _ => None,
    };
    aws.journal().entries().into_iter().filter_map(line).collect()
}

#[tokio::test]
async fn an_agent_of_an_unknown_authority_is_not_asked_and_the_log_says_why() {
    let (aws, foreign) = (start_with_tls().await, start_with_tls().await);
    let agent = endpoint(&foreign);
    let changes = [(endpoint_variable(), agent.as_str())];
    let function = function(&aws, &changes).await.unwrap();
    let bed = TestBed { aws, function };
    let turn = receive_run(&bed, "foreign", "hello").await;
    assert_eq!((turn.text().as_str(), turn.code()), ("", "connection_lost"));
    let log = log(&bed, "foreign").await;
    // Nothing was sent, and a proxy that breaks TLS open may be gone in a moment.
    assert_eq!(calls_again(&log), 4);
    let reason = |line: &&String| line.contains("invalid peer certificate: UnknownIssuer");
    assert_eq!(log.iter().filter(reason).count(), 5, "{log:#?}");
    let asked = is_call;
    assert!(!foreign.journal().entries().iter().any(asked));
}

#[tokio::test]
async fn posts_to_an_unknown_authority_are_never_made_and_the_log_says_why() {
    let (aws, foreign) = (start_with_tls().await, start_with_tls().await);
    let callbacks = foreign.callback_url();
    let changes = [("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", callbacks.as_str())];
    let function = function(&aws, &changes).await.unwrap();
    let bed = TestBed { aws, function };
    let mut client = bed.client().await;
    client.send(ask_as("foreign", "hello").to_string()).await;
    let reason = |entry: &Entry| match entry {
        Entry::FunctionLog { line } => {
            line.contains("a post failed") && line.contains("UnknownIssuer")
        }
        _ => false,
    };
    wait_for_entry(&bed.aws, "the reason", reason).await;
    let posted = |entry: &Entry| matches!(entry, Entry::Posted { .. });
    assert!(!foreign.journal().entries().iter().any(posted));
}
