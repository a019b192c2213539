//! Keeping rows: what is withdrawn goes, whichever of the two came first.

use content::MessageId;
use types::Timestamp;
use types::wire::{Taken, TimelineRow};

use crate::{Bond, Kind, Place};

/// Where one conversation's rows are kept. Everything that [`take`] and [`expire`] do to it belongs together: all of it
/// is kept, or nothing.
pub trait Shelf {
    /// Why it cannot be read or written.
    type Error;

    /// The rows of the message that is called so, in any order: its sender may have said the very same twice.
    ///
    /// # Errors
    /// When they cannot be read.
    fn called(&self, id: MessageId) -> Result<Vec<TimelineRow>, Self::Error>;

    /// Every row that says something about the message that is called so, in any order.
    ///
    /// # Errors
    /// When it cannot be read.
    fn about(&self, id: MessageId) -> Result<Vec<TimelineRow>, Self::Error>;

    /// Nothing but its place is left of the row with this row's entry id.
    ///
    /// # Errors
    /// When it cannot be read.
    fn is_erased(&self, row: &TimelineRow) -> Result<bool, Self::Error>;

    /// Nothing but its place is left of the message that is called so, as far as that is known.
    ///
    /// # Errors
    /// When it cannot be read.
    fn is_gone(&self, id: MessageId) -> Result<bool, Self::Error>;

    /// Keeps a row, in the place of any other with its entry id.
    ///
    /// # Errors
    /// When it cannot be written.
    fn put(&mut self, row: &TimelineRow, bond: &Bond) -> Result<(), Self::Error>;

    /// Leaves nothing of a row but its place.
    ///
    /// # Errors
    /// When it cannot be written.
    fn erase(&mut self, row: &TimelineRow) -> Result<(), Self::Error>;
}

/// Keeps a row, and takes away what is withdrawn by it or was withdrawn before it came.
///
/// # Errors
/// Those of the shelf.
pub fn take<S: Shelf>(shelf: &mut S, row: &TimelineRow) -> Result<(), S::Error> {
    if shelf.is_erased(row)? {
        // The server has put it somewhere meanwhile: that is its place now.
        return shelf.erase(row);
    }
    let bond = Bond::of(row);
    if let Some(about) = bond.about {
        if !bond.kind.takes_away() && shelf.is_gone(about)? {
            return expire(shelf, row);
        }
        if bond.kind.takes_away() && row.took.is_none() {
            return take_end(shelf, row, about);
        }
    }
    keep(shelf, row, &bond)
}

/// A withdrawal that comes once more does not let go of what it took.
fn take_end<S: Shelf>(shelf: &mut S, row: &TimelineRow, about: MessageId) -> Result<(), S::Error> {
    let known = shelf.about(about)?;
    let known = known.into_iter().find(|known| known.entry_id == row.entry_id);
    let row = TimelineRow {
        took: known.and_then(|known| known.took),
        ..row.clone()
    };
    keep(shelf, &row, &Bond::of(&row))
}

fn keep<S: Shelf>(shelf: &mut S, row: &TimelineRow, bond: &Bond) -> Result<(), S::Error> {
    shelf.put(row, bond)?;
    for id in [bond.id, bond.about].into_iter().flatten() {
        settle(shelf, id)?;
    }
    Ok(())
}

/// Takes away a message whose time is over, with everything that was said about it.
///
/// # Errors
/// Those of the shelf.
pub fn expire<S: Shelf>(shelf: &mut S, row: &TimelineRow) -> Result<(), S::Error> {
    shelf.erase(row)?;
    match Bond::of(row).id {
        Some(id) => clear(shelf, id, None),
        None => Ok(()),
    }
}

/// Does what the withdrawals of a message ask for.
fn settle<S: Shelf>(shelf: &mut S, id: MessageId) -> Result<(), S::Error> {
    let targets = shelf.called(id)?;
    if targets.iter().any(|row| Bond::of(row).kind.takes_away()) {
        // What is withdrawn does not come back.
        return Ok(());
    }
    let mut ends: Vec<TimelineRow> = shelf
        .about(id)?
        .into_iter()
        .filter(|row| Bond::of(row).kind.takes_away())
        .collect();
    ends.sort_by_key(Place::of);
    let taken = ends.iter().find_map(|end| end.took.clone());
    let taken = taken.or_else(|| targets.iter().min_by_key(|row| Place::of(row)).map(place_of));
    let Some(taken) = taken else {
        // Whoever withdraws something that is not here may have the right to, or not.
        return Ok(());
    };
    let Some(mut first) = ends.into_iter().find(|end| may_take(end, &taken)) else {
        return Ok(());
    };
    if first.took.is_none() {
        first.took = Some(taken);
        shelf.put(&first, &Bond::of(&first))?;
    }
    for target in targets {
        shelf.erase(&target)?;
    }
    clear(shelf, id, Some(&first))
}

/// Only its sender may withdraw a message; whoever has seen what is to be seen once says so to their own devices only.
fn may_take(end: &TimelineRow, taken: &Taken) -> bool {
    match Bond::of(end).kind {
        Kind::Withdrawal => end.sender == taken.sender,
        _ => true,
    }
}

fn place_of(row: &TimelineRow) -> Box<Taken> {
    let bond = Bond::of(row);
    Box::new(Taken {
        entry_id: row.entry_id.clone(),
        seq: row.seq,
        at_ms: row.at_ms,
        sender: row.sender.clone(),
        shown: bond.kind.is_shown(),
        expires_ms: bond.expires.map_or(0, Timestamp::as_ms),
    })
}

/// Takes away everything about a message, but for one row.
fn clear<S: Shelf>(shelf: &mut S, id: MessageId, but: Option<&TimelineRow>) -> Result<(), S::Error> {
    for row in shelf.about(id)? {
        if but.is_some_and(|but| but.entry_id == row.entry_id) {
            continue;
        }
        expire(shelf, &row)?;
    }
    Ok(())
}
