//! The host as a process: what it gives back, and what of its memory can be had from outside.

use std::path::PathBuf;

use llm_host_tests::host::Host;

use crate::world::{ask, start, still_serves};

/// The host's directory under `/proc`, found by the configuration that it was started with.
fn process(host: &Host) -> PathBuf {
    let config = host.dir().join("host.toml").display().to_string();
    let started_with = |path: &PathBuf| {
        let arguments = std::fs::read(path.join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(&config)
    };
    let processes = std::fs::read_dir("/proc")
        .expect("Linux")
        .flatten()
        .map(|entry| entry.path());
    processes.into_iter().find(started_with).expect("the host runs")
}

/// Its resident memory in KiB.
fn resident(host: &Host) -> u64 {
    let status = std::fs::read_to_string(process(host).join("status")).expect("a status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_host_leaves_no_core_dump() {
    let host = start(None).await;
    let limits = std::fs::read_to_string(process(&host).join("limits")).expect("limits");
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .expect("its limit");
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn memory_that_plugins_took_is_given_back() {
    let host = start(None).await;
    let round = async || {
        for behaviour in ["bomb", "giant", "unreachable"] {
            ask(&host, &format!("hostile/{behaviour}"), "4000000").await;
            still_serves(&host).await;
        }
    };
    round().await;
    let before = resident(&host);
    for _ in 0..8 {
        round().await;
    }
    // Eight bombs of 16 MiB each, had they stayed, are 128 MiB.
    let grown = resident(&host).saturating_sub(before);
    assert!(grown < 64 << 10, "the host grew by {grown} KiB");
}
