//! A server that answers with any bytes: it stands in for API Gateway's callback endpoint, or for the
//! agent's, and does to each request what a script says.
//!
//! No HTTP library would send what a broken network or a broken proxy sends, so the script has the
//! bytes of an answer, and what becomes of the connection after them. What a server has to be asked
//! afterwards is counted: connections, requests that began, and requests that arrived whole.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use local_aws::LocalAws;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;

use super::tls::Identity;
use test_support::soon;

/// A step of what happens to a request, or to a connection before its first one. After the last step
/// the connection waits for its next request, as a connection that is kept alive does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Writes these bytes.
    Write(Bytes),
    /// Writes these bytes again and again, until the other side has had enough.
    Flood(Bytes),
    /// Reads some bytes, such as the greeting of TLS, and forgets them.
    ReadSome,
    /// Takes this long: a server that is slow.
    Take(Duration),
    /// Waits until the test opens the gate.
    Wait(Gate),
    /// Passes a post on to the local AWS, which hands the frame to its client.
    Deliver,
    /// The same, and answers what the local AWS answers.
    Relay,
    /// Closes its half of the connection, and reads on until the other half is closed, too.
    Fin,
    /// Closes the connection so that the other side gets a reset.
    Reset,
    /// Does nothing more until the other side closes the connection.
    Hang,
}

/// Some bytes of an answer.
pub(crate) fn write(bytes: impl Into<Bytes>) -> Step {
    Step::Write(bytes.into())
}

/// Something that the test opens, once and for all.
#[derive(Clone, Debug)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    async fn opened(&self) {
        // It fails when the sender is gone, which it can't be: `self` is one.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// A request that arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Counts the requests from 1 since the script was given.
    pub(crate) number: usize,
    /// Counts the connections from 1.
    pub(crate) connection: usize,
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: Bytes,
    /// When its last byte had arrived.
    pub(crate) at: Instant,
}

impl Request {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// A header's value in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// What has come so far.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Connections that were accepted.
    pub(crate) connections: usize,
    /// Connections whose first bytes were read by [`Step::ReadSome`].
    pub(crate) greetings: usize,
    /// Requests of which at least a byte arrived.
    pub(crate) begun: usize,
    /// Requests that arrived whole.
    pub(crate) requests: Vec<Request>,
    /// The statuses that the local AWS answered to what was passed on.
    pub(crate) passed_on: Vec<u16>,
}

/// Whether servers speak TLS.
pub(crate) fn is_over_tls() -> bool {
    std::env::var_os("SERVERS_OVER_TLS").is_some()
}

/// A change to the function's environment that makes it trust the servers.
pub(crate) fn trust_in_servers() -> Option<(&'static str, &'static str)> {
    is_over_tls().then(|| ("AWS_CA_BUNDLE", Identity::of_servers().authority()))
}

type Script = Arc<dyn Fn(&Request) -> Vec<Step> + Send + Sync>;
type Greeting = Arc<dyn Fn(usize) -> Vec<Step> + Send + Sync>;

/// A connection, plain or wrapped.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The socket beneath.
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// The server. Dropping it closes its port; connections end with the test.
pub(crate) struct Server {
    scheme: &'static str,
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    record: watch::Sender<Record>,
    script: Mutex<(Script, usize)>,
    greeting: Mutex<Greeting>,
    /// The local AWS, as `host:port`.
    upstream: Mutex<Option<SocketAddr>>,
    http: reqwest::Client,
}

impl Server {
    /// A server with this script. It is a plain one, unless the tests are run over TLS, as
    /// `scripts/test wire` does for a second time.
    pub(crate) async fn start(
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        if !is_over_tls() {
            return Self::plain(script).await;
        }
        let wrap = |socket| Identity::of_servers().acceptor.accept(socket);
        let mut server = Self::start_with(script, wrap).await;
        server.scheme = "https";
        server
    }

    /// A plain server in any case.
    pub(crate) async fn plain(
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(script, |socket| async move { Ok(socket) }).await
    }

    /// A server whose connections are wrapped first, in TLS for example. One that can't be is dropped.
    pub(crate) async fn start_with<W: Wire, F>(
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<W>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self::on_with(listener, script, wrap)
    }

    /// A plain server on a port that the test has chosen.
    pub(crate) fn on(
        listener: TcpListener,
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::on_with(listener, script, |socket| async move { Ok(socket) })
    }

    fn on_with<W: Wire, F>(
        listener: TcpListener,
        script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<W>> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            record: watch::Sender::new(Record::default()),
            script: Mutex::new((Arc::new(script), 0)),
            greeting: Mutex::new(Arc::new(|_| Vec::new())),
            upstream: Mutex::default(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                // What a script writes in pieces has to arrive in pieces.
                socket.set_nodelay(true).unwrap();
                let number = serving.accepted();
                let wrapped = wrap(socket);
                let shared = Arc::clone(&serving);
                tokio::spawn(async move {
                    if let Ok(wire) = wrapped.await {
                        // A connection that fails is what these tests are about.
                        let _ = Connection { shared, number, wire }.serve().await;
                    }
                });
            }
        });
        Self { scheme: "http", address, shared, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The same for a client that is to greet with TLS.
    pub(crate) fn secure_url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The URL that stands for the local AWS's callback URL.
    pub(crate) fn callback_url(&self) -> String {
        self.url() + "/local"
    }

    /// Where requests are passed on to.
    pub(crate) fn passes_on_to(&self, aws: &LocalAws) {
        *lock(&self.shared.upstream) = Some(aws.address());
    }

    /// Another script, for requests from now on, which count from 1 again.
    pub(crate) fn follow(&self, script: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) {
        *lock(&self.shared.script) = (Arc::new(script), 0);
    }

    /// What happens to each connection, by its number from 1, before its first request is read.
    pub(crate) fn greet(&self, greeting: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static) {
        *lock(&self.shared.greeting) = Arc::new(greeting);
    }

    /// Looks at what has come so far.
    pub(crate) fn record<T>(&self, look: impl FnOnce(&Record) -> T) -> T {
        look(&self.shared.record.borrow())
    }

    /// Waits for something to come.
    pub(crate) async fn wait_for(&self, what: &str, fits: impl FnMut(&Record) -> bool) {
        let mut record = self.shared.record.subscribe();
        // It fails when the sender is gone, which it can't be: `self` has it.
        let _ = soon(what, record.wait_for(fits)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn accepted(&self) -> usize {
        let mut number = 0;
        self.record.send_modify(|record| {
            record.connections += 1;
            number = record.connections;
        });
        number
    }

    /// Counts a request, and says what happens to it.
    fn steps(&self, mut request: Request) -> (Request, Vec<Step>) {
        let mut script = lock(&self.script);
        script.1 += 1;
        request.number = script.1;
        self.record.send_modify(|record| record.requests.push(request.clone()));
        let steps = (script.0)(&request);
        (request, steps)
    }

    /// Passes a request on to the local AWS, and returns what it answers.
    async fn pass_on(&self, request: &Request) -> Bytes {
        let upstream = lock(&self.upstream).expect("the test says where requests are passed on to");
        let url = format!("http://{upstream}{}", request.path());
        let answer = self.http.post(url).body(request.body.clone()).send().await.unwrap();
        let status = answer.status();
        let body = answer.bytes().await.unwrap();
        self.record.send_modify(|record| record.passed_on.push(status.as_u16()));
        let mut bytes = BytesMut::new();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(&body);
        bytes.freeze()
    }
}

struct Connection<W> {
    shared: Arc<Shared>,
    number: usize,
    wire: W,
}

impl<W: Wire> Connection<W> {
    async fn serve(mut self) -> io::Result<()> {
        let greeting = Arc::clone(&lock(&self.shared.greeting));
        for step in greeting(self.number) {
            self.play(step, None).await?;
        }
        let mut buffer = BytesMut::new();
        loop {
            let request = self.read(&mut buffer).await?;
            let (request, steps) = self.shared.steps(request);
            for step in steps {
                self.play(step, Some(&request)).await?;
            }
        }
    }

    /// Reads a request. It is an error when the other side has closed the connection.
    async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<Request> {
        let mut begun = false;
        loop {
            if !buffer.is_empty() && !begun {
                begun = true;
                self.shared.record.send_modify(|record| record.begun += 1);
            }
            let end = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end.map(|start| start + 4) {
                let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
                let length =
                    header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
                if buffer.len() >= end + length {
                    let mut whole = buffer.split_to(end + length);
                    let body = whole.split_off(end).freeze();
                    let (connection, at) = (self.number, Instant::now());
                    return Ok(Request { number: 0, connection, head, body, at });
                }
            }
            if self.wire.read_buf(buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// An error ends the connection.
    async fn play(&mut self, step: Step, request: Option<&Request>) -> io::Result<()> {
        match step {
            Step::Write(bytes) => {
                self.wire.write_all(&bytes).await?;
                self.wire.flush().await
            }
            Step::Flood(bytes) => loop {
                self.wire.write_all(&bytes).await?;
                self.wire.flush().await?;
            },
            Step::ReadSome => {
                if self.wire.read(&mut [0; 4096]).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.shared.record.send_modify(|record| record.greetings += 1);
                Ok(())
            }
            Step::Take(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Step::Wait(gate) => {
                gate.opened().await;
                Ok(())
            }
            Step::Deliver | Step::Relay => {
                let request = request.expect("a request to pass on");
                let answer = self.shared.pass_on(request).await;
                match step {
                    Step::Relay => self.wire.write_all(&answer).await,
                    _ => Ok(()),
                }
            }
            Step::Fin => {
                self.wire.shutdown().await?;
                self.closed().await
            }
            Step::Reset => {
                self.wire.socket().set_zero_linger()?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Step::Hang => self.closed().await,
        }
    }

    /// Waits until the other side closes the connection, which ends it.
    async fn closed(&mut self) -> io::Result<()> {
        while self.wire.read(&mut [0; 4096]).await? > 0 {}
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
