//! What an event is for.

/// The name of the stage, and so the path of the WebSocket URL.
pub(crate) const STAGE: &str = "local";

/// The path of the REST API whose responses are streamed.
pub(crate) const AGUI_PATH: &str = "/agui";

/// What an event is for: one of the three routes, the authorizer before the first, an answer over HTTP, or
/// the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// May a client connect?
    Authorizer,
    /// A client wants to connect.
    Connect,
    /// A client sent a message.
    Default,
    /// A connection has ended.
    Disconnect,
    /// A client asks the REST API for an answer, which is streamed.
    Agui,
    /// A browser asks the HTTP API for a file of the page.
    Page,
}

impl Route {
    /// The route's key, such as `$connect`, or what else it is.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Authorizer => "authorizer",
            Self::Connect => "$connect",
            Self::Default => "$default",
            Self::Disconnect => "$disconnect",
            Self::Agui => AGUI_PATH,
            Self::Page => "page",
        }
    }
}
