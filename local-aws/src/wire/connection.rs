//! One connection of a wire: bytes in both directions, each direction with its delay, until one of the
//! ends or an order ends it.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::clock::sleep_until;
use super::{Shared, WireClose, WireFault};
use crate::journal::Entry;

/// How many bytes the end of the server takes or gives at once.
pub(super) const BUFFER: usize = 64 * 1024;

/// How many bytes may be on their way in one direction, about what Linux lets a TCP connection have.
const WINDOW: usize = 4 * 1024 * 1024;

/// How many bytes are read at once, at most.
const PARCEL: usize = 16 * 1024;

/// With less room than this, a read would be a small one only because of it.
const ROOM: usize = 2 * 1024;

/// What a connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Carry bytes.
    Carry,
    /// Lose everything.
    Swallow,
    /// Lose everything after so many more bytes for the client.
    SwallowAfter(u64),
    /// Answer the client's next bytes with RST.
    ResetNextWrite,
    /// Close, with FIN or RST.
    Close(WireClose),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// One of the ends closed it, or broke it off.
    ByItself,
    Fault(WireFault),
}

/// A connection, as accepted.
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) stream: TcpStream,
    pub(super) shared: Arc<Shared>,
    pub(super) orders: watch::Receiver<Order>,
    pub(super) stopping: watch::Receiver<bool>,
}

/// Bytes on their way; none when the sender has closed its direction.
struct Parcel {
    due: Instant,
    bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Carries bytes to and from the server at `near`'s other end.
    pub(super) async fn carry(mut self, mut near: DuplexStream) {
        // Small parcels must not wait for the acknowledgement of the ones before them.
        let _ = self.stream.set_nodelay(true);
        let end = carry(&mut self.stream, &mut near, &self.orders, &self.shared).await;
        self.shared.forget(self.id);
        let End::Fault(fault) = end else {
            drop(near);
            return self.close().await;
        };
        self.shared.fault(self.id, fault);
        match fault {
            // The server notices nothing, so its end stays as it is.
            WireFault::Swallowed => self.swallow(near).await,
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
                let mut hello = BytesMut::with_capacity(PARCEL);
                tokio::select! {
                    _ = self.stream.read_buf(&mut hello) => {}
                    _ = self.stopping.wait_for(|stopping| *stopping) => {}
                }
                self.close().await;
            }
            _ => self.reset(),
        }
    }

    /// Closes with FIN. Bytes of the client that nobody has read would make the kernel send RST.
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

    /// Keeps the connection without a sign of life until everything stops.
    async fn swallow<T>(mut self, server: T) {
        let _ = deafen(&self.stream);
        // An error means that everything has stopped.
        let _ = self.stopping.wait_for(|stopping| *stopping).await;
        drop(server);
        self.reset();
    }

    fn ended(self) {
        let Self { id, stream, shared, .. } = self;
        drop(stream);
        shared.journal.record(Entry::WireClosed { wire: shared.name, connection: id });
    }
}

/// Lets the kernel drop every packet that comes in on this connection before it looks at it, so that
/// none is acknowledged.
#[cfg(target_os = "linux")]
fn deafen(stream: &TcpStream) -> io::Result<()> {
    // The one instruction of a filter that keeps zero bytes of each packet: BPF_RET | BPF_K.
    let drop_all = [socket2::SockFilter::new(0x06, 0, 0, 0)];
    socket2::SockRef::from(stream).attach_filter(&drop_all)
}

#[cfg(not(target_os = "linux"))]
fn deafen(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

async fn carry(
    client: &mut TcpStream,
    server: &mut DuplexStream,
    orders: &watch::Receiver<Order>,
    shared: &Shared,
) -> End {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = tokio::io::split(server);
    let mut obeying = pin!(obey(orders.clone()));
    let mut up = pin!(up(from_client, to_server, orders, shared));
    let mut down = pin!(down(from_server, to_client, orders, shared));
    let mut client_goes_on = true;
    loop {
        tokio::select! {
            biased;
            end = &mut obeying => return end,
            end = &mut up, if client_goes_on => match end {
                Some(end) => return end,
                // The client may still be listening to an answer.
                None => client_goes_on = false,
            },
            end = &mut down => return end,
        }
    }
}

/// Waits for an order that ends the connection.
async fn obey(mut orders: watch::Receiver<Order>) -> End {
    loop {
        match *orders.borrow_and_update() {
            Order::Close(how) => return End::Fault(WireFault::Closed(how)),
            Order::Swallow => return End::Fault(WireFault::Swallowed),
            Order::Carry | Order::SwallowAfter(_) | Order::ResetNextWrite => {}
        }
        if orders.changed().await.is_err() {
            return pending().await;
        }
    }
}

/// From the client to the server: how it ends the connection, or `None` when only the client has
/// closed its direction.
async fn up(
    from_client: impl AsyncRead + Unpin,
    mut to_server: impl AsyncWrite + Unpin,
    orders: &watch::Receiver<Order>,
    shared: &Shared,
) -> Option<End> {
    let (sending, mut arriving) = mpsc::unbounded_channel();
    // The handshake of TCP, which the kernel has done without the delay.
    let mut handshake = Some(shared.rtt());
    let take_in = async {
        let delay = || handshake.take().unwrap_or_default() + shared.rtt() / 2;
        let may_pass = || match *orders.borrow() {
            Order::Carry | Order::SwallowAfter(_) => Ok(()),
            Order::ResetNextWrite => Err(End::Fault(WireFault::WriteReset)),
            Order::Swallow => Err(End::Fault(WireFault::Swallowed)),
            Order::Close(how) => Err(End::Fault(WireFault::Closed(how))),
        };
        take_in(from_client, sending, delay, may_pass).await
    };
    let deliver = async {
        while let Some(Parcel { due, bytes, .. }) = arriving.recv().await {
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
    orders: &watch::Receiver<Order>,
    shared: &Shared,
) -> End {
    let (sending, mut arriving) = mpsc::unbounded_channel();
    let take_in = take_in(from_server, sending, || shared.rtt() / 2, || Ok(()));
    let deliver = async {
        let mut orders = orders.clone();
        let mut left = None;
        while let Some(Parcel { due, mut bytes, .. }) = arriving.recv().await {
            sleep_until(due).await;
            if orders.has_changed().unwrap_or_default()
                && let Order::SwallowAfter(bytes) = *orders.borrow_and_update()
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
        End::ByItself
    };
    tokio::select! {
        biased;
        end = deliver => end,
        Err(end) = take_in => end,
    }
}

/// Takes in what one end sends, with the moment at which it reaches the other one. The end of it is an
/// empty parcel. An error ends the connection.
async fn take_in(
    mut from: impl AsyncRead + Unpin,
    sending: mpsc::UnboundedSender<Parcel>,
    mut delay: impl FnMut() -> Duration,
    may_pass: impl Fn() -> Result<(), End>,
) -> Result<(), End> {
    let window = Arc::new(Semaphore::new(WINDOW));
    let mut buffer = BytesMut::new();
    // A delay that has become shorter must not let bytes overtake others.
    let mut latest = Instant::now();
    loop {
        // Small parcels share their memory: a fast agent sends thousands while the first is on its way.
        if buffer.capacity() < ROOM {
            buffer.reserve(PARCEL);
        }
        let read = (&mut from).take(PARCEL as u64).read_buf(&mut buffer).await;
        let length = read.map_err(|_| End::ByItself)?;
        if length > 0 {
            may_pass()?;
        }
        latest = latest.max(Instant::now() + delay());
        let bytes = buffer.split().freeze();
        let room = u32::try_from(length).unwrap_or(u32::MAX);
        let room = Arc::clone(&window).acquire_many_owned(room).await.ok();
        let sent = sending.send(Parcel { due: latest, bytes, _room: room });
        if length == 0 || sent.is_err() {
            return Ok(());
        }
    }
}
