//! The AWS of your own machine: API Gateway's WebSocket side and its streaming REST API, Lambda's Runtime
//! API, a scripted Bedrock agent, a scripted harness and a scripted runtime of Bedrock AgentCore, and a table
//! of DynamoDB, all on one port of 127.0.0.1, all speaking the real wire protocols.
//!
//! The function under test is a process of its own, the same code that is deployed. The standard
//! variables of [`LocalAws::function_environment`] point it here, so nothing in it knows whether
//! it runs locally.
//!
//! | Address | What |
//! |---|---|
//! | `/`, `/config.json`, … | the HTTP API of the page |
//! | `ws://…/local` | API Gateway's WebSocket side |
//! | `/agui` | API Gateway's REST API, whose responses are streamed |
//! | `/local/@connections/{connectionId}` | its callbacks |
//! | `/2018-06-01/runtime/…` | Lambda's Runtime API |
//! | `/bedrock/agents/…` | the scripted agent |
//! | `/agentcore/harnesses/…` | the scripted harness |
//! | `/agentcore/runtimes/…` | the scripted runtime, and the end of sessions of both |
//! | `/dynamodb` | DynamoDB, with [`Options::table`] |
//! | `/recorder/…` | the recorder of an agent or a harness, with [`Options::record`] |
//!
//! With [`Options::tls`], [`Options::rtt`] or [`Options::wire`], the function reaches the callbacks, the
//! agent, harness or runtime and the table by other addresses, each with a [`Wire`] before it.
//!
//! From the ground up: `ids`, `name_values`, `request_time`, `route`, `proxy_response`, `prelude`,
//! `response_pieces`, `no_response` and `wire_fault` are shared by the others; `faults` and `journal` know
//! them; `lambda` invokes the function; `gateway`, `rest_api` and `http_api` have events for it; `management`,
//! `agent`, `harness`, `runtime` and `dynamodb` are what it calls, each behind a `wire` if there is one, the
//! three in the middle out of what is `scripted`, and `agentcore` is what harness and runtime share;
//! `local_aws` puts all of it on a port; `function_process` runs the function beside
//! it; and `log` tells people what the journal has.

mod agent;
mod agentcore;
mod cpu_share;
mod dynamodb;
mod faults;
mod function_process;
mod gateway;
mod harness;
mod host_check;
mod http_api;
mod ids;
mod journal;
mod lambda;
mod local_aws;
mod log;
mod management;
mod name_values;
mod no_response;
mod options;
mod prelude;
mod proxy_response;
mod request_time;
mod response_pieces;
mod rest_api;
mod route;
mod runtime;
mod scripted;
mod source;
mod tls;
mod trace_headers;
mod wire;
mod wire_fault;

pub use agent::{AGENT_ALIAS_ID, AGENT_ID, Exception, SUGGESTED_PROMPTS, file_bytes};
pub use cpu_share::{CpuShareError, cpu_share_is_possible};
pub use dynamodb::fault::{TableCalls, TableFault};
pub use dynamodb::operation::TableOperation;
pub use faults::{FaultInjector, FaultKind, Faults, FaultsError, PostFault};
pub use function_process::{FunctionError, FunctionProcess, Program, child};
pub use harness::{
    HARNESS_ARN, HARNESS_SUGGESTED_PROMPTS, HarnessException, is_harness_arn, is_harness_endpoint,
};
pub use journal::{Entry, Follower, HarnessEnd, HttpResponseEnd, Journal, Record};
pub use local_aws::{LocalAws, StartError};
pub use log::JournalLog;
pub use options::{Agent, AwsLimits, Options};
pub use route::Route;
pub use runtime::{RUNTIME_ARN, RUNTIME_SUGGESTED_PROMPTS, RuntimeError, is_runtime_arn};
pub use source::Source;
pub use wire::Wire;
pub use wire_fault::{WireClose, WireFault, WireName};
