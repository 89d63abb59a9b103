//! Why an agent on a runtime did not answer, or not to the end.

use aws_sdk_bedrockagentcore::operation::invoke_agent_runtime::InvokeAgentRuntimeError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use thiserror::Error;

use crate::error::{ErrorCode, Failure};
use crate::json;
use crate::source::agentcore::failure::{self as agentcore, Names};
use crate::source::call::{self, Refusal, RefusalCodes};

/// How `AgentCore` refuses `InvokeAgentRuntime`.
struct RuntimeRefusals;

const NAMES: Names = Names {
    what: "runtime",
    rights: "bedrock-agentcore:InvokeAgentRuntime",
    variables: "RUNTIME_ARN and RUNTIME_ENDPOINT",
};

impl RefusalCodes for RuntimeRefusals {
    fn of_exception(name: &str) -> Option<ErrorCode> {
        agentcore::of_exception(name)
    }

    fn of_status(status: u16) -> Option<ErrorCode> {
        agentcore::of_status(status)
    }

    fn says_that_nothing_happened(code: ErrorCode, name: Option<&str>) -> bool {
        agentcore::says_that_nothing_happened(code, name)
    }

    fn failure(code: ErrorCode, _: Option<&str>) -> Failure {
        match code {
            ErrorCode::BadGateway => Failure::new(code).with_message(NO_AGUI),
            code => agentcore::failure(code, &NAMES),
        }
    }
}

/// What is wrong with an answer that is no stream.
const NO_AGUI: &str = "The runtime did not answer with AG-UI's events. Its agent must take a RunAgentInput and answer with text/event-stream.";

/// The refusal in an error of the SDK.
///
/// Where the runtime's protocol is AG-UI, the platform's errors are server-sent events with a real status,
/// which the SDK does not read.
pub(super) fn refusal(error: SdkError<InvokeAgentRuntimeError, HttpResponse>) -> Refusal {
    let body = error.raw_response().and_then(|response| response.body().bytes());
    let said = body.and_then(|body| {
        json::read(data_of(body)?, |event| {
            let code = event.text("code")?.into_owned();
            let message = event.text("message").unwrap_or_default().into_owned();
            Some((of_platform(&code)?, PlatformError { code, message }))
        })
        .flatten()
    });
    let refusal = call::refusal::<RuntimeRefusals, _>(error);
    let Some((code, said)) = said else { return refusal };
    // By the code, since two of them share a status.
    let nothing_happened = said.message.contains("RetryableConflict")
        || agentcore::says_that_nothing_happened(code, None);
    let failure = agentcore::failure(code, &NAMES).with_source(said);
    Refusal { failure, nothing_happened }
}

/// What the platform said, for the log: of such a body, the SDK keeps nothing.
#[derive(Debug, Error)]
#[error("AgentCore refused: {code}: {message}")]
struct PlatformError {
    code: String,
    message: String,
}

/// The data of the first of a body's server-sent events.
fn data_of(body: &[u8]) -> Option<&[u8]> {
    let mut lines = body.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(b"data:")).map(<[u8]>::trim_ascii)
}

/// The code for one of the platform's ("AG-UI protocol contract").
fn of_platform(code: &str) -> Option<ErrorCode> {
    Some(match code {
        "UNAUTHORIZED" | "ACCESS_DENIED" => ErrorCode::AccessDenied,
        "VALIDATION_ERROR" => ErrorCode::Validation,
        "RATE_LIMIT_EXCEEDED" => ErrorCode::Throttling,
        "SESSION_BUSY" => ErrorCode::Conflict,
        "SERVICE_QUOTA_EXCEEDED" => ErrorCode::ServiceQuotaExceeded,
        "AGENT_ERROR" => ErrorCode::DependencyFailed,
        "INTERNAL_ERROR" => ErrorCode::InternalServer,
        _ => return None,
    })
}

/// The agent's own code failed. Its words are not meant for clients.
pub(super) fn agent_error() -> Failure {
    agentcore::failure(ErrorCode::DependencyFailed, &NAMES)
}

/// Why an agent ended its answer, in its own `RUN_ERROR`. Its words are meant for clients.
pub(super) fn run_error(code: Option<&str>, message: Option<&str>) -> Failure {
    let known = code.and_then(of_platform).unwrap_or(ErrorCode::DependencyFailed);
    let said = RunError {
        code: code.unwrap_or("without a code").to_owned(),
        message: message.unwrap_or_default().to_owned(),
    };
    let failure = match message {
        Some(message) if !message.trim().is_empty() => Failure::new(known).with_message(message),
        _ => agentcore::failure(known, &NAMES),
    };
    failure.with_source(said)
}

/// What the agent said, for the log.
#[derive(Debug, Error)]
#[error("the agent ended its run: {code}: {message}")]
struct RunError {
    code: String,
    message: String,
}
