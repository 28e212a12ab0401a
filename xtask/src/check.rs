//! Every check, in the order in which failures are cheapest to find.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Names under which the browser is found.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

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
    browser()?;
    if install("cargo-nextest", "nextest") {
        cargo("tests", &["nextest", "run", "--workspace"])
    } else {
        eprintln!("cargo-nextest cannot be installed here; using the built-in runner");
        cargo("tests", &["test", "--workspace", "--lib", "--bins", "--tests"])
    }
}

/// The tests of the review page, in a real browser.
pub(crate) fn browser() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/review/browser");
    let there = |program: &str| {
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let has_browser = || std::env::var_os("CHROMIUM").is_some() || BROWSERS.iter().any(|name| there(name));
    if !(has_browser() && there("node") && there("npm")) {
        eprintln!("== installing node, npm and chromium");
        // Where it is not allowed, the lines below say what is missing.
        let _ = Command::new("apt-get").args(["install", "--yes", "nodejs", "npm", "chromium"]).status();
    }
    if !(has_browser() && there("node") && there("npm")) {
        eprintln!("SKIPPED: the browser tests need node, npm and chromium, which cannot be installed here");
        return Ok(());
    }
    // Alone it would want other features of its dependencies, and build them a second time.
    cargo("the program that is shown in the browser", &["build", "--workspace"])?;
    for (what, program, arguments) in [
        ("the browser's driver", "npm", &["ci", "--no-audit", "--no-fund"][..]),
        ("browser tests", "node", &["--test", "--test-concurrency=1"]),
    ] {
        eprintln!("== {what}: {program} {}", arguments.join(" "));
        let status = Command::new(program).args(arguments).current_dir(&folder).status();
        if !status.with_context(|| format!("{program} cannot be started"))?.success() {
            bail!("{what} failed");
        }
    }
    Ok(())
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
