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
const REMOVE_TIMEOUT: Duration = Duration::from_secs(1);

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
        for (parent, version) in parents(&groups, Path::is_dir) {
            let name = format!("local-aws-{}-{:08x}", process::id(), fastrand::u32(..));
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
            && began.elapsed() < REMOVE_TIMEOUT
        {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Where a group can be made, given the contents of `/proc/self/cgroup` and what is a directory; the
/// best place first.
fn parents(groups: &str, is_directory: impl Fn(&Path) -> bool) -> Vec<(PathBuf, Version)> {
    let all = Path::new("/sys/fs/cgroup");
    let mut found = None;
    for line in groups.lines() {
        // The number of the hierarchy, its controllers, and the own group in it.
        let Some((controllers, own)) =
            line.split_once(':').and_then(|(_, rest)| rest.split_once(':'))
        else {
            continue;
        };
        if controllers.split(',').any(|name| name == "cpu") {
            let mounts = [all.join("cpu"), all.join(controllers)];
            found = mounts
                .into_iter()
                .find(|top| is_directory(top))
                .map(|top| (top, own, Version::One));
            break;
        }
        if controllers.is_empty() {
            found = Some((all.to_path_buf(), own, Version::Two));
        }
    }
    let Some((top, own, version)) = found else { return Vec::new() };
    let own = own.trim_matches('/');
    let own = if own.is_empty() { top.clone() } else { top.join(own) };
    let beside = own.parent().filter(|parent| parent.starts_with(&top)).unwrap_or(&top);
    let mut places = vec![own.clone(), beside.to_path_buf(), top.clone()];
    places.dedup();
    // In a container, the path of the own group may be that of another tree.
    places.retain(|place| is_directory(place));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn places(groups: &str, directories: &[&str]) -> Vec<(String, Version)> {
        let is_directory = |path: &Path| directories.iter().any(|known| path == Path::new(known));
        let parents = parents(groups, is_directory);
        parents.into_iter().map(|(path, version)| (path.display().to_string(), version)).collect()
    }

    #[test]
    fn a_machine_without_control_groups_has_no_place_for_one() {
        assert_eq!(places("", &[]), []);
        assert_eq!(places("nothing:that it could be", &["/sys/fs/cgroup"]), []);
        assert_eq!(places("0::/", &[]), []);
    }

    #[test]
    fn of_both_versions_the_one_is_used_that_has_the_cpu() {
        let directories = ["/sys/fs/cgroup", "/sys/fs/cgroup/cpu"];
        let own = [("/sys/fs/cgroup/cpu".to_owned(), Version::One)];
        assert_eq!(places("2:memory:/m\n1:cpu,cpuacct:/\n0::/", &directories), own);
        assert_eq!(places("0::/\n1:cpu:/", &directories), own);
    }

    #[test]
    fn a_group_is_made_below_the_own_one_or_as_near_as_there_is_a_place() {
        let (top, slice) = ("/sys/fs/cgroup", "/sys/fs/cgroup/user.slice");
        let own = "/sys/fs/cgroup/user.slice/shell.scope";
        let expected = [own, slice, top].map(|path| (path.to_owned(), Version::Two));
        let groups = "0::/user.slice/shell.scope\n";
        assert_eq!(places(groups, &[top, slice, own]), expected);
        // A container sees the top only.
        assert_eq!(places(groups, &[top]), expected[2..]);
    }
}
