//! `index.html`: the conversations, those in which something was said last first.

use jiff::civil::Date;

use super::Reader;
use super::folder::Folder;
use super::html::{self, escape, name};
use crate::Error;

/// A conversation in the list.
pub(super) struct Entry {
    pub(super) title: String,
    /// What kind of conversation it is, in words.
    pub(super) what: String,
    pub(super) lines: usize,
    /// The day of the last line.
    pub(super) last: Option<Date>,
    pub(super) pages: Vec<String>,
}

pub(super) fn write(folder: &Folder, reader: &Reader, entries: &mut [Entry]) -> Result<(), Error> {
    entries.sort_by(|one, other| (other.last, &one.title).cmp(&(one.last, &other.title)));
    let mut page = folder.file("index.html")?;
    let me = reader.me.to_string();
    html::begin(&mut page, &me)?;
    let now = reader.now.to_zoned(reader.zone.clone());
    page.write(&format!(
        "<header>\n<h1>{}</h1>\n<p>What one device had on <time datetime=\"{}\">{}</time>. \
         <a href=\"account.json\">Account, devices and contacts</a></p>\n</header>\n<main>\n",
        name(&me),
        reader.now,
        now.strftime("%-d %B %Y, %H:%M"),
    ))?;
    if entries.is_empty() {
        page.write("<p>There are no conversations.</p>\n")?;
    } else {
        page.write("<h2>Conversations</h2>\n<ul class=\"conversations\">\n")?;
        for entry in &*entries {
            page.write(&item(entry))?;
        }
        page.write("</ul>\n")?;
    }
    page.write("</main>\n")?;
    html::end(page)
}

fn item(entry: &Entry) -> String {
    let last = entry
        .last
        .map(|day| {
            format!(
                ", the last on <time datetime=\"{day}\">{}</time>",
                day.strftime("%-d %B %Y")
            )
        })
        .unwrap_or_default();
    let pages = match entry.pages.as_slice() {
        [] | [_] => String::new(),
        pages => {
            let links = pages
                .iter()
                .zip(1..)
                .map(|(path, number)| format!("<a href=\"{path}\">{number}</a>"));
            format!("<br>Page {}", links.collect::<Vec<_>>().join(" "))
        }
    };
    format!(
        "<li><p class=\"title\"><a href=\"{}\">{}</a></p>\n<p>{}; {}{last}{pages}</p></li>\n",
        entry.pages.first().map_or("", String::as_str),
        name(&entry.title),
        escape(&entry.what),
        html::count(entry.lines, "line"),
    )
}
