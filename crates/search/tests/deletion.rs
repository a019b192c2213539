//! What was deleted is gone from the file, not only from the answers; and which options that takes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, params};
use search::{Query, terms};

const MESSAGES: i64 = 1500;
/// Every so many messages there is one that will be deleted.
const EVERY: i64 = 10;

/// A word that no other message has.
fn secret(message: i64) -> String {
    // A multiplication by an odd number maps different messages to different letters.
    let mut rest = (message as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    std::iter::repeat_with(|| {
        let letter = b'a' + (rest % 26) as u8;
        rest /= 26;
        char::from(letter)
    })
    .take(12)
    .collect::<String>()
        + "q"
}

fn text(message: i64) -> String {
    if !is_secret(message) {
        return format!("Обычное сообщение {message} about the weather 今天天气 running");
    }
    // Many words that begin alike fill pages of the index, whose beginnings are noted once more elsewhere.
    let alike: Vec<_> = (0..10)
        .map(|number| format!("тайнопись{message}x{number}"))
        .collect();
    let (secret, alike) = (secret(message), alike.join(" "));
    format!("Пароль от сейфа {secret} никому, {alike} 密码是八")
}

fn is_secret(message: i64) -> bool {
    message % EVERY == 0
}

/// How messages are kept and deleted.
struct Way {
    options: &'static str,
    is_secure: bool,
    delete: &'static str,
}

/// What everyone should do.
const RECOMMENDED: Way = Way {
    options: "content = '', columnsize = 0",
    is_secure: true,
    delete: "INSERT INTO message_search (message_search, rowid, terms, conversation) VALUES ('delete', ?, ?, 'a7')",
};

fn open(path: &Path, way: &Way) -> Connection {
    let Way {
        options, is_secure, ..
    } = way;
    let connection = Connection::open(path).unwrap();
    let create = format!(
        "PRAGMA journal_mode = WAL;
        PRAGMA synchronous = OFF;
        PRAGMA secure_delete = ON;
        CREATE VIRTUAL TABLE message_search USING fts5(terms, conversation, tokenize = 'ascii', {options});
        INSERT INTO message_search (message_search, rank) VALUES ('secure-delete', {is_secure});"
    );
    connection.execute_batch(&create).unwrap();
    connection
}

/// All of the file, after everything was moved there from the log.
fn bytes(connection: &Connection, path: &Path) -> Vec<u8> {
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    let is_busy: bool = connection.query_row(checkpoint, [], |row| row.get(0)).unwrap();
    assert!(!is_busy);
    assert_eq!(std::fs::metadata(path.with_extension("db-wal")).unwrap().len(), 0);
    std::fs::read(path).unwrap()
}

/// The words of secret messages of which five letters or more are in the file. An index keeps only in what a word differs
/// from the one before, so one that resembles others would not stand there whole to begin with.
fn left(bytes: &[u8]) -> Vec<String> {
    let there: BTreeSet<&[u8]> = bytes.windows(5).collect();
    (0..MESSAGES)
        .filter(|&message| is_secret(message))
        .map(secret)
        .chain(["тайнопис".to_owned(), "密码".to_owned()])
        .filter(|word| word.as_bytes().windows(5).any(|part| there.contains(part)))
        .collect()
}

fn count(connection: &Connection, query: &str) -> i64 {
    let select = "SELECT count(*) FROM message_search WHERE message_search MATCH ?";
    let condition = format!("terms : ({})", Query::parse(query).unwrap().to_fts5());
    connection
        .query_row(select, [condition], |row| row.get(0))
        .unwrap()
}

fn run(connection: &mut Connection, sql: &str, messages: impl Iterator<Item = i64>) {
    let transaction = connection.transaction().unwrap();
    for message in messages {
        let mut statement = transaction.prepare_cached(sql).unwrap();
        match statement.parameter_count() {
            1 => statement.execute([message]).unwrap(),
            _ => statement
                .execute(params![message, terms(&text(message))])
                .unwrap(),
        };
    }
    transaction.commit().unwrap();
}

/// What is left of secret messages after all of them were deleted, and the index was written anew so many times.
fn left_after(way: &Way, sweeps: usize) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.db");
    let mut connection = open(&path, way);
    let insert = "INSERT INTO message_search (rowid, terms, conversation) VALUES (?, ?, 'a7')";
    for start in (0..MESSAGES).step_by(30) {
        run(&mut connection, insert, start..start + 30);
    }
    let secrets = MESSAGES / EVERY;
    assert_eq!(left(&bytes(&connection, &path)).len() as i64, secrets + 2);
    assert_eq!(count(&connection, "\"пароль от сейфа\""), secrets);

    for message in (0..MESSAGES).filter(|&message| is_secret(message)) {
        run(&mut connection, way.delete, message..message + 1);
    }
    for _ in 0..sweeps {
        sweep(&mut connection);
    }
    check(&connection);
    left(&bytes(&connection, &path))
}

/// Writes the index anew. `optimize` does nothing when there is only one segment, so it is given another.
fn sweep(connection: &mut Connection) {
    let transaction = connection.transaction().unwrap();
    let sweep = "INSERT INTO message_search (rowid, terms) VALUES (-1, 'a');
        INSERT INTO message_search (message_search) VALUES ('optimize');
        INSERT INTO message_search (message_search, rowid, terms) VALUES ('delete', -1, 'a');";
    transaction.execute_batch(sweep).unwrap();
    transaction.commit().unwrap();
}

fn check(connection: &Connection) {
    for word in ["пароль", "тайнопись10", "сейф", "密码"] {
        assert_eq!(count(connection, word), 0, "{word}");
    }
    assert_eq!(count(connection, "сообщения"), MESSAGES - MESSAGES / EVERY);
    let check = "INSERT INTO message_search (message_search, rank) VALUES ('integrity-check', 0)";
    connection.execute(check, []).unwrap();
}

/// FTS5 notes where each page of a segment begins by as much of its first term as tells it from the term before, and
/// takes that back only when the page is empty. So of words that began alike one beginning may stay, for each page, until
/// the index is written anew.
#[test]
fn deleted_words_leave_the_file() {
    assert_eq!(left_after(&RECOMMENDED, 0), ["тайнопис"]);
    assert_eq!(left_after(&RECOMMENDED, 1), [""; 0]);
    // Here the second finds one segment, as it is when nothing was added since.
    assert_eq!(left_after(&RECOMMENDED, 2), [""; 0]);
}

#[test]
fn without_secure_delete_they_stay() {
    let way = Way {
        is_secure: false,
        ..RECOMMENDED
    };
    assert!(left_after(&way, 0).len() > 10);
}

/// A table that deletes without being told the terms only notes that they no longer count.
#[test]
fn without_their_terms_they_stay() {
    let way = Way {
        options: "content = '', contentless_delete = 1",
        is_secure: true,
        delete: "DELETE FROM message_search WHERE rowid = ?",
    };
    assert!(left_after(&way, 0).len() > 10);
}
