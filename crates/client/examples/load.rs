//! Throwaway.
#![allow(clippy::all, clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]
use client::{Client, ClientOptions};
use engine::*;
use std::time::Instant;
#[tokio::main(worker_threads = 2)]
async fn main() {
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let url = std::env::args().nth(2).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let t = Instant::now();
    let homes: Vec<_> = (0..n).map(|i| dir.path().join(i.to_string())).collect();
    let clients = futures_util::future::join_all(homes.iter().map(|h| Client::open(h, Some(url.parse().unwrap()), ClientOptions { engine: engine::Config { key_package_stock: 5, ..Default::default() }, offline: false }))).await;
    let clients: Vec<Client> = clients.into_iter().map(Result::unwrap).collect();
    println!("open {:?}", t.elapsed());
    let t = Instant::now();
    let who = std::process::id();
    let answers = futures_util::future::join_all(clients.iter().enumerate().map(|(i, c)| c.command(Command::Register { handle: format!("p{who}x{i}").parse().unwrap() }))).await;
    let addrs: Vec<_> = answers.into_iter().map(|a| match a.unwrap() { Answer::Registered { address, .. } => address, _ => panic!() }).collect();
    println!("register {:?}", t.elapsed());
    for r in futures_util::future::join_all(clients.iter().map(Client::caught_up)).await { r.unwrap(); }
    println!("caught up {:?}", t.elapsed());
    let t = Instant::now();
    let Answer::Created { conversation } = clients[0].command(Command::CreateGroup { name: "big".into(), members: addrs[1..].to_vec() }).await.unwrap() else { panic!() };
    println!("created {:?}", t.elapsed());
    for c in &clients { loop { if c.conversation(conversation).await.unwrap().is_some() { break } tokio::time::sleep(std::time::Duration::from_millis(20)).await; } }
    println!("all in {:?}", t.elapsed());
    for r in futures_util::future::join_all(clients.iter().map(Client::caught_up)).await { r.unwrap(); }
    println!("all caught up {:?}", t.elapsed());
    let t = Instant::now();
    let k = 5;
    for s in 0..k { clients[s].command(Command::Send { to: Target::Conversation(conversation), text: format!("hello {s}"), in_reply_to: None }).await.unwrap(); }
    println!("sent {k} {:?}", t.elapsed());
    for c in &clients { loop { let rows = c.timeline(conversation, 1000).await.unwrap(); if rows.iter().filter(|r| matches!(r.body, Some(types::wire::timeline_row::Body::Text(_)))).count() == k { break } tokio::time::sleep(std::time::Duration::from_millis(20)).await; } }
    println!("received {:?}", t.elapsed());
    let t = Instant::now();
    for r in futures_util::future::join_all(clients.into_iter().map(Client::close)).await { r.unwrap(); }
    println!("closed {:?}", t.elapsed());
}
