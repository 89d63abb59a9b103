//! What a journal holds.

use std::time::SystemTime;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use crate::dynamodb::operation::TableOperation;
use crate::faults::FaultKind;
use crate::route::Route;
use crate::wire_fault::{WireFault, WireName};

/// An entry with its place in the journal and its time.
#[derive(Clone, Debug)]
pub struct Record {
    /// Counts all entries from 0, without gaps.
    pub index: u64,
    /// The wall clock, for people.
    pub time: SystemTime,
    /// The monotonic clock, for measuring.
    pub at: Instant,
    /// What happened.
    pub entry: Entry,
}

/// How a run of the harness, or of the agent on the runtime, has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HarnessEnd {
    /// As its scenario says.
    Finished,
    /// With this exception, such as `runtimeClientError`, or with `RUN_ERROR`.
    Exception(&'static str),
    /// It broke its answer off, as its scenario says.
    Broke,
    /// It had taken as long as its caller gave it.
    TimedOut,
    /// Its session was stopped.
    Stopped,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Entry {
    /// Gateway: a client's handshake succeeded.
    Connected {
        /// The new connection.
        connection_id: String,
        /// The subprotocol that the function's answer to `$connect` chose.
        subprotocol: Option<String>,
    },
    /// Gateway: a client's handshake, or its request to the REST API, was refused with this HTTP status.
    Refused {
        /// The status that the client received.
        status: u16,
        /// Why.
        reason: String,
    },
    /// Gateway: a whole message arrived from a client.
    MessageReceived {
        /// The connection that it came from.
        connection_id: String,
        /// Its length in bytes of UTF-8.
        bytes: usize,
    },
    /// Gateway: a whole request to the REST API arrived from a client.
    HttpRequestReceived {
        /// The Lambda request id of the invocation that it becomes.
        request_id: String,
        /// The HTTP method.
        method: String,
        /// The length of its body.
        bytes: usize,
    },
    /// Gateway: the status and the headers of the function's response go to the client of the REST API.
    HttpResponseStarted {
        /// The Lambda request id.
        request_id: String,
        /// The HTTP status.
        status: u16,
    },
    /// Gateway: no more of a response goes to the client of the REST API.
    HttpResponseEnded {
        /// The Lambda request id.
        request_id: String,
        /// How much of the body went to the client.
        bytes: usize,
        /// Why it ended.
        end: HttpResponseEnd,
    },
    /// Gateway: no function was free for an event, which is lost.
    Throttled {
        /// The connection that the event is about; empty for a request over HTTP.
        connection_id: String,
        /// The event's route.
        route: Route,
    },
    /// Gateway: the function did not answer in time, and the client was told.
    TimedOut {
        /// The Lambda request id of the invocation.
        request_id: String,
        /// The connection that the event is about; empty for a request over HTTP.
        connection_id: String,
        /// The event's route.
        route: Route,
    },
    /// Gateway: a connection has ended, whoever ended it.
    Closed {
        /// The connection.
        connection_id: String,
        /// The WebSocket close code; 1005 when the client gave none, 1006 when it vanished.
        code: u16,
        /// The reason beside the code.
        reason: String,
    },

    /// Runtime API: the function asks for its next event.
    NextPolled,
    /// Runtime API: an event was handed to the function.
    Invoked {
        /// The Lambda request id.
        request_id: String,
        /// What `Lambda-Runtime-Trace-Id` said.
        trace_header: String,
        /// The connection that the event is about; empty for a request over HTTP.
        connection_id: String,
        /// The event's route.
        route: Route,
    },
    /// Runtime API: the function's streamed response went on after its caller had gone, and so nowhere. It
    /// is recorded when that response ends.
    ResponseDiscarded {
        /// The Lambda request id.
        request_id: String,
        /// How much came then.
        bytes: usize,
    },
    /// Runtime API: the function has answered an event, to the end.
    Responded {
        /// The Lambda request id.
        request_id: String,
        /// The `statusCode` of the answer; `None` when it is not an answer that API Gateway understands.
        status: Option<u16>,
        /// Whether the gateway had given up waiting.
        late: bool,
    },
    /// Runtime API: the function failed on an event.
    InvocationError {
        /// The Lambda request id.
        request_id: String,
        /// The function's name for the kind of error.
        error_type: String,
        /// The function's description.
        message: String,
    },
    /// Runtime API: the function could not start.
    InitError {
        /// The function's name for the kind of error.
        error_type: String,
        /// The function's description.
        message: String,
    },

    /// Callbacks: the function posted to a connection.
    Posted {
        /// The connection.
        connection_id: String,
        /// The length of the data.
        bytes: usize,
        /// The HTTP status of the answer.
        status: u16,
        /// The data, unless it was over the limit.
        data: Bytes,
    },
    /// Callbacks: the function asked about a connection.
    Inspected {
        /// The connection.
        connection_id: String,
        /// The HTTP status of the answer.
        status: u16,
    },
    /// Callbacks: the function ended a connection.
    Deleted {
        /// The connection.
        connection_id: String,
        /// The HTTP status of the answer.
        status: u16,
    },

    /// Something goes wrong on purpose.
    FaultInjected {
        /// What.
        kind: FaultKind,
        /// The connection; of a refusal of what answers, the session; of a call of DynamoDB, the operation.
        subject: String,
    },

    /// DynamoDB: an operation was carried out, or refused. What was lost on the way is in no such entry.
    TableCalled {
        /// The operation.
        operation: TableOperation,
        /// The JSON of the request.
        request: Value,
        /// The HTTP status of the answer.
        status: u16,
        /// The name of the error that it was answered with, such as `ConditionalCheckFailedException`.
        error: Option<String>,
        /// What is paid for it: write units if it writes items, else read units.
        capacity_units: f64,
    },

    /// Agent, harness or runtime: the call that is recorded next said which trace it is part of.
    TraceNamed {
        /// The session.
        session_id: String,
        /// `x-amzn-trace-id`, `traceparent`, `tracestate` and `baggage`, as far as they came: each header line
        /// with its name in lower case.
        headers: Vec<(String, String)>,
    },
    /// Agent: it was invoked.
    AgentInvoked {
        /// Bedrock's session.
        session_id: String,
        /// The JSON body of the request.
        request: Value,
    },
    /// Agent, harness or runtime: it answered with an exception instead of a stream.
    AgentRefused {
        /// The session.
        session_id: String,
        /// The HTTP status.
        status: u16,
        /// The exception, such as `validationException`, or the code of AG-UI's platform.
        exception: String,
        /// Its message.
        message: String,
    },
    /// Agent, harness or runtime: a chunk of text was said.
    AgentChunk {
        /// The session.
        session_id: String,
        /// Counts the chunks of this answer from 1.
        n: usize,
    },
    /// Agent: a trace event went out.
    AgentTrace {
        /// Bedrock's session.
        session_id: String,
    },
    /// Agent, harness or runtime: an answer has ended, with an exception or without.
    AgentFinished {
        /// The session.
        session_id: String,
        /// The number of chunks of text.
        chunks: usize,
        /// The number of all events.
        events: usize,
        /// The exception that ended it, such as `throttlingException`.
        exception: Option<String>,
    },
    /// Agent: it asked its caller to act.
    AgentReturnedControl {
        /// Bedrock's session.
        session_id: String,
        /// The id that the caller's answer has to name.
        invocation_id: String,
        /// The number of calls.
        calls: usize,
    },
    /// Agent, harness or runtime: it broke an answer off, as its scenario says.
    AgentBroke {
        /// The session.
        session_id: String,
        /// The number of chunks of text that had gone out.
        chunks: usize,
        /// What broke.
        how: &'static str,
    },
    /// Agent: the caller closed the stream before its end.
    AgentDropped {
        /// Bedrock's session.
        session_id: String,
        /// The number of chunks of text that had gone out.
        chunks: usize,
    },

    /// Harness: it was invoked. This comes before anything of the request is checked.
    HarnessInvoked {
        /// The session that the request names; empty if it names none.
        session_id: String,
        /// The JSON body of the request.
        request: Value,
    },
    /// Runtime: it was invoked. This comes before anything of the request is checked.
    RuntimeInvoked {
        /// The session that the request names; empty if it names none.
        session_id: String,
        /// The JSON body of the request; null if it is none.
        request: Value,
        /// The body as it came.
        body: Bytes,
    },
    /// Harness: it asked its caller for the results of calls; the run has ended with that.
    HarnessReturnedControl {
        /// The session.
        session_id: String,
        /// The ids that the caller's results have to name.
        tool_use_ids: Vec<String>,
    },
    /// Harness or runtime: the caller closed the stream before its end. The run goes on without it.
    HarnessAbandoned {
        /// The session.
        session_id: String,
        /// The number of chunks of text that had been said.
        chunks: usize,
    },
    /// Harness or runtime: a run has ended, whether or not its caller was still there, and its session is free.
    HarnessEnded {
        /// The session.
        session_id: String,
        /// How.
        how: HarnessEnd,
    },
    /// Harness or runtime: a session was stopped. Its run, if it has one, ends at once, and all that it
    /// remembers is forgotten.
    SessionStopped {
        /// The session.
        session_id: String,
    },

    /// Recorder: a turn of the agent was written to the file.
    AgentRecorded {
        /// The session.
        session_id: String,
        /// The turn's number in the file.
        turn: usize,
        /// The number of its events.
        events: usize,
    },
    /// Recorder: a turn of the agent could not be written to the file.
    RecordingFailed {
        /// The session.
        session_id: String,
        /// Why.
        reason: String,
    },

    /// Wire: a connection was accepted.
    WireOpened {
        /// The wire.
        wire: WireName,
        /// Counts the connections of this wire from 1.
        connection: u64,
    },
    /// Wire: something happens to a connection on purpose.
    WireFault {
        /// The wire.
        wire: WireName,
        /// The connection's number.
        connection: u64,
        /// What.
        fault: WireFault,
    },
    /// Wire: a connection has ended, whoever ended it.
    WireClosed {
        /// The wire.
        wire: WireName,
        /// The connection's number.
        connection: u64,
    },

    /// The function: its process has started.
    FunctionStarted {
        /// The id of the process.
        pid: u32,
    },
    /// The function: from now on it has only a share of the CPU, before its first event.
    FunctionHeldBack {
        /// The id of the process.
        pid: u32,
        /// The CPU time that it has in each period, in microseconds.
        quota_us: u64,
        /// The period, in microseconds.
        period_us: u64,
    },
    /// The function: its process has stopped, as between two events on Lambda.
    FunctionFrozen {
        /// The id of the process.
        pid: u32,
    },
    /// The function: its process goes on.
    FunctionThawed {
        /// The id of the process.
        pid: u32,
    },
    /// The function: a line of its output.
    FunctionLog {
        /// The line, without its end.
        line: String,
    },
    /// The function: its process has ended, though it was not stopped.
    FunctionExited {
        /// How, such as `exit code 1`.
        status: String,
    },
}

/// Why no more of a response goes to a client of the REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpResponseEnd {
    /// It was complete.
    Complete,
    /// The client has gone. The function works on.
    ClientGone,
    /// Nothing came from the function, or nothing was read by the client, for too long.
    IdleTimeout,
    /// The integration's time was over.
    IntegrationTimeout,
    /// The function failed in the middle of its response.
    FunctionFailed,
}
