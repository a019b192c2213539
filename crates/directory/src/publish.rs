//! Publishing key packages.

use bytes::Bytes;
use crypto::DeviceCertificate;
use mls::{inspect_key_package, key_package_expires};
use sha2::{Digest, Sha256};
use storage::{Batch, Check, Key, Logs, Outcome, Records, Value};
use types::wire::{self, RefusalCode};
use types::{DeviceId, Refusal, Suite, Timestamp, limits};

use crate::Directory;
use crate::stock::{LastResort, OneTime, Shelf, Stock};

/// How often to begin anew when others change the stock at the same time.
const ATTEMPTS: usize = 16;
/// Notes of packages long expired that one publication clears away.
const CLEARED: usize = 256;

/// What a device brings, found to be in order.
struct Delivery {
    shelf: Shelf,
    one_time: Vec<OneTime>,
    last_resort: Option<OneTime>,
}

impl<L: Logs, R: Records> Directory<L, R> {
    /// Adds to the stock of a device. What was ever in it is not added again.
    ///
    /// # Errors
    /// `BAD_KEY_PACKAGE`, `TOO_LARGE`, `MALFORMED`, `UNKNOWN_DEVICE`, `DEVICE_REVOKED`, or the store's.
    pub async fn publish(
        &self,
        now: Timestamp,
        device: DeviceId,
        request: &wire::PublishKeyPackages,
    ) -> Result<wire::KeyPackageStock, Refusal> {
        let owner = self.listed(device).await?;
        let delivery = inspect(now, &owner, request)?;
        for _ in 0..ATTEMPTS {
            let new = self.unseen(&delivery).await?;
            let (cell, mut stock) = self.on_shelf(delivery.shelf).await?;
            // Asked after the stock, which changes once a device got another certificate: the batch would not hold.
            if self.listed(device).await? != owner {
                return Err(outdated());
            }
            let expired = stock.first;
            self.pass_expired(delivery.shelf, &mut stock, now).await?;
            let expired = (expired..stock.first).map(|number| (delivery.shelf.one_time(number), None));
            let batch = delivery.put(cell, &mut stock, &new, expired.collect())?;
            if let Outcome::Committed { .. } = self.logs.commit(batch).await? {
                self.clear_seen(delivery.shelf, now).await?;
                return Ok(stock.to_wire(delivery.shelf.suite, now));
            }
        }
        Err(Refusal::overloaded())
    }

    /// Those that were never on the shelf, each once, with the note that they now have been.
    async fn unseen<'a>(&self, delivery: &'a Delivery) -> Result<Vec<(Key, &'a OneTime)>, Refusal> {
        let mut new: Vec<(Key, &OneTime)> = Vec::with_capacity(delivery.one_time.len());
        for one_time in &delivery.one_time {
            let hash = Sha256::digest(&one_time.package).into();
            let seen = delivery.shelf.seen(one_time.expires, hash);
            let twice = new.iter().any(|(key, _)| *key == seen);
            if !twice && self.logs.cell(&seen).await?.is_none() {
                new.push((seen, one_time));
            }
        }
        Ok(new)
    }

    async fn clear_seen(&self, shelf: Shelf, now: Timestamp) -> Result<(), Refusal> {
        let end = shelf.seen(now, [0; 32]);
        let seen = self.logs.cells(&shelf.all_seen(), CLEARED).await?;
        let gone = seen
            .into_iter()
            .filter(|cell| cell.key < end)
            .map(|cell| (cell.key, None));
        self.logs.put_lazily(gone.collect())?;
        Ok(())
    }
}

impl Delivery {
    /// The batch that puts it onto the shelf, and the stock afterwards.
    fn put(
        &self,
        cell: Option<Bytes>,
        stock: &mut Stock,
        new: &[(Key, &OneTime)],
        mut cells: Vec<(Key, Option<Value>)>,
    ) -> Result<Batch, Refusal> {
        let mut checks = vec![Check::Cell {
            key: self.shelf.stock(),
            value: cell,
        }];
        for (seen, one_time) in new {
            checks.push(Check::Cell {
                key: seen.clone(),
                value: None,
            });
            cells.push((seen.clone(), Some(Value::Plain(Bytes::from_static(b"1")))));
            cells.push((
                self.shelf.one_time(stock.next),
                Some(Value::Plain(one_time.encode())),
            ));
            stock.next += 1;
        }
        if stock.len() > limits::KEY_PACKAGE_STOCK_MAX as u64 {
            return Err(Refusal::too_large(
                "The stock of a device",
                limits::KEY_PACKAGE_STOCK_MAX,
                "one-time key packages",
            ));
        }
        if let Some(LastResortPackage { last_resort, package }) = self.last_resort() {
            stock.last_resort = Some(last_resort);
            cells.push((self.shelf.last_resort(), Some(Value::Plain(package))));
        }
        stock.told_low &= stock.is_low();
        stock.change += 1;
        cells.push((self.shelf.stock(), Some(Value::Plain(stock.encode()))));
        Ok(Batch {
            checks,
            cells,
            ..Batch::default()
        })
    }

    fn last_resort(&self) -> Option<LastResortPackage> {
        self.last_resort.as_ref().map(|last_resort| LastResortPackage {
            last_resort: LastResort {
                expires: last_resort.expires,
                used: false,
            },
            package: last_resort.package.clone(),
        })
    }
}

struct LastResortPackage {
    last_resort: LastResort,
    package: Bytes,
}

fn inspect(
    now: Timestamp,
    owner: &DeviceCertificate,
    request: &wire::PublishKeyPackages,
) -> Result<Delivery, Refusal> {
    let suite = Suite::from_code(request.suite).map_err(Refusal::malformed)?;
    if request.one_time.len() > limits::KEY_PACKAGE_STOCK_MAX {
        return Err(Refusal::too_large(
            "A publication",
            limits::KEY_PACKAGE_STOCK_MAX,
            "one-time key packages",
        ));
    }
    let inspect = |package: &Bytes| inspect_one(now, owner, suite, package);
    Ok(Delivery {
        shelf: Shelf {
            device: owner.device_id,
            suite,
        },
        one_time: request.one_time.iter().map(inspect).collect::<Result<_, _>>()?,
        last_resort: Some(&request.last_resort)
            .filter(|package| !package.is_empty())
            .map(inspect)
            .transpose()?,
    })
}

fn inspect_one(
    now: Timestamp,
    owner: &DeviceCertificate,
    suite: Suite,
    package: &Bytes,
) -> Result<OneTime, Refusal> {
    if package.len() > limits::KEY_PACKAGE_BYTES {
        return Err(Refusal::too_large(
            "A key package",
            limits::KEY_PACKAGE_BYTES,
            "bytes",
        ));
    }
    let member = inspect_key_package(package, suite, now).map_err(bad_key_package)?;
    if member.device_id != owner.device_id
        || member.address != owner.address
        || member.account_key != owner.account_key
        || member.recovery_key != owner.recovery_key
    {
        let message = "This key package belongs to another device. Publish your own.";
        return Err(Refusal::new(RefusalCode::BadKeyPackage, message));
    }
    Ok(OneTime {
        expires: key_package_expires(package).map_err(bad_key_package)?,
        package: package.clone(),
    })
}

fn outdated() -> Refusal {
    let message = "This device has got another certificate meanwhile. Make key packages with that one.";
    Refusal::new(RefusalCode::BadKeyPackage, message)
}

fn bad_key_package(error: mls::Error) -> Refusal {
    let message = format!("A key package was not accepted: {error}. Make it anew.");
    Refusal::new(RefusalCode::BadKeyPackage, message).because(error)
}
