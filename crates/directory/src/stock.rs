//! The stock of key packages of a device, as cells: one for what there is, one for each package.

use bytes::Bytes;
use storage::{Key, Logs, Records};
use types::{DeviceId, Refusal, Suite, Timestamp, limits, wire};

use crate::Directory;
use crate::refusals::damaged;

/// A device's stock for one suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shelf {
    pub(crate) device: DeviceId,
    pub(crate) suite: Suite,
}

/// What stands on a shelf. One-time packages are numbered in the order they came, and go in that order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stock {
    /// Counts changes, so that no two stocks of a shelf are ever the same.
    pub(crate) change: u64,
    /// Number of the next one-time package to go.
    pub(crate) first: u64,
    /// Number that the next one to come gets.
    pub(crate) next: u64,
    pub(crate) last_resort: Option<LastResort>,
    /// The device was told that the stock is low, since it last came with more.
    pub(crate) told_low: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastResort {
    pub(crate) expires: Timestamp,
    /// It was handed out.
    pub(crate) used: bool,
}

/// A one-time key package on the shelf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneTime {
    pub(crate) expires: Timestamp,
    pub(crate) package: Bytes,
}

impl Shelf {
    pub(crate) fn stock(self) -> Key {
        self.key(b"key-packages/", &[])
    }

    pub(crate) fn one_time(self, number: u64) -> Key {
        self.key(b"key-package/", &[&number.to_be_bytes()])
    }

    pub(crate) fn last_resort(self) -> Key {
        self.key(b"last-resort/", &[])
    }

    /// Where it is noted which packages were ever here, until they expire: none goes out twice, even when a device
    /// sends it again because it missed the answer.
    pub(crate) fn seen(self, expires: Timestamp, hash: [u8; 32]) -> Key {
        self.key(b"key-package-seen/", &[&expires.as_ms().to_be_bytes(), &hash])
    }

    pub(crate) fn all_seen(self) -> Key {
        self.key(b"key-package-seen/", &[])
    }

    fn key(self, kind: &[u8], rest: &[&[u8]]) -> Key {
        [
            kind,
            self.device.as_bytes(),
            &self.suite.code().to_be_bytes(),
            &rest.concat(),
        ]
        .concat()
        .into()
    }
}

impl Stock {
    const LEN: usize = 33;
    const USED: u8 = 1;
    const TOLD_LOW: u8 = 2;

    pub(crate) fn len(&self) -> u64 {
        self.next - self.first
    }

    pub(crate) fn is_low(&self) -> bool {
        self.len() <= limits::KEY_PACKAGE_STOCK as u64 / 2
    }

    /// Still good, and known to nobody.
    pub(crate) fn has_fresh_last_resort(&self, now: Timestamp) -> bool {
        self.last_resort
            .is_some_and(|last_resort| now < last_resort.expires && !last_resort.used)
    }

    pub(crate) fn to_wire(self, suite: Suite, now: Timestamp) -> wire::KeyPackageStock {
        wire::KeyPackageStock {
            suite: suite.code().into(),
            one_time: self.count(),
            last_resort: self.has_fresh_last_resort(now),
        }
    }

    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn encode(&self) -> Bytes {
        let expires = self
            .last_resort
            .map_or(0, |last_resort| last_resort.expires.as_ms());
        let used = self.last_resort.is_some_and(|last_resort| last_resort.used);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(used, Self::USED) | flag(self.told_low, Self::TOLD_LOW);
        let mut bytes = Vec::with_capacity(Self::LEN);
        for number in [self.change, self.first, self.next, expires] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.push(flags);
        bytes.into()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let (&[change, first, next, expires], &[flags]) = (numbers, rest) else {
            return Err(damaged("a stock of key packages"));
        };
        let [first, next] = [first, next].map(u64::from_le_bytes);
        let expires = u64::from_le_bytes(expires);
        if first > next {
            return Err(damaged("a stock of key packages"));
        }
        Ok(Self {
            change: u64::from_le_bytes(change),
            first,
            next,
            last_resort: (expires != 0).then_some(LastResort {
                expires: Timestamp::from_ms(expires),
                used: flags & Self::USED != 0,
            }),
            told_low: flags & Self::TOLD_LOW != 0,
        })
    }
}

impl OneTime {
    pub(crate) fn encode(&self) -> Bytes {
        [&self.expires.as_ms().to_le_bytes()[..], &self.package]
            .concat()
            .into()
    }

    fn decode(mut bytes: Bytes) -> Result<Self, Refusal> {
        let expires = bytes
            .split_first_chunk::<8>()
            .map(|(expires, _)| u64::from_le_bytes(*expires));
        let expires = expires.ok_or_else(|| damaged("a key package"))?;
        Ok(Self {
            expires: Timestamp::from_ms(expires),
            package: bytes.split_off(8),
        })
    }
}

impl<L: Logs, R: Records> Directory<L, R> {
    /// How many key packages of a device are left, for each suite.
    ///
    /// # Errors
    /// The store's.
    pub async fn stock(
        &self,
        now: Timestamp,
        device: DeviceId,
    ) -> Result<Vec<wire::KeyPackageStock>, Refusal> {
        let mut stock = Vec::new();
        for suite in Suite::ALL {
            let shelf = Shelf { device, suite };
            let (_, mut there) = self.on_shelf(shelf).await?;
            self.pass_expired(shelf, &mut there, now).await?;
            stock.push(there.to_wire(suite, now));
        }
        Ok(stock)
    }

    /// What stands on a shelf, and the bytes that say so.
    pub(crate) async fn on_shelf(&self, shelf: Shelf) -> Result<(Option<Bytes>, Stock), Refusal> {
        let cell = self.logs.cell(&shelf.stock()).await?;
        let stock = cell
            .as_deref()
            .map(Stock::decode)
            .transpose()?
            .unwrap_or_default();
        Ok((cell, stock))
    }

    /// Passes over what has expired; gives the first that has not.
    pub(crate) async fn pass_expired(
        &self,
        shelf: Shelf,
        stock: &mut Stock,
        now: Timestamp,
    ) -> Result<Option<OneTime>, Refusal> {
        while stock.first < stock.next {
            // Gone when somebody took it since the stock was read; the batch will then not hold.
            if let Some(cell) = self.logs.cell(&shelf.one_time(stock.first)).await? {
                let one_time = OneTime::decode(cell)?;
                if now < one_time.expires {
                    return Ok(Some(one_time));
                }
            }
            stock.first += 1;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stocks_round_trip() {
        let last_resort = LastResort {
            expires: Timestamp::from_ms(7),
            used: true,
        };
        for stock in [
            Stock::default(),
            Stock {
                change: 1,
                first: 2,
                next: 3,
                last_resort: Some(last_resort),
                told_low: true,
            },
        ] {
            assert_eq!(Stock::decode(&stock.encode()).unwrap(), stock);
        }
        for bytes in [&[][..], &[0; 32], &[0; 34]] {
            assert!(Stock::decode(bytes).is_err());
        }
    }
}
