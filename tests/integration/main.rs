//! The function, from outside: the process that is deployed on the local AWS, and the parts that no
//! process shows, each over real sockets and with real bytes.
//!
//! `cargo test --test integration access::` runs one room. What waits for time limits for a minute stands
//! in [`over_the_wire`], which `scripts/test` runs as a group of its own.
// Whatever does not hold in a test fails it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod agent;
mod architecture;
mod cost;
mod faults;
mod function;
mod function_process;
mod harness;
mod hostile_input;
mod http;
mod join_model;
mod joins;
mod over_the_wire;
mod page;
#[path = "../recorded/mod.rs"]
mod recorded;
mod relay;
mod relay_kept;
mod return_of_control;
mod runs;
mod runs_table;
mod runtime;
mod saved_queries;
mod traces;
mod uploads;
