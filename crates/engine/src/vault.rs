//! What the realm keeps for this account that its devices alone can read: the backup, and the key that it is sealed
//! under. What is in it is the driver's to write, since it is made of lines that the driver keeps.

use crypto::BackupKey;
use types::{BlobId, DeviceId, Duration, Timestamp, wire};
use wire::client_frame::Body;
use wire::server_frame::Body as ServerBody;
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::link::Request;
use crate::news::News;
use crate::{Answer, Command, CommandId, EraView, Error};

/// How long one key seals the backup. What was sealed under it stays readable to whoever gets it, so it is short.
const ERA: Duration = Duration::from_secs(24 * 3600);
/// Most eras besides the present one whose keys are kept, each for no longer than the manifest may need it.
const PAST_ERAS: usize = 8;

/// Eras that may have begun since this device heard of one: years, so that no number uses up all others.
const ERAS_AHEAD: u64 = 100_000;

impl Engine {
    /// Begins what concerns the backup. `None` for any other command.
    pub(crate) fn run_on_vault(&mut self, id: CommandId, command: &Command) -> Option<Result<(), Error>> {
        let ask = match command {
            Command::KeepBlobs { keep, drop } => Body::KeepBlobs(wire::KeepBlobs {
                keep: keep.iter().map(|blob| blob.to_bytes()).collect(),
                drop: drop.iter().map(|blob| blob.to_bytes()).collect(),
            }),
            Command::FetchManifest => Body::FetchManifest(wire::FetchManifest {}),
            Command::PutManifest { number, sealed } => Body::PutManifest(wire::PutManifest {
                number: *number,
                sealed: sealed.clone(),
            }),
            Command::Era => return Some(self.era(id)),
            Command::ForgetPastEras => {
                if let Some(account) = &mut self.core.account {
                    account.state.past_eras.clear();
                }
                self.core.keep_account();
                self.core.done(Some(id), Ok(Answer::Done));
                return Some(Ok(()));
            }
            Command::SwitchBackup { on } => return Some(self.switch_backup(id, *on)),
            Command::TakeBack { changes } => return Some(self.take_back(id, changes)),
            Command::OfferHistory { offer } => {
                self.core.tell_devices(News::History(offer.clone()));
                self.core.done(Some(id), Ok(Answer::Done));
                return Some(Ok(()));
            }
            Command::HistoryTaken => {
                if let Some(account) = &mut self.core.account {
                    account.state.history = None;
                }
                self.core.keep_account();
                self.core.done(Some(id), Ok(Answer::Done));
                return Some(Ok(()));
            }
            _ => return None,
        };
        if let Err(error) = self.core.account() {
            return Some(Err(error));
        }
        if !self.knows_own_devices() {
            self.deferred.push((id, command.clone()));
            return Some(Ok(()));
        }
        self.asked.insert(id, command.clone());
        self.core.request(Request::Vault(id), ask);
        Some(Ok(()))
    }

    /// The server answered what was asked about the backup.
    pub(crate) fn vault_answered(&mut self, command: CommandId, answer: ServerBody) {
        let answer = match answer {
            ServerBody::BlobsKept(kept) => Answer::Kept {
                missing: kept
                    .missing
                    .iter()
                    .filter_map(|blob| BlobId::try_from(blob.as_ref()).ok())
                    .collect(),
                used: kept.used_bytes,
                quota: kept.quota_bytes,
            },
            ServerBody::Manifest(manifest) => Answer::Manifest {
                number: manifest.number,
                sealed: manifest.sealed,
            },
            _ => return,
        };
        self.core.done(Some(command), Ok(answer));
    }

    /// The key of the present era, a new one when that is a day old.
    fn era(&mut self, command: CommandId) -> Result<(), Error> {
        let due = |era: &wire::BackupEra| Timestamp::from_ms(era.began_ms).after(ERA) <= self.core.now;
        if self.core.account()?.state.era.as_ref().is_none_or(due) {
            self.begin_era()?;
        }
        let era = self.core.account()?.state.era.as_ref().and_then(view);
        let era = era.ok_or(Error::Damaged("the backup's key"))?;
        self.core.done(Some(command), Ok(Answer::Era(era)));
        Ok(())
    }

    /// The eras whose keys are here, the present one first: the manifest is sealed in one of them.
    pub fn eras(&self) -> Vec<EraView> {
        let state = self.core.account.as_ref().map(|account| &account.state);
        let eras = state
            .into_iter()
            .flat_map(|state| state.era.iter().chain(&state.past_eras));
        eras.filter_map(view).collect()
    }

    /// From now on the backup is sealed under another key: a device that is gone has the one before.
    pub(crate) fn begin_era(&mut self) -> Result<(), Error> {
        let (rng, now) = (self.core.rng.clone(), self.core.now);
        let Some(account) = &mut self.core.account else {
            return Err(Error::NoAccount);
        };
        let key = Zeroizing::new(rng.bytes::<32>());
        let backup_key = BackupKey::decode(&account.state.backup_key)?;
        let last = account.state.era.as_ref().map_or(0, |era| era.number);
        let era = wire::BackupEra {
            number: last.saturating_add(1),
            wrapped: backup_key.wrap(&key, &rng)?,
            key: key.to_vec().into(),
            began_ms: now.as_ms(),
        };
        let before = account.state.era.replace(era.clone());
        account.state.era_by = account.device_id.to_bytes();
        keep_past(&mut account.state, before);
        self.core.keep_account();
        self.core.tell_devices(News::Era(era));
        Ok(())
    }

    /// Another device of the account began an era. Of two that began at once, the higher number or else the key that
    /// sorts last counts everywhere.
    pub(crate) fn take_era(&mut self, by: DeviceId, mut era: wire::BackupEra) {
        let now = self.core.now;
        let Some(account) = &mut self.core.account else {
            return;
        };
        // None lasts longer than a day, whatever is said of when it began.
        era.began_ms = era.began_ms.min(now.as_ms());
        let rank = |era: &wire::BackupEra| (era.number, era.key.clone());
        let known = account.state.era.as_ref().map(rank);
        let last = known.as_ref().map_or(0, |(number, _)| *number);
        if view(&era).is_none() || era.number > last.saturating_add(ERAS_AHEAD) {
            return;
        }
        let past = if known.is_none_or(|known| rank(&era) > known) {
            account.state.era_by = by.to_bytes();
            account.state.era.replace(era)
        } else {
            Some(era)
        };
        keep_past(&mut account.state, past);
        self.core.keep_account();
    }

    /// Whether a device of the account hears what this one tells: whoever comes into the account's own conversation later does
    /// not.
    ///
    /// # Errors
    /// [`Error::NoAccount`], or what opening a group gives.
    pub fn reaches(&mut self, device: DeviceId) -> Result<bool, Error> {
        let account = self.core.account()?;
        let id = crypto::account_conversation(&account.address);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return Ok(false);
        };
        let group = conversation.group(&account.mls)?;
        Ok(group.is_some_and(|group| group.members().iter().any(|member| member.device_id == device)))
    }

    /// Whoever began the era may have been revoked since, and know its key.
    pub(crate) fn renew_era(&mut self) -> Result<(), Error> {
        let account = self.core.account()?;
        let by = DeviceId::try_from(account.state.era_by.as_ref());
        match by.is_ok_and(|by| !account.list.devices.contains(&by)) {
            true => self.begin_era(),
            false => Ok(()),
        }
    }

    fn switch_backup(&mut self, command: CommandId, on: bool) -> Result<(), Error> {
        self.core.account()?;
        self.take_switch(!on);
        self.core
            .tell_devices(News::Backup(wire::BackupSwitch { off: !on }));
        self.core.done(Some(command), Ok(Answer::Done));
        Ok(())
    }

    pub(crate) fn take_switch(&mut self, off: bool) {
        if let Some(account) = &mut self.core.account {
            account.state.backup_off = off;
        }
        self.core.keep_account();
    }

    /// Takes back what a backup or an archive holds, as if another device of the account had told it.
    fn take_back(&mut self, command: CommandId, changes: &[wire::AccountChange]) -> Result<(), Error> {
        let from = self.core.account()?.device_id;
        for mut change in changes.iter().filter_map(|change| change.change.clone()) {
            // What this device knows is newer than any backup.
            if self.fills_in(&mut change) && !self.has_later_word(&change)? && !self.has_heard_of(&change) {
                self.take_news(from, change)?;
            }
        }
        self.core.done(Some(command), Ok(Answer::Done));
        Ok(())
    }

    /// Everything that this device would tell another one of its account; for the backup.
    ///
    /// # Errors
    /// [`Error::NoAccount`], or what opening a group gives.
    pub fn everything_to_tell(&mut self) -> Result<Vec<wire::AccountChange>, Error> {
        let news = self.everything()?.into_iter();
        Ok(news
            .map(|change| wire::AccountChange { change: Some(change) })
            .collect())
    }
}

/// A manifest may have been sealed in it that nobody has read yet.
fn keep_past(state: &mut wire::AccountState, era: Option<wire::BackupEra>) {
    let Some(era) = era else { return };
    let key = |known: &wire::BackupEra| (known.number, known.key.clone());
    let mut known = state.era.iter().chain(&state.past_eras).map(key);
    if known.all(|known| known != key(&era)) {
        state.past_eras.insert(0, era);
        state.past_eras.truncate(PAST_ERAS);
    }
}

fn view(era: &wire::BackupEra) -> Option<EraView> {
    Some(EraView {
        number: era.number,
        key: Zeroizing::new(era.key.as_ref().try_into().ok()?),
        wrapped: era.wrapped.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn era(number: u64, key: u8) -> wire::BackupEra {
        wire::BackupEra {
            number,
            key: vec![key; 32].into(),
            ..wire::BackupEra::default()
        }
    }

    #[test]
    fn eras_that_the_manifest_may_be_sealed_in_are_kept_once_and_not_without_end() {
        let mut state = wire::AccountState {
            era: Some(era(9, 9)),
            ..wire::AccountState::default()
        };
        let numbers = |state: &wire::AccountState| -> Vec<(u64, u8)> {
            let eras = state.past_eras.iter();
            eras.map(|era| (era.number, era.key[0])).collect()
        };
        keep_past(&mut state, None);
        keep_past(&mut state, Some(era(9, 9)));
        assert_eq!(numbers(&state), [], "the present one is no past one");
        // Another device began one with the same number.
        for past in [era(8, 1), era(8, 2), era(8, 1)] {
            keep_past(&mut state, Some(past));
        }
        assert_eq!(numbers(&state), [(8, 2), (8, 1)]);
        for number in 10..30 {
            keep_past(&mut state, Some(era(number, 0)));
        }
        assert_eq!(state.past_eras.len(), PAST_ERAS);
        assert_eq!(state.past_eras[0].number, 29);
    }

    #[test]
    fn a_key_that_is_none_is_not_shown() {
        assert!(view(&era(1, 1)).is_some_and(|view| *view.key == [1; 32]));
        assert!(view(&wire::BackupEra::default()).is_none());
    }
}
