//! What is asked over plain HTTP.

use crate::veched::Home;

#[test]
fn health_says_that_the_store_takes_writes() {
    let home = Home::new();
    let answer = home.start().get("/health");
    assert!(answer.head.starts_with("http/1.1 200 "), "{answer:?}");
    assert!(
        answer.head.contains("content-type: application/json"),
        "{answer:?}"
    );
    assert_eq!(answer.json(), serde_json::json!({"status": "ok"}));
}

#[test]
fn health_says_that_the_store_takes_none() {
    let home = Home::new();
    let veched = home.start_with(&["--reserve-mib", "1000000000000"]);
    veched.get("/health").assert_problem(503, "the disk is full");
}

#[test]
fn metrics_are_in_the_text_format() {
    let home = Home::new();
    let answer = home.start().get("/metrics");
    assert!(
        answer.head.contains("content-type: text/plain; version=0.0.4"),
        "{answer:?}"
    );
    for line in [
        "# TYPE veche_connections gauge",
        "veche_connections 1",
        "veche_streams 0",
        "veche_sessions 0",
        "veche_entries_delivered_total 0",
        "# TYPE veche_append_seconds histogram",
        "veche_append_seconds_bucket{le=\"+Inf\"} 0",
    ] {
        assert!(
            answer.body.lines().any(|found| found == line),
            "{line}\n{}",
            answer.body
        );
    }
}

#[test]
fn clients_learn_where_the_stream_is() {
    let home = Home::new();
    let veched = home.start();
    let stream = format!("ws://{}/v1/stream", veched.address);
    let expected = serde_json::json!({"realm": "city.example", "protocol": 1, "stream": stream});
    assert_eq!(veched.get("/.well-known/veche").json(), expected);
    veched.stop();
    let veched = home.start_with(&["--origin", "https://city.example"]);
    assert_eq!(
        veched.get("/.well-known/veche").json()["stream"],
        "wss://city.example/v1/stream"
    );
}

#[test]
fn a_person_is_told_what_this_is() {
    let home = Home::new();
    let answer = home.start().get("/");
    assert!(answer.head.contains("content-type: text/html"), "{answer:?}");
    assert!(
        answer
            .head
            .contains("content-security-policy: default-src 'none'"),
        "{answer:?}"
    );
    for part in ["city.example", "<code>veche</code>", "/health"] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
}

#[test]
fn errors_are_problem_details() {
    let home = Home::new();
    let veched = home.start();
    veched.get("/nowhere").assert_problem(404, "/nowhere");
    let request = |first: &str, more: &str| {
        veched.ask(&format!(
            "{first} HTTP/1.1\r\nHost: x\r\nConnection: close{more}\r\n\r\n"
        ))
    };
    let answer = request("POST /health", "");
    answer.assert_problem(405, "does not take POST");
    assert!(answer.head.contains("allow: get"), "{answer:?}");
    let answer = request("GET /v1/stream", "");
    answer.assert_problem(426, "WebSocket");
    assert!(answer.head.contains("sec-websocket-version: 13"), "{answer:?}");
    let upgrade = ", Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    request("GET /v1/stream", upgrade).assert_problem(400, "Sec-WebSocket-Key");
    let answer = veched.ask("GET /.well-known/veche HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n");
    answer.assert_problem(400, "Host");
}
