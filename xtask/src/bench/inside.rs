//! What benches inside this process share: what work costs, and what a peer costs on the same data.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;

/// CPU seconds of this process so far.
pub(super) fn cpu_seconds() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// The most memory this process had.
pub(super) fn peak_mb() -> Result<f64> {
    Ok((getrusage(UsageWho::RUSAGE_SELF)?.max_rss() as f64 / 1024.0).round())
}

/// The least CPU time of three runs, and the result of the last.
pub(super) fn best<T>(work: impl Fn() -> Result<T>) -> Result<(f64, T)> {
    let mut least = f64::INFINITY;
    let mut last = None;
    for _ in 0..3 {
        let before = cpu_seconds()?;
        last = Some(work()?);
        least = least.min(cpu_seconds()? - before);
    }
    Ok((least, last.context("three runs")?))
}

/// Whether there is a Python with the peers.
pub(super) fn peers() -> bool {
    std::env::var_os("POSTIL_PEERS").is_some()
}

/// What a peer printed, one JSON object; nothing where there is no peer, which is said.
pub(super) fn peer(name: &str, script: &str, folder: &Path) -> Result<Value> {
    let Some(python) = std::env::var_os("POSTIL_PEERS") else {
        println!("{name} was not run: POSTIL_PEERS names no Python that has it");
        return Ok(Value::Null);
    };
    let output =
        Command::new(python).args(["-c", script]).arg(folder).output().context("the peer cannot be started")?;
    ensure!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(serde_json::from_str(text.trim().lines().last().unwrap_or_default())?)
}
