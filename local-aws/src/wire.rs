//! The wire between the function and AWS: a proxy in front of the scripted agent and one in front of
//! the callbacks, which takes the time that bytes take to another machine, and breaks connections in
//! every way in which networks and servers do.
//!
//! [`Wire`] says in what it differs from a network.

mod clock;
mod connection;
mod server;
mod state;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::journal::Journal;
use super::wire_fault::{WireClose, WireName};
use connection::Connection;
use state::{Accepted, Command, Shared};

pub(crate) use server::Server;

/// How long to wait when no connection can be accepted, as when there are too many open files.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// A wire, and the way to change how it behaves while it is in use.
///
/// Each fault stands in the journal as [`Entry::WireFault`] before its effect, and each connection as
/// [`Entry::WireOpened`] and [`Entry::WireClosed`]. A method that returns a number says how many
/// connections it is about. What a client writes after a method has returned meets the fault.
///
/// [`Entry::WireFault`]: crate::Entry::WireFault
/// [`Entry::WireOpened`]: crate::Entry::WireOpened
/// [`Entry::WireClosed`]: crate::Entry::WireClosed
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
        let shared = Arc::new(Shared::new(name, listener.local_addr()?, journal, rtt));
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
        self.shared.accepted()
    }

    /// How many connections carry bytes now. One that is swallowed does not, nor one that is about to be
    /// closed.
    #[must_use]
    pub fn connections_open(&self) -> usize {
        self.shared.open()
    }

    /// Changes the time that bytes take there and back, for those that are sent from now on.
    pub fn set_rtt(&self, rtt: Duration) {
        self.shared.set_rtt(rtt);
    }

    /// Closes all connections that are open now.
    #[must_use = "a fault that met no connection is none"]
    pub fn close_open(&self, how: WireClose) -> usize {
        match how {
            WireClose::Graceful => self.shared.shut_down(),
            WireClose::Fin | WireClose::Reset => self.shared.last_command(Command::Close(how)),
        }
    }

    /// Lets all connections that are open now lose everything in both directions, without a sign to
    /// either end. New ones are not affected.
    #[must_use = "a fault that met no connection is none"]
    pub fn swallow_open(&self) -> usize {
        self.shared.last_command(Command::Swallow)
    }

    /// The same, but only after so many more bytes have been delivered to the client: what breaks an
    /// answer in the middle.
    #[must_use = "a fault that met no connection is none"]
    pub fn swallow_open_after(&self, bytes: u64) -> usize {
        self.shared.command(Command::SwallowAfter(bytes))
    }

    /// Answers the next bytes that a client writes on a connection that is open now with RST, as a
    /// server does that has forgotten the connection; they are not delivered. New connections are not affected.
    #[must_use = "a fault that met no connection is none"]
    pub fn reset_next_write_on_open(&self) -> usize {
        self.shared.command(Command::ResetNextWrite)
    }

    /// Resets the next `count` new connections at once. It replaces what an earlier call said.
    pub fn refuse_next(&self, count: u32) {
        self.shared.refuse_next(count);
    }

    /// Accepts the next `count` new connections and loses everything on them, so that TLS is never
    /// established. It replaces what an earlier call said.
    pub fn swallow_next(&self, count: u32) {
        self.shared.swallow_next(count);
    }

    /// Closes the next `count` new connections when their first bytes have come, so in the middle of
    /// the handshake of TLS. It replaces what an earlier call said.
    pub fn close_next_in_handshake(&self, count: u32) {
        self.shared.close_next_in_handshake(count);
    }

    /// Waits until all connections have ended after everything stops.
    pub(crate) async fn finish(&mut self) {
        let _ = (&mut self.accepting).await;
    }

    /// Cuts off what has not ended.
    pub(crate) fn abort(&self) {
        self.accepting.abort();
    }
}

/// Accepts connections until everything stops, and waits until all have ended.
async fn accept(
    shared: Arc<Shared>,
    listener: TcpListener,
    server: Server,
    stopping: watch::Receiver<bool>,
) {
    let mut stopped = stopping.clone();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            _ = is_true(&mut stopped) => break,
            Some(_ended) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve(&shared, stream, &server, &mut tasks, stopping.clone()),
                Err(_) => tokio::time::sleep(ACCEPT_RETRY_DELAY).await,
            },
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Serves a new connection, or breaks it with the fault that is next.
fn serve(
    shared: &Arc<Shared>,
    stream: TcpStream,
    server: &Server,
    tasks: &mut JoinSet<()>,
    mut stopping: watch::Receiver<bool>,
) {
    let Accepted { id, fault, commands, mut shut_down } = shared.accept();
    let shared = Arc::clone(shared);
    let connection = Connection { id, stream, shared, commands, stopping: stopping.clone() };
    if let Some(fault) = fault {
        tasks.spawn(connection.broken(fault));
        return;
    }
    let (near, far) = tokio::io::duplex(connection::SERVER_BUFFER_BYTES);
    tasks.spawn(server.clone().serve(far, async move {
        tokio::select! {
            // When the wire has forgotten the connection, the server goes on until it ends.
            true = is_true(&mut shut_down) => {}
            _ = is_true(&mut stopping) => {}
        }
    }));
    tasks.spawn(connection.carry(near));
}

/// Waits until a value is true; false when its sender is gone.
async fn is_true(value: &mut watch::Receiver<bool>) -> bool {
    value.wait_for(|value| *value).await.is_ok()
}
