//! Agent Relay: an AWS Lambda function that relays the event stream of an Amazon Bedrock agent to a
//! WebSocket client, each chunk the moment it arrives.
//!
//! A message's way, and the modules in the order in which it meets them:
//!
//! 1. [`function`] is called by the Lambda runtime, with a [`config`] read once at start.
//! 2. [`event`]: what is this invocation? A client connects, disconnects, or sends a message.
//! 3. [`request`]: what does the message ask for? A run.
//! 4. [`after`]: the response goes back at once, and the rest happens after it.
//! 5. [`agent`]: the agent is asked, and says one event after the other.
//! 6. [`relay`]: agent events become frames, in order, as fast as the client takes them.
//! 7. [`agui`]: what the frames look like.
//! 8. [`connection`]: frames are posted to the client's connection.
//!
//! [`clients`] makes what calls AWS, [`sdk`] configures it, and [`http`] has the connections. [`retry`]
//! says what is tried again, and [`descriptors`] how many runs there is room for. [`access`] decides who
//! may connect, and [`page`] has the files of the page. [`error`] has the codes of everything that can go
//! wrong. What stands around the function on your own machine is the package
//! `local-aws`, of which it knows nothing.

pub mod access;
pub mod agui;
pub mod aws;
pub mod background;
pub mod bootstrap;
pub mod config;
pub mod descriptors;
pub mod error;
pub mod handler;
pub mod invocation;
pub mod page;
pub mod relay;
pub mod request;
pub mod retry;
pub mod services;
pub mod shutdown;
pub mod source;
pub mod telemetry;
pub mod transport;
