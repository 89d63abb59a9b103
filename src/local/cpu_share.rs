//! The share of the CPU that Lambda gives to a function, by a control group of Linux.
//!
//! "At 1,769 MB, a function has the equivalent of one vCPU" (the page "Configure Lambda function
//! memory"), and with other memory in proportion. While it starts, it has more: what it does before it
//! asks for its first event is not held back here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

/// How long CPU time is counted before the count begins again, in microseconds.
const PERIOD_US: u64 = 100_000;

/// The memory with which a function has one CPU, in MB.
const MB_OF_ONE_CPU: u64 = 1769;

/// How long the kernel may take to let a process go that has been killed.
const ENDING: Duration = Duration::from_secs(1);

/// A control group whose processes have this share of the CPU. Dropping it ends the group.
#[derive(Debug)]
pub(crate) struct CpuShare {
    directory: PathBuf,
    version: Version,
    quota_us: u64,
}

/// Why a function cannot have a share of the CPU.
#[derive(Debug, thiserror::Error)]
pub enum CpuShareError {
    /// The machine has no control groups that hold back the CPU.
    #[error("this machine has no control groups for the CPU under /sys/fs/cgroup, as Linux has")]
    NoControlGroups,
    /// One can't be made or used.
    #[error("the control group {} can't be used: {source}; it takes root's rights", path.display())]
    Refused {
        /// The directory of the group.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// How the kernel's files are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Says whether this machine lets a function have a share of the CPU.
///
/// # Errors
/// Why it does not.
pub fn cpu_share_is_possible() -> Result<(), CpuShareError> {
    CpuShare::make(128).map(drop)
}

impl CpuShare {
    /// Makes a group without a process, with the share of so many MB of memory. It is below this
    /// process' own group if that may have groups below it, otherwise beside it or at the top.
    pub(crate) fn make(memory_mb: u32) -> Result<Self, CpuShareError> {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut refused = CpuShareError::NoControlGroups;
        for (parent, version) in parents(&groups) {
            let name = format!("agent-relay-{}-{:08x}", process::id(), fastrand::u32(..));
            let quota_us = PERIOD_US * u64::from(memory_mb) / MB_OF_ONE_CPU;
            let directory = parent.join(name);
            match make(&parent, &directory, version, quota_us) {
                Ok(()) => return Ok(Self { directory, version, quota_us }),
                Err(source) => {
                    // It may not even be there.
                    let _ = fs::remove_dir(&directory);
                    refused = CpuShareError::Refused { path: directory, source };
                }
            }
        }
        Err(refused)
    }

    /// Takes in a process with all its threads.
    pub(crate) fn hold_back(&self, pid: u32) -> Result<(), CpuShareError> {
        fs::write(self.directory.join("cgroup.procs"), pid.to_string())
            .map_err(|source| CpuShareError::Refused { path: self.directory.clone(), source })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// How much CPU time its processes have in each period, both in microseconds.
    pub(crate) fn quota(&self) -> (u64, u64) {
        (self.quota_us, PERIOD_US)
    }
}

impl Drop for CpuShare {
    fn drop(&mut self) {
        // A process that is held back takes longer to end, and a group with a process can't be removed.
        let _ = write_quota(&self.directory, self.version, None);
        let began = Instant::now();
        while fs::remove_dir(&self.directory)
            .is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
            && began.elapsed() < ENDING
        {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Where a group can be made, given the contents of `/proc/self/cgroup`; the best place first.
fn parents(groups: &str) -> Vec<(PathBuf, Version)> {
    let group = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        Some((controllers, path))
    };
    let groups: Vec<_> = groups.lines().filter_map(group).collect();
    let has_cpu = |controllers: &str| controllers.split(',').any(|name| name == "cpu");
    let first = groups.iter().find(|(controllers, _)| has_cpu(controllers));
    let second = groups.iter().find(|(controllers, _)| controllers.is_empty());
    let (top, version, own) = match (first, second) {
        (Some((controllers, path)), _) => {
            let mounts =
                [Path::new("/sys/fs/cgroup/cpu"), &Path::new("/sys/fs/cgroup").join(controllers)]
                    .map(Path::to_path_buf);
            let Some(mount) = mounts.into_iter().find(|mount| mount.is_dir()) else {
                return vec![];
            };
            (mount, Version::One, path)
        }
        (None, Some((_, path))) => (PathBuf::from("/sys/fs/cgroup"), Version::Two, path),
        (None, None) => return vec![],
    };
    let own = top.join(own.trim_start_matches('/'));
    let beside = own.parent().filter(|parent| parent.starts_with(&top)).unwrap_or(&top);
    let mut places = vec![own.clone(), beside.to_path_buf(), top.clone()];
    places.dedup();
    // In a container, the path of the own group may be that of another tree.
    places.retain(|place| place.is_dir());
    places.into_iter().map(|place| (place, version)).collect()
}

fn make(parent: &Path, directory: &Path, version: Version, quota_us: u64) -> io::Result<()> {
    if version == Version::Two {
        let handed_down = parent.join("cgroup.subtree_control");
        let names = fs::read_to_string(&handed_down)?;
        if !names.split_whitespace().any(|name| name == "cpu") {
            fs::write(handed_down, "+cpu")?;
        }
    }
    fs::create_dir(directory)?;
    write_quota(directory, version, Some(quota_us))
}

fn write_quota(directory: &Path, version: Version, quota_us: Option<u64>) -> io::Result<()> {
    let quota = quota_us.map(|quota| quota.to_string());
    match version {
        Version::One => {
            fs::write(directory.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            fs::write(directory.join("cpu.cfs_quota_us"), quota.as_deref().unwrap_or("-1"))
        }
        Version::Two => {
            let quota = quota.as_deref().unwrap_or("max");
            fs::write(directory.join("cpu.max"), format!("{quota} {PERIOD_US}"))
        }
    }
}
