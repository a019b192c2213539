//! Claiming key packages: one for each device of each account, none of them ever twice.

use bytes::Bytes;
use futures_util::future::join_all;
use prost::Message;
use sha2::{Digest, Sha256};
use storage::{Append, Batch, Check, Logs, Outcome, Records, Value};
use types::refusal::Detail;
use types::wire::{self, RefusalCode};
use types::{Address, DeviceId, EntryId, LogId, Refusal, Suite, Timestamp, limits};

use crate::Directory;
use crate::accounts::{FRAME_SLACK, check_count};
use crate::buckets::Buckets;
use crate::refusals::unknown_account;
use crate::stock::{LastResort, Shelf, Stock};

/// How often to begin anew when others claim from the same device: one of them gets on each time.
const ATTEMPTS: usize = 64;
/// Devices claimed from at once, so that they share the store's trips to the disk.
const AT_ONCE: usize = 64;
/// Claimed packages that fit into one frame for certain, with room for one more round and every failure.
const PACKAGE_BYTES: usize = limits::FRAME_BYTES
    - (AT_ONCE + limits::DEVICES) * limits::KEY_PACKAGE_BYTES
    - limits::ADDRESSES_PER_REQUEST * 512
    - FRAME_SLACK;

/// Who claims.
#[derive(Clone, Debug)]
pub struct Claimer {
    /// Their account.
    pub address: Address,
    /// Their device, which needs no key package of its own.
    pub device: DeviceId,
}

/// What was claimed.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// For the claimer.
    pub answer: wire::KeyPackagesClaimed,
    /// Whose mailboxes have got something.
    pub notified: Vec<DeviceId>,
}

/// How much may be claimed, for and from one account.
#[derive(Debug)]
pub(crate) struct Limits {
    claimers: Buckets,
    targets: Buckets,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            claimers: Buckets::new(limits::CLAIMS_PER_CLAIMER),
            targets: Buckets::new(limits::CLAIMS_PER_TARGET),
        }
    }
}

/// Devices of one account, and how they may be served.
struct Target {
    address: Address,
    devices: Vec<DeviceId>,
    one_time: bool,
}

/// A key package that is nobody else's, or a last-resort one.
struct Taken {
    package: Bytes,
    last_resort: bool,
    notified: bool,
}

impl<L: Logs, R: Records> Directory<L, R> {
    /// Claims a key package of every device of each address, the claimer's own excepted. What cannot be served is
    /// among the failures, with the reason.
    ///
    /// # Errors
    /// `TOO_LARGE` when too many addresses were given, `MALFORMED`.
    pub async fn claim(
        &self,
        now: Timestamp,
        claimer: &Claimer,
        request: &wire::ClaimKeyPackages,
    ) -> Result<Claims, Refusal> {
        let suite = Suite::from_code(request.suite).map_err(Refusal::malformed)?;
        check_count(&request.addresses)?;
        let mut claims = Claims::default();
        let mut addresses = request.addresses.iter().peekable();
        let mut bytes = 0;
        while addresses.peek().is_some() {
            let mut round = Vec::new();
            while round
                .iter()
                .map(|target: &Target| target.devices.len())
                .sum::<usize>()
                < AT_ONCE
            {
                let Some(address) = addresses.next() else { break };
                match self.target(now, claimer, address, bytes).await {
                    Ok(target) => round.push(target),
                    Err(refusal) => claims.fail(address, refusal),
                }
            }
            bytes += self.claim_round(now, suite, round, &mut claims).await;
        }
        Ok(claims)
    }

    /// Whom a claim for this address is to be taken from, once that is allowed.
    async fn target(
        &self,
        now: Timestamp,
        claimer: &Claimer,
        address: &str,
        bytes: usize,
    ) -> Result<Target, Refusal> {
        if bytes > PACKAGE_BYTES {
            let message = "The answer is full. Claim for this address again.";
            return Err(Refusal::new(RefusalCode::TooLarge, message).with(Detail::Limit(
                u64::try_from(limits::FRAME_BYTES).unwrap_or(u64::MAX),
            )));
        }
        let (address, mut devices) = self
            .devices(address)
            .await?
            .ok_or_else(|| unknown_account(address))?;
        devices.retain(|device| *device != claimer.device);
        let mut limits = self
            .limits
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        limits
            .claimers
            .take(now, &claimer.address, devices.len())
            .map_err(|after| {
                let message = "You have brought in very many people lately. Try again a little later.";
                Refusal::new(RefusalCode::RateLimited, message).with(Detail::RetryAfter(after))
            })?;
        // Over its limit an account is still reachable, but its one-time packages are not drained.
        let one_time = limits.targets.take(now, &address, devices.len()).is_ok();
        Ok(Target {
            address,
            devices,
            one_time,
        })
    }

    /// Claims from all of them at once; gives the bytes of what was had.
    async fn claim_round(
        &self,
        now: Timestamp,
        suite: Suite,
        targets: Vec<Target>,
        claims: &mut Claims,
    ) -> usize {
        let each = targets
            .iter()
            .flat_map(|target| target.devices.iter().map(move |device| (target, *device)));
        let taking = each.map(|(target, device)| async move {
            let shelf = Shelf { device, suite };
            (target, device, self.take(now, shelf, target.one_time).await)
        });
        let mut bytes = 0;
        for (target, device, taken) in join_all(taking).await {
            let address = target.address.to_string();
            match taken {
                Ok(Some(taken)) => {
                    bytes += taken.package.len() + address.len();
                    claims.add(address, device, taken);
                }
                Ok(None) => claims.fail(&address, no_key_package(&address)),
                Err(refusal) => claims.fail(&address, refusal),
            }
        }
        bytes
    }

    /// Takes one package off a shelf; `None` when there is none that is still good.
    async fn take(&self, now: Timestamp, shelf: Shelf, one_time: bool) -> Result<Option<Taken>, Refusal> {
        for _ in 0..ATTEMPTS {
            let (cell, before) = self.on_shelf(shelf).await?;
            let mut stock = before;
            let first = match one_time {
                true => self.pass_expired(shelf, &mut stock, now).await?,
                false => None,
            };
            let (package, last_resort) = match first {
                Some(first) => {
                    stock.first += 1;
                    (first.package, false)
                }
                None => match self.last_resort(now, shelf, &mut stock).await? {
                    Some(package) => (package, true),
                    None => return Ok(None),
                },
            };
            let notified = must_tell(&before, &mut stock);
            let taken = Taken {
                package,
                last_resort,
                notified,
            };
            if stock == before {
                // A last-resort package that went out before: nothing to write, if it is still the same one.
                if self.on_shelf(shelf).await?.0 == cell {
                    return Ok(Some(taken));
                }
                continue;
            }
            let batch = taking(now, shelf, cell, (&before, &mut stock), notified);
            if let Outcome::Committed { .. } = self.logs.commit(batch).await? {
                return Ok(Some(taken));
            }
        }
        Err(Refusal::overloaded())
    }

    async fn last_resort(
        &self,
        now: Timestamp,
        shelf: Shelf,
        stock: &mut Stock,
    ) -> Result<Option<Bytes>, Refusal> {
        let Some(last_resort) = stock.last_resort.filter(|last_resort| now < last_resort.expires) else {
            return Ok(None);
        };
        stock.last_resort = Some(LastResort {
            used: true,
            ..last_resort
        });
        Ok(self.logs.cell(&shelf.last_resort()).await?)
    }
}

impl Claims {
    fn add(&mut self, address: String, device: DeviceId, taken: Taken) {
        if taken.notified {
            self.notified.push(device);
        }
        self.answer.key_packages.push(wire::ClaimedKeyPackage {
            address,
            device_id: device.to_bytes(),
            key_package: taken.package,
            last_resort: taken.last_resort,
        });
    }

    fn fail(&mut self, address: &str, refusal: Refusal) {
        self.answer.failures.push(wire::ClaimFailure {
            address: address.to_owned(),
            refusal: Some(refusal.into_wire()),
        });
    }
}

/// The device is told once when its stock falls to half, and once when its last-resort package goes out; it then
/// knows until it comes with more.
fn must_tell(before: &Stock, after: &mut Stock) -> bool {
    let now_low = after.len() < before.len() && after.is_low() && !before.told_low;
    after.told_low |= now_low;
    now_low || after.last_resort != before.last_resort
}

fn taking(
    now: Timestamp,
    shelf: Shelf,
    cell: Option<Bytes>,
    (before, after): (&Stock, &mut Stock),
    notify: bool,
) -> Batch {
    after.change += 1;
    let mut cells = vec![(shelf.stock(), Some(Value::Plain(after.encode())))];
    cells.extend((before.first..after.first).map(|number| (shelf.one_time(number), None)));
    if notify {
        cells.push((
            storage::mailbox_mark(shelf.device),
            Some(Value::Plain(Bytes::new())),
        ));
    }
    let append = notify.then(|| Append {
        log: LogId::Mailbox(shelf.device),
        entry_id: notice_id(shelf, after),
        body: Value::Plain(notice(now, shelf, after).into()),
    });
    Batch {
        checks: vec![Check::Cell {
            key: shelf.stock(),
            value: cell,
        }],
        appends: append.into_iter().collect(),
        cells,
    }
}

fn notice(now: Timestamp, shelf: Shelf, stock: &Stock) -> Vec<u8> {
    let used = wire::KeyPackagesUsed {
        suite: shelf.suite.code().into(),
        one_time_left: stock.count(),
        last_resort_used: stock.last_resort.is_some_and(|last_resort| last_resort.used),
    };
    wire::EntryBody {
        accepted_ms: now.as_ms(),
        content: Some(wire::entry_body::Content::KeyPackagesUsed(used)),
        ..wire::EntryBody::default()
    }
    .encode_to_vec()
}

/// No two changes of a shelf have the same number, so no two notices the same id.
fn notice_id(shelf: Shelf, stock: &Stock) -> EntryId {
    let hash = Sha256::new_with_prefix(b"veche key packages used v1")
        .chain_update(shelf.stock())
        .chain_update(stock.change.to_be_bytes())
        .finalize();
    let mut id = [0; EntryId::LEN];
    id.copy_from_slice(&hash[..EntryId::LEN]);
    EntryId::new(id)
}

fn no_key_package(address: &str) -> Refusal {
    Refusal::new(
        RefusalCode::NoKeyPackage,
        format!("A device of {address} has no key package left. Try again once it has been online."),
    )
}
