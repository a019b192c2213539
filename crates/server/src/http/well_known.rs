//! What a client must know before it dials (RFC 8615).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use super::STREAM;
use super::problem::Problem;
use crate::app::App;
use crate::ws;

pub(super) async fn well_known(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| ws::is_host(host));
    let host = host.ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "the Host header is missing or is no host name",
        )
    })?;
    Ok(Json(json!({
        "realm": app.realm.settings().name.as_str(),
        "protocol": types::PROTOCOL,
        "stream": stream_url(&app.origin(host)),
    })))
}

/// `ws` stands to `http` as `wss` does to `https`.
fn stream_url(origin: &str) -> String {
    let rest = origin.strip_prefix("http").unwrap_or(origin);
    format!("ws{rest}{STREAM}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_lies_on_the_origin() {
        assert_eq!(stream_url("https://city.example"), "wss://city.example/v1/stream");
        assert_eq!(
            stream_url("http://127.0.0.1:8480"),
            "ws://127.0.0.1:8480/v1/stream"
        );
    }
}
