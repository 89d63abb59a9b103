//! What can happen to a connection between the function and AWS on purpose.

use std::fmt::{self, Display};

/// Which of the wires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireName {
    /// The one to the scripted agent and the scripted harness.
    Agent,
    /// The one to the callbacks of API Gateway.
    Callbacks,
    /// The one to DynamoDB.
    Table,
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
    /// From now on, everything on it is lost, in both directions, without a sign to either end.
    Swallowed,
    /// The client's next bytes were answered with RST and not delivered.
    WriteReset,
    /// It was reset as soon as it was accepted.
    Refused,
    /// It was accepted, and everything that the client sends on it is lost.
    SwallowedFromTheStart,
    /// It was closed (FIN) when the client's first bytes had come, which begin the handshake of TLS.
    ClosedInHandshake,
}

impl Display for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "agent",
            Self::Callbacks => "callbacks",
            Self::Table => "table",
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
