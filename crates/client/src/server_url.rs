//! Where a realm's server is.

use std::fmt;
use std::str::FromStr;

use tokio_tungstenite::tungstenite::http::Uri;

/// A server's address, `http://host[:port]` or `https://host[:port]`; `ws` and `wss` mean the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    tls: bool,
    host: String,
    port: Option<u16>,
}

/// Not the address of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a server's address: {reason}; it has the form http://host:port")]
pub struct ServerUrlError {
    text: String,
    reason: &'static str,
}

impl ServerUrl {
    /// What was dialled, as the login proof names it: scheme, host, and the port unless it is the scheme's own.
    pub fn origin(&self) -> String {
        self.with_scheme(if self.tls { "https" } else { "http" })
    }

    /// Whether the connection must be encrypted below the WebSocket.
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// Where the live stream is.
    pub(crate) fn stream(&self) -> String {
        format!(
            "{}/v1/stream",
            self.with_scheme(if self.tls { "wss" } else { "ws" })
        )
    }

    /// Host and port to connect to.
    pub(crate) fn endpoint(&self) -> (&str, u16) {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        (host, self.port.unwrap_or(default_port(self.tls)))
    }

    fn with_scheme(&self, scheme: &str) -> String {
        match self.port {
            Some(port) => format!("{scheme}://{}:{port}", self.host),
            None => format!("{scheme}://{}", self.host),
        }
    }
}

const fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let fail = |reason| ServerUrlError {
            text: text.escape_debug().to_string(),
            reason,
        };
        if !text.contains("://") {
            return Err(fail("it does not begin with http://"));
        }
        let uri: Uri = text.parse().map_err(|_| fail("it cannot be read"))?;
        let tls = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(fail("it does not begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| fail("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(fail("it must not hold a name or password"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(fail("nothing may follow host and port"));
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return Err(fail("it names no host"));
        }
        // The rest of the authority is a port, or was never one.
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None | Some("") => None,
            Some(port) => Some(
                port.parse()
                    .map_err(|_| fail("its port is not a number up to 65535"))?,
            ),
        };
        let port = port.filter(|port| *port != default_port(tls));
        Ok(Self { tls, host, port })
    }
}

/// Its origin, which [`FromStr`] reads.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        let check = |text: &str, origin: &str, stream: &str, endpoint: (&str, u16)| {
            let url: ServerUrl = text.parse().unwrap();
            assert_eq!(url.origin(), origin, "{text}");
            assert_eq!(url.stream(), stream, "{text}");
            assert_eq!(url.endpoint(), endpoint, "{text}");
            assert_eq!(url.to_string().parse::<ServerUrl>().unwrap(), url, "{text}");
        };
        check(
            "http://localhost:8480",
            "http://localhost:8480",
            "ws://localhost:8480/v1/stream",
            ("localhost", 8480),
        );
        check(
            "WS://City.Example:80/",
            "http://city.example",
            "ws://city.example/v1/stream",
            ("city.example", 80),
        );
        check(
            "https://city.example:443",
            "https://city.example",
            "wss://city.example/v1/stream",
            ("city.example", 443),
        );
        check(
            "http://[::1]:1",
            "http://[::1]:1",
            "ws://[::1]:1/v1/stream",
            ("::1", 1),
        );
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        let check = |text: &str, reason: &str| {
            let error = text.parse::<ServerUrl>().unwrap_err().to_string();
            assert!(
                error.contains(reason) && error.contains("http://host:port"),
                "{text}: {error}"
            );
        };
        check("localhost:8480", "does not begin with http://");
        check("", "does not begin with http://");
        check("ftp://city.example", "http:// or https://");
        check("http://", "");
        check("http://anna:secret@city.example", "name or password");
        check("http://city.example/app", "nothing may follow");
        check("http://city.example/?a", "nothing may follow");
        check("http://city.example:99999", "");
        check("http://city example", "cannot be read");
    }
}
