//! Throwing key packages away.

use bytes::Bytes;
use storage::{Batch, Check, Logs, Outcome, Records, Value};
use types::{DeviceId, Refusal, Suite};

use crate::Directory;
use crate::stock::{Shelf, Stock};

/// How often to begin anew when others take from a stock that is to be emptied.
const ATTEMPTS: usize = 64;
/// Notes of packages that are deleted at once.
const NOTES: usize = 256;

impl<L: Logs, R: Records> Directory<L, R> {
    /// Throws the key packages of a device away that is gone, and every note of them.
    pub(crate) async fn clear_stock(&self, device: DeviceId) -> Result<(), Refusal> {
        for suite in Suite::ALL {
            let shelf = Shelf { device, suite };
            self.empty(shelf, |_| None).await?;
            self.clear_notes(shelf).await?;
        }
        Ok(())
    }

    /// Throws the key packages of a device away that stays, as they are not good any more. The stock is another one
    /// afterwards even where there was none, so that a publication that was judged before fails.
    pub(crate) async fn renew_stock(&self, device: DeviceId) -> Result<(), Refusal> {
        let renewed = |before: &Stock| {
            Some(Stock {
                change: before.change + 1,
                first: before.next,
                next: before.next,
                ..Stock::default()
            })
        };
        for suite in Suite::ALL {
            self.empty(Shelf { device, suite }, renewed).await?;
        }
        Ok(())
    }

    /// Empties a shelf, on which there is the stock `after` then.
    async fn empty(&self, shelf: Shelf, after: impl Fn(&Stock) -> Option<Stock>) -> Result<(), Refusal> {
        for _ in 0..ATTEMPTS {
            let (cell, before) = self.on_shelf(shelf).await?;
            let after = after(&before);
            if cell.is_none() && after.is_none() {
                return Ok(());
            }
            let batch = emptying(shelf, cell, &before, after);
            if let Outcome::Committed { .. } = self.logs.commit(batch).await? {
                return Ok(());
            }
        }
        Err(Refusal::overloaded())
    }

    async fn clear_notes(&self, shelf: Shelf) -> Result<(), Refusal> {
        loop {
            let notes = self.logs.cells(&shelf.all_seen(), NOTES).await?;
            if notes.is_empty() {
                return Ok(());
            }
            let batch = Batch {
                cells: notes.into_iter().map(|note| (note.key, None)).collect(),
                ..Batch::default()
            };
            self.logs.commit(batch).await?;
        }
    }
}

fn emptying(shelf: Shelf, cell: Option<Bytes>, before: &Stock, after: Option<Stock>) -> Batch {
    let after = after.map(|after| Value::Plain(after.encode()));
    let mut cells = vec![(shelf.stock(), after), (shelf.last_resort(), None)];
    cells.extend((before.first..before.next).map(|number| (shelf.one_time(number), None)));
    Batch {
        checks: vec![Check::Cell {
            key: shelf.stock(),
            value: cell,
        }],
        cells,
        ..Batch::default()
    }
}
