//! Keeps the host's memory, which holds secrets, away from disks and debuggers.
//!
//! In: nothing. Out: a process that leaves no core dump and that other processes of the same user
//! cannot look into. Never: a reason not to start; where the system refuses, the log says so.

/// Forbids core dumps, and on Linux also that another process attaches to this one or reads its
/// memory, unless it may do so to every process.
pub fn keep_private() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // Hard as well as soft, so that nothing that is started from here can raise it again.
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        warn_of(setrlimit(Resource::Core, none), "core dumps could not be forbidden");
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A core dump that is piped into a program, as systemd's are, ignores the limit but not this.
        let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        warn_of(hidden, "the host's memory could not be closed to other processes");
    }
}

#[cfg(unix)]
fn warn_of(outcome: rustix::io::Result<()>, what: &str) {
    if let Err(error) = outcome {
        tracing::warn!("{what}: {error}");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_leaves_no_dump() {
        keep_private();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        let values: Vec<_> = core
            .trim_start_matches("Max core file size")
            .split_whitespace()
            .collect();
        assert_eq!(values, ["0", "0", "bytes"]);
        let dumpable = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(dumpable, rustix::process::DumpableBehavior::NotDumpable);
    }
}
