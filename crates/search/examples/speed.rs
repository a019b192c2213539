//! How fast an index of many messages answers, and what it weighs: `cargo run --release -p search --example speed`.
//!
//! Expected, before measuring, on one core: of a message's ten terms the index keeps two or three bytes each, so 30 bytes; a
//! common word occurs in one of ten messages, and reading 10,000 places takes a millisecond; the beginning of a word
//! collects the places of hundreds of words, which must be sorted, for 10 ms. The goal is 50 ms. Measured on two shared
//! cores: 58 bytes; 0.4 ms for a word, at most 1.5 ms for 99 of 100; 2.5 ms for one letter, at most 5 ms; deleting takes
//! 0.5 ms, and writing the index anew 60 ms. `prefix = '1 2'` would make one letter 30 times faster for 84 bytes more.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use search::{Query, terms};

const MESSAGES: i64 = 100_000;
const CONVERSATIONS: u64 = 200;
/// The words of a language are its stems with each ending.
const RUSSIAN: (&str, &str) = (
    "встреч кошк работ дом город вечер утр машин книг друз магазин погод поезд билет ключ лестниц подвал школ учител \
     музык фильм телефон сообщен фотограф собак молок хлеб завтрак обед ужин праздник подарок рожден письм адрес улиц \
     площад красн бел черн зелен больш маленьк хорош плох быстр медленн говор смотр дела дума зна люб игра чита пиш",
    "а у и ой ами ам ах е ом ов ого ая ый ишь ит ют ла ли ть ешь",
);
const ENGLISH: (&str, &str) = (
    "meet walk talk work play look call open start help want need ask answer cook clean paint plant train travel visit \
     watch wait follow happen remember weather kitchen garden station ticket ladder cellar window morning evening friend \
     teacher doctor picture message letter number street market holiday present question problem student computer",
    "s ed ing er ers ly ness ful less",
);
const CHINESE: &str = "今晚见八点老地方你好我们他明天上午下班吃饭电影音乐朋友老师学生工作公司手机照片信息地址街道市场节日礼物问题时间\
     火车票钥匙楼梯窗户早上天气厨房花园医生旅行等待开始帮助回答打扫记得数字电脑书店孩子父母妹弟猫狗牛奶面包红白黑绿大小快慢";

/// Makes messages out of words, always the same.
struct Words {
    /// What may follow each other: Russian and English words, and Chinese characters. Common ones come first.
    lists: [Vec<String>; 3],
    /// State of SplitMix64.
    state: u64,
}

const RUSSIAN_LIST: usize = 0;
const ENGLISH_LIST: usize = 1;
const CHINESE_LIST: usize = 2;

impl Words {
    fn new() -> Self {
        let characters = CHINESE.chars().filter(|c| !c.is_whitespace());
        Self {
            lists: [
                forms(RUSSIAN),
                forms(ENGLISH),
                characters.map(String::from).collect(),
            ],
            state: 7,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }

    /// A place among `len`, of which each is as likely as its number is small (Zipf's law).
    fn place(&mut self, len: usize) -> usize {
        let unit = self.below(1 << 32) as f64 / (1_u64 << 32) as f64;
        ((len as f64).powf(unit) as usize - 1).min(len - 1)
    }

    fn message(&mut self) -> String {
        let len = 2 + self.place(40);
        let (list, len, between) = match self.below(10) {
            0..5 => (RUSSIAN_LIST, len, " "),
            5..8 => (ENGLISH_LIST, len, " "),
            _ => (CHINESE_LIST, 2 * len, ""),
        };
        self.several(list, len, between)
    }

    fn several(&mut self, list: usize, len: usize, between: &str) -> String {
        let words: Vec<_> = (0..len).map(|_| self.word(list)).collect();
        words.join(between)
    }

    /// A word; one of thirty is a name that hardly anything else has.
    fn word(&mut self, list: usize) -> String {
        let place = self.place(self.lists[list].len());
        let word = self.lists[list][place].clone();
        if list == CHINESE_LIST || self.below(30) != 0 {
            return word;
        }
        let last = self.lists[list].len() as u64;
        let (one, other) = (self.below(last) as usize, self.below(last) as usize);
        format!("{}{}", self.lists[list][one], self.lists[list][other])
    }
}

/// The common words first, each in its first form; then again in others.
fn forms((stems, endings): (&str, &str)) -> Vec<String> {
    std::iter::once("")
        .chain(endings.split_whitespace())
        .flat_map(|ending| {
            stems
                .split_whitespace()
                .map(move |stem| format!("{stem}{ending}"))
        })
        .collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let mut words = Words::new();
    let messages: Vec<String> = (0..MESSAGES).map(|_| words.message()).collect();
    let bytes: usize = messages.iter().map(String::len).sum();
    println!(
        "{MESSAGES} messages of {} bytes of text on average",
        bytes / messages.len()
    );

    let begin = Instant::now();
    let terms: Vec<String> = messages.iter().map(|text| terms(text)).collect();
    println!(
        "terms: {:.1} µs per message",
        begin.elapsed().as_secs_f64() * 1e6 / MESSAGES as f64
    );

    for (name, options, at_once) in [
        ("recommended", "content = '', columnsize = 0", 100),
        ("one message at a time", "content = '', columnsize = 0", 1),
        (
            "with prefix = '1 2'",
            "content = '', columnsize = 0, prefix = '1 2'",
            100,
        ),
        ("with columnsize", "content = ''", 100),
        ("with its own content", "columnsize = 0", 100),
    ] {
        println!("\n{name}: {options}");
        let mut connection = build(&folder.path().join(name), options, &terms, at_once)?;
        measure(&connection, &mut words)?;
        if options.contains("content = ''") {
            delete(&mut connection, &terms)?;
        }
    }

    println!("\nwithout the forms of words, so that some are lost while they are typed");
    let is_term = |term: &&str| !term.starts_with('\u{E000}');
    let stems: Vec<String> = terms
        .iter()
        .map(|terms| terms.split(' ').filter(is_term).collect::<Vec<_>>().join(" "))
        .collect();
    build(
        &folder.path().join("stems"),
        "content = '', columnsize = 0",
        &stems,
        100,
    )?;
    Ok(())
}

/// Deletes some messages one by one, then writes the index anew.
fn delete(connection: &mut Connection, terms: &[String]) -> rusqlite::Result<()> {
    let mut times = Vec::new();
    for (at, terms) in terms.iter().enumerate().step_by(500) {
        let row = at as i64 + 1;
        let begin = Instant::now();
        let delete = "INSERT INTO message_search (message_search, rowid, terms, conversation)
            VALUES ('delete', ?, ?, ?)";
        connection.execute(delete, params![row, terms, conversation_of(row)])?;
        times.push(begin.elapsed());
    }
    println!("  deleted, each: {}", spread(times));
    let begin = Instant::now();
    connection.execute_batch(
        "BEGIN;
        INSERT INTO message_search (rowid, terms) VALUES (-1, 'a');
        INSERT INTO message_search (message_search) VALUES ('optimize');
        INSERT INTO message_search (message_search, rowid, terms) VALUES ('delete', -1, 'a');
        COMMIT",
    )?;
    println!("  written anew in {} ms", begin.elapsed().as_millis());
    Ok(())
}

fn build(path: &Path, options: &str, terms: &[String], at_once: usize) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA secure_delete = ON;
         CREATE VIRTUAL TABLE message_search USING fts5(terms, conversation, tokenize = 'ascii', {options});
         INSERT INTO message_search (message_search, rank) VALUES ('secure-delete', 1);"
    ))?;
    let begin = Instant::now();
    let mut row = 0;
    for terms in terms.chunks(at_once) {
        let transaction = connection.transaction()?;
        let insert = "INSERT INTO message_search (rowid, terms, conversation) VALUES (?, ?, ?)";
        for terms in terms {
            row += 1;
            transaction
                .prepare_cached(insert)?
                .execute(params![row, terms, conversation_of(row)])?;
        }
        transaction.commit()?;
    }
    let time = begin.elapsed();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    let size = "SELECT page_size * (page_count - freelist_count) FROM pragma_page_size, pragma_page_count, pragma_freelist_count";
    let size: i64 = connection.query_row(size, [], |row| row.get(0))?;
    println!(
        "  {} bytes per message; written in {:.0} µs per message, {at_once} at once",
        size / MESSAGES,
        time.as_secs_f64() * 1e6 / MESSAGES as f64,
    );
    Ok(connection)
}

fn conversation_of(row: i64) -> String {
    conversation(row.unsigned_abs() * 7919 % CONVERSATIONS)
}

/// An id of a conversation, as the index holds it.
fn conversation(number: u64) -> String {
    format!(
        "{:032x}",
        u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
    )
}

fn measure(connection: &Connection, words: &mut Words) -> rusqlite::Result<()> {
    type Ask = fn(&mut Words) -> String;
    let kinds: [(&str, Ask); 7] = [
        ("one word", |words| words.word(RUSSIAN_LIST)),
        ("two words", |words| words.several(ENGLISH_LIST, 2, " ")),
        ("beginning, 1 letter", |words| {
            words.word(RUSSIAN_LIST).chars().take(1).collect()
        }),
        ("beginning, 3 letters", |words| {
            words.word(ENGLISH_LIST).chars().take(3).collect()
        }),
        ("phrase", |words| {
            format!("\"{}\"", words.several(RUSSIAN_LIST, 2, " "))
        }),
        ("Chinese character", |words| words.word(CHINESE_LIST)),
        ("Chinese phrase", |words| words.several(CHINESE_LIST, 3, "")),
    ];
    for (name, ask) in kinds {
        let queries: Vec<_> = (0..200).filter_map(|_| Query::parse(&ask(words))).collect();
        let mut newest = Vec::new();
        let mut found = 0;
        for query in &queries {
            let begin = Instant::now();
            found += run(connection, &format!("terms : ({})", query.to_fts5()))?;
            newest.push(begin.elapsed());
        }
        let mut in_one = Vec::new();
        for (at, query) in queries.iter().enumerate() {
            let conversation = conversation(at as u64 % CONVERSATIONS);
            let begin = Instant::now();
            run(
                connection,
                &format!(
                    "terms : ({}) AND conversation : \"{conversation}\"",
                    query.to_fts5()
                ),
            )?;
            in_one.push(begin.elapsed());
        }
        println!(
            "  {name:<21} newest 50: {}; in one conversation: {}; {} found",
            spread(newest),
            spread(in_one),
            found / queries.len(),
        );
    }
    Ok(())
}

fn run(connection: &Connection, condition: &str) -> rusqlite::Result<usize> {
    let select = "SELECT rowid FROM message_search WHERE message_search MATCH ? ORDER BY rowid DESC LIMIT 50";
    let mut select = connection.prepare_cached(select)?;
    let rows = select.query_map([condition], |row| row.get::<_, i64>(0))?;
    rows.collect::<Result<Vec<_>, _>>().map(|rows| rows.len())
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    format!("median {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99))
}
