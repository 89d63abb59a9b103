//! The function that is deployed.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent_relay::bootstrap::main()
}
