//! Which stretches of which logs.

use std::collections::BTreeMap;

use types::ConversationId;

use crate::Place;

/// A stretch of a conversation's log, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The conversation.
    pub conversation: ConversationId,
    /// The life of the server's store that the seqs count in.
    pub incarnation: u64,
    /// Its first seq, from one on.
    pub first: u64,
    /// Its last seq.
    pub last: u64,
}

impl Span {
    /// Whether a line belongs into it.
    pub fn contains(&self, place: &Place) -> bool {
        self.log() == (place.conversation, place.incarnation) && (self.first..=self.last).contains(&place.seq)
    }

    pub(crate) fn log(&self) -> (ConversationId, u64) {
        (self.conversation, self.incarnation)
    }

    /// Whether it ends before the other begins, in order of logs and seqs.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        (self.log(), self.last) < (other.log(), other.first)
    }
}

/// Of every log, stretches that neither meet nor overlap, in order.
#[derive(Debug, Default)]
pub(crate) struct Coverage(BTreeMap<(ConversationId, u64), Vec<(u64, u64)>>);

impl Coverage {
    pub(crate) fn of<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Self {
        let mut logs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for span in spans {
            let stretch = (span.first.max(1), span.last);
            logs.entry(span.log()).or_default().push(stretch);
        }
        logs.values_mut().for_each(unite);
        Self(logs)
    }

    /// What is in this one and not in the other.
    pub(crate) fn minus(&self, other: &Self) -> Vec<Span> {
        let mut spans = Vec::new();
        for (log, stretches) in &self.0 {
            let taken = other.0.get(log).map_or(&[][..], Vec::as_slice);
            for stretch in stretches {
                spans.extend(holes(*stretch, taken).map(|(first, last)| Span {
                    conversation: log.0,
                    incarnation: log.1,
                    first,
                    last,
                }));
            }
        }
        spans
    }
}

fn unite(stretches: &mut Vec<(u64, u64)>) {
    stretches.retain(|(first, last)| first <= last);
    stretches.sort_unstable();
    stretches.dedup_by(|next, before| {
        let meets = next.0 <= before.1.saturating_add(1);
        if meets {
            before.1 = before.1.max(next.1);
        }
        meets
    });
}

/// What `taken`, which is in order, leaves of a stretch.
fn holes((first, last): (u64, u64), taken: &[(u64, u64)]) -> impl Iterator<Item = (u64, u64)> {
    let mut from = first;
    let ends = taken.iter().copied().chain([(u64::MAX, u64::MAX)]);
    ends.filter_map(move |(begin, end)| {
        let hole = (from, last.min(begin - 1));
        from = from.max(end.saturating_add(1));
        (hole.0 <= hole.1).then_some(hole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(conversation: u8, first: u64, last: u64) -> Span {
        Span {
            conversation: ConversationId::new([conversation; 16]),
            incarnation: 1,
            first,
            last,
        }
    }

    #[test]
    fn what_is_left_over() {
        let check = |held: &[Span], covered: &[Span], expected: &[Span]| {
            let left = Coverage::of(held).minus(&Coverage::of(covered));
            assert_eq!(left, expected, "{held:?} minus {covered:?}");
        };
        check(&[], &[span(1, 1, 9)], &[]);
        check(&[span(1, 0, 9)], &[], &[span(1, 1, 9)]);
        check(&[span(1, 1, 9)], &[span(2, 1, 9)], &[span(1, 1, 9)]);
        check(&[span(1, 1, 9)], &[span(1, 1, 9)], &[]);
        check(
            &[span(1, 1, 4), span(1, 5, 9)],
            &[span(1, 3, 3), span(1, 6, 7)],
            &[span(1, 1, 2), span(1, 4, 5), span(1, 8, 9)],
        );
        check(
            &[span(1, 5, 9), span(1, 20, 20)],
            &[span(1, 1, 6), span(1, 9, 30)],
            &[span(1, 7, 8)],
        );
        check(&[span(1, 9, 5)], &[], &[]);
        check(&[span(1, 1, u64::MAX)], &[span(1, 4, u64::MAX)], &[span(1, 1, 3)]);
    }
}
