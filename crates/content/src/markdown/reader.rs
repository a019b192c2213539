//! From what a parser of Markdown finds to a text with spans.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::{Formatted, Mark, Span};
use crate::uri::has_scheme;
use crate::{address_of_uri, conversation_of_uri};

pub(super) fn read(source: &str) -> Formatted {
    let mut reader = Reader::new(source);
    for (event, range) in Parser::new_ext(source, Options::ENABLE_STRIKETHROUGH).into_offset_iter() {
        reader.take(event, range);
    }
    reader.finish()
}

/// Most spans that one place may lie in: whoever draws them may do so recursively.
const DEPTH: usize = 16;

struct Reader<'s> {
    source: &'s str,
    text: String,
    spans: Vec<Span>,
    /// What has begun and not ended.
    open: Vec<Open>,
    /// The number of the next item, for every list that is open.
    lists: Vec<Option<u64>>,
    /// Line breaks that stand before what comes next.
    gap: usize,
    /// How deep we are inside something that has been shown as it was typed.
    passing_over: usize,
}

struct Open {
    /// Where its text begins.
    start: usize,
    /// Which span it is.
    span: Option<usize>,
}

impl<'s> Reader<'s> {
    fn new(source: &'s str) -> Self {
        Self {
            source,
            text: String::with_capacity(source.len()),
            spans: Vec::new(),
            open: Vec::new(),
            lists: Vec::new(),
            gap: 0,
            passing_over: 0,
        }
    }

    fn finish(self) -> Formatted {
        if self.text.is_empty() {
            return Formatted {
                text: self.source.to_owned(),
                spans: Vec::new(),
            };
        }
        Formatted {
            text: self.text,
            spans: self.spans,
        }
    }

    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(_) if self.passing_over > 0 => self.passing_over += 1,
            Event::End(_) if self.passing_over > 0 => self.passing_over -= 1,
            _ if self.passing_over > 0 => {}
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.push(&text),
            Event::Code(code) => {
                self.open(Some(Mark::Code));
                self.push(&code);
                self.close();
            }
            Event::SoftBreak | Event::HardBreak => self.push("\n"),
            Event::Rule => {
                self.separate();
                self.push(self.source[range].trim());
                self.gap = 2;
            }
            // Of extensions that are off.
            Event::TaskListMarker(_)
            | Event::FootnoteReference(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_) => self.push(&self.source[range]),
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Emphasis => self.open(Some(Mark::Italic)),
            Tag::Strong => self.open(Some(Mark::Bold)),
            Tag::Strikethrough => self.open(Some(Mark::Strikethrough)),
            Tag::Heading { .. } => self.open_block(Some(Mark::Bold)),
            Tag::BlockQuote(_) => self.open_block(Some(Mark::Quote)),
            Tag::CodeBlock(kind) => self.open_block(Some(Mark::CodeBlock {
                language: match kind {
                    CodeBlockKind::Fenced(language) => language.into_string(),
                    CodeBlockKind::Indented => String::new(),
                },
            })),
            Tag::List(number) => {
                self.separate();
                self.lists.push(number);
                self.open(None);
            }
            Tag::Item => {
                let number = self.next_number();
                self.open(Some(Mark::Item { number }));
            }
            Tag::Paragraph | Tag::HtmlBlock => self.open_block(None),
            Tag::Link {
                link_type, dest_url, ..
            } => match target(link_type, &dest_url) {
                Some(mark) => self.open(Some(mark)),
                None => self.pass_over(range),
            },
            Tag::Image { .. } => self.pass_over(range),
            // Of extensions that are off.
            _ => self.open(None),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::CodeBlock | TagEnd::HtmlBlock => {
                self.strip_break();
                self.close();
                self.gap = 2;
            }
            TagEnd::Link => {
                self.name_link();
                self.close();
            }
            TagEnd::List(_) => {
                self.lists.pop();
                self.close();
                self.gap = 2;
            }
            TagEnd::Item => {
                self.close();
                self.gap = 1;
            }
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::BlockQuote(_) => {
                self.close();
                self.gap = 2;
            }
            _ => self.close(),
        }
    }

    /// Adds text, after the gap that is due.
    fn push(&mut self, text: &str) {
        self.fill_gap();
        self.text.push_str(text);
    }

    fn fill_gap(&mut self) {
        self.text.extend(std::iter::repeat_n('\n', self.gap));
        self.gap = 0;
    }

    /// Puts a block on a line of its own. Only the text of an item comes without having begun a block.
    fn separate(&mut self) {
        let start = self.open.last().map_or(0, |open| open.start);
        if self.gap == 0 && self.text.len() > start {
            self.gap = 1;
        }
    }

    fn open_block(&mut self, mark: Option<Mark>) {
        self.separate();
        self.open(mark);
    }

    fn open(&mut self, mark: Option<Mark>) {
        self.fill_gap();
        let start = self.text.len();
        let depth = self
            .open
            .iter()
            .filter(|open| open.span.is_some())
            .take(DEPTH)
            .count();
        let span = mark.filter(|_| depth < DEPTH).map(|mark| {
            self.spans.push(Span {
                start,
                end: start,
                mark,
            });
            self.spans.len() - 1
        });
        self.open.push(Open { start, span });
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop()
            && let Some(span) = open.span
        {
            self.spans[span].end = self.text.len();
        }
    }

    /// Takes away the break behind the last line of a block.
    fn strip_break(&mut self) {
        let start = self.open.last().map_or(0, |open| open.start);
        if self.text.len() > start && self.text.ends_with('\n') {
            self.text.pop();
        }
    }

    /// A link without words is shown by where it leads.
    fn name_link(&mut self) {
        let Some(Open {
            start,
            span: Some(span),
        }) = self.open.last()
        else {
            return;
        };
        if self.text.len() > *start {
            return;
        }
        let name = match &self.spans[*span].mark {
            Mark::Link { url } => url.clone(),
            Mark::Mention(address) => format!("@{}", address.handle),
            _ => "@all".to_owned(),
        };
        self.push(&name);
    }

    fn next_number(&mut self) -> Option<u64> {
        let next = self.lists.last_mut()?;
        let number = *next;
        *next = number.map(|number| number.saturating_add(1));
        number
    }

    /// Shows something as it was typed, with all that is in it.
    fn pass_over(&mut self, range: Range<usize>) {
        self.push(&self.source[range]);
        self.passing_over = 1;
    }
}

/// What a link is; `None` when nobody should follow it.
fn target(link_type: LinkType, url: &str) -> Option<Mark> {
    if link_type == LinkType::Email {
        let url = format!("mailto:{url}");
        return Some(Mark::Link { url });
    }
    let link = || {
        ["https://", "http://", "mailto:", "tel:"]
            .iter()
            .any(|scheme| has_scheme(url, scheme))
            .then(|| Mark::Link { url: url.to_owned() })
    };
    let mention = address_of_uri(url).map(Mark::Mention);
    mention
        .or_else(|| conversation_of_uri(url).map(Mark::MentionAll))
        .or_else(link)
}
