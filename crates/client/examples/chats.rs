//! How long a device takes to find out what a list of 5,000 conversations shows, with 100,000 messages in its real store.
//! Expected, before it was measured: each conversation costs a step down the index to its last line and one to what changed
//! that, and one in ten has something to be counted, so about twelve pages of 4 kB, most of them from the system's cache
//! at 2 µs each; with decoding, 30 µs for each and 150 ms for all. How much was said before makes no difference. More than
//! 250 ms is a failure.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use client::store::Store;
use content::{Content, markdown};
use engine::Write;
use types::wire::timeline_row::Body;
use types::wire::{SaidRow, TimelineRow};
use types::{Address, ConversationId, EntryId};

const MESSAGES: u64 = 100_000;
const CHATS: u64 = 5_000;
/// Of each conversation, when all of it is spread evenly.
const EACH: u64 = MESSAGES / CHATS;
const LIMIT: Duration = Duration::from_millis(250);
const BEGIN_MS: u64 = 1_700_000_000_000;
const ME: &str = "anna@city.example";

fn main() -> ExitCode {
    let json = std::env::args().any(|argument| argument == "--json");
    match run(json) {
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

fn run(json: bool) -> Result<Duration, Box<dyn std::error::Error>> {
    let home = tempfile::tempdir()?;
    let mut store = Store::open(home.path())?;
    for first in (0..MESSAGES).step_by(1000) {
        let writes: Vec<Write> = (first..first + 1000)
            .map(|number| Write::Row(row(number)))
            .collect();
        store.apply(&writes)?;
    }
    let all_read = |number: u64| if number.is_multiple_of(10) { EACH / 2 } else { EACH };
    let mut worst = Duration::ZERO;
    for (what, read) in [
        ("one in ten has unread messages", &all_read as &dyn Fn(u64) -> u64),
        ("nothing was ever read", &|_| 0),
    ] {
        worst = worst.max(measure(&store, what, read, json)?);
    }
    store.close()?;
    Ok(worst)
}

/// Half of all times are better.
fn measure(
    store: &Store,
    what: &str,
    read: &dyn Fn(u64) -> u64,
    json: bool,
) -> Result<Duration, client::Error> {
    let me: Address = ME.parse().expect("an address");
    let mut of: Vec<(ConversationId, u64)> = (0..CHATS)
        .map(|number| (conversation(number), read(number)))
        .collect();
    // As an engine tells them.
    of.sort_unstable();
    let (mut times, mut unread, mut mentions) = (Vec::new(), 0, 0);
    for _ in 0..10 {
        let begin = Instant::now();
        let summaries = store.summaries(&of, &me)?;
        times.push(begin.elapsed());
        unread = summaries.iter().map(|summary| summary.unread).sum();
        mentions = summaries.iter().map(|summary| summary.mentions).sum();
    }
    times.sort_unstable();
    let (median, worst) = (times[5], times[9]);
    match json {
        true => println!(
            "{{\"bench\":\"chats\",\"what\":\"{what}\",\"chats\":{CHATS},\"messages\":{MESSAGES},\"unread\":{unread},\"mentions\":\
             {mentions},\"median_us\":{},\"worst_us\":{}}}",
            median.as_micros(),
            worst.as_micros()
        ),
        false => println!(
            "{what:<31} {unread:>6} unread, {mentions:>4} mentions, {median:>8.2?} median, {worst:>8.2?} worst"
        ),
    }
    Ok(median)
}

fn conversation(number: u64) -> ConversationId {
    ConversationId::new(
        u128::from(number % CHATS)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
            .to_be_bytes(),
    )
}

fn row(number: u64) -> TimelineRow {
    let conversation = conversation(number);
    let sender: Address = format!("person{}@city.example", number % 40)
        .parse()
        .expect("an address");
    let salt = u128::from(number).to_le_bytes();
    let content = match number % 50 {
        0 => {
            let me = ME.parse().expect("an address");
            Content::markdown(salt, &format!("the ladder, {}", markdown::mention(&me)))
        }
        _ => Content::text(salt, &format!("the ladder is in the cellar number{number}")),
    };
    let content = content.encode();
    let said = SaidRow {
        message_id: content::message_id(&content, &sender, conversation)
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
        at_ms: BEGIN_MS + number * 60_000,
        took: None,
        mentions_me: false,
        body: Some(Body::Said(said)),
    }
}
