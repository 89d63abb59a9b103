//! Agent Relay: an AWS Lambda function that relays what an agent says to its client, each piece the
//! moment it arrives.
//!
//! A message's way, and the modules in the order in which it meets them:
//!
//! 1. [`bootstrap`] starts the process: a [`config`] read once, and the [`services`] of AWS.
//! 2. [`handler`] gets one invocation, and gives one response.
//! 3. [`invocation`]: what is it? A client connects, disconnects, or sends a message.
//! 4. [`request`]: what does the message ask for? A run.
//!
//!    A request over HTTP takes another way here: [`streamed_response`] answers it.
//! 5. [`background`]: the response goes back at once, and the rest happens after it.
//! 6. [`source`]: an agent is asked, and says one event after the other.
//! 7. [`relay`]: events become frames, in order, as fast as the client takes them.
//! 8. [`agui`]: what the frames look like.
//! 9. [`transport`]: frames go to the client.
//! 10. [`telemetry`]: what an operator sees of it.
//!
//! [`runs`] is the table of runs that can be joined: an answer that has lost its connection goes on over
//! another.
//!
//! [`aws`] has the connections to AWS, [`retry`] says what is tried again, [`descriptors`] how many runs
//! there is room for, and [`shutdown`] ends them in good order. [`trace_context`] has the trace that a run is part of. [`access`] decides who may connect, [`page`]
//! has the files of the page, and [`deflate`] makes text small. [`error`] has the codes of everything that can go wrong.
//!
//! `docs/architecture.md` draws the same way, and says where a further source, transport or scenario
//! belongs.

pub mod access;
pub mod agui;
pub mod aws;
pub mod background;
pub mod bootstrap;
pub mod config;
pub mod deflate;
pub mod descriptors;
pub mod error;
pub mod handler;
pub mod ids;
pub mod invocation;
mod json;
pub mod page;
pub mod relay;
pub mod request;
pub mod retry;
pub mod runs;
pub mod services;
pub mod shutdown;
pub mod source;
pub mod streamed_response;
pub mod telemetry;
pub mod trace_context;
pub mod transport;
mod utf8;

/// The version of the relay, which the log, the page's settings and `--version` say.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
