//! How the function starts, and how it ends.

use std::env;
use std::process::ExitCode;

use lambda_runtime::Runtime;
use thiserror::Error;
use tower::service_fn;
use tracing::{info, warn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::VERSION;
use crate::background::{Background, BackgroundLayer};
use crate::config::access::{Access, is_short};
use crate::config::{Config, ConfigError, LogConfig};
use crate::descriptors::max_runs;
use crate::error::chain;
use crate::handler::Handler;
use crate::services::{Services, ServicesError};
use crate::shutdown::Shutdown;
use crate::streamed_response::StreamedResponses;

/// The function's entry: says its version if that is what it is asked for. Otherwise reads the configuration, makes the clients of AWS, and answers invocations until
/// Lambda ends the process. Returns only when it could not start or can't go on, and has said why
/// on standard error.
#[must_use]
pub fn main() -> ExitCode {
    // Lambda gives no arguments; whoever wonders what an archive holds does.
    if env::args().nth(1).is_some_and(|argument| argument == "--version") {
        println!("agent-relay {VERSION}");
        return ExitCode::SUCCESS;
    }
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return refuse_to_start(&StartError::Config(error)),
    };
    start_logging(&config.log);
    if env::var("AWS_LAMBDA_RUNTIME_API").is_err() {
        return refuse_to_start(&StartError::NotLambda);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(config)),
        Err(error) => Err(StartError::Runtime(error.into())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse_to_start(&error),
    }
}

/// Why the function does not run.
#[derive(Debug, Error)]
enum StartError {
    #[error("The function can't start: {0}")]
    Config(ConfigError),
    #[error(
        "The function can't start: AWS_LAMBDA_RUNTIME_API is not set, so this is not AWS Lambda. `cargo run` starts the function with all that it needs."
    )]
    NotLambda,
    #[error("The function can't start")]
    Services(#[source] ServicesError),
    #[error("The function can't go on: the Lambda runtime failed")]
    Runtime(#[source] lambda_runtime::Error),
}

/// Says why, without a subscriber for logs, which there may not be yet.
fn refuse_to_start(error: &StartError) -> ExitCode {
    eprintln!("{}", chain(error));
    ExitCode::FAILURE
}

fn start_logging(log: &LogConfig) {
    let lines = tracing_subscriber::fmt::layer().with_target(false);
    let filtered = tracing_subscriber::registry().with(log.filter.clone());
    // Whoever calls `main` twice in one process keeps the first subscriber.
    let _already_set = if log.json {
        // The shape that Lambda's own JSON has, `timestamp` and `level` first.
        filtered.with(lines.json().flatten_event(true).with_span_list(false)).try_init()
    } else {
        // CloudWatch has the time of each line.
        filtered.with(lines.without_time().with_ansi(false)).try_init()
    };
}

async fn run(config: Config) -> Result<(), StartError> {
    info!(version = VERSION, "the function starts");
    if let Access::Code(code) = &config.access
        && is_short(code)
    {
        warn!("ACCESS_CODE is short enough to be guessed: use 12 characters or more");
    }
    let services = Services::new(&config).await.map_err(StartError::Services)?;
    services.rehearse().await;
    let max_runs = max_runs(max_concurrency(), config.runs.is_some());
    if max_runs < max_concurrency() {
        warn!(
            max_runs,
            "AWS_LAMBDA_MAX_CONCURRENCY is more than this process has file descriptors for, of which a turn takes three, and one more with RUNS_TABLE: turns beyond that are refused"
        );
    }
    let (background, shutdown) = (Background::default(), Shutdown::default());
    let layer = BackgroundLayer::new(background.clone(), shutdown.clone());
    let handler = Handler::new(config, services, background, shutdown.clone(), max_runs);
    let streamed =
        StreamedResponses::new(handler.clone(), max_concurrency()).map_err(StartError::Runtime)?;
    let handler = service_fn(move |event| {
        let handler = handler.clone();
        async move { Ok::<_, lambda_runtime::Error>(handler.handle(event).await) }
    });
    let runtime = Runtime::new(handler).layer(streamed).layer(layer);
    tokio::select! {
        ended = runtime.run_concurrent() => ended.map_err(StartError::Runtime),
        ended = shutdown.on_signal() => ended.map_err(|error| StartError::Runtime(error.into())),
    }
}

/// How many invocations the runtime takes at once. As the runtime crate has it, one where nothing or no
/// number is set.
fn max_concurrency() -> usize {
    let set = env::var("AWS_LAMBDA_MAX_CONCURRENCY").ok().and_then(|number| number.parse().ok());
    set.unwrap_or(1)
}
