//! `veched`: serves a realm, or shows what its server holds.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use realm::Settings;
use rustix::fs::Mode;
use rustix::process::umask;
use server::args::{Args, Command, Dump, Run};
use server::{Server, Store, logging};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// What still runs when the server has stopped has had its time already.
const RUNTIME_ENDS: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Run(options) => run(*options),
        Command::Dump(options) => dump(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done when this cannot be said either.
            let _ = writeln!(io::stderr(), "veched: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Run) -> Result<()> {
    // What the server keeps is for the account that it runs as, and nobody else on the machine.
    umask(Mode::RWXG | Mode::RWXO);
    logging::start(&options.log)?;
    let store = Store::open(&options.data, &options.realm, &options.store()?)?;
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("could not start the runtime")?;
    let served = runtime.block_on(serve(options, &store));
    runtime.shutdown_timeout(RUNTIME_ENDS);
    // The last one that has it, so this waits until everything is on disk.
    drop(store);
    tracing::info!("the store is closed");
    served
}

async fn serve(options: Run, store: &Store) -> Result<()> {
    // Watched before anybody is told that we are there.
    let mut terminate = signal(SignalKind::terminate()).context("could not watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not watch for SIGINT")?;
    let settings = Settings {
        name: options.realm,
        origin: options.origin,
        blob_quota: options.blob_quota,
    };
    let server = Server::bind(options.listen, settings, store)
        .await
        .with_context(|| format!("could not listen on {}", options.listen))?;
    announce(&server).context("could not say where we listen")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    server.run(stop).await;
    Ok(())
}

/// The one line on standard output: whoever started us reads it.
fn announce(server: &Server) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "listening on http://{}", server.address())?;
    out.flush()
}

fn dump(options: &Dump) -> Result<()> {
    Ok(server::dump(
        &options.data,
        &mut BufWriter::new(io::stdout().lock()),
    )?)
}
