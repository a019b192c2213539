//! The opening handshake (RFC 6455 §4.2).

use axum::http::{HeaderMap, HeaderName, Version, header};
use tungstenite::handshake::derive_accept_key;

/// The only version of the protocol there is.
pub(crate) const VERSION: &str = "13";

/// A request to open a WebSocket that is in order.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// For the `Sec-WebSocket-Accept` header of the answer.
    pub(crate) accept: String,
    /// What the client dialled: host, and port where it is not the scheme's own.
    pub(crate) host: String,
}

/// Why a request does not open a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAHandshake {
    /// A plain request, or another version of the protocol.
    #[error("this is a WebSocket (RFC 6455): ask for an upgrade to it, version 13")]
    UpgradeRequired,
    /// An upgrade, but a broken one.
    #[error("{0}")]
    Malformed(&'static str),
}

impl Handshake {
    /// Reads the handshake out of a GET request.
    pub(crate) fn read(version: Version, headers: &HeaderMap) -> Result<Self, NotAHandshake> {
        let upgrades = has_token(headers, header::UPGRADE, "websocket")
            && has_token(headers, header::CONNECTION, "upgrade");
        if version < Version::HTTP_11 || !upgrades {
            return Err(NotAHandshake::UpgradeRequired);
        }
        if text(headers, header::SEC_WEBSOCKET_VERSION) != Some(VERSION) {
            return Err(NotAHandshake::UpgradeRequired);
        }
        let key = text(headers, header::SEC_WEBSOCKET_KEY)
            .filter(|key| is_key(key))
            .ok_or(NotAHandshake::Malformed(
                "the Sec-WebSocket-Key is not 16 bytes in base64",
            ))?;
        let host =
            text(headers, header::HOST)
                .filter(|host| is_host(host))
                .ok_or(NotAHandshake::Malformed(
                    "the Host header is missing or is no host name",
                ))?;
        Ok(Self {
            accept: derive_accept_key(key.as_bytes()),
            host: host.to_owned(),
        })
    }
}

/// What may stand in a Host header, and so in the origin that a login is bound to.
pub(crate) fn is_host(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=260).contains(&host.len()) && host.bytes().all(allowed)
}

fn is_key(key: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
    key.strip_suffix("==")
        .is_some_and(|digits| digits.len() == 22 && digits.bytes().all(digit))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a header's list of tokens, which may be spread over several lines, holds this one.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    let lines = headers
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const GOOD: [(HeaderName, &str); 5] = [
        (header::HOST, "city.example:8480"),
        (header::UPGRADE, "WebSocket"),
        (header::CONNECTION, "keep-alive, Upgrade"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
        (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn check(changed: HeaderName, value: Option<&'static str>, expected: &str) {
        let mut headers: HeaderMap = GOOD
            .into_iter()
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect();
        match value {
            Some(value) => headers.insert(&changed, HeaderValue::from_static(value)),
            None => headers.remove(&changed),
        };
        let found = match Handshake::read(Version::HTTP_11, &headers) {
            Ok(handshake) => format!("{} {}", handshake.host, handshake.accept),
            Err(refused) => refused.to_string(),
        };
        assert!(found.contains(expected), "{changed}: {value:?}: {found}");
    }

    #[test]
    fn the_rfcs_example_and_what_differs_from_it() {
        // RFC 6455 §1.3.
        check(
            header::COOKIE,
            Some("a=b"),
            "city.example:8480 s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        );
        check(header::UPGRADE, None, "ask for an upgrade");
        check(header::UPGRADE, Some("h2c"), "ask for an upgrade");
        check(header::CONNECTION, Some("close"), "ask for an upgrade");
        check(header::SEC_WEBSOCKET_VERSION, Some("8"), "version 13");
        check(header::SEC_WEBSOCKET_KEY, None, "Sec-WebSocket-Key");
        check(header::SEC_WEBSOCKET_KEY, Some("c2hvcnQ="), "Sec-WebSocket-Key");
        check(header::HOST, None, "Host");
        check(header::HOST, Some("evil.example/path"), "Host");
        check(
            header::HOST,
            Some("[::1]:8480"),
            "[::1]:8480 s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        );
    }
}
