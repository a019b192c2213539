//! Lines as people see them: each message with everything that was said about it.

use ::timeline::{Message, State};
use content::MessageId;
use rusqlite::{OptionalExtension as _, Transaction, params};
use types::wire::TimelineRow;
use types::{ConversationId, Timestamp};

use prost::Message as _;

use super::Store;
use super::shelf::Rows;
use super::timeline::{Arrival, Place, count, integer, unreadable};
use crate::Error;

/// Rows whose time is over that go away together.
const SWEEP: i64 = 500;

/// A line of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When it came among all others.
    pub arrival: Arrival,
    /// What is kept of it.
    pub row: TimelineRow,
    /// The message that it is, as it stands now; `None` for everything that is no message.
    pub message: Option<Message>,
    /// What it answers, or changes, if that is here and is no secret.
    pub quote: Option<Quote>,
}

/// A message that another one is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Who said it.
    pub from: String,
    /// What it says now.
    pub text: String,
}

impl Store {
    /// The last `limit` lines of a conversation, in the order of [`timeline`](Self::timeline).
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn last_lines(&self, conversation: ConversationId, limit: usize) -> Result<Vec<Line>, Error> {
        let sql = "SELECT arrival, row FROM timeline WHERE conversation = ?1 AND shown
                   ORDER BY position DESC, arrival DESC LIMIT ?2";
        let mut rows = self.lines(sql, params![conversation.as_bytes(), count(limit)])?;
        rows.reverse();
        rows.into_iter()
            .map(|arrived| self.line(arrived.arrival, arrived.row))
            .collect()
    }

    /// Lines after a place, as [`lines_after`](Self::lines_after) gives their rows.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn whole_lines_after(
        &self,
        conversation: ConversationId,
        place: Place,
        limit: usize,
    ) -> Result<(Vec<Line>, Place), Error> {
        let (rows, after) = self.lines_after(conversation, place, limit)?;
        let lines = rows.into_iter().map(|row| self.line(0, row));
        Ok((lines.collect::<Result<_, _>>()?, after))
    }

    /// Up to `limit` rows that came or changed after `arrival`, each as the line that it is.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn lines_since(&self, arrival: Arrival, limit: usize) -> Result<Vec<Line>, Error> {
        let arrived = self.arrived_after(arrival, limit)?.into_iter();
        arrived
            .map(|arrived| self.line(arrived.arrival, arrived.row))
            .collect()
    }

    /// Pinned messages of a conversation, in its order.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn pinned(&self, conversation: ConversationId) -> Result<Vec<Line>, Error> {
        let sql = "SELECT arrival, row FROM timeline AS line WHERE conversation = ?1 AND shown AND message IS NOT NULL
                   AND EXISTS (SELECT 1 FROM timeline WHERE conversation = ?1 AND about = line.message)
                   ORDER BY position, arrival";
        let lines = self.lines(sql, [conversation.as_bytes()])?.into_iter();
        let lines = lines.map(|arrived| self.line(arrived.arrival, arrived.row));
        let is_pinned = |line: &Line| {
            line.message
                .as_ref()
                .is_some_and(|message| message.pinned_by.is_some())
        };
        let mut lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
        lines.retain(is_pinned);
        Ok(lines)
    }

    /// The message of a conversation that is called so, or of which that is an edit; `None` when it is not here.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn message(&self, conversation: ConversationId, id: MessageId) -> Result<Option<Line>, Error> {
        let found = self.bare_message(conversation, id)?;
        found.map(|line| self.line(line.arrival, line.row)).transpose()
    }

    fn bare_message(&self, conversation: ConversationId, id: MessageId) -> Result<Option<Line>, Error> {
        let sql = "SELECT arrival, row FROM timeline WHERE conversation = ?1 AND message = ?2
                   ORDER BY shown DESC, position, arrival LIMIT 1";
        let called = |id: MessageId| -> Result<Option<_>, Error> {
            let found = self.lines(sql, params![conversation.as_bytes(), id.as_bytes()])?;
            Ok(found.into_iter().next())
        };
        let mut found = called(id)?;
        let bond = found.as_ref().map(|found| ::timeline::Bond::of(&found.row));
        if let Some(bond) = bond.filter(|bond| !bond.kind.is_shown()) {
            found = match (bond.kind, bond.about) {
                (::timeline::Kind::Edit, Some(about)) => called(about)?,
                _ => None,
            };
        }
        found
            .map(|arrived| self.bare_line(arrived.arrival, arrived.row))
            .transpose()
    }

    /// Messages of a conversation whose ids begin with these digits, without the first two, which all have alike.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn named(&self, conversation: ConversationId, digits: &str) -> Result<Vec<MessageId>, Error> {
        let read = || -> rusqlite::Result<Vec<Vec<u8>>> {
            let sql = "SELECT DISTINCT message FROM timeline WHERE conversation = ?1 AND message IS NOT NULL AND shown
                       AND substr(hex(message), 3, ?3) = upper(?2)";
            let mut statement = self.connection.prepare_cached(sql)?;
            let params = params![conversation.as_bytes(), digits, count(digits.len())];
            let ids = statement.query_map(params, |row| row.get(0))?;
            ids.collect()
        };
        let ids = read().map_err(unreadable)?.into_iter();
        Ok(ids
            .filter_map(|id| MessageId::try_from(id.as_slice()).ok())
            .collect())
    }

    /// A row as a line, with what it is about.
    pub(super) fn line(&self, arrival: Arrival, row: TimelineRow) -> Result<Line, Error> {
        let mut line = self.bare_line(arrival, row)?;
        let answered = match &line.message {
            Some(message) => match &message.state {
                State::Said(content) => content.in_reply_to,
                _ => None,
            },
            None => ::timeline::Bond::of(&line.row).about,
        };
        let conversation = ConversationId::try_from(line.row.conversation.as_ref()).ok();
        if let (Some(answered), Some(conversation)) = (answered, conversation) {
            line.quote = self
                .bare_message(conversation, answered)?
                .and_then(|line| line.as_quote());
        }
        Ok(line)
    }

    pub(super) fn bare_line(&self, arrival: Arrival, row: TimelineRow) -> Result<Line, Error> {
        let id = ::timeline::Bond::of(&row).id;
        let changes = match id {
            Some(id) => {
                // With an OR instead, SQLite would read the whole conversation.
                let sql = "WITH direct AS (
                               SELECT arrival, row, message FROM timeline WHERE conversation = ?1 AND about = ?2)
                           SELECT arrival, row FROM direct UNION ALL
                           SELECT further.arrival, further.row FROM direct CROSS JOIN timeline AS further
                           ON further.conversation = ?1 AND further.about = direct.message";
                let changes = self.lines(sql, params![&row.conversation[..], id.as_bytes()])?;
                changes.into_iter().map(|arrived| arrived.row).collect()
            }
            None => Vec::new(),
        };
        let message = Message::of(&row, &changes);
        Ok(Line {
            arrival,
            row,
            message,
            quote: None,
        })
    }

    /// Every row that says something about a message.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::Damaged`].
    pub fn changes(&self, conversation: ConversationId, id: MessageId) -> Result<Vec<TimelineRow>, Error> {
        let sql = "SELECT arrival, row FROM timeline WHERE conversation = ?1 AND about = ?2";
        let changes = self.lines(sql, params![conversation.as_bytes(), id.as_bytes()])?;
        Ok(changes.into_iter().map(|arrived| arrived.row).collect())
    }

    /// When there is something to [`sweep`](Self::sweep) next.
    ///
    /// # Errors
    /// [`Error::ReadStore`].
    pub fn next_sweep(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.next_expiry()?.into_iter().chain(self.next_tidying()?).min())
    }

    /// When the next line's time is over.
    ///
    /// # Errors
    /// [`Error::ReadStore`].
    pub fn next_expiry(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT min(expires_ms) FROM timeline WHERE expires_ms IS NOT NULL";
        let next: Option<i64> = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(unreadable)?;
        Ok(next.map(|ms| Timestamp::from_ms(ms.cast_unsigned())))
    }

    /// Takes away every line whose time is over, with everything that was said about it and the files that it brought,
    /// and what was left of others in the index; tells whether there was any line.
    ///
    /// # Errors
    /// [`Error::ReadStore`], [`Error::WriteStore`], [`Error::Home`].
    pub fn sweep(&mut self, now: Timestamp) -> Result<bool, Error> {
        // What was deleted before it is looked at is older than this.
        self.note_traces()?;
        self.swept = now;
        let mut swept = false;
        while self.next_expiry()?.is_some_and(|next| next <= now) {
            self.in_transaction(|transaction| sweep_some(transaction, now))?;
            self.discard_files()?;
            swept = true;
        }
        self.note_traces()?;
        self.tidy_in_time(now)?;
        Ok(swept)
    }
}

fn sweep_some(transaction: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
    let arrivals = {
        let sql = "SELECT arrival FROM timeline WHERE expires_ms <= ?1 LIMIT ?2";
        let mut statement = transaction.prepare_cached(sql)?;
        let arrivals = statement.query_map(params![integer(now.as_ms()), SWEEP], |row| row.get(0))?;
        arrivals.collect::<rusqlite::Result<Vec<Arrival>>>()?
    };
    for arrival in arrivals {
        let bytes: Option<Vec<u8>> = transaction
            .prepare_cached("SELECT row FROM timeline WHERE arrival = ?1")?
            .query_row([arrival], |row| row.get(0))
            .optional()?;
        // It may have gone with another one.
        let Some(bytes) = bytes else { continue };
        match TimelineRow::decode(bytes.as_slice()) {
            Ok(row) => ::timeline::expire(&mut Rows::of(transaction, &row, 0), &row)?,
            // It says nothing any more, and cannot come back to this.
            Err(_) => drop(transaction.execute("DELETE FROM timeline WHERE arrival = ?1", [arrival])?),
        }
    }
    Ok(())
}

impl Line {
    /// A row of which nothing else is known.
    pub fn alone(row: TimelineRow) -> Self {
        let row = ::timeline::modern(row);
        Self {
            arrival: 0,
            message: Message::of(&row, &[]),
            row,
            quote: None,
        }
    }

    fn as_quote(&self) -> Option<Quote> {
        match &self.message.as_ref()?.state {
            State::Said(content) if !content.is_once() => Some(Quote {
                from: self.row.sender.clone(),
                text: ::timeline::text_of(content).unwrap_or_else(|| ::timeline::words_of(content)),
            }),
            _ => None,
        }
    }

    /// What is left of it was taken away by its sender, or because it was to be seen once.
    pub fn is_gone(&self) -> bool {
        self.message
            .as_ref()
            .is_some_and(|message| !matches!(message.state, State::Said(_)))
    }
}
