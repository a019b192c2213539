//! The command line `veche`. What it does is in [`client::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    client::cli::run(std::env::args_os())
}
