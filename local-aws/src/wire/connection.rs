//! One connection of a wire: bytes in both directions, each direction with its delay, until one of the
//! ends or a command ends it.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::clock::sleep_until;
use super::state::{Command, Shared};
use crate::journal::Entry;
use crate::wire_fault::{WireClose, WireFault};

/// How many bytes the end of the server takes or gives at once.
pub(super) const SERVER_BUFFER_BYTES: usize = 64 * 1024;

/// How many bytes may be on their way in one direction, about what Linux lets a TCP connection have.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;

/// How many bytes are read at once, at most.
const MAX_READ_BYTES: usize = 16 * 1024;

/// With less room than this in the buffer, it grows before the next read.
const MIN_READ_BYTES: usize = 2 * 1024;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// One of the ends closed it, or broke it off.
    Peer,
    Fault(WireFault),
}

/// A connection, as accepted.
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) stream: TcpStream,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: watch::Receiver<Command>,
    pub(super) stopping: watch::Receiver<bool>,
}

/// Bytes on their way to one end; none when the sender has closed its direction.
struct InFlight {
    due: Instant,
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Carries bytes to and from the server at the other end of `server`.
    pub(super) async fn carry(mut self, mut server: DuplexStream) {
        // Small packets must not wait for the acknowledgement of the ones before them.
        let _ = self.stream.set_nodelay(true);
        let end = carry(&mut self.stream, &mut server, &self.commands, &self.shared).await;
        self.shared.forget(self.id);
        let End::Fault(fault) = end else {
            drop(server);
            return self.close().await;
        };
        self.shared.fault(self.id, fault);
        match fault {
            // The server notices nothing, so its end stays as it is.
            WireFault::Swallowed => self.swallow(server).await,
            WireFault::Closed(WireClose::Fin) => self.close().await,
            _ => self.reset(),
        }
    }

    /// Does what is wrong from the start.
    pub(super) async fn broken(mut self, fault: WireFault) {
        self.shared.fault(self.id, fault);
        match fault {
            WireFault::SwallowedFromTheStart => self.swallow(()).await,
            WireFault::ClosedInHandshake => {
                let mut hello = BytesMut::with_capacity(MAX_READ_BYTES);
                tokio::select! {
                    _ = self.stream.read_buf(&mut hello) => {}
                    _ = self.stopping.wait_for(|stopping| *stopping) => {}
                }
                self.close().await;
            }
            _ => self.reset(),
        }
    }

    /// Closes with FIN. Unread bytes of the client would make the kernel send RST.
    async fn close(mut self) {
        let _ = self.stream.shutdown().await;
        let mut unread = [0; 1024];
        while matches!(self.stream.try_read(&mut unread), Ok(1..)) {}
        self.ended();
    }

    fn reset(self) {
        let _ = self.stream.set_zero_linger();
        self.ended();
    }

    /// Keeps the connection open and silent until everything stops.
    async fn swallow<T>(mut self, server: T) {
        let _ = drop_incoming(&self.stream, Incoming::Bytes);
        // An error means that everything has stopped.
        let stopped = self.stopping.wait_for(|stopping| *stopping);
        if timeout(LONGEST_DELAY_OF_ACK, stopped).await.is_err() {
            let _ = drop_incoming(&self.stream, Incoming::Everything);
            let _ = self.stopping.wait_for(|stopping| *stopping).await;
        }
        drop(server);
        self.reset();
    }

    fn ended(self) {
        let Self { id, stream, shared, .. } = self;
        drop(stream);
        shared.journal.record(Entry::WireClosed { wire: shared.name, connection: id });
    }
}

/// How late the other end may acknowledge what has been sent: the longest that Linux's TCP delays it.
const LONGEST_DELAY_OF_ACK: Duration = Duration::from_millis(200);

/// What the kernel drops of what comes in.
#[derive(Clone, Copy, Debug)]
enum Incoming {
    /// The bytes of each packet, but not what it acknowledges. If that were dropped as well, the kernel here
    /// would send its last bytes again and again, and the other end would hear from a dead connection.
    Bytes,
    Everything,
}

/// Lets the kernel drop what comes in on this connection before it looks at it, so that none is acknowledged.
#[cfg(target_os = "linux")]
fn drop_incoming(stream: &TcpStream, what: Incoming) -> io::Result<()> {
    // How many bytes are kept of each packet: with any at all, the header of TCP is.
    let kept = match what {
        Incoming::Bytes => 1,
        Incoming::Everything => 0,
    };
    // The one instruction of a filter that says so: BPF_RET | BPF_K.
    let filter = [socket2::SockFilter::new(0x06, 0, 0, kept)];
    socket2::SockRef::from(stream).attach_filter(&filter)
}

#[cfg(not(target_os = "linux"))]
fn drop_incoming(_: &TcpStream, _: Incoming) -> io::Result<()> {
    Ok(())
}

async fn carry(
    client: &mut TcpStream,
    server: &mut DuplexStream,
    commands: &watch::Receiver<Command>,
    shared: &Shared,
) -> End {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = tokio::io::split(server);
    let mut ending_command = pin!(ending_command(commands.clone()));
    let mut up = pin!(up(from_client, to_server, commands, shared));
    let mut down = pin!(down(from_server, to_client, commands, shared));
    let mut client_goes_on = true;
    loop {
        tokio::select! {
            biased;
            end = &mut ending_command => return end,
            end = &mut up, if client_goes_on => match end {
                Some(end) => return end,
                // The client may still be listening to an answer.
                None => client_goes_on = false,
            },
            end = &mut down => return end,
        }
    }
}

/// Waits for a command that ends the connection.
async fn ending_command(mut commands: watch::Receiver<Command>) -> End {
    loop {
        match *commands.borrow_and_update() {
            Command::Close(how) => return End::Fault(WireFault::Closed(how)),
            Command::Swallow => return End::Fault(WireFault::Swallowed),
            Command::Carry | Command::SwallowAfter(_) | Command::ResetNextWrite => {}
        }
        if commands.changed().await.is_err() {
            return pending().await;
        }
    }
}

/// From the client to the server: how it ends the connection, or `None` when only the client has
/// closed its direction.
async fn up(
    from_client: impl AsyncRead + Unpin,
    mut to_server: impl AsyncWrite + Unpin,
    commands: &watch::Receiver<Command>,
    shared: &Shared,
) -> Option<End> {
    let (sending, mut arriving) = mpsc::unbounded_channel();
    // The handshake of TCP, which the kernel has done without the delay.
    let mut handshake = Some(shared.rtt());
    let take_in = async {
        let delay = || handshake.take().unwrap_or_default() + shared.rtt() / 2;
        let may_pass = || match *commands.borrow() {
            Command::Carry | Command::SwallowAfter(_) => Ok(()),
            Command::ResetNextWrite => Err(End::Fault(WireFault::WriteReset)),
            Command::Swallow => Err(End::Fault(WireFault::Swallowed)),
            Command::Close(how) => Err(End::Fault(WireFault::Closed(how))),
        };
        take_in(from_client, sending, delay, may_pass).await
    };
    let deliver = async {
        while let Some(InFlight { due, bytes, .. }) = arriving.recv().await {
            sleep_until(due).await;
            if bytes.is_empty() {
                break;
            }
            if to_server.write_all(&bytes).await.is_err() {
                // The server has closed. What it sent before is on its way down.
                return pending().await;
            }
        }
        let _ = to_server.shutdown().await;
    };
    tokio::select! {
        biased;
        () = deliver => None,
        Err(end) = take_in => Some(end),
    }
}

/// From the server to the client: how it ends the connection.
async fn down(
    from_server: impl AsyncRead + Unpin,
    mut to_client: impl AsyncWrite + Unpin,
    commands: &watch::Receiver<Command>,
    shared: &Shared,
) -> End {
    let (sending, mut arriving) = mpsc::unbounded_channel();
    let take_in = take_in(from_server, sending, || shared.rtt() / 2, || Ok(()));
    let deliver = async {
        let mut commands = commands.clone();
        let mut left = None;
        while let Some(InFlight { due, mut bytes, .. }) = arriving.recv().await {
            sleep_until(due).await;
            if commands.has_changed().unwrap_or_default()
                && let Command::SwallowAfter(bytes) = *commands.borrow_and_update()
            {
                left = Some(bytes);
            }
            let reaches = left.map(|left| usize::try_from(left).unwrap_or(usize::MAX));
            let is_cut = reaches.is_some_and(|reaches| reaches < bytes.len());
            bytes.truncate(reaches.unwrap_or(usize::MAX));
            left = left.map(|left| left - bytes.len() as u64);
            if to_client.write_all(&bytes).await.is_err() {
                break;
            }
            if is_cut {
                return End::Fault(WireFault::Swallowed);
            }
        }
        End::Peer
    };
    tokio::select! {
        biased;
        end = deliver => end,
        Err(end) = take_in => end,
    }
}

/// Takes in what one end sends, with the moment at which it reaches the other one. The end of it is an
/// empty one. An error ends the connection.
async fn take_in(
    mut from: impl AsyncRead + Unpin,
    sending: mpsc::UnboundedSender<InFlight>,
    mut delay: impl FnMut() -> Duration,
    may_pass: impl Fn() -> Result<(), End>,
) -> Result<(), End> {
    let window = Arc::new(Semaphore::new(WINDOW_BYTES));
    let mut buffer = BytesMut::new();
    // A delay that has become shorter must not let bytes overtake others.
    let mut latest = Instant::now();
    loop {
        // Small reads share their memory: a fast agent sends thousands while the first is on its way.
        if buffer.capacity() < MIN_READ_BYTES {
            buffer.reserve(MAX_READ_BYTES);
        }
        let read = (&mut from).take(MAX_READ_BYTES as u64).read_buf(&mut buffer).await;
        let length = read.map_err(|_| End::Peer)?;
        if length > 0 {
            may_pass()?;
        }
        latest = latest.max(Instant::now() + delay());
        let bytes = buffer.split().freeze();
        let room = u32::try_from(length).unwrap_or(u32::MAX);
        let room = Arc::clone(&window).acquire_many_owned(room).await.ok();
        let sent = sending.send(InFlight { due: latest, bytes, _room: room });
        if length == 0 || sent.is_err() {
            return Ok(());
        }
    }
}
