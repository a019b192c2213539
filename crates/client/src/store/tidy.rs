//! Traces that what was deleted may leave in the index of words (see the crate `search`): they go when the index is
//! written anew. That is quick as long as it is small, and then done whenever the store is closed; otherwise so often that
//! none stays for longer than a day, as long as somebody looks.

use types::{Duration, Timestamp};

use super::{Store, index, local};
use crate::Error;
use crate::store::timeline::unreadable;

/// Pages of 4 kB that are written anew in a moment.
const QUICK_PAGES: i64 = 500;
/// Traces are no older when they go.
const LONGEST: Duration = Duration::from_secs(20 * 3600);

impl Store {
    /// When traces have been left for as long as they may be.
    pub(super) fn next_tidying(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.traces()?.map(|since| match since {
            index::JUST_NOW => self.swept.after(LONGEST),
            since => Timestamp::from_ms(since.cast_unsigned()).after(LONGEST),
        }))
    }

    /// Writes the index anew when it has to be now.
    pub(super) fn tidy_in_time(&mut self, now: Timestamp) -> Result<(), Error> {
        match self.traces()? {
            Some(since) if Timestamp::from_ms(since.cast_unsigned()).after(LONGEST) <= now => {
                self.in_transaction(index::tidy)
            }
            _ => Ok(()),
        }
    }

    /// Writes the index anew when that is quick.
    pub(super) fn tidy_at_the_end(&mut self) -> Result<(), Error> {
        match self.traces()? {
            Some(_) if self.index_pages()? <= QUICK_PAGES => self.in_transaction(index::tidy),
            _ => self.note_traces(),
        }
    }

    /// Of traces that were left since it was looked last, this is the time.
    pub(super) fn note_traces(&mut self) -> Result<(), Error> {
        if self.traces()? != Some(index::JUST_NOW) {
            return Ok(());
        }
        // Zero and one stand for none and just now.
        let since = self.swept.as_ms().max(2).cast_signed();
        self.in_transaction(|transaction| local::put(transaction, index::TRACES, since))
    }

    fn traces(&self) -> Result<Option<i64>, Error> {
        Ok(self.remembered(index::TRACES)?.filter(|since| *since != 0))
    }

    fn index_pages(&self) -> Result<i64, Error> {
        // No more are counted than need be.
        let sql = "SELECT count(*) FROM (SELECT 1 FROM message_search_data LIMIT ?1)";
        self.connection
            .query_row(sql, [QUICK_PAGES + 1], |row| row.get(0))
            .map_err(unreadable)
    }
}
