//! One conversation: its pages and its JSON file, written line by line.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use types::wire::TimelineRow;

use super::account::Member;
use super::folder::Page;
use super::html::{self, escape, name};
use super::index::Entry;
use super::line::Line;
use super::{Archive, PAGE};
use crate::Error;
use crate::store;
use crate::told::More;

/// Characters of an answered message that its answer repeats.
const EXCERPT: usize = 80;
/// Members that a page names before it only counts.
const MEMBERS: usize = 20;

/// What there is to say of a conversation besides its lines.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct About {
    pub(crate) conversation: String,
    /// `direct`, `group`, or `unknown` when only its lines are left.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) peer: Option<String>,
    /// As in `veche chats`.
    pub(crate) standing: &'static str,
    pub(crate) members: Vec<Member>,
    /// Everything up to this seq was read.
    pub(crate) read: u64,
    pub(crate) muted: bool,
    /// As RFC 3339 writes it; nothing when it is muted for good, or not.
    pub(crate) muted_until: Option<String>,
    pub(crate) archived: bool,
    pub(crate) draft: String,
    pub(crate) lines: usize,
}

impl About {
    /// What people call it.
    pub(crate) fn title(&self) -> String {
        match (&self.peer, self.name.as_str(), self.kind) {
            (Some(peer), _, _) => peer.clone(),
            (None, "", "unknown") => "A conversation that is over".to_owned(),
            (None, "", _) => "A group without a name".to_owned(),
            (None, name, _) => name.to_owned(),
        }
    }

    fn pages(&self) -> usize {
        self.lines.div_ceil(PAGE).max(1)
    }
}

/// A conversation being written.
pub(crate) struct Conversation<'a> {
    archive: &'a mut Archive,
    about: About,
    json: Page,
    html: Page,
    /// Lines written.
    lines: usize,
    /// The day under which the last line stands.
    day: Option<Date>,
    last_at: Option<Date>,
    /// By the messages' ids.
    said: BTreeMap<String, Said>,
}

/// A message that may be answered further down.
struct Said {
    /// Counted from one.
    line: usize,
    from: String,
    excerpt: String,
}

impl<'a> Conversation<'a> {
    pub(super) fn begin(archive: &'a mut Archive, about: About) -> Result<Self, Error> {
        archive.folder.folder("conversations")?;
        let mut json = archive.folder.file(&json_path(&about.conversation))?;
        let head = serde_json::to_string(&about).expect("these are strings and numbers");
        // The lines become the last field of the same object.
        json.write(head.strip_suffix('}').unwrap_or(&head))?;
        json.write(",\"lines\":[")?;
        let html = begin_page(archive, &about, 1)?;
        Ok(Self {
            archive,
            about,
            json,
            html,
            lines: 0,
            day: None,
            last_at: None,
            said: BTreeMap::new(),
        })
    }

    /// Writes the next line.
    ///
    /// # Errors
    /// [`Error::Export`].
    pub(crate) fn line(&mut self, line: &store::Line) -> Result<(), Error> {
        let row = &line.row;
        if self.lines > 0 && self.lines.is_multiple_of(PAGE) {
            self.turn_page()?;
        }
        self.lines += 1;
        let line = Line::of(line, &self.archive.reader);
        let json = serde_json::to_string(&line).expect("these are strings and numbers");
        self.json.write(if self.lines == 1 { "\n" } else { ",\n" })?;
        self.json.write(&json)?;
        self.begin_day(row)?;
        let item = self.item(row, &line);
        self.html.write(&item)?;
        self.remember(row, line);
        Ok(())
    }

    /// Ends the conversation.
    ///
    /// # Errors
    /// [`Error::Export`].
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        let page = self.page();
        self.json.write("\n]}\n")?;
        self.json.finish()?;
        end_page(self.html, &self.about, (page, self.lines == 0))?;
        self.archive.entries.push(Entry {
            title: self.about.title(),
            what: what(&self.about),
            lines: self.lines,
            last: self.last_at,
            pages: (1..=self.about.pages())
                .map(|page| html_path(&self.about.conversation, page))
                .collect(),
        });
        Ok(())
    }

    /// The page of the line written last.
    fn page(&self) -> usize {
        page_of(self.lines.max(1))
    }

    fn turn_page(&mut self) -> Result<(), Error> {
        let page = self.page();
        let next = begin_page(self.archive, &self.about, page + 1)?;
        end_page(
            std::mem::replace(&mut self.html, next),
            &self.about,
            (page, false),
        )?;
        self.day = None;
        Ok(())
    }

    /// Puts a heading over the first line of a day.
    fn begin_day(&mut self, row: &TimelineRow) -> Result<(), Error> {
        let day = self.archive.reader.at(row.at_ms).map(|at| at.date());
        self.last_at = day.or(self.last_at);
        let is_first = (self.lines - 1).is_multiple_of(PAGE);
        if !is_first && (day.is_none() || day == self.day) {
            return Ok(());
        }
        if !is_first {
            self.html.write("</ol>\n")?;
        }
        self.day = day;
        let heading = day.map_or_else(
            || "At an unknown time".to_owned(),
            |day| day.strftime("%A, %-d %B %Y").to_string(),
        );
        self.html.write(&format!("<h2>{heading}</h2>\n<ol>\n"))
    }

    fn item(&self, row: &TimelineRow, line: &Line) -> String {
        let happened = match line {
            Line::Message {
                text, reply_to, more, ..
            } => return self.message(row, reply_to.as_deref(), text, more),
            Line::File {
                file, reply_to, more, ..
            } => {
                let text = format!("Sent the file \"{}\", which is not in this archive", file.name);
                return self.message(row, reply_to.as_deref(), &text, more);
            }
            Line::Gone { place, seen_once, .. } => match seen_once {
                true => format!(
                    "{} sent something to be seen once, and it was",
                    name(place.from())
                ),
                false => format!("{} withdrew a message", name(place.from())),
            },
            Line::Timer { after_secs: 0, .. } => {
                format!("{} lets messages stay from now on", name(&row.sender))
            }
            Line::Timer { after_secs, .. } => format!(
                "{} lets messages disappear after {after_secs} seconds from now on",
                name(&row.sender)
            ),
            Line::Notice { text, .. } => name(text),
            Line::Undecryptable { .. } => format!(
                "{} sent something that this device could not decrypt",
                name(&row.sender)
            ),
            Line::Unknown { .. } => format!(
                "{} sent something that this version cannot show",
                name(&row.sender)
            ),
        };
        let (id, time) = (self.lines, self.time(row.at_ms));
        format!("<li class=\"notice\" id=\"l{id}\"><p>{time} {happened}</p></li>\n")
    }

    fn message(&self, row: &TimelineRow, reply_to: Option<&str>, text: &str, more: &More) -> String {
        let is_own = row.sender == self.archive.reader.me.to_string();
        let own = if is_own { " own" } else { "" };
        let waits = if row.seq == 0 {
            " <small>waits to be sent</small>"
        } else {
            ""
        };
        let answered = reply_to.map(|id| self.answered(id)).unwrap_or_default();
        let (id, from, time) = (self.lines, name(&row.sender), self.time(row.at_ms));
        let (marks, below) = (super::more::marks(more), super::more::below(more));
        let text = match (more.once, text) {
            (true, "") => "To be seen once, and not in this archive".to_owned(),
            _ => escape(text),
        };
        format!(
            "<li class=\"message{own}\" id=\"l{id}\">\n<p class=\"who\"><b>{from}</b> {time}{marks}{waits}</p>\n{answered}<p \
             class=\"text\" lang=\"\" dir=\"auto\">{text}</p>\n{below}</li>\n"
        )
    }

    fn time(&self, at_ms: u64) -> String {
        match self.archive.reader.at(at_ms) {
            Some(at) => format!(
                "<time datetime=\"{}\">{}</time>",
                at.timestamp(),
                at.strftime("%H:%M")
            ),
            None => "<time>at an unknown time</time>".to_owned(),
        }
    }

    /// What a message answers, with the way there.
    fn answered(&self, id: &str) -> String {
        let Some(said) = self.said.get(id) else {
            return "<p class=\"answered\">Answers a message that is not here</p>\n".to_owned();
        };
        let page = page_of(said.line);
        let file = match page == self.page() {
            true => String::new(),
            false => page_file(&self.about.conversation, page),
        };
        format!(
            "<p class=\"answered\"><a href=\"{file}#l{}\">{}: <span lang=\"\">{}</span></a></p>\n",
            said.line,
            name(&said.from),
            name(&said.excerpt)
        )
    }

    fn remember(&mut self, row: &TimelineRow, line: Line) {
        let (id, text) = match line {
            Line::Message { message_id, text, .. } => (message_id, text),
            Line::File { message_id, file, .. } => (message_id, file.name),
            _ => return,
        };
        if let Some(id) = id {
            let said = Said {
                line: self.lines,
                from: row.sender.clone(),
                excerpt: excerpt(&text),
            };
            self.said.insert(id, said);
        }
    }
}

fn begin_page(archive: &Archive, about: &About, number: usize) -> Result<Page, Error> {
    let mut page = archive.folder.file(&html_path(&about.conversation, number))?;
    let title = about.title();
    html::begin(&mut page, &title)?;
    page.write(&format!(
        "<header>\n<p><a href=\"../index.html\">All conversations</a></p>\n<h1>{}</h1>\n<p>{}</p>\n",
        name(&title),
        people(about)
    ))?;
    if !about.draft.is_empty() {
        page.write(&format!(
            "<p>Begun and not sent: <span lang=\"\">{}</span></p>\n",
            name(&about.draft)
        ))?;
    }
    page.write(&pages(about, number))?;
    page.write("</header>\n<main>\n")?;
    Ok(page)
}

fn end_page(mut page: Page, about: &About, (number, is_empty): (usize, bool)) -> Result<(), Error> {
    let end = if is_empty {
        "<p>Nothing was said here.</p>\n"
    } else {
        "</ol>\n"
    };
    page.write(end)?;
    page.write("</main>\n")?;
    page.write(&pages(about, number))?;
    html::end(page)
}

/// The way to the other pages, if there are any.
fn pages(about: &About, number: usize) -> String {
    let count = about.pages();
    if count == 1 {
        return String::new();
    }
    let link = |page: usize| match page == number {
        true => format!("<b aria-current=\"page\">{page}</b>"),
        false => format!("<a href=\"{}\">{page}</a>", page_file(&about.conversation, page)),
    };
    let links: Vec<String> = (1..=count).map(link).collect();
    format!("<nav aria-label=\"Pages\">Page {}</nav>\n", links.join(" "))
}

fn what(about: &About) -> String {
    let kind = match about.kind {
        "direct" => "between the two of you".to_owned(),
        "group" => format!("group of {}", html::count(about.members.len(), "member")),
        _ => "over".to_owned(),
    };
    let over = if about.standing == "ended" { ", over" } else { "" };
    let archived = if about.archived { ", archived" } else { "" };
    match about.kind {
        "direct" | "group" => format!("{kind}{over}{archived}"),
        _ => kind,
    }
}

fn people(about: &About) -> String {
    if about.kind != "group" || about.members.is_empty() {
        return escape(&what(about));
    }
    let named = about
        .members
        .iter()
        .take(MEMBERS)
        .map(|member| match member.role {
            "member" => name(&member.address),
            role => format!("{} ({role})", name(&member.address)),
        });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match about.members.len().saturating_sub(MEMBERS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}: {named}{more}", escape(&what(about)))
}

fn excerpt(text: &str) -> String {
    let line = text.replace('\n', " ");
    match line.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

/// Lines and pages are counted from one.
const fn page_of(line: usize) -> usize {
    (line - 1) / PAGE + 1
}

fn json_path(conversation: &str) -> String {
    format!("conversations/{conversation}.json")
}

fn html_path(conversation: &str, page: usize) -> String {
    format!("conversations/{}", page_file(conversation, page))
}

fn page_file(conversation: &str, page: usize) -> String {
    match page {
        1 => format!("{conversation}.html"),
        page => format!("{conversation}-{page}.html"),
    }
}
