//! The wire between the function and AWS: a proxy in front of the scripted agent and one in front of
//! the callbacks, which takes the time that bytes take to another machine, and breaks connections in
//! every way in which networks and servers do.
//!
//! What it can't do is in [`Wire`]'s own words.

mod clock;
mod connection;
mod server;

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::journal::{Entry, Journal};
use connection::{Connection, Order};

pub(crate) use server::Server;

/// How long to wait when no connection can be accepted, as when there are too many open files.
const ACCEPTING_AGAIN: Duration = Duration::from_millis(50);

/// A wire, and the way to change how it behaves while it is in use.
///
/// Each fault stands in the journal as [`Entry::WireFault`] before its effect, and each connection as
/// [`Entry::WireOpened`] and [`Entry::WireClosed`]. A method that returns a number says how many
/// connections it is about. What a client writes after a method has returned meets the fault.
///
/// Three things differ from a network. A connection is accepted at once, since that is the kernel's
/// doing; the round trip that this takes elsewhere is added to the first bytes that the client sends,
/// so what follows comes in time, but connecting alone takes none, and a client that connects long
/// before it sends pays for it late. A refused connection is accepted and then reset. And on other
/// systems than Linux, the kernel acknowledges what is swallowed, so that a client's TCP keepalive
/// does not notice; on Linux it does.
#[derive(Debug)]
pub struct Wire {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// Which of the wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireName {
    /// The one to the scripted agent.
    Agent,
    /// The one to the callbacks of API Gateway.
    Callbacks,
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireClose {
    /// With FIN and nothing before it, in the middle of whatever is on its way.
    Fin,
    /// With RST.
    Reset,
    /// In good order: what is being answered is answered to its end, then TLS is closed
    /// (`close_notify`), then the connection (FIN). An HTTP/2 client gets GOAWAY before.
    Graceful,
}

/// What a wire does to a connection on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireFault {
    /// It is closed.
    Closed(WireClose),
    /// From now on, everything on it is lost, in both directions, and nobody is told.
    Swallowed,
    /// The client's next bytes were answered with RST, and reached nobody.
    WriteReset,
    /// It was reset as soon as it was accepted.
    Refused,
    /// It was accepted, and everything that the client sends on it is lost.
    SwallowedFromTheStart,
    /// It was closed (FIN) when the client's first bytes had come, which begin the handshake of TLS.
    ClosedInHandshake,
}

#[derive(Debug)]
struct Shared {
    name: WireName,
    address: SocketAddr,
    journal: Journal,
    rtt_nanoseconds: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    accepted: u64,
    /// The connections that carry bytes, by number.
    open: BTreeMap<u64, Link>,
    refuse: u32,
    swallow: u32,
    close_in_handshake: u32,
}

/// How a connection is told what to do.
#[derive(Debug)]
struct Link {
    order: watch::Sender<Order>,
    told_to_end: watch::Sender<bool>,
}

impl Wire {
    /// Listens on a port of its own, and answers with `server` behind it.
    pub(crate) async fn start(
        name: WireName,
        server: Server,
        rtt: Duration,
        journal: Journal,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shared = Arc::new(Shared {
            name,
            address: listener.local_addr()?,
            journal,
            rtt_nanoseconds: AtomicU64::new(0),
            state: Mutex::default(),
        });
        shared.set_rtt(rtt);
        let accepting = tokio::spawn(accept(Arc::clone(&shared), listener, server, stopping));
        Ok(Self { shared, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// How many connections it has accepted so far, those that it broke at once among them.
    #[must_use]
    pub fn connections_accepted(&self) -> u64 {
        self.shared.state().accepted
    }

    /// How many connections carry bytes now. One that is swallowed does not, nor one that is about to be
    /// closed.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.shared.state().open.len()
    }

    /// Changes the time that bytes take there and back, for those that are sent from now on.
    pub fn set_rtt(&self, rtt: Duration) {
        self.shared.set_rtt(rtt);
    }

    /// Closes all connections that are open now.
    #[must_use = "a fault that met no connection is none"]
    pub fn close_open(&self, how: WireClose) -> usize {
        if how != WireClose::Graceful {
            return self.shared.end(Order::Close(how));
        }
        let state = self.shared.state();
        for (&connection, link) in &state.open {
            self.shared.fault(connection, WireFault::Closed(how));
            link.told_to_end.send_replace(true);
        }
        state.open.len()
    }

    /// Lets all connections that are open now lose everything in both directions, without a word to
    /// either end. New ones are well.
    #[must_use = "a fault that met no connection is none"]
    pub fn swallow_open(&self) -> usize {
        self.shared.end(Order::Swallow)
    }

    /// The same, but only after so many more bytes have been delivered to the client: what breaks an
    /// answer in the middle.
    #[must_use = "a fault that met no connection is none"]
    pub fn swallow_open_after(&self, bytes: u64) -> usize {
        self.shared.order(Order::SwallowAfter(bytes))
    }

    /// Answers the next bytes that a client writes on a connection that is open now with RST, as
    /// somebody does who has forgotten the connection: they reach nobody. New connections are well.
    #[must_use = "a fault that met no connection is none"]
    pub fn reset_next_write_on_open(&self) -> usize {
        self.shared.order(Order::ResetNextWrite)
    }

    /// Resets the next `count` new connections at once. It replaces what an earlier call said.
    pub fn refuse_next(&self, count: u32) {
        self.shared.state().refuse = count;
    }

    /// Accepts the next `count` new connections and loses everything on them, so that TLS is never
    /// established. It replaces what an earlier call said.
    pub fn swallow_next(&self, count: u32) {
        self.shared.state().swallow = count;
    }

    /// Closes the next `count` new connections when their first bytes have come, so in the middle of
    /// the handshake of TLS. It replaces what an earlier call said.
    pub fn close_next_in_handshake(&self, count: u32) {
        self.shared.state().close_in_handshake = count;
    }

    /// Waits until all connections have ended after everything was told to stop.
    pub(crate) async fn finish(&mut self) {
        let _ = (&mut self.accepting).await;
    }

    /// Cuts off what has not ended.
    pub(crate) fn abort(&self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn set_rtt(&self, rtt: Duration) {
        let nanoseconds = u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX);
        self.rtt_nanoseconds.store(nanoseconds, Ordering::Relaxed);
    }

    fn rtt(&self) -> Duration {
        Duration::from_nanos(self.rtt_nanoseconds.load(Ordering::Relaxed))
    }

    /// Gives the last order to all connections that are open, so that no other can take its place.
    fn end(&self, order: Order) -> usize {
        let open = std::mem::take(&mut self.state().open);
        for link in open.values() {
            link.order.send_replace(order);
        }
        open.len()
    }

    fn order(&self, order: Order) -> usize {
        let state = self.state();
        for link in state.open.values() {
            link.order.send_replace(order);
        }
        state.open.len()
    }

    fn fault(&self, connection: u64, fault: WireFault) {
        self.journal.record(Entry::WireFault { wire: self.name, connection, fault });
    }

    /// Takes a new connection, well or with the fault that is its turn.
    fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        server: &Server,
        tasks: &mut JoinSet<()>,
        stopping: &watch::Receiver<bool>,
    ) {
        let (order, orders) = watch::channel(Order::Carry);
        let (told_to_end, mut telling) = watch::channel(false);
        let (id, fault) = {
            let mut state = self.state();
            state.accepted += 1;
            let fault = state.next_fault();
            let id = state.accepted;
            self.journal.record(Entry::WireOpened { wire: self.name, connection: id });
            if fault.is_none() {
                state.open.insert(id, Link { order, told_to_end });
            }
            (id, fault)
        };
        let shared = Arc::clone(self);
        let connection = Connection { id, stream, shared, orders, stopping: stopping.clone() };
        if let Some(fault) = fault {
            tasks.spawn(connection.broken(fault));
            return;
        }
        let (near, far) = tokio::io::duplex(connection::BUFFER);
        let mut stopping = stopping.clone();
        tasks.spawn(server.clone().serve(far, async move {
            tokio::select! {
                // When the wire has forgotten the connection, the server goes on until it ends.
                true = is_on(&mut telling) => {}
                _ = is_on(&mut stopping) => {}
            }
        }));
        tasks.spawn(connection.carry(near));
    }

    /// Notes that a connection carries nothing any more.
    fn forget(&self, connection: u64) {
        self.state().open.remove(&connection);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_fault(&mut self) -> Option<WireFault> {
        let faults = [
            (&mut self.refuse, WireFault::Refused),
            (&mut self.swallow, WireFault::SwallowedFromTheStart),
            (&mut self.close_in_handshake, WireFault::ClosedInHandshake),
        ];
        let (left, fault) = faults.into_iter().find(|(left, _)| **left > 0)?;
        *left -= 1;
        Some(fault)
    }
}

/// Waits until a switch is on; false when nobody can turn it on any more.
async fn is_on(switch: &mut watch::Receiver<bool>) -> bool {
    switch.wait_for(|on| *on).await.is_ok()
}

async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    server: Server,
    mut stopping: watch::Receiver<bool>,
) {
    let told = stopping.clone();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            _ = is_on(&mut stopping) => break,
            Some(_ended) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => shared.admit(stream, &server, &mut tasks, &told),
                Err(_) => tokio::time::sleep(ACCEPTING_AGAIN).await,
            },
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

impl Display for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Callbacks => "callbacks",
        })
    }
}

impl Display for WireFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed(WireClose::Fin) => "closed with FIN",
            Self::Closed(WireClose::Reset) => "reset",
            Self::Closed(WireClose::Graceful) => "closed in good order",
            Self::Swallowed => "swallowed from now on",
            Self::WriteReset => "reset at the client's next write",
            Self::Refused => "refused",
            Self::SwallowedFromTheStart => "swallowed from the start",
            Self::ClosedInHandshake => "closed during the handshake",
        })
    }
}
