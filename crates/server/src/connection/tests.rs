//! What takes longer than a test may, on a clock that runs ahead whenever everybody waits.

use std::net::SocketAddr;
use std::sync::Arc;

use realm::Settings;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::Connection;
use crate::app::App;
use crate::store::Store;
use crate::ws::Socket;

/// Serves one connection.
async fn listen(store: &Store) -> SocketAddr {
    let settings = Settings {
        name: "city.example".parse().unwrap(),
        origin: None,
        blob_quota: types::limits::BLOB_QUOTA,
    };
    let realm = store.realm(settings);
    let app = Arc::new(App::new(realm, Arc::clone(&store.logs), 1));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let socket = Socket::new(stream, &[], 1000, Arc::clone(&app.rooms));
        let guest = Arc::new(app.slots.take().await);
        let connection = Connection::open(app, guest, socket, "http://city.example".to_owned());
        Box::new(connection.unwrap()).run().await;
    });
    address
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_arrives_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(
        dir.path(),
        &"city.example".parse().unwrap(),
        &crate::Options::default(),
    )
    .unwrap();
    let mut client = TcpStream::connect(listen(&store).await).await.unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).await.unwrap();
    let goodbye = b"\x03\xe9nothing arrived for too long";
    assert!(
        received.ends_with(goodbye),
        "{:?}",
        received.escape_ascii().to_string()
    );
}
