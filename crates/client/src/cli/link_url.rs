//! What a code for linking looks like when people pass it on: the code, or a URL in a QR code, which brings the server
//! along.

use crypto::LinkCode;
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::{Error, ServerUrl};

const SCHEME: &str = "veche:link?";

/// A code, and where it is good if that was said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invitation {
    pub(super) code: LinkCode,
    pub(super) server: Option<ServerUrl>,
}

/// The URL.
pub(super) fn write(server: &ServerUrl, code: &LinkCode) -> Zeroizing<String> {
    let server = server.to_string().replace('%', "%25").replace('&', "%26");
    Zeroizing::new(format!("{SCHEME}server={server}&code={}", code.text().as_str()))
}

/// A code or the URL, as it was typed or scanned.
pub(super) fn read(text: &str) -> Result<Invitation, Failure> {
    let text = text.trim();
    match text.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => read_query(&text[SCHEME.len()..]),
        _ => Ok(Invitation {
            code: read_code(text)?,
            server: None,
        }),
    }
}

/// What is not known is passed over: later versions may say more.
fn read_query(query: &str) -> Result<Invitation, Failure> {
    let (mut code, mut server) = (None, None);
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("code", text)) => code = Some(read_code(&decode(text))?),
            Some(("server", text)) => server = Some(decode(text).parse().map_err(Error::from)?),
            _ => {}
        }
    }
    // Without a code it fails as a code that is empty does.
    let code = code.map_or_else(|| read_code(""), Ok)?;
    Ok(Invitation { code, server })
}

fn read_code(text: &str) -> Result<LinkCode, Failure> {
    LinkCode::parse(text).map_err(|error| Failure {
        exit: Failure::USAGE,
        ..Failure::of_engine(&error.into())
    })
}

/// Undoes percent-encoding. What is wrong in it stays as it is, and fails to be a code or server later.
pub(super) fn decode(text: &str) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match (first, hex_byte(after)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex_byte(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(..2)?).ok()?;
    // A sign would pass for a digit otherwise.
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "0000-0000-0000-0000-0000-0000-00";

    fn code() -> LinkCode {
        LinkCode::generate(&crypto::Rng::from_seed([7; 32]))
    }

    #[test]
    fn what_is_written_is_read() {
        for server in ["http://localhost:8480", "https://city.example", "http://[::1]:1"] {
            let server: ServerUrl = server.parse().unwrap();
            let url = write(&server, &code());
            assert!(url.starts_with("veche:link?server=http"), "{url:?}");
            let read = read(&url).unwrap();
            assert_eq!(
                read,
                Invitation {
                    code: code(),
                    server: Some(server)
                }
            );
        }
    }

    #[test]
    fn codes_alone_and_urls_of_others_are_read() {
        let text = code().text();
        let check = |typed: &str, server: Option<&str>| {
            let read = read(typed).unwrap();
            assert_eq!(read.code, code(), "{typed}");
            assert_eq!(
                read.server.map(|server| server.to_string()).as_deref(),
                server,
                "{typed}"
            );
        };
        check(&text, None);
        check(&format!("  {}\n", text.to_lowercase().replace('-', " ")), None);
        check(&format!("veche:link?code={}", text.as_str()), None);
        check(
            &format!(
                "VECHE:Link?later=1&code={}&server=http%3A%2F%2Fcity.example%3a8480",
                text.replace('-', "%2D")
            ),
            Some("http://city.example:8480"),
        );
    }

    #[test]
    fn everything_else_is_refused() {
        let check = |typed: &str, code: &str| {
            let failure = read(typed).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit), (code, 2), "{typed}");
        };
        check("", "link_code");
        check(CODE, "link_code");
        check("veche:link?", "link_code");
        check("veche:link?server=http://city.example", "link_code");
        check("veche:link?code=%", "link_code");
        check("veche:link?code=%+1%zz%é", "link_code");
        check("veche:linké", "link_code");
        check(
            &format!("veche:link?code={}&server=nowhere", code().text().as_str()),
            "server_url",
        );
    }
}
