//! Every check, in the order in which failures are cheapest to find.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs all checks; the test runner's own closing lines come last but for the documentation's examples.
pub(crate) fn all() -> Result<()> {
    cargo("formatting", &["fmt", "--all", "--check"])?;
    cargo("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    if install("cargo-deny", "deny") {
        // Advisories need a database from the network; licences, sources and duplicates do not.
        cargo("licences and sources", &["deny", "check", "licenses", "sources", "bans"])?;
    } else {
        eprintln!("skipped: cargo-deny cannot be installed here; licences and sources were not checked");
    }
    cargo("examples of the documentation", &["test", "--workspace", "--doc"])?;
    if install("cargo-nextest", "nextest") {
        cargo("tests", &["nextest", "run", "--workspace"])
    } else {
        eprintln!("cargo-nextest cannot be installed here; using the built-in runner");
        cargo("tests", &["test", "--workspace", "--lib", "--bins", "--tests"])
    }
}

fn cargo(what: &str, arguments: &[&str]) -> Result<()> {
    eprintln!("== {what}: cargo {}", arguments.join(" "));
    let status = Command::new(env!("CARGO")).args(arguments).status().context("cargo cannot be started")?;
    if status.success() { Ok(()) } else { bail!("{what} failed") }
}

/// Whether a cargo subcommand is there or could be installed.
fn install(package: &str, subcommand: &str) -> bool {
    let there = || {
        Command::new(env!("CARGO"))
            .args([subcommand, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    if there() {
        return true;
    }
    eprintln!("== installing {package}");
    let installed = Command::new(env!("CARGO"))
        // Without optimisation: it is built for minutes otherwise, and runs for seconds.
        .args(["install", "--locked", "--debug", package])
        .status()
        .is_ok_and(|status| status.success());
    installed && there()
}
