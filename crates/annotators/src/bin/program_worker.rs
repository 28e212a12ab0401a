//! The worker process of labelling programs, for applications that use the library without the `postil` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    postil_annotators::program_worker()
}
