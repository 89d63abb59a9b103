//! What a wire, its connections and those who break them share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::journal::{Entry, Journal};
use crate::wire_fault::{WireClose, WireFault, WireName};

/// What all parts of one wire know.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: WireName,
    pub(super) address: SocketAddr,
    pub(super) journal: Journal,
    rtt_nanoseconds: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    accepted: u64,
    /// The connections that carry bytes, by number.
    open: BTreeMap<u64, Controls>,
    /// How many new connections are still to be refused, swallowed, or closed in their handshake.
    refuse: u32,
    swallow: u32,
    close_in_handshake: u32,
}

/// The sending ends of a connection's controls.
#[derive(Debug)]
struct Controls {
    command: watch::Sender<Command>,
    shut_down: watch::Sender<bool>,
}

/// A connection that was accepted just now.
pub(super) struct Accepted {
    /// Counts the connections of this wire from 1.
    pub(super) id: u64,
    /// What is wrong with it from the start.
    pub(super) fault: Option<WireFault>,
    pub(super) commands: watch::Receiver<Command>,
    /// Whether the server is to close it in good order.
    pub(super) shut_down: watch::Receiver<bool>,
}

/// What a connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
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

impl Shared {
    pub(super) fn new(
        name: WireName,
        address: SocketAddr,
        journal: Journal,
        rtt: Duration,
    ) -> Self {
        let state = Mutex::default();
        let shared = Self { name, address, journal, rtt_nanoseconds: AtomicU64::new(0), state };
        shared.set_rtt(rtt);
        shared
    }

    pub(super) fn set_rtt(&self, rtt: Duration) {
        let nanoseconds = u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX);
        self.rtt_nanoseconds.store(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn rtt(&self) -> Duration {
        Duration::from_nanos(self.rtt_nanoseconds.load(Ordering::Relaxed))
    }

    /// How many connections it has accepted so far.
    pub(super) fn accepted(&self) -> u64 {
        self.state().accepted
    }

    /// How many connections carry bytes now.
    pub(super) fn open(&self) -> usize {
        self.state().open.len()
    }

    /// Refuses the next `count` connections.
    pub(super) fn refuse_next(&self, count: u32) {
        self.state().refuse = count;
    }

    /// Loses everything on the next `count` connections.
    pub(super) fn swallow_next(&self, count: u32) {
        self.state().swallow = count;
    }

    /// Closes the next `count` connections in their handshake.
    pub(super) fn close_next_in_handshake(&self, count: u32) {
        self.state().close_in_handshake = count;
    }

    /// Notes that a connection was accepted, and decides what is wrong with it.
    pub(super) fn accept(&self) -> Accepted {
        let (command, commands) = watch::channel(Command::Carry);
        let (shut_down, shut_down_out) = watch::channel(false);
        let mut state = self.state();
        state.accepted += 1;
        let (id, fault) = (state.accepted, state.next_fault());
        self.journal.record(Entry::WireOpened { wire: self.name, connection: id });
        if fault.is_none() {
            state.open.insert(id, Controls { command, shut_down });
        }
        Accepted { id, fault, commands, shut_down: shut_down_out }
    }

    /// Gives a command to all connections that are open, and says how many.
    pub(super) fn command(&self, command: Command) -> usize {
        let state = self.state();
        for controls in state.open.values() {
            controls.command.send_replace(command);
        }
        state.open.len()
    }

    /// The same with the last command, which no other can replace.
    pub(super) fn last_command(&self, command: Command) -> usize {
        let open = std::mem::take(&mut self.state().open);
        for controls in open.values() {
            controls.command.send_replace(command);
        }
        open.len()
    }

    /// Lets the server close all connections that are open in good order, and says how many.
    pub(super) fn shut_down(&self) -> usize {
        let state = self.state();
        for (&connection, controls) in &state.open {
            self.fault(connection, WireFault::Closed(WireClose::Graceful));
            controls.shut_down.send_replace(true);
        }
        state.open.len()
    }

    /// Notes a fault, before its effect.
    pub(super) fn fault(&self, connection: u64, fault: WireFault) {
        self.journal.record(Entry::WireFault { wire: self.name, connection, fault });
    }

    /// Notes that a connection carries nothing any more.
    pub(super) fn forget(&self, connection: u64) {
        self.state().open.remove(&connection);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under this lock is complete in itself, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is wrong with the next connection.
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
