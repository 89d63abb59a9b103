//! The table of runs that can be joined: a mailbox while a run is under way, an archive after its end.
//!
//! | item | `conversation` | `run` | has |
//! |---|---|---|---|
//! | control | the conversation, as a source knows it | milliseconds since 1970, `-`, the request's id | what [`item::Item`] has |
//! | part of a journal | the conversation, `/`, the run | `0`, `1`, … | `data`: at most 380,000 bytes |
//! | what a run began with, if that is long | the same | `input` | `data`: JSON, deflated |
//!
//! No conversation has a `/`, so nobody reaches a part by the name of a conversation. Parts are spread over
//! partitions, and who reads the newest run of a conversation reads no part. All have `expires`, after which
//! they count as gone, whenever the table removes them.
//!
//! [`uploads`] are files that come in pieces, in items of their own, until a run names them.
//!
//! [`item`] says who may change an item, and what follows from it. [`key`] is what a client joins with,
//! [`joiner`] what happens in the environment that gets the join. [`table`] is the seam to the table,
//! [`dynamodb`] the table.

pub mod attributes;
pub mod dynamodb;
pub mod error;
pub mod item;
pub mod joiner;
pub mod key;
pub mod table;
pub mod uploads;
