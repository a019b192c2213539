//! What an idle connection costs: `cargo run --release -p server --example idle -- --connections N --json`.
//!
//! Expected, before measuring: the task with its socket and session 700 to 1,000 bytes, tokio's registration of the
//! socket 256, the hub's note of the doorbell 100: 1 to 2 KiB of resident memory a connection. The kernel's sockets
//! come on top (about 9.5 KiB for both ends) and are not counted here. Measured: 2.2 KiB, of which 0.6 are the session.
//!
//! The server runs in a process of its own, so that its memory is its own; connections are WebSockets that have
//! received their challenge and never log in. All of it lasts less than the half minute that a stranger is given.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use realm::Settings;
use server::{Server, Store};
use tokio::runtime::Runtime;

/// Measures what an idle connection costs.
#[derive(Parser)]
struct Options {
    /// How many connections to open.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Be the server that is measured.
    #[arg(long, hide = true)]
    serve: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if options.serve { serve() } else { measure(&options) }
}

fn serve() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let name: types::Realm = "idle.localhost".parse()?;
    let store = Store::open(dir.path(), &name, &server::Options::default())?;
    Runtime::new()?.block_on(async {
        let settings = Settings {
            name,
            origin: None,
            blob_quota: types::limits::BLOB_QUOTA,
        };
        let server = Server::bind("127.0.0.1:0".parse()?, settings, &store).await?;
        println!("{}", server.address());
        // Ends with our standard input: when the one who measures ends, however it does.
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        server.run(async { drop(ended.await) }).await;
        Ok(())
    })
}

fn measure(options: &Options) -> Result<()> {
    let mut server = Measured::start()?;
    // The first ones make what is made once: buffers of threads, arenas of the allocator.
    let mut streams = vec![];
    open(server.address, 200, &mut streams)?;
    let before = server.resident_bytes()?;
    open(server.address, options.connections, &mut streams)?;
    let after = server.resident_bytes()?;
    let each = after.saturating_sub(before) / options.connections.max(1) as u64;
    if options.json {
        let connections = options.connections;
        println!(
            "{}",
            serde_json::json!({"connections": connections, "server_bytes_per_connection": each})
        );
    } else {
        println!(
            "{} idle connections: {each} bytes of the server's memory each",
            options.connections
        );
    }
    drop(streams);
    server.stop()
}

fn open(address: SocketAddr, connections: usize, streams: &mut Vec<TcpStream>) -> Result<()> {
    for at in 0..connections {
        let opened = handshake(address).with_context(|| format!("could not open connection {at}"))?;
        streams.push(opened);
    }
    Ok(())
}

/// Opens a WebSocket and reads its challenge, byte by byte where it must not read on.
fn handshake(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    ensure!(
        head.starts_with(b"HTTP/1.1 101 "),
        "the server answers {}",
        String::from_utf8_lossy(&head)
    );
    let mut header = [0; 2];
    stream.read_exact(&mut header)?;
    ensure!(
        header[0] == 0x82 && header[1] < 126,
        "the challenge is no short binary message"
    );
    stream.read_exact(&mut vec![0; header[1].into()])?;
    Ok(stream)
}

struct Measured {
    child: Child,
    address: SocketAddr,
}

impl Measured {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start the server")?;
        let Some(out) = child.stdout.take() else {
            bail!("the server has no output")
        };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line
            .trim()
            .parse()
            .context("the server does not say where it listens")?;
        Ok(Self { child, address })
    }

    fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib << 10)
    }

    fn stop(&mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}
