//! `veche inbox`.

use std::collections::BTreeMap;
use std::io::Write;

use engine::{ConversationView, Event};
use tokio::sync::broadcast::error::RecvError;
use types::wire::TimelineRow;
use types::{Address, ConversationId};

use super::chats::{heading, mark_read};
use super::{End, signals};
use crate::cli::failure::Failure;
use crate::cli::object::{self, Object};
use crate::cli::output::Output;
use crate::cli::session::{Patience, Session};
use crate::cli::terminal;
use crate::store::{Arrival, Line};
use crate::system;

/// Lines that are read, shown and marked as shown together.
const PAGE: usize = 500;

/// What to show.
#[derive(Clone, Copy)]
pub(super) struct Options {
    pub(super) follow: bool,
    /// From the beginning, one's own included.
    pub(super) all: bool,
}

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    options: Options,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let synced = match options.follow {
        true => Ok(()),
        false => session.sync(Patience::UntilTimeout).await,
    };
    let mut inbox = Inbox {
        me,
        all: options.all,
        shown: if options.all {
            Arrival::MIN
        } else {
            session.client.shown().await?
        },
    };
    let some = inbox.show_news(session, output).await?;
    if options.follow {
        session.tend_always();
        return inbox.follow(session, output).await;
    }
    synced?;
    if !some {
        output.remark("nothing new")?;
        output.flush()?;
    }
    Ok(End::Done)
}

struct Inbox {
    me: Address,
    all: bool,
    /// Everything up to here was shown.
    shown: Arrival,
}

impl Inbox {
    /// Shows what came since, page by page; tells whether there was anything.
    async fn show_news<W: Write>(
        &mut self,
        session: &Session,
        output: &mut Output<W>,
    ) -> Result<bool, Failure> {
        let mut some = false;
        loop {
            let shown = self.shown;
            let page = session
                .client
                .ask_store(move |store| store.lines_since(shown, PAGE))
                .await?;
            let Some(last) = page.last().map(|line| line.arrival) else {
                return Ok(some);
            };
            some |= self.show_page(session, output, page).await?;
            session.client.set_shown(last).await?;
            self.shown = last;
        }
    }

    async fn show_page<W: Write>(
        &self,
        session: &Session,
        output: &mut Output<W>,
        mut lines: Vec<Line>,
    ) -> Result<bool, Failure> {
        let views = read_views(session, &lines).await?;
        let is_read = |row: &TimelineRow| {
            let view = views.get(&row.conversation[..]);
            // What this device noticed by itself was read on no other one.
            ::backup::is_kept(row) && view.is_some_and(|view| row.seq <= view.read)
        };
        let is_news = |row: &TimelineRow| object::is_news(row, &self.me) && !is_read(row);
        lines.retain(|line| (self.all || is_news(&line.row)) && object::is_told(&line.row));
        if output.is_text() {
            group(&mut lines);
        }
        for line in &lines {
            let row = &line.row;
            if let Ok(id) = ConversationId::try_from(row.conversation.as_ref()) {
                output.under(&heading(id, views.get(&row.conversation[..])))?;
            }
            output.show(&Object::of_line(line, &self.me))?;
        }
        // Only what the person can have seen counts as read.
        output.flush()?;
        let rows: Vec<TimelineRow> = lines.into_iter().map(|line| line.row).collect();
        mark_read(session, &rows).await?;
        Ok(!rows.is_empty())
    }

    /// Shows what comes until the person has seen enough.
    async fn follow<W: Write>(
        &mut self,
        session: &mut Session,
        output: &mut Output<W>,
    ) -> Result<End, Failure> {
        loop {
            let Some(event) = session.next_event().await else {
                return Ok(End::Done);
            };
            match event.as_deref() {
                Ok(Event::Row(_)) | Err(RecvError::Lagged(_)) => {
                    self.show_news(session, output).await?;
                }
                Ok(event @ Event::Typing { until, .. }) if *until > system::now() => {
                    if let Some(typing) = signals::of_event(event) {
                        output.show(&typing)?;
                        output.flush()?;
                    }
                }
                Ok(Event::Online) => terminal::tell("connected"),
                Ok(Event::Offline) => terminal::tell("the connection broke; trying again …"),
                Ok(Event::Trouble(error)) => terminal::warn(&Failure::of_engine(error).message),
                Ok(Event::Refused(refusal)) => return Err(Failure::refused(refusal)),
                Ok(_) => {}
                // The client stopped; it says why to whoever asks.
                Err(RecvError::Closed) => {
                    session.client.account().await?;
                    return Ok(End::Done);
                }
            }
        }
    }
}

/// Brings the lines of each conversation together, in the order in which the conversations first appear.
fn group(lines: &mut [Line]) {
    let mut order = BTreeMap::new();
    for line in &*lines {
        let next = order.len();
        order.entry(line.row.conversation.clone()).or_insert(next);
    }
    lines.sort_by_key(|line| order.get(&line.row.conversation).copied());
}

/// The conversations of these lines, as they stand now.
async fn read_views(
    session: &Session,
    lines: &[Line],
) -> Result<BTreeMap<Vec<u8>, ConversationView>, Failure> {
    let mut views = BTreeMap::new();
    for row in lines.iter().map(|line| &line.row) {
        if views.contains_key(&row.conversation[..]) {
            continue;
        }
        if let Ok(id) = ConversationId::try_from(row.conversation.as_ref())
            && let Some(view) = session.client.conversation(id).await?
        {
            views.insert(row.conversation.to_vec(), view);
        }
    }
    Ok(views)
}
