//! Token buckets: so many an hour, as many at once when nothing was asked for a while.

use std::collections::BTreeMap;

use types::{Address, Duration, Timestamp};

/// Accounts that are counted at once. Those whose bucket is full again need no counting.
const BUCKETS: usize = 10_000;
const HOUR_MS: u64 = 3_600_000;

/// One bucket for each account that took something lately.
#[derive(Debug)]
pub(crate) struct Buckets {
    per_hour: u64,
    levels: BTreeMap<Address, Level>,
}

/// How full a bucket was at a moment. In tokens times [`HOUR_MS`], so that a millisecond brings `per_hour`.
#[derive(Clone, Copy, Debug)]
struct Level {
    at: Timestamp,
    fill: u64,
}

impl Buckets {
    pub(crate) fn new(per_hour: u32) -> Self {
        Self {
            per_hour: per_hour.into(),
            levels: BTreeMap::new(),
        }
    }

    /// Takes `tokens` from an account's bucket, all or none.
    ///
    /// # Errors
    /// How long until there are enough.
    pub(crate) fn take(&mut self, now: Timestamp, account: &Address, tokens: usize) -> Result<(), Duration> {
        let wanted = u64::try_from(tokens).unwrap_or(u64::MAX).saturating_mul(HOUR_MS);
        let fill = self.fill(now, account);
        if let Some(left) = fill.checked_sub(wanted) {
            self.make_room(now, account);
            self.levels.insert(account.clone(), Level { at: now, fill: left });
            return Ok(());
        }
        Err(Duration::from_millis((wanted - fill).div_ceil(self.per_hour)))
    }

    fn full(&self) -> u64 {
        self.per_hour * HOUR_MS
    }

    fn fill(&self, now: Timestamp, account: &Address) -> u64 {
        self.levels
            .get(account)
            .map_or(self.full(), |level| self.grown(now, *level))
    }

    fn grown(&self, now: Timestamp, level: Level) -> u64 {
        let elapsed = u64::try_from(now.since(level.at).as_millis()).unwrap_or(u64::MAX);
        level
            .fill
            .saturating_add(elapsed.saturating_mul(self.per_hour))
            .min(self.full())
    }

    fn make_room(&mut self, now: Timestamp, account: &Address) {
        if self.levels.len() < BUCKETS || self.levels.contains_key(account) {
            return;
        }
        let full = self.full();
        let mut levels = std::mem::take(&mut self.levels);
        levels.retain(|_, level| self.grown(now, *level) < full);
        // Still no room: the one that has waited longest is closest to being full.
        if levels.len() >= BUCKETS {
            let oldest = levels
                .iter()
                .min_by_key(|(_, level)| level.at)
                .map(|(account, _)| account.clone());
            oldest.and_then(|oldest| levels.remove(&oldest));
        }
        self.levels = levels;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: usize) -> Address {
        format!("user{number}@city.example").parse().unwrap()
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let mut buckets = Buckets::new(100);
        let start = Timestamp::from_ms(HOUR_MS);
        assert_eq!(buckets.take(start, &account(1), 100), Ok(()));
        assert_eq!(buckets.take(start, &account(1), 1), Err(Duration::from_secs(36)));
        assert_eq!(buckets.take(start, &account(2), 1), Ok(()));
        let later = start.after(Duration::from_secs(36));
        assert_eq!(buckets.take(later, &account(1), 1), Ok(()));
        assert!(buckets.take(later, &account(1), 1).is_err());
        assert!(
            buckets
                .take(later.after(Duration::from_secs(7200)), &account(1), 101)
                .is_err()
        );
    }

    #[test]
    fn buckets_are_bounded() {
        let mut buckets = Buckets::new(100);
        let now = Timestamp::from_ms(1);
        (0..BUCKETS + 10).for_each(|number| buckets.take(now, &account(number), 1).unwrap());
        assert_eq!(buckets.levels.len(), BUCKETS);
        buckets
            .take(now.after(Duration::from_secs(3600)), &account(0), 1)
            .unwrap();
        assert!(buckets.levels.len() <= 2);
    }
}
