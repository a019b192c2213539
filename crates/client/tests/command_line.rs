//! The program itself, without a server.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn veche(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_veche"))
        .args(args)
        .env("VECHE_HOME", home)
        .output()
        .unwrap()
}

/// The one object that a failing command prints.
fn failure(home: &Path, args: &[&str]) -> (i32, String, String) {
    let output = veche(home, args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    let object: Value = serde_json::from_str(&text).unwrap();
    let part = |name: &str| object["error"][name].as_str().unwrap().to_owned();
    (output.status.code().unwrap(), part("code"), part("message"))
}

#[test]
fn errors_are_typed_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let check = |args: &[&str], exit: i32, code: &str, part: &str| {
        let (found_exit, found_code, message) = failure(folder.path(), args);
        assert_eq!(
            (found_exit, found_code.as_str()),
            (exit, code),
            "{args:?}: {message}"
        );
        assert!(message.contains(part), "{args:?}: {message}");
    };
    check(&["--json", "frobnicate"], 2, "usage", "frobnicate");
    check(&["--json"], 2, "usage", "Usage: veche");
    check(&["send", "boris", "--json"], 2, "usage", "<TEXT>");
    check(&["group", "create", "name", "--json"], 2, "usage", "<MEMBER");
    check(
        &["inbox", "--timeout", "soon", "--json"],
        2,
        "usage",
        "number of seconds",
    );
    check(&["inbox", "--timeout=-1", "--json"], 2, "usage", "zero or more");
    check(&["inbox", "--json"], 1, "no_account", "veche register");
    check(&["whoami", "--json"], 1, "no_account", "--home");
    check(
        &["register", "anna", "--server", "city.example", "--json"],
        2,
        "server_url",
        "http://host:port",
    );
    check(
        &["register", "anna", "--server", "https://city.example", "--json"],
        1,
        "tls",
        "http://",
    );
    check(
        &[
            "register",
            "anna",
            "--server",
            "http://localhost",
            "--offline",
            "--json",
        ],
        1,
        "offline",
        "--offline",
    );
    check(
        &["register", "a", "--server", "http://localhost:9", "--json"],
        2,
        "handle_malformed",
        "3 characters",
    );
    let server = "http://localhost:9";
    check(&["device", "link", "--json"], 2, "server_url", "--server URL");
    check(
        &["device", "link", "ABCD", "--server", server, "--json"],
        2,
        "link_code",
        "character by character",
    );
    check(
        &["device", "link", "--server", server, "--managing", "--json"],
        2,
        "no_account",
        "--managing there",
    );
    check(
        &["device", "link", "--server", server, "--offline", "--json"],
        1,
        "offline",
        "--offline",
    );
    check(
        &["device", "list", "--json"],
        1,
        "no_account",
        "veche device link",
    );
    check(&["device", "frobnicate", "--json"], 2, "usage", "frobnicate");
    check(
        &["recover", "anna", "--server", server, "--json"],
        2,
        "address_malformed",
        "handle@realm",
    );
    check(
        &["recover", "anna@city.example", "--server", "nowhere", "--json"],
        2,
        "server_url",
        "http://host:port",
    );
    check(
        &["recover", "anna@city.example", "--server", server, "--json"],
        2,
        "words_needed",
        "--words-file",
    );
    check(
        &[
            "recover",
            "anna@city.example",
            "--server",
            server,
            "--words-file",
            "-",
            "--json",
        ],
        2,
        "word_count",
        "24 recovery words, not 0",
    );
    check(
        &[
            "recover",
            "anna@city.example",
            "--server",
            server,
            "--words-file",
            "/no/such/file",
            "--json",
        ],
        1,
        "words_file",
        "/no/such/file",
    );
    check(&["mute", "boris", "--for", "0", "--json"], 2, "usage", "--for");
    check(
        &["mute", "boris", "--for", "1", "--off", "--json"],
        2,
        "usage",
        "--off",
    );
    check(
        &["export", "archive", "--json"],
        1,
        "no_account",
        "veche register",
    );
    check(&["delete-account", "--json"], 1, "no_account", "veche register");
    // What cannot be done leaves nothing behind.
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens where somebody has just stopped.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{gone}");
    let (exit, code, message) = failure(
        folder.path(),
        &["register", "anna", "--server", &url, "--timeout", "0.5", "--json"],
    );
    assert_eq!((exit, code.as_str()), (1, "unreachable"), "{message}");
    assert!(
        message.contains(&url) && message.contains("try again"),
        "{message}"
    );
}

#[test]
fn people_read_errors_on_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = veche(folder.path(), &["chats"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: there is no account here yet"), "{text}");
    // Looking around leaves nothing behind.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn help_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["--help"][..], &["group", "create", "--help"], &["--version"]] {
        let output = veche(folder.path(), args);
        assert!(output.status.success(), "{args:?}");
        assert!(
            String::from_utf8(output.stdout).unwrap().contains("veche"),
            "{args:?}"
        );
    }
}
