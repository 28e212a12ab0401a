//! Checks and benches of this workspace: `cargo xtask test`, `cargo xtask bench NAME`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

mod bench;
mod check;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test"] => check::all(),
        ["browser"] => check::browser(),
        ["bench", name, rest @ ..] => bench::run(name, rest),
        ["measure-inside", name] => bench::inside(name),
        ["measure", command @ ..] if !command.is_empty() => bench::measure(command),
        _ => {
            eprintln!(
                "cargo xtask test         all checks; installs what they need\n\
                 cargo xtask browser      the tests of the review page in Chromium\n\
                 cargo xtask bench NAME   one of: {}",
                bench::names()
            );
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
