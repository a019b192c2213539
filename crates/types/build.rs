//! Turns `proto/veche` into Rust with a compiler written in Rust, so that nobody needs `protoc`.

use std::error::Error;

const ROOT: &str = "../../proto";
const FILES: [&str; 7] = [
    "veche/v1/identity.proto",
    "veche/v1/entry.proto",
    "veche/v1/account.proto",
    "veche/v1/stream.proto",
    "veche/v1/signal.proto",
    "veche/v1/state.proto",
    "veche/v1/backup.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    let descriptors = protox::compile(FILES, [ROOT])?;
    prost_build::Config::new()
        .bytes(["."])
        // So that lines without these, which are nearly all, stay small.
        .boxed(".veche.v1.TimelineRow.body.file")
        .boxed(".veche.v1.TimelineRow.took")
        .compile_fds(descriptors)?;
    Ok(())
}
