//! How long a search takes among 100,000 messages in a device's real store. Expected, before it was measured: FTS5 reads
//! the rows of the newest thousand hits and of no others, and fifty messages are put together out of them, so 20 ms for
//! the commonest word and less for all others; the first of everything reads from the disk. More than 50 ms is a failure.
//! It also tells how long it takes to write the index anew after a deletion, for `store/tidy.rs`.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use client::store::{Search, Store};
use content::{Content, MessageId};
use engine::Write;
use timeline::Holding;
use types::wire::timeline_row::Body;
use types::wire::{SaidRow, TimelineRow};
use types::{Address, ConversationId, EntryId, Timestamp};

const MESSAGES: u64 = 100_000;
const CHATS: u64 = 50;
const LIMIT: Duration = Duration::from_millis(50);
const BEGIN_MS: u64 = 1_700_000_000_000;
const MINUTE_MS: u64 = 60_000;
const WORDS: [&str; 24] = [
    "кошка",
    "собака",
    "ladder",
    "cellar",
    "завтра",
    "утром",
    "meeting",
    "garden",
    "ключ",
    "дверь",
    "window",
    "паром",
    "сосед",
    "bread",
    "молоко",
    "train",
    "вокзал",
    "билет",
    "doctor",
    "школа",
    "music",
    "песня",
    "дождь",
    "snow",
];

fn main() -> ExitCode {
    match run() {
        Ok(worst) if worst <= LIMIT => ExitCode::SUCCESS,
        Ok(worst) => {
            println!("{worst:?} is more than {LIMIT:?}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Duration, Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    let mut store = Store::open(home.path())?;
    fill(&mut store)?;
    let mut worst = Duration::ZERO;
    for (what, search) in searches() {
        worst = worst.max(measure(&store, what, &search)?);
    }
    tidy(&mut store)?;
    store.close()?;
    Ok(worst)
}

fn fill(store: &mut Store) -> Result<(), client::Error> {
    let begin = Instant::now();
    for first in (0..MESSAGES).step_by(1000) {
        let writes: Vec<Write> = (first..first + 1000)
            .map(|number| Write::Row(row(number)))
            .collect();
        store.apply(&writes)?;
    }
    println!(
        "{MESSAGES} messages kept in {:.1} s",
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

fn searches() -> [(&'static str, Search); 12] {
    let words = |words: &str| Search {
        words: words.to_owned(),
        ..Search::default()
    };
    let chat = Some(conversation(7));
    [
        ("the commonest word", words("и")),
        ("a common word", words("кошками")),
        ("two words", words("кошка ladder")),
        ("a rare word", words("number77777")),
        ("the beginning of a word", words("numb")),
        ("a phrase", words("\"кошка и\"")),
        (
            "in one chat",
            Search {
                conversation: chat,
                ..words("и")
            },
        ),
        (
            "by one person",
            Search {
                from: Some(person(3).to_string()),
                ..words("и")
            },
        ),
        (
            "all links",
            Search {
                kind: Some(Holding::Link),
                ..words("")
            },
        ),
        (
            "links in one chat",
            Search {
                kind: Some(Holding::Link),
                conversation: chat,
                ..words("")
            },
        ),
        (
            "long ago",
            Search {
                until: Some(Timestamp::from_ms(BEGIN_MS + 1_000 * MINUTE_MS)),
                ..words("и")
            },
        ),
        ("not there", words("нигде")),
    ]
}

/// Deletes a message, and lets a day go by.
fn tidy(store: &mut Store) -> Result<(), client::Error> {
    let now = Timestamp::from_ms(BEGIN_MS);
    store.sweep(now)?;
    let first = row(0);
    let salt = u128::MAX.to_le_bytes();
    let Some(Body::Said(said)) = &first.body else {
        return Ok(());
    };
    let id = MessageId::try_from(said.message_id.as_ref()).expect("an id");
    let sender = first.sender.parse().expect("an address");
    store.apply(&[Write::Row(said_by(
        &sender,
        &Content::withdrawal(salt, id),
        MESSAGES * CHATS,
    ))])?;
    store.sweep(now)?;
    let due = store.next_sweep()?.unwrap_or(now);
    let begin = Instant::now();
    store.sweep(due)?;
    println!("the index was written anew in {:.0?}", begin.elapsed());
    Ok(())
}

/// Half of all times are better.
fn measure(store: &Store, what: &str, search: &Search) -> Result<Duration, client::Error> {
    let (mut times, mut hits) = (Vec::new(), 0);
    for _ in 0..20 {
        let begin = Instant::now();
        hits = store.search(search, 50)?.len();
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    let (median, worst) = (times[10], times[19]);
    println!("{what:<24} {hits:>3} found, {median:>8.2?} median, {worst:>8.2?} worst");
    Ok(median)
}

fn conversation(number: u64) -> ConversationId {
    ConversationId::new([u8::try_from(number % CHATS).unwrap_or(0) + 1; 16])
}

fn person(number: u64) -> Address {
    format!("person{}@city.example", number % 40)
        .parse()
        .expect("an address")
}

fn row(number: u64) -> TimelineRow {
    let mut dice = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut word = || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        WORDS[usize::try_from((dice >> 33) % 24).unwrap_or(0)]
    };
    let mut text = format!("{} и {} {} {} number{number}", word(), word(), word(), word());
    if number.is_multiple_of(100) {
        text.push_str(" https://city.example/page");
    }
    said_by(
        &person(number / 7),
        &Content::text(u128::from(number).to_le_bytes(), &text),
        number,
    )
}

fn said_by(sender: &Address, content: &Content, number: u64) -> TimelineRow {
    let (conversation, content) = (conversation(number), content.encode());
    let said = SaidRow {
        message_id: content::message_id(&content, sender, conversation)
            .as_bytes()
            .to_vec()
            .into(),
        content: content.into(),
    };
    TimelineRow {
        conversation: conversation.to_bytes(),
        entry_id: EntryId::new(u128::from(number).to_be_bytes()).to_bytes(),
        seq: number / CHATS + 1,
        sender: sender.to_string(),
        at_ms: BEGIN_MS + number * MINUTE_MS,
        took: None,
        mentions_me: false,
        body: Some(Body::Said(said)),
    }
}
