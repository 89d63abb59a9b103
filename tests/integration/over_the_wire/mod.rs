//! What a network, a proxy and a broken server can put on the wire: each test is named after what
//! broke, and the function under test is the real process, talking to a server that answers any bytes.

mod agents;
mod broken;
mod clock;
mod events;
mod freezer;
mod frozen;
mod limits;
mod live_check;
mod posts;
mod proxy;
mod server;
mod silence;
mod tls;
