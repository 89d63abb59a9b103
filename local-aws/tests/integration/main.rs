//! The local AWS from outside: what a client, a function and AWS's own SDK see of it.
// Whatever does not hold in a test fails it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agent;
mod dynamodb;
mod fault_injection;
mod gateway;
mod harness;
mod management;
// What the kernel does to a connection is asked of Linux, where Lambda runs, too.
mod lambda;
#[cfg(target_os = "linux")]
mod over_the_wire;
mod rest_api;
mod runtime;
mod scenarios;
