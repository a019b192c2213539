//! What one device is shown of one log, numbered without holes.

use types::wire::Entry;

/// The server's numbers on one side, those that the reader is told on the other.
#[derive(Default)]
pub(super) struct View {
    /// Up to here, in the server's numbers, entries were taken in.
    taken: u64,
    /// The last number that the reader was told.
    last: u64,
    shown: Vec<Shown>,
}

struct Shown {
    /// The newest entry of the server's when this one was shown.
    at: u64,
    entry: Entry,
}

impl View {
    /// The reader asks for what comes after `after`; gives what to ask the server for.
    pub(super) fn begin(&mut self, after: u64) -> u64 {
        // Joined or rejoined at this place: what was before is none of its business.
        if after > self.last {
            self.taken = self.to_server(after);
            self.last = after;
        }
        self.taken
    }

    /// What the reader was shown after this number.
    pub(super) fn after(&self, after: u64) -> Vec<Entry> {
        let shown = self.shown.iter().filter(|shown| shown.entry.seq > after);
        shown.map(|shown| shown.entry.clone()).collect()
    }

    /// The server's next entry came, and `instead` stands in its place; what came before is shown as it was.
    pub(super) fn take(&mut self, entry: Entry, instead: impl FnOnce(Entry) -> Vec<Entry>) -> Vec<Entry> {
        let at = entry.seq;
        if at <= self.taken {
            let again = self.shown.iter().filter(|shown| shown.at == at);
            return again.map(|shown| shown.entry.clone()).collect();
        }
        // Where the server passes over something, so does the view.
        self.pass(at - 1);
        self.taken = at;
        instead(entry)
            .into_iter()
            .map(|entry| self.append(entry))
            .collect()
    }

    /// The server shows nothing up to here.
    pub(super) fn pass(&mut self, upto: u64) {
        self.last += upto.saturating_sub(self.taken);
        self.taken = self.taken.max(upto);
    }

    /// Shows an entry after all others.
    pub(super) fn append(&mut self, entry: Entry) -> Entry {
        self.last += 1;
        let entry = Entry {
            seq: self.last,
            ..entry
        };
        self.shown.push(Shown {
            at: self.taken,
            entry: entry.clone(),
        });
        entry
    }

    /// Leaves a number out.
    pub(super) fn skip(&mut self) {
        self.last += 1;
    }

    /// Counts from one again, as another store would.
    pub(super) fn restart(&mut self) {
        self.last = 0;
        self.shown.clear();
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The reader's number for one of the server's.
    pub(super) fn to_reader(&self, seq: u64) -> u64 {
        if seq > self.taken {
            return self.last + (seq - self.taken);
        }
        let upto = self.shown.iter().rev().find(|shown| shown.at <= seq);
        upto.map_or(seq.min(self.last), |shown| shown.entry.seq)
    }

    /// The server's number for one of the reader's.
    pub(super) fn to_server(&self, seq: u64) -> u64 {
        if seq > self.last {
            return self.taken + (seq - self.last);
        }
        let upto = self.shown.iter().rev().find(|shown| shown.entry.seq <= seq);
        upto.map_or(seq.min(self.taken), |shown| shown.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64) -> Entry {
        Entry {
            seq,
            entry_id: vec![u8::try_from(seq).unwrap(); 16].into(),
            body: None,
        }
    }

    fn numbers(entries: &[Entry]) -> Vec<(u64, u8)> {
        entries
            .iter()
            .map(|entry| (entry.seq, entry.entry_id[0]))
            .collect()
    }

    #[test]
    fn whatever_is_left_out_or_put_in_leaves_no_hole() {
        let mut view = View::default();
        assert_eq!(view.begin(3), 3, "who joins after the third sees nothing before");
        assert_eq!(
            numbers(&view.take(entry(4), |entry| vec![entry])),
            [(4, 4)],
            "as it is"
        );
        assert_eq!(view.take(entry(5), |_| Vec::new()), [], "left out");
        let twice = view.take(entry(6), |entry| vec![entry.clone(), entry]);
        assert_eq!(numbers(&twice), [(5, 6), (6, 6)]);
        view.append(entry(99));
        assert_eq!(numbers(&view.take(entry(7), |entry| vec![entry])), [(8, 7)]);
        assert_eq!(numbers(&view.after(5)), [(6, 6), (7, 99), (8, 7)]);
        assert_eq!(
            numbers(&view.take(entry(6), |_| Vec::new())),
            [(5, 6), (6, 6), (7, 99)],
            "the same again"
        );
        for (server, reader) in [(3, 3), (4, 4), (5, 4), (6, 7), (7, 8), (9, 10)] {
            assert_eq!(view.to_reader(server), reader, "{server}");
        }
        for (reader, server) in [(3, 3), (4, 4), (5, 6), (7, 6), (8, 7), (10, 9)] {
            assert_eq!(view.to_server(reader), server, "{reader}");
        }
        assert_eq!(view.begin(6), 7, "the server is asked for what is new only");
        assert_eq!(view.begin(20), 19, "rejoined later on");
        view.skip();
        assert_eq!(numbers(&view.take(entry(20), |entry| vec![entry])), [(22, 20)]);
        view.restart();
        assert_eq!(view.to_reader(21), 1);
        assert_eq!(numbers(&view.take(entry(21), |entry| vec![entry])), [(1, 21)]);
    }
}
