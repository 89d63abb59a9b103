//! What is compared: this function, and others that a client can't tell from it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use local_aws::Source;

/// The root of this repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// One of the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Function {
    /// This one, which asks an agent.
    Relay,
    /// This one, which asks a harness.
    RelayOfHarness,
    /// This one, which asks an agent and answers over HTTP.
    RelayOverHttp,
    /// This one, which asks an agent and keeps its runs in a table.
    RelayWithTable,
    /// Each chunk posted and awaited before the next is read, with the same crates.
    AwaitEach,
    /// Hyper alone.
    Bare,
    /// The runtime crate alone; it relays nothing.
    Nothing,
    /// boto3, chunk by chunk.
    PythonStreaming,
    /// boto3, the whole answer at once.
    PythonBuffering,
}

impl Function {
    pub(crate) const ALL: [Self; 9] = [
        Self::Relay,
        Self::RelayOfHarness,
        Self::RelayOverHttp,
        Self::RelayWithTable,
        Self::AwaitEach,
        Self::Bare,
        Self::Nothing,
        Self::PythonStreaming,
        Self::PythonBuffering,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relay => "this function",
            Self::RelayOfHarness => "this function, harness",
            Self::RelayOverHttp => "this function, HTTP",
            Self::RelayWithTable => "this function, table",
            Self::AwaitEach => "await-each",
            Self::Bare => "bare",
            Self::Nothing => "nothing",
            Self::PythonStreaming => "python-streaming",
            Self::PythonBuffering => "python-buffering",
        }
    }

    pub(crate) fn is_python(self) -> bool {
        matches!(self, Self::PythonStreaming | Self::PythonBuffering)
    }

    /// Whether its clients ask over HTTP, and not over a WebSocket.
    pub(crate) fn is_over_http(self) -> bool {
        self == Self::RelayOverHttp
    }

    /// Whether it keeps its runs.
    pub(crate) fn has_table(self) -> bool {
        self == Self::RelayWithTable
    }

    /// Whether it is this one, the same file whatever it does.
    pub(crate) fn is_relay(self) -> bool {
        matches!(
            self,
            Self::Relay | Self::RelayOfHarness | Self::RelayOverHttp | Self::RelayWithTable
        )
    }

    /// What it asks.
    pub(crate) fn source(self) -> Source {
        match self {
            Self::RelayOfHarness => Source::Harness,
            _ => Source::Agent,
        }
    }

    /// The variables that it needs besides those of the local AWS.
    pub(crate) fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::PythonStreaming => &[("_HANDLER", "streaming.handler")],
            Self::PythonBuffering => &[("_HANDLER", "buffering.handler")],
            _ => &[],
        }
    }
}

/// The programs of all functions, up to date.
#[derive(Debug)]
pub(crate) struct Built {
    directory: PathBuf,
    /// This function.
    relay: PathBuf,
}

impl Built {
    /// Builds the Rust functions in the profile of this very benchmark, and installs what the Python
    /// ones need. In place of this function, another program of it may be measured.
    pub(crate) fn new(relay: Option<PathBuf>) -> Self {
        let built = Path::new(env!("CARGO_BIN_EXE_agent-relay"));
        let directory = built.parent().expect("target/PROFILE").to_owned();
        let relay = relay.unwrap_or_else(|| built.to_owned());
        assert!(relay.is_file(), "{}: there is no such file", relay.display());
        let profile = directory.file_name().and_then(|name| name.to_str()).expect("a profile");
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // `cargo bench` builds no examples. The name of the directory is the profile's but for this.
        let profile = if profile == "debug" { "dev" } else { profile };
        run(Command::new(cargo).args(["build", "--locked", "--examples", "--profile", profile]));
        run(&mut Command::new(Path::new(ROOT).join("scripts/install-bench-peers")));
        Self { directory, relay }
    }

    /// `target/PROFILE`.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The name of the profile in which everything is built.
    pub(crate) fn profile(&self) -> String {
        self.directory.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// What to run for a function, without arguments, as Lambda runs a `bootstrap`.
    pub(crate) fn executable(&self, function: Function) -> PathBuf {
        match function {
            relay if relay.is_relay() => self.relay.clone(),
            Function::PythonStreaming | Function::PythonBuffering => {
                Path::new(ROOT).join("benches/peers/bootstrap-python")
            }
            rust => self.directory.join("examples").join(rust.name()),
        }
    }

    /// The size of a Rust function's binary, and of the archive that is deployed, in bytes. The
    /// archive's few headers are not counted.
    pub(crate) fn sizes(&self, function: Function) -> Option<(usize, usize)> {
        let is_same = function.is_relay() && function != Function::Relay;
        if function.is_python() || is_same {
            return None;
        }
        let binary = fs::read(self.executable(function)).expect("the binary is there");
        let mut archive = DeflateEncoder::new(Vec::new(), Compression::best());
        archive.write_all(&binary).expect("memory takes everything");
        Some((binary.len(), archive.finish().expect("memory takes everything").len()))
    }

    /// The versions of what the figures depend on, and the machine.
    pub(crate) fn versions(&self) -> Vec<(&'static str, String)> {
        let first_line = |command: &mut Command| {
            let output = command.output().map(|output| output.stdout).unwrap_or_default();
            String::from_utf8_lossy(&output).lines().next().unwrap_or_default().trim().to_owned()
        };
        let python = Path::new(ROOT).join(".venv/bench/bin/python");
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpu = model.map_or("", |model| model.trim_start_matches([' ', '\t', ':']));
        let relay = self.relay.strip_prefix(ROOT).unwrap_or(&self.relay);
        let boto3 = "import boto3, awslambdaric; print('boto3', boto3.__version__)";
        vec![
            ("processor", format!("{cpu}, {cores} cores")),
            ("kernel", first_line(Command::new("uname").arg("-sr"))),
            ("profile", self.profile()),
            ("this function", relay.display().to_string()),
            ("Rust", first_line(Command::new("rustc").arg("--version"))),
            ("Python", first_line(Command::new(&python).arg("--version"))),
            ("SDK for Python", first_line(Command::new(&python).args(["-c", boto3]))),
        ]
    }
}

fn run(command: &mut Command) {
    let status = command.current_dir(ROOT).status().expect("the command can be run");
    assert!(status.success(), "{command:?}: {status}");
}
